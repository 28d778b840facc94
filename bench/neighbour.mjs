// What an import costs those beside it: p95 of another township's GET (a search) and POST (a registration) in the same
// process, at a fixed rate, while a ledger of the largest size lands and while none does. Rounds alternate; medians.
//   node bench/neighbour.mjs [seconds per round] [rounds] [requests per second]        8 5 40
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { cpus } from 'node:os';
import pg from 'pg';
import { answering, ledgerOf, median, startRegistry } from './registry.mjs';

const seconds = Number(process.argv[2] ?? 8);
const rounds = Number(process.argv[3] ?? 5);
const perSecond = Number(process.argv[4] ?? 40);
const [town, village, busyTown] = ['371425102', '371425102201', '371425101'];

const ground = await startRegistry({ bus: true });
const admin = new pg.Client({ connectionString: ground.admin });
try {
  await admin.connect();
  const { port } = await ground.run();
  await answering({ port });
  const office = await ground.token('office', town);
  const busy = await ground.token('office', busyTown);
  const padded = ledgerOf(190_000, { town: busyTown }).replaceAll('号,', `号${'院内'.repeat(18)},`);
  const ledger = Buffer.from(padded).subarray(0, 52_000_000);
  const whole = ledger.subarray(0, ledger.lastIndexOf('\n') + 1);

  const ask = (agent, method, path, body) =>
    new Promise((done, failed) => {
      const begun = performance.now();
      const text = body ? JSON.stringify(body) : '';
      const headers = { authorization: `Bearer ${office}`, ...(body ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } : {}) }; // prettier-ignore
      const one = request({ agent, port, host: '127.0.0.1', method, path: `/api/registry/v1${path}`, headers }, (answer) => {
        answer.resume();
        answer.on('end', () => answer.statusCode < 300 ? done(performance.now() - begun) : failed(new Error(`${method} ${answer.statusCode}`)));
      }); // prettier-ignore
      one.on('error', failed);
      one.end(text);
    });
  const shop = (name = '邻家') => ({ division: village, name: `${name}${randomUUID()}饭店`, address: '中心街12号', kind: 'catering', area: 120 }); // prettier-ignore
  /** At a fixed rate, whatever the answers take. */
  const load = async (forSeconds) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 64 });
    const took = { GET: [], POST: [] };
    const flying = [];
    const begun = performance.now();
    for (let n = 0; n < forSeconds * perSecond; n++) {
      const wait = begun + (n * 1000) / perSecond - performance.now();
      if (wait > 0) await new Promise((done) => setTimeout(done, wait));
      const method = n % 2 ? 'POST' : 'GET';
      flying.push(
        (method === 'GET'
          ? ask(agent, 'GET', `/establishments?name=${encodeURIComponent('邻舍')}&limit=20`)
          : ask(agent, 'POST', '/establishments', shop())
        ).then((ms) => took[method].push(ms)),
      );
    }
    await Promise.all(flying);
    agent.destroy();
    const at = (list, part) => list.sort((a, b) => a - b)[Math.floor(list.length * part)];
    return { getP50: at(took.GET, 0.5), getP95: at(took.GET, 0.95), postP50: at(took.POST, 0.5), postP95: at(took.POST, 0.95) }; // prettier-ignore
  };
  /** Each round begins alike: nothing left to send, and no names that the index has yet to sort in, which each search reads. */
  const settle = async () => {
    await admin.query(`select gin_clean_pending_list('establishment_search_grams')`);
    for (;;) {
      const {
        rows: [{ n }],
      } = await admin.query('select count(*)::int as n from outbox');
      if (n === 0) return;
      await new Promise((done) => setTimeout(done, 100));
    }
  };
  const without = async () => {
    await settle();
    return load(seconds);
  };
  const beside = async () => {
    await settle();
    const form = new FormData();
    form.set('file', new Blob([whole]), 'ledger.csv');
    const answer = await fetch(`http://127.0.0.1:${port}/api/registry/v1/ledger-imports`, {
      method: 'POST',
      headers: { authorization: `Bearer ${busy}` },
      body: form,
    });
    if (answer.status !== 202) throw new Error(await answer.text());
    const { id } = await answer.json();
    const state = async () =>
      (await admin.query('select state, done_rows from ledger_import where id = $1', [id])).rows[0];
    while ((await state()).done_rows === 0) await new Promise((done) => setTimeout(done, 50));
    const before = (await state()).done_rows;
    const one = await load(seconds);
    const after = await state();
    if (after.state !== 'running') throw new Error(`The import was ${after.state} too soon.`);
    // It has served its purpose: its worker finds the claim gone, and stops.
    await admin.query(`update ledger_import set state = 'failed', claim = null where id = $1`, [
      id,
    ]);
    return { ...one, importedRowsPerSecond: (after.done_rows - before) / seconds };
  };
  const settled = new Agent({ keepAlive: true });
  for (let n = 0; n < 200; n++) await ask(settled, 'POST', '/establishments', shop('邻舍')); // what is searched stays the same
  settled.destroy();
  await load(3); // warm
  await beside();
  const results = { without: [], beside: [] };
  for (let n = 0; n < rounds; n++)
    for (const [name, round] of n % 2 ? [['without', without], ['beside', beside]] : [['beside', beside], ['without', without]]) {
      const one = await round();
      results[name].push(one);
      console.log(name, Object.entries(one).map(([key, value]) => `${key} ${value.toFixed(1)}`).join(', '));
    } // prettier-ignore
  const of = (name, key) => median(results[name].map((one) => one[key]));
  const summary = {
    what: 'p95 in ms of another township’s requests beside a running import / without one, in one process',
    at: new Date().toISOString(),
    node: process.version,
    cores: cpus().length,
    fileMegabytes: whole.length / 1e6,
    seconds,
    rounds,
    perSecond,
    importedRowsPerSecond: of('beside', 'importedRowsPerSecond'),
    getP95: [of('beside', 'getP95'), of('without', 'getP95')],
    getRatio: of('beside', 'getP95') / of('without', 'getP95'),
    postP95: [of('beside', 'postP95'), of('without', 'postP95')],
    postRatio: of('beside', 'postP95') / of('without', 'postP95'),
    results,
  };
  await mkdir('bench/results', { recursive: true });
  await writeFile('bench/results/neighbour.json', `${JSON.stringify(summary, null, 2)}\n`);
  const { results: _, ...said } = summary;
  console.log(said);
} finally {
  await admin.end();
  await ground.stop();
}
