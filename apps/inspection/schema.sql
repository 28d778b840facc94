-- Written by npm run schema from the catalog. Everything belongs to inspection_owner; month partitions are left out.

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

create table calendar_gap (
  id uuid not null,
  division text collate "C" not null,
  year integer not null,
  told_at timestamp with time zone not null,
  constraint calendar_gap_pkey PRIMARY KEY (division, year)
);
alter table calendar_gap enable row level security;
alter table calendar_gap force row level security;
create policy standing_insert on calendar_gap for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on calendar_gap for select to inspection_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on calendar_gap for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table calendar_year (
  division text collate "C" not null,
  year integer not null,
  sequence integer not null,
  holidays jsonb not null,
  workdays jsonb not null,
  constraint calendar_year_pkey PRIMARY KEY (division, year)
);
alter table calendar_year enable row level security;
alter table calendar_year force row level security;
create policy standing_insert on calendar_year for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on calendar_year for select to inspection_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on calendar_year for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table checklist (
  division text collate "C" not null,
  code text not null,
  version integer not null,
  body jsonb not null,
  constraint checklist_pkey PRIMARY KEY (division, code, version)
);
alter table checklist enable row level security;
alter table checklist force row level security;
create policy standing_insert on checklist for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on checklist for select to inspection_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on checklist for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table corrective_action (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  number text not null,
  inspection_id uuid not null,
  establishment_id uuid not null,
  establishment_name text not null,
  official_id uuid,
  item text not null,
  key_item boolean not null,
  finding text not null,
  demand text not null,
  state text not null,
  start_on date not null,
  working_days integer not null,
  due_on date,
  due_state text not null,
  deadline jsonb not null,
  overdue boolean default false not null,
  steps jsonb not null,
  created_at timestamp with time zone not null,
  changed_at timestamp with time zone not null,
  reminded_at timestamp with time zone,
  constraint corrective_action_pkey PRIMARY KEY (id),
  constraint corrective_action_number_key UNIQUE (number),
  constraint corrective_action_due_state_check CHECK ((due_state = ANY (ARRAY['set'::text, 'calendar-missing'::text]))),
  constraint corrective_action_state_check CHECK ((state = ANY (ARRAY['open'::text, 'responded'::text, 'verified'::text, 'closed'::text])))
);
CREATE INDEX corrective_action_due ON public.corrective_action USING btree (due_on) WHERE ((state = ANY (ARRAY['open'::text, 'responded'::text])) AND (NOT overdue));
CREATE INDEX corrective_action_establishment ON public.corrective_action USING btree (establishment_id);
CREATE INDEX corrective_action_inspection ON public.corrective_action USING btree (inspection_id);
CREATE INDEX corrective_action_place ON public.corrective_action USING btree (division, id);
CREATE INDEX corrective_action_waiting ON public.corrective_action USING btree (id) WHERE (due_state = 'calendar-missing'::text);
alter table corrective_action enable row level security;
alter table corrective_action force row level security;
create policy ground_delete on corrective_action for delete to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on corrective_action for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on corrective_action for select to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on corrective_action for update to inspection_app
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
create policy ground_delete on dead_letter for delete to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on dead_letter for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on dead_letter for select to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on dead_letter for update to inspection_app
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
create policy standing_insert on division_list for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on division_list for select to inspection_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on division_list for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table evidence (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  inspection_id uuid not null,
  official_id uuid,
  sha256 text not null,
  mime text not null,
  size_bytes integer not null,
  taken_at timestamp with time zone not null,
  "position" jsonb,
  added_by text not null,
  added_at timestamp with time zone not null,
  corrective_action_id uuid,
  constraint evidence_pkey PRIMARY KEY (id),
  constraint evidence_once UNIQUE NULLS NOT DISTINCT (inspection_id, corrective_action_id, sha256),
  constraint evidence_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);
