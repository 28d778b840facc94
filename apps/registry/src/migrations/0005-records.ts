import { ground, type Migration } from '#database';
import { changeLogTables } from '#platform';

/** Who changed what; what an import did, so that it can be undone; where a visit has been since. */
export const records: Migration = {
  name: '0005-records',
  sql: `
${changeLogTables('registry_app')}
-- What each row of an import did to which establishment.
create table ledger_import_effect (
  import_id uuid not null references ledger_import,
  division text collate "C" not null,
  row integer not null,
  establishment_id uuid not null,
  -- The version that the row made.
  version integer not null,
  -- The establishment before the row; null: the row created it.
  before jsonb,
  made_at timestamptz not null,
  primary key (import_id, establishment_id, version)
);
${ground('ledger_import_effect', 'registry_app', 'select, insert')}
-- A version that says the same as an earlier one, as an undone import left it.
create table establishment_restored (
  establishment_id uuid not null,
  division text collate "C" not null,
  version integer not null,
  restores integer not null,
  primary key (establishment_id, version)
);
${ground('establishment_restored', 'registry_app', 'select, insert')}
-- The newest visit of each establishment, as inspection told it.
create table establishment_visit (
  establishment_id uuid primary key,
  division text collate "C" not null,
  inspection_id uuid not null,
  submitted_at timestamptz not null
);
${ground('establishment_visit', 'registry_app', 'select, insert, update')}
`,
};
