import { type Migration, owned } from '#database';

/**
 * What was told of visits still to be made (`days_before` the last day) or not made (0), so that it is told once: to an
 * official, or (null) to the office of a township or the county. And when a correction's official was reminded.
 */
export const reminders: Migration = {
  name: '0104-reminders',
  sql: `
create table reminder (
  id uuid primary key,
  division text collate "C" not null,
  official_id uuid,
  period text not null,
  days_before integer not null,
  visits integer not null,
  told_at timestamptz not null
);
create unique index reminder_official on reminder (official_id, period, days_before) where official_id is not null;
create unique index reminder_place on reminder (division, period, days_before) where official_id is null;
${owned('reminder', 'inspection_app', 'select, insert')}
alter table corrective_action add column reminded_at timestamptz;
`,
};