CREATE INDEX evidence_correction ON public.evidence USING btree (corrective_action_id) WHERE (corrective_action_id IS NOT NULL);
CREATE INDEX evidence_file ON public.evidence USING btree (sha256);
alter table evidence enable row level security;
alter table evidence force row level security;
create policy ground_delete on evidence for delete to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on evidence for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on evidence for select to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on evidence for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))))
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));

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
create policy ground_delete on idempotency_key for delete to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on idempotency_key for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on idempotency_key for select to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on idempotency_key for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table inbox (
  consumer text not null,
  event_id uuid not null,
  event_at timestamp with time zone not null,
  applied_at timestamp with time zone default now() not null,
  constraint inbox_pkey PRIMARY KEY (consumer, event_id, event_at)
) partition by RANGE (event_at);

create table inspection (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  establishment_id uuid not null,
  establishment jsonb not null,
  official_id uuid not null,
  official_name text not null,
  official_post text not null,
  official_level text not null,
  method text not null,
  visited_at timestamp with time zone not null,
  "position" jsonb,
  checklist text not null,
  checklist_version integer not null,
  results jsonb not null,
  findings jsonb not null,
  operator jsonb not null,
  obligation_id uuid,
  counts boolean not null,
  warning text,
  submitted_by text not null,
  submitted_at timestamp with time zone not null,
  withdrawn_at timestamp with time zone,
  withdrawn_by text,
  withdrawal_reason text,
  constraint inspection_pkey PRIMARY KEY (id, submitted_at)
) partition by RANGE (submitted_at);
CREATE INDEX inspection_establishment ON public.inspection USING btree (establishment_id, visited_at);
CREATE INDEX inspection_official ON public.inspection USING btree (official_id, visited_at);
CREATE INDEX inspection_place ON public.inspection USING btree (division, id);
alter table inspection enable row level security;
alter table inspection force row level security;
create policy ground_delete on inspection for delete to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on inspection for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on inspection for select to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on inspection for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))))
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));

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
create policy ground_delete on journal for delete to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on journal for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on journal for select to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on journal for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy relay_reads on journal for select to inspection_relay
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

create table obligation (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  establishment_id uuid not null,
  establishment_name text not null,
  tier text not null,
  period text not null,
  due_on date not null,
  state text not null,
  official_id uuid,
  official_name text,
  inspection_id uuid,
  opened_at timestamp with time zone not null,
  settled_at timestamp with time zone,
  constraint obligation_pkey PRIMARY KEY (id),
  constraint obligation_establishment_id_period_key UNIQUE (establishment_id, period),
  constraint obligation_state_check CHECK ((state = ANY (ARRAY['open'::text, 'overdue'::text, 'settled'::text, 'withdrawn'::text])))
);
CREATE INDEX obligation_inspection ON public.obligation USING btree (inspection_id) WHERE (inspection_id IS NOT NULL);
CREATE INDEX obligation_official ON public.obligation USING btree (official_id, division, id);
CREATE INDEX obligation_open ON public.obligation USING btree (due_on) WHERE (state = 'open'::text);
CREATE INDEX obligation_period ON public.obligation USING btree (period, division, id);
CREATE INDEX obligation_place ON public.obligation USING btree (division, id);
alter table obligation enable row level security;
alter table obligation force row level security;
create policy ground_delete on obligation for delete to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on obligation for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on obligation for select to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on obligation for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))))
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));

