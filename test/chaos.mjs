// npm run chaos: the county's services as processes, two of them registry, on a PostgreSQL (with fsync) and a nats-server of
// their own, which they reach over lines of ours. Clients import, assign, visit and correct over HTTP and keep their
// history, while processes and servers are killed and frozen at random instants, lines are slow, cut or carry one direction
// only, NATS is away for minutes and a stream is full. The judge is test/oracle/chaos.mjs: it reads only the folder that a
// run leaves, and shares no code with apps and libs. Ends with 1 where it says broken, or where the run does not count.
//   npm run chaos -- [--kills 50] [--seconds <of faults>] [--seed n] [--faults kill,stop,cut,delay,oneway,nats-away,store-full]
//                    [--rate 24] [--acknowledged 5000] [--away 120] [--quiet 300] [--out <folder>] [--json <file>]
//   npm run chaos -- --planted <bug>|all    with that bug in a copy of the product: ends with 1 where the judge does not find it
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { jetstreamManager } from '@nats-io/jetstream';
import pg from 'pg';
import { ensureBuilt, root } from '../apps/platform/install.mjs';
import { Line } from './chaos/line.mjs';
import { Load } from './chaos/load.mjs';
import { plant, planted } from './chaos/planted.mjs';

const kinds = ['kill', 'stop', 'cut', 'delay', 'oneway', 'nats-away', 'store-full'];
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    faults: { type: 'string', default: kinds.join(',') },
    rate: { type: 'string', default: '24' },
    acknowledged: { type: 'string', default: '5000' },
    away: { type: 'string', default: '120' },
    quiet: { type: 'string', default: '300' },
    planted: { type: 'string' },
    out: { type: 'string' },
    json: { type: 'string' },
    short: { type: 'boolean', default: false },
  },
});
const bug = values.planted;
const say = (line) => process.stderr.write(`chaos: ${line}\n`);
process.chdir(root);
ensureBuilt();

if (bug === 'all') process.exit(await everyBug());
if (bug && !planted[bug]) throw new Error(`--planted is one of ${Object.keys(planted).join(', ')}, all`); // prettier-ignore

const load = (path) => import(resolve('dist', path));
const { startPostgres, removePostgres, obtainNatsServer } = await load('libs/servers/src/index.js');
const { listeners } = await load('libs/contracts/src/index.js');
const { randomFrom, shuffled } = await load('libs/testing/src/random.js');
const seed = Number(values.seed);
const kills = Number(values.kills);
const seconds = Number(values.seconds ?? kills * 12);
const asked = values.faults.split(',');
const random = randomFrom(seed); // the timetable of faults alone draws from it, so that it is the same for the same seed
const chance = randomFrom(seed + 1); // all that depends on when answers come
const between = (low, high) => low + random() * (high - low);
const out = resolve(values.out ?? (await mkdtemp(join(tmpdir(), 'foodwarden-chaos-run-'))));
const undo = [];
const county = '371425';
// In short without training, which no operation of the load needs.
const services = ['registry', 'assignment', 'inspection', 'training', 'notification', 'identity'].filter((one) => one !== 'training' || !values.short); // prettier-ignore
const faults = [];

// ---------------------------------------------------------------- servers, lines and processes

/** PostgreSQL of this run: what was committed is on the disk, and it can be killed. */
class Postgres {
  async start(durable = true) {
    for (let left = 20; ; left--)
      try {
        this.server = await startPostgres({ dataDir: this.dataDir, durable, settings: ['track_commit_timestamp=on', 'checkpoint_timeout=30s'] }); // prettier-ignore
        return;
      } catch (error) {
        // Its old processes may not have noticed yet that their parent was killed.
        if (left === 0) throw error;
        await pause(500);
      }
  }
  constructor(dataDir) {
    this.dataDir = dataDir;
  }
  get port() {
    return this.server.port;
  }
  /** The server and each process that it made. */
  pids() {
    const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
    const all = stdout.trim().split('\n').map((line) => line.trim().split(/\s+/).map(Number)); // prettier-ignore
    return [this.server.pid, ...all.filter(([, parent]) => parent === this.server.pid).map(([pid]) => pid)]; // prettier-ignore
  }
  signal(name) {
    for (const pid of this.pids())
      try {
        process.kill(pid, name);
      } catch (error) {
        if (error.code !== 'ESRCH') throw error; // ended meanwhile
      }
  }
}

const postgres = new Postgres(join(await mkdtemp(join(tmpdir(), 'foodwarden-chaos-')), 'data'));
const lines = new Map();
const slots = ['registry-0', 'registry-1', ...services.slice(1)].map((name) => ({
  name,
  service: name.replace(/-\d$/, ''),
  replica: undefined,
  starting: undefined,
  busy: false,
}));
const slotOf = (name) => slots.find((one) => one.name === name);
const up = (slot) => slot.replica !== undefined;
let fleet;
let code; // the folder of the copy with a bug
let ending = false;

