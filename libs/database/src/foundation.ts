import { type Service } from '#contracts';
import { type Migration } from './migrate.js';

/** The first migrations of each service: what every service has. */
export function foundationOf(service: Service): Migration[] {
  return [{ name: '0001-foundation', sql: foundation(service) }, accounts(service), seals(service)];
}

/** Whom a service may still believe: the newest version of each account that it heard of. */
export function accounts(service: Service): Migration {
  return {
    name: '0001-accounts',
    sql: `
-- Machine table: a token with a smaller version of its account is at its end, and so is any of an account that is closed.
create table account_cutoff (
  account_id uuid primary key,
  version integer not null,
  active boolean not null,
  changed_at timestamptz not null
);
grant select, insert, update on account_cutoff to ${service}_app;
`,
  };
}

/** What makes the journal tamper-evident, and what a listener compares with its publisher's (ADR 23, 24). */
export function seals(service: Service): Migration {
  return {
    name: '0001-seals',
    sql: `
-- Machine table: the journal as it was sent, batch by batch. Each seal holds the hashes of its rows and of the seal before
-- it. stream_seq is the last place the broker gave; null: sent before there were seals.
create table seal (
  number bigint primary key,
  previous bytea not null,
  hash bytea not null,
  sealed_at timestamptz not null default now(),
  stream_seq bigint,
  facts integer not null,
  journal_ids bigint[] not null,
  event_ids uuid[] not null,
  types text[] not null,
  row_hashes bytea not null,
  recorded_from timestamptz not null,
  recorded_until timestamptz not null
);
grant select, insert on seal to ${service}_relay;

-- Machine table: the last seal of each publisher that was compared with the inbox; and where its chain was not the one seen before.
create table watermark (
  owner text primary key,
  seal bigint not null default 0,
  hash bytea not null default decode(repeat('00', 32), 'hex'),
  broken_at timestamptz,
  broken_seal bigint,
  broken_hash bytea
);
grant select, insert, update on watermark to ${service}_app;
grant select on watermark to ${service}_relay;

-- Machine table: facts that were sent and have not taken effect here. Empty when all is well.
create table missing_fact (
  event_id uuid primary key,
  owner text not null,
  type text not null,
  seal bigint not null,
  cause text not null check (cause in ('stream', 'durable', 'store')),
  found_at timestamptz not null default now(),
  asked integer not null default 0,
  asked_at timestamptz
);
grant select, insert, update, delete on missing_fact to ${service}_app;
`,
  };
}

/** Facts that failed here and are tried again, apart from the broker (ADR 27). */
export function retries(service: Service): Migration {
  return {
    name: '0101-retries',
    sql: `
-- Facts whose effect failed and that are tried again at next_at; who tries one holds it until taken_until. tries counts those begun.
create table waiting_fact (
  event_id uuid primary key,
  division text collate "C" not null,
  type text not null,
  message jsonb not null,
  cause text not null,
  hung boolean not null,
  tries integer not null default 1,
  failed_at timestamptz not null default now(),
  next_at timestamptz not null,
  taken_until timestamptz
);
create index waiting_fact_next on waiting_fact (hung, next_at);
${ground('waiting_fact', `${service}_app`, 'select, insert, update, delete')}
create index dead_letter_event on dead_letter (event_id) where event_id is not null;
`,
  };
}

/** The tables every service has: journal, outbox, inbox, dead letters, idempotency keys. */
export function foundation(service: Service): string {
  const app = `${service}_app`;
  const relay = `${service}_relay`;
  return `
create function app_lo() returns text language sql stable parallel safe as $$ select coalesce(current_setting('app.lo', true), '') $$;
create function app_official() returns text language sql stable parallel safe as $$ select coalesce(current_setting('app.official', true), '') $$;
-- The database's transaction time. Databases made by libs/testing replace it by a clock that the test sets.
create function app_now() returns timestamptz language sql stable as $$ select now() $$;
create function app_hi() returns text language sql stable parallel safe as $$ select coalesce(current_setting('app.hi', true), '') $$;

create table journal (
  id bigint generated always as identity,
  event_id uuid not null,
  type text not null,
  division text collate "C" not null,
  aggregate_id uuid not null,
  sequence integer not null,
  actor text not null,
  event jsonb not null,
  recorded_at timestamptz not null default now(),
  primary key (id, recorded_at)
) partition by range (recorded_at);
create table journal_default partition of journal default;
create index journal_aggregate on journal (aggregate_id, sequence);

-- Machine table: pointers to what is unsent. Both columns, so that the join meets one partition.
create table outbox (journal_id bigint primary key, recorded_at timestamptz not null)
  with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Machine table: what has been applied. The primary key is what makes a fact take effect once; event_at is the time
-- inside the UUIDv7 event_id, so it never differs for one fact.
create table inbox (
  consumer text not null,
  event_id uuid not null,
  event_at timestamptz not null,
  applied_at timestamptz not null default now(),
  primary key (consumer, event_id, event_at)
) partition by range (event_at);
create table inbox_default partition of inbox default;

create table dead_letter (
  id uuid primary key,
  division text collate "C" not null,
  consumer text not null,
  event_id uuid,
  type text not null,
  cause text not null,
  message jsonb not null,
  failed_at timestamptz not null default now(),
  replayed_at timestamptz
);

create table idempotency_key (
  division text collate "C" not null,
  actor text not null,
  route text not null,
  key text not null,
  body_hash text not null,
  answer jsonb,
  created_at timestamptz not null default now(),
  primary key (actor, route, key)
);

${ground('journal', app, 'select, insert')}
${ground('dead_letter', app, 'select, insert, update')}
${ground('idempotency_key', app, 'select, insert, update, delete')}
grant insert on outbox to ${app};
grant select, insert on inbox to ${app};

create policy relay_reads on journal for select to ${relay} using (true);
grant select on journal to ${relay};
grant select, delete on outbox to ${relay};
`;
}

/** Row-level security of a table whose rows belong to a place. One policy per command; USING and WITH CHECK alike. */
export function ground(table: string, app: string, may: string): string {
  return walls(table, app, may, `division >= app_lo() and division < app_hi()`);
}

/**
 * A ground table whose rows also belong to one official (`official_id`): an official sees and changes his own alone,
 * everybody else what lies in their ground.
 */
export function owned(table: string, app: string, may: string): string {
  return walls(
    table,
    app,
    may,
    `division >= app_lo() and division < app_hi() and (app_official() = '' or official_id::text = app_official())`,
  );
}

function walls(table: string, app: string, may: string, within: string): string {
  return `
alter table ${table} enable row level security;
alter table ${table} force row level security;
create policy ground_select on ${table} for select to ${app} using (${within});
create policy ground_insert on ${table} for insert to ${app} with check (${within});
create policy ground_update on ${table} for update to ${app} using (${within}) with check (${within});
create policy ground_delete on ${table} for delete to ${app} using (${within});
grant ${may} on ${table} to ${app};`;
}

/** Row-level security of a table kept by a higher level for all below it: readable from below, written by its own ground. */
export function standing(table: string, app: string, may: string): string {
  const within = `division >= app_lo() and division < app_hi()`;
  return `
alter table ${table} enable row level security;
alter table ${table} force row level security;
create policy standing_select on ${table} for select to ${app}
  using ((${within}) or (app_lo() <> '' and starts_with(app_lo(), division)));
create policy standing_insert on ${table} for insert to ${app} with check (${within});
create policy standing_update on ${table} for update to ${app} using (${within}) with check (${within});
grant ${may} on ${table} to ${app};`;
}
