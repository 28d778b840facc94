import { type Migration, standing } from '#database';
import { importTables, policyTable } from '#platform';

/** Ledger imports, the calendar, policies; what a ledger says beyond the first columns of an establishment. */
export const ledger: Migration = {
  name: '0003-ledger',
  sql: `
alter table establishment
  add column licence text,
  add column latitude double precision,
  add column longitude double precision;
create index establishment_licence on establishment (licence, division);
create index establishment_name on establishment (division, name);

alter table division
  add column version integer not null default 0,
  add column listed jsonb;

create table calendar_year (
  id uuid primary key,
  division text collate "C" not null,
  version integer not null,
  year integer not null,
  holidays jsonb not null,
  workdays jsonb not null,
  source text not null,
  unique (division, year)
);
${standing('calendar_year', 'registry_app', 'select, insert, update')}
${policyTable('registry_app')}
${importTables('ledger_import', 'registry_app')}
`,
};
