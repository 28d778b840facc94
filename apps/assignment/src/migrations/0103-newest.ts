import { type Migration } from '#database';
import { newestImports } from '#platform';

/** The pages of imports and proposals, the newest first. */
export const newestFirst: Migration = {
  name: '0103-newest',
  sql: `
${newestImports('roster_import')}
create index proposal_newest on proposal (proposed_at desc, id desc);
`,
};
