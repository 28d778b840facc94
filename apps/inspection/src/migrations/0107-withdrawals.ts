import { type Migration } from '#database';

/** What the office withdrew stays as it was written, with who, when and why beside it. */
export const withdrawals: Migration = {
  name: '0107-withdrawals',
  sql: `
alter table inspection add column withdrawn_at timestamptz, add column withdrawn_by text, add column withdrawal_reason text;
create index obligation_inspection on obligation (inspection_id) where inspection_id is not null;
create index corrective_action_inspection on corrective_action (inspection_id);
grant update (version, obligation_id, withdrawn_at, withdrawn_by, withdrawal_reason) on inspection to inspection_app;
`,
};
