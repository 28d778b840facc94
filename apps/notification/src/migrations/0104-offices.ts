import { type Migration } from '#database';

/** A township's office is told, too: what waits for it, what is late on its ground, whose undertaking to renew. */
export const offices: Migration = {
  name: '0104-offices',
  sql: `
alter table message drop constraint message_audience_check;
alter table message add constraint message_audience_check check (audience in ('official', 'office', 'county-admin'));
`,
};
