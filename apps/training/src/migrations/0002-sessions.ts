import { ground, type Migration, owned } from '#database';
import { policyTable } from '#platform';

const app = 'training_app';

/** Officials as assignment tells them, sessions, who attended, who is certified. */
export const sessions: Migration = {
  name: '0002-sessions',
  sql: `
create table official (
  official_id uuid primary key,
  division text collate "C" not null,
  sequence integer not null,
  level text not null,
  name text not null,
  post text not null,
  active boolean not null
);
create index official_place on official (division, official_id);
${owned('official', app, 'select, insert, update')}

create table session (
  id uuid primary key,
  division text collate "C" not null,
  version integer not null,
  requirement text not null,
  title text not null,
  place text not null,
  held_at timestamptz not null,
  created_by text not null,
  created_at timestamptz not null
);
create index session_place on session (division, id);
${ground('session', app, 'select, insert')}

create table attendance (
  session_id uuid not null references session,
  official_id uuid not null,
  division text collate "C" not null,
  official_name text not null,
  recorded_by text not null,
  recorded_at timestamptz not null,
  primary key (session_id, official_id)
);
${owned('attendance', app, 'select, insert')}

create table certificate (
  id uuid primary key,
  division text collate "C" not null,
  version integer not null,
  number text not null unique,
  official_id uuid not null,
  official_name text not null,
  requirement text not null,
  requirement_version integer not null,
  session_id uuid not null references session,
  issued_at timestamptz not null,
  unique (official_id, requirement)
);
create index certificate_place on certificate (division, id);
${owned('certificate', app, 'select, insert')}
${policyTable(app)}
`,
};
