import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CalendarAnnounced, DivisionsListed } from '#contracts';
import { type Database, type Tx } from '#database';
import { deployOf, loadPolicies, type PolicyFile } from '#platform';
import { v5 as uuidv5, v7 as uuidv7 } from 'uuid';
import { CountyBox } from './ledger.service.js';
import { TierRule } from './tier-rule.js';

/** Divisions have codes for keys; facts want a uuid: this one, always the same for a code. */
const divisionId = (code: string): string => uuidv5(code, '6f1a3c52-0f0e-4d3a-9d6f-2b8f6f1c7a10');

interface Calendar {
  source: string;
  years: {
    year: number;
    source: string;
    holidays: { on: string; name: { zh: string } }[];
    workdays: { on: string }[];
  }[];
}

/** What a county starts with: `divisions.csv` (`code,name,level,parent`), `calendar.json`, `policies.json`. */
export async function loadRegistry(database: Database, folder: string): Promise<string> {
  const [, ...lines] = (await readFile(join(folder, 'divisions.csv'), 'utf8'))
    .trim()
    .split(/\r?\n/);
  const rows = lines.map((line) => line.split(','));
  const county = rows.find(([, , level]) => level === 'county')?.[0];
  if (!county) throw new Error('divisions.csv has no county.');
  const read = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(folder, name), 'utf8'));
  const calendar = (await read('calendar.json')) as Calendar;
  const policies = (await read('policies.json')) as PolicyFile;
  await database.within(deployOf(county), async (tx) => {
    await loadDivisions(tx, rows);
    for (const year of calendar.years) await loadYear(tx, county, year);
    await loadPolicies(tx, [TierRule, CountyBox], policies);
  });
  return `${rows.length} divisions, ${calendar.years.length} calendar years`;
}

async function loadDivisions(tx: Tx, rows: string[][]): Promise<void> {
  await tx.query(
    `insert into division (division, name, level, parent) select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])
     on conflict (division) do update set name = excluded.name where division.name <> excluded.name`,
    [0, 1, 2, 3].map((column) => rows.map((row) => row[column] ?? '')),
  );
  const changed = await tx.query<{
    division: string;
    name: string;
    version: number;
    below: { division: string; name: string }[];
  }>(
    `with now as (
       select d.division, coalesce(jsonb_agg(jsonb_build_object('division', b.division, 'name', b.name) order by b.division)
                filter (where b.division is not null), '[]') as below
       from division d left join division b on b.parent = d.division where d.level <> 'village' group by d.division)
     update division d set version = d.version + 1, listed = jsonb_build_object('name', d.name, 'below', now.below)
     from now where now.division = d.division and d.listed is distinct from jsonb_build_object('name', d.name, 'below', now.below)
     returning d.division, d.name, d.version, now.below`,
  );
  for (const { division, name, version, below } of changed)
    tx.publish(
      DivisionsListed,
      { id: divisionId(division), division, version },
      { division, name, below },
    );
}

async function loadYear(tx: Tx, county: string, given: Calendar['years'][number]): Promise<void> {
  const { year, source } = given;
  const holidays = given.holidays.map(({ on, name }) => ({ on, name: name.zh }));
  const workdays = given.workdays.map(({ on }) => on);
  const [kept] = await tx.query<{ id: string; version: number }>(
    `insert into calendar_year as c (id, division, version, year, holidays, workdays, source) values ($1, $2, 1, $3, $4, $5, $6)
     on conflict (division, year) do update
       set version = c.version + 1, holidays = excluded.holidays, workdays = excluded.workdays, source = excluded.source
       where (c.holidays, c.workdays) is distinct from (excluded.holidays, excluded.workdays)
     returning id, version`,
    [uuidv7(), county, year, JSON.stringify(holidays), JSON.stringify(workdays), source],
  );
  if (kept)
    tx.publish(
      CalendarAnnounced,
      { ...kept, division: county },
      { division: county, year, holidays, workdays, source },
    );
}
