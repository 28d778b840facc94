import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listeners, type Service } from '#contracts';
import { eventually, Fleet } from '#testing';
import { jetstreamManager } from '@nats-io/jetstream';

/*
 * The broker loses what it acknowledged: a stream wiped, all of them, a listener's place, bits of a file. Nothing but the
 * broker and the listeners is touched, so what comes right does so by the watermarks alone.
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

const unsent = async (): Promise<number> =>
  (await fleet.rows<{ n: number }>('registry', 'select count(*)::int as n from outbox'))[0]?.n ?? 0;
const sent = (): Promise<number> => eventually(unsent, (n) => n === 0, 30_000);

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
async function comesRight(what: string, mark: number, alarm: RegExp): Promise<void> {
  const begun = performance.now();
  const since = (): string => `${((performance.now() - begun) / 1000).toFixed(1)} s`;
  // What one listener asks for comes to all of them: who is second finds nothing missing.
  await eventually(async () => saidSince(mark), (lines) => alarm.test(lines), 60_000); // prettier-ignore
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
  await fleet.load();
  await Promise.all(owners.map((service) => fleet.run(service)));
  await fleet.enrol([{ name: 'county', role: 'county-admin', division: '371425' }]);
  await register(3);
  await fleet.quiet();
}, 120_000);
afterAll(async () => {
  if (process.env['SHOW']) process.stderr.write(fleet.log);
  await fleet?.stop();
}, 60_000);

const stopEars = (): Promise<unknown> => Promise.all(ears.map((one) => fleet.kill(one, 'SIGTERM')));
const startEars = (): Promise<unknown> => Promise.all(ears.map((one) => fleet.run(one)));

it('finds what one wiped stream held, after it said which command makes the stream anew', async () => {
  const mark = fleet.log.length;
  await stopEars();
  await register(20);
  await sent();
  await fleet.stopNats();
  await rm(join(fleet.natsStore, 'EVT_REGISTRY'), { recursive: true });
  await fleet.startNats();
  await startEars();
  await register(2); // they wait in the outbox
  for (const service of ['registry', ...ears] as const) {
    const told = await eventually(() => health(service), ({ status }) => status === 'degraded', 30_000); // prettier-ignore
    expect(`${told['relay']} ${told['consumers']}`).toMatch(
      /EVT_REGISTRY is gone: run deploy-bus .*不存在/,
    );
  }
  await fleet.deployBus();
  await comesRight('one stream wiped', mark, /LOST: 20 facts that registry sent .*stream was made anew.*事实丢失/); // prettier-ignore
  expect(saidSince(mark)).toMatch(/FOUND AGAIN: \d+ facts of registry/);
}, 120_000);

it('finds what a listener missed while it had no place, and what the whole wiped store held', async () => {
  const mark = fleet.log.length;
  const bus = await fleet.bus('deploy');
  await (await jetstreamManager(bus)).consumers.delete('EVT_REGISTRY', 'inspection-registry');
  await register(5); // acknowledged, and dropped for inspection
  await sent();
  await bus.close();
  await fleet.deployBus();
  await comesRight('a place missing', mark, /LOST: 5 facts that registry sent .*our place in it was made after/); // prettier-ignore

  const then = fleet.log.length;
  await stopEars();
  await register(20);
  await sent();
  await fleet.stopNats();
  await rm(join(fleet.natsStore, '..', '..'), { recursive: true });
  await fleet.startNats();
  await fleet.deployBus();
  await startEars();
  await comesRight('all wiped', then, /LOST: 20 facts that registry sent/);
}, 120_000);

it('finds what flipped bits in a block file destroyed', async () => {
  const mark = fleet.log.length;
  await stopEars();
  await register(20);
  await sent();
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
  await comesRight(
    'bits flipped',
    mark,
    /LOST: \d+ facts that registry sent .*its store is damaged/,
  );
}, 120_000);
