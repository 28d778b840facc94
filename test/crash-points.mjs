// npm run crash-points: the process ends at every await on a fact's way from emit to acknowledgement, and is started again:
// nothing is lost, nothing takes effect twice, each aggregate's steps keep their order.
//   npm run crash-points -- [--share 1] [--only <text>] [--json <file>]
//
// The points are enumerated by the code itself: a copy of what was built is rewritten so that each `await`, each turn of a
// `for await` and each callback of a promise tells a counter (crash-points/rewrite.mjs); a new await is a new point. Product
// code has no switch. At each point the process ends with SIGKILL to itself: `before` anything else is done once the step is
// begun, `during` it, when what it sent is on its way and no answer is here, `after` it is settled.
// A point that no run reaches fails the command, unless `unreached` says why.
import { randomUUID } from 'node:crypto';
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { jetstreamManager } from '@nats-io/jetstream';
import { ensureBuilt, root } from '../apps/platform/install.mjs';
import { excused, lotOf, path, rewrite } from './crash-points/rewrite.mjs';

const { values } = parseArgs({
  options: {
    share: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    json: { type: 'string', default: 'bench/results/crash-points.json' },
  },
});
process.chdir(root);
ensureBuilt();
const load = (file) => import(resolve('dist', file));
const { startPostgres, obtainNatsServer } = await load('libs/servers/src/index.js');
const say = (line) => process.stderr.write(`crash-points: ${line}\n`);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const undo = [];
/** `during` where what was begun is a statement or a message, whose outcome a dead process does not know. */
const whensOf = (name) =>
  /^(database|relay|seal)\.js .*: await/.test(name)
    ? ['before', 'during', 'after']
    : ['before', 'after'];
/** Which hit it is to be: an early one, not always the first. What a clock sets going comes too seldom to choose. */
const mostHits = (name) => (/^(watermarks|reconciler)/.test(name) ? 1 : 3);
/** Reached on a fresh system alone: what lay there before any service ran is sealed, and taken, for the first time. */
const atFirst =
  /Seals\.open: await this\.history|Seals\.history: await client|AssignmentEvents\.list: /;
const village = '371425101201';
const patienceMs = 60_000;

