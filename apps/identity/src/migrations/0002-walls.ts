import { type Migration } from '#database';

/**
 * Row-level security, and the count of tries that the lock-out needs. An account belongs to a division; but at sign-in no
 * ground is known yet, so a connection without a scope sees every account, and one with a scope those of its ground.
 */
const seen = `(coalesce(current_setting('app.lo', true), '') = ''
  or division >= current_setting('app.lo', true) and division < current_setting('app.hi', true))`;
const owned = `exists (select 1 from account where account.id = account_id)`;
const machines = ['oidc_payload', 'signing_key', 'sign_in_guard'];

export const walls: Migration = {
  name: '0002-walls',
  sql: `
create function app_now() returns timestamptz language sql stable as $$ select now() $$;

-- Tries to sign in by name, known or not; the name is kept as its hash, for people type passwords into the wrong field.
-- Unlogged: a crash of PostgreSQL forgets the tries, and costs nothing else.
create unlogged table sign_in_guard (
  name_hash text primary key,
  tried_at timestamptz[] not null,
  locked_until timestamptz
);
grant select, insert, update, delete on sign_in_guard to identity_app;
create index oidc_payload_expiry on oidc_payload (expires_at);

alter table account enable row level security;
alter table account force row level security;
create policy ground_select on account for select to identity_app using (${seen});
create policy ground_insert on account for insert to identity_app with check (${seen});
create policy ground_update on account for update to identity_app using (${seen}) with check (${seen});

alter table client enable row level security;
alter table client force row level security;
create policy account_select on client for select to identity_app using (${owned});
create policy account_insert on client for insert to identity_app with check (${owned});
create policy account_update on client for update to identity_app using (${owned}) with check (${owned});
${machines
  .map(
    (table) => `
alter table ${table} enable row level security;
alter table ${table} force row level security;
create policy machine on ${table} for all to identity_app using (true) with check (true);`,
  )
  .join('')}
`,
};
