import { type Migration, owned } from '#database';
import { policyTable } from '#platform';

const app = 'notification_app';

/** Who wants to be told by another way than the inbox, and what became of each sending. */
export const channels: Migration = {
  name: '0003-channels',
  sql: `
-- The county's templates that a message was worded with; null: built-in words.
alter table message add column template_version integer;

create table subscription (
  id uuid primary key,
  -- The ground of who subscribed.
  division text collate "C" not null,
  version integer not null,
  channel text not null check (channel in ('email', 'webhook')),
  state text not null check (state in ('unconfirmed', 'active', 'ended')),
  -- Whose it is: the account, what it acted as, and which official that is.
  account text not null,
  role text not null check (role in ('official', 'office', 'county-admin')),
  official_id uuid,
  address text,
  url text,
  language text not null check (language in ('zh-CN', 'en')),
  -- Kinds of messages; null: all.
  kinds text[],
  -- Which key signs: the first 12 digits of its hash.
  key_hash text not null,
  confirmation_tries integer not null default 0,
  created_at timestamptz not null,
  confirmed_at timestamptz,
  ended_at timestamptz,
  ended_by text,
  check ((channel = 'email') = (address is not null) and (channel = 'webhook') = (url is not null)),
  check ((role = 'official') = (official_id is not null)),
  check ((state = 'ended') = (ended_at is not null))
);
create index subscription_place on subscription (division, id);
create index subscription_account on subscription (account, created_at);
create index subscription_active on subscription (division) where state = 'active';
${owned('subscription', app, 'select, insert, update')}

create table delivery (
  id uuid primary key,
  -- The ground and the official of its subscription.
  division text collate "C" not null,
  official_id uuid,
  version integer not null,
  subscription_id uuid not null references subscription,
  channel text not null,
  -- Null for the mail with the confirmation code.
  message_id uuid references message,
  message_version integer,
  kind text not null,
  state text not null check (state in ('queued', 'delivered', 'failed', 'dead', 'cancelled')),
  -- What is sent, as it was worded: the subject of a mail; its text, or the webhook's body to the last byte.
  subject text,
  body text not null,
  -- [{ at, outcome, status, reply }]
  attempts jsonb not null default '[]',
  -- Attempts since it was queued (again), and since when.
  tries integer not null default 0,
  queued_at timestamptz not null,
  next_at timestamptz,
  -- A replica is sending it until then; afterwards another may.
  leased_until timestamptz,
  created_at timestamptz not null,
  delivered_at timestamptz,
  check ((state in ('queued', 'failed')) = (next_at is not null)),
  check ((message_id is null) = (message_version is null)),
  constraint delivery_once unique nulls not distinct (subscription_id, message_id, message_version)
);
create index delivery_place on delivery (division, id);
create index delivery_due on delivery (next_at, id) where next_at is not null;
create index delivery_message on delivery (message_id) where next_at is not null;
create index delivery_under_way on delivery (subscription_id) where leased_until is not null;
${owned('delivery', app, 'select, insert, update')}
${policyTable(app)}
`,
};
