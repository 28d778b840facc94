import { spawn } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listeners, type Service } from '#contracts';
import { eventually, Fleet } from '#testing';
import { jetstreamManager } from '@nats-io/jetstream';

/*
 * The broker loses what it acknowledged: a stream wiped, all of them, a listener's place, bits of a file. Nothing but the
 * broker and the listeners is touched, so what comes right does so by the watermarks alone. And the journals, which it
 * comes right from: whoever changes one afterwards is found.
 */

const owners = ['registry', 'assignment', 'inspection', 'identity'] as const;
const ears = ['assignment', 'inspection'] as const;
const say = (line: string): void => void process.stderr.write(`silent-loss: ${line}\n`);

let fleet: Fleet;
let made = 0;

/** Establishments registered over HTTP. */
async function register(count: number): Promise<void> {
  const token = await fleet.token('county');
  for (let n = 0; n < count; n++) {
    const body = { division: '371425101201', name: `店${(made += 1)}`, address: '一号', kind: 'small-catering', area: null }; // prettier-ignore
    const { status } = await fleet.call('registry', 'POST', '/v1/establishments', { token, body });
    expect(status).toBe(201);
  }
}

const unsent = async (service: Service): Promise<number> =>
  (await fleet.rows<{ n: number }>(service, 'select count(*)::int as n from outbox'))[0]?.n ?? 0;
const sent = (service: Service): Promise<number> =>
  eventually(() => unsent(service), (n) => n === 0, 30_000); // prettier-ignore

/** Facts of any journal that a listener of this fleet has not applied, and what it holds of establishments. */
async function behind(): Promise<string[]> {
  const left: string[] = [];
  for (const consumer of ears) {
    const applied = new Set((await fleet.rows<{ id: string }>(consumer, 'select event_id as id from inbox')).map(({ id }) => id)); // prettier-ignore
    for (const owner of owners) {
      const types = (listeners[consumer] ?? []).filter((event) => event.owner === owner).map(({ type }) => type); // prettier-ignore
      const facts = await fleet.rows<{ id: string }>(owner, 'select event_id as id from journal where type = any($1)', [types]); // prettier-ignore
      const missing = facts.filter(({ id }) => !applied.has(id)).length;
      if (missing > 0) left.push(`${consumer} lacks ${missing} of ${owner}`);
    }
    const [waits] = await fleet.rows<{ n: number }>(consumer, 'select count(*)::int as n from missing_fact'); // prettier-ignore
    if (waits?.n) left.push(`${consumer} knows of ${waits.n}`);
  }
  return left;
}
async function copies(): Promise<void> {
  const rows = async (service: Service, sql: string): Promise<string[]> =>
    (await fleet.rows(service, sql)).map((row) => JSON.stringify(row)).sort();
  const shops = await rows('registry', 'select id, name, version, tier, status from establishment');
  for (const consumer of ears)
    expect(await rows(consumer, 'select establishment_id as id, name, sequence as version, tier, status from premises')).toEqual(shops); // prettier-ignore
}

const health = async (service: Service): Promise<Record<string, string>> => {
  const [replica] = fleet.running(service);
  return (await (await fetch(`http://127.0.0.1:${replica?.port}/api/${service}/health/ready`)).json()) as Record<string, string>; // prettier-ignore
};
const saidSince = (mark: number): string => fleet.log.slice(mark);

/** Waits until a listener says the loss, then until nothing is missing; tells how long both took. */
async function comesRight(what: string, mark: number, alarms: RegExp[]): Promise<void> {
  const begun = performance.now();
  const since = (): string => `${((performance.now() - begun) / 1000).toFixed(1)} s`;
  // What one listener asks for comes to all of them: who is second finds nothing missing.
  await eventually(async () => saidSince(mark), (lines) => alarms.every((alarm) => alarm.test(lines)), 60_000); // prettier-ignore
  const found = since();
  await eventually(behind, (left) => left.length === 0, 60_000);
  say(`${what}: found after ${found}, repaired after ${since()}`);
  await copies();
  for (const consumer of ears)
    await eventually(() => health(consumer), ({ status }) => status === 'ok', 30_000); // prettier-ignore
}

beforeAll(async () => {
  fleet = await Fleet.make(owners);
  await fleet.startNats();
  await fleet.deployBus();
  await Promise.all(owners.map((service) => fleet.run(service)));
  await fleet.enrol([{ name: 'county', role: 'county-admin', division: '371425' }]);
  await register(3);
  await fleet.quiet();
}, 120_000);
afterAll(() => fleet?.stop(), 60_000);

