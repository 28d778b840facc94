import { type Migration } from '#database';

/** When the session of a certificate was held; null: its fact is of before facts said it, and no visit is compared with it. */
export const trainingDay: Migration = {
  name: '0108-training-day',
  sql: `alter table qualification add column held_at timestamptz;`,
};
