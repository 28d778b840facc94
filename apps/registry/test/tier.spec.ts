import { type Answer, County, freshTownship, type Landed } from '#testing';
import { registry } from '../src/registry.definition.js';

let county: County;
beforeAll(async () => {
  county = await County.start([registry]);
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop());

it('stays when a new version of the rule is loaded, until the establishment changes', async () => {
  const { code, name, villages } = freshTownship();
  const office = await county.token('office', code);
  const land = (area: number, query = ''): Promise<Landed> =>
    county.land('registry', `/v1/ledger-imports${query}`, office, Buffer.from(`主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态,经营面积(㎡)\n甲店,,一号,${name},${villages[0]!.name},食品销售,64\n乙店,,二号,${name},${villages[0]!.name},食品销售,${area}\n`), 'x.csv');
  const shops = (): Promise<{ id: string; name: string }[]> => county.every('registry', '/v1/establishments', office);
  const by = (shop: string, tier: string, ruleVersion: number): unknown => expect.objectContaining({ name: shop, tier, tierDecision: expect.objectContaining({ ruleVersion }) as unknown });
  await land(64);
  const rules = [{ kinds: ['sale'], tier: 'B' }];
  await county.rows('registry', `insert into policy (division, code, version, body, source) values ('371425', 'tier-rule', 2, $1, 'test')`, [JSON.stringify({ rules })]);

  expect((await land(64)).counts).toMatchObject({ unchanged: 2 });
  expect(await shops()).toEqual([by('甲店', 'D', 1), by('乙店', 'D', 1)]);

  const changed = await land(65);
  expect(changed.counts).toMatchObject({ unchanged: 1, updated: 1 });
  expect(await county.every('registry', `/v1/ledger-imports/${changed.id}/findings`, office)).toMatchObject([{ rule: 'row-updated', value: '经营面积(㎡): 64 → 65; 包保等级: D → B' }]);
  expect(await shops()).toEqual([by('甲店', 'D', 1), by('乙店', 'B', 2)]);

  const call = (method: string, path: string, body?: object, headers = {}): Promise<Answer> => county.call('registry', method, path, { token: office, body, headers });
  const first = (await shops()).find((shop) => shop.name === '甲店')!;
  expect((await call('PATCH', `/v1/establishments/${first.id}`, { area: 64 }, { 'if-match': '"1"' })).body).toEqual(by('甲店', 'B', 2));
  await call('POST', `/v1/ledger-imports/${changed.id}/undo`);
  expect(await shops()).toEqual([by('甲店', 'B', 2), by('乙店', 'D', 1)]);
}, 60_000); // prettier-ignore
