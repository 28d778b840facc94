// npm run crash-points: the process ends at every await on a fact's way from emit to acknowledgement, and is started again:
// nothing is lost, nothing takes effect twice, each aggregate's steps keep their order.
//   npm run crash-points -- [--share 1] [--only <text of a point or a trouble>] [--json <file>]
//
// The points are enumerated by the code itself: a copy of what was built is rewritten so that each `await`, each turn of a
// `for await` and each callback of a promise tells a counter (crash-points/rewrite.mjs); a new await is a new point. Product
// code has no switch. At each point the process ends with SIGKILL to itself: `before` anything else is done once the step is
// begun, `during` it, when what it sent is on its way and no answer is here, `after` it is settled.
// What only another failure or another step reaches has rounds of its own, which bring that about (crash-points/troubles.mjs).
// A point that no run reaches fails the command, unless `unreached` says why; so does an excuse for one that is reached.
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { ensureBuilt, root } from '../apps/platform/install.mjs';
import { Client } from './crash-points/client.mjs';
import { excused, lotOf, path, rewrite } from './crash-points/rewrite.mjs';
import { plant, troubleOf, troubles } from './crash-points/troubles.mjs';
import { look, noteEffects, whole } from './crash-points/verdict.mjs';

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
const { startPostgres, removePostgres, obtainNatsServer } = await load('libs/servers/src/index.js');
const say = (line) => process.stderr.write(`crash-points: ${line}\n`);
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
const patienceMs = 60_000;

