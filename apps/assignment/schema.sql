-- Written by npm run schema from the catalog. Everything belongs to assignment_owner; month partitions are left out.

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

create table assignment (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  establishment_id uuid not null,
  establishment_name text not null,
  tier text not null,
  official_id uuid not null,
  official_name text not null,
  official_post text not null,
  official_level text not null,
  warning text,
  proposal_id uuid not null,
  made_by text not null,
  made_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  end_reason text,
  premises_sequence integer default 0 not null,
  constraint assignment_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX assignment_current ON public.assignment USING btree (establishment_id) WHERE (ended_at IS NULL);
CREATE INDEX assignment_official ON public.assignment USING btree (official_id, division, id);
CREATE INDEX assignment_place ON public.assignment USING btree (division, id);
alter table assignment enable row level security;
alter table assignment force row level security;
create policy ground_delete on assignment for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on assignment for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on assignment for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on assignment for update to assignment_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))))
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));

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
create policy ground_delete on change for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on change for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on change for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on change for update to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy prune_deletes on change for delete to assignment_owner
  using (true);
create policy prune_reads on change for select to assignment_owner
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
create policy ground_delete on dead_letter for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on dead_letter for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on dead_letter for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on dead_letter for update to assignment_app
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
create policy standing_insert on division_list for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on division_list for select to assignment_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on division_list for update to assignment_app
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
create policy ground_delete on idempotency_key for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on idempotency_key for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on idempotency_key for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on idempotency_key for update to assignment_app
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
create policy ground_delete on journal for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on journal for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on journal for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on journal for update to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy relay_reads on journal for select to assignment_relay
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
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  level text not null,
  name text not null,
  post text not null,
  unit text,
  phone text,
  active boolean default true not null,
  qualified_at timestamp with time zone,
  created_at timestamp with time zone not null,
  changed_at timestamp with time zone not null,
  constraint official_pkey PRIMARY KEY (id),
  constraint official_level_check CHECK ((level = ANY (ARRAY['city'::text, 'county'::text, 'township'::text, 'village'::text])))
);
CREATE INDEX official_place ON public.official USING btree (division, id);
CREATE UNIQUE INDEX official_post ON public.official USING btree (division, level, post, name) WHERE active;
alter table official enable row level security;
alter table official force row level security;
create policy standing_insert on official for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on official for select to assignment_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on official for update to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

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
create policy ground_delete on personal_read for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on personal_read for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on personal_read for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on personal_read for update to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy prune_deletes on personal_read for delete to assignment_owner
  using (true);
create policy prune_reads on personal_read for select to assignment_owner
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
create policy standing_insert on policy for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on policy for select to assignment_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on policy for update to assignment_app
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
  constraint premises_pkey PRIMARY KEY (establishment_id)
);
CREATE INDEX premises_place ON public.premises USING btree (division, establishment_id);
alter table premises enable row level security;
alter table premises force row level security;
create policy ground_delete on premises for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on premises for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on premises for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on premises for update to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table proposal (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  state text not null,
  counts jsonb not null,
  proposed_by text not null,
  proposed_at timestamp with time zone not null,
  approved_by text,
  approved_at timestamp with time zone,
  catching_up boolean,
  rejected_by text,
  rejected_at timestamp with time zone,
  reason text,
  constraint proposal_pkey PRIMARY KEY (id),
  constraint proposal_state_check CHECK ((state = ANY (ARRAY['open'::text, 'approved'::text, 'rejected'::text, 'overtaken'::text])))
);
CREATE INDEX proposal_newest ON public.proposal USING btree (proposed_at DESC, id DESC);
CREATE INDEX proposal_place ON public.proposal USING btree (division, id);
alter table proposal enable row level security;
alter table proposal force row level security;
create policy ground_delete on proposal for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on proposal for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on proposal for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on proposal for update to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table proposal_line (
  proposal_id uuid not null,
  division text collate "C" not null,
  establishment_id uuid not null,
  tier text not null,
  official_id uuid,
  official_name text,
  basis text not null,
  warning text,
  constraint proposal_line_pkey PRIMARY KEY (proposal_id, division, establishment_id)
);
CREATE INDEX proposal_line_establishment ON public.proposal_line USING btree (establishment_id, proposal_id);
alter table proposal_line enable row level security;
alter table proposal_line force row level security;
create policy ground_delete on proposal_line for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on proposal_line for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on proposal_line for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on proposal_line for update to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table roster_import (
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
  constraint roster_import_pkey PRIMARY KEY (id),
  constraint roster_import_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text, 'undone'::text])))
);
CREATE INDEX roster_import_newest ON public.roster_import USING btree (created_at DESC, id DESC);
CREATE INDEX roster_import_waiting ON public.roster_import USING btree (id) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));
alter table roster_import enable row level security;
alter table roster_import force row level security;
create policy ground_delete on roster_import for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on roster_import for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on roster_import for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on roster_import for update to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table roster_import_finding (
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
  constraint roster_import_finding_pkey PRIMARY KEY (import_id, "row", place)
);
alter table roster_import_finding enable row level security;
alter table roster_import_finding force row level security;
create policy ground_delete on roster_import_finding for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on roster_import_finding for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on roster_import_finding for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on roster_import_finding for update to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));

