import { type Migration } from '#database';

/** One who left keeps no post: whom a roster made by mistake leaves, and the one meant is corrected to that post. */
export const officialPost: Migration = {
  name: '0104-official-post',
  sql: `
drop index official_post;
create unique index official_post on official (division, level, post, name) where active;
`,
};
