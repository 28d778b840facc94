// npm run evolution: the code of the commit in test/previous.json beside today's, each service in turn. Databases and streams
// are today's (they are deployed first), one service runs as it was, the others as they are: a round from the register to the
// message must work; then today's process joins the old one and the old one leaves, while facts flow. The verdict counts
// rows: every fact that today's service listens to is applied once, also those that the old one never heard of; a fact with
// unknown fields is applied, after a replay where the old one set it aside; one of an unknown major waits in the dead letters of whoever listens to it.
//   npm run evolution -- [service …] [--json <file>]
// Ends with 1 where that is not so, with 3 where the clone does not hold the commit.
import { spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { jetstream } from '@nats-io/jetstream';
import { v7 as uuidv7 } from 'uuid';
import { ensureBuilt, nodePath, root } from '../apps/platform/install.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string', default: 'bench/results/evolution.json' } },
});
process.chdir(root);
const { commit } = JSON.parse(readFileSync('test/previous.json', 'utf8'));
const say = (line) => process.stderr.write(`evolution: ${line}\n`);
const git = (...words) => spawnSync('git', words, { encoding: 'utf8' });
if (git('cat-file', '-e', `${commit}^{commit}`).status !== 0) {
  say(
    `SKIPPED: this clone does not hold ${commit}: git fetch --unshallow || git fetch origin ${commit}`,
  );
  process.exit(3);
}
ensureBuilt();
const load = (path) => import(resolve('dist', path));
const { startPostgres, removePostgres, obtainNatsServer } = await load('libs/servers/src/index.js');
const { listeners, publishers, streamOf, subjectOf } = await load('libs/contracts/src/index.js');
const undo = [];

/** The previous code, built in a worktree of its own. @returns its folder */
function buildPrevious() {
  const folder = join(mkdtempSync(join(tmpdir(), 'foodwarden-previous-')), 'tree');
  const { status, stderr } = git('worktree', 'add', '--detach', folder, commit);
  if (status !== 0) throw new Error(stderr);
  undo.push(async () => {
    git('worktree', 'remove', '--force', folder);
    rmSync(join(folder, '..'), { recursive: true, force: true });
  });
  const lock = (path) => createHash('sha256').update(readFileSync(join(path, 'package-lock.json'))).digest('hex'); // prettier-ignore
  if (lock(folder) === lock(root))
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  else {
    say('another lock file: installing its packages');
    const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' }); // prettier-ignore
    if (npm.status !== 0) throw new Error('npm ci failed in the worktree of the previous commit.');
  }
  const swc = join(root, 'node_modules/@swc/cli/bin/swc.js');
  const built = spawnSync(nodePath(), [swc, 'apps', 'libs', '-d', 'dist', '--extensions', '.ts', '--copy-files', '--quiet'], { cwd: folder, stdio: 'inherit' }); // prettier-ignore
  if (built.status !== 0) throw new Error('The previous commit did not build.');
  return folder;
}

const wrong = [];
const figures = {};

