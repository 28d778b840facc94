import { type Migration } from '#database';

/** The page of sign-ins, the newest first. */
export const newestSignIns: Migration = {
  name: '0103-newest',
  sql: `
create index sign_in_newest on sign_in (at desc, id desc);
create index sign_in_account_newest on sign_in (account_id, at desc, id desc);
`,
};
