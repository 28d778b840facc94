import { CalendarAnnounced, DivisionsListed } from '#contracts';
import { type Tx } from '#database';
import {
  allRead,
  type Bilingual,
  type CountyLoad,
  FolderError,
  loadPolicies,
  readJson,
  readPolicies,
} from '#platform';
import { type Static, Type } from '@sinclair/typebox';
import { v5 as uuidv5, v7 as uuidv7 } from 'uuid';
import { type ListedDivision, readDivisionFile } from './division-file.js';
import { CountyBox } from './ledger.service.js';
import { TierRule } from './tier-rule.js';

/** Divisions have codes for keys; facts want a uuid: this one, always the same for a code. */
const divisionId = (code: string): string => uuidv5(code, '6f1a3c52-0f0e-4d3a-9d6f-2b8f6f1c7a10');

const day = Type.String({
  pattern: String.raw`^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$`,
  description: '日期,如 2026-10-01 · a date like 2026-10-01',
});
const Year = Type.Object({
  year: Type.Integer({ minimum: 2000 }),
  source: Type.String(),
  holidays: Type.Array(Type.Object({ on: day, name: Type.Object({ zh: Type.String() }) })),
  workdays: Type.Array(Type.Object({ on: day })),
});
const CalendarFile = Type.Object({ years: Type.Array(Year) });

/** What a county starts with: `divisions.csv` (`code,name,level,parent`), `calendar.json`, `policies.json`. @throws FolderError */
export async function loadRegistry(folder: string): Promise<CountyLoad> {
  const [divisions, { years }, policies] = await allRead([
    readDivisionFile(folder),
    readJson(folder, 'calendar.json', CalendarFile),
    readPolicies(folder, [TierRule, CountyBox]),
  ]);
  const county = divisions.find(({ level }) => level === 'county')?.code ?? '';
  if (policies.division !== county)
    throw new FolderError([
      `policies.json 的 /division 是 ${policies.division},而 divisions.csv 的县是 ${county},请改正其中之一。 · policies.json: /division is ${policies.division}, and divisions.csv is of county ${county}; correct one of them.`,
    ]);
  const faults = years.flatMap(strayDays);
  if (faults.length > 0) throw new FolderError(faults);
  return {
    county,
    write: async (tx) => {
      await loadDivisions(tx, divisions);
      for (const year of years) await loadYear(tx, county, year);
      await loadPolicies(tx, policies);
      const kept = await keptDivisions(tx, divisions);
      return `${divisions.length} divisions, ${years.length} calendar years${kept}`;
    },
  };
}

/** Days that stand under another year would be asked of nobody: a deadline looks for its day under the day's own year. */
function strayDays({ year, holidays, workdays }: Static<typeof Year>, at: number): Bilingual[] {
  return Object.entries({ holidays, workdays }).flatMap(([list, days]) => {
    const strays = days.flatMap(({ on }, n) => (on.startsWith(`${year}-`) ? [] : [{ on, n }]));
    const [first] = strays;
    if (!first) return [];
    return `calendar.json 的 /years/${at}/${list} 有 ${strays.length} 天不在 ${year} 年内,如 /${first.n}/on 的 ${first.on},请改正,或移到该日所在的年份。 · calendar.json: /years/${at}/${list} has ${strays.length} that are not in ${year}, like ${first.on} in /${first.n}/on: mend them, or put them under their own year.` as const;
  });
}

async function loadDivisions(tx: Tx, divisions: ListedDivision[]): Promise<void> {
  await tx.query(
    `insert into division (division, name, level, parent) select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])
     on conflict (division) do update set name = excluded.name where division.name <> excluded.name`,
    (['code', 'name', 'level', 'parent'] as const).map((column) =>
      divisions.map((one) => one[column]),
    ),
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

/** A place that has left the file stays, for rows stand under it. @returns words that name the first of them; empty when there is none */
async function keptDivisions(tx: Tx, divisions: ListedDivision[]): Promise<string> {
  const kept = await tx.query<{ division: string; name: string }>(
    `select division, name from division where division <> all ($1::text[]) order by division`,
    [divisions.map(({ code }) => code)],
  );
  if (kept.length === 0) return '';
  const named = kept.slice(0, 5).map(({ division, name }) => `${division} ${name}`);
  const more = kept.length - named.length;
  return `; kept: ${kept.length} 个地方已不在 divisions.csv 中,仍然保留,其主体和干部不变 · ${kept.length} places that divisions.csv no longer lists stay, with their establishments and officials: ${named.join(', ')}${more > 0 ? `, +${more}` : ''}`;
} // prettier-ignore

async function loadYear(tx: Tx, county: string, given: Static<typeof Year>): Promise<void> {
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
