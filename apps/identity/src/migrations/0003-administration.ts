import { foundation, ground, type Migration } from '#database';
import { changeLogTables } from '#platform';

/** Seen where its account is seen. */
const ofAccount = (table: string, may: string): string => {
  const seen = `exists (select 1 from account where account.id = account_id)`;
  return `
alter table ${table} enable row level security;
alter table ${table} force row level security;
create policy account_select on ${table} for select to identity_app using (${seen});
create policy account_insert on ${table} for insert to identity_app with check (${seen});
create policy account_update on ${table} for update to identity_app using (${seen}) with check (${seen});
create policy account_delete on ${table} for delete to identity_app using (${seen});
grant ${may} on ${table} to identity_app;`;
};

/**
 * Identity becomes a service like the others beside its issuer, and accounts something a county keeps: versions, one-time
 * passwords, second factors, and who signed in.
 */
export const administration: Migration = {
  name: '0003-administration',
  sql: `
drop function app_now(); -- the foundation brings the same one
${foundation('identity')}
${changeLogTables('identity_app')}

alter table account
  add column version integer not null default 1,
  add column active boolean not null default true,
  -- A one-time password: good until then, and for nothing but choosing one's own.
  add column password_until timestamptz,
  add column created_at timestamptz not null default now(),
  add column changed_at timestamptz not null default now();
create index account_place on account (division, id);
create index account_official on account (official) where official is not null;
-- A change of an account ends what it has signed in.
create index oidc_payload_account on oidc_payload ((payload ->> 'accountId')) where payload ? 'accountId';

-- The second factor (RFC 6238); the secret is encrypted. Each step of thirty seconds is used once.
create table totp (
  account_id uuid primary key references account,
  secret text not null,
  confirmed_at timestamptz,
  last_step bigint not null default 0
);
${ofAccount('totp', 'select, insert, update, delete')}
create table recovery_code (
  account_id uuid not null references account,
  code_hash text not null,
  used_at timestamptz,
  primary key (account_id, code_hash)
);
${ofAccount('recovery_code', 'select, insert, update, delete')}

-- Who signed in or tried to, of accounts that there are; an unknown name belongs to no place and leaves no row.
create table sign_in (
  id uuid primary key,
  division text collate "C" not null,
  account_id uuid not null references account,
  outcome text not null check (outcome in ('signed-in', 'wrong-password', 'wrong-code', 'locked', 'inactive', 'expired')),
  address text not null,
  at timestamptz not null
);
create index sign_in_place on sign_in (division, id);
create index sign_in_account on sign_in (account_id, id);
create index sign_in_at on sign_in (at);
${ground('sign_in', 'identity_app', 'select, insert, delete')}

-- Which officials assignment says there are; an account of one who left is closed.
create table official_copy (
  official_id uuid primary key,
  division text collate "C" not null,
  sequence integer not null,
  active boolean not null
);
${ground('official_copy', 'identity_app', 'select, insert, update')}

-- Requests of the last minute by address. Unlogged: a crash of PostgreSQL forgets them, and costs nothing else.
create unlogged table address_guard (
  route text not null,
  address text not null,
  since timestamptz not null,
  requests integer not null,
  primary key (route, address)
);
alter table address_guard enable row level security;
alter table address_guard force row level security;
create policy machine on address_guard for all to identity_app using (true) with check (true);
grant select, insert, update, delete on address_guard to identity_app;
`,
};
