import { type Migration } from '#database';

/**
 * A township's office is told, too: what waits for it, what is late on its ground, whose undertaking to renew. And what
 * happens to one subject again (an answer, its refusal) is told each time, by the instant at which it happened.
 */
export const offices: Migration = {
  name: '0104-offices',
  sql: `
alter table message drop constraint message_audience_check;
alter table message add constraint message_audience_check check (audience in ('official', 'office', 'county-admin'));
alter table message add column occasion text;
alter table message drop constraint message_once;
alter table message add constraint message_once unique nulls not distinct (kind, subject_id, audience, official_id, occasion);
`,
};