/** Starts the process of a slot, and again where it ends at its start, as an orchestrator does. */
function begin(slot) {
  slot.starting ??= (async () => {
    const through = (url, server) => {
      const other = new URL(url);
      other.port = String(lines.get(`${slot.name}→${server}`).port);
      return other.href;
    };
    const env = {
      DATABASE_URL: through(fleet.url(slot.service, 'app'), 'postgres'),
      DATABASE_RELAY_URL: through(fleet.url(slot.service, 'relay'), 'postgres'),
      NATS_URL: `nats://127.0.0.1:${lines.get(`${slot.name}→nats`).port}`,
    };
    for (let tries = 1; !ending; tries++)
      try {
        slot.replica = await fleet.run(slot.service, 0, code, env);
        break;
      } catch (error) {
        if (ending) return;
        if (tries > 60) throw error;
        await pause(500);
      }
  })().finally(() => (slot.starting = undefined));
  return slot.starting;
}

async function servers() {
  undo.push(() => removePostgres(postgres.dataDir), () => rm(join(postgres.dataDir, '..'), { recursive: true, force: true })); // prettier-ignore
  await postgres.start(false); // what is laid before the load need not survive anything
  undo.push(async () => {
    postgres.signal('SIGCONT');
    await postgres.server.stop();
  });
  const control = await new Line('runner→postgres', () => postgres.port).open();
  undo.push(() => control.close());
  const natsServer = await obtainNatsServer(process.env.FOODWARDEN_CACHE ?? resolve('.cache'), say);
  const url = new URL(postgres.server.url('postgres'));
  url.port = String(control.port);
  // Always at the same address for us, wherever it comes back.
  process.env.TEST_SERVERS = JSON.stringify({ postgres: url.href, natsServer });
  process.env.FOODWARDEN_PROFILE = '';
  const { Fleet } = await load('libs/testing/src/index.js');
  fleet = await Fleet.make(services, { REQUEST_TIMEOUT_MS: '30000' });
  undo.push(() => fleet.stop());
  await fleet.startNats();
  await fleet.deployBus();
  const natsPort = Number(new URL(fleet.natsUrl).port);
  for (const { name } of slots) {
    lines.set(`${name}→postgres`, await new Line(`${name}→postgres`, () => postgres.port).open());
    lines.set(`${name}→nats`, await new Line(`${name}→nats`, () => natsPort).open());
  }
  undo.push(() => Promise.all([...lines.values()].map((line) => line.close())));
  await audit();
  await postgres.server.stop();
  await postgres.start();
  await Promise.all(slots.map(begin));
}

/**
 * Triggers of the test alone: a row for each committed transaction in which a fact was looked up in the inbox, and for each in
 * which something was written after that. A fact that is applied twice writes twice, also where its effects, being
 * guarded by their sequence, change nothing the second time.
 */
async function audit() {
  const written = { registry: ['establishment_visit'], assignment: ['premises'], inspection: ['premises', 'responsibility'], notification: ['message'] }; // prettier-ignore
  for (const service of services) {
    const effects = written[service] ?? [];
    await fleet.rows(
      service,
      `create schema chaos; grant usage on schema chaos to public;
       create table chaos.seen (tx xid8, event_id uuid);
       create table chaos.wrote (tx xid8);
       create function chaos.see() returns trigger language plpgsql security definer as $$ begin
         insert into chaos.seen values (pg_current_xact_id(), new.event_id); return new; end $$;
       create function chaos.write() returns trigger language plpgsql security definer as $$ begin
         insert into chaos.wrote values (pg_current_xact_id()); return new; end $$;
       create trigger chaos_see before insert on inbox for each row execute function chaos.see();
       ${effects.map((table) => `create trigger chaos_write before insert on ${table} for each row execute function chaos.write();`).join('\n')}`,
    );
  }
}

// ---------------------------------------------------------------- faults

/** The process whose connection holds the relay's lock. */
async function leaderOf(service) {
  const [row] = await fleet.rows(service, `select a.client_port as port from pg_locks l join pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.classid = 7031 and l.objid = 2 and l.granted and a.datname = current_database() and a.application_name = 'relay'`); // prettier-ignore
  return slots.find(
    (slot) =>
      slot.service === service && row && lines.get(`${slot.name}→postgres`).carries(row.port),
  );
}

