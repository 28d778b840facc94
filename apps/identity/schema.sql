-- Written by npm run schema from the catalog. Everything belongs to identity_owner; month partitions are left out.

set check_function_bodies = off;

CREATE OR REPLACE FUNCTION public.app_hi()
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$ select coalesce(current_setting('app.hi', true), '') $function$
;
CREATE OR REPLACE FUNCTION public.app_lo()
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$ select coalesce(current_setting('app.lo', true), '') $function$
;
CREATE OR REPLACE FUNCTION public.app_now()
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
AS $function$ select now() $function$
;
CREATE OR REPLACE FUNCTION public.app_official()
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$ select coalesce(current_setting('app.official', true), '') $function$
;

create table account (
  id uuid not null,
  name text not null,
  display_name text not null,
  role text not null,
  division text collate "C" not null,
  official uuid,
  password_hash text not null,
  version integer default 1 not null,
  active boolean default true not null,
  password_until timestamp with time zone,
  created_at timestamp with time zone default now() not null,
  changed_at timestamp with time zone default now() not null,
  constraint account_pkey PRIMARY KEY (id),
  constraint account_name_key UNIQUE (name)
);
CREATE INDEX account_official ON public.account USING btree (official) WHERE (official IS NOT NULL);
CREATE INDEX account_place ON public.account USING btree (division, id);
alter table account enable row level security;
alter table account force row level security;
create policy ground_insert on account for insert to identity_app
  with check (((COALESCE(current_setting('app.lo'::text, true), ''::text) = ''::text) OR ((division >= current_setting('app.lo'::text, true)) AND (division < current_setting('app.hi'::text, true)))));
create policy ground_select on account for select to identity_app
  using (((COALESCE(current_setting('app.lo'::text, true), ''::text) = ''::text) OR ((division >= current_setting('app.lo'::text, true)) AND (division < current_setting('app.hi'::text, true)))));
create policy ground_update on account for update to identity_app
  using (((COALESCE(current_setting('app.lo'::text, true), ''::text) = ''::text) OR ((division >= current_setting('app.lo'::text, true)) AND (division < current_setting('app.hi'::text, true)))))
  with check (((COALESCE(current_setting('app.lo'::text, true), ''::text) = ''::text) OR ((division >= current_setting('app.lo'::text, true)) AND (division < current_setting('app.hi'::text, true)))));

create table account_cutoff (
  account_id uuid not null,
  version integer not null,
  active boolean not null,
  changed_at timestamp with time zone not null,
  constraint account_cutoff_pkey PRIMARY KEY (account_id)
);

create unlogged table address_guard (
  route text not null,
  address text not null,
  since timestamp with time zone not null,
  requests integer not null,
  constraint address_guard_pkey PRIMARY KEY (route, address)
);
alter table address_guard enable row level security;
alter table address_guard force row level security;
create policy machine on address_guard for all to identity_app
  using (true)
  with check (true);

create table change (
  id uuid default uuidv7() not null,
  division text collate "C" not null,
  actor text not null,
  changed_at timestamp with time zone default app_now() not null,
  why text,
  noun text not null,
  subject_id uuid not null,
  version integer not null,
  field text,
  old_value jsonb,
  new_value jsonb,
  constraint change_pkey PRIMARY KEY (division, id)
);
CREATE INDEX change_actor ON public.change USING btree (actor, id);
CREATE INDEX change_subject ON public.change USING btree (subject_id, id);
alter table change enable row level security;
alter table change force row level security;
create policy ground_delete on change for delete to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on change for insert to identity_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on change for select to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on change for update to identity_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy prune_deletes on change for delete to identity_owner
  using (true);
create policy prune_reads on change for select to identity_owner
  using (true);

create table client (
  client_id text not null,
  account_id uuid not null,
  secret_hash text not null,
  constraint client_pkey PRIMARY KEY (client_id)
);
alter table client enable row level security;
alter table client force row level security;
create policy account_insert on client for insert to identity_app
  with check ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = client.account_id))));
create policy account_select on client for select to identity_app
  using ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = client.account_id))));