const stopEars = (): Promise<unknown> => Promise.all(ears.map((one) => fleet.kill(one, 'SIGTERM')));
const startEars = (): Promise<unknown> => Promise.all(ears.map((one) => fleet.run(one)));

it('finds what one wiped stream held, after it said which command makes the stream anew', async () => {
  const mark = fleet.log.length;
  await stopEars();
  await register(12);
  await sent('registry');
  await fleet.stopNats();
  await rm(join(fleet.natsStore, 'EVT_REGISTRY'), { recursive: true });
  await fleet.startNats();
  await startEars();
  await register(2); // they wait in the outbox
  for (const service of ['registry', ...ears] as const) {
    const told = await eventually(() => health(service), ({ status }) => status === 'degraded', 30_000); // prettier-ignore
    expect(`${told['relay']} ${told['consumers']}`).toMatch(/EVT_REGISTRY is gone: run deploy-bus .*不存在/);
  }
  await fleet.deployBus();
  await comesRight('one stream wiped', mark, [/LOST: \d+ facts that registry sent .*stream was made anew.*事实丢失/]); // prettier-ignore
  expect(saidSince(mark)).toMatch(/FOUND AGAIN: \d+ facts of registry/);
}, 120_000); // prettier-ignore

it('finds what the whole wiped store held', async () => {
  const mark = fleet.log.length;
  await stopEars();
  await register(12);
  await sent('registry');
  await fleet.stopNats();
  await rm(join(fleet.natsStore, '..', '..'), { recursive: true });
  await fleet.startNats();
  await fleet.deployBus();
  await startEars();
  await comesRight('all wiped', mark, [/LOST: \d+ facts that registry sent/]);
}, 120_000);

it('finds what a listener missed while it had no place, and what flipped bits in a block file destroyed', async () => {
  const mark = fleet.log.length;
  const bus = await fleet.bus('deploy');
  await (await jetstreamManager(bus)).consumers.delete('EVT_REGISTRY', 'inspection-registry');
  await bus.close();
  await register(5); // acknowledged, and dropped for inspection
  await sent('registry');
  await fleet.deployBus();
  await stopEars();
  await register(12);
  await sent('registry');
  await fleet.stopNats();
  const folder = join(fleet.natsStore, 'EVT_REGISTRY', 'msgs');
  const blocks = (await readdir(folder)).filter((name) => name.endsWith('.blk')).sort();
  let flipped = 0;
  for (const name of blocks) {
    const bytes = await readFile(join(folder, name));
    for (const part of [0.35, 0.6]) {
      const at = Math.floor(bytes.length * part);
      if (at < bytes.length) bytes[at]! ^= 0x10;
      flipped += 1;
    }
    await writeFile(join(folder, name), bytes);
  }
  expect(flipped).toBeGreaterThan(0);
  await fleet.startNats();
  await startEars();
  await comesRight('a place missing and bits flipped', mark, [
    /LOST: \d+ facts that registry sent .*our place in it was made after/,
    /LOST: \d+ facts that registry sent .*its store is damaged/,
  ]);
}, 120_000);

it('tells a service whose new release begins to listen what was told long before', async () => {
  const lists = (): Promise<object[]> => fleet.rows('identity', 'select division from division_list order by 1');
  const there = await fleet.rows('registry', 'select division from division where version > 0 order by 1');
  await eventually(lists, (known) => known.length === there.length);
  // As if its older release had never heard of divisions: no place in the stream, no row of them.
  await fleet.kill('identity', 'SIGTERM');
  const bus = await fleet.bus('deploy');
  await (await jetstreamManager(bus)).consumers.delete('EVT_REGISTRY', 'identity-registry');
  await bus.close();
  const told = await fleet.rows<{ id: string }>('registry', 'select event_id as id from journal');
  await fleet.rows('identity', 'delete from inbox where event_id = any($1)', [told.map(({ id }) => id)]);
  for (const rows of ['division_list', `watermark where owner = 'registry'`]) await fleet.rows('identity', `delete from ${rows}`);
  await fleet.deployBus();
  await fleet.run('identity');
  expect(await eventually(lists, (known) => known.length === there.length, 60_000)).toEqual(there);
}, 120_000); // prettier-ignore

