import { EstablishmentChanged } from '#contracts';
import { type Tx } from '#database';
import { DomainError, type ImportCounts, logChanges, oneOf } from '#platform';
import { In } from 'typeorm';
import {
  Establishment, type EstablishmentFields, type EstablishmentRow, fieldsOf, updateEstablishments,
} from './establishment.entity.js'; // prettier-ignore
import { keepNames, renamed } from './name-search.js';

/** What one row of an import did to one establishment. */
export interface Effect {
  row: number;
  /** null: the row created it. */
  before: EstablishmentRow | null;
  after: EstablishmentRow;
}

/** Keeps what a batch of an import did, in the change log and for its undoing. */
export async function recordEffects(tx: Tx, importId: string, effects: Effect[]): Promise<void> {
  if (effects.length === 0) return;
  const steps = effects.map(({ before, after }) => ({ subject: after, before, after }));
  await logChanges(tx, 'establishment', steps, `台账导入 · ledger import ${importId}`);
  tx.send(
    'keep effects',
    `insert into ledger_import_effect (import_id, division, row, establishment_id, version, before, made_at)
     select $1, division, row, id, version, before, $2
     from jsonb_to_recordset($3::jsonb) as t(division text, row int, id uuid, version int, before jsonb)`,
    [
      importId,
      tx.now,
      JSON.stringify(
        effects.map(({ row, before, after: { id, division, version } }) => ({
          row, id, division, version, before: before && fieldsOf(before),
        })),
      ),
    ],
  );
} // prettier-ignore

const batch = 1000;
/** Obstacles named in one answer; the count is of all. */
const named = 200;

/**
 * Closes what an import created and restores what it changed, each as a new version with its fact; or does nothing, when
 * one of them was changed or visited since. One transaction, batch by batch: as large as the import is in the database,
 * a batch large here. Undone twice is undone once.
 */
export async function undoImport(tx: Tx, importId: string): Promise<Undone> {
  const { state, dryRun, counts, division } = oneOf(
    await tx.query<{ state: string; dryRun: boolean; counts: ImportCounts; division: string }>(
      `select state, dry_run as "dryRun", counts, division from ledger_import where id = $1 for update`,
      [importId],
    ),
  );
  if (state === 'undone') return undoneOf(tx, importId);
  if (state !== 'done' || dryRun)
    throw new DomainError('wrong-state', `只有已完成的导入才能撤销,当前为 ${dryRun ? '试算' : state}。 · Only an import that has landed can be undone; this is ${dryRun ? 'a dry run' : state}.`);
  await everyEffectKept(tx, importId, counts);
  // Imports of the county take turns batch by batch; this is one more turn.
  await tx.query(`select pg_advisory_xact_lock(7031, $1::int)`, [Number(division.slice(0, 6))]);
  await refuseIfTouched(tx, importId);

  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const first = await tx.query<{ id: string; before: EstablishmentFields | null }>(
      `select distinct on (establishment_id) establishment_id as id, before from ledger_import_effect
       where import_id = $1 and establishment_id > $2 order by establishment_id, version limit $3`,
      [importId, after, batch],
    );
    const last = first.at(-1);
    if (!last) break;
    after = last.id;
    await undoSome(tx, importId, new Map(first.map(({ id, before }) => [id, before])));
  }
  await tx.query(`update ledger_import set state = 'undone' where id = $1`, [importId]);
  await logChanges(
    tx,
    'ledger_import',
    [{ subject: { id: importId, division, version: 2 }, before: { state }, after: { state: 'undone' } }],
  );
  return undoneOf(tx, importId);
} // prettier-ignore

/** What an undo did with the establishments of an import. */
export interface Undone {
  /** Which the import had created. */
  closed: number;
  /** Which it had changed, as they were before. */
  restored: number;
}

async function undoneOf(tx: Tx, importId: string): Promise<Undone> {
  return oneOf(
    await tx.query<Undone>(
      `select count(*) filter (where before is null)::int as closed, count(*) filter (where before is not null)::int as restored
       from (select distinct on (establishment_id) before from ledger_import_effect where import_id = $1 order by establishment_id, version) first`,
      [importId],
    ),
  );
} // prettier-ignore

