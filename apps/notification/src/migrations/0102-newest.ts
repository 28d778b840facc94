import { type Migration } from '#database';

/** The pages of messages and deliveries, the newest first; an official's own among many thousands. */
export const newestFirst: Migration = {
  name: '0102-newest',
  sql: `
create index message_newest on message (created_at desc, id desc);
create index message_official_newest on message (official_id, created_at desc, id desc);
create index delivery_newest on delivery (created_at desc, id desc);
`,
};