/** Resolves near a commit: right after an answer came, or a moment after a request went out. */
function nearCommit(loaded) {
  const afterAnswer = chance() < 0.5;
  const ms = afterAnswer ? chance() * 4 : chance() * 40;
  return new Promise((done) => {
    const go = () => {
      clearTimeout(never);
      setTimeout(done, ms);
    };
    loaded.once(afterAnswer ? 'answered' : 'sent', go);
    const never = setTimeout(() => {
      loaded.off(afterAnswer ? 'answered' : 'sent', go);
      done();
    }, 3_000);
  });
}

const natsUp = () => fleet.natsPid !== undefined;
const serverDown = { postgres: false, nats: false };

async function kill(wanted, loaded) {
  await nearCommit(loaded);
  if (wanted === 'postgres' || wanted === 'nats') {
    while (serverDown[wanted] || (wanted === 'nats' && !natsUp())) await pause(200);
    serverDown[wanted] = true;
    const at = Date.now();
    if (wanted === 'postgres') postgres.signal('SIGKILL');
    else await fleet.killNats();
    const fault = note({ kind: 'kill', target: wanted, at });
    await pause(chance() * 2_000);
    if (wanted === 'postgres') await postgres.start();
    else await fleet.startNats();
    serverDown[wanted] = false;
    watch(fault, loaded);
    return;
  }
  let slot;
  for (let tries = 0; !slot && tries < 200; tries++) {
    if (wanted.startsWith('relay:')) slot = await leaderOf(wanted.slice(6)).catch(() => undefined); // PostgreSQL is away
    else slot = shuffled(slots.filter((one) => one.service === wanted), chance)[0]; // prettier-ignore
    if (!slot || !up(slot) || slot.busy) {
      slot = undefined;
      await pause(100);
    }
  }
  if (!slot) return; // never up for 20 s: told by the number of kills
  const { replica } = slot;
  slot.replica = undefined;
  const at = Date.now();
  replica.child.kill('SIGKILL');
  const fault = note({ kind: 'kill', target: wanted, process: slot.name, at }); // prettier-ignore
  watch(fault, loaded);
  void (async () => {
    await replica.gone;
    await pause(chance() * 2_000);
    await begin(slot);
  })();
}

function note(fault) {
  faults.push(fault);
  say(`${((fault.at - startedAt) / 1000).toFixed(1)} s ${fault.kind} ${fault.target}${fault.process && fault.process !== fault.target ? ` (${fault.process})` : ''}`); // prettier-ignore
  return fault;
}

/** A fault with an end. */
async function disturb(step, loaded) {
  const { kind, ms = 0, bytes = Infinity } = step;
  const those = (step.lines ?? []).map((name) => lines.get(name));
  const fault = { kind, target: step.target ?? step.lines?.join(' ') ?? kind, at: Date.now() };
  const lasting = step.seconds * 1000;
  if (kind === 'stop') {
    if (step.target === 'postgres' || step.target === 'nats') {
      while (serverDown[step.target]) await pause(200);
      serverDown[step.target] = true;
      const pids = step.target === 'postgres' ? postgres.pids() : [fleet.natsPid];
      const signal = (name) => {
        for (const pid of pids)
          try {
            process.kill(pid, name);
          } catch (error) {
            if (error.code !== 'ESRCH') throw error;
          }
      };
      fault.at = Date.now();
      signal('SIGSTOP');
      note(fault);
      await pause(lasting);
      signal('SIGCONT');
      serverDown[step.target] = false;
    } else {
      const slot = shuffled(slots.filter((one) => one.service === step.target), chance).find(up); // prettier-ignore
      if (!slot) return;
      slot.busy = true;
      fault.at = Date.now();
      fault.process = slot.name;
      const { child } = slot.replica;
      child.kill('SIGSTOP');
      note(fault);
      await pause(lasting);
      child.kill('SIGCONT');
      slot.busy = false;
    }
  } else if (kind === 'cut') {
    note(fault);
    for (const line of those) {
      line.refuses = true;
      line.cut();
    }
    await pause(lasting);
    for (const line of those) line.refuses = false;
  } else if (kind === 'delay') {
    note(fault);
    for (const line of those) Object.assign(line, { delayMs: ms, bytesPerSecond: bytes });
    await pause(lasting);
    for (const line of those) {
      if (step.cut) line.cut();
      Object.assign(line, { delayMs: 0, bytesPerSecond: Infinity });
    }
  } else if (kind === 'oneway') {
    fault.way = step.way;
    note(fault);
    for (const line of those) line.deaf = step.way;
    await pause(lasting);
    for (const line of those) {
      line.deaf = undefined;
      line.cut(); // a line that lost bytes is no line any more
    }
  } else if (kind === 'nats-away') {
    while (serverDown.nats) await pause(200);
    serverDown.nats = true;
    fault.at = Date.now();
    note(fault);
    await fleet.stopNats();
    await pause(lasting);
    await fleet.startNats();
    serverDown.nats = false;
  } else if (kind === 'store-full') {
    const config = await streamLimit(step.target, 1);
    fault.at = Date.now();
    note(fault);
    await pause(lasting);
    await streamLimit(step.target, config);
  }
  fault.until = Date.now();
  watch(fault, loaded);
}

