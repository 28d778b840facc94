import { randomUUID } from 'node:crypto';
import { eventually, Fleet, randomFrom, shuffled } from '#testing';
import { jetstream } from '@nats-io/jetstream';
import { type NatsConnection } from '@nats-io/transport-node';
import { Database, TookTooLong } from '#database';
import {
  backlog,
  type Fact,
  fact,
  heal,
  plant,
  poison,
  registered,
  subjectFor,
} from '../poison.mjs';

/*
 * Poison and storms, in short; with a backlog of 200,000 and real outages: npm run storms. Assignment is poisoned, inspection
 * beside it is not.
 */

interface Letter {
  event: string;
  type: string;
  cause: string;
}

const seed = Number(process.env['FOODWARDEN_SEED'] ?? Date.now() % 1_000_000);
const random = randomFrom(seed);
const say = (line: string): void => void process.stderr.write(`storms: ${line}\n`);

let fleet: Fleet;
let bus: NatsConnection;

/** As the registry's relay would, each under a header of its own, so that the broker takes none for a repeat. */
async function publish(facts: readonly Fact[]): Promise<void> {
  const js = jetstream(bus);
  for (let from = 0; from < facts.length; from += 64)
    await Promise.all(
      facts.slice(from, from + 64).map((one) => js.publish(subjectFor(one), JSON.stringify(one), { msgID: randomUUID() })), // prettier-ignore
    );
}
const fiveTimes = (facts: readonly Fact[]): Fact[] =>
  shuffled([...facts, ...facts, ...facts, ...facts, ...facts], random);
const some = (count: number, make: (n: number) => Fact): Fact[] =>
  Array.from({ length: count }, (_, n) => make(n));

/** Copies of these establishments, as `<id> <sequence>`. */
async function copies(of: readonly Fact[], service: 'assignment' | 'inspection' = 'assignment'): Promise<string[]> {
  const rows = await fleet.rows<{ id: string; sequence: number }>(service, 'select establishment_id as id, sequence from premises where establishment_id = any($1)', [of.map((one) => one.subject)]);
  return rows.map(({ id, sequence }) => `${id} ${sequence}`).sort();
} // prettier-ignore
const all = (of: readonly Fact[]): string[] => of.map((one) => `${one.subject} 1`).sort();
const applied = (of: readonly Fact[], withinMs = 20_000, service: 'assignment' | 'inspection' = 'assignment'): Promise<string[]> =>
  eventually(() => copies(of, service), (rows) => rows.length === of.length, withinMs); // prettier-ignore
const letters = (): Promise<Letter[]> =>
  fleet.rows<Letter>('assignment', 'select event_id as event, type, cause from dead_letter where replayed_at is null'); // prettier-ignore
const waiting = (): Promise<{ id: string; tries: number; cause: string }[]> =>
  fleet.rows('assignment', 'select event_id as id, tries, cause from waiting_fact');
const inboxOf = async (of: readonly Fact[]): Promise<number> =>
  (await fleet.rows('assignment', 'select 1 from inbox where event_id = any($1)', [of.map(({ id }) => id)])).length; // prettier-ignore
const soundAs = (count: number, name: string): Fact[] => some(count, (n) => fact(`${name}${n}`)); // prettier-ignore

beforeAll(async () => {
  say(`seed ${seed}`);
  fleet = await Fleet.make(['registry', 'assignment', 'inspection', 'identity'], { HANDLER_LIMIT_MS: '500' }); // prettier-ignore
  await fleet.startNats();
  await fleet.deployBus();
  await Promise.all(fleet.services.map((service) => fleet.run(service)));
  await fleet.enrol([{ name: 'county', role: 'county-admin', division: '371425' }]);
  bus = await fleet.bus('registry');
}, 120_000);
afterAll(async () => {
  await bus?.close();
  await fleet?.stop();
}, 60_000);

