import { type Migration, owned } from '#database';

/** Who was told what, once. */
export const messages: Migration = {
  name: '0002-messages',
  sql: `
create table message (
  id uuid primary key,
  division text collate "C" not null,
  version integer not null,
  kind text not null,
  -- What it is about: the assignment, obligation, corrective action or missing year.
  subject_id uuid not null,
  -- The step of the subject that the words come from: the newest wins, whenever it is told.
  sequence integer not null,
  audience text not null check (audience in ('official', 'county-admin')),
  official_id uuid,
  title_zh text not null,
  title_en text not null,
  about jsonb not null,
  created_at timestamptz not null,
  read_at timestamptz,
  read_by text,
  check ((audience = 'official') = (official_id is not null)),
  constraint message_once unique nulls not distinct (kind, subject_id, audience, official_id)
);
create index message_place on message (division, id);
create index message_official on message (official_id, division, id);
${owned('message', 'notification_app', 'select, insert, update')}
`,
};
