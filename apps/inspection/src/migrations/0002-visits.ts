import { ground, type Migration, owned, standing } from '#database';
import { policyTable } from '#platform';

const app = 'inspection_app';

/** Copies of what others own, what is due, what was seen, what is to be corrected. */
export const visits: Migration = {
  name: '0002-visits',
  sql: `
create table premises (
  establishment_id uuid primary key,
  division text collate "C" not null,
  sequence integer not null,
  name text not null,
  kind text not null,
  tier text not null,
  status text not null,
  address text,
  known_since timestamptz not null
);
create index premises_place on premises (division, establishment_id);
${ground('premises', app, 'select, insert, update')}

-- Assignments as assignment tells them. Who answers now is the newest that has not ended, whatever order they came in.
create table responsibility (
  assignment_id uuid primary key,
  division text collate "C" not null,
  sequence integer not null,
  establishment_id uuid not null,
  official_id uuid not null,
  official_name text not null,
  official_post text not null,
  official_level text not null,
  made_at timestamptz not null,
  ended_at timestamptz
);
create index responsibility_establishment on responsibility (establishment_id);
${owned('responsibility', app, 'select, insert, update')}

create table qualification (
  official_id uuid primary key,
  division text collate "C" not null,
  qualified_at timestamptz not null
);
${standing('qualification', app, 'select, insert, update')}

create table calendar_year (
  division text collate "C" not null,
  year integer not null,
  sequence integer not null,
  holidays jsonb not null,
  workdays jsonb not null,
  primary key (division, year)
);
${standing('calendar_year', app, 'select, insert, update')}

-- Which missing years have been told.
create table calendar_gap (
  id uuid not null,
  division text collate "C" not null,
  year integer not null,
  told_at timestamptz not null,
  primary key (division, year)
);
${standing('calendar_gap', app, 'select, insert')}

create table checklist (
  division text collate "C" not null,
  code text not null,
  version integer not null,
  body jsonb not null,
  primary key (division, code, version)
);
${standing('checklist', app, 'select, insert')}

create table obligation_run (
  id uuid primary key,
  division text collate "C" not null,
  version integer not null,
  period text not null,
  state text not null check (state in ('queued', 'done')),
  opened integer not null default 0,
  requested_by text not null,
  created_at timestamptz not null,
  finished_at timestamptz,
  unique (division, period)
);
${standing('obligation_run', app, 'select, insert, update')}

create table obligation (
  id uuid primary key,
  division text collate "C" not null,
  version integer not null,
  establishment_id uuid not null,
  establishment_name text not null,
  tier text not null,
  period text not null,
  due_on date not null,
  state text not null check (state in ('open', 'overdue', 'settled', 'withdrawn')),
  official_id uuid,
  official_name text,
  inspection_id uuid,
  opened_at timestamptz not null,
  settled_at timestamptz,
  unique (establishment_id, period)
);
create index obligation_place on obligation (division, id);
create index obligation_official on obligation (official_id, division, id);
create index obligation_open on obligation (due_on) where state = 'open';
${owned('obligation', app, 'select, insert, update')}

-- By month, as visits only grow. A partition read directly would escape the policy: only the parent is granted.
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
  visited_at timestamptz not null,
  position jsonb,
  checklist text not null,
  checklist_version integer not null,
  results jsonb not null,
  findings jsonb not null,
  operator jsonb not null,
  obligation_id uuid,
  counts boolean not null,
  warning text,
  submitted_by text not null,
  submitted_at timestamptz not null,
  primary key (id, submitted_at)
) partition by range (submitted_at);
create table inspection_default partition of inspection default;
create index inspection_place on inspection (division, id);
create index inspection_establishment on inspection (establishment_id, visited_at);
${owned('inspection', app, 'select, insert')}

create table corrective_action (
  id uuid primary key,
  division text collate "C" not null,
  version integer not null,
  number text not null unique,
  inspection_id uuid not null,
  establishment_id uuid not null,
  establishment_name text not null,
  official_id uuid,
  item text not null,
  key_item boolean not null,
  finding text not null,
  demand text not null,
  state text not null check (state in ('open', 'responded', 'verified', 'closed')),
  start_on date not null,
  working_days integer not null,
  due_on date,
  due_state text not null check (due_state in ('set', 'calendar-missing')),
  deadline jsonb not null,
  overdue boolean not null default false,
  steps jsonb not null,
  created_at timestamptz not null,
  changed_at timestamptz not null
);
create index corrective_action_place on corrective_action (division, id);
create index corrective_action_establishment on corrective_action (establishment_id);
create index corrective_action_due on corrective_action (due_on) where state in ('open', 'responded') and not overdue;
create index corrective_action_waiting on corrective_action (id) where due_state = 'calendar-missing';
${owned('corrective_action', app, 'select, insert, update')}
${policyTable(app)}
`,
};
