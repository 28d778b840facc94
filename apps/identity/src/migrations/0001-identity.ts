/** Account and machine tables of the issuer; migration 0001 of identity. */
export const identitySchema = `
create table account (
  id uuid primary key,
  name text not null unique,
  display_name text not null,
  role text not null,
  division text collate "C" not null,
  official uuid,
  password_hash text not null
);
create table client (client_id text primary key, account_id uuid not null references account, secret_hash text not null);
create table oidc_payload (
  model text not null, id text not null, payload jsonb not null, grant_id text, uid text,
  consumed_at timestamptz, expires_at timestamptz, primary key (model, id)
);
create index oidc_payload_grant on oidc_payload (grant_id) where grant_id is not null;
create index oidc_payload_uid on oidc_payload (model, uid) where uid is not null;
create table signing_key (kid text primary key, jwk jsonb not null);
grant select, insert, update on account, client to identity_app;
grant select, insert, update, delete on oidc_payload to identity_app;
grant select, insert on signing_key to identity_app;
`;