/** PostgreSQL and nats-server: those of the test run that started this, else our own. */
async function servers() {
  if (process.env.TEST_SERVERS) return;
  const folder = await mkdtemp(join(tmpdir(), 'foodwarden-crash-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startPostgres({ dataDir: join(folder, 'data'), durable: false });
  undo.push(
    () => removePostgres(join(folder, 'data')),
    () => postgres.stop(),
  );
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
  // A handler that hangs is ended sooner: here alone, so that a round takes seconds.
  const fleet = await Fleet.make(['registry', 'assignment', 'identity'], { HANDLER_LIMIT_MS: '2000' }); // prettier-ignore
  undo.push(() => fleet.stop());
  await fleet.startNats();
  await fleet.deployBus();
  const buses = new Map();
  for (const user of ['deploy', 'registry', 'training']) buses.set(user, await fleet.bus(user));
  undo.push(() => Promise.all([...buses.values()].map((bus) => bus.close())));
  const manager = await jetstreamManager(buses.get('deploy'));
  // Nobody else reads here: what assignment has no place for, the broker drops.
  await manager.consumers.delete('EVT_REGISTRY', 'inspection-registry');
  // So does what a dead reader held: it comes again soon.
  for (const owner of ['registry', 'identity', 'training'])
    await manager.consumers.update(`EVT_${owner.toUpperCase()}`, `assignment-${owner}`, { ack_wait: 1.2e9 }); // prettier-ignore

  /** The one process of each service that may crash, and where it is to. */
  const current = {};
  const envOf = ({ index, nth, when, mode } = {}) =>
    index === undefined ? {} : { CRASH_AT: `${index}:${nth}:${when}:${mode}` };
  /** @returns undefined where it ended before it listened, as some are told to */
  const start = async (service, env = {}) => {
    const replica = await fleet.run(service, 0, folder, env).catch((error) => {
      if (env.CRASH_AT?.endsWith(':start')) return undefined;
      throw error;
    });
    current[service] = replica && { ...replica, env };
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
  /** Counting begins, as the process says: what is sent after that cannot come before it. */
  const arm = async (service) => {
    const { child, gone: over } = current[service];
    const armed = new Promise((done) => {
      child.stdout.on('data', (said) => {
        if (/^armed$/m.test(said.toString())) done();
      });
    });
    child.kill('SIGUSR2');
    await Promise.race([armed, over]);
  };
  const seen = join(folder, 'seen');
  const noting = (service, first = '') => ({ CRASH_SEEN: `${seen}-${service}${first}` });
  const share = Math.round(1 / Number(values.share));
  const drawn = (service, { name }, when) =>
    `${name} ${troubleOf(service, name)?.name}`.includes(values.only) &&
    lotOf(`${service} ${name} ${when}`) % share === 0;
  /** Nobody waits half an hour for the next try of what failed, or seconds for what is missing. */
  const hurry = () =>
    fleet.rows(
      'assignment',
      `update waiting_fact set next_at = now() where next_at > now() and taken_until is null;
       update missing_fact set found_at = found_at - interval '1 minute' where found_at > now() - interval '1 minute'`,
    );
  const until = async (what, fits, withinMs = patienceMs) => {
    for (const late = Date.now() + withinMs; !(await fits()); await pause(50)) {
      if (Date.now() > late) throw new Error(`${what}: not within ${withinMs / 1000} s`);
      await hurry();
    }
  };
  const died = (service) => until('it dies', () => gone(service), 30_000).then(() => true, () => false); // prettier-ignore
  /** What a dead process had claimed, or had asked for, is free again: here at once. */
  async function release() {
    await fleet.rows('registry', `update ledger_import set claimed_until = now() where state = 'running'`); // prettier-ignore
    await fleet.rows('assignment', 'update waiting_fact set taken_until = null');
    await fleet.rows('assignment', `update missing_fact set asked_at = asked_at - interval '1 hour'`); // prettier-ignore
  }
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
        if (!(await died(service))) unhit.push(`${service}: ${point.name} (${when}, the first start)`); // prettier-ignore
        await end(service);
        rounds += 1;
      }
    await start(service, noting(service, '-first'));
  }
  await fleet.run('identity');
  await fleet.enrol([
    { name: 'office', role: 'office', division: '371425101' },
    { name: 'county', role: 'county-admin', division: '371425' },
  ]);
  await fleet.quiet(); // the accounts' facts reach both, once; no round makes another
  for (const service of ['registry', 'assignment']) await fleet.rows(service, plant(service));
  await fleet.rows('assignment', noteEffects);

  // -------------------------------------------------------------------------------------------------------------- a round
  const client = new Client(fleet, (service) => current[service]?.port);
  const writes = () => client.writes();
  const publish = (owner, subject, event) => jetstream(buses.get(owner)).publish(subject, JSON.stringify(event), { msgID: event.id }); // prettier-ignore
  /** What troubles have at hand. */
  const world = { fleet, client, manager, start, end, until, publish };
  /** What is wrong with these establishments; waits until they are quiet. */
  async function verdictOf(ids, more = async () => []) {
    for (const late = Date.now() + patienceMs; ; await pause(100)) {
      const wrong = [...(await look(fleet, client, ids)), ...(await more(world))];
      if (wrong.length === 0 || Date.now() > late) return wrong;
      await hurry();
      const letters = await fleet.rows('assignment', 'select 1 from dead_letter where replayed_at is null limit 1'); // prettier-ignore
      if (letters.length > 0) await client.replay();
    }
  }

  // ---------------------------------------------------------------------------------------- what is reached, and when: unharmed
  // As the rounds do it: what only the first start reaches, or the account's fact, is no point of theirs.
  await end('registry');
  await start('registry', noting('registry'));
  await end('assignment');
  const begun = (await Promise.all([writes(), writes(), writes(), writes()])).flat();
  await start('assignment', noting('assignment'));
  const atStart = await verdictOf(begun);
  for (const service of ['registry', 'assignment']) await arm(service);
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
  const inTrouble = ({ name, ends }) => ends.some((service) => troubleOf(service, name));
  const reached = (index) => {
    const { name, ends } = points[index];
    const where = atFirst.test(name) ? first : hits;
    return ends.some((service) => where[service].has(index));
  };
  const strange = points.filter((point, index) => !reached(index) && !excused(point.name) && !inTrouble(point)); // prettier-ignore
  const staleExcuses = points.filter((point, index) => excused(point.name) && (reached(index) || inTrouble(point))); // prettier-ignore
  const plans = [];
  for (const [index, point] of points.entries())
    for (const service of point.ends) {
      const { name } = point;
      const known = hits[service].get(index);
      const trouble = troubleOf(service, name);
      if (!trouble && (!known || atFirst.test(name))) continue;
      for (const when of whensOf(name)) {
        if (!drawn(service, point, when)) continue;
        const mode = (trouble ? trouble.whileDown : known.armed === 0) ? 'start' : 'armed';
        const most = trouble || mode === 'start' ? 1 : Math.min(known.armed, mostHits(name));
        const nth = 1 + (lotOf(`${when} ${name} ${service}`) % most);
        plans.push({ service, index, name, when, mode, nth, trouble });
      }
    }
  say(`${points.length} points, ${points.filter((_, index) => reached(index)).length} reached by themselves; ${rounds + plans.length} rounds`); // prettier-ignore

  // -------------------------------------------------------------------------------------------------------- the rounds
  /** Of a step that goes well: the process ends, and is started again. */
  async function plain(plan, following) {
    const { service, mode } = plan;
    let ids;
    if (mode === 'armed') {
      await arm(service);
      const writing = writes();
      writing.catch(() => undefined); // told below
      await ends(plan);
      await start(service, following);
      ids = await writing;
    } else {
      if (service === 'registry') ids = await writes();
      await end(service);
      // Enough for every place of the consumer to be taken when it comes back.
      if (service === 'assignment') ids = (await Promise.all([writes(), writes(), writes(), writes()])).flat(); // prettier-ignore
      await start(service, envOf(plan));
      await ends(plan);
      await start(service, following);
    }
    return verdictOf(ids);
  }
  /** Of one that does not: the cause is taken away once the process is there again. */
  async function troubled(plan, following) {
    const { service, trouble } = plan;
    let making;
    try {
      await trouble.prepare?.(world);
      if (trouble.whileDown) {
        await end(service);
        making = trouble.make(world);
        await making;
        await start(service, envOf(plan));
      } else {
        await arm(service);
        making = trouble.make(world);
        making.catch(() => undefined); // told below
      }
      await ends(plan);
      await release();
      if (trouble.mendFirst) await trouble.mend(world);
      await start(service, following);
      await trouble.until?.(world, await making);
    } finally {
      await trouble.mend?.(world);
    }
    return verdictOf(await making, trouble.wrong);
  }
  const placeOf = ({ service, name, when, nth, mode, trouble }) => `${service}: ${name} (${when}, hit ${nth}, ${mode}${trouble ? `, ${trouble.name}` : ''})`; // prettier-ignore
  async function ends(plan) {
    if (!(await died(plan.service))) unhit.push(placeOf(plan));
    await end(plan.service);
  }
  const failures = [];
  const secondsOf = {};
  // Troubles first: they are the likeliest to fail.
  const order = ({ trouble }) => (trouble ? troubles.indexOf(trouble) : troubles.length);
  for (const service of ['assignment', 'registry']) {
    const list = plans.filter((plan) => plan.service === service).sort((one, other) => order(one) - order(other)); // prettier-ignore
    for (const [at, plan] of list.entries()) {
      const begunAt = Date.now();
      const next = list[at + 1];
      // Where it begins armed, the process is told so when it is started after the round before.
      if (
        plan.mode === 'armed' &&
        (gone(service) || current[service].env.CRASH_AT !== envOf(plan).CRASH_AT)
      ) {
        // prettier-ignore
        await end(service);
        await start(service, envOf(plan));
      }
      const following = next?.mode === 'armed' ? envOf(next) : {};
      const wrong = await (plan.trouble ? troubled : plain)(plan, following).catch((error) => [error.message]); // prettier-ignore
      if (wrong.length > 0) failures.push({ where: placeOf(plan), wrong });
      rounds += 1;
      const kind = plan.trouble?.name ?? 'nothing else is wrong';
      (secondsOf[kind] ??= []).push((Date.now() - begunAt) / 1000);
      if (wrong.length > 0 || rounds % 10 === 0)
        say(`${rounds}: ${wrong.length > 0 ? `${placeOf(plan)}: ${wrong.join('; ')}` : 'well'}`);
    }
  }

  await fleet.quiet(120_000);
  const missing = () => fleet.rows('assignment', 'select 1 from missing_fact limit 1');
  await until('what was missing is forgotten', async () => (await missing()).length === 0).catch(
    () => undefined,
  ); // told below
  const wrong = [...unharmed, ...(await whole(fleet, client))];
  const told = (those) => those.map(({ name }) => name);
  const hit = (index) => reached(index) || plans.some((plan) => plan.index === index && !unhit.includes(placeOf(plan))); // prettier-ignore
  const counted = points.filter((_, index) => hit(index)).length;
  const result = {
    what: 'the process ends at every await from emit to acknowledgement, and starts again',
    at: new Date().toISOString(),
    seconds: Math.round((Date.now() - from) / 1000),
    points: points.length,
    reached: counted,
    reachedInTrouble: points.filter((_, index) => hit(index) && !reached(index)).length,
    excused: points.filter(({ name }) => excused(name)).length,
    share: Number(values.share),
    rounds,
    crashes: rounds - unhit.length,
    writes: client.acknowledged.length,
    deadLettersReplayed: (await fleet.rows('assignment', 'select 1 from dead_letter where replayed_at is not null')).length, // prettier-ignore
    roundsOf: Object.fromEntries(Object.entries(secondsOf).map(([kind, all]) => [kind, { rounds: all.length, seconds: Math.round(all.reduce((sum, one) => sum + one, 0)) }])), // prettier-ignore
    neverReached: told(strange),
    staleExcuses: told(staleExcuses),
    notHitInItsRound: unhit,
    failures,
    wrong,
  };
  await mkdir(join(values.json, '..'), { recursive: true });
  await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
  console.log(JSON.stringify(result, null, 2));
  const bad = [strange, staleExcuses, unhit, failures, wrong];
  return bad.every(({ length }) => length === 0);
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