describe('npm run journal:verify', () => {
  const verify = async (...heads: string[]): Promise<{ code: number; said: string }> => {
    const urls = Object.fromEntries(owners.map((one) => [`${one.toUpperCase()}_DATABASE_RELAY_URL`, fleet.url(one, 'relay')]));
    const child = spawn(process.execPath, ['dist/apps/platform/src/journal-verify.js', ...heads.flatMap((head) => ['--head', head])], { env: { PATH: process.env['PATH'], ...urls } });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const code = await new Promise<number>((done) => child.once('close', (status) => done(status ?? -1)));
    return { code, said };
  }; // prettier-ignore
  const change = (sql: string): Promise<object[]> => fleet.rows('registry', sql);
  /** The line that names a row of the journal. */
  const named = async (id: number): Promise<string> => {
    const [row] = await fleet.rows<{ event: string }>('registry', 'select event_id as event from journal where id = $1', [id]); // prettier-ignore
    return `journal id ${id}, event ${row?.event}`;
  };
  let heads: string[];

  it('finds a journal as it was sealed, and says how much of it is not sealed yet', async () => {
    await fleet.quiet();
    const { code, said } = await verify();
    heads = [...said.matchAll(/head (\S+)/g)].map(([, head = '']) => head);
    expect([code, heads.length]).toEqual([0, owners.length]);
    expect(said.match(/as it was sealed/g)).toHaveLength(owners.length);
    expect(await verify(...heads)).toEqual({ code, said });
    const wrong = heads[0]!.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    expect((await verify(wrong)).said).toMatch(/not the one that your note saw/);
  }, 60_000);

  it('names each row that was changed, removed or inserted, and each seal that was touched', async () => {
    const ids = (await fleet.rows<{ id: string }>('registry', 'select id from journal order by id')).map(({ id }) => Number(id)); // prettier-ignore
    const [first, second, third, fourth] = ids.slice(3) as [number, number, number, number];
    const names = await Promise.all([first, second, third, fourth].map(named));
    await change('create table kept as select * from journal; create table kept_seal as select * from seal');
    await change(`update journal set event = jsonb_set(event, '{data,name}', '"别的店"') where id = ${first}`);
    await change(`update journal set actor = 'nobody' where id = ${second}`);
    await change(`delete from journal where id = ${third}`);
    await change(`update journal set recorded_at = recorded_at + interval '1 ms' where id = ${fourth}`);
    await change(`insert into journal (event_id, type, division, aggregate_id, sequence, actor, event) select gen_random_uuid(), type, division, aggregate_id, 99, actor, event from journal where id = ${first}`);
    const [stranger] = (await change('select max(id)::int as id from journal')) as [{ id: number }];
    await change('update seal set types[1] = types[1] || $$x$$ where number = 2');
    await change('delete from seal where number = 7');
    const { code, said } = await verify();
    const of = (word: string): string[] => said.split('\n').filter((line) => line.startsWith(`registry: ${word}`)).map((line) => line.split(/, seal|: in no seal/)[0]!.replace(`registry: ${word}: `, ''));
    expect(code).toBe(1);
    expect(of('CHANGED')).toEqual([names[0], names[1], names[3]]);
    expect(of('REMOVED')).toEqual([names[2]]);
    const lost = await fleet.rows<{ id: string }>('registry', 'select unnest(journal_ids) as id from kept_seal where number = 7');
    const unheld = await Promise.all([...lost.map(({ id }) => Number(id)), stranger.id].map(named));
    expect(of('INSERTED')).toEqual(unheld); // what the removed seal held has none
    expect(said).toMatch(/registry: seal 2 itself was changed/);
    expect(said).toMatch(/registry: seals 7 to 7 were removed/);
    expect(said.match(/as it was sealed/g)).toHaveLength(owners.length - 1);
    await change(`delete from journal; insert into journal overriding system value select * from kept; truncate seal; insert into seal select * from kept_seal`);
    expect((await verify(...heads)).code).toBe(0);
  }, 60_000); // prettier-ignore

  it('finds a chain that was rewritten as a whole, by what the listeners saw of it; and they say so at once', async () => {
    const mark = fleet.log.length;
    await fleet.kill('registry', 'SIGTERM');
    await change(`update journal set actor = 'nobody' where id = (select max(id) from journal)`);
    await change('truncate seal');
    await fleet.run('registry'); // seals all of it anew, as if it came from before there were seals
    const { code, said } = await eventually(() => verify(), (answer) => /seal \d+ is not the one/.test(answer.said), 30_000); // prettier-ignore
    expect(code).toBe(1);
    expect(said).not.toMatch(/CHANGED/);
    expect(said).toMatch(/registry: seal \d+ is not the one that inspection saw .*被改写/);
    await eventually(async () => saidSince(mark), (lines) => /the journal of registry is not the one that was seen here up to seal \d+/.test(lines), 30_000); // prettier-ignore
    await eventually(() => health('inspection'), ({ reconciler }) => /run npm run journal:verify/.test(reconciler ?? ''), 30_000); // prettier-ignore
    await fleet.stopNats();
    await register(1);
    expect((await verify()).said).toMatch(/registry: .* 1 unsealed/);
  }, 120_000);
});
