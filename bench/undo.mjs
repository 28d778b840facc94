// What a ledger of the largest size costs after it has landed: its export as a workbook and its undoing, through the API of
// one service; time, and the peak memory of the process (VmHWM), against a ledger of a tenth.
//   node bench/undo.mjs [rows]        200000
// Each step has a process of its own, so that its peak is its own. NATS is left out: facts stay in the outbox.
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import pg from 'pg';
import { answering, ledgerOf, startRegistry } from './registry.mjs';

const rows = Number(process.argv[2] ?? 200_000);

const ground = await startRegistry({ bus: false });
const admin = new pg.Client({ connectionString: ground.admin });
try {
  await admin.connect();
  const one = async (text, values) => (await admin.query(text, values)).rows[0];
  const authorization = `Bearer ${await ground.token('county-admin', '371425')}`;

  const round = async (size) => {
    await admin.query(
      `truncate establishment, establishment_search, establishment_restored, change, journal, outbox, ledger_import,
                ledger_import_finding, ledger_import_effect`,
    );
    await admin.query('checkpoint');
    let base;
    const measured = {};
    const step = async (name, work) => {
      const service = await ground.run();
      await answering(service);
      base = `http://127.0.0.1:${service.port}/api/registry/v1`;
      const peak = () =>
        Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${service.pid}/status`, 'utf8'))[1]) / 1024); // prettier-ignore
      const atRestMegabytes = peak();
      const begun = performance.now();
      const more = await work();
      measured[name] = { ms: Math.round(performance.now() - begun), atRestMegabytes, peakMegabytes: peak(), ...more }; // prettier-ignore
      console.log(size, name, measured[name]);
      await service.end();
    };

    await step('import', async () => {
      const form = new FormData();
      form.set('file', new Blob([ledgerOf(size)]), 'ledger.csv');
      const answer = await fetch(`${base}/ledger-imports`, { method: 'POST', headers: { authorization }, body: form }); // prettier-ignore
      if (answer.status !== 202) throw new Error(await answer.text());
      for (;;) {
        const { state, failure } = await one('select state, failure from ledger_import');
        if (state === 'failed') throw new Error(failure);
        if (state === 'done') return {};
        await new Promise((done) => setTimeout(done, 50));
      }
    });
    const { id, counts } = await one('select id, counts from ledger_import');
    if (counts.rows !== size) throw new Error(`Counts are wrong: ${JSON.stringify(counts)}`);

    await step('export', async () => {
      const answer = await fetch(`${base}/establishments.xlsx`, { headers: { authorization } });
      if (answer.status !== 200) throw new Error(await answer.text());
      let bytes = 0;
      let firstMs;
      const begun = performance.now();
      for await (const chunk of answer.body) {
        firstMs ??= Math.round(performance.now() - begun);
        bytes += chunk.length; // thrown away: a browser keeps it on its own machine
      }
      return { firstByteMs: firstMs, megabytes: Math.round(bytes / 1e5) / 10 };
    });

    await step('undo', async () => {
      // Somebody else asks for one page after the other meanwhile: what the undoing costs those beside it.
      let undone = false;
      const waits = [];
      const beside = (async () => {
        while (!undone) {
          const begun = performance.now();
          const answer = await fetch(`${base}/establishments?limit=20`, {
            headers: { authorization },
          });
          await answer.arrayBuffer();
          waits.push(performance.now() - begun);
          await new Promise((done) => setTimeout(done, 50));
        }
      })();
      const answer = await fetch(`${base}/ledger-imports/${id}/undo`, { method: 'POST', headers: { authorization } }); // prettier-ignore
      const body = await answer.json();
      undone = true;
      await beside;
      if (answer.status !== 200 || body.state !== 'undone') throw new Error(JSON.stringify(body));
      waits.sort((a, b) => a - b);
      return {
        besideP95Ms: Math.round(waits[Math.floor(waits.length * 0.95)]),
        besideMaxMs: Math.round(waits.at(-1)),
      };
    });
    const there = await one(
      `select (select count(*)::int from establishment) as all, (select count(*)::int from establishment where status = 'closed') as closed,
              (select count(*)::int from outbox) as facts`,
    );
    if (there.all !== counts.created || there.closed !== there.all || there.facts !== 2 * counts.created + counts.updated)
      throw new Error(`Not all is undone: ${JSON.stringify({ ...there, counts })}`); // prettier-ignore
    return measured;
  };

  const tenth = await round(Math.round(rows / 10));
  const whole = await round(rows);
  const ratio = (name) => Math.round((whole[name].ms / tenth[name].ms) * 10) / 10;
  const summary = {
    what: 'A ledger exported as a workbook and undone, through the API; peak memory is VmHWM of the service since its start',
    when: new Date().toISOString(),
    cpus: cpus().map(({ model }) => model),
    rows,
    tenTimesTheRowsTake: Object.fromEntries(['import', 'export', 'undo'].map((name) => [name, ratio(name)])),
    tenth,
    whole,
  }; // prettier-ignore
  await mkdir('bench/results', { recursive: true });
  await writeFile(`bench/results/undo-${rows}.json`, `${JSON.stringify(summary, null, 2)}\n`);
  console.log(JSON.stringify(summary, null, 2));
} finally {
  await admin.end();
  await ground.stop();
}