describe('poison', () => {
  // More of those that throw than a durable may have under way, more of those that hang than are worked on at once.
  const throws = some(80, poison.throws);
  const hangs = some(8, poison.hangs);
  const badSchema = some(5, poison.badSchema);
  const futureVersion = some(5, poison.futureVersion);
  const bad = [...throws, ...hangs, ...badSchema, ...futureVersion];
  const sound = soundAs(60, '好店');

  it('lets nobody else wait, neither beside it nor at the other listener', async () => {
    await fleet.rows('assignment', plant);
    await publish(fiveTimes([...bad, ...sound]));
    expect(await applied(sound)).toEqual(all(sound));
    const later = soundAs(20, '晚店');
    await publish(later);
    expect(await applied(later)).toEqual(all(later));
    expect(await applied([...sound, ...throws, ...hangs], 20_000, 'inspection')).toHaveLength(148);
    const answer = await fleet.call('assignment', 'GET', '/v1/officials', { token: await fleet.token('county') }); // prettier-ignore
    expect(answer.status).toBe(200);
  }, 60_000);

  it('comes to the dead letters once each, with a cause that a person understands', async () => {
    // The eighth failure comes after 24 minutes: who waits is made to come at once.
    const found = await eventually(
      async () => {
        await fleet.rows('assignment', `update waiting_fact set next_at = now() where next_at > now() and taken_until is null`);
        return { waiting: await waiting(), letters: await letters() };
      },
      (now) => now.waiting.length === 0 && now.letters.length >= bad.length,
      45_000,
    ); // prettier-ignore
    expect(found.letters.map(({ event }) => event).sort()).toEqual(bad.map(({ id }) => id).sort());
    const causes = (of: Fact[]): string[] => [
      ...new Set(of.map(({ id }) => found.letters.find(({ event }) => event === id)?.cause.replace(/抛错\d+|since [\d:.TZ-]+/g, '') ?? '')), // prettier-ignore
    ];
    expect(causes(throws)).toEqual([expect.stringMatching(/^no room for .*tried 8 times.*已尝试 8 次/)]); // prettier-ignore
    expect(causes(hangs)).toEqual([expect.stringMatching(/^took longer than 0.5 s .*处理超过 0.5 秒.*tried 8 times/)]); // prettier-ignore
    expect(causes(badSchema)).toEqual([
      expect.stringMatching(/^bad data: \/tier .*数据不符合约定/),
    ]);
    expect(causes(futureVersion)).toEqual([expect.stringMatching(/^unknown type or version registry\.establishment\.registered\.v9.*升级/)]); // prettier-ignore
  }, 60_000);

  it('takes effect once when it is replayed after the fix, by API and by command', async () => {
    await fleet.rows('assignment', heal);
    const token = await fleet.token('county');
    const [one] = await fleet.rows<{ id: string }>('assignment', 'select id from dead_letter where event_id = $1', [throws[0]!.id]); // prettier-ignore
    expect(await fleet.call('assignment', 'POST', `/v1/dead-letters/${one!.id}/replay`, { token })).toMatchObject({ status: 200, body: { replayed: 1, failed: [] } }); // prettier-ignore
    const again = await fleet.step('assignment', ['replay', '--type', registered], { DATABASE_URL: fleet.url('assignment', 'app') }); // prettier-ignore
    expect(again).toMatch(
      new RegExp(`${throws.length + hangs.length - 1} replayed, 5 failed again`),
    );
    expect(await copies([...throws, ...hangs])).toEqual(all([...throws, ...hangs]));
    // The same facts once more, as from a journal: nothing more happens.
    await publish([...throws, ...hangs]);
    await fleet.quiet();
    expect(await inboxOf([...throws, ...hangs])).toBe(throws.length + hangs.length);
    expect((await letters()).map(({ event }) => event).sort()).toEqual([...badSchema, ...futureVersion].map(({ id }) => id).sort()); // prettier-ignore
  }, 60_000);

  it('that no table could hold is set aside, too, and asked for again by nobody', async () => {
    const before = (await letters()).length;
    const js = jetstream(bus);
    const texts = ['null', '{"a":"\u0000', JSON.stringify(fact('x', { id: 'no uuid' })), JSON.stringify(fact('x', { division: 7 })), JSON.stringify(fact('x', { type: 'a\u0000b' }))]; // prettier-ignore
    for (const text of texts) await js.publish(`evt.${registered}.371425.101`, text);
    const found = await eventually(letters, (rows) => rows.length >= before + texts.length, 20_000);
    expect(found.length).toBe(before + texts.length);
    expect(found.every(({ cause }) => /[一-龥]/.test(cause))).toBe(true);
    // Sound when the registry wrote it, not for who hears it: it was sent, it is a dead letter, it is not lost.
    const [known] = await fleet.rows<{ id: string }>('registry', `with w as (insert into journal (event_id, type, division, aggregate_id, sequence, actor, event)
      select ($1::jsonb->>'id')::uuid, $2, '371425101201', ($1::jsonb->>'subject')::uuid, 1, 'storm', $1 returning id, recorded_at), o as (insert into outbox select id, recorded_at from w) select id from w`, [JSON.stringify(poison.badSchema(99)), registered]); // prettier-ignore
    expect(known).toBeDefined();
    const [mark] = await eventually(() => fleet.rows<{ n: string }>('registry', 'select number as n from seal where $1 = any(journal_ids)', [known!.id]), (rows) => rows.length === 1); // prettier-ignore
    await eventually(() => fleet.rows<{ seal: string }>('assignment', `select seal from watermark where owner = 'registry'`), ([row]) => Number(row?.seal ?? 0) >= Number(mark!.n), 30_000); // prettier-ignore
    expect(await fleet.rows('assignment', 'select * from missing_fact')).toEqual([]);
    expect((await letters()).length).toBe(before + texts.length + 1);
  }, 60_000);
});

