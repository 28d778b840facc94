import { ground, type Migration } from '#database';

/** The few fields of an establishment that assignment needs, fed by registry's facts. */
export const premises: Migration = {
  name: '0002-premises',
  sql: `
create table premises (
  establishment_id uuid primary key,
  division text collate "C" not null,
  sequence integer not null,
  name text not null,
  kind text not null,
  tier text not null,
  status text not null
);
create index premises_place on premises (division, establishment_id);
${ground('premises', 'assignment_app', 'select, insert, update')}
`,
};