create table obligation_run (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  period text not null,
  state text not null,
  opened integer default 0 not null,
  requested_by text not null,
  created_at timestamp with time zone not null,
  finished_at timestamp with time zone,
  reached_division text,
  reached_establishment uuid,
  constraint obligation_run_pkey PRIMARY KEY (id),
  constraint obligation_run_division_period_key UNIQUE (division, period),
  constraint obligation_run_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text])))
);
CREATE INDEX obligation_run_newest ON public.obligation_run USING btree (created_at DESC, id DESC);
alter table obligation_run enable row level security;
alter table obligation_run force row level security;
create policy standing_insert on obligation_run for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on obligation_run for select to inspection_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on obligation_run for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

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
create policy standing_insert on policy for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on policy for select to inspection_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on policy for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table premises (
  establishment_id uuid not null,
  division text collate "C" not null,
  sequence integer not null,
  name text not null,
  kind text not null,
  tier text not null,
  status text not null,
  address text,
  known_since timestamp with time zone not null,
  constraint premises_pkey PRIMARY KEY (establishment_id)
);
CREATE INDEX premises_place ON public.premises USING btree (division, establishment_id);
alter table premises enable row level security;
alter table premises force row level security;
create policy ground_delete on premises for delete to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on premises for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on premises for select to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on premises for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table qualification (
  official_id uuid not null,
  division text collate "C" not null,
  qualified_at timestamp with time zone not null,
  held_at timestamp with time zone,
  constraint qualification_pkey PRIMARY KEY (official_id)
);
alter table qualification enable row level security;
alter table qualification force row level security;
create policy standing_insert on qualification for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on qualification for select to inspection_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on qualification for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table reminder (
  id uuid not null,
  division text collate "C" not null,
  official_id uuid,
  period text not null,
  days_before integer not null,
  visits integer not null,
  told_at timestamp with time zone not null,
  constraint reminder_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX reminder_official ON public.reminder USING btree (official_id, period, days_before) WHERE (official_id IS NOT NULL);
CREATE UNIQUE INDEX reminder_place ON public.reminder USING btree (division, period, days_before) WHERE (official_id IS NULL);
alter table reminder enable row level security;
alter table reminder force row level security;
create policy ground_delete on reminder for delete to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on reminder for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on reminder for select to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on reminder for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))))
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));

create table responsibility (
  assignment_id uuid not null,
  division text collate "C" not null,
  sequence integer not null,
  establishment_id uuid not null,
  official_id uuid not null,
  official_name text not null,
  official_post text not null,
  official_level text not null,
  made_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  constraint responsibility_pkey PRIMARY KEY (assignment_id)
);
CREATE INDEX responsibility_establishment ON public.responsibility USING btree (establishment_id);
alter table responsibility enable row level security;
alter table responsibility force row level security;
create policy ground_delete on responsibility for delete to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on responsibility for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on responsibility for select to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on responsibility for update to inspection_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))))
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));

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
create policy ground_delete on waiting_fact for delete to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on waiting_fact for insert to inspection_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on waiting_fact for select to inspection_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on waiting_fact for update to inspection_app
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

create table inspection_default partition of inspection DEFAULT;

create table journal_default partition of journal DEFAULT;

grant usage on schema public to public;
grant insert, select, update on account_cutoff to inspection_app;
grant insert, select on calendar_gap to inspection_app;
grant insert, select, update on calendar_year to inspection_app;
grant insert, select on checklist to inspection_app;
grant insert, select, update on corrective_action to inspection_app;
grant insert, select, update on dead_letter to inspection_app;
grant insert, select, update on division_list to inspection_app;
grant insert, select on evidence to inspection_app;
grant delete, insert, select, update on idempotency_key to inspection_app;
grant insert, select on inbox to inspection_app;
grant insert, select on inspection to inspection_app;
grant insert, select on journal to inspection_app;
grant select on journal to inspection_relay;
grant delete, insert, select, update on missing_fact to inspection_app;
grant insert, select, update on obligation to inspection_app;
grant insert, select, update on obligation_run to inspection_app;
grant insert on outbox to inspection_app;
grant delete, select on outbox to inspection_relay;
grant insert, select on policy to inspection_app;
grant insert, select, update on premises to inspection_app;
grant insert, select, update on qualification to inspection_app;
grant insert, select on reminder to inspection_app;
grant insert, select, update on responsibility to inspection_app;
grant insert, select on seal to inspection_relay;
grant delete, insert, select, update on waiting_fact to inspection_app;
grant insert, select, update on watermark to inspection_app;
grant select on watermark to inspection_relay;
grant update (division) on evidence to inspection_app;
grant update (official_id) on evidence to inspection_app;
grant update (obligation_id) on inspection to inspection_app;
grant update (version) on inspection to inspection_app;
grant update (withdrawal_reason) on inspection to inspection_app;
grant update (withdrawn_at) on inspection to inspection_app;
grant update (withdrawn_by) on inspection to inspection_app;
