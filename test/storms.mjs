// npm run storms: poison, repeats, an outage of PostgreSQL and a backlog, over services as processes; judged by rows.
//  1. Facts at a steady rate, first sound ones alone, then with 1 % of each kind of poison (throws, hangs, bad schema, future
//     version). All poison has to end in the dead letters, once, with its cause; nobody else waits; after the fix (a trigger
//     dropped; a newer release of the listener) a replay by API and by command lets each take effect once.
//  2. All of it again five times, shuffled: under other message ids, and under their own after the duplicate window.
//  3. PostgreSQL falls into crash recovery and then takes nobody for a while; nothing is counted as a failure.
//  4. 200,000 facts while both listeners are stopped; they drain while requests and new facts go on; memory stays flat.
//   npm run storms -- [--backlog 200000] [--seconds 60] [--rate 100] [--poison 1] [--away 20] [--new 20] [--limit 1000] [--json <file>]
// A step is left out by --seconds 0, --away 0 or --backlog 0.
// Ends with 1 where that is not so.
import { randomUUID } from 'node:crypto';
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import pg from 'pg';
import { ensureBuilt, root } from '../apps/platform/install.mjs';
import { backlog, heal, plant, poison, registered, subjectFor } from './poison.mjs';

const { values } = parseArgs({
  options: {
    backlog: { type: 'string', default: '200000' },
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '100' },
    poison: { type: 'string', default: '1' },
    away: { type: 'string', default: '20' },
    new: { type: 'string', default: '20' },
    limit: { type: 'string', default: '1000' },
    json: { type: 'string', default: 'bench/results/storms.json' },
  },
});
const { json, ...numbers } = values;
const { backlog: most, seconds, rate, poison: percent, away, new: newRate, limit: limitMs } = Object.fromEntries(Object.entries(numbers).map(([name, text]) => [name, Number(text)])); // prettier-ignore
process.chdir(root);
ensureBuilt();
const load = (path) => import(resolve('dist', path));
const { startPostgres, removePostgres, obtainNatsServer } = await load('libs/servers/src/index.js');
const say = (line) => process.stderr.write(`storms: ${line}\n`);
const pause = (ms) => new Promise((done) => setTimeout(done, Math.max(0, ms)));
const undo = [];
const wrong = [];
const expect = (what, is, should) => {
  if (is !== should) wrong.push(`${what}: ${is}, not ${should}`);
};
const p99 = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0);
};

