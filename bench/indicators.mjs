// What counting live costs: the routes' own methods, as the app role within its ground, without HTTP. 15,000 rows are a county,
// 300,000 a city or twenty quarters of a county. Each figure is the median and the 95th percentile of the calls.
//   node bench/indicators.mjs [calls]
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import 'reflect-metadata';

const load = (path) => import(resolve('dist', path));
const { startPostgres, removePostgres } = await load('libs/servers/src/index.js');
const { provision, migrate, Database } = await load('libs/database/src/index.js');
const { Arrivals } = await load('libs/platform/src/index.js');

const calls = Number(process.argv[2] ?? 30);
const password = 'only-here';
const county = '371425';
const [now, quarter] = ['2026-11-23T09:00:00+08:00', '2026-Q4'];
/** A village of one of 15 townships, and what a row number decides. */
const village = `'${county}' || lpad((101 + n % 15)::text, 3, '0') || lpad((201 + n % 60)::text, 3, '0')`;
const tier = `(array['A','B','C','C','C','D','D','D','D','D'])[1 + n % 10]`;
const officials = 1500;

/** Rows as a county has them, `size` of each table that is counted. */
const filled = {
  registry: (size) => [
    `insert into establishment (id, division, version, name, uscc, address, kind, area, status, tier, tier_decision, created_at, changed_at)
     select uuidv7(), ${village}, 1, '表白寺老王饭店' || n, '91371425MA3CM4AM88', '表白寺镇中心街' || n || '号', 'catering', 120,
       case when n % 20 = 0 then 'closed' else 'open' end, ${tier}, '{"tier":"C","rule":"tier-rule","version":1,"line":9,"facts":{"areaSquareMetres":120},"because":"catering, 100 to 500 square metres"}', '${now}', '${now}'
     from generate_series(1, ${size}) n`,
  ],
  assignment: (size) => [
    `insert into premises (establishment_id, division, sequence, name, kind, tier, status)
     select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, ${village}, 1, '店' || n, 'catering', ${tier}, case when n % 20 = 0 then 'closed' else 'open' end
     from generate_series(1, ${size}) n`,
    // Each was assigned anew once: as many ended as current.
    `insert into assignment (id, division, version, establishment_id, establishment_name, tier, official_id, official_name, official_post, official_level, proposal_id, made_by, made_at, ended_at)
     select uuidv7(), ${village}, 1, ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, '店' || n, ${tier}, ('00000000-0000-7000-9000-' || lpad((n % ${officials})::text, 12, '0'))::uuid, '王秀英', '书记', 'village',
       uuidv7(), 'x', '${now}', ended.at
     from generate_series(1, ${size}) n, (values (null), ('${now}'::timestamptz)) as ended(at)`,
  ],
  inspection: (size, quarters = 1) => [
    `insert into obligation (id, division, version, establishment_id, establishment_name, tier, period, due_on, state, official_id, official_name, opened_at)
     select uuidv7(), ${village}, 1, ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, '店' || n, ${tier},
       (2026 - q / 4) || '-Q' || (4 - q % 4), '2026-12-31', (array['open','settled','settled','overdue','withdrawn'])[1 + n % 5], uuidv7(), '王秀英', '${now}'
     from generate_series(1, ${Math.round(size / quarters)}) n, generate_series(0, ${quarters - 1}) q order by q, n`,
    // 6 % of the visits.
    `insert into corrective_action (id, division, version, number, inspection_id, establishment_id, establishment_name, item, key_item, finding, demand, state, start_on, working_days, due_on, due_state, deadline, steps, created_at, changed_at)
     select uuidv7(), ${village}, 1, 'ZG-' || n, uuidv7(), uuidv7(), '店' || n, 'catering-07', false, '未通电', '修复', (array['open','closed'])[1 + n % 2], '2026-12-31'::date - (n % (92 * ${quarters}))::int, 10, '2026-12-31', 'set', '{}', '[]', '${now}', '${now}'
     from generate_series(1, ${Math.round(size * 0.06)}) n`,
  ],
  training: (size) => [
    `insert into official (official_id, division, sequence, level, name, post, active) select ('00000000-0000-7000-9000-' || lpad(n::text, 12, '0'))::uuid, ${village}, 1, 'village', '王秀英', '书记', true from generate_series(1, ${size}) n`,
    `insert into session (id, division, version, requirement, title, place, held_at, created_by, created_at) values ('00000000-0000-7000-8000-000000000000', '${county}', 1, 'official-induction', '培训', '会议室', '${now}', 'x', '${now}')`,
    `insert into certificate (id, division, version, number, official_id, official_name, requirement, requirement_version, session_id, issued_at)
     select uuidv7(), division, 1, official_id::text, official_id, name, 'official-induction', 1, '00000000-0000-7000-8000-000000000000', '${now}' from official where official_id::text ~ '[0-6]$'`,
  ],
  notification: (size) => [
    `insert into message (id, division, version, kind, subject_id, sequence, audience, official_id, title_zh, title_en, about, created_at, read_at)
     select uuidv7(), ${village}, 1, 'visit-due', uuidv7(), 1, 'official', uuidv7(), '请于2026-12-31前督导“老王饭店”', 'A visit to 老王饭店 is due by 2026-12-31', '{"establishmentName":"老王饭店","dueOn":"2026-12-31"}', '${now}', case when n % 3 = 0 then '${now}'::timestamptz end
     from generate_series(1, ${size}) n`,
  ],
};
const cases = [
  ...Object.keys(filled).flatMap((service) => [15_000, 300_000].map((size) => ({ service, size, quarters: 1 }))),
  { service: 'inspection', size: 300_000, quarters: 20 },
]; // prettier-ignore

