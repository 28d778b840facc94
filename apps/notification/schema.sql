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
CREATE INDEX dead_letter_event ON public.dead_letter USING btree (event_id) WHERE (event_id IS NOT NULL);
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

create table delivery (
  id uuid not null,
  division text collate "C" not null,
  official_id uuid,
  version integer not null,
  subscription_id uuid not null,
  channel text not null,
  message_id uuid,
  message_version integer,
  kind text not null,
  state text not null,
  subject text,
  body text not null,
  attempts jsonb default '[]'::jsonb not null,
  tries integer default 0 not null,
  queued_at timestamp with time zone not null,
  next_at timestamp with time zone,
  leased_until timestamp with time zone,
  created_at timestamp with time zone not null,
  delivered_at timestamp with time zone,
  constraint delivery_pkey PRIMARY KEY (id),
  constraint delivery_once UNIQUE NULLS NOT DISTINCT (subscription_id, message_id, message_version),
  constraint delivery_check CHECK (((state = ANY (ARRAY['queued'::text, 'failed'::text])) = (next_at IS NOT NULL))),
  constraint delivery_check1 CHECK (((message_id IS NULL) = (message_version IS NULL))),
  constraint delivery_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'delivered'::text, 'failed'::text, 'dead'::text, 'cancelled'::text])))
);
CREATE INDEX delivery_due ON public.delivery USING btree (next_at, id) WHERE (next_at IS NOT NULL);
CREATE INDEX delivery_message ON public.delivery USING btree (message_id) WHERE (next_at IS NOT NULL);
CREATE INDEX delivery_newest ON public.delivery USING btree (created_at DESC, id DESC);
CREATE INDEX delivery_place ON public.delivery USING btree (division, id);
CREATE INDEX delivery_under_way ON public.delivery USING btree (subscription_id) WHERE (leased_until IS NOT NULL);
alter table delivery enable row level security;
alter table delivery force row level security;
create policy ground_delete on delivery for delete to notification_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on delivery for insert to notification_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on delivery for select to notification_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on delivery for update to notification_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))))
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy prune_deletes on delivery for delete to notification_owner
  using (true);
create policy prune_reads on delivery for select to notification_owner
  using (true);

create table division_list (
  division text collate "C" not null,
  sequence integer not null,
  name text not null,
  below jsonb not null,
  constraint division_list_pkey PRIMARY KEY (division)
);
alter table division_list enable row level security;
alter table division_list force row level security;
create policy standing_insert on division_list for insert to notification_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on division_list for select to notification_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on division_list for update to notification_app
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
  template_version integer,
  occasion text,
  constraint message_pkey PRIMARY KEY (id),
  constraint message_once UNIQUE NULLS NOT DISTINCT (kind, subject_id, audience, official_id, occasion),
  constraint message_audience_check CHECK ((audience = ANY (ARRAY['official'::text, 'office'::text, 'county-admin'::text]))),
  constraint message_check CHECK (((audience = 'official'::text) = (official_id IS NOT NULL)))
);
CREATE INDEX message_newest ON public.message USING btree (created_at DESC, id DESC);
CREATE INDEX message_official ON public.message USING btree (official_id, division, id);
CREATE INDEX message_official_newest ON public.message USING btree (official_id, created_at DESC, id DESC);
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
create policy standing_insert on policy for insert to notification_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy standing_select on policy for select to notification_app
  using ((((division >= app_lo()) AND (division < app_hi())) OR ((app_lo() <> ''::text) AND starts_with(app_lo(), division))));
create policy standing_update on policy for update to notification_app
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

create table subscriber_account (
  account_id uuid not null,
  version integer not null,
  active boolean not null,
  role text not null,
  place text collate "C" not null,
  official_id uuid,
  constraint subscriber_account_pkey PRIMARY KEY (account_id)
);
alter table subscriber_account enable row level security;
alter table subscriber_account force row level security;
create policy machine on subscriber_account for all to notification_app
  using (true)
  with check (true);

create table subscriber_official (
  official_id uuid not null,
  sequence integer not null,
  active boolean not null,
  place text collate "C" not null,
  constraint subscriber_official_pkey PRIMARY KEY (official_id)
);
alter table subscriber_official enable row level security;
alter table subscriber_official force row level security;
create policy machine on subscriber_official for all to notification_app
  using (true)
  with check (true);

