import { foundation } from '#database';
import { type ServiceDefinition } from '#platform';
import { Module } from '@nestjs/common';
import { AssignmentEvents } from './assignment.events.js';
import { GapController } from './gap.controller.js';
import { premises } from './migrations/0002-premises.js';

@Module({ controllers: [GapController], providers: [AssignmentEvents] })
class AssignmentModule {}

export const assignment: ServiceDefinition = {
  service: 'assignment',
  title: 'Assignment: who answers for what',
  module: AssignmentModule,
  entities: [],
  migrations: [{ name: '0001-foundation', sql: foundation('assignment') }, premises],
  events: [AssignmentEvents],
};
