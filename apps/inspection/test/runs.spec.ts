import { randomUUID } from 'node:crypto';
import { County, eventually } from '#testing';
import pg from 'pg';
import { inspection } from '../src/inspection.definition.js';
import { daysOf, nextPeriod, periodOf } from '../src/period.js';
import { answeredFor, visitTo } from './premises.js';

let county: County;
beforeAll(async () => {
  county = await County.start([inspection]);
}, 60_000);
afterAll(() => county.stop(), 30_000);

it('a quarter that is over, and a word that is none, are told as such at /period', async () => {
  const token = await county.token('county-admin', '371425');
  const run = (period: string): Promise<{ body: unknown }> =>
    county.call('inspection', 'POST', '/v1/obligation-runs', { token, body: { period } });
  expect((await run('2025-Q4')).body).toMatchObject({
    status: 422, code: 'period-unknown', title: '期间不可用', errors: [{ pointer: '/period', value: '2025-Q4', remedy: expect.stringMatching(/^可填 20\d\d-Q\d、20\d\d-Q\d · Give 20\d\d-Q\d or 20\d\d-Q\d\.$/) as unknown }],
  });
  expect((await run('2026-Q5')).body).toMatchObject({ status: 422, errors: [{ pointer: '/period' }] });
}); // prettier-ignore

it('a run that has begun to open what is due says so until it is done', async () => {
  const admin = await county.token('county-admin', '371425');
  const state = async (): Promise<string> => {
    const { body } = await county.call('inspection', 'GET', '/v1/obligation-runs', {
      token: admin,
    });
    return (body as { items: { period: string; state: string }[] }).items.find(({ period }) => period === '2099-Q1')?.state ?? ''; // prettier-ignore
  };
  const holder = new pg.Client({ connectionString: county.url('inspection', 'app') });
  await holder.connect();
  try {
    await holder.query('select pg_advisory_lock(7032, 371425)'); // as somebody whose fact is just being applied
    await county.rows('inspection', `insert into obligation_run (id, division, version, period, state, requested_by, created_at) values (gen_random_uuid(), '371425', 1, '2099-Q1', 'queued', 'x', now())`); // prettier-ignore
    expect(await eventually(state, (now) => now !== 'queued')).toBe('running');
  } finally {
    await holder.end();
  }
  expect(await eventually(state, (now) => now === 'done')).toBe('done');
}, 30_000);

it('goes through 1,500 establishments in parts, opens each once, and leaves out what is closed or elsewhere', async () => {
  await county.rows(
    'inspection',
    `insert into premises (establishment_id, division, sequence, name, kind, tier, status, address, known_since)
     select gen_random_uuid(), case when n % 3 = 0 then '371425101201' when n % 3 = 1 then '371425102201' else '371425115999' end, 1, n || '店', 'catering', 'D', 'open', '一号', now()
     from generate_series(1, 1500) n
     union all select gen_random_uuid(), '371425101201', 1, '关店', 'catering', 'D', 'closed', '一号', now()
     union all select gen_random_uuid(), '371482101201', 1, '邻县店', 'catering', 'D', 'open', '一号', now()`,
  );
  const period = nextPeriod(periodOf(new Date()));
  // One of them was opened before, and is not opened again.
  await county.rows('inspection', `insert into obligation (id, division, version, establishment_id, establishment_name, tier, period, due_on, state, opened_at)
    select gen_random_uuid(), division, 1, establishment_id, name, tier, $1, $2, 'open', now() from premises where name = '7店'`, [period, daysOf(period).to]);
  const admin = await county.token('county-admin', '371425');
  const run = await county.call('inspection', 'POST', '/v1/obligation-runs', { token: admin, body: { period } });
  expect(run.status).toBe(202);
  const path = `/v1/obligation-runs/${(run.body as { id: string }).id}`;
  const done = await eventually(
    async () => (await county.call('inspection', 'GET', path, { token: admin })).body as { state: string; opened: number },
    ({ state }) => state === 'done',
    30_000,
  );
  expect(done).toMatchObject({ state: 'done', opened: 1499 });
  const [there] = await county.rows<object>('inspection', `select count(*)::int as all, count(distinct establishment_id)::int as establishments,
    (count(*) filter (where establishment_name in ('关店', '邻县店')))::int as others from obligation where period = $1`, [period]);
  expect(there).toEqual({ all: 1500, establishments: 1500, others: 0 });
  // The county reads what one township, or one of its villages, has due.
  for (const division of ['371425101', '371425115999', '371425103']) {
    const page = (await county.call('inspection', 'GET', `/v1/obligations?period=${period}&division=${division}&limit=200`, { token: admin })).body as { items: { division: string }[] };
    expect(page.items.map((one) => one.division.startsWith(division))).toEqual(Array(division === '371425103' ? 0 : 200).fill(true));
  }
}, 60_000); // prettier-ignore

it('says how far it has come', async () => {
  const admin = await county.token('county-admin', '371425');
  const holder = new pg.Client({ connectionString: county.url('inspection', 'app') });
  await holder.connect();
  try {
    await holder.query('select pg_advisory_lock(7032, 371425)'); // it stays where it is meanwhile
    const [run] = await county.rows<{ id: string }>('inspection', `insert into obligation_run (id, division, version, period, state, requested_by, created_at, reached_division, reached_establishment)
      select gen_random_uuid(), '371425', 1, '2099-Q3', 'running', 'x', now(), division, establishment_id from premises
      where status = 'open' order by division, establishment_id offset 374 limit 1 returning id`);
    const now = async (): Promise<unknown> => (await county.call('inspection', 'GET', `/v1/obligation-runs/${run?.id ?? ''}`, { token: admin })).body;
    expect(await now()).toMatchObject({ state: 'running', progress: 0.25 });
    await holder.end();
    expect(await eventually(now, (then) => (then as { state: string }).state === 'done', 30_000)).toMatchObject({ progress: 1, opened: 1125 });
  } finally {
    await holder.end();
  }
}, 60_000); // prettier-ignore

it('settles what it opens by a visit that was made in the quarter before it, and leaves open what was only recorded', async () => {
  const official = randomUUID();
  const token = await county.official(official, '371425103');
  const visitedAt = new Date().toISOString();
  const visited: string[] = [];
  const shops: string[] = [];
  for (const method of ['on-site', 'video']) {
    const shop = await answeredFor(county, '371425103201', official);
    const answer = await county.call('inspection', 'POST', '/v1/inspections', { token, body: { ...visitTo(shop), method, visitedAt } });
    expect([answer.status, answer.body]).toMatchObject([201, { obligationId: null }]);
    shops.push(shop);
    visited.push((answer.body as { id: string }).id);
  }
  const admin = await county.token('county-admin', '371425');
  const run = await county.call('inspection', 'POST', '/v1/obligation-runs', { token: admin, body: { period: periodOf(new Date(visitedAt)) } });
  expect(run.status).toBe(202);
  const due = async (): Promise<Map<string, [string, string | null]>> =>
    new Map((await county.every<{ establishmentId: string; state: string; inspectionId: string | null }>('inspection', '/v1/obligations?mine=true', token)).map(({ establishmentId, state, inspectionId }) => [establishmentId, [state, inspectionId]]));
  const opened = await eventually(due, ({ size }) => size === 2);
  expect(shops.map((shop) => opened.get(shop))).toEqual([['settled', visited[0]], ['open', null]]);
  const first = await county.call('inspection', 'GET', `/v1/inspections/${visited[0]!}`, { token });
  expect(first.body).toMatchObject({ notice: null, obligationId: expect.any(String) as unknown });
}, 30_000); // prettier-ignore
