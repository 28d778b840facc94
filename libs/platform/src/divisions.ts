import { type DataOf, type DivisionsListed, type Envelope } from '#contracts';
import { standing, type Tx } from '#database';
import { DomainError, outOfScope } from './problem.js';

/** A service's copy of the county's divisions: what registry says lies below a county or a township, one row a list. */
export function divisionTable(app: string): string {
  return `
create table division_list (
  division text collate "C" primary key,
  sequence integer not null,
  name text not null,
  below jsonb not null
);
${standing('division_list', app, 'select, insert, update')}
`;
}

/** Keeps the newest list of a place; a repeated or late one meets a sequence that is not smaller. */
export async function keepDivisions(
  { data: { division, name, below }, sequence }: Envelope<DataOf<typeof DivisionsListed>>,
  tx: Tx,
): Promise<void> {
  await tx.query(
    `insert into division_list (division, sequence, name, below) values ($1, $2, $3, $4)
     on conflict (division) do update set sequence = excluded.sequence, name = excluded.name, below = excluded.below
       where division_list.sequence < excluded.sequence`,
    [division, sequence, name, JSON.stringify(below)],
  );
}

/** @param codes only these; without it, every place of the caller's lists. @returns what they are called, as far as the lists have arrived */
export async function placeNames(tx: Tx, codes?: string[]): Promise<Map<string, string>> {
  const named = await tx.query<{ division: string; name: string }>(
    `select one.division, one.name from division_list l,
       jsonb_to_recordset(jsonb_build_array(jsonb_build_object('division', l.division, 'name', l.name)) || l.below) as one(division text, name text)
     where $1::text[] is null or one.division = any($1)`,
    [codes ?? null],
  );
  return new Map(named.map(({ division, name }) => [division, name]));
} // prettier-ignore

/**
 * For what is written under a place, which has to be one of the caller's ground. A list that has not arrived yet says
 * nothing: what would lie below it is taken, as work is not refused for a fact that is on its way.
 * @param code 6, 9 or 12 digits, of the field `division`
 * @throws DomainError `out-of-scope`, alike for another's and for none; `division-unknown`
 */
export async function checkDivision(tx: Tx, code: string): Promise<void> {
  if (!code.startsWith(tx.caller.division)) throw outOfScope(tx.caller.division, code);
  const [wrong] = await tx.query<{ parent: string }>(
    `select parent from unnest($1::text[], $2::text[]) as step (parent, child) join division_list on division = parent
     where length(child) > length(parent) and not below @> jsonb_build_array(jsonb_build_object('division', child)) order by parent limit 1`,
    [
      [code.slice(0, 6), code.slice(0, 9)],
      [code.slice(0, 9), code],
    ],
  );
  if (wrong)
    throw new DomainError('division-unknown', `区划表中没有 ${code}。 · The division table has no ${code}.`, [
      {
        pointer: '/division', rule: 'division-unknown', value: code,
        remedy: `可用 registry 的 GET /divisions?parent=${wrong.parent} 查询,刚加载的请稍后再试 · GET /divisions?parent=${wrong.parent} of registry lists them; one that was just loaded is known here in a moment`,
      },
    ]);
} // prettier-ignore
