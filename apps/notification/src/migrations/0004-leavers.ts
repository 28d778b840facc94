import { type Migration } from '#database';

const app = 'notification_app';

/** As of the issuer's tables: walled by role, for it is read before it is known where somebody is. */
const machine = (table: string): string => `
alter table ${table} enable row level security;
alter table ${table} force row level security;
create policy machine on ${table} for all to ${app} using (true) with check (true);
grant select, insert, update on ${table} to ${app};`;

/** What is known of those who subscribed, so that nothing is sent to somebody who has left. */
export const leavers: Migration = {
  name: '0004-leavers',
  sql: `
-- Why it ended by itself; null: somebody ended it, or it has not ended.
alter table subscription add column end_reason text check (end_reason in ('official-left', 'official-moved', 'account-ended', 'account-changed'));
-- The newest steps of its official and its account that were known when it was made: only a later one ends it.
alter table subscription add column official_sequence integer not null default 0;
alter table subscription add column account_version integer not null default 0;
create index subscription_official on subscription (official_id) where state <> 'ended';

-- Machine tables: where an official serves and what an account acts as, by the newest step that was told, wherever that is
-- now. Whoever asks from where he was before must meet them, too; they hold ids and codes of places alone.
create table subscriber_official (
  official_id uuid primary key,
  sequence integer not null,
  active boolean not null,
  place text collate "C" not null
);
${machine('subscriber_official')}
create table subscriber_account (
  account_id uuid primary key,
  version integer not null,
  active boolean not null,
  role text not null,
  place text collate "C" not null,
  official_id uuid
);
${machine('subscriber_account')}
`,
};
