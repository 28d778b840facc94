import { ground, type Migration, owned, standing } from '#database';
import { importTables, policyTable } from '#platform';

const app = 'assignment_app';

/** Who serves where, what is proposed and by whom approved, and who answers for what. */
export const officials: Migration = {
  name: '0003-officials',
  sql: `
-- What registry says lies below a county or a township: one row a list.
create table division_list (
  division text collate "C" primary key,
  sequence integer not null,
  name text not null,
  below jsonb not null
);
${standing('division_list', app, 'select, insert, update')}

-- Readable from below: a township must know whether the county has an official at all.
create table official (
  id uuid primary key,
  division text collate "C" not null,
  version integer not null,
  level text not null check (level in ('city', 'county', 'township', 'village')),
  name text not null,
  post text not null,
  unit text,
  phone text,
  active boolean not null default true,
  qualified_at timestamptz,
  created_at timestamptz not null,
  changed_at timestamptz not null
);
create unique index official_post on official (division, level, post, name);
create index official_place on official (division, id);
${standing('official', app, 'select, insert, update')}

create table proposal (
  id uuid primary key,
  division text collate "C" not null,
  version integer not null,
  state text not null check (state in ('open', 'approved')),
  counts jsonb not null,
  proposed_by text not null,
  proposed_at timestamptz not null,
  approved_by text,
  approved_at timestamptz
);
create index proposal_place on proposal (division, id);
${ground('proposal', app, 'select, insert, update')}

create table proposal_line (
  proposal_id uuid not null references proposal,
  division text collate "C" not null,
  establishment_id uuid not null,
  tier text not null,
  official_id uuid,
  official_name text,
  basis text not null,
  warning text,
  primary key (proposal_id, division, establishment_id)
);
create index proposal_line_establishment on proposal_line (establishment_id, proposal_id);
${ground('proposal_line', app, 'select, insert')}

create table assignment (
  id uuid primary key,
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
  made_at timestamptz not null,
  ended_at timestamptz,
  end_reason text
);
create unique index assignment_current on assignment (establishment_id) where ended_at is null;
create index assignment_place on assignment (division, id);
create index assignment_official on assignment (official_id, division, id);
${owned('assignment', app, 'select, insert, update')}

${policyTable(app)}
${importTables('roster_import', app)}
`,
};
