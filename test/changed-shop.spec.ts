import { readFile } from 'node:fs/promises';
import { type Answer, County, eventually, png } from '#testing';
import { assignment } from '../apps/assignment/src/assignment.definition.js';
import { inspection } from '../apps/inspection/src/inspection.definition.js';
import { registry } from '../apps/registry/src/registry.definition.js';

/* An establishment that moves and gets another tier: others do with a PATCH what they do with an import. */

let county: County;
let admin: string;
let office: string;
beforeAll(async () => {
  county = await County.start([registry, assignment, inspection]);
  for (const service of ['registry', 'assignment', 'inspection'] as const)
    await county.clock(service, '2026-11-23T09:00:00+08:00');
  admin = await county.token('county-admin', '371425');
  office = await county.token('office', '371425101');
  await eventually(
    () => county.rows<{ n: number }>('assignment', 'select count(*)::int as n from division_list'),
    ([row]) => row?.n === 16,
  );
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop(), 60_000);

interface Shop {
  id: string;
  name: string;
  version: number;
}
const done = async <T>(service: 'registry' | 'assignment' | 'inspection', path: string, token: string, body?: object): Promise<T> =>
  (await county.call(service, 'POST', path, { token, ...(body ? { body } : {}) })).body as T; // prettier-ignore

it('is answered for and due as after an import that says the same', async () => {
  await county.land('assignment', '/v1/roster-imports', admin, Buffer.from('姓名,职务,层级,行政区划代码\n甲,书记,村级,371425101201\n乙,书记,村级,371425101202\n丙,镇长,乡级,371425101\n'), 'r.csv'); // prettier-ignore
  const head = '主体名称,统一社会信用代码,许可证(登记证)编号,经营场所,所属乡镇(街道),所属村(社区),主体业态,经营面积(㎡)'; // prettier-ignore
  const [from, to] = (await county.rows<{ division: string; name: string; town: string }>('registry', `select v.division, v.name, t.name as town from division v join division t on t.division = v.parent where v.division in ('371425101201', '371425101202') order by 1`)).map(({ town, name }) => `${town},${name}`); // prettier-ignore
  const sheet = (...rows: string[]): Buffer => Buffer.from(`${head}\n${rows.join('\n')}\n`);
  const codes = ['91371425MA3CM4AM88', '91350100M000100Y43'];
  const landed = await county.land('registry', '/v1/ledger-imports', office, sheet(...codes.map((code, n) => `店${n},${code},,${n}号,${from},餐饮服务,50`)), 'a.csv'); // prettier-ignore
  expect(landed.counts).toMatchObject({ created: 2 });
  await eventually(
    () => county.rows<{ n: number }>('assignment', 'select count(*)::int as n from premises'),
    ([row]) => row?.n === 2,
  );
  const { id } = await done<{ id: string }>('assignment', '/v1/proposals', office, { division: '371425101' }); // prettier-ignore
  await done('assignment', `/v1/proposals/${id}/approval`, admin);
  await eventually(
    () => county.rows<{ n: number }>('inspection', 'select count(*)::int as n from responsibility'),
    ([row]) => row?.n === 2,
  );
  await done('inspection', '/v1/obligation-runs', admin, { period: '2026-Q4' });
  const due = (): Promise<{ tier: string; official: string; name: string }[]> =>
    county.rows('inspection', `select establishment_name as name, tier, official_name as official from obligation where state = 'open' order by 1`); // prettier-ignore
  await eventually(due, (rows) => rows.length === 2);
  expect(await due()).toEqual(['店0', '店1'].map((name) => ({ name, tier: 'D', official: '甲' })));

  // The first by an import, the second by hand.
  const again = await county.land('registry', '/v1/ledger-imports', office, sheet(`店0,${codes[0]!},,0号,${to},餐饮服务,200`), 'b.csv'); // prettier-ignore
  expect(again.counts).toMatchObject({ updated: 1 });
  const shops = await county.every<Shop>('registry', '/v1/establishments', office);
  const { id: second } = shops.find(({ name }) => name === '店1')!;
  const { status } = await county.call('registry', 'PATCH', `/v1/establishments/${second}`, { token: office, body: { division: '371425101202', area: 200 }, headers: { 'if-match': '"1"' } }); // prettier-ignore
  expect(status).toBe(200);

  await eventually(
    () => county.rows<{ n: number }>('assignment', `select count(*)::int as n from premises where division = '371425101202' and tier = 'C'`), // prettier-ignore
    ([row]) => row?.n === 2,
  );
  const gaps = (): Promise<{ name: string; reason: string; division: string }[]> =>
    county.every('assignment', '/v1/gaps', office);
  const gap = { division: '371425101202', reason: 'tier-changed' };
  const both = (one: object): object[] => ['店0', '店1'].map((name) => ({ name, ...one }));
  expect((await gaps()).sort((one, other) => (one.name < other.name ? -1 : 1))).toMatchObject(both(gap)); // prettier-ignore
  // Whoever answered does so until a proposal is approved; what is due is that of the new tier.
  await eventually(due, (rows) => rows.every(({ tier }) => tier === 'C'));
  expect(await due()).toEqual(both({ tier: 'C', official: '甲' }));
  const next = await done<{ id: string }>('assignment', '/v1/proposals', office, { division: '371425101' }); // prettier-ignore
  await done('assignment', `/v1/proposals/${next.id}/approval`, admin);
  expect(await gaps()).toEqual([]);
  await eventually(due, (rows) => rows.every(({ official }) => official === '丙'));
  expect(await due()).toEqual(both({ tier: 'C', official: '丙' }));
}, 120_000);

it('that moves to another township is nobody’s until one is proposed there; what is due, and to be mended, goes with it', async () => {
  const [here, there] = ['371425101201', '371425102201'];
  await county.land('assignment', '/v1/roster-imports', admin, Buffer.from(`姓名,职务,层级,行政区划代码\n甲,书记,村级,${here}\n丁,书记,村级,${there}\n`), 'r.csv');
  const made = await county.call('registry', 'POST', '/v1/establishments', { token: office, body: { division: here, name: '迁店', address: '一号', kind: 'stall' } });
  const { id } = made.body as { id: string };
  const copied = (division: string): Promise<unknown> =>
    eventually(() => county.rows('assignment', `select 1 as one from premises where establishment_id = $1 and division = $2`, [id, division]), ({ length }) => length === 1);
  await copied(here);
  const answered = async (division: string): Promise<{ id: string; token: string }> => {
    const proposal = await done<{ id: string }>('assignment', '/v1/proposals', await county.token('county-admin', '371425'), { division });
    await done('assignment', `/v1/proposals/${proposal.id}/approval`, admin);
    const [now] = await eventually(
      () => county.rows<{ official: string }>('inspection', `select official_id as official from obligation where establishment_id = $1 and official_id is not null`, [id]),
      ({ length }) => length === 1,
    );
    return { id: now!.official, token: await county.official(now!.official, division) };
  };
  await done('inspection', '/v1/obligation-runs', admin, { period: '2026-Q4' });
  const before = await answered('371425101');
  const { items } = (JSON.parse(await readFile('apps/platform/sample/checklists.json', 'utf8')) as { checklists: { kinds: string[]; items: { code: string }[] }[] }).checklists.find(({ kinds }) => kinds.includes('stall'))!;
  const visit = (method: string, visitedAt: string, fail: boolean): object => ({
    establishmentId: id, method, visitedAt, operator: { answer: 'signed', signedBy: '王某' },
    results: items.map(({ code }, n) => ({ item: code, result: fail && n === 0 ? 'fail' : 'pass' })),
    findings: fail ? [{ item: items[0]!.code, text: '地面积水', handling: 'deadline' }] : [],
  });
  const seen = await county.call('inspection', 'POST', '/v1/inspections', { token: before.token, body: visit('video', '2026-11-23T08:30:00+08:00', true) });
  expect([seen.status, seen.body]).toMatchObject([201, { counts: false }]);

  // What was photographed of the correction goes with it, and what of the visit stays.
  const [wrong] = await county.every<{ id: string }>('inspection', '/v1/corrective-actions', before.token);
  const shown = (path: string, token: string): Promise<Answer> => county.upload('inspection', `/v1/${path}/evidence`, token, png(), 'a.png', {}, { takenAt: '2026-11-23T08:40:00+08:00' });
  const mended = await shown(`corrective-actions/${wrong!.id}`, before.token);
  expect([mended.status, mended.body]).toMatchObject([201, { correctiveActionId: wrong!.id, officialId: before.id, division: here }]);
  expect((await shown(`inspections/${(seen.body as { id: string }).id}`, before.token)).status).toBe(201);

  const move = { token: admin, body: { division: there, reason: '迁址' }, headers: { 'if-match': '"1"' } };
  expect((await county.call('registry', 'PATCH', `/v1/establishments/${id}`, move)).status).toBe(200);
  const offices = [office, await county.token('office', '371425102')];
  const each = <T>(service: 'assignment' | 'inspection', path: string): Promise<T[][]> => Promise.all(offices.map((token) => county.every<T>(service, path, token)));
  const query = `?establishment=${id}`;
  const due = (): Promise<object[][]> => each('inspection', `/v1/obligations${query}`);
  await eventually(due, ([, its]) => its?.length === 1 && (its[0] as { officialId: unknown }).officialId === null);
  expect(await due()).toMatchObject([[], [{ division: there, state: 'open', officialId: null }]]);
  expect(await each('inspection', `/v1/corrective-actions${query}`)).toMatchObject([[], [{ division: there, state: 'open', officialId: null }]]);
  expect((await county.every<{ establishmentId: string }>('assignment', '/v1/gaps?reason=not-proposed', offices[1]!)).map((one) => one.establishmentId)).toEqual([id]);
  const photo = `/v1/evidence/${(mended.body as { id: string }).id}`;
  expect(await Promise.all([...offices, before.token].map(async (token) => (await county.call('inspection', 'GET', photo, { token })).status))).toEqual([404, 200, 404]);
  const ended = await county.rows('assignment', `select end_reason as reason from assignment where establishment_id = $1`, [id]);
  expect(ended).toEqual([{ reason: 'establishment-moved' }]);

  const after = await answered('371425102');
  expect(after.id).not.toBe(before.id);
  const [his] = await county.every<object>('inspection', `/v1/corrective-actions/${wrong!.id}/evidence`, after.token);
  expect(his).toEqual({ ...(mended.body as object), division: there, officialId: after.id });
  const visited = await county.call('inspection', 'POST', '/v1/inspections', { token: after.token, body: visit('on-site', '2026-11-23T08:45:00+08:00', false) });
  expect([visited.status, visited.body]).toMatchObject([201, { counts: true, notice: null }]);
  expect(await due()).toMatchObject([[], [{ state: 'settled', officialId: after.id }]]);
  const facts = await county.rows('inspection', `select type from journal where event->'data'->>'establishmentId' = $1 and event->'data'->>'division' = $2 and type like '%obligation.reassigned%'`, [id, there]);
  expect(facts.length).toBeGreaterThan(0);
}, 120_000); // prettier-ignore

it('that rests for a season and is visited meanwhile owes nothing when it opens again', async () => {
  const division = '371425101201';
  const { id } = (await county.call('registry', 'POST', '/v1/establishments', { token: office, body: { division, name: '季店', address: '二号', kind: 'stall' } })).body as { id: string };
  await eventually(() => county.rows('assignment', `select 1 as one from premises where establishment_id = $1`, [id]), ({ length }) => length === 1);
  const proposal = await done<{ id: string }>('assignment', '/v1/proposals', office, { division: '371425101' });
  await done('assignment', `/v1/proposals/${proposal.id}/approval`, admin);
  const [now] = await eventually(
    () => county.rows<{ official: string }>('inspection', `select official_id as official from responsibility where establishment_id = $1 and ended_at is null`, [id]),
    ({ length }) => length === 1,
  );
  const token = await county.official(now!.official, '371425101');
  const due = async (): Promise<[string, string | null]> => {
    const [one] = await county.every<{ state: string; inspectionId: string | null }>('inspection', `/v1/obligations?establishment=${id}`, office);
    return [one?.state ?? '', one?.inspectionId ?? null];
  };
  await eventually(due, ([state]) => state === 'open');
  const turn = (status: string, version: number): Promise<Answer> =>
    county.call('registry', 'PATCH', `/v1/establishments/${id}`, { token: office, body: { status }, headers: { 'if-match': `"${version}"` } });
  expect((await turn('suspended', 1)).status).toBe(200);
  await eventually(due, ([state]) => state === 'withdrawn');
  const { items } = (JSON.parse(await readFile('apps/platform/sample/checklists.json', 'utf8')) as { checklists: { kinds: string[]; items: { code: string }[] }[] }).checklists.find(({ kinds }) => kinds.includes('stall'))!;
  const visited = await county.call('inspection', 'POST', '/v1/inspections', { token, body: {
    establishmentId: id, method: 'on-site', visitedAt: '2026-11-23T08:50:00+08:00', operator: { answer: 'signed', signedBy: '王某' },
    results: items.map(({ code }) => ({ item: code, result: 'pass' })), findings: [],
  } });
  expect([visited.status, visited.body]).toMatchObject([201, { counts: true, obligationId: null }]);
  expect((await turn('open', 2)).status).toBe(200);
  expect(await eventually(due, ([state]) => state === 'settled')).toEqual(['settled', (visited.body as { id: string }).id]);
}, 60_000); // prettier-ignore