create policy account_update on client for update to identity_app
  using ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = client.account_id))))
  with check ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = client.account_id))));

create table dead_letter (
  id uuid not null,
  division text collate "C" not null,
  consumer text not null,
  event_id uuid,
  type text not null,
  cause text not null,
  message jsonb not null,
  failed_at timestamp with time zone default now() not null,
  replayed_at timestamp with time zone,
  constraint dead_letter_pkey PRIMARY KEY (id)
);
CREATE INDEX dead_letter_event ON public.dead_letter USING btree (event_id) WHERE (event_id IS NOT NULL);
alter table dead_letter enable row level security;
alter table dead_letter force row level security;
create policy ground_delete on dead_letter for delete to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on dead_letter for insert to identity_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on dead_letter for select to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on dead_letter for update to identity_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table division_list (
  division text collate "C" not null,
  sequence integer not null,
  name text not null,
  below jsonb not null,
  constraint division_list_pkey PRIMARY KEY (division)
);
alter table division_list enable row level security;
alter table division_list force row level security;
create policy standing_insert on division_list for insert to identity_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on division_list for select to identity_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on division_list for update to identity_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table idempotency_key (
  division text collate "C" not null,
  actor text not null,
  route text not null,
  key text not null,
  body_hash text not null,
  answer jsonb,
  created_at timestamp with time zone default now() not null,
  constraint idempotency_key_pkey PRIMARY KEY (actor, route, key)
);
alter table idempotency_key enable row level security;
alter table idempotency_key force row level security;
create policy ground_delete on idempotency_key for delete to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on idempotency_key for insert to identity_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on idempotency_key for select to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on idempotency_key for update to identity_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table inbox (
  consumer text not null,
  event_id uuid not null,
  event_at timestamp with time zone not null,
  applied_at timestamp with time zone default now() not null,
  constraint inbox_pkey PRIMARY KEY (consumer, event_id, event_at)
) partition by RANGE (event_at);

create table journal (
  id bigint generated always as identity not null,
  event_id uuid not null,
  type text not null,
  division text collate "C" not null,
  aggregate_id uuid not null,
  sequence integer not null,
  actor text not null,
  event jsonb not null,
  recorded_at timestamp with time zone default now() not null,
  constraint journal_pkey PRIMARY KEY (id, recorded_at)
) partition by RANGE (recorded_at);
CREATE INDEX journal_aggregate ON public.journal USING btree (aggregate_id, sequence);
alter table journal enable row level security;
alter table journal force row level security;
create policy ground_delete on journal for delete to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on journal for insert to identity_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on journal for select to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on journal for update to identity_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy relay_reads on journal for select to identity_relay
  using (true);

create table migration (
  name text not null,
  hash text not null,
  applied_at timestamp with time zone default now() not null,
  constraint migration_pkey PRIMARY KEY (name)
);

create table missing_fact (
  event_id uuid not null,
  owner text not null,
  type text not null,
  seal bigint not null,
  cause text not null,
  found_at timestamp with time zone default now() not null,
  asked integer default 0 not null,
  asked_at timestamp with time zone,
  constraint missing_fact_pkey PRIMARY KEY (event_id),
  constraint missing_fact_cause_check CHECK ((cause = ANY (ARRAY['stream'::text, 'durable'::text, 'store'::text])))
);

create table official_copy (
  official_id uuid not null,
  division text collate "C" not null,
  sequence integer not null,
  active boolean not null,
  constraint official_copy_pkey PRIMARY KEY (official_id)
);
alter table official_copy enable row level security;
alter table official_copy force row level security;
create policy ground_delete on official_copy for delete to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on official_copy for insert to identity_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on official_copy for select to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on official_copy for update to identity_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table oidc_payload (
  model text not null,
  id text not null,
  payload jsonb not null,
  grant_id text,
  uid text,
  consumed_at timestamp with time zone,
  expires_at timestamp with time zone,
  constraint oidc_payload_pkey PRIMARY KEY (model, id)
);
CREATE INDEX oidc_payload_account ON public.oidc_payload USING btree (((payload ->> 'accountId'::text))) WHERE (payload ? 'accountId'::text);
CREATE INDEX oidc_payload_expiry ON public.oidc_payload USING btree (expires_at);
CREATE INDEX oidc_payload_grant ON public.oidc_payload USING btree (grant_id) WHERE (grant_id IS NOT NULL);
CREATE INDEX oidc_payload_uid ON public.oidc_payload USING btree (model, uid) WHERE (uid IS NOT NULL);
alter table oidc_payload enable row level security;
alter table oidc_payload force row level security;
create policy machine on oidc_payload for all to identity_app
  using (true)
  with check (true);

