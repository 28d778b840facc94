// What is right, from what was answered and from rows alone.
import { registered } from '../poison.mjs';

/** Run by a superuser in assignment's database: what took effect on a copy, in the order in which it did. */
export const noteEffects = `
  create table effect (n bigint generated always as identity, establishment_id uuid, sequence int);
  create function note_effect() returns trigger language plpgsql security definer as $$
  begin
    insert into effect (establishment_id, sequence) values (new.establishment_id, new.sequence);
    return new;
  end $$;
  create trigger note_effect after insert or update on premises for each row execute function note_effect();`;

const ordered = (numbers) => numbers.every((one, at) => at === 0 || numbers[at - 1] < one);

/** What is wrong with these establishments; nothing, once they are quiet. */
export async function look(fleet, { acknowledged, strangers }, ids) {
  const wrong = [];
  const rows = (service, sql, ...parameters) => fleet.rows(service, sql, parameters);
  const of =
    (list, key = 'establishment_id') =>
    (id) =>
      list.filter((one) => one[key] === id);
  const now = of(await rows('registry', 'select id, version, name, status from establishment where id = any($1)', ids), 'id'); // prettier-ignore
  const journal = await rows('registry', 'select event_id as id, aggregate_id as establishment_id, sequence from journal where aggregate_id = any($1) order by id', ids); // prettier-ignore
  const facts = of(journal);
  const [{ unsent }] = await rows('registry', 'select count(*)::int as unsent from outbox');
  if (unsent > 0) wrong.push(`${unsent} facts are unsent`);
  const events = [...journal, ...strangers].map(({ id }) => id);
  const inbox = await rows('assignment', 'select event_id as id, count(*)::int as times from inbox where event_id = any($1) group by event_id', events); // prettier-ignore
  const times = new Map(inbox.map(({ id, times }) => [id, times]));
  const copies = of(await rows('assignment', 'select * from premises where establishment_id = any($1)', ids)); // prettier-ignore
  const effects = of(await rows('assignment', 'select establishment_id, sequence from effect where establishment_id = any($1) order by n', ids)); // prettier-ignore
  const [{ failing }] = await rows('assignment', 'select (select count(*)::int from waiting_fact) + (select count(*)::int from dead_letter where replayed_at is null) as failing'); // prettier-ignore
  if (failing > 0) wrong.push(`${failing} facts wait or are set aside`);
  for (const { id, type } of strangers)
    if (times.get(id) !== 1) wrong.push(`${type} ${id} was applied ${times.get(id) ?? 0} times`);
  const steps = of(acknowledged, 'id');
  for (const id of ids) {
    const [row] = now(id);
    const mine = steps(id);
    const last = mine.at(-1);
    if (!row) {
      wrong.push(`${id} was acknowledged, and is not there`);
      continue;
    }
    if (row.version !== last.version || row.name !== last.name || row.status !== last.status)
      wrong.push(`${id} is ${row.name} ${row.status} at ${row.version}, not ${last.name} ${last.status} at ${last.version}`); // prettier-ignore
    const written = facts(id).map(({ sequence }) => sequence);
    if (written.join() !== mine.map(({ version }) => version).join())
      wrong.push(`${id}: the journal has ${written.join()}, acknowledged were ${mine.map(({ version }) => version).join()}`); // prettier-ignore
    for (const { id: event, sequence } of facts(id))
      if (times.get(event) !== 1)
        wrong.push(`${id}: version ${sequence} was applied ${times.get(event) ?? 0} times`);
    const [copy] = copies(id);
    if (copy?.sequence !== row.version || copy.name !== row.name || copy.status !== row.status)
      wrong.push(`${id}: the copy is ${copy?.name} at ${copy?.sequence}, not ${row.name} at ${row.version}`); // prettier-ignore
    const took = effects(id).map(({ sequence }) => sequence);
    if (!ordered(took)) wrong.push(`${id}: took effect in the order ${took.join()}`);
  }
  return wrong;
}

/** At the end, over everything: what no single round shows. */
export async function whole(fleet, { acknowledged, strangers, keys }) {
  const count = async (service, what) => (await fleet.rows(service, `select count(*)::int as n from ${what}`))[0].n; // prettier-ignore
  const wrong = [];
  const expect = (what, is, should) => is !== should && wrong.push(`${what}: ${is}, not ${should}`);
  const establishments = new Set(acknowledged.map(({ id }) => id)).size;
  const strange = strangers.filter(({ type }) => type === registered).length;
  expect('establishments', await count('registry', 'establishment'), establishments);
  expect('facts of establishments', await count('registry', `journal where type like 'registry.establishment.%'`), acknowledged.length); // prettier-ignore
  expect('keys', await count('registry', 'idempotency_key'), keys);
  expect('copies', await count('assignment', 'premises'), establishments + strange);
  expect('aggregates whose steps are out of order', await count('registry', '(select 1 from (select sequence, lag(sequence) over (partition by aggregate_id order by id) as before from journal) j where sequence <= before) as mixed'), 0); // prettier-ignore
  expect('effects out of order', await count('assignment', '(select 1 from (select sequence, lag(sequence) over (partition by establishment_id order by n) as before from effect) e where sequence <= before) as mixed'), 0); // prettier-ignore
  for (const service of ['registry', 'assignment']) {
    expect(`dead letters of ${service}`, await count(service, 'dead_letter where replayed_at is null'), 0); // prettier-ignore
    expect(`facts that wait in ${service}`, await count(service, 'waiting_fact'), 0);
    expect(`missing facts of ${service}`, await count(service, 'missing_fact'), 0);
    expect(`unsent facts of ${service}`, await count(service, 'outbox'), 0);
  }
  expect('facts set aside twice', await count('assignment', '(select 1 from dead_letter group by event_id having count(*) > 1) as twice'), 0); // prettier-ignore
  const [told, taken] = [
    await fleet.rows('registry', `select event_id from journal where type like 'registry.establishment.%' or type like 'registry.divisions.%'`),
    await fleet.rows('assignment', 'select event_id, count(*)::int as times from inbox group by event_id'),
  ]; // prettier-ignore
  const times = new Map(taken.map((row) => [row.event_id, row.times]));
  expect('facts of the registry that were not applied once', told.filter((row) => times.get(row.event_id) !== 1).length, 0); // prettier-ignore
  expect('lists of divisions', await count('assignment', 'division_list'), await count('registry', 'division where version > 0')); // prettier-ignore
  // What one seal sealed, no other does: sent once, forgotten once.
  expect('facts sealed twice', await count('registry', '(select unnest(event_ids) as event from seal group by event having count(*) > 1) as twice'), 0); // prettier-ignore
  expect('facts sealed', await count('registry', '(select unnest(event_ids) from seal) as all_of_them'), await count('registry', 'journal')); // prettier-ignore
  return wrong;
}