/** Sets how many bytes a stream takes, however often NATS is killed meanwhile. @returns what it took before */
async function streamLimit(stream, bytes) {
  for (;;)
    try {
      const bus = await fleet.bus('deploy');
      try {
        const manager = await jetstreamManager(bus, { timeout: 2_000 });
        const { config } = await manager.streams.info(stream);
        const before = config.max_bytes;
        await manager.streams.update(stream, { ...config, max_bytes: bytes });
        return before;
      } finally {
        await bus.close();
      }
    } catch {
      await pause(500); // NATS is away: asked again
    }
}

// ---------------------------------------------------------------- how long until it works again

const needs = {
  registry: ['register', 'correct'], assignment: ['approve'], inspection: ['visit'], notification: ['visit'],
  postgres: ['register', 'correct'], nats: ['register', 'correct'],
}; // prettier-ignore
const watchers = new Set();
const pools = new Map();

/** A question of ours while the load goes on, over few connections that stay: it must not be a load itself. */
async function look(service, sql, parameters) {
  if (!pools.has(service)) {
    const url = new URL(JSON.parse(process.env.TEST_SERVERS).postgres);
    url.pathname = new URL(fleet.url(service, 'app')).pathname;
    const pool = new pg.Pool({ connectionString: url.href, max: 1 });
    pool.on('error', () => undefined); // PostgreSQL was killed: the next question makes another connection
    pools.set(service, pool);
    undo.push(() => pool.end());
  }
  return (await pools.get(service).query(sql, parameters)).rows;
}

/** Facts of an operation, by the journal of its service. */
function factsOf({ kind, got, sent }) {
  if (kind === 'approve')
    return look('assignment', `select j.event_id as id, j.type from journal j join assignment a on a.id = j.aggregate_id where a.proposal_id = $1 and j.type = 'assignment.assignment.made.v1'`, [sent.id]); // prettier-ignore
  if (kind === 'visit')
    return look('inspection', `select event_id as id, type from journal where aggregate_id = any($1) and sequence = 1`, [[got.id, ...got.findings.filter(Boolean)]]); // prettier-ignore
  return look('registry', `select event_id as id, type from journal where aggregate_id = $1 and sequence = $2`, [got.id, got.version]); // prettier-ignore
}

/** Notes when, after a fault, an operation that needs what it hit was acknowledged and its facts applied everywhere. */
function watch(fault, loaded) {
  const from = fault.until ?? fault.at;
  const target = fault.target.replace(/^relay:/, '');
  const place = /^([a-z]+)(-\d)?(→|$)/.exec(target)?.[1] ?? '';
  const hit = target.includes('→')
    ? place
    : (/^EVT_(.*)$/.exec(target)?.[1].toLowerCase() ?? target);
  const wanted = needs[hit === 'nats-away' ? 'nats' : hit];
  const watcher = (async () => {
    const limit = () => Date.now() - from > 600_000 || ending;
    if (!wanted) {
      // Training and identity take no operation of this load: ready, all well, says the process itself.
      const slot = slots.find((one) => one.service === hit);
      while (!limit()) {
        const body = slot?.replica && (await fetch(`http://127.0.0.1:${slot.replica.port}/api/${slot.service}/health/ready`, { signal: AbortSignal.timeout(2_000) }).then((one) => one.json(), () => undefined)); // prettier-ignore
        if (body?.status === 'ok') return Date.now();
        await pause(250);
      }
      return undefined;
    }
    const op = await new Promise((done) => {
      const see = (one) => {
        if (one.outcome !== 'acknowledged' || one.at < from || !wanted.includes(one.kind)) return;
        if (hit === 'notification' && !one.sent.correction) return;
        loaded.off('operated', see);
        done(one);
      };
      loaded.on('operated', see);
      loaded.once('over', () => done(undefined));
    });
    while (op && !limit()) {
      const applied = await factsOf(op)
        .then(async (facts) => {
          for (const [consumer, events] of Object.entries(listeners))
            for (const { id, type } of facts)
              if (events.some((one) => one.type === type) && (await look(consumer, 'select 1 from inbox where event_id = $1', [id])).length === 0) return false; // prettier-ignore
          return true;
        })
        .catch(() => false); // PostgreSQL is away
      if (applied) return Date.now();
      await pause(500);
    }
    return undefined;
  })()
    .then((at) => {
      if (at) Object.assign(fault, { recoveredAt: at, recoveryMs: at - from });
    })
    .finally(() => watchers.delete(watcher));
  watchers.add(watcher);
}

