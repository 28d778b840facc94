import { readFile } from 'node:fs/promises';
import { County, eventually } from '#testing';
import pg from 'pg';
import { checkAssignments, expectRound, type Level, readRoster } from './oracle/round.mjs';
import { registry } from '../apps/registry/src/registry.definition.js';
import { assignment } from '../apps/assignment/src/assignment.definition.js';

interface Establishment {
  id: string;
  division: string;
  version: number;
  tier: 'A' | 'B' | 'C' | 'D';
  status: string;
}
interface Official {
  id: string;
  division: string;
  level: Level;
  name: string;
  post: string;
}
interface Assignment {
  id: string;
  establishmentId: string;
  officialId: string;
  warning: string | null;
  endedAt: string | null;
  endReason: string | null;
}
interface Gap {
  establishmentId: string;
  reason: string;
  division: string;
}
interface Proposal {
  id: string;
  state: string;
  counts: Record<string, number>;
  catchingUp: boolean | null;
}

const cap = { village: 40, township: 120, county: 60, city: 60 };
let county: County;
let admin: string;
let second: string;
beforeAll(async () => {
  county = await County.start([registry, assignment]);
  admin = await county.token('county-admin', '371425');
  second = await county.token('county-admin', '371425');
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop());

const get = async <T>(path: string, token = admin): Promise<T> =>
  (await county.call('assignment', 'GET', path, { token })).body as T;
const propose = async (division: string, token = admin): Promise<Proposal> => {
  const answer = await county.call('assignment', 'POST', '/v1/proposals', {
    token,
    body: { division },
  });
  expect(answer.status).toBe(201);
  return answer.body as Proposal;
};
const approve = (id: string, token: string): ReturnType<County['call']> =>
  county.call('assignment', 'POST', `/v1/proposals/${id}/approval`, { token });
const gaps = (token = admin): Promise<Gap[]> => county.every<Gap>('assignment', '/v1/gaps', token);
const current = (token = admin): Promise<Assignment[]> =>
  county.every<Assignment>('assignment', '/v1/assignments', token);

it('refuses a roster until the divisions have arrived, and then lands it', async () => {
  const file = await readFile('apps/platform/sample/roster.xlsx');
  const roster = await readRoster('apps/platform/sample/roster.xlsx');
  await eventually(
    () => county.rows<{ n: number }>('assignment', 'select count(*)::int as n from division_list'),
    ([row]) => row?.n === 16,
  );
  const landed = await county.land('assignment', '/v1/roster-imports', admin, file);
  expect(landed.counts).toMatchObject({
    rows: roster.length,
    created: roster.length,
    refused: 0,
  });
  const officials = await county.every<Official>('assignment', '/v1/officials', admin);
  const key = (one: { division: string; level: string; post: string; name: string }): string =>
    [one.division, one.level, one.post, one.name].join('|');
  expect(officials.map(key).sort()).toEqual(roster.map(key).sort());
  const again = await county.land('assignment', '/v1/roster-imports', admin, file);
  expect(again.counts).toMatchObject({ unchanged: roster.length, created: 0, updated: 0 });

  const bad = await county.land(
    'assignment',
    '/v1/roster-imports',
    await county.token('office', '371425101'),
    Buffer.from(
      '姓名,职务,层级,行政区划代码\n,书记,村级,371425101201\n甲,书记,村级,371425102201\n乙,书记,乡级,371425101201\n丙,书记,组级,371425101201\n丁,副书记,村级,371425101201\n',
    ),
    'roster.csv',
  );
  expect(bad.counts).toMatchObject({ rows: 5, created: 1, refused: 4 });
  const findings = await county.every<{ rule: string }>('assignment', `/v1/roster-imports/${bad.id}/findings`, admin); // prettier-ignore
  expect(findings.map(({ rule }) => rule)).toEqual([
    'name-missing',
    'division-unknown',
    'level-mismatch',
    'level-unknown',
  ]);
}, 60_000);

describe('the assignment of a county', () => {
  let establishments: Establishment[];
  let officials: Official[];

  beforeAll(async () => {
    const ledger = await readFile('apps/platform/sample/ledger.xlsx');
    await county.land('registry', '/v1/ledger-imports', admin, ledger);
    establishments = await county.every<Establishment>('registry', '/v1/establishments', admin);
    await eventually(
      () => county.rows<{ n: number }>('assignment', 'select count(*)::int as n from premises'),
      ([row]) => row?.n === establishments.length,
      20_000,
    );
    officials = await county.every<Official>('assignment', '/v1/officials', admin);
  }, 60_000);

  async function judge(): Promise<void> {
    const assignments = (await current()).map(({ id, establishmentId, officialId, endedAt }) => ({
      id, establishment: establishmentId, official: officialId, endedAt,
    })); // prettier-ignore
    const open = (await gaps()).map(({ establishmentId, reason }) => ({ establishment: establishmentId, reason })); // prettier-ignore
    expect(checkAssignments({ establishments, officials, assignments, gaps: open, cap })).toEqual([]); // prettier-ignore
    const expected = expectRound({ establishments, officials, cap });
    expect([assignments.length, open.length]).toEqual([expected.assigned, expected.gapCount]);
  }

  it('shows every establishment as a gap with its reason, proposes, and needs a second person', async () => {
    expect(new Set((await gaps()).map(({ reason }) => reason))).toEqual(new Set(['not-proposed', 'no-official-at-level'])); // prettier-ignore
    const proposal = await propose('371425');
    expect(proposal.counts).toMatchObject({ establishments: 600, untrained: proposal.counts['assigned'] }); // prettier-ignore
    expect((await gaps()).filter(({ reason }) => reason === 'awaiting-approval')).toHaveLength(proposal.counts['assigned']!); // prettier-ignore
    expect(await approve(proposal.id, admin)).toMatchObject({ status: 403, body: { code: 'own-act' } }); // prettier-ignore
    expect(await approve(proposal.id, await county.token('office', '371425101'))).toMatchObject({ status: 403 }); // prettier-ignore
    expect(await current()).toEqual([]);
    expect(await approve(proposal.id, second)).toMatchObject({ status: 200, body: { state: 'approved', counts: { skipped: 0 } } }); // prettier-ignore
    await judge();
    expect((await current()).every(({ warning }) => warning === 'official-untrained')).toBe(true);
    const made = await county.rows<{ n: number }>('assignment', `select count(*)::int as n from journal where type = 'assignment.assignment.made.v1'`); // prettier-ignore
    await approve(proposal.id, second);
    const repeated = await county.rows<{ n: number }>('assignment', `select count(*)::int as n from journal where type = 'assignment.assignment.made.v1'`); // prettier-ignore
    expect(repeated).toEqual(made);
  }, 60_000);

  it('keeps who answers when it is proposed again, also by an office for its own levels', async () => {
    const again = await propose('371425');
    expect(again.counts).toMatchObject({ kept: again.counts['assigned'], moved: 0 });
    const office = await county.token('office', '371425101');
    const own = await propose('371425101', office);
    expect(own.counts).toMatchObject({ moved: 0, noOfficialAtLevel: 0 });
    const lines = await county.every<{ tier: string; division: string }>('assignment', `/v1/proposals/${own.id}/lines`, office); // prettier-ignore
    expect(new Set(lines.map(({ tier }) => tier))).toEqual(new Set(['C', 'D']));
    expect(lines.every(({ division }) => division.startsWith('371425101'))).toBe(true);
    const refused = await county.call('assignment', 'POST', '/v1/proposals', {
      token: office,
      body: { division: '371425102' },
    });
    expect(refused).toMatchObject({ status: 403, body: { code: 'out-of-scope' } });
  }, 60_000);

  it('refuses a proposal that was made before another one was approved', async () => {
    const [old, fresh] = [await propose('371425102'), await propose('371425')];
    expect(await approve(fresh.id, second)).toMatchObject({ status: 200 });
    expect(await approve(old.id, second)).toMatchObject({ status: 409, body: { code: 'wrong-state' } }); // prettier-ignore
  }, 60_000);

  it('refuses a proposal of which nothing is left, and lets the next one be approved', async () => {
    const stale = await propose('371425103');
    expect(stale.counts['assigned']).toBeGreaterThan(0);
    await county.rows('assignment', `update premises set status = 'suspended' where starts_with(division, '371425103')`); // prettier-ignore
    try {
      expect(await approve(stale.id, second)).toMatchObject({ status: 409, body: { code: 'wrong-state' } }); // prettier-ignore
      expect(await get<Proposal>(`/v1/proposals/${stale.id}`)).toMatchObject({ state: 'open', catchingUp: false }); // prettier-ignore
    } finally {
      await county.rows('assignment', `update premises set status = 'open' where starts_with(division, '371425103')`); // prettier-ignore
    }
    const [one] = await county.every<{ establishmentId: string }>('assignment', `/v1/proposals/${stale.id}/lines`, admin); // prettier-ignore
    const fresh = await propose('371425103');
    await county.rows('assignment', `update premises set status = 'suspended' where establishment_id = $1`, [one!.establishmentId]); // prettier-ignore
    const approved = await approve(fresh.id, second);
    expect(approved).toMatchObject({ status: 200, body: { counts: { skipped: 1, assigned: fresh.counts['assigned'] } } }); // prettier-ignore
    await county.rows('assignment', `update premises set status = 'open' where establishment_id = $1`, [one!.establishmentId]); // prettier-ignore
  }, 60_000);

  it('ends with the establishment, and shows a changed tier as a gap until it is mended', async () => {
    const [closing, growing] = establishments.filter(({ tier }) => tier === 'D');
    const patch = (one: Establishment, body: object): ReturnType<County['call']> =>
      county.call('registry', 'PATCH', `/v1/establishments/${one.id}`, {
        token: admin,
        headers: { 'if-match': `"${one.version}"` },
        body,
      });
    expect((await patch(closing!, { status: 'closed' })).status).toBe(200);
    closing!.status = 'closed';
    const ended = await eventually(
      () => get<{ items: Assignment[] }>(`/v1/assignments?establishment=${closing!.id}&state=ended`), // prettier-ignore
      ({ items }) => items.length === 1,
    );
    expect(ended.items[0]!.endReason).toBe('establishment-closed');
    const catering = establishments.find(({ id }) => id === growing!.id)!;
    const grown = (await patch(catering, { area: 5000 })).body as Establishment;
    if (grown.tier === 'D') return; // a stall stays D whatever its area
    catering.tier = grown.tier;
    await eventually(
      gaps,
      (all) =>
      all.some(({ establishmentId, reason }) => establishmentId === catering.id && reason === 'tier-changed'), // prettier-ignore
    );
    const mended = await propose('371425');
    expect((await approve(mended.id, second)).status).toBe(200);
    await judge();
  }, 60_000);

  it('shows an official his own alone, and an office its own ground', async () => {
    const all = await current();
    const official = officials.find(
      ({ id, level }) => level === 'village' && all.some((one) => one.officialId === id),
    )!;
    const token = await county.official(official.id, official.division.slice(0, 9));
    const own = await current(token);
    expect(own.map(({ id }) => id).sort()).toEqual(all.filter(({ officialId }) => officialId === official.id).map(({ id }) => id).sort()); // prettier-ignore
    const foreign = all.find(({ officialId }) => officialId !== official.id)!;
    expect((await county.call('assignment', 'GET', `/v1/assignments/${foreign.id}`, { token })).status).toBe(404); // prettier-ignore
    expect((await county.call('assignment', 'GET', `/v1/assignments/${own[0]!.id}`, { token })).status).toBe(200); // prettier-ignore
    const office = await county.token('office', '371425102');
    const grounds = await county.every<Official>('assignment', '/v1/officials', office);
    expect(grounds.length).toBeGreaterThan(0);
    expect(grounds.every(({ division }) => division.startsWith('371425102'))).toBe(true);
    expect((await gaps(office)).every(({ division }) => division.startsWith('371425102'))).toBe(true); // prettier-ignore
  }, 60_000);

  it('says at a proposal whether facts of establishments are still on their way', async () => {
    expect((await propose('371425101')).catchingUp).toBe(false);
    const holder = new pg.Client({ connectionString: county.url('assignment', 'owner') });
    await holder.connect();
    try {
      await holder.query('begin; lock table inbox in share row exclusive mode');
      const body = { division: '371425101201', name: '在路上饭店', address: '一号', kind: 'catering', area: 50 }; // prettier-ignore
      const made = await county.call('registry', 'POST', '/v1/establishments', { token: admin, body }); // prettier-ignore
      expect(made.status).toBe(201);
      expect(await eventually(async () => (await propose('371425101')).catchingUp, (told) => told === true)).toBe(true); // prettier-ignore
    } finally {
      await holder.end();
    }
    await county.quiet();
    await county.nats.stop();
    expect((await propose('371425101')).catchingUp).toBeNull();
  }, 60_000);
});
