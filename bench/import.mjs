// P4 of the design: a ledger (CSV) lands through the platform's own job, every row checked and told, against COPY into
// unlogged staging and INSERT … SELECT of the same rows into the same tables and indexes (establishment, search, change log,
// what the import did, journal, outbox) by a superuser past every wall. One durable PostgreSQL; rounds alternate, each from empty tables; medians.
//   node bench/import.mjs [rows] [rounds]        50000 5; no rounds: one import, for its memory alone
// NATS is left out, as the baseline has none either.
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import pg from 'pg';
import { answering, ledgerOf, median, startRegistry } from './registry.mjs';

const rows = Number(process.argv[2] ?? 50_000);
const rounds = Number(process.argv[3] ?? 5);
const tables = [
  'establishment',
  'establishment_search',
  'change',
  'ledger_import_effect',
  'journal',
];
const kept = { journal: 'event_id, type, division, aggregate_id, sequence, actor, event' };

/** COPY by hand: `pg` has the messages, and no more. */
class Copy {
  chunks = [];
  constructor(text, input) {
    this.text = text;
    this.input = input;
    this.whole = new Promise((done, failed) => Object.assign(this, { done, failed }));
  }
  submit(connection) {
    connection.query(this.text);
  }
  handleCopyInResponse(connection) {
    for (let at = 0; at < this.input.length; at += 1 << 20)
      connection.sendCopyFromChunk(this.input.subarray(at, at + (1 << 20)));
    connection.endCopyFrom();
  }
  handleCopyData({ chunk }) {
    this.chunks.push(Buffer.from(chunk)); // the parser writes over its own
  }
  handleCommandComplete() {}
  handleError(error) {
    this.failed(error);
  }
  handleReadyForQuery() {
    this.done(Buffer.concat(this.chunks));
  }
}

const ground = await startRegistry({ bus: false });
const admin = new pg.Client({ connectionString: ground.admin });
try {
  await admin.connect();
  const copy = (text, input) => {
    const one = new Copy(text, input);
    admin.query(one);
    return one.whole;
  };
  const empty = async () => {
    await admin.query(
      'truncate establishment, establishment_search, change, journal, outbox, ledger_import, ledger_import_part, ledger_import_finding, ledger_import_effect',
    );
    await admin.query('checkpoint');
  };
  for (const table of tables)
    await admin.query(
      `create unlogged table staging_${table} as select ${kept[table] ?? '*'} from ${table} where false`,
    );

  const csv = Buffer.from(ledgerOf(rows));
  const authorization = `Bearer ${await ground.token('county-admin', '371425')}`;
  const service = await ground.run();
  await answering(service);
  const peakMb = (pid = service.pid) =>
    Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
  /** Of the process that lands imports. */
  const apartMb = () => {
    const pids = readFileSync(`/proc/${service.pid}/task/${service.pid}/children`, 'utf8').trim().split(' ');
    return Math.max(...pids.map((pid) => peakMb(pid)));
  }; // prettier-ignore
  const atRestMb = peakMb();

  let counts;
  const platform = async () => {
    await empty();
    const form = new FormData();
    form.set('file', new Blob([csv]), 'ledger.csv');
    const sent = performance.now();
    const answer = await fetch(`http://127.0.0.1:${service.port}/api/registry/v1/ledger-imports`, {
      method: 'POST',
      headers: { authorization },
      body: form,
    });
    if (answer.status !== 202) throw new Error(await answer.text());
    const accepted = performance.now();
    let begun;
    for (;;) {
      const {
        rows: [one],
      } = await admin.query('select state, failure, counts from ledger_import');
      if (one.state !== 'queued') begun ??= performance.now();
      if (one.state === 'failed') throw new Error(one.failure);
      counts = one.counts;
      if (one.state === 'done') break;
      await new Promise((done) => setTimeout(done, 10));
    }
    const done = performance.now();
    return { jobMs: done - begun, wholeMs: done - sent, acceptMs: accepted - sent };
  };
  let dumped;
  const bare = async () => {
    await empty();
    for (const table of tables) await admin.query(`truncate staging_${table}`);
    const begun = performance.now();
    for (const table of tables) await copy(`copy staging_${table} from stdin`, dumped[table]);
    await admin.query('begin');
    await admin.query('insert into ledger_import select * from staging_ledger_import');
    for (const table of tables)
      if (table !== 'journal')
        await admin.query(`insert into ${table} select * from staging_${table}`);
    await admin.query(
      `with written as (insert into journal (${kept.journal}) select * from staging_journal returning id, recorded_at)
       insert into outbox (journal_id, recorded_at) select id, recorded_at from written`,
    );
    await admin.query('commit');
    return { jobMs: performance.now() - begun };
  };

  console.log('warm', await platform());
  const { created } = counts;
  const sum = created + counts.updated + counts.unchanged + counts.refused + counts.duplicate;
  if (counts.rows !== rows || sum !== rows)
    throw new Error(`Counts are wrong: ${JSON.stringify(counts)}`);
  const { rows: [there] } = await admin.query(
    `select (select count(*)::int from establishment) as establishments, (select count(*)::int from establishment_search) as names,
            (select count(*)::int from journal) as facts, (select count(*)::int from outbox) as unsent,
            (select count(distinct row)::int from ledger_import_finding) as told`,
  ); // prettier-ignore
  if ([there.establishments, there.names].some((n) => n !== created) || [there.facts, there.unsent].some((n) => n !== created + counts.updated))
    throw new Error(`Rows are missing: ${JSON.stringify(there)} of ${created}`); // prettier-ignore
  dumped = {};
  for (const table of tables)
    dumped[table] = await copy(`copy (select ${kept[table] ?? '*'} from ${table}) to stdout`);
  await admin.query(
    `create table staging_ledger_import as select * from ledger_import;
     update staging_ledger_import set file = ''`,
  );
  console.log('warm', await bare());

  const results = { platform: [], bare: [] };
  for (let n = 0; n < rounds; n++)
    for (const [name, run] of n % 2 ? [['platform', platform], ['bare', bare]] : [['bare', bare], ['platform', platform]]) {
      const one = await run();
      results[name].push(one);
      console.log(name, Object.entries(one).map(([key, value]) => `${key} ${value.toFixed(0)}`).join(', '));
    } // prettier-ignore
  const of = (name, key) => median(results[name].map((one) => one[key]));
  const summary = {
    what: 'P4: ledger import (CSV) by the platform’s job / COPY + INSERT … SELECT of the same rows into the same tables and indexes',
    at: new Date().toISOString(),
    node: process.version,
    cores: cpus().length,
    rows,
    rounds,
    counts,
    told: there.told,
    fileMegabytes: csv.length / 1e6,
    platformMs: of('platform', 'jobMs'),
    bareMs: of('bare', 'jobMs'),
    platformRowsPerSecond: rows / (of('platform', 'jobMs') / 1000),
    bareRowsPerSecond: created / (of('bare', 'jobMs') / 1000),
    ratio: of('bare', 'jobMs') / of('platform', 'jobMs'),
    withUploadAndFirstCheckMs: of('platform', 'wholeMs'),
    uploadAndFirstCheckMs: of('platform', 'acceptMs'),
    peakMegabytes: peakMb(),
    apartPeakMegabytes: apartMb(),
    atRestMegabytes: atRestMb,
    results,
  };
  await mkdir('bench/results', { recursive: true });
  await writeFile(`bench/results/import-${rows}.json`, `${JSON.stringify(summary, null, 2)}\n`);
  const { results: _, ...said } = summary;
  console.log(said);
} finally {
  await admin.end();
  await ground.stop();
}