// ---------------------------------------------------------------- the timetable

/** Kills, and beside them faults with an end, each at its second; the same for the same seed. */
function timetable() {
  const there = (target) => target !== 'training' || services.includes(target);
  const victims = ['registry', 'relay:registry', 'assignment', 'inspection', 'postgres', 'nats', 'relay:registry', 'notification', 'registry', 'identity', 'inspection', 'assignment', 'training'].filter(there); // prettier-ignore
  const rounds = Array.from({ length: Math.ceil(kills / victims.length) }, (_, index) => index === 0 && values.short ? victims : shuffled(victims, random)); // prettier-ignore
  const killing = asked.includes('kill')
    ? rounds.flat().slice(0, kills).map((target, index) => ({ at: ((index + between(0.2, 0.8)) * seconds) / kills, kind: 'kill', target })) // prettier-ignore
    : [];
  const workers = ['registry-0', 'registry-1', 'assignment', 'inspection', 'notification'];
  const pick = (from) => from[Math.floor(random() * from.length)];
  const some = {
    stop: () => ({ target: pick(['registry', 'assignment', 'inspection', 'notification', 'postgres', 'nats', 'identity', 'training'].filter(there)), seconds: values.short ? 3 : between(3, 20) ** between(0.6, 1) }),
    cut: () => ({ lines: [`${pick(workers)}→${pick(['postgres', 'nats'])}`], seconds: between(1, values.short ? 2 : 8) }),
    delay: () => ({ lines: [`${pick(workers)}→${pick(['postgres', 'nats'])}`], ...pick([{ ms: 200 }, { ms: 20, bytes: 20_000 }]), seconds: between(3, values.short ? 4 : 15) }),
    oneway: () => ({ lines: [`${pick(workers)}→${pick(['postgres', 'nats'])}`], way: pick(['up', 'down']), seconds: between(2, values.short ? 3 : 12) }),
    'store-full': () => ({ target: pick(['EVT_REGISTRY', 'EVT_INSPECTION', 'EVT_ASSIGNMENT']), seconds: between(3, values.short ? 4 : 20) }),
  }; // prettier-ignore
  const others = Object.keys(some).filter((kind) => asked.includes(kind));
  const steps = [];
  let at = between(1, 3);
  let left = shuffled(others, random);
  let away = asked.includes('nats-away') && Number(values.away) > 0;
  while (at < seconds && others.length > 0) {
    if (away && at > seconds * 0.35) {
      away = false;
      steps.push({ at, kind: 'nats-away', seconds: Number(values.away) });
    } else {
      if (left.length === 0) left = shuffled(others, random);
      const kind = left.pop();
      steps.push({ at, kind, ...some[kind]() });
    }
    at += steps.at(-1).seconds + between(1, values.short ? 2 : 8);
  }
  return { killing, steps };
}

async function follow(steps, from, act) {
  for (const step of steps) {
    await pause(Math.max(0, from + step.at * 1000 - Date.now()));
    await act(step);
  }
}

// ---------------------------------------------------------------- the run

let startedAt = Date.now();

