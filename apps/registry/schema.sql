-- Written by npm run schema from the catalog. Everything belongs to registry_owner; month partitions are left out.

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
CREATE OR REPLACE FUNCTION public.establishments_named(wanted text, pieces text[], after_division text, after_id uuid, most integer)
 RETURNS TABLE(division text, id uuid)
 LANGUAGE sql
 STABLE SECURITY DEFINER ROWS 100
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select s.division, s.establishment_id from public.establishment_search s
  where s.grams @> pieces and strpos(s.text, wanted) > 0
    and s.division >= public.app_lo() and s.division < public.app_hi()
    and (s.division, s.establishment_id) > (after_division, after_id)
  order by s.division, s.establishment_id limit most
$function$
;

create table account_cutoff (
  account_id uuid not null,
  version integer not null,
  active boolean not null,
  changed_at timestamp with time zone not null,
  constraint account_cutoff_pkey PRIMARY KEY (account_id)
);

create table calendar_year (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  year integer not null,
  holidays jsonb not null,
  workdays jsonb not null,
  source text not null,
  constraint calendar_year_pkey PRIMARY KEY (id),
  constraint calendar_year_division_year_key UNIQUE (division, year)
);
alter table calendar_year enable row level security;
alter table calendar_year force row level security;
create policy standing_insert on calendar_year for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on calendar_year for select to registry_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on calendar_year for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

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
create policy ground_delete on change for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on change for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on change for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on change for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy prune_deletes on change for delete to registry_owner
  using (true);
create policy prune_reads on change for select to registry_owner
  using (true);

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
create policy ground_delete on dead_letter for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on dead_letter for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on dead_letter for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on dead_letter for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table division (
  division text collate "C" not null,
  name text not null,
  level text not null,
  parent text collate "C" not null,
  version integer default 0 not null,
  listed jsonb,
  constraint division_pkey PRIMARY KEY (division),
  constraint division_level_check CHECK ((level = ANY (ARRAY['county'::text, 'township'::text, 'village'::text])))
);
CREATE INDEX division_parent ON public.division USING btree (parent, division);
alter table division enable row level security;
alter table division force row level security;
create policy standing_insert on division for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on division for select to registry_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on division for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table establishment (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  name text not null,
  uscc text,
  address text not null,
  kind text not null,
  area numeric,
  diners integer,
  large boolean default false not null,
  status text not null,
  tier text not null,
  tier_decision jsonb not null,
  created_at timestamp with time zone not null,
  changed_at timestamp with time zone not null,
  licence text,
  latitude double precision,
  longitude double precision,
  constraint establishment_pkey PRIMARY KEY (id),
  constraint establishment_division_check CHECK ((division ~ '^[0-9]{12}$'::text)),
  constraint establishment_status_check CHECK ((status = ANY (ARRAY['open'::text, 'suspended'::text, 'closed'::text]))),
  constraint establishment_tier_check CHECK ((tier = ANY (ARRAY['A'::text, 'B'::text, 'C'::text, 'D'::text])))
);
CREATE INDEX establishment_licence ON public.establishment USING btree (licence, division);
CREATE INDEX establishment_name ON public.establishment USING btree (division, name);
CREATE INDEX establishment_place ON public.establishment USING btree (division, id);
CREATE INDEX establishment_uscc ON public.establishment USING btree (uscc, division);
alter table establishment enable row level security;
alter table establishment force row level security;
create policy ground_delete on establishment for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on establishment for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on establishment for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on establishment for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table establishment_restored (
  establishment_id uuid not null,
  division text collate "C" not null,
  version integer not null,
  restores integer not null,
  constraint establishment_restored_pkey PRIMARY KEY (establishment_id, version)
);
alter table establishment_restored enable row level security;
alter table establishment_restored force row level security;
create policy ground_delete on establishment_restored for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on establishment_restored for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on establishment_restored for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on establishment_restored for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table establishment_search (
  establishment_id uuid not null,
  division text collate "C" not null,
  name text not null,
  text text not null,
  grams text[] not null,
  constraint establishment_search_pkey PRIMARY KEY (establishment_id)
);
CREATE INDEX establishment_search_grams ON public.establishment_search USING gin (grams);
alter table establishment_search enable row level security;
alter table establishment_search force row level security;
create policy ground_delete on establishment_search for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on establishment_search for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on establishment_search for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on establishment_search for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy search_reads on establishment_search for select to registry_owner
  using (true);

create table establishment_visit (
  establishment_id uuid not null,
  division text collate "C" not null,
  inspection_id uuid not null,
  submitted_at timestamp with time zone not null,
  constraint establishment_visit_pkey PRIMARY KEY (establishment_id)
);
alter table establishment_visit enable row level security;
alter table establishment_visit force row level security;
create policy ground_delete on establishment_visit for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on establishment_visit for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on establishment_visit for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on establishment_visit for update to registry_app
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
create policy ground_delete on idempotency_key for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on idempotency_key for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on idempotency_key for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on idempotency_key for update to registry_app
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
create policy ground_delete on journal for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on journal for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on journal for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on journal for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy relay_reads on journal for select to registry_relay
  using (true);