/** PostgreSQL and nats-server: those of the test run that started this, else our own. */
async function servers() {
  if (process.env.TEST_SERVERS) return;
  const folder = await mkdtemp(join(tmpdir(), 'foodwarden-crash-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startPostgres({ dataDir: join(folder, 'data'), durable: false });
  undo.push(() => postgres.stop());
  const natsServer = await obtainNatsServer(process.env.FOODWARDEN_CACHE ?? resolve('.cache'), say);
  process.env.TEST_SERVERS = JSON.stringify({ postgres: postgres.url('postgres'), natsServer });
}

/** A copy of what was built, with a counter at every point. @returns its folder and the points */
async function rewritten() {
  const folder = await mkdtemp(join(tmpdir(), 'foodwarden-crash-copy-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  cpSync('dist', join(folder, 'dist'), { recursive: true });
  cpSync('package.json', join(folder, 'package.json'));
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'), 'junction');
  cpSync('test/crash-points/counter.mjs', join(folder, 'dist/counter.mjs'));
  const points = [];
  for (const { file, ends } of path()) {
    const at = join(folder, 'dist', file);
    const { text, found } = rewrite(readFileSync(at, 'utf8'), file, points.length);
    writeFileSync(at, text);
    points.push(...found.map((name) => ({ name, ends })));
  }
  return { folder, points };
}

async function main() {
  const from = Date.now();
  await servers();
  const { folder, points } = await rewritten();
  const { Fleet } = await load('libs/testing/src/index.js');
  const fleet = await Fleet.make(['registry', 'assignment', 'identity']);
  undo.push(() => fleet.stop());
  await fleet.startNats();
  await fleet.deployBus();
  // What a dead reader held comes again soon: here alone, so that a round takes seconds.
  const bus = await fleet.bus('deploy');
  undo.push(() => bus.close());
  const manager = await jetstreamManager(bus);
  for (const owner of ['REGISTRY', 'IDENTITY'])
    await manager.consumers.update(`EVT_${owner}`, `assignment-${owner.toLowerCase()}`, { ack_wait: 2e9 }); // prettier-ignore

  /** The one process of each service that may crash. */
  const current = {};
  /** @returns undefined where it ended before it listened, as some are told to */
  const start = async (service, env = {}) => {
    current[service] = await fleet.run(service, 0, folder, env).catch((error) => {
      if (env.CRASH_AT?.endsWith(':start')) return undefined;
      throw error;
    });
  };
  const gone = (service) => {
    const { child } = current[service] ?? {};
    return !child || child.exitCode !== null || child.signalCode !== null;
  };
  const end = async (service) => {
    if (gone(service)) return;
    current[service].child.kill('SIGKILL');
    await current[service].gone;
  };
  const seen = join(folder, 'seen');
  const noting = (service, first = '') => ({ CRASH_SEEN: `${seen}-${service}${first}` });
  const share = Math.round(1 / Number(values.share));
  const drawn = (service, { name }, when) =>
    name.includes(values.only) && lotOf(`${service} ${name} ${when}`) % share === 0;
  const envOf = ({ index, nth, when, mode } = {}) =>
    index === undefined ? {} : { CRASH_AT: `${index}:${nth}:${when}:${mode}` };
  const died = async (service, withinMs) => {
    const until = Date.now() + withinMs;
    while (!gone(service) && Date.now() < until) await pause(20);
    return gone(service);
  };
  const unhit = [];
  let rounds = 0;

  // ----------------------------------------------------------------------------------------- the first start of all, again and again
  for (const service of ['registry', 'assignment']) {
    for (const [index, point] of points.entries())
      for (const when of atFirst.test(point.name) && point.ends.includes(service)
        ? whensOf(point.name)
        : []) {
        if (!drawn(service, point, when)) continue;
        await start(service, envOf({ index, nth: 1, when, mode: 'start' }));
        if (!(await died(service, 30_000)))
          unhit.push(`${service}: ${point.name} (${when}, the first start)`);
        await end(service);
        rounds += 1;
      }
    await start(service, noting(service, '-first'));
  }
  await fleet.run('identity');
  await fleet.enrol([{ name: 'office', role: 'office', division: '371425101' }]);
  await fleet.quiet(); // the account's fact reaches both, once; no round makes another

  // -------------------------------------------------------------------------------------------------------------- a round
  const acknowledged = [];
  /** Sends until there is an answer, as a client does: the same key, the same version. */
  async function surely(method, route, body, headers) {
    for (const until = Date.now() + patienceMs; ; await pause(100)) {
      if (Date.now() > until) throw new Error(`${method} ${route} had no answer in a minute.`);
      try {
        const answer = await fetch(`http://127.0.0.1:${current.registry?.port}/api/registry${route}`, {
          method,
          headers: { authorization: `Bearer ${await fleet.token('office')}`, ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
          ...(body ? { body: JSON.stringify(body) } : {}),
          signal: AbortSignal.timeout(10_000),
        }); // prettier-ignore
        if (answer.status < 500) return { status: answer.status, row: await answer.json() };
      } catch {
        // no answer: sent again
      }
    }
  }
  async function register(name) {
    const body = { division: village, address: `${name}号`, kind: 'catering', area: 120, name };
    const key = { 'idempotency-key': randomUUID() };
    const { status, row } = await surely('POST', '/v1/establishments', body, key);
    if (status !== 201) throw new Error(`${name} was answered ${status}: ${JSON.stringify(row)}`);
    acknowledged.push(row);
    // As from a client that did not hear the answer.
    const again = await surely('POST', '/v1/establishments', body, key);
    if (again.status !== 201 || again.row.id !== row.id)
      throw new Error(`${name} was answered ${again.status} ${again.row.id}, and before ${row.id}`);
    return row;
  }
  async function correct({ id, version }, change) {
    let { status, row } = await surely('PATCH', `/v1/establishments/${id}`, change, { 'if-match': `"${version}"` }); // prettier-ignore
    // A change has no key: its repeat meets the version that the first try made.
    if (status === 412) ({ status, row } = await surely('GET', `/v1/establishments/${id}`));
    if (status !== 200 || row.version !== version + 1 || row.name !== change.name)
      throw new Error(`${JSON.stringify(change)} of version ${version} was answered ${status}: ${JSON.stringify(row)}`); // prettier-ignore
    acknowledged.push(row);
    return row;
  }
  /** Several steps of one establishment, and of several at once. */
  let turn = 0;
  async function writes() {
    const name = `轮${++turn}`;
    const story = async (which, steps) => {
      let row = await register(`${name}${which}`);
      for (let step = 1; step <= steps; step++)
        row = await correct(row, { name: `${name}${which}${step}`, ...(step === 3 ? { status: 'closed' } : {}) }); // prettier-ignore
      return row.id;
    };
    return Promise.all([story('甲', 3), story('乙', 1), story('丙', 0)]);
  }

  /** From rows alone: what is wrong with these establishments; waits until they are quiet. */
  async function verdictOf(ids) {
    let wrong;
    for (const until = Date.now() + patienceMs; ; await pause(150)) {
      wrong = await look(ids);
      if (wrong.length === 0 || Date.now() > until) return wrong;
    }
  }
  async function look(ids) {
    const wrong = [];
    const list = ids.map((id) => `'${id}'`).join(',');
    const rows = await fleet.rows('registry', `select id, version, name, status from establishment where id in (${list})`); // prettier-ignore
    const facts = await fleet.rows('registry', `select id::int as id, event_id, aggregate_id, sequence, event from journal where aggregate_id in (${list}) order by id`); // prettier-ignore
    const unsent = await fleet.rows('registry', 'select journal_id from outbox');
    if (unsent.length > 0) wrong.push(`${unsent.length} facts are unsent`);
    const inbox = await fleet.rows('assignment', `select event_id, count(*)::int as times from inbox group by event_id`); // prettier-ignore
    const times = new Map(inbox.map((row) => [row.event_id, row.times]));
    const copies = new Map((await fleet.rows('assignment', `select * from premises where establishment_id in (${list})`)).map((row) => [row.establishment_id, row])); // prettier-ignore
    for (const id of ids) {
      const row = rows.find((one) => one.id === id);
      const mine = acknowledged.filter((one) => one.id === id);
      const last = mine.at(-1);
      const steps = facts.filter((one) => one.aggregate_id === id);
      if (!row) {
        wrong.push(`${id} was acknowledged, and is not there`);
        continue;
      }
      if (row.version !== last.version || row.name !== last.name || row.status !== last.status)
        wrong.push(`${id} is ${row.name} ${row.status} at ${row.version}, not ${last.name} ${last.status} at ${last.version}`); // prettier-ignore
      if (steps.map(({ sequence }) => sequence).join() !== mine.map(({ version }) => version).join()) // prettier-ignore
        wrong.push(`${id}: the journal has ${steps.map(({ sequence }) => sequence).join()}, acknowledged were ${mine.map(({ version }) => version).join()}`); // prettier-ignore
      for (const { event_id: event, sequence } of steps)
        if (times.get(event) !== 1)
          wrong.push(`${id}: version ${sequence} was applied ${times.get(event) ?? 0} times`);
      const copy = copies.get(id);
      if (copy?.sequence !== row.version || copy.name !== row.name || copy.status !== row.status)
        wrong.push(`${id}: the copy is ${copy?.name} at ${copy?.sequence}, not ${row.name} at ${row.version}`); // prettier-ignore
    }
    return wrong;
  }
  /** At the end, over everything: what no single round shows. */
  async function whole() {
    const count = async (service, what) => (await fleet.rows(service, `select count(*)::int as n from ${what}`))[0].n; // prettier-ignore
    const wrong = [];
    const expect = (what, is, should) => is !== should && wrong.push(`${what}: ${is}, not ${should}`); // prettier-ignore
    expect('establishments', await count('registry', 'establishment'), new Set(acknowledged.map(({ id }) => id)).size); // prettier-ignore
    expect('facts of establishments', await count('registry', `journal where type like 'registry.establishment.%'`), acknowledged.length); // prettier-ignore
    expect('keys', await count('registry', 'idempotency_key'), acknowledged.filter(({ version }) => version === 1).length); // prettier-ignore
    expect('copies', await count('assignment', 'premises'), new Set(acknowledged.map(({ id }) => id)).size); // prettier-ignore
    expect('aggregates whose steps are out of order', await count('registry', '(select 1 from (select sequence, lag(sequence) over (partition by aggregate_id order by id) as before from journal) j where sequence <= before) as mixed'), 0); // prettier-ignore
    for (const service of ['registry', 'assignment']) {
      expect(`dead letters of ${service}`, await count(service, 'dead_letter'), 0);
      expect(`missing facts of ${service}`, await count(service, 'missing_fact'), 0);
      expect(`unsent facts of ${service}`, await count(service, 'outbox'), 0);
    }
    const [told, taken] = [
      await fleet.rows('registry', `select event_id from journal where type like 'registry.establishment.%' or type like 'registry.divisions.%'`),
      await fleet.rows('assignment', 'select event_id, count(*)::int as times from inbox group by event_id'),
    ]; // prettier-ignore
    const times = new Map(taken.map((row) => [row.event_id, row.times]));
    expect('facts of the registry that were not applied once', told.filter((row) => times.get(row.event_id) !== 1).length, 0); // prettier-ignore
    expect('lists of divisions', await count('assignment', 'division_list'), await count('registry', 'division where version > 0')); // prettier-ignore
    // What one seal sealed, no other does: sent once, forgotten once.
    expect('facts sealed twice', await count('registry', '(select unnest(event_ids) as event from seal group by event having count(*) > 1) as twice'), 0); // prettier-ignore
    return wrong;
  }

  // ---------------------------------------------------------------------------------------- what is reached, and when: unharmed
  // As the rounds do it: what only the first start reaches, or the account's fact, is no point of theirs.
  await end('registry');
  await start('registry', noting('registry'));
  await end('assignment');
  const begun = (await Promise.all([writes(), writes(), writes(), writes()])).flat();
  await start('assignment', noting('assignment'));
  const atStart = await verdictOf(begun);
  for (const service of ['registry', 'assignment']) current[service].child.kill('SIGUSR2');
  const unharmed = [...atStart, ...(await verdictOf(await writes()))];
  await pause(7000); // watermarks, and what is compared with them
  const hitsIn = (file) => {
    const hits = new Map();
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const [point, armed] = line.split(' ').map(Number);
      if (line === '') continue;
      const known = hits.get(point) ?? { start: 0, armed: 0 };
      known[armed ? 'armed' : 'start'] += 1;
      hits.set(point, known);
    }
    return hits;
  };
  const hits = { registry: hitsIn(`${seen}-registry`), assignment: hitsIn(`${seen}-assignment`) };
  const first = { registry: hitsIn(`${seen}-registry-first`), assignment: hitsIn(`${seen}-assignment-first`) }; // prettier-ignore
  const reached = (index) => {
    const { name, ends } = points[index];
    const where = atFirst.test(name) ? first : hits;
    return ends.some((service) => where[service].has(index));
  };
  const strange = points.map((_, index) => index).filter((index) => !reached(index) && !excused(points[index].name)); // prettier-ignore
  const plans = [];
  for (const [index, { name, ends }] of points.entries())
    for (const service of ends) {
      const known = hits[service].get(index);
      if (!known || atFirst.test(name)) continue;
      for (const when of whensOf(name)) {
        if (!drawn(service, points[index], when)) continue;
        const mode = known.armed > 0 ? 'armed' : 'start';
        const most = mode === 'start' ? 1 : Math.min(known.armed, mostHits(name));
        const nth = 1 + (lotOf(`${when} ${name} ${service}`) % most);
        plans.push({ service, index, name, when, mode, nth });
      }
    }
  say(`${points.length} points, ${points.filter((_, index) => reached(index)).length} reached; ${rounds + plans.length} rounds`); // prettier-ignore

  // -------------------------------------------------------------------------------------------------------- the rounds
  const failures = [];
  const byService = ['registry', 'assignment'].map((service) => plans.filter((plan) => plan.service === service)); // prettier-ignore
  for (const list of byService)
    for (const [at, plan] of list.entries()) {
      const { service, mode } = plan;
      const next = list[at + 1];
      const following = next?.mode === 'armed' ? envOf(next) : {};
      const where = `${service}: ${plan.name} (${plan.when}, hit ${plan.nth}, ${mode})`;
      let ids;
      if (mode === 'armed') {
        if (at === 0) {
          await end(service);
          await start(service, envOf(plan));
        }
        current[service].child.kill('SIGUSR2');
        const writing = writes();
        writing.catch(() => undefined); // told below
        if (!(await died(service, 30_000))) unhit.push(where);
        await end(service);
        await start(service, following);
        ids = await writing.catch(
          (error) => failures.push({ where, wrong: [error.message] }) && [],
        );
      } else {
        if (service === 'registry') ids = await writes();
        await end(service);
        // Enough for every place of the consumer to be taken when it comes back.
        if (service === 'assignment') ids = (await Promise.all([writes(), writes(), writes(), writes()])).flat(); // prettier-ignore
        await start(service, envOf(plan));
        if (!(await died(service, 30_000))) unhit.push(where);
        await end(service);
        await start(service, following);
      }
      const wrong = await verdictOf(ids);
      if (wrong.length > 0) failures.push({ where, wrong });
      rounds += 1;
      if (wrong.length > 0 || rounds % 10 === 0)
        say(`${rounds}: ${wrong.length > 0 ? `${where}: ${wrong.join('; ')}` : 'well'}`); // prettier-ignore
    }

  await fleet.quiet(120_000);
  const wrong = [...unharmed, ...(await whole())];
  const told = (indices) => indices.map((index) => points[index].name);
  const result = {
    what: 'the process ends at every await from emit to acknowledgement, and starts again',
    at: new Date().toISOString(),
    seconds: Math.round((Date.now() - from) / 1000),
    points: points.length,
    reached: points.filter((_, index) => reached(index)).length,
    share: Number(values.share),
    rounds,
    crashes: rounds - unhit.length,
    writes: acknowledged.length,
    neverReached: told(strange),
    excused: points.filter(({ name }, index) => !reached(index) && excused(name)).length,
    notHitInItsRound: unhit,
    failures,
    wrong,
  };
  await mkdir(join(values.json, '..'), { recursive: true });
  await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
  console.log(JSON.stringify(result, null, 2));
  return strange.length + unhit.length + failures.length + wrong.length === 0;
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