create table outbox (
  journal_id bigint not null,
  recorded_at timestamp with time zone not null,
  constraint outbox_pkey PRIMARY KEY (journal_id)
)
  with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000);

create table personal_read (
  id uuid default uuidv7() not null,
  division text collate "C" not null,
  actor text not null,
  role text not null,
  read_at timestamp with time zone default app_now() not null,
  noun text not null,
  subject_ids uuid[] not null,
  fields text[] not null,
  purpose text not null,
  constraint personal_read_pkey PRIMARY KEY (division, id)
);
CREATE INDEX personal_read_actor ON public.personal_read USING btree (actor, id);
alter table personal_read enable row level security;
alter table personal_read force row level security;
create policy ground_delete on personal_read for delete to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on personal_read for insert to identity_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on personal_read for select to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on personal_read for update to identity_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy prune_deletes on personal_read for delete to identity_owner
  using (true);
create policy prune_reads on personal_read for select to identity_owner
  using (true);

create table recovery_code (
  account_id uuid not null,
  code_hash text not null,
  used_at timestamp with time zone,
  constraint recovery_code_pkey PRIMARY KEY (account_id, code_hash)
);
alter table recovery_code enable row level security;
alter table recovery_code force row level security;
create policy account_delete on recovery_code for delete to identity_app
  using ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = recovery_code.account_id))));
create policy account_insert on recovery_code for insert to identity_app
  with check ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = recovery_code.account_id))));
create policy account_select on recovery_code for select to identity_app
  using ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = recovery_code.account_id))));
create policy account_update on recovery_code for update to identity_app
  using ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = recovery_code.account_id))))
  with check ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = recovery_code.account_id))));

create table seal (
  number bigint not null,
  previous bytea not null,
  hash bytea not null,
  sealed_at timestamp with time zone default now() not null,
  stream_seq bigint,
  facts integer not null,
  journal_ids bigint[] not null,
  event_ids uuid[] not null,
  types text[] not null,
  row_hashes bytea not null,
  recorded_from timestamp with time zone not null,
  recorded_until timestamp with time zone not null,
  constraint seal_pkey PRIMARY KEY (number)
);

create table sign_in (
  id uuid not null,
  division text collate "C" not null,
  account_id uuid not null,
  outcome text not null,
  address text not null,
  at timestamp with time zone not null,
  constraint sign_in_pkey PRIMARY KEY (id),
  constraint sign_in_outcome_check CHECK ((outcome = ANY (ARRAY['signed-in'::text, 'recovery-code'::text, 'enrolled'::text, 'program'::text, 'wrong-password'::text, 'wrong-code'::text, 'locked'::text, 'inactive'::text, 'expired'::text])))
);
CREATE INDEX sign_in_account ON public.sign_in USING btree (account_id, id);
CREATE INDEX sign_in_account_newest ON public.sign_in USING btree (account_id, at DESC, id DESC);
CREATE INDEX sign_in_at ON public.sign_in USING btree (at);
CREATE INDEX sign_in_newest ON public.sign_in USING btree (at DESC, id DESC);
CREATE INDEX sign_in_place ON public.sign_in USING btree (division, id);
alter table sign_in enable row level security;
alter table sign_in force row level security;
create policy ground_delete on sign_in for delete to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on sign_in for insert to identity_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on sign_in for select to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on sign_in for update to identity_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create unlogged table sign_in_guard (
  name_hash text not null,
  tried_at timestamp with time zone[] not null,
  locked_until timestamp with time zone,
  constraint sign_in_guard_pkey PRIMARY KEY (name_hash)
);
alter table sign_in_guard enable row level security;
alter table sign_in_guard force row level security;
create policy machine on sign_in_guard for all to identity_app
  using (true)
  with check (true);