create table subscription (
  id uuid not null,
  division text collate "C" not null,
  version integer not null,
  channel text not null,
  state text not null,
  account text not null,
  role text not null,
  official_id uuid,
  address text,
  url text,
  language text not null,
  kinds text[],
  key_hash text not null,
  confirmation_tries integer default 0 not null,
  created_at timestamp with time zone not null,
  confirmed_at timestamp with time zone,
  ended_at timestamp with time zone,
  ended_by text,
  end_reason text,
  official_sequence integer default 0 not null,
  account_version integer default 0 not null,
  constraint subscription_pkey PRIMARY KEY (id),
  constraint subscription_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'webhook'::text]))),
  constraint subscription_check CHECK ((((channel = 'email'::text) = (address IS NOT NULL)) AND ((channel = 'webhook'::text) = (url IS NOT NULL)))),
  constraint subscription_check1 CHECK (((role = 'official'::text) = (official_id IS NOT NULL))),
  constraint subscription_check2 CHECK (((state = 'ended'::text) = (ended_at IS NOT NULL))),
  constraint subscription_end_reason_check CHECK ((end_reason = ANY (ARRAY['official-left'::text, 'official-moved'::text, 'account-ended'::text, 'account-changed'::text]))),
  constraint subscription_language_check CHECK ((language = ANY (ARRAY['zh-CN'::text, 'en'::text]))),
  constraint subscription_role_check CHECK ((role = ANY (ARRAY['official'::text, 'office'::text, 'county-admin'::text]))),
  constraint subscription_state_check CHECK ((state = ANY (ARRAY['unconfirmed'::text, 'active'::text, 'ended'::text])))
);
CREATE INDEX subscription_account ON public.subscription USING btree (account, created_at);
CREATE INDEX subscription_active ON public.subscription USING btree (division) WHERE (state = 'active'::text);
CREATE INDEX subscription_official ON public.subscription USING btree (official_id) WHERE (state <> 'ended'::text);
CREATE INDEX subscription_place ON public.subscription USING btree (division, id);
alter table subscription enable row level security;
alter table subscription force row level security;
create policy ground_delete on subscription for delete to notification_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_insert on subscription for insert to notification_app
  with check (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_select on subscription for select to notification_app
  using (((division >= app_lo()) AND (division < app_hi()) AND ((app_official() = ''::text) OR ((official_id)::text = app_official()))));
create policy ground_update on subscription for update to notification_app
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
create policy ground_delete on waiting_fact for delete to notification_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_insert on waiting_fact for insert to notification_app
  with check (((division >= app_lo()) AND (division < app_hi())));
create policy ground_select on waiting_fact for select to notification_app
  using (((division >= app_lo()) AND (division < app_hi())));
create policy ground_update on waiting_fact for update to notification_app
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

alter table delivery add constraint delivery_message_id_fkey FOREIGN KEY (message_id) REFERENCES message(id);
alter table delivery add constraint delivery_subscription_id_fkey FOREIGN KEY (subscription_id) REFERENCES subscription(id);

grant usage on schema public to public;
grant insert, select, update on account_cutoff to notification_app;
grant insert, select, update on dead_letter to notification_app;
grant insert, select, update on delivery to notification_app;
grant insert, select, update on division_list to notification_app;
grant delete, insert, select, update on idempotency_key to notification_app;
grant insert, select on inbox to notification_app;
grant insert, select on journal to notification_app;
grant select on journal to notification_relay;
grant insert, select, update on message to notification_app;
grant delete, insert, select, update on missing_fact to notification_app;
grant insert on outbox to notification_app;
grant delete, select on outbox to notification_relay;
grant insert, select on policy to notification_app;
grant insert, select on seal to notification_relay;
grant insert, select, update on subscriber_account to notification_app;
grant insert, select, update on subscriber_official to notification_app;
grant insert, select, update on subscription to notification_app;
grant delete, insert, select, update on waiting_fact to notification_app;
grant insert, select, update on watermark to notification_app;
grant select on watermark to notification_relay;
