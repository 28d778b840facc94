import { foundationOf, retention, retries } from '#database';
import { ChangeController, PolicyController, type ServiceDefinition } from '#platform';
import { Module } from '@nestjs/common';
import { CalendarController } from './calendar.controller.js';
import { DivisionController } from './division.controller.js';
import { EstablishmentController } from './establishment.controller.js';
import { Establishment } from './establishment.entity.js';
import { EstablishmentService } from './establishment.service.js';
import { LedgerImportController } from './ledger-import.controller.js';
import { LedgerController } from './ledger.controller.js';
import { LedgerImports } from './ledger.service.js';
import { establishments } from './migrations/0002-establishments.js';
import { ledger } from './migrations/0003-ledger.js';
import { search } from './migrations/0004-search.js';
import { records } from './migrations/0005-records.js';
import { ledgerParts } from './migrations/0007-import-parts.js';
import { newestLedgers } from './migrations/0102-newest.js';
import { NameSearchSweep } from './name-search.sweep.js';
import { RegistryEvents } from './registry.events.js';
import { IndicatorController } from './registry.indicators.js';
import { loadRegistry } from './registry.loader.js';

@Module({
  controllers: [
    DivisionController,
    EstablishmentController,
    LedgerImportController,
    LedgerController,
    CalendarController,
    IndicatorController,
    PolicyController,
    ChangeController,
  ],
  providers: [EstablishmentService, LedgerImports, NameSearchSweep, RegistryEvents],
})
class RegistryModule {}

export const registry: ServiceDefinition = {
  service: 'registry',
  title: '主体登记 · Registry: premises and tiers',
  url: import.meta.url,
  module: RegistryModule,
  entities: [Establishment],
  migrations: [
    ...foundationOf('registry'),
    establishments,
    ledger,
    search,
    records,
    ledgerParts,
    retention('registry', ['change', 'personal_read']),
    retries('registry'),
    newestLedgers,
  ],
  events: [RegistryEvents],
  jobs: [LedgerImports, NameSearchSweep],
  load: loadRegistry,
};
