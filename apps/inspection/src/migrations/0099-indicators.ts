import { type Migration } from '#database';

/** A quarter's visits are counted and listed by place, and must not cost more with every quarter that passes (ADR 17). */
export const indicators: Migration = {
  name: '0099-indicators',
  sql: `create index obligation_period on obligation (period, division, id);`,
};
