import { County, eventually } from '#testing';
import pg from 'pg';
import { inspection } from '../src/inspection.definition.js';

let county: County;
beforeAll(async () => {
  county = await County.start([inspection]);
}, 60_000);
afterAll(() => county.stop(), 30_000);

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
