import { type Migration } from '#database';

/** Photos of what was mended. They belong to whom the correction belongs to, and go along with it; the bytes never change. */
export const correctionEvidence: Migration = {
  name: '0106-correction-evidence',
  sql: `
alter table evidence add column corrective_action_id uuid;
alter table evidence alter column official_id drop not null;
alter table evidence drop constraint evidence_inspection_id_sha256_key;
alter table evidence add constraint evidence_once unique nulls not distinct (inspection_id, corrective_action_id, sha256);
create index evidence_correction on evidence (corrective_action_id) where corrective_action_id is not null;
grant update (division, official_id) on evidence to inspection_app;
`,
};