async function main() {
  rmSync(out, { recursive: true, force: true });
  for (const folder of ['history', 'final']) mkdirSync(join(out, folder), { recursive: true });
  if (bug) {
    code = plant(bug);
    undo.push(() => rm(code, { recursive: true, force: true }));
  }
  const begun = Date.now();
  await servers();
  say(`seed ${seed}: ${services.length} services stand after ${Date.now() - begun} ms; ${out}`);
  const { eventually } = await load('libs/testing/src/index.js');

  const roles = { county: 'county-admin', 'county-2': 'county-admin' };
  const rows = readFileSync('apps/platform/sample/divisions.csv', 'utf8').trim().split('\n').slice(1).map((line) => line.split(',')); // prettier-ignore
  const townships = rows.filter(([, , level]) => level === 'township').map(([code, name]) => ({
    code, name, villages: rows.filter(([, , , parent]) => parent === code).map(([code, name]) => ({ code, name })),
  })); // prettier-ignore
  const take = () => townships.shift();
  const visited = Array.from({ length: values.short ? 2 : 5 }, take);
  const assigned = Array.from({ length: values.short ? 1 : 2 }, take);
  const imported = Array.from({ length: values.short ? 1 : 2 }, take);
  const [registered] = [take()];
  const officeOf = (township) => `office-${township.code}`;
  const places = [...visited, ...assigned, registered];
  await fleet.enrol([
    ...Object.entries(roles).map(([name, role]) => ({ name, role, division: county })),
    ...places.flatMap((one) => [officeOf(one), `${officeOf(one)}-2`].map((name) => ({ name, role: 'office', division: one.code }))), // prettier-ignore
  ]);
  const loaded = new Load({
    folder: join(out, 'history'),
    random: chance,
    rate: Number(bug ? (planted[bug].rate ?? values.rate) : values.rate),
    where: (service) => {
      const there = slots.filter((one) => one.service === service && up(one));
      return there[Math.floor(chance() * there.length)]?.replica.port;
    },
    tokenOf: (account) => fleet.token(account),
  });
  /** What the load stands on: sent again, with its key, until a slow machine answers. */
  const must = async (account, service, method, path, body) => {
    const headers = { 'idempotency-key': randomUUID() };
    for (let left = 10; ; left--) {
      const answer = await loaded.ask(account, service, method, path, body, headers).catch((error) => ({ error })); // prettier-ignore
      if (answer.status < 300) return answer.body;
      const again = answer.error !== undefined || answer.status >= 500;
      if (!again || left === 0) throw new Error(`${service} ${path}: ${answer.error ?? `${answer.status} ${JSON.stringify(answer.body)}`}`); // prettier-ignore
      await pause(500);
    }
  };
  const land = async (service, path, text) => {
    const form = new FormData();
    form.set('file', new Blob([text]), 'a.csv');
    const { id } = await must('county', service, 'POST', path, form);
    await eventually(() => loaded.read('county', service, `${path}/${id}`, 10), (row) => row?.state === 'done', 60_000); // prettier-ignore
  };

  // The ground: officials, what they answer for, and the visits that are due.
  const staffed = [...visited, ...assigned];
  const villagesOf = (township) => township.villages.slice(0, 4);
  await land('assignment', '/v1/roster-imports', ['姓名,职务,层级,行政区划代码', ...staffed.flatMap((one) => villagesOf(one).map(({ code }) => `${code}书记,书记,村级,${code}`)), ''].join('\n')); // prettier-ignore
  await land('registry', '/v1/ledger-imports', ['主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态,经营面积(㎡)', ...visited.flatMap((one) => villagesOf(one).flatMap(({ code, name }) => Array.from({ length: 8 }, (_, n) => `${code}店${n},,${code}街${n}号,${one.name},${name},小餐饮,`))), ''].join('\n')); // prettier-ignore
  await fleet.quiet(120_000);
  for (const one of visited) {
    const { id } = await must('county', 'assignment', 'POST', '/v1/proposals', { division: one.code }); // prettier-ignore
    await must('county-2', 'assignment', 'POST', `/v1/proposals/${id}/approval`);
  }
  const quarter = () => {
    const day = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Asia/Shanghai' }).format(new Date());
    return `${day.slice(0, 4)}-Q${Math.ceil(Number(day.slice(5, 7)) / 3)}`;
  };
  await must('county', 'inspection', 'POST', '/v1/obligation-runs', { period: quarter() });
  await fleet.quiet(120_000);
  const officials = await fleet.rows('assignment', 'select id, division from official');
  await fleet.enrol(officials.map(({ id, division }) => ({ name: `official-${id}`, role: 'official', division: division.slice(0, 9), official: id }))); // prettier-ignore
  const answers = await fleet.rows('inspection', 'select official_id as official, establishment_id as shop from responsibility where ended_at is null'); // prettier-ignore
  const { checklists } = JSON.parse(readFileSync('apps/platform/sample/checklists.json', 'utf8'));
  const { items } = checklists.find((one) => one.kinds.includes('small-catering'));
  await fleet.quiet(120_000);

  // The load.
  startedAt = Date.now();
  say(`the ground is laid after ${startedAt - begun} ms`);
  const offices = (bug && planted[bug].offices) || (values.short || bug ? 3 : 4);
  const codes = (township) => township.villages.map(({ code }) => code);
  const clients = [
    ...Array.from({ length: offices }, (_, n) => loaded.office(`o${n}`, { account: officeOf(registered), villages: codes(registered) })),
    ...[...imported, ...(values.short ? [] : imported)].map((one, n) => loaded.importer(`i${n}`, { account: 'county', township: one, villages: one.villages, rows: values.short || bug ? [5, 10] : [20, 30] })),
    ...assigned.map((one, n) => loaded.assigner(`a${n}`, { office: officeOf(one), proposer: 'county', approver: 'county-2', township: one.code, villages: villagesOf(one).map(({ code }) => code) })),
    ...visited.map((one, n) => loaded.visitor(`v${n}`, {
      office: officeOf(one), verifier: `${officeOf(one)}-2`, items,
      officials: officials.filter(({ division }) => division.startsWith(one.code)).map(({ id }) => ({
        account: `official-${id}`, officialId: id, shops: answers.filter(({ official }) => official === id).map(({ shop }) => shop),
      })).filter(({ shops }) => shops.length > 0),
    })),
  ]; // prettier-ignore
  const working = Promise.all(clients);

  if (bug)
    for (const step of [{ pause: 3 }, ...planted[bug].steps, { pause: 3 }]) {
      if (step.pause) await pause(step.pause * 1000);
      else if (step.kind === 'kill')
        await Promise.all(step.targets.map((target) => kill(target, loaded))); // prettier-ignore
      else await disturb(step, loaded);
    }
  else {
    const { killing, steps } = timetable();
    await Promise.all([
      follow(killing, startedAt, ({ target }) => kill(target, loaded)),
      follow(steps, startedAt, (step) => disturb(step, loaded)),
    ]);
    // What is slower than wanted takes longer; a client waits for its rate, not for us.
    const wanted = Number(values.acknowledged);
    for (const until = Date.now() + (values.short ? 0 : 900_000); loaded.counts.acknowledged < wanted && Date.now() < until; ) await pause(500); // prettier-ignore
  }
  loaded.going = false;
  await working;
  const stopped = Date.now();
  say(`load over after ${Math.round((stopped - startedAt) / 1000)} s: ${JSON.stringify(loaded.counts)} ${JSON.stringify(loaded.refusals)}`); // prettier-ignore
  await Promise.all(slots.map((slot) => slot.starting ?? (up(slot) ? undefined : begin(slot))));
  const notQuiet = await quiet(bug ? 30_000 : Number(values.quiet) * 1000);
  const quietMs = Date.now() - stopped;
  loaded.emit('over');
  await Promise.all(watchers);
  say(`${notQuiet ? `NOT quiet (${notQuiet})` : 'quiet'} after ${Math.round(quietMs / 1000)} s`);

  await dump([county, ...places, ...imported].map((one) => one.code ?? one), loaded, notQuiet, quietMs); // prettier-ignore
  return { loaded, notQuiet, quietMs, seconds: Math.round((stopped - startedAt) / 1000) };
}

