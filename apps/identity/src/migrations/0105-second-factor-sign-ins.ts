import { type Migration } from '#database';

/** A second factor that is enrolled, and a sign-in by a recovery code, are told from others. */
export const secondFactorSignIns: Migration = {
  name: '0105-second-factor-sign-ins',
  sql: `
alter table sign_in drop constraint sign_in_outcome_check;
alter table sign_in add constraint sign_in_outcome_check
  check (outcome in ('signed-in', 'recovery-code', 'enrolled', 'program', 'wrong-password', 'wrong-code', 'locked', 'inactive', 'expired'));
`,
};
