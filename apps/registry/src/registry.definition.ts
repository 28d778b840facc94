import { foundation } from '#database';
import { type ServiceDefinition } from '#platform';
import { Module } from '@nestjs/common';
import { DivisionController } from './division.controller.js';
import { EstablishmentController } from './establishment.controller.js';
import { Establishment } from './establishment.entity.js';
import { EstablishmentService } from './establishment.service.js';
import { establishments } from './migrations/0002-establishments.js';

@Module({
  controllers: [DivisionController, EstablishmentController],
  providers: [EstablishmentService],
})
class RegistryModule {}

export const registry: ServiceDefinition = {
  service: 'registry',
  title: 'Registry: premises and tiers',
  module: RegistryModule,
  entities: [Establishment],
  migrations: [{ name: '0001-foundation', sql: foundation('registry') }, establishments],
};