/** Waits until nothing is unsent, under way, set aside or half imported. @returns what is not, after the time limit */
async function quiet(limitMs) {
  const until = Date.now() + limitMs;
  for (;;)
    try {
      await fleet.quiet(Math.max(1_000, until - Date.now()));
      const left = [];
      for (const service of services)
        for (const [what, which] of [
          ['dead_letter', 'where replayed_at is null'],
          ['missing_fact', ''],
        ]) {
          const [{ n }] = await fleet.rows(
            service,
            `select count(*)::int as n from ${what} ${which}`,
          );
          if (n > 0) left.push(`${n} of ${what} in ${service}`);
        }
      const [{ n }] = await fleet.rows('registry', `select count(*)::int as n from ledger_import where state in ('queued', 'running')`); // prettier-ignore
      if (n > 0) left.push(`${n} imports under way`);
      if (left.length === 0) return undefined;
      if (Date.now() > until || bug) return left.join(', ');
      await pause(500);
    } catch (error) {
      if (Date.now() > until) return error.message.slice(0, 300);
      await pause(500);
    }
}

/** What the judge reads beside the histories. Nothing that is a secret, and no files. */
async function dump(divisions, loaded, notQuiet, quietMs) {
  const indicators = [];
  for (const service of services.filter((one) => one !== 'identity'))
    for (const division of divisions) {
      const body = await loaded.read('county', service, `/v1/indicators?division=${division}`, 30);
      indicators.push({ service, division, at: Date.now(), body });
    }
  writeFileSync(join(out, 'final/indicators.json'), JSON.stringify(indicators));
  const secret = ['client', 'signing_key', 'totp', 'recovery_code', 'oidc_payload', 'sign_in', 'migration', 'ledger_import_part', 'roster_import_part']; // prettier-ignore
  for (const service of services) {
    const names = await fleet.rows(service, `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition`); // prettier-ignore
    const tables = {};
    for (const { name } of names.filter((one) => !secret.includes(one.name))) {
      const more = name === 'journal' ? `|| jsonb_build_object('committed_at', extract(epoch from pg_xact_commit_timestamp(t.xmin)) * 1000)` : ''; // prettier-ignore
      const order = name === 'journal' ? 'order by t.id' : '';
      tables[name] = (await fleet.rows(service, `select to_jsonb(t) - 'password_hash' ${more} as row from ${name} t ${order}`)).map(({ row }) => row); // prettier-ignore
    }
    // Of the test's own triggers: in how many committed transactions something was written for each fact.
    tables.chaos_written = await fleet.rows(service, `select event_id, count(distinct tx)::int as times from chaos.seen join chaos.wrote using (tx) group by event_id`); // prettier-ignore
    writeFileSync(join(out, `final/${service}.json`), JSON.stringify(tables));
  }
  const run = {
    seed, startedAt, endedAt: Date.now(), county, counts: { ...loaded.counts, refusals: loaded.refusals, planted: bug ?? null },
    quiet: notQuiet === undefined, notQuiet: notQuiet ?? null, quietMs, faults,
  }; // prettier-ignore
  writeFileSync(join(out, 'run.json'), JSON.stringify(run, null, 2));
}

