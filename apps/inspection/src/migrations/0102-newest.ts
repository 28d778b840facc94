import { type Migration } from '#database';

/** The page of runs, the newest first. */
export const newestRuns: Migration = {
  name: '0102-newest',
  sql: `create index obligation_run_newest on obligation_run (created_at desc, id desc);`,
};
