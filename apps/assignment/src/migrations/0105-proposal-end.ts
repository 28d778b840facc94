import { type Migration } from '#database';

/** A proposal is refused with its reason, or overtaken by one that was approved for its ground after it was made. */
export const proposalEnd: Migration = {
  name: '0105-proposal-end',
  sql: `
alter table proposal drop constraint proposal_state_check;
alter table proposal add constraint proposal_state_check check (state in ('open', 'approved', 'rejected', 'overtaken'));
alter table proposal add column rejected_by text, add column rejected_at timestamptz, add column reason text;
`,
};