/** A PostgreSQL of our own, whose backends may be killed; nobody else's tests suffer. */
async function servers() {
  const folder = await mkdtemp(join(tmpdir(), 'foodwarden-storms-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startPostgres({ dataDir: join(folder, 'data'), durable: false });
  undo.push(
    () => removePostgres(join(folder, 'data')),
    () => postgres.stop(),
  );
  const natsServer = await obtainNatsServer(process.env.FOODWARDEN_CACHE ?? resolve('.cache'), say);
  process.env.TEST_SERVERS = JSON.stringify({ postgres: postgres.url('postgres'), natsServer });
  return folder;
}

/** The release that mends the poison: it knows version 9 and the tier Z. Exact texts of the build are replaced, each found once. */
function newerRelease(folder) {
  const tree = join(folder, 'newer');
  cpSync('dist', join(tree, 'dist'), { recursive: true });
  cpSync('package.json', join(tree, 'package.json'));
  symlinkSync(resolve('node_modules'), join(tree, 'node_modules'), 'junction');
  const edit = (file, changes) => {
    const path = join(tree, 'dist', file);
    let text = readFileSync(path, 'utf8');
    for (const [from, to] of changes) {
      if (text.split(from).length !== 2) throw new Error(`${file} holds ${JSON.stringify(from)} not once: mend test/storms.mjs`); // prettier-ignore
      text = text.replace(from, () => to);
    }
    writeFileSync(path, text);
  };
  const v9 = `export const EstablishmentRegisteredV9 = defineEvent('${registered.replace('v1', 'v9')}', EstablishmentState);\n`;
  edit('libs/contracts/src/registry.js', [
    [`    'D'\n];`, `    'D', 'Z'\n];`],
    ['export const EstablishmentChanged =', `${v9}export const EstablishmentChanged =`],
  ]);
  edit('libs/contracts/src/listeners.js', [
    [`EstablishmentRegistered } from`, `EstablishmentRegistered, EstablishmentRegisteredV9 } from`],
    ['    assignment: [', '    assignment: [ EstablishmentRegisteredV9,'],
  ]);
  edit('apps/assignment/src/assignment.events.js', [
    [`EstablishmentRegistered } from`, `EstablishmentRegistered, EstablishmentRegisteredV9 } from`],
    ['OnEvent(EstablishmentRegistered, EstablishmentChanged)', 'OnEvent(EstablishmentRegistered, EstablishmentChanged, EstablishmentRegisteredV9)'],
  ]); // prettier-ignore
  return tree;
}

async function main() {
  const folder = await servers();
  const { Fleet } = await load('libs/testing/src/index.js');
  const services = ['registry', 'assignment', 'inspection', 'identity'];
  const listeners = ['assignment', 'inspection'];
  const fleet = await Fleet.make(services, { HANDLER_LIMIT_MS: String(limitMs) });
  undo.push(() => fleet.stop());
  const admin = new pg.Client({ connectionString: JSON.parse(process.env.TEST_SERVERS).postgres });
  await admin.connect();
  // What was committed outlives a crash of PostgreSQL, as on any server that is not made for tests.
  for (const name of fleet.databases.values()) await admin.query(`alter database ${name} set synchronous_commit = on`); // prettier-ignore
  await admin.end();
  await fleet.startNats();
  await fleet.deployBus();
  await Promise.all(services.map((one) => fleet.run(one)));
  await fleet.enrol([{ name: 'county', role: 'county-admin', division: '371425' }]);
  const [owner, deploy] = [await fleet.bus('registry'), await fleet.bus('deploy')];
  undo.push(() => owner.close(), () => deploy.close()); // prettier-ignore
  const js = jetstream(owner);
  const manager = await jetstreamManager(deploy);

  const pools = new Map();
  for (const service of services) {
    const url = new URL(JSON.parse(process.env.TEST_SERVERS).postgres);
    url.pathname = `/${fleet.databases.get(service)}`;
    const pool = new pg.Pool({ connectionString: url.href, max: 2 });
    pool.on('error', () => undefined); // the outage takes it, too
    pools.set(service, pool);
    undo.push(() => pool.end());
  }
  const rows = async (service, sql, parameters = []) => (await pools.get(service).query(sql, parameters)).rows; // prettier-ignore
  const count = async (service, sql, parameters) => (await rows(service, `select count(*)::int as n from ${sql}`, parameters))[0].n; // prettier-ignore
  const until = async (what, fits, withinMs = 600_000) => {
    for (const from = Date.now(); !(await fits()); await pause(100))
      if (Date.now() - from > withinMs) throw new Error(`${what}: not within ${withinMs / 1000} s`);
  };
  /** From the start of the transaction that writes a fact to that of the one that applies it. */
  async function delays(like, listener) {
    const applied = new Map((await rows(listener, 'select event_id as id, applied_at as at from inbox')).map(({ id, at }) => [id, at])); // prettier-ignore
    const facts = await rows('registry', `select event_id as id, recorded_at as at from journal where event->'data'->>'name' like $1`, [like]); // prettier-ignore
    expect(`facts like ${like} that ${listener} did not apply`, facts.filter(({ id }) => !applied.has(id)).length, 0); // prettier-ignore
    return facts.filter(({ id }) => applied.has(id)).map(({ id, at }) => applied.get(id) - at);
  }
  const send = (facts, header = () => randomUUID()) =>
    Promise.all(facts.map((one) => js.publish(subjectFor(one), JSON.stringify(one), { msgID: header(one) }))); // prettier-ignore
  /** The registry writes facts, so many in a second. */
  async function steadily(name, more = async () => undefined) {
    const start = Date.now();
    for (let tick = 0; tick < seconds * 10; tick++) {
      await pause(start + tick * 100 - Date.now());
      await rows('registry', backlog, [rate / 10, `${name}${tick}-`]);
      await more(tick);
    }
  }
  const figures = {};
  const told = (what, figure) => {
    figures[what] = figure;
    say(`${what}: ${JSON.stringify(figure)}`);
  };

  async function poisoned() {
    // 1. Poison.
    await steadily('常店');
    await fleet.quiet();
    const sound = await delays('常店%', 'assignment');
    await rows('assignment', plant);
    const bad = { throws: [], hangs: [], badSchema: [], futureVersion: [] };
    let owed = 0;
    await steadily('陪店', async () => {
      owed += (rate / 10) * (percent / 100);
      for (; owed >= 1; owed -= 1)
        for (const [kind, those] of Object.entries(bad)) {
          const one = poison[kind](those.length);
          those.push(one);
          await send([one]);
        }
    });
    const all = Object.values(bad).flat();
    await until('sound facts beside poison', async () => (await count('assignment', `premises where name like '陪店%'`)) === seconds * rate, 120_000); // prettier-ignore
    const beside = await delays('陪店%', 'assignment');
    told('sound facts, ms from written to applied, p99', { alone: p99(sound), besidePoison: p99(beside), max: Math.round(Math.max(...beside)), ratio: +(p99(beside) / p99(sound)).toFixed(2) }); // prettier-ignore
    // The registry's rows are written past its service, so its relay finds them by looking: up to half a second of each delay.
    if (p99(beside) > 3 * p99(sound)) wrong.push(`beside poison the p99 is ${p99(beside)} ms, alone ${p99(sound)} ms`); // prettier-ignore
    const from = Date.now();
    await until(
      'all poison in the dead letters',
      async () => {
        // The eighth failure comes after 24 minutes: who waits is made to come at once.
        await rows('assignment', `update waiting_fact set next_at = now() where next_at > now() and taken_until is null`); // prettier-ignore
        return (await count('assignment', 'waiting_fact')) === 0 && (await count('assignment', 'dead_letter')) >= all.length; // prettier-ignore
      },
      3_600_000,
    );
    const letters = await rows('assignment', 'select id, event_id as event, cause from dead_letter where replayed_at is null'); // prettier-ignore
    expect('dead letters', letters.length, all.length);
    const causes = {};
    const meant = { throws: /^no room for .*已尝试 8 次/, hangs: /^took longer than .*处理超过.*已尝试 8 次/, badSchema: /^bad data: \/tier .*数据不符合约定/, futureVersion: /^unknown type or version .*v9.*请先升级/ }; // prettier-ignore
    for (const [kind, those] of Object.entries(bad)) {
      const here = letters.filter(({ event }) => those.some(({ id }) => id === event));
      causes[kind] = here[0]?.cause;
      expect(`dead letters of ${kind} with their cause`, here.filter(({ cause }) => meant[kind].test(cause)).length, those.length); // prettier-ignore
    }
    told('poison', { ofEachKind: bad.throws.length, deadLetters: letters.length, secondsToTryEach8Times: Math.round((Date.now() - from) / 1000), causes }); // prettier-ignore
    await rows('assignment', heal);
    const [first] = letters.filter(({ event }) => event === bad.throws[0]?.id);
    const answer = await fleet.call('assignment', 'POST', `/v1/dead-letters/${first.id}/replay`, { token: await fleet.token('county') }); // prettier-ignore
    expect('replayed by API', answer.body.replayed, 1);
    const replayed = await fleet.step('assignment', ['replay'], { DATABASE_URL: fleet.url('assignment', 'app') }, '', newerRelease(folder)); // prettier-ignore
    expect('replayed by command', /(\d+) replayed, (\d+) failed/.exec(replayed)?.slice(1).join(), `${all.length - 1},0`); // prettier-ignore
    const effect = async () => {
      expect('copies of what was poison', await count('assignment', 'premises where establishment_id = any($1) and sequence = 1', [all.map(({ subject }) => subject)]), all.length); // prettier-ignore
      expect('effects of what was poison', await count('assignment', 'inbox where event_id = any($1)', [all.map(({ id }) => id)]), all.length); // prettier-ignore
    };
    await effect();
    const again = await fleet.step('assignment', ['replay'], { DATABASE_URL: fleet.url('assignment', 'app') }); // prettier-ignore
    expect('replayed once more', /(\d+) replayed/.exec(again)?.[1], '0');

    // 2. Repeats.
    const written = (await rows('registry', `select event from journal where type = $1`, [registered])).map(({ event }) => event); // prettier-ignore
    const state = async () => JSON.stringify(await rows('assignment', 'select * from premises order by 1')); // prettier-ignore
    const before = { state: await state(), inbox: await count('assignment', 'inbox') };
    const repeats = [...written, ...bad.throws, ...bad.hangs].flatMap((one) => [one, one, one, one, one]); // prettier-ignore
    for (let left = repeats.length; left > 1; left--) {
      const other = Math.floor(Math.random() * left);
      [repeats[left - 1], repeats[other]] = [repeats[other], repeats[left - 1]];
    }
    const repeating = Date.now();
    for (let at = 0; at < repeats.length; at += 256) await send(repeats.slice(at, at + 256));
    const { config } = await manager.streams.info('EVT_REGISTRY');
    await manager.streams.update('EVT_REGISTRY', { ...config, duplicate_window: 100_000_000 });
    await pause(1000);
    let taken = 0;
    for (let at = 0; at < written.length; at += 256)
      taken += (await send(written.slice(at, at + 256), ({ id }) => id)).filter((ack) => !ack.duplicate).length; // prettier-ignore
    await manager.streams.update('EVT_REGISTRY', config);
    expect('repeats after the duplicate window that the broker took', taken, written.length);
    await fleet.quiet(1_800_000);
    told('repeats', { sent: repeats.length + taken, perSecond: Math.round((repeats.length + taken) / ((Date.now() - repeating) / 1000)) }); // prettier-ignore
    expect('copies are the same after repeats', (await state()) === before.state, true);
    expect('effects after repeats', await count('assignment', 'inbox'), before.inbox);
    await effect();
  }

  async function outage() {
    // 3. PostgreSQL away.
    const name = fleet.databases.get('assignment');
    const there = () => rows('registry', 'select 1').then(() => true, () => false); // prettier-ignore
    const [backend] = await rows('registry', `select pid from pg_stat_activity where datname = $1 and usename = 'assignment_app' limit 1`, [name]); // prettier-ignore
    process.kill(backend.pid, 'SIGKILL'); // PostgreSQL sends everybody away and recovers
    await pause(500);
    await until('PostgreSQL is there again', there);
    await rows('registry', `alter database ${name} connection limit 0`);
    await rows('registry', `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and usename like 'assignment%'`, [name]); // prettier-ignore
    await rows('registry', backlog, [rate * 5, '停店']);
    await pause(away * 1000);
    expect('applied meanwhile', await count('assignment', `premises where name like '停店%'`), 0);
    await rows('registry', `alter database ${name} connection limit -1`);
    const back = Date.now();
    await until('the first fact', async () => (await count('assignment', `premises where name like '停店%'`)) > 0); // prettier-ignore
    const firstMs = Date.now() - back;
    await until('all facts', async () => (await count('assignment', `premises where name like '停店%'`)) === rate * 5); // prettier-ignore
    told('PostgreSQL away', { seconds: away, facts: rate * 5, firstAppliedMs: firstMs, allAppliedMs: Date.now() - back }); // prettier-ignore
    expect('facts that were counted as failing', await count('assignment', `waiting_fact where cause not like 'took longer%'`), 0); // prettier-ignore
    expect('dead letters of the outage', await count('assignment', 'dead_letter where replayed_at is null'), 0); // prettier-ignore
    await fleet.quiet();
  }

  async function drains() {
    // 4. The backlog.
    await Promise.all(listeners.map((one) => fleet.kill(one, 'SIGTERM')));
    const building = Date.now();
    for (let made = 0; made < most; made += 5000)
      await rows('registry', backlog, [Math.min(5000, most - made), `积店${made}-`]);
    await until('the backlog is sent', async () => (await count('registry', 'outbox')) === 0, 1_800_000); // prettier-ignore
    const { state: stream } = await manager.streams.info('EVT_REGISTRY');
    told('backlog', { facts: most, streamBytes: stream.bytes, sentPerSecond: Math.round(most / ((Date.now() - building) / 1000)) }); // prettier-ignore
    await Promise.all(listeners.map((one) => fleet.run(one)));
    const draining = Date.now();
    const drained = {};
    const cpuOf = async () => Object.fromEntries(await Promise.all(watched.map(async ([who, pid]) => [who, (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')).split(' ').slice(13, 15).reduce((sum, ticks) => sum + Number(ticks) / 100, 0)]))); // prettier-ignore
    const memory = new Map();
    const watched = [...services.map((one) => [one, fleet.running(one)[0].child.pid]), ['nats', fleet.nats[0].pid]]; // prettier-ignore
    const cpuBefore = await cpuOf();
    let going = true;
    const sampling = (async () => {
      for (; going; await pause(500))
        for (const [who, pid] of watched) {
          const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''); // no /proc: no memory figures
          const kb = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN);
          memory.set(who, [...(memory.get(who) ?? []), kb / 1024]);
        }
    })();
    const requests = { took: [], failed: 0 };
    const newWork = (async () => {
      for (let n = 0; going; n++) {
        const begun = Date.now();
        const token = await fleet.token('county');
        const body = { division: '371425101201', name: `新店${n}`, address: '一号', kind: 'small-catering', area: null }; // prettier-ignore
        const made = await fleet.call('registry', 'POST', '/v1/establishments', { token, body }).catch(() => undefined); // prettier-ignore
        const read = await fleet.call('assignment', 'GET', '/v1/gaps?limit=1', { token }).catch(() => undefined); // prettier-ignore
        if (made?.status !== 201 || read?.status !== 200) requests.failed += 1;
        requests.took.push(Date.now() - begun);
        await pause(begun + 1000 / newRate - Date.now());
      }
    })();
    await Promise.all(
      listeners.map(async (one) => {
        await until(`${one} drains`, async () => (await count(one, `premises where name like '积店%'`)) === most, 3_600_000); // prettier-ignore
        drained[one] = Math.round(most / ((Date.now() - draining) / 1000));
        say(`${one} drained ${drained[one]} facts a second`);
      }),
    );
    const cpuAfter = await cpuOf();
    told('CPU seconds', Object.fromEntries(Object.entries(cpuAfter).map(([who, cpu]) => [who, Math.round(cpu - cpuBefore[who])]))); // prettier-ignore
    going = false;
    await Promise.all([newWork, sampling]);
    await fleet.quiet(600_000);
    const fresh = await delays('新店%', 'assignment');
    told('drain', { seconds: Math.round((Date.now() - draining) / 1000), factsPerSecond: drained, newFacts: fresh.length, newFactsDelayMs: { p99: p99(fresh), max: Math.round(Math.max(...fresh)) }, twoRequestsP99Ms: p99(requests.took), failedRequests: requests.failed }); // prettier-ignore
    expect('failed requests', requests.failed, 0);
    const flat = {};
    for (const [who, samples] of memory) {
      // The first third warms up. What grew with what has passed would be a quarter more in the last than in the second.
      const third = Math.ceil(samples.length / 3);
      const [first, second, last] = [0, 1, 2].map((part) => Math.round(Math.max(...samples.slice(part * third, (part + 1) * third)))); // prettier-ignore
      flat[who] = { maxMbOfThirds: [first, second, last], ratio: +(last / second).toFixed(2) };
      if (!(last <= second * 1.1)) wrong.push(`memory of ${who}: ${first} MB, then ${second} MB, then ${last} MB`); // prettier-ignore
    }
    told('memory', flat);
    for (const one of listeners) {
      expect(`copies in ${one}`, await count(one, `premises where name like '积店%' or name like '新店%'`), most + fresh.length); // prettier-ignore
      expect(`dead letters of ${one} from the backlog`, await count(one, `dead_letter where replayed_at is null and message->>'text' like '%积店%'`), 0); // prettier-ignore
    }
  }

  if (seconds > 0) await poisoned();
  if (away > 0) await outage();
  if (most > 0) await drains();

  const result = {
    what: 'poison of each kind, every message five times, PostgreSQL away, a backlog',
    at: new Date().toISOString(),
    cores: cpus().length,
    options: numbers,
    ...figures,
    wrong: wrong.slice(0, 20),
  };
  await mkdir(join(json, '..'), { recursive: true });
  await writeFile(json, `${JSON.stringify(result, null, 2)}\n`);
  console.log(JSON.stringify(result, null, 2));
  return wrong.length === 0;
}

const finish = async () => {
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
