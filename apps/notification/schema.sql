-- Written by npm run schema from the catalog. Everything belongs to notification_owner; month partitions are left out.

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
alter table dead_letter enable row level security;
alter table dead_letter force row level security;
create policy ground_delete on dead_letter for delete to notification_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on dead_letter for insert to notification_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on dead_letter for select to notification_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on dead_letter for update to notification_app
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
create policy ground_delete on idempotency_key for delete to notification_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on idempotency_key for insert to notification_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on idempotency_key for select to notification_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on idempotency_key for update to notification_app
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
create policy ground_delete on journal for delete to notification_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on journal for insert to notification_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on journal for select to notification_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on journal for update to notification_app
  using (((division >= app_lo()) AND (division < app_hi())))
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy relay_reads on journal for select to notification_relay
  using (true);

create table message (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  kind text not null,
  subject_id uuid not null,
  sequence integer not null,
  audience text not null,
  official_id uuid,
  title_zh text not null,
  title_en text not null,
  about jsonb not null,
  created_at timestamp with time zone not null,
  read_at timestamp with time zone,
  read_by text,
  constraint message_pkey PRIMARY KEY (id),
  constraint message_once UNIQUE NULLS NOT DISTINCT (kind, subject_id, audience, official_id),
  constraint message_audience_check CHECK ((audience = ANY (ARRAY['official'::text, 'county-admin'::text]))),
  constraint message_check CHECK (((audience = 'official'::text) = (official_id IS NOT NULL)))
);
CREATE INDEX message_official ON public.message USING btree (official_id, division, id);
CREATE INDEX message_place ON public.message USING btree (division, id);
alter table message enable row level security;
alter table message force row level security;
create policy ground_delete on message for delete to notification_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on message for insert to notification_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on message for select to notification_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on message for update to notification_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))))
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));

create table migration (
  name text not null,
  hash text not null,
  applied_at timestamp with time zone default now() not null,
  constraint migration_pkey PRIMARY KEY (name)
);

create table outbox (
  journal_id bigint not null,
  recorded_at timestamp with time zone not null,
  constraint outbox_pkey PRIMARY KEY (journal_id)
)
  with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000);

create table inbox_default partition of inbox DEFAULT;

create table journal_default partition of journal DEFAULT;

grant usage on schema public to public;
grant insert, select, update on account_cutoff to notification_app;
grant insert, select, update on dead_letter to notification_app;
grant delete, insert, select, update on idempotency_key to notification_app;
grant insert, select on inbox to notification_app;
grant insert, select on journal to notification_app;
grant select on journal to notification_relay;
grant insert, select, update on message to notification_app;
grant insert on outbox to notification_app;
grant delete, select on outbox to notification_relay;
