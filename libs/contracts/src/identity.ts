import { Type } from '@sinclair/typebox';
import { defineEvent } from './event.js';

/** Acting roles 角色: what a token may say its bearer is. */
export const roles = [
  'county-admin', 'office', 'official', 'grid-worker', 'authority', 'auditor', 'service',
] as const; // prettier-ignore

/**
 * An account 账号 after a step. `version` is the account's: a token that carries a smaller one is at its end everywhere.
 * No name and no secret: a service needs to know only whom it may still believe.
 */
export const AccountChanged = defineEvent(
  'identity.account.changed.v1',
  Type.Object({
    accountId: Type.String({ format: 'uuid' }),
    division: Type.String({ pattern: '^([0-9]{6}|[0-9]{9}|[0-9]{12})$' }),
    role: Type.Union(roles.map((role) => Type.Literal(role))),
    official: Type.Union([Type.String({ format: 'uuid' }), Type.Null()]),
    active: Type.Boolean(),
    version: Type.Integer({ minimum: 1 }),
  }),
);