/** What the judge says of a folder. */
function judge(folder) {
  const judged = spawnSync(process.execPath, ['test/oracle/chaos.mjs', folder], { encoding: 'utf8', maxBuffer: 1 << 28 }); // prettier-ignore
  try {
    return JSON.parse(judged.stdout);
  } catch {
    throw new Error(`The judge said nothing that can be read: ${judged.stderr || judged.error}`);
  }
}

/** Each bug in a run of its own. @returns the exit code */
async function everyBug() {
  const found = {};
  for (const name of Object.keys(planted)) {
    const json = join(await mkdtemp(join(tmpdir(), 'foodwarden-chaos-')), 'result.json');
    const words = ['test/chaos.mjs', '--planted', name, '--seed', values.seed, '--json', json];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'inherit'] });
    const exit = await new Promise((done) => child.once('exit', done));
    const { verdict, rules, seconds } = JSON.parse(readFileSync(json, 'utf8'));
    found[name] = { found: exit === 0, verdict, rules, seconds, bug: planted[name].say };
    await rm(dirname(json), { recursive: true, force: true });
    say(`${name}: ${JSON.stringify(found[name])}`);
  }
  const json = values.json ?? 'bench/results/chaos-planted.json';
  mkdirSync(dirname(json), { recursive: true });
  writeFileSync(json, `${JSON.stringify({ what: 'bugs planted into a copy, and what the judge says', at: new Date().toISOString(), seed: Number(values.seed), found }, null, 2)}\n`); // prettier-ignore
  console.log(JSON.stringify(found, null, 2));
  return Object.values(found).every((one) => one.found) ? 0 : 1;
}

const finish = async () => {
  ending = true;
  if (fleet) writeFileSync(join(out, 'processes.log'), fleet.log);
  for (const slot of slots) slot.replica?.child.kill('SIGCONT');
  for (const step of undo.splice(0).reverse()) await step().catch((error) => say(error.message));
};
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => void finish().then(() => process.exit(1)));

// Nothing of this run outlives it.
process.once('uncaughtException', (error) => {
  say(error.stack);
  void finish().then(() => process.exit(1));
});

let good = false;
try {
  const { loaded, notQuiet, quietMs, seconds: lasted } = await main();
  await finish();
  const { verdict, findings, counts, counted, notCountedBecause } = judge(out);
  const rules = counts.findings;
  const recovery = {};
  for (const { kind, target, recoveryMs } of faults) {
    const of = (recovery[kind === 'kill' || kind === 'stop' ? `${kind} ${target}` : kind] ??= { faults: 0, ms: [] }); // prettier-ignore
    of.faults += 1;
    if (recoveryMs !== undefined) of.ms.push(recoveryMs);
  }
  for (const of of Object.values(recovery)) {
    of.ms.sort((a, b) => a - b);
    Object.assign(of, { seen: of.ms.length, medianMs: of.ms[Math.floor(of.ms.length / 2)], mostMs: of.ms.at(-1) }); // prettier-ignore
    delete of.ms;
  }
  const result = {
    what: bug ? `planted: ${planted[bug].say}` : 'kills, frozen processes, bad lines, NATS away and full, under a mixed load',
    at: new Date().toISOString(), seed, seconds: lasted, kills: faults.filter(({ kind }) => kind === 'kill').length, faults: faults.length,
    operations: loaded.counts, refusals: loaded.refusals, notQuiet: notQuiet ?? null, quietMs, verdict, rules, counts, counted, notCountedBecause,
    recovery, findings: findings.slice(0, 30),
  }; // prettier-ignore
  const json = values.json ?? (bug ? undefined : 'bench/results/chaos.json');
  if (json) {
    mkdirSync(dirname(json), { recursive: true });
    writeFileSync(json, `${JSON.stringify(result, null, 2)}\n`);
  }
  console.log(JSON.stringify(result, null, 2));
  good = bug
    ? Object.keys(rules).some((rule) => rule !== 'dump' && rule !== 'history')
    : verdict === 'ok' && (counted || values.short);
  if (good && !values.out) await rm(out, { recursive: true, force: true });
  else say(`what was seen lies in ${out}`);
} catch (error) {
  say(error.stack);
  await finish();
}
process.exit(good ? 0 : 1);