async function undoSome(tx: Tx, importId: string, before: Map<string, EstablishmentFields | null>): Promise<void> {
  const ids = [...before.keys()];
  const found = await tx.manager.find(Establishment, {
    where: { id: In(ids) }, order: { id: 'asc' }, lock: { mode: 'pessimistic_write' },
  });
  await refuseIfTouched(tx, importId, ids); // somebody may have been faster than the lock
  const steps = found.map((one) => {
    const was = { ...one };
    const fields = before.get(one.id) ?? null;
    if (fields) one.restore(fields, tx.now);
    else one.close(tx.now);
    tx.publish(EstablishmentChanged, one, one.state());
    return { subject: one, before: was, after: one };
  });
  await updateEstablishments(tx, found);
  keepNames(tx, steps.filter(({ before, after }) => renamed(before, after)).map(({ after }) => after));
  await logChanges(tx, 'establishment', steps, `撤销台账导入 · undo of ledger import ${importId}`);
  await tx.query(
    `insert into establishment_restored (establishment_id, division, version, restores)
     select e.id, e.division, e.version, coalesce(r.restores, f.version - 1)
     from establishment e
     cross join lateral (select version, before from ledger_import_effect where import_id = $1 and establishment_id = e.id order by version limit 1) f
     left join establishment_restored r on r.establishment_id = e.id and r.version = f.version - 1
     where e.id = any($2) and f.before is not null`,
    [importId, ids],
  );
  await tx.flush();
} // prettier-ignore

/** An import that landed before effects were kept, in whole or in part, cannot be taken back row by row. */
async function everyEffectKept(tx: Tx, importId: string, counts: ImportCounts): Promise<void> {
  const [kept] = await tx.query<{ n: number }>(
    `select count(*)::int as n from ledger_import_effect where import_id = $1`,
    [importId],
  );
  if (kept?.n !== counts.created + counts.updated)
    throw new DomainError('wrong-state', '该导入早于撤销功能,未保留其所做的更改。 · What this import did was not kept: it landed before imports could be undone.');
} // prettier-ignore

/**
 * @param ids of these alone; without it, of all that the import touched
 * @throws DomainError `changed-since` that names those with another version than the import left, or a visit since
 */
async function refuseIfTouched(tx: Tx, importId: string, ids: string[] | null = null): Promise<void> {
  const touched = await tx.query<{ id: string; name: string | null; visited: boolean; all: number }>(
    `with made as (
       select establishment_id as id, max(version) as version, max(made_at) as at from ledger_import_effect
       where import_id = $1 and ($2::uuid[] is null or establishment_id = any($2)) group by 1)
     select made.id, e.name, v.establishment_id is not null as visited, count(*) over ()::int as all
     from made
     left join establishment e on e.id = made.id
     left join establishment_restored r on r.establishment_id = e.id and r.version = e.version
     left join establishment_visit v on v.establishment_id = made.id and v.submitted_at >= made.at
     where coalesce(r.restores, e.version) is distinct from made.version or v.establishment_id is not null
     order by made.id limit $3`,
    [importId, ids, named],
  );
  if (touched.length === 0) return;
  throw new DomainError(
    'changed-since',
    `其中 ${touched[0]?.all ?? 0} 个主体此后已变更或被督导,未作任何撤销。 · ${touched[0]?.all ?? 0} of its establishments were changed or visited since; nothing was undone.`,
    touched.map(({ id, name, visited }) => ({
      pointer: `/establishments/${id}`,
      rule: visited ? 'visited-since' : 'changed-since',
      value: name,
      remedy: visited
        ? '导入后已有督导,请逐户变更 · it was visited since the import: change it by itself'
        : '导入后已有变更,请逐户变更 · it was changed since the import: change it by itself',
    })),
  );
} // prettier-ignore