create table ledger_import (
  id uuid not null,
  division text collate "C" not null,
  file_name text not null,
  file bytea not null,
  sha256 text not null,
  dry_run boolean not null,
  state text not null,
  total_rows integer not null,
  done_rows integer default 0 not null,
  counts jsonb not null,
  failure text,
  requested_by text not null,
  claim uuid,
  claimed_until timestamp with time zone,
  created_at timestamp with time zone not null,
  finished_at timestamp with time zone,
  constraint ledger_import_pkey PRIMARY KEY (id),
  constraint ledger_import_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text, 'undone'::text])))
);
CREATE INDEX ledger_import_newest ON public.ledger_import USING btree (created_at DESC, id DESC);
CREATE INDEX ledger_import_waiting ON public.ledger_import USING btree (id) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));
alter table ledger_import enable row level security;
alter table ledger_import force row level security;
create policy ground_delete on ledger_import for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on ledger_import for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on ledger_import for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on ledger_import for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table ledger_import_effect (
  import_id uuid not null,
  division text collate "C" not null,
  "row" integer not null,
  establishment_id uuid not null,
  version integer not null,
  before jsonb,
  made_at timestamp with time zone not null,
  constraint ledger_import_effect_pkey PRIMARY KEY (import_id, establishment_id, version)
);
alter table ledger_import_effect enable row level security;
alter table ledger_import_effect force row level security;
create policy ground_delete on ledger_import_effect for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on ledger_import_effect for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on ledger_import_effect for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on ledger_import_effect for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table ledger_import_finding (
  import_id uuid not null,
  division text collate "C" not null,
  "row" integer not null,
  place integer not null,
  column_title text,
  rule text not null,
  severity text not null,
  value text,
  repaired_to text,
  remedy text,
  constraint ledger_import_finding_pkey PRIMARY KEY (import_id, "row", place)
);
alter table ledger_import_finding enable row level security;
alter table ledger_import_finding force row level security;
create policy ground_delete on ledger_import_finding for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on ledger_import_finding for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on ledger_import_finding for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on ledger_import_finding for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table ledger_import_part (
  import_id uuid not null,
  division text collate "C" not null,
  place integer not null,
  bytes bytea not null,
  arrived_at timestamp with time zone default now() not null,
  constraint ledger_import_part_pkey PRIMARY KEY (import_id, place)
);
CREATE INDEX ledger_import_part_arrived ON public.ledger_import_part USING btree (arrived_at);
alter table ledger_import_part enable row level security;
alter table ledger_import_part force row level security;
create policy ground_delete on ledger_import_part for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on ledger_import_part for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on ledger_import_part for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on ledger_import_part for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

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
create policy ground_delete on personal_read for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on personal_read for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on personal_read for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on personal_read for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy prune_deletes on personal_read for delete to registry_owner
  using (true);
create policy prune_reads on personal_read for select to registry_owner
  using (true);

create table policy (
  division text collate "C" not null,
  code text not null,
  version integer not null,
  body jsonb not null,
  source text not null,
  note text,
  loaded_at timestamp with time zone default now() not null,
  constraint policy_pkey PRIMARY KEY (division, code, version),
  constraint policy_version_check CHECK ((version > 0))
);
alter table policy enable row level security;
alter table policy force row level security;
create policy standing_insert on policy for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on policy for select to registry_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on policy for update to registry_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

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
create policy ground_delete on waiting_fact for delete to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on waiting_fact for insert to registry_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on waiting_fact for select to registry_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on waiting_fact for update to registry_app
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

alter table ledger_import_effect add constraint ledger_import_effect_import_id_fkey FOREIGN KEY (import_id) REFERENCES ledger_import(id);
alter table ledger_import_finding add constraint ledger_import_finding_import_id_fkey FOREIGN KEY (import_id) REFERENCES ledger_import(id);

revoke all on function establishments_named(text,text[],text,uuid,integer) from public;

grant usage on schema public to public;
grant execute on function establishments_named(text,text[],text,uuid,integer) to registry_app;
grant insert, select, update on account_cutoff to registry_app;
grant insert, select, update on calendar_year to registry_app;
grant insert, select on change to registry_app;
grant insert, select, update on dead_letter to registry_app;
grant insert, select, update on division to registry_app;
grant insert, select, update on establishment to registry_app;
grant insert, select on establishment_restored to registry_app;
grant insert, select, update on establishment_search to registry_app;
grant insert, select, update on establishment_visit to registry_app;
grant delete, insert, select, update on idempotency_key to registry_app;
grant insert, select on inbox to registry_app;
grant insert, select on journal to registry_app;
grant select on journal to registry_relay;
grant insert, select, update on ledger_import to registry_app;
grant insert, select on ledger_import_effect to registry_app;
grant insert, select on ledger_import_finding to registry_app;
grant delete, insert, select on ledger_import_part to registry_app;
grant delete, insert, select, update on missing_fact to registry_app;
grant insert on outbox to registry_app;
grant delete, select on outbox to registry_relay;
grant insert, select on personal_read to registry_app;
grant insert, select on policy to registry_app;
grant insert, select on seal to registry_relay;
grant delete, insert, select, update on waiting_fact to registry_app;
grant insert, select, update on watermark to registry_app;
grant select on watermark to registry_relay;