async function main() {
  const previous = buildPrevious();
  if (!process.env.TEST_SERVERS) {
    const folder = await mkdtemp(join(tmpdir(), 'foodwarden-evolution-'));
    undo.push(() => rm(folder, { recursive: true, force: true }));
    const postgres = await startPostgres({ dataDir: join(folder, 'data'), durable: false });
    undo.push(
      () => removePostgres(join(folder, 'data')),
      () => postgres.stop(),
    );
    const natsServer = await obtainNatsServer(process.env.FOODWARDEN_CACHE ?? resolve('.cache'), say); // prettier-ignore
    process.env.TEST_SERVERS = JSON.stringify({ postgres: postgres.url('postgres'), natsServer });
  }
  const { Fleet, eventually } = await load('libs/testing/src/index.js');
  const turns = positionals.length > 0 ? positionals : publishers;
  const fleet = await Fleet.make(publishers);
  undo.push(() => fleet.stop());
  await fleet.startNats();
  await fleet.deployBus();
  for (const service of publishers) {
    if (!existsSync(join(previous, `apps/${service}/src/main.ts`))) continue;
    const said = await fleet.step(service, ['migrate'], { DATABASE_OWNER_URL: fleet.url(service, 'owner') }, '', previous); // prettier-ignore
    if (!/: 0 migrations applied/.test(said)) wrong.push(`${service}: a migration of the previous commit is not in today’s: ${said}`); // prettier-ignore
  }
  const running = new Map();
  for (const service of publishers)
    running.set(service, await fleet.run(service, 0, service === turns[0] ? previous : undefined));
  await fleet.enrol([
    { name: 'county', role: 'county-admin', division: '371425' },
    { name: 'county-2', role: 'county-admin', division: '371425' },
  ]);

  /** A request to one of the processes that serve it, in turn; not judged by a document, as two are true meanwhile. */
  let next = 0;
  async function ask(account, service, method, path, body, headers = {}) {
    const those = fleet.running(service);
    const { port } = those[next++ % those.length];
    const form = body instanceof FormData;
    const answer = await fetch(`http://127.0.0.1:${port}/api/${service}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${await fleet.token(account)}`,
        ...(body && !form ? { 'content-type': 'application/json' } : {}),
        ...headers,
      },
      ...(body ? { body: form ? body : JSON.stringify(body) } : {}),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${service} ${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }
  const has = (what, service, sql, parameters, count) =>
    eventually(
      async () => (await fleet.rows(service, sql, parameters)).length,
      (n) => n === count,
      90_000,
    ).catch((error) => {
      throw new Error(`${what}: ${error.message}`);
    });

  const divisions = readFileSync('apps/platform/sample/divisions.csv', 'utf8').trim().split('\n').map((line) => line.split(',')[0]); // prettier-ignore
  const townships = divisions.filter((code) => code.length === 9 && code.startsWith('371425'));
  const { checklists } = JSON.parse(readFileSync('apps/platform/sample/checklists.json', 'utf8'));
  const items = checklists.find(({ kinds }) => kinds.includes('small-catering')).items;
  const quarter = () => {
    const day = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Asia/Shanghai' }).format(new Date());
    return `${day.slice(0, 4)}-Q${Math.ceil(Number(day.slice(5, 7)) / 3)}`;
  };

  /** Once round in a township of its own: roster, register, proposal, visit, correction, message, training. */
  async function round() {
    const township = townships.shift();
    const [village] = divisions.filter((code) => code.length === 12 && code.startsWith(township));
    const office = `office-${township}`;
    await fleet.enrol([{ name: office, role: 'office', division: township }]);
    const form = new FormData();
    form.set('file', new Blob([`姓名,职务,层级,行政区划代码\n甲${township},书记,村级,${village}\n`]), 'a.csv'); // prettier-ignore
    await ask('county', 'assignment', 'POST', '/v1/roster-imports', form, { 'idempotency-key': randomUUID() }); // prettier-ignore
    await has('roster', 'assignment', 'select 1 from official where division = $1', [village], 1);
    const shops = [];
    for (const name of ['一店', '二店', '三店'])
      shops.push(await ask(office, 'registry', 'POST', '/v1/establishments', { division: village, name, address: `${name}街1号`, kind: 'small-catering' })); // prettier-ignore
    for (const consumer of ['assignment', 'inspection'])
      await has(`copies in ${consumer}`, consumer, 'select 1 from premises where division = $1', [village], 3); // prettier-ignore
    const { id } = await ask('county', 'assignment', 'POST', '/v1/proposals', { division: township }); // prettier-ignore
    await ask('county-2', 'assignment', 'POST', `/v1/proposals/${id}/approval`);
    await has('responsibility', 'inspection', 'select 1 from responsibility where division = $1', [village], 3); // prettier-ignore
    await ask('county', 'inspection', 'POST', '/v1/obligation-runs', { period: quarter() });
    await has('visits due', 'inspection', `select 1 from obligation where division = $1 and state = 'open'`, [village], 3); // prettier-ignore
    const [official] = await fleet.rows('assignment', 'select id from official where division = $1', [village]); // prettier-ignore
    const account = `official-${township}`;
    await fleet.enrol([{ name: account, role: 'official', division: township, official: official.id }]); // prettier-ignore
    await has('official in training', 'training', 'select 1 from official where official_id = $1', [official.id], 1); // prettier-ignore
    const visit = {
      establishmentId: shops[0].id, method: 'on-site', visitedAt: new Date(Date.now() - 60_000).toISOString(), operator: { answer: 'signed', signedBy: '王某' },
      results: items.map(({ code }, index) => ({ item: code, result: index === 0 ? 'fail' : 'pass' })),
      findings: [{ item: items[0].code, text: '不合格', handling: 'deadline', workingDays: 3 }],
    }; // prettier-ignore
    await ask(account, 'inspection', 'POST', '/v1/inspections', visit);
    await has('message of the correction', 'notification', `select 1 from message where kind = 'correction-due' and official_id = $1`, [official.id], 1); // prettier-ignore
    const session = await ask(office, 'training', 'POST', '/v1/sessions', { title: '岗前培训', place: '会议室', heldAt: new Date(Date.now() - 3_600_000).toISOString() }); // prettier-ignore
    await ask(office, 'training', 'POST', `/v1/sessions/${session.id}/attendances`, { officials: [official.id] }); // prettier-ignore
    await has('qualification', 'inspection', 'select 1 from qualification where official_id = $1', [official.id], 1); // prettier-ignore
    return { office, shops };
  }
  /** Changes of what a round made, while two versions of a service run. */
  async function more({ office, shops }) {
    for (const shop of shops)
      for (let step = 1; step <= 5; step++)
        Object.assign(shop, await ask(office, 'registry', 'PATCH', `/v1/establishments/${shop.id}`, { name: `改${step}` }, { 'if-match': `"${shop.version}"` })); // prettier-ignore
    await fleet.enrol([{ name: `more-${randomUUID()}`, role: 'auditor', division: '371425' }]); // a fact for every service
  }

  /** Today's facts and those of another version of them, from their owner, to all who listen. */
  async function planted() {
    const made = { unknownFields: [], unknownMajor: [] };
    for (const owner of publishers) {
      const bus = await fleet.bus(owner);
      const facts = await fleet.rows(owner, 'select distinct on (type) type, event from journal order by type, id desc'); // prettier-ignore
      for (const { type, event } of facts) {
        const later = { ...event, id: uuidv7(), newextension: 'x', data: { ...event.data, fieldOfTomorrow: { deep: [1] } } }; // prettier-ignore
        await jetstream(bus).publish(subjectOf(type, event.division), JSON.stringify(later), { msgID: later.id }); // prettier-ignore
        made.unknownFields.push({ id: later.id, type });
        const major = { ...later, id: uuidv7(), type: type.replace(/\d+$/, '99') };
        await jetstream(bus).publish(subjectOf(major.type, event.division), JSON.stringify(major), { msgID: major.id }); // prettier-ignore
        made.unknownMajor.push({ id: major.id, type, major: major.type });
      }
      await bus.close();
    }
    return made;
  }
  const takes = (consumer, type) => (listeners[consumer] ?? []).some((one) => one.type === type);
  async function judgePlanted({ unknownFields, unknownMajor }) {
    for (const consumer of Object.keys(listeners)) {
      for (const { id, type } of unknownFields.filter((one) => takes(consumer, one.type)))
        await has(`${consumer} applies ${type} with unknown fields`, consumer, 'select 1 from inbox where event_id = $1', [id], 1); // prettier-ignore
      for (const { id, type, major } of unknownMajor.filter((one) => takes(consumer, one.type)))
        await has(`${consumer} sets ${major} aside, which comes for ${type}`, consumer, `select 1 from dead_letter where (message->>'text')::jsonb->>'id' = $1`, [id], 1); // prettier-ignore
    }
    figures.unknownFields = (figures.unknownFields ?? 0) + unknownFields.length;
    figures.unknownMajors = (figures.unknownMajors ?? 0) + unknownMajor.length;
  }

  for (const [turn, service] of turns.entries()) {
    const from = Date.now();
    if (turn > 0) {
      await fleet.kill(running.get(service), 'SIGTERM');
      running.set(service, await fleet.run(service, 0, previous));
    }
    const old = running.get(service);
    const first = await round();
    const before = await planted();
    // identity listens on one port: its old process leaves before the new one comes.
    if (service === 'identity') await fleet.kill(old, 'SIGTERM');
    running.set(service, await fleet.run(service));
    await more(first);
    if (service !== 'identity') await fleet.kill(old, 'SIGTERM');
    await more(await round());
    await fleet.quiet(120_000);
    // What the old process did not take and today's does waits in the dead letters: the step of an upgrade applies it.
    // Identity has no such command, only the route; what it was heard no facts, and so set none aside.
    const said =
      service === 'identity'
        ? '0 replayed'
        : await fleet.step(service, ['replay'], { DATABASE_URL: fleet.url(service, 'app') });
    const replayed = Number(/(\d+) replayed/.exec(said)?.[1]);
    await fleet.quiet(120_000);
    await judgePlanted(before);
    // What was set aside is what was planted, and nothing else.
    const known = new Set(before.unknownMajor.map(({ id }) => id));
    for (const consumer of Object.keys(listeners)) {
      const letters = await fleet.rows(consumer, `select id, type, cause, message from dead_letter where replayed_at is null`); // prettier-ignore
      for (const { type, cause, message } of letters)
        if (!known.has(JSON.parse(message.text).id)) wrong.push(`${service} in turn: ${consumer} set ${type} aside: ${cause}`); // prettier-ignore
      await fleet.rows(consumer, 'update dead_letter set replayed_at = now()'); // seen; the next turn has its own
    }
    // Every fact of every journal, applied once by everybody who listens to it today.
    for (const owner of publishers) {
      const facts = await fleet.rows(owner, 'select event_id as id, type from journal');
      for (const consumer of Object.keys(listeners)) {
        const due = facts.filter(({ type }) => takes(consumer, type)).map(({ id }) => id);
        const [{ n }] = await fleet.rows(consumer, 'select count(*)::int as n from inbox where event_id = any($1)', [due]); // prettier-ignore
        if (n !== due.length) wrong.push(`${service} in turn: ${consumer} applied ${n} of ${due.length} facts of ${streamOf(owner)}`); // prettier-ignore
        figures.applied = (figures.applied ?? 0) + n;
      }
    }
    say(`${service}: ${Math.round((Date.now() - from) / 1000)} s`);
    figures[service] = { seconds: Math.round((Date.now() - from) / 1000), replayed };
  }
  figures.turns = turns;
}

const finish = async () => {
  for (const step of undo.splice(0).reverse()) await step().catch((error) => say(error.message));
};
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => void finish().then(() => process.exit(1)));
try {
  await main();
} catch (error) {
  wrong.push(error.stack ?? String(error));
}
await finish();
const result = { what: 'the previous commit beside today’s', commit, at: new Date().toISOString(), ...figures, wrong }; // prettier-ignore
await mkdir(join(values.json, '..'), { recursive: true });
writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
console.log(JSON.stringify(result, null, 2));
process.exit(wrong.length === 0 ? 0 : 1);