create table signing_key (
  kid text not null,
  jwk jsonb not null,
  constraint signing_key_pkey PRIMARY KEY (kid)
);
alter table signing_key enable row level security;
alter table signing_key force row level security;
create policy machine on signing_key for all to identity_app
  using (true)
  with check (true);

create table totp (
  account_id uuid not null,
  secret text not null,
  confirmed_at timestamp with time zone,
  last_step bigint default 0 not null,
  constraint totp_pkey PRIMARY KEY (account_id)
);
alter table totp enable row level security;
alter table totp force row level security;
create policy account_delete on totp for delete to identity_app
  using ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = totp.account_id))));
create policy account_insert on totp for insert to identity_app
  with check ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = totp.account_id))));
create policy account_select on totp for select to identity_app
  using ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = totp.account_id))));
create policy account_update on totp for update to identity_app
  using ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = totp.account_id))))
  with check ((EXISTS ( SELECT 1
   FROM account
  WHERE (account.id = totp.account_id))));

create table waiting_fact (
  event_id uuid not null,
  division text collate "C" not null,
  type text not null,
  message jsonb not null,
  cause text not null,
  hung boolean not null,
  tries integer default 1 not null,
  failed_at timestamp with time zone default now() not null,
  next_at timestamp with time zone not null,
  taken_until timestamp with time zone,
  constraint waiting_fact_pkey PRIMARY KEY (event_id)
);
CREATE INDEX waiting_fact_next ON public.waiting_fact USING btree (hung, next_at);
alter table waiting_fact enable row level security;
alter table waiting_fact force row level security;
create policy ground_delete on waiting_fact for delete to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on waiting_fact for insert to identity_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on waiting_fact for select to identity_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on waiting_fact for update to identity_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table watermark (
  owner text not null,
  seal bigint default 0 not null,
  hash bytea default decode(repeat('00'::text, 32), 'hex'::text) not null,
  broken_at timestamp with time zone,
  broken_seal bigint,
  broken_hash bytea,
  constraint watermark_pkey PRIMARY KEY (owner)
);

create table inbox_default partition of inbox DEFAULT;

create table journal_default partition of journal DEFAULT;

alter table client add constraint client_account_id_fkey FOREIGN KEY (account_id) REFERENCES account(id);
alter table recovery_code add constraint recovery_code_account_id_fkey FOREIGN KEY (account_id) REFERENCES account(id);
alter table sign_in add constraint sign_in_account_id_fkey FOREIGN KEY (account_id) REFERENCES account(id);
alter table totp add constraint totp_account_id_fkey FOREIGN KEY (account_id) REFERENCES account(id);

grant usage on schema public to public;
grant insert, select, update on account to identity_app;
grant insert, select, update on account_cutoff to identity_app;
grant delete, insert, select, update on address_guard to identity_app;
grant insert, select on change to identity_app;
grant insert, select, update on client to identity_app;
grant insert, select, update on dead_letter to identity_app;
grant insert, select, update on division_list to identity_app;
grant delete, insert, select, update on idempotency_key to identity_app;
grant insert, select on inbox to identity_app;
grant insert, select on journal to identity_app;
grant select on journal to identity_relay;
grant delete, insert, select, update on missing_fact to identity_app;
grant insert, select, update on official_copy to identity_app;
grant delete, insert, select, update on oidc_payload to identity_app;
grant insert on outbox to identity_app;
grant delete, select on outbox to identity_relay;
grant insert, select on personal_read to identity_app;
grant delete, insert, select, update on recovery_code to identity_app;
grant insert, select on seal to identity_relay;
grant delete, insert, select on sign_in to identity_app;
grant delete, insert, select, update on sign_in_guard to identity_app;
grant insert, select on signing_key to identity_app;
grant delete, insert, select, update on totp to identity_app;
grant delete, insert, select, update on waiting_fact to identity_app;
grant insert, select, update on watermark to identity_app;
grant select on watermark to identity_relay;
