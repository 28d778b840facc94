import { type Migration } from '#database';

/** A run says that it is at work. */
export const runs: Migration = {
  name: '0100-runs',
  sql: `
alter table obligation_run drop constraint obligation_run_state_check;
alter table obligation_run add check (state in ('queued', 'running', 'done'));`,
};