it('counts no failure while PostgreSQL takes nobody, and goes on when it does', async () => {
  const [{ name } = { name: '' }] = await fleet.rows<{ name: string }>('assignment', 'select current_database() as name'); // prettier-ignore
  const those = soundAs(100, '停电店');
  const mark = fleet.log.length;
  await fleet.rows('assignment', `alter database ${name} connection limit 0`);
  await fleet.rows('assignment', `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename like 'assignment%'`); // prettier-ignore
  await publish(those);
  await eventually(async () => fleet.log.slice(mark), (said) => /database is away/.test(said), 20_000); // prettier-ignore
  // Long enough for several tries of one that counts them.
  await eventually(async () => fleet.log.slice(mark).match(/too many connections/g)?.length ?? 0, (count) => count > 0, 20_000); // prettier-ignore
  await fleet.rows('assignment', `alter database ${name} connection limit -1`);
  expect(await applied(those)).toEqual(all(those));
  // A busy machine may be too slow for the limit of this test, which is a failure of its own.
  expect((await waiting()).filter(({ cause }) => !cause.startsWith('took longer'))).toEqual([]);
  expect(await inboxOf(those)).toBe(those.length);
}, 60_000);

it('drains what came while a listener was away, while new facts go on, and takes each once', async () => {
  await fleet.kill('assignment', 'SIGTERM');
  await fleet.rows('registry', backlog, [3000, '积压店']);
  await eventually(() => fleet.rows<{ n: number }>('registry', 'select count(*)::int as n from outbox'), ([row]) => row?.n === 0, 60_000); // prettier-ignore
  await fleet.run('assignment');
  const token = await fleet.token('county');
  for (let n = 0; n < 20; n++) {
    const body = { division: '371425101201', name: `新店${n}`, address: '一号', kind: 'small-catering', area: null }; // prettier-ignore
    expect((await fleet.call('registry', 'POST', '/v1/establishments', { token, body })).status).toBe(201); // prettier-ignore
  }
  await fleet.quiet();
  const [count] = await fleet.rows<{ n: number }>('assignment', `select count(*)::int as n from premises where name like '积压店%' or name like '新店%'`); // prettier-ignore
  expect(count?.n).toBe(3020);
}, 120_000);

it('changes nothing when facts come again that are older than the inbox keeps', async () => {
  const written = await fleet.rows<{ event: Fact }>('registry', `select event from journal where type = $1 limit 200`, [registered]); // prettier-ignore
  const those = written.map(({ event }) => event).filter((one) => !JSON.stringify(one).includes('坏数据')); // prettier-ignore
  const before = await fleet.rows('assignment', 'select * from premises order by 1');
  await fleet.rows('assignment', 'delete from inbox where event_id = any($1)', [those.map(({ id }) => id)]); // prettier-ignore
  await publish(fiveTimes(those));
  await fleet.quiet();
  expect(await inboxOf(those)).toBe(those.length);
  expect(await fleet.rows('assignment', 'select * from premises order by 1')).toEqual(before);
}, 60_000);

describe('a transaction with a time limit', () => {
  let database: Database;
  beforeAll(async () => {
    database = new Database({ service: 'assignment', url: fleet.url('assignment', 'app'), entities: [], poolSize: 1 }); // prettier-ignore
    await database.open();
  });
  afterAll(() => database.close());
  const caller = { id: 'test', division: '371425', correlationId: 'x', limitMs: 300 };
  const kept = (): Promise<object[]> => fleet.rows('assignment', `select key from idempotency_key where actor = 'late'`); // prettier-ignore
  const open = (): Promise<object[]> =>
    fleet.rows('assignment', `select query from pg_stat_activity where datname = current_database() and query like '%''late''%' and pid <> pg_backend_pid()`); // prettier-ignore

  it('is ended for good when its work never comes back, and late work reaches nothing', async () => {
    let late: (() => void) | undefined;
    let after: Promise<unknown> | undefined;
    const work = database.within(caller, async (tx) => {
      await tx.query(`insert into idempotency_key (division, actor, route, key, body_hash) values ('371425', 'late', 'x', 'x', 'x')`); // prettier-ignore
      await new Promise<void>((done) => (late = done));
      after = tx.query(`insert into idempotency_key (division, actor, route, key, body_hash) values ('371425', 'late', 'x', 'y', 'x')`); // prettier-ignore
      await after;
    });
    await expect(work).rejects.toThrow(TookTooLong);
    await eventually(open, (rows) => rows.length === 0);
    // Its connection is given up: with a pool of one, who comes next gets another.
    await database.ping();
    late?.();
    await eventually(async () => after, (one) => one !== undefined).catch(() => undefined); // prettier-ignore
    await expect(after).rejects.toThrow();
    expect(await kept()).toEqual([]);
  });

  it('is ended by PostgreSQL, too, when a statement waits for ever', async () => {
    const work = database.within(caller, (tx) => tx.query(`select pg_sleep(600), 'late'`));
    await expect(work).rejects.toThrow(/took longer than 0.3 s .*处理超过 0.3 秒/);
    await eventually(open, (rows) => rows.length === 0);
  });
});
