import { type Migration } from '#database';

/** A run keeps how far it has come. */
export const runPlace: Migration = {
  name: '0101-run-place',
  sql: `alter table obligation_run add column reached_division text, add column reached_establishment uuid;`,
};