const folder = await mkdtemp(join(tmpdir(), 'foodwarden-bench-'));
const undo = [];
try {
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres') });
  undo.push(
    () => removePostgres(join(folder, 'postgres')),
    () => postgres.stop(),
  );
  const results = [];
  for (const { service, size, quarters } of cases) {
    const name = `${service}_${size}_${quarters}`;
    const url = (role) => postgres.url(name, `${service}_${role}`, password);
    await provision(postgres.url('postgres'), service, { owner: password, app: password, relay: password }, name); // prettier-ignore
    const { [service]: definition } = await load(`apps/${service}/src/${service}.definition.js`);
    const { IndicatorController } = await load(`apps/${service}/src/${service}.indicators.js`);
    await migrate(url('owner'), definition.migrations);
    const superuser = new pg.Client({ connectionString: postgres.url(name) });
    await superuser.connect();
    for (const sql of filled[service](size, quarters)) await superuser.query(sql);
    await superuser.query('vacuum analyze');
    await superuser.end();
    const database = new Database({ service, url: url('app'), entities: [] });
    await database.open();
    const indicators = new IndicatorController(database, new Arrivals());
    const asking = (division) => ({ id: 'x', division, role: 'auditor', correlationId: 'bench', readOnly: true }); // prettier-ignore
    const period = service === 'inspection' ? { period: quarter } : {};
    const page = { ...period, part: 'numerator', limit: 50 };
    const first = (await indicators.numbers(asking(county), period)).items[0];
    const { next } = await indicators.rows(asking(county), first.code, { ...page, limit: 200 });
    for (const [what, call] of [
      ['county', () => indicators.numbers(asking(county), period)],
      ['league table', () => indicators.numbers(asking(county), { ...period, by: 'division' })],
      ['township', () => indicators.numbers(asking(`${county}105`), period)],
      ['page of rows', () => indicators.rows(asking(county), first.code, { ...page, after: next ?? undefined })],
    ]) {
      const took = [];
      for (let n = 0; n < calls + 5; n++) {
        const begun = process.hrtime.bigint();
        await call();
        if (n >= 5) took.push(Number(process.hrtime.bigint() - begun) / 1e6);
      }
      took.sort((a, b) => a - b);
      const at = (part) => Number(took[Math.floor((took.length - 1) * part)].toFixed(1));
      results.push({ service, rows: size, quarters, what, p50Ms: at(0.5), p95Ms: at(0.95) });
      console.log(`${service} ${size} rows, ${quarters} quarters, ${what}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms`); // prettier-ignore
    } // prettier-ignore
    await database.close();
  }
  await mkdir('bench/results', { recursive: true });
  const summary = { what: 'indicators counted live', at: new Date().toISOString(), node: process.version, cores: cpus().length, calls, results }; // prettier-ignore
  await writeFile('bench/results/indicators.json', `${JSON.stringify(summary, null, 2)}\n`);
} finally {
  for (const step of undo.reverse()) await step();
  await rm(folder, { recursive: true, force: true });
}
