import { ground, type Migration, standing } from '#database';

export const establishments: Migration = {
  name: '0002-establishments',
  sql: `
create table division (
  division text collate "C" primary key,
  name text not null,
  level text not null check (level in ('county', 'township', 'village')),
  parent text collate "C" not null
);
create index division_parent on division (parent, division);
${standing('division', 'registry_app', 'select, insert, update')}

create table establishment (
  id uuid primary key,
  division text collate "C" not null check (division ~ '^[0-9]{12}$'),
  version integer not null,
  name text not null,
  uscc text,
  address text not null,
  kind text not null,
  area numeric,
  diners integer,
  large boolean not null default false,
  status text not null check (status in ('open', 'suspended', 'closed')),
  tier text not null check (tier in ('A', 'B', 'C', 'D')),
  tier_decision jsonb not null,
  created_at timestamptz not null,
  changed_at timestamptz not null
);
create index establishment_place on establishment (division, id);
create index establishment_uscc on establishment (uscc, division);
${ground('establishment', 'registry_app', 'select, insert, update')}
`,
};
