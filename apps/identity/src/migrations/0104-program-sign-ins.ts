import { type Migration } from '#database';

/** A program that takes a token with its client secret is written down, too. */
export const programSignIns: Migration = {
  name: '0104-program-sign-ins',
  sql: `
alter table sign_in drop constraint sign_in_outcome_check;
alter table sign_in add constraint sign_in_outcome_check
  check (outcome in ('signed-in', 'program', 'wrong-password', 'wrong-code', 'locked', 'inactive', 'expired'));
`,
};
