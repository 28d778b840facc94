import { type Migration, owned } from '#database';

/** Photos and papers of a visit. The bytes lie in the file store under `sha256`, and were there before the row. */
export const evidence: Migration = {
  name: '0003-evidence',
  sql: `
create table evidence (
  id uuid primary key,
  division text collate "C" not null,
  version integer not null,
  inspection_id uuid not null,
  official_id uuid not null,
  sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
  mime text not null,
  size_bytes integer not null,
  taken_at timestamptz not null,
  position jsonb,
  added_by text not null,
  added_at timestamptz not null,
  unique (inspection_id, sha256)
);
create index evidence_file on evidence (sha256);
${owned('evidence', 'inspection_app', 'select, insert')}
`,
};
