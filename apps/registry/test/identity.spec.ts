import pg from 'pg';
import { type Answer, County, eventually, freshTownship } from '#testing';
import { registry } from '../src/registry.definition.js';

let county: County;
beforeAll(async () => {
  county = await County.start([registry]);
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop());

const get = async <T>(path: string, token: string): Promise<T[]> =>
  county.every<T>('registry', `/v1${path}`, token);

describe('an establishment that is there already', () => {
  const uscc = '91371425MA3CM4AM88';
  const licence = 'JY13714250000017';
  interface Problem { code: string; detail: string; errors: { pointer: string; remedy: string }[] }
  const base = { name: '老王饭店', address: '一号', kind: 'catering' };

  it.each([
    ['its licence number and place', { ...base, licence }, { name: '别名', address: ' 一 号 ', licence }, '/licence'],
    ['its credit code and address, in another village', { ...base, uscc }, { name: '别名', uscc, village: 1 }, '/address'],
    ['its credit code and name', { ...base, uscc }, { uscc, address: '九号' }, '/name'],
    ['its name and address, both without a code', base, { area: 90 }, '/name'],
    ['its name and address, without the code that it has', { ...base, uscc: '91371425MA3CM4AM88' }, { area: 90 }, '/name'],
    ['its name and address, with a code that it has not', base, { uscc: '91371425MA3CM4AM88' }, '/name'],
  ])('is not registered again by %s', async (_what, first, more, pointer) => {
    const { code, villages } = freshTownship();
    const token = await county.token('office', code);
    const { village = 0, ...second } = more as { village?: number };
    const post = (body: object): Promise<Answer> => county.call('registry', 'POST', '/v1/establishments', { token, body });
    const made = (await post({ ...first, division: villages[0]!.code })).body as { id: string };
    const again = { ...base, ...second, division: villages[village]!.code };
    const { status, body } = await post(again) as { status: number; body: Problem };
    expect([status, body.code, body.detail, body.errors]).toEqual([409, 'already-registered', `已登记:老王饭店 (${made.id})。 · It is registered already: 老王饭店 (${made.id}).`, [
      expect.objectContaining({ pointer, rule: 'already-registered', remedy: expect.stringMatching(/PATCH.*确为.* · .*PATCH.*truly/) as unknown }),
    ]]);
    await county.call('registry', 'PATCH', `/v1/establishments/${made.id}`, { token, body: { status: 'closed' }, headers: { 'if-match': '"1"' } });
    expect((await post(again)).status).toBe(201);
  });

  it('lies nowhere at 0, 0', async () => {
    const { code, villages } = freshTownship();
    const token = await county.token('office', code);
    const body = { ...base, division: villages[0]!.code, latitude: 0, longitude: 0 };
    const { status, body: problem } = await county.call('registry', 'POST', '/v1/establishments', { token, body });
    expect([status, problem]).toMatchObject([422, { errors: [{ pointer: '/latitude', rule: 'coordinates-zero' }] }]);
  });

  it('is registered once by many at once, while one with another name is not held up', async () => {
    const { code, villages } = freshTownship();
    const token = await county.token('office', code);
    const body = { ...base, division: villages[0]!.code };
    const post = (name: string): Promise<Answer> => county.call('registry', 'POST', '/v1/establishments', { token, body: { ...body, name } });
    const answers = await Promise.all(['甲', '甲', '甲', '甲', '甲', '乙', '丙'].map(post));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 201, 409, 409, 409, 409]);
    expect((await get<{ name: string }>('/establishments', token)).map(({ name }) => name).sort()).toEqual(['丙', '乙', '甲']);
  });

  it('is registered once by a form and by an import at the same moment, while another township is not held up', async () => {
    const [{ code, name: town, villages }, elsewhere] = [freshTownship(), freshTownship()];
    const token = await county.token('office', code);
    const sheet = `主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态\n老王饭店,,一号,${town},${villages[0]!.name},食品摊点\n`;
    const post = async (at: string, who: string): Promise<Answer> =>
      county.call('registry', 'POST', '/v1/establishments', { token: who, body: { ...base, division: at } });
    const holder = new pg.Client({ connectionString: county.url('registry', 'owner') });
    await holder.connect();
    try {
      await holder.query('begin; lock table ledger_import_effect in share mode'); // the batch has looked, written, and not ended
      const landing = county.land('registry', '/v1/ledger-imports', token, Buffer.from(sheet), 'x.csv');
      const waiting = (type: string): Promise<unknown[]> =>
        county.rows('registry', `select from pg_locks where not granted and locktype = $1 and database = (select oid from pg_database where datname = current_database())`, [type]);
      await eventually(() => waiting('relation'), ({ length }) => length === 1);
      const posted = post(villages[0]!.code, token);
      await eventually(() => waiting('advisory'), ({ length }) => length === 1);
      expect((await post(elsewhere.villages[0]!.code, await county.token('office', elsewhere.code))).status).toBe(201);
      await holder.query('commit');
      expect((await landing).counts).toMatchObject({ created: 1 });
      expect(await posted).toMatchObject({ status: 409, body: { code: 'already-registered' } });
    } finally {
      await holder.end();
    }
  }, 30_000);

  it('is not made by a change, nor by opening again what was closed, also at the same moment', async () => {
    const { code, villages } = freshTownship();
    const token = await county.token('office', code);
    const post = async (name: string): Promise<string> =>
      ((await county.call('registry', 'POST', '/v1/establishments', { token, body: { ...base, name, division: villages[0]!.code } })).body as { id: string }).id;
    const patch = (id: string, version: number, body: object): Promise<Answer> =>
      county.call('registry', 'PATCH', `/v1/establishments/${id}`, { token, body, headers: { 'if-match': `"${version}"` } });
    const [first, second, third] = [await post('甲'), await post('乙'), await post('丙')];
    const both = await Promise.all([patch(second, 1, { name: '丁' }), patch(third, 1, { name: '丁' })]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    const refused = await patch(first, 1, { name: '丁' });
    expect([refused.status, refused.body]).toEqual([409, expect.objectContaining({ code: 'already-registered', detail: expect.stringContaining('丁') as unknown })]);
    expect((await patch(first, 1, { name: '甲', address: '一  号', area: 70 })).status).toBe(200); // itself is no other
    expect((await patch(first, 2, { status: 'closed' })).status).toBe(200);
    const again = await post('甲');
    expect((await patch(first, 3, { status: 'open' })).body).toMatchObject({ status: 409, detail: expect.stringContaining(again) as unknown });
    expect((await patch(first, 3, { status: 'open', address: '二号' })).status).toBe(200);
  });

  it('is the first answer again to a repeat with its Idempotency-Key', async () => {
    const { code, villages } = freshTownship();
    const token = await county.token('office', code);
    const asked = { token, body: { ...base, division: villages[0]!.code }, headers: { 'idempotency-key': 'register-once' } };
    const [first, again] = [await county.call('registry', 'POST', '/v1/establishments', asked), await county.call('registry', 'POST', '/v1/establishments', asked)];
    expect([first.status, again.status, again.body]).toEqual([201, 201, first.body]);
  });

  it('may be one of two premises of an operator', async () => {
    const { code, villages } = freshTownship();
    const token = await county.token('office', code);
    for (const [name, address] of [['总店', '一号'], ['分店', '二号']])
      expect((await county.call('registry', 'POST', '/v1/establishments', { token, body: { ...base, uscc, name, address, division: villages[0]!.code } })).status).toBe(201);
  });
}); // prettier-ignore