create table roster_import_part (
  import_id uuid not null,
  division text collate "C" not null,
  place integer not null,
  bytes bytea not null,
  arrived_at timestamp with time zone default now() not null,
  constraint roster_import_part_pkey PRIMARY KEY (import_id, place)
);
CREATE INDEX roster_import_part_arrived ON public.roster_import_part USING btree (arrived_at);
alter table roster_import_part enable row level security;
alter table roster_import_part force row level security;
create policy ground_delete on roster_import_part for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on roster_import_part for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on roster_import_part for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on roster_import_part for update to assignment_app
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

create table undertaking (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  official_id uuid not null,
  official_name text not null,
  official_post text not null,
  official_level text not null,
  state text not null,
  establishments jsonb not null,
  list_sha256 text not null,
  text_version integer not null,
  statement text not null,
  document text not null,
  document_sha256 text not null,
  opened_at timestamp with time zone not null,
  opened_by text not null,
  signed_at timestamp with time zone,
  signed_by text,
  signed_name text,
  stale_at timestamp with time zone,
  stale_reason text,
  stale_added integer,
  stale_removed integer,
  superseded_at timestamp with time zone,
  constraint undertaking_pkey PRIMARY KEY (id),
  constraint undertaking_check CHECK ((((signed_at IS NULL) = (signed_by IS NULL)) AND ((signed_at IS NULL) = (signed_name IS NULL)))),
  constraint undertaking_check1 CHECK (((state = ANY (ARRAY['stale'::text, 'superseded'::text])) = (stale_at IS NOT NULL))),
  constraint undertaking_check2 CHECK (((state <> 'signed'::text) OR (signed_at IS NOT NULL))),
  constraint undertaking_state_check CHECK ((state = ANY (ARRAY['open'::text, 'signed'::text, 'stale'::text, 'superseded'::text])))
);
CREATE UNIQUE INDEX undertaking_current ON public.undertaking USING btree (official_id) WHERE (state <> 'superseded'::text);
CREATE INDEX undertaking_official ON public.undertaking USING btree (official_id, division, id);
CREATE INDEX undertaking_place ON public.undertaking USING btree (division, id);
alter table undertaking enable row level security;
alter table undertaking force row level security;
create policy ground_delete on undertaking for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on undertaking for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on undertaking for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on undertaking for update to assignment_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))))
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));

create table undertaking_copy (
  id uuid not null,
  undertaking_id uuid not null,
  division text collate "C" not null,
  official_id uuid not null,
  sha256 text not null,
  mime text not null,
  size integer not null,
  uploaded_at timestamp with time zone not null,
  uploaded_by text not null,
  constraint undertaking_copy_pkey PRIMARY KEY (id)
);
CREATE INDEX undertaking_copy_file ON public.undertaking_copy USING btree (sha256);
CREATE INDEX undertaking_copy_undertaking ON public.undertaking_copy USING btree (undertaking_id, id);
alter table undertaking_copy enable row level security;
alter table undertaking_copy force row level security;
create policy ground_delete on undertaking_copy for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on undertaking_copy for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on undertaking_copy for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on undertaking_copy for update to assignment_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))))
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));

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
create policy ground_delete on waiting_fact for delete to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on waiting_fact for insert to assignment_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on waiting_fact for select to assignment_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on waiting_fact for update to assignment_app
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

alter table proposal_line add constraint proposal_line_proposal_id_fkey FOREIGN KEY (proposal_id) REFERENCES proposal(id);
alter table roster_import_finding add constraint roster_import_finding_import_id_fkey FOREIGN KEY (import_id) REFERENCES roster_import(id);
alter table undertaking_copy add constraint undertaking_copy_undertaking_id_fkey FOREIGN KEY (undertaking_id) REFERENCES undertaking(id);

grant usage on schema public to public;
grant insert, select, update on account_cutoff to assignment_app;
grant insert, select, update on assignment to assignment_app;
grant insert, select on change to assignment_app;
grant insert, select, update on dead_letter to assignment_app;
grant insert, select, update on division_list to assignment_app;
grant delete, insert, select, update on idempotency_key to assignment_app;
grant insert, select on inbox to assignment_app;
grant insert, select on journal to assignment_app;
grant select on journal to assignment_relay;
grant delete, insert, select, update on missing_fact to assignment_app;
grant insert, select, update on official to assignment_app;
grant insert on outbox to assignment_app;
grant delete, select on outbox to assignment_relay;
grant insert, select on personal_read to assignment_app;
grant insert, select on policy to assignment_app;
grant insert, select, update on premises to assignment_app;
grant insert, select, update on proposal to assignment_app;
grant insert, select on proposal_line to assignment_app;
grant insert, select, update on roster_import to assignment_app;
grant insert, select on roster_import_finding to assignment_app;
grant delete, insert, select on roster_import_part to assignment_app;
grant insert, select on seal to assignment_relay;
grant insert, select, update on undertaking to assignment_app;
grant insert, select on undertaking_copy to assignment_app;
grant delete, insert, select, update on waiting_fact to assignment_app;
grant insert, select, update on watermark to assignment_app;
grant select on watermark to assignment_relay;
