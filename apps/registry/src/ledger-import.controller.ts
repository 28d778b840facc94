import { Database } from '#database';
import { importRoutes } from '#platform';
import { Controller } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { LedgerImports } from './ledger.service.js';

@ApiTags('ledger-imports')
@Controller('ledger-imports')
export class LedgerImportController extends importRoutes('台账 · a ledger', [
  'county-admin',
  'office',
]) {
  constructor(database: Database, imports: LedgerImports) {
    super(database, imports as never);
  }
}
