// npm run cluster: three NATS servers on this machine, every stream with three replicas, services as processes, steady
// HTTP writes; the leader of the registry's stream is killed every 20 s for five minutes, then the servers are restarted one after
// another. The verdict counts rows: every acknowledged write applied once in each consumer, in the order of its aggregate,
// and no HTTP write failed. Ends with 1 where that is not so.
//   npm run cluster -- [--kills 15] [--every 20] [--rate 20] [--no-rolling] [--json <file>]
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { jetstreamManager } from '@nats-io/jetstream';
import pg from 'pg';
import { ensureBuilt, root } from '../apps/platform/install.mjs';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '15' },
    every: { type: 'string', default: '20' },
    rate: { type: 'string', default: '20' },
    'no-rolling': { type: 'boolean', default: false },
    json: { type: 'string', default: 'bench/results/cluster.json' },
  },
});
const [kills, every, rate] = [values.kills, values.every, values.rate].map(Number);
process.chdir(root);
ensureBuilt();
const load = (path) => import(resolve('dist', path));
const { startPostgres, removePostgres, obtainNatsServer } = await load('libs/servers/src/index.js');
const say = (line) => process.stderr.write(`cluster: ${line}\n`);
const undo = [];

/** PostgreSQL and nats-server: those of the test run that started this, else our own. */
async function servers() {
  if (process.env.TEST_SERVERS) return;
  const folder = await mkdtemp(join(tmpdir(), 'foodwarden-cluster-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startPostgres({ dataDir: join(folder, 'data'), durable: false });
  undo.push(
    () => removePostgres(join(folder, 'data')),
    () => postgres.stop(),
  );
  const natsServer = await obtainNatsServer(process.env.FOODWARDEN_CACHE ?? resolve('.cache'), say);
  process.env.TEST_SERVERS = JSON.stringify({ postgres: postgres.url('postgres'), natsServer });
}

const consumers = ['assignment', 'inspection'];
/** What the registry answered to each write, in the order in which it was sent. */
const acknowledged = [];
const failures = [];
let writing = true;

async function main() {
  await servers();
  const { Fleet } = await load('libs/testing/src/index.js');
  const fleet = await Fleet.make(['registry', ...consumers, 'identity'], {}, 3);
  undo.push(() => fleet.stop());
  await fleet.startNats();
  await fleet.deployBus();
  await Promise.all(
    ['registry', 'registry', ...consumers, 'identity'].map((one) => fleet.run(one)),
  );
  await fleet.enrol([{ name: 'office', role: 'office', division: '371425101' }]);
  await fleet.token('office');
  const bus = await fleet.bus('deploy');
  undo.push(() => bus.close());
  const manager = await jetstreamManager(bus);
  const info = (stream) => manager.streams.info(stream).catch(() => undefined); // nobody leads at this moment
  const names = (await manager.streams.list().next()).map(({ config }) => config.name);

  /** Waits until every stream has a leader and two replicas that are up to date. @returns how long that took */
  async function whole() {
    const from = Date.now();
    for (;;) {
      const all = await Promise.all(names.map(info));
      const good = ({ cluster } = {}) =>
        cluster?.leader && cluster.replicas?.length === 2 && cluster.replicas.every((one) => one.current && !one.offline); // prettier-ignore
      if (all.every(good)) return Date.now() - from;
      if (Date.now() - from > 120_000) throw new Error('The cluster did not come together again in two minutes.'); // prettier-ignore
      await pause(100);
    }
  }
  await whole();

  const pools = new Map();
  for (const service of ['registry', ...consumers]) {
    const url = new URL(fleet.url(service, 'app'));
    const admin = new URL(JSON.parse(process.env.TEST_SERVERS).postgres);
    admin.pathname = url.pathname;
    const pool = new pg.Pool({ connectionString: admin.href, max: 2 });
    pools.set(service, pool);
    undo.push(() => pool.end());
  }
  const rows = async (service, sql, values = []) =>
    (await pools.get(service).query(sql, values)).rows;

  /** One request, once: what is not answered well is a failed write. */
  async function write(method, path, body, headers) {
    const at = Date.now();
    const token = await fleet.token('office');
    try {
      const { status, body: row } = await fleet.call('registry', method, path, { token, body, headers }); // prettier-ignore
      if (status === 201 || status === 200) {
        acknowledged.push({ id: row.id, version: row.version, name: row.name, at, took: Date.now() - at }); // prettier-ignore
        return row;
      }
      failures.push({ method, status, body: row });
    } catch (error) {
      failures.push({ method, error: String(error) });
    }
    return undefined;
  }
  const writers = 4;
  const load_ = Promise.all(
    Array.from({ length: writers }, async () => {
      while (writing) {
        const shop = { division: '371425101201', address: `${randomUUID()}号`, kind: 'catering', area: 120, name: '甲' }; // prettier-ignore
        let row = await write('POST', '/v1/establishments', shop, { 'idempotency-key': randomUUID() }); // prettier-ignore
        for (let step = 1; row && step < 4; step++) {
          await pause((1000 * writers) / rate);
          row = await write('PATCH', `/v1/establishments/${row.id}`, { name: `甲${step}` }, { 'if-match': `"${row.version}"` }); // prettier-ignore
        }
        await pause((1000 * writers) / rate);
      }
    }),
  );

  /** How long after this moment a fact that is committed after it has been applied everywhere. */
  async function recovery() {
    const from = Date.now();
    const times = {};
    const since = acknowledged.length;
    while (acknowledged.length === since && Date.now() - from < 60_000) await pause(20);
    const { id, version } = acknowledged[since];
    const [{ event }] = await rows('registry', 'select event_id as event from journal where aggregate_id = $1 and sequence = $2', [id, version]); // prettier-ignore
    while ((await rows('registry', 'select 1 from outbox join journal on id = journal_id where event_id = $1', [event])).length > 0) await pause(50); // prettier-ignore
    times.sentAgainMs = Date.now() - from;
    for (const consumer of consumers)
      while (
        (await rows(consumer, 'select 1 from inbox where event_id = $1', [event])).length === 0
      ) {
        if (Date.now() - from > 120_000) throw new Error(`${consumer} did not apply a fact in two minutes.`); // prettier-ignore
        await pause(50);
      }
    return { ...times, appliedAgainMs: Date.now() - from };
  }

  const events = [];
  const start = Date.now();
  for (let kill = 0; kill < kills; kill++) {
    await pause(Math.max(0, start + kill * every * 1000 + 2000 - Date.now()));
    const leader = (await info('EVT_REGISTRY'))?.cluster?.leader;
    if (!leader) {
      events.push({ what: 'nobody led' });
      continue;
    }
    await fleet.endNats(leader, 'SIGKILL');
    const applied = recovery();
    await pause(1000);
    await fleet.startNats();
    const wholeMs = await whole();
    events.push({ what: 'kill -9', server: leader, ...(await applied), wholeAgainMs: 1000 + wholeMs }); // prettier-ignore
    say(JSON.stringify(events.at(-1)));
  }
  if (!values['no-rolling'])
    for (const server of ['nats-0', 'nats-1', 'nats-2']) {
      await fleet.endNats(server, 'SIGTERM');
      const applied = recovery();
      await fleet.startNats();
      const wholeMs = await whole();
      events.push({ what: 'restart', server, ...(await applied), wholeAgainMs: wholeMs });
      say(JSON.stringify(events.at(-1)));
    }
  await pause(2000);
  writing = false;
  await load_;
  const stopped = Date.now();
  // A question to the broker may go unanswered while it chooses its leaders: that is no verdict.
  for (let left = 5; ; left--)
    try {
      await fleet.quiet(60_000);
      break;
    } catch (error) {
      if (left === 0) throw error;
      events.push({ what: 'not quiet', said: error.message.slice(0, 200) });
      say(JSON.stringify(events.at(-1)));
    }
  const drainedMs = Date.now() - stopped;

  // The verdict, from rows alone.
  const wrong = [];
  const expect = (what, is, should) => {
    if (is !== should) wrong.push(`${what}: ${is}, not ${should}`);
  };
  const last = new Map();
  for (const one of acknowledged)
    if (one.version > (last.get(one.id)?.version ?? 0)) last.set(one.id, one);
  const facts = await rows('registry', `select event_id as event, aggregate_id as id, sequence from journal where type like 'registry.establishment.%'`); // prettier-ignore
  expect('facts of acknowledged writes', facts.length, acknowledged.length);
  const written = new Set(facts.map(({ id, sequence }) => `${id} ${sequence}`));
  const lost = acknowledged.filter(({ id, version }) => !written.has(`${id} ${version}`)).length;
  expect('acknowledged writes without a fact', lost, 0);
  let overtaken = 0;
  for (const consumer of consumers) {
    const applied = await rows(consumer, 'select event_id as event, applied_at as at from inbox where event_id = any($1)', [facts.map(({ event }) => event)]); // prettier-ignore
    expect(`facts applied by ${consumer}`, applied.length, facts.length);
    expect(`facts applied by ${consumer}, each once`, new Set(applied.map(({ event }) => event)).size, facts.length); // prettier-ignore
    const copies = await rows(consumer, 'select establishment_id as id, name, sequence from premises'); // prettier-ignore
    expect(`copies in ${consumer}`, copies.length, last.size);
    for (const { id, name, sequence } of copies) {
      const should = last.get(id);
      if (should?.version !== sequence || should.name !== name) wrong.push(`${consumer}: ${id} is ${name} at ${sequence}, not ${should?.name} at ${should?.version}`); // prettier-ignore
    }
    const when = new Map(applied.map(({ event, at }) => [event, at]));
    const [byStep] = [
      facts.toSorted((a, b) => a.id.localeCompare(b.id) || a.sequence - b.sequence),
    ];
    for (const [index, fact] of byStep.entries()) {
      const next = byStep[index + 1];
      if (next?.id === fact.id && when.get(next.event) < when.get(fact.event)) overtaken += 1;
    }
    expect(`dead letters of ${consumer}`, (await rows(consumer, 'select 1 from dead_letter')).length, 0); // prettier-ignore
  }
  expect('unsent facts', (await rows('registry', 'select 1 from outbox')).length, 0);
  expect('failed HTTP writes', failures.length, 0);
  const took = acknowledged.map((one) => one.took).sort((a, b) => a - b);
  const largest = (key) => Math.max(0, ...events.map((one) => one[key] ?? 0));
  const result = {
    what: 'three NATS servers, three replicas, the leader killed again and again, rolling restart',
    at: new Date().toISOString(),
    seconds: Math.round((stopped - start) / 1000),
    writes: acknowledged.length,
    failedWrites: failures.length,
    writeP99Ms: took[Math.floor(took.length * 0.99)],
    writeMaxMs: took.at(-1),
    kills: events.filter(({ what }) => what === 'kill -9').length,
    restarts: events.filter(({ what }) => what === 'restart').length,
    slowestSentAgainMs: largest('sentAgainMs'),
    slowestAppliedAgainMs: largest('appliedAgainMs'),
    slowestWholeAgainMs: largest('wholeAgainMs'),
    drainedMs,
    overtaken, // applied after the next of its aggregate: changed nothing then
    wrong: wrong.slice(0, 20),
    failures: failures.slice(0, 20),
    events,
  };
  await mkdir(join(values.json, '..'), { recursive: true });
  await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
  const { events: _, ...told } = result;
  console.log(JSON.stringify(told, null, 2));
  return wrong.length === 0;
}

const finish = async () => {
  writing = false;
  for (const step of undo.splice(0).reverse()) await step().catch((error) => say(error.message));
};
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => void finish().then(() => process.exit(1)));
let good = false;
try {
  good = await main();
} catch (error) {
  say(error.stack);
}
await finish();
process.exit(good ? 0 : 1);
