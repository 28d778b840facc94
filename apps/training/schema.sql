-- Written by npm run schema from the catalog. Everything belongs to training_owner; month partitions are left out.

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

create table account_cutoff (
  account_id uuid not null,
  version integer not null,
  active boolean not null,
  changed_at timestamp with time zone not null,
  constraint account_cutoff_pkey PRIMARY KEY (account_id)
);

create table attendance (
  session_id uuid not null,
  official_id uuid not null,
  division text collate "C" not null,
  official_name text not null,
  recorded_by text not null,
  recorded_at timestamp with time zone not null,
  constraint attendance_pkey PRIMARY KEY (session_id, official_id)
);
alter table attendance enable row level security;
alter table attendance force row level security;
create policy ground_delete on attendance for delete to training_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on attendance for insert to training_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on attendance for select to training_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on attendance for update to training_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))))
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));

create table certificate (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  number text not null,
  official_id uuid not null,
  official_name text not null,
  requirement text not null,
  requirement_version integer not null,
  session_id uuid not null,
  issued_at timestamp with time zone not null,
  constraint certificate_pkey PRIMARY KEY (id),
  constraint certificate_number_key UNIQUE (number),
  constraint certificate_official_id_requirement_key UNIQUE (official_id, requirement)
);
CREATE INDEX certificate_place ON public.certificate USING btree (division, id);
alter table certificate enable row level security;
alter table certificate force row level security;
create policy ground_delete on certificate for delete to training_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on certificate for insert to training_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on certificate for select to training_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on certificate for update to training_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))))
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));

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
create policy ground_delete on dead_letter for delete to training_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on dead_letter for insert to training_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on dead_letter for select to training_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on dead_letter for update to training_app
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
create policy standing_insert on division_list for insert to training_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on division_list for select to training_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on division_list for update to training_app
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
create policy ground_delete on idempotency_key for delete to training_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on idempotency_key for insert to training_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on idempotency_key for select to training_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on idempotency_key for update to training_app
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
create policy ground_delete on journal for delete to training_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on journal for insert to training_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on journal for select to training_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on journal for update to training_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy relay_reads on journal for select to training_relay
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

create table official (
  official_id uuid not null,
  division text collate "C" not null,
  sequence integer not null,
  level text not null,
  name text not null,
  post text not null,
  active boolean not null,
  constraint official_pkey PRIMARY KEY (official_id)
);
CREATE INDEX official_place ON public.official USING btree (division, official_id);
alter table official enable row level security;
alter table official force row level security;
create policy ground_delete on official for delete to training_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on official for insert to training_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on official for select to training_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on official for update to training_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))))
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));

create table outbox (
  journal_id bigint not null,
  recorded_at timestamp with time zone not null,
  constraint outbox_pkey PRIMARY KEY (journal_id)
)
  with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000);

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
create policy standing_insert on policy for insert to training_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on policy for select to training_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on policy for update to training_app
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

create table session (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  requirement text not null,
  title text not null,
  place text not null,
  held_at timestamp with time zone not null,
  created_by text not null,
  created_at timestamp with time zone not null,
  constraint session_pkey PRIMARY KEY (id)
);
CREATE INDEX session_place ON public.session USING btree (division, id);
alter table session enable row level security;
alter table session force row level security;
create policy ground_delete on session for delete to training_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on session for insert to training_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on session for select to training_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on session for update to training_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

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
create policy ground_delete on waiting_fact for delete to training_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on waiting_fact for insert to training_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on waiting_fact for select to training_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on waiting_fact for update to training_app
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

alter table attendance add constraint attendance_session_id_fkey FOREIGN KEY (session_id) REFERENCES session(id);
alter table certificate add constraint certificate_session_id_fkey FOREIGN KEY (session_id) REFERENCES session(id);

grant usage on schema public to public;
grant insert, select, update on account_cutoff to training_app;
grant insert, select on attendance to training_app;
grant insert, select on certificate to training_app;
grant insert, select, update on dead_letter to training_app;
grant insert, select, update on division_list to training_app;
grant delete, insert, select, update on idempotency_key to training_app;
grant insert, select on inbox to training_app;
grant insert, select on journal to training_app;
grant select on journal to training_relay;
grant delete, insert, select, update on missing_fact to training_app;
grant insert, select, update on official to training_app;
grant insert on outbox to training_app;
grant delete, select on outbox to training_relay;
grant insert, select on policy to training_app;
grant insert, select on seal to training_relay;
grant insert, select on session to training_app;
grant delete, insert, select, update on waiting_fact to training_app;
grant insert, select, update on watermark to training_app;
grant select on watermark to training_relay;
