import { type Migration, owned } from '#database';
import { changeLogTables } from '#platform';

const app = 'assignment_app';

/** What each official signs for the establishments he answers for; who changed what of officials, and read whose telephone number. */
export const undertakings: Migration = {
  name: '0005-undertakings',
  sql: `
create table undertaking (
  id uuid primary key,
  -- Of the official's post, not of the establishments: a county official's has 6 digits.
  division text collate "C" not null,
  version integer not null,
  official_id uuid not null,
  official_name text not null,
  official_post text not null,
  official_level text not null,
  state text not null check (state in ('open', 'signed', 'stale', 'superseded')),
  -- The list as it was: { establishmentId, name, division, tier }, and the hash of its sorted ids.
  establishments jsonb not null,
  list_sha256 text not null,
  text_version integer not null,
  statement text not null,
  -- Kept as it was shown: a later release may word or lay it out otherwise.
  document text not null,
  document_sha256 text not null,
  opened_at timestamptz not null,
  opened_by text not null,
  signed_at timestamptz,
  signed_by text,
  signed_name text,
  stale_at timestamptz,
  stale_reason text,
  stale_added integer,
  stale_removed integer,
  superseded_at timestamptz,
  check ((signed_at is null) = (signed_by is null) and (signed_at is null) = (signed_name is null)),
  check ((state in ('stale', 'superseded')) = (stale_at is not null)),
  check (state <> 'signed' or signed_at is not null)
);
create unique index undertaking_current on undertaking (official_id) where state <> 'superseded';
create index undertaking_place on undertaking (division, id);
create index undertaking_official on undertaking (official_id, division, id);
${owned('undertaking', app, 'select, insert, update')}

-- Signed by hand and uploaded. The newest counts; one that it replaced stays.
create table undertaking_copy (
  id uuid primary key,
  undertaking_id uuid not null references undertaking,
  division text collate "C" not null,
  official_id uuid not null,
  sha256 text not null,
  mime text not null,
  size integer not null,
  uploaded_at timestamptz not null,
  uploaded_by text not null
);
create index undertaking_copy_undertaking on undertaking_copy (undertaking_id, id);
create index undertaking_copy_file on undertaking_copy (sha256);
${owned('undertaking_copy', app, 'select, insert')}

${changeLogTables(app)}
`,
};
