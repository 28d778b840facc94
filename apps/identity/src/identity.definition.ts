import { accounts, retention, retries, seals } from '#database';
import { ChangeController, type ServiceDefinition } from '#platform';
import { Module } from '@nestjs/common';
import { AccountController } from './account.controller.js';
import { AccountService } from './account.service.js';
import { IdentityEvents } from './identity.events.js';
import { identitySchema } from './migrations/0001-identity.js';
import { walls } from './migrations/0002-walls.js';
import { administration } from './migrations/0003-administration.js';
import { divisions } from './migrations/0102-divisions.js';
import { newestSignIns } from './migrations/0103-newest.js';
import { programSignIns } from './migrations/0104-program-sign-ins.js';
import { secondFactorSignIns } from './migrations/0105-second-factor-sign-ins.js';
import { SignInController } from './sign-in.controller.js';
import { Sweep } from './sweep.js';

@Module({
  controllers: [AccountController, SignInController, ChangeController],
  providers: [AccountService, IdentityEvents, Sweep],
})
class IdentityModule {}

/** The side of identity that is a service like the others; the issuer stands beside it. */
export const identity: ServiceDefinition = {
  service: 'identity',
  title: '账号 · Identity: accounts and sign-ins',
  module: IdentityModule,
  entities: [],
  migrations: [
    { name: '0001-identity', sql: identitySchema },
    walls,
    administration,
    accounts('identity'),
    seals('identity'),
    retention('identity', ['change', 'personal_read']),
    retries('identity'),
    divisions,
    newestSignIns,
    programSignIns,
    secondFactorSignIns,
  ],
  events: [IdentityEvents],
  jobs: [Sweep],
};
