import { foundationOf, retries } from '#database';
import { PolicyController, policyLoader, type ServiceDefinition } from '#platform';
import { Module } from '@nestjs/common';
import { CertificateController, TraineeController } from './certificate.controller.js';
import { sessions } from './migrations/0002-sessions.js';
import { divisions } from './migrations/0100-divisions.js';
import { SessionController } from './session.controller.js';
import { TrainingEvents } from './training.events.js';
import { IndicatorController } from './training.indicators.js';
import { Induction } from './training.policies.js';

@Module({
  controllers: [
    SessionController,
    CertificateController,
    TraineeController,
    IndicatorController,
    PolicyController,
  ],
  providers: [TrainingEvents],
})
class TrainingModule {}

export const training: ServiceDefinition = {
  service: 'training',
  title: '培训 · Training: who was trained before the first visit',
  module: TrainingModule,
  entities: [],
  migrations: [...foundationOf('training'), sessions, retries('training'), divisions],
  events: [TrainingEvents],
  load: policyLoader(Induction),
};
