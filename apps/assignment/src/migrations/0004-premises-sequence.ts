import { type Migration } from '#database';

/** The state of the establishment that an assignment was made for: a later closure ends it, whenever it is told. */
export const premisesSequence: Migration = {
  name: '0004-premises-sequence',
  sql: `alter table assignment add column premises_sequence integer not null default 0;`,
};
