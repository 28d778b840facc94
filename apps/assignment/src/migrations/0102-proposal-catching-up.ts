import { type Migration } from '#database';

/** Who approves sees what the proposer was told: establishments were still on their way. */
export const proposalCatchingUp: Migration = {
  name: '0102-proposal-catching-up',
  sql: `alter table proposal add column catching_up boolean;`,
};
