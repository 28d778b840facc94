import { type Migration } from '#database';

/** Each visit that is shown looks for its official's others of the same minutes. */
export const visitsNear: Migration = {
  name: '0105-visits-near',
  sql: `create index inspection_official on inspection (official_id, visited_at);`,
};
