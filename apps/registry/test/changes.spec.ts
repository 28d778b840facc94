import { randomUUID } from 'node:crypto';
import { Database } from '#database';
import { type Change, logPersonalRead, readingPersonalData } from '#platform';
import { type Answer, County, freshTownship } from '#testing';
import { registry } from '../src/registry.definition.js';

let county: County;
beforeAll(async () => {
  county = await County.start([registry]);
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop());

const get = async <T>(path: string, token: string): Promise<T[]> =>
  county.every<T>('registry', `/v1${path}`, token);

async function shop(division: string, token: string): Promise<string> {
  const body = { division, name: '老王饭店', address: '一号', kind: 'catering', area: 80 };
  const { body: made } = await county.call('registry', 'POST', '/v1/establishments', { token, body }); // prettier-ignore
  return (made as { id: string }).id;
}

it('tells who changed which field of an establishment, from what to what and why; the fact says nothing of it', async () => {
  const { code, villages } = freshTownship();
  const office = await county.token('office', code, {}, 'office-1');
  const id = await shop(villages[0]!.code, office);
  const body = { name: '老王饭店(新店)', area: 900, reason: '门头换新,面积扩大' };
  const changed = await county.call('registry', 'PATCH', `/v1/establishments/${id}`, { token: office, body, headers: { 'if-match': '"1"' } }); // prettier-ignore
  expect([changed.status, (changed.body as object)]).toMatchObject([200, { version: 2, tier: 'B' }]); // prettier-ignore

  const told = await get<Change>(`/establishments/${id}/changes`, office);
  const step = { noun: 'establishment', subjectId: id, actor: 'office-1', division: villages[0]!.code }; // prettier-ignore
  const why = body.reason;
  expect(told).toMatchObject([
    { ...step, version: 1, field: null, from: null, to: null, why: null },
    { ...step, version: 2, field: 'name', from: '老王饭店', to: '老王饭店(新店)', why },
    { ...step, version: 2, field: 'area', from: 80, to: 900, why },
    { ...step, version: 2, field: 'tier', from: 'D', to: 'B', why },
    { ...step, version: 2, field: 'tierDecision', why },
  ]);
  expect(await get('/changes?actor=office-1&noun=establishment', office)).toEqual(told);
  expect(await get(`/changes?subject=${id}`, await county.token('auditor', '371425'))).toEqual(told); // prettier-ignore
  const facts = await county.rows<{ text: string }>('registry', `select event::text as text from journal where aggregate_id = $1`, [id]); // prettier-ignore
  expect(facts).toHaveLength(2);
  expect(facts.some(({ text }) => text.includes(body.reason))).toBe(false);
});

it('changes whatever an establishment was registered with, decides its tier anew, and finds it where it is now', async () => {
  const { code, villages } = freshTownship();
  const office = await county.token('office', code);
  const id = await shop(villages[0]!.code, office);
  const patch = (body: object, version: number): Promise<Answer> => county.call('registry', 'PATCH', `/v1/establishments/${id}`, { token: office, body, headers: { 'if-match': `"${version}"` } });
  const all = { division: villages[1]!.code, address: '中心街9号', kind: 'canteen', diners: 600, large: true, latitude: 36.79, longitude: 116.76 };
  expect((await patch({ ...all, address: ' 中心街9号 ' }, 1)).body).toMatchObject({ ...all, version: 2, tier: 'B', name: '老王饭店', area: 80 });
  expect((await patch({ diners: 20, large: false }, 2)).body).toMatchObject({ tier: 'C', diners: 20, large: false, division: villages[1]!.code });
  const told = await get<Change>(`/establishments/${id}/changes`, office);
  expect(told.filter(({ version }) => version === 2).map(({ field }) => field).sort()).toEqual([...Object.keys(all), 'tier', 'tierDecision'].sort());
  const named = async (division: string): Promise<string[]> => (await get<{ id: string }>(`/establishments?division=${division}&name=老王`, office)).map((one) => one.id);
  expect([await named(villages[0]!.code), await named(villages[1]!.code)]).toEqual([[], [id]]);

  const elsewhere = freshTownship();
  expect([(await patch({ division: elsewhere.villages[0]!.code }, 3)).body, (await patch({ division: `${code}999` }, 3)).body]).toMatchObject([{ code: 'out-of-scope' }, { code: 'village-unknown', errors: [{ pointer: '/division' }] }]);
  const admin = await county.token('county-admin', '371425');
  const moved = await county.call('registry', 'PATCH', `/v1/establishments/${id}`, { token: admin, body: { division: elsewhere.villages[0]!.code }, headers: { 'if-match': '"3"' } });
  expect(moved.body).toMatchObject({ division: elsewhere.villages[0]!.code, version: 4 });
  expect((await get<{ id: string }>('/establishments?name=老王', await county.token('office', elsewhere.code))).map((one) => one.id)).toEqual([id]);
  expect(await get('/establishments?name=老王', office)).toEqual([]);
}); // prettier-ignore

it('takes latitude and longitude together alone', async () => {
  const { code, villages } = freshTownship();
  const token = await county.token('office', code);
  const body = { division: villages[0]!.code, name: '甲店', address: '一号', kind: 'stall' };
  const refused = (pointer: string): object => ({ code: 'validation-failed', errors: [{ pointer, rule: 'coordinate-alone' }] });
  const post = await county.call('registry', 'POST', '/v1/establishments', { token, body: { ...body, latitude: 36.79 } });
  expect([post.status, post.body]).toMatchObject([422, refused('/longitude')]);
  const id = await shop(villages[0]!.code, token);
  const patch = (change: object, version: number): Promise<Answer> => county.call('registry', 'PATCH', `/v1/establishments/${id}`, { token, body: change, headers: { 'if-match': `"${version}"` } });
  expect((await patch({ longitude: 116.76 }, 1)).body).toMatchObject(refused('/latitude'));
  expect((await patch({ latitude: 36.79, longitude: 116.76 }, 1)).status).toBe(200);
  expect((await patch({ latitude: null }, 2)).body).toMatchObject(refused('/latitude'));
  expect((await patch({ longitude: 116.77 }, 2)).body).toMatchObject({ latitude: 36.79, longitude: 116.77 });
  expect((await patch({ latitude: null, longitude: null }, 3)).body).toMatchObject({ latitude: null, longitude: null });
}); // prettier-ignore

it('says nothing of how its tier was decided where that stays as it was', async () => {
  const { code, villages } = freshTownship();
  const office = await county.token('office', code);
  const id = await shop(villages[0]!.code, office);
  await county.call('registry', 'PATCH', `/v1/establishments/${id}`, { token: office, body: { area: 81 }, headers: { 'if-match': '"1"' } }); // prettier-ignore
  const told = await get<Change>(`/establishments/${id}/changes`, office);
  expect(told.map(({ field }) => field)).toEqual([null, 'area']);
});

it('shows the log to county, office and auditor alone, each his own ground', async () => {
  const { code, villages } = freshTownship();
  const id = await shop(villages[0]!.code, await county.token('office', code));
  const other = await county.token('office', freshTownship().code);
  expect(await get(`/changes?subject=${id}`, other)).toEqual([]);
  const hidden = await county.call('registry', 'GET', `/v1/establishments/${id}/changes`, { token: other }); // prettier-ignore
  expect(hidden.status).toBe(404);
  for (const role of ['grid-worker', 'authority', 'service'] as const)
    for (const path of ['/changes', '/personal-reads', `/establishments/${id}/changes`]) {
      const token = await county.token(role, code);
      expect((await county.call('registry', 'GET', `/v1${path}`, { token })).status).toBe(403);
    }
});

it('takes no blank name', async () => {
  const { code, villages } = freshTownship();
  const body = { division: villages[0]!.code, name: '  ', address: '一号', kind: 'stall' };
  const token = await county.token('office', code);
  const { status, body: problem } = await county.call('registry', 'POST', '/v1/establishments', { token, body }); // prettier-ignore
  expect([status, problem]).toMatchObject([422, { errors: [{ pointer: '/name' }] }]);
});

it('keeps what was written: the service itself may neither change nor delete it', async () => {
  const database = new Database({ service: 'registry', url: county.url('registry', 'app'), entities: [] }); // prettier-ignore
  await database.open();
  const caller = { id: 'x', division: '371425', correlationId: 'x' };
  for (const sql of [`update change set why = 'x'`, 'delete from change', `update personal_read set purpose = 'x'`, 'delete from personal_read']) // prettier-ignore
    await expect(database.within(caller, (tx) => tx.query(sql))).rejects.toThrow('permission denied'); // prettier-ignore
  await database.close();
});

it('tells each township who read the personal data of its own people, from a GET as well', async () => {
  const [here, there] = [freshTownship(), freshTownship()];
  const database = new Database({ service: 'registry', url: county.url('registry', 'app'), entities: [] }); // prettier-ignore
  await database.open();
  const [one, two, three] = [randomUUID(), randomUUID(), randomUUID()];
  const admin = { id: 'admin-1', role: 'county-admin', division: '371425', correlationId: 'x', readOnly: true }; // prettier-ignore
  await database.within(readingPersonalData(admin), (tx) =>
    logPersonalRead(tx, {
      noun: 'official', fields: ['telephone'], purpose: 'GET /officials',
      subjects: [{ id: one, division: here.villages[0]!.code }, { id: two, division: here.code }, { id: three, division: there.code }],
    }),
  ); // prettier-ignore
  await database.within(readingPersonalData(admin), (tx) =>
    logPersonalRead(tx, { noun: 'official', fields: [], purpose: 'x', subjects: [] }),
  );
  await database.close();
  const read = { actor: 'admin-1', role: 'county-admin', noun: 'official', fields: ['telephone'], purpose: 'GET /officials' }; // prettier-ignore
  expect(await get('/personal-reads', await county.token('office', here.code))).toMatchObject([
    { ...read, division: here.code, subjectIds: [one, two] },
  ]);
  const auditor = await county.token('auditor', '371425');
  expect(await get(`/personal-reads?subject=${three}`, auditor)).toMatchObject([
    { ...read, division: there.code, subjectIds: [three] },
  ]);
  expect(await get('/personal-reads?actor=somebody', auditor)).toEqual([]);
});

it('tells of the days that are asked for, first and last with them, by the clock of the county', async () => {
  const { code } = freshTownship();
  const office = await county.token('office', code);
  const instants = ['2026-11-22T23:59:59.999', '2026-11-23T00:00:00.000', '2026-11-23T23:59:59.999', '2026-11-24T00:00:00.000'].map((at) => new Date(`${at}+08:00`).toISOString());
  for (const at of instants) {
    await county.rows('registry', `insert into change (division, actor, changed_at, noun, subject_id, version) values ($1, 'x', $2, 'establishment', $3, 1)`, [code, at, randomUUID()]);
    await county.rows('registry', `insert into personal_read (division, actor, role, read_at, noun, subject_ids, fields, purpose) values ($1, 'x', 'office', $2, 'official', $3, '{phone}', 'x')`, [code, at, [randomUUID()]]);
  }
  for (const [path, field] of [['/changes', 'changedAt'], ['/personal-reads', 'readAt']] as const) {
    const told = async (query: string): Promise<unknown[]> => (await get<Record<string, unknown>>(`${path}?${query}`, office)).map((one) => one[field]);
    expect(await told('from=2026-11-23&to=2026-11-23')).toEqual(instants.slice(1, 3));
    expect([await told('from=2026-11-23'), await told('to=2026-11-23')]).toEqual([instants.slice(1), instants.slice(0, 3)]);
    expect(await told('from=2026-11-24&to=2026-12-31&actor=x')).toEqual(instants.slice(3));
    for (const [query, pointer, rule] of [
      ['from=2026-11-24&to=2026-11-23', '/to', 'to-before-from'], ['from=2026-02-30', '/from', 'matches'], ['to=2026-11-31', '/to', 'matches'],
      ['from=2026-11-23T09:00:00Z', '/from', 'matches'], ['to=23.11.2026', '/to', 'matches'],
    ] as const) {
      const remedy = expect.stringMatching(/[\u4e00-\u9fff].* · /) as unknown;
      const refused = await county.call('registry', 'GET', `/v1${path}?${query}`, { token: office });
      expect([refused.status, refused.body]).toMatchObject([422, { code: 'validation-failed', errors: [{ pointer, rule, remedy }] }]);
    }
  }
}, 30_000); // prettier-ignore
