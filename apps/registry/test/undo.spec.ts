import { type Change } from '#platform';
import { type Answer, County, freshTownship, type Landed, type Township } from '#testing';
import { registry } from '../src/registry.definition.js';

let county: County;
beforeAll(async () => {
  county = await County.start([registry]);
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop());

interface Shop {
  id: string;
  name: string;
  status: string;
  version: number;
  area: number | null;
  licence: string | null;
  tier: string;
}

const sheet = ({ name, villages }: Township, ...rows: string[]): Buffer =>
  Buffer.from(`主体名称,统一社会信用代码,许可证(登记证)编号,经营场所,所属乡镇(街道),所属村(社区),主体业态,经营面积(㎡)\n${rows.map((row) => `${row.replace('@', `${name},${villages[0]!.name},餐饮服务`)}\n`).join('')}`); // prettier-ignore
const land = (file: Buffer, token: string, query = ''): Promise<Landed> =>
  county.land('registry', `/v1/ledger-imports${query}`, token, file, 'x.csv');
const undo = (id: string, token: string): Promise<Answer> =>
  county.call('registry', 'POST', `/v1/ledger-imports/${id}/undo`, { token });
const shops = (token: string): Promise<Shop[]> =>
  county.every<Shop>('registry', '/v1/establishments', token);
const codeOf = ({ status, body }: Answer): unknown[] => [status, (body as { code?: string }).code];

it('closes what the import created and restores what it changed, with facts and reasons; nothing is deleted; once', async () => {
  const town = freshTownship();
  const office = await county.token('office', town.code, {}, 'office-undo');
  await land(sheet(town, '甲店,,JY1,一号,@,80', '乙店,,,二号,@,80'), office);
  const before = await shops(office);
  const second = await land(sheet(town, '甲店,,JY1,一号,@,900', '甲店,,JY2,一号,@,', '乙店,,,二号,@,80', '丙店,,,三号,@,50', '丙店,,,三号,@,60', '丁店,,,四号,@,50'), office); // prettier-ignore
  expect(second.counts).toMatchObject({ created: 2, updated: 3, unchanged: 1 });

  const undone = await undo(second.id, office);
  expect([undone.status, undone.body]).toMatchObject([
    200,
    { id: second.id, state: 'undone', progress: 1, closed: 2, restored: 1 },
  ]);
  const after = await shops(office);
  const said = ({ id, name, area, licence, tier, status }: Shop): unknown[] => [id, name, area, licence, tier, status]; // prettier-ignore
  expect(after.filter(({ status }) => status === 'open').map(said)).toEqual(before.map(said));
  const restored = after.find(({ name }) => name === '甲店')!;
  const closed = after.find(({ name }) => name === '丙店')!;
  expect([restored.version, closed.version, closed.status]).toEqual([4, 3, 'closed']);
  const facts = await county.rows<{ state: object }>('registry', `select event->'data' as state from journal where aggregate_id = any($1) order by id desc limit 2`, [[restored.id, closed.id]]); // prettier-ignore
  expect(facts.map(({ state }) => state)).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ establishmentId: restored.id, tier: restored.tier, status: 'open' }), // prettier-ignore
      expect.objectContaining({ establishmentId: closed.id, status: 'closed' }),
    ]),
  );
  const log = await county.every<Change>('registry', `/v1/establishments/${restored.id}/changes`, office); // prettier-ignore
  const why = `台账导入 · ledger import ${second.id}`;
  const undoing = `撤销台账导入 · undo of ledger import ${second.id}`;
  const fields = log.filter(
    ({ field }) => field === null || field === 'area' || field === 'licence',
  );
  const told = fields.map((one) => [one.version, one.field, one.from, one.to, one.why]);
  expect(told.slice(1).sort()).toEqual([
    [2, 'area', 80, 900, why],
    [3, 'licence', 'JY1', 'JY2', why],
    [4, 'area', 900, 80, undoing],
    [4, 'licence', 'JY2', 'JY1', undoing],
  ]);
  expect(told[0]!.slice(0, 4)).toEqual([1, null, null, null]);
  expect(await county.every('registry', `/v1/changes?subject=${second.id}`, office)).toMatchObject([
    { noun: 'ledger_import', field: 'state', from: 'done', to: 'undone', actor: 'office-undo' },
  ]);

  const again = await undo(second.id, office);
  expect([again.status, again.body]).toEqual([200, undone.body]);
  expect(await shops(office)).toEqual(after);
}, 60_000);

it('undoes an earlier import once the later one is undone', async () => {
  const town = freshTownship();
  const office = await county.token('office', town.code);
  const first = await land(sheet(town, '甲店,,,一号,@,80'), office);
  const second = await land(sheet(town, '甲店,,,一号,@,900'), office);
  const third = await land(sheet(town, '甲店,,,一号,@,950'), office);
  expect(codeOf(await undo(first.id, office))).toEqual([409, 'changed-since']);
  for (const { id } of [third, second, first]) expect((await undo(id, office)).status).toBe(200);
  expect(await shops(office)).toMatchObject([{ status: 'closed', area: 80 }]);
  const anew = await land(sheet(town, '甲店,,,一号,@,80'), office);
  expect(anew.counts).toMatchObject({ created: 1 });
}, 60_000);

it('refuses a dry run, an import that is not done, and one whose doings were not kept', async () => {
  const town = freshTownship();
  const office = await county.token('office', town.code);
  const rows = sheet(town, '甲店,,,一号,@,80');
  const dry = await land(rows, office, '?dryRun=true');
  expect(codeOf(await undo(dry.id, office))).toEqual([409, 'wrong-state']);
  const { id } = await land(rows, office);
  for (const state of ['queued', 'running', 'failed']) {
    await county.rows('registry', `update ledger_import set state = $2, claimed_until = now() + interval '1 hour' where id = $1`, [id, state]); // prettier-ignore
    expect(codeOf(await undo(id, office))).toEqual([409, 'wrong-state']);
  }
  await county.rows('registry', `update ledger_import set state = 'done' where id = $1`, [id]);
  await county.rows('registry', 'delete from ledger_import_effect where import_id = $1', [id]);
  expect(codeOf(await undo(id, office))).toEqual([409, 'wrong-state']);
  expect(await shops(office)).toMatchObject([{ status: 'open', version: 1 }]);
}, 60_000);

it('is for those who import: another township finds nothing, an auditor may not, the county may', async () => {
  const town = freshTownship();
  const office = await county.token('office', town.code);
  const { id } = await land(sheet(town, '甲店,,,一号,@,80'), office);
  expect((await undo(id, await county.token('office', freshTownship().code))).status).toBe(404);
  for (const role of ['auditor', 'authority', 'grid-worker'] as const)
    expect((await undo(id, await county.token(role, town.code))).status).toBe(403);
  const admin = await county.token('county-admin', '371425');
  const whole = await land(sheet(town, '乙店,,,二号,@,80'), admin);
  expect((await undo(whole.id, office)).status).toBe(404);
  expect((await undo(id, admin)).status).toBe(200);
}, 60_000);

it('is all or nothing over many batches: what breaks it half way leaves all as it was, and a repeat does it', async () => {
  const town = freshTownship();
  const office = await county.token('office', town.code);
  const rows = Array.from({ length: 2500 }, (_, n) => `摊${n},,,${n}号,@,80`);
  const { id, counts } = await land(sheet(town, ...rows), office);
  expect(counts).toMatchObject({ created: 2500 });
  await county.rows(
    'registry',
    `create function breaks() returns trigger language plpgsql as $$ begin
       if (select count(*) from establishment where status = 'closed' and starts_with(division, '${town.code}')) >= 2000 then raise 'broken half way'; end if;
       return null; end $$;
     create trigger breaks after update on establishment for each statement execute function breaks()`,
  ); // prettier-ignore
  expect((await undo(id, office)).status).toBe(500);
  const states = (): Promise<object[]> =>
    county.rows('registry', `select status, version, count(*)::int as n from establishment where starts_with(division, $1) group by 1, 2`, [town.code]); // prettier-ignore
  expect(await states()).toEqual([{ status: 'open', version: 1, n: 2500 }]);
  await county.rows('registry', 'drop trigger breaks on establishment; drop function breaks');
  expect((await undo(id, office)).status).toBe(200);
  expect(await states()).toEqual([{ status: 'closed', version: 2, n: 2500 }]);
  const facts = await county.rows('registry', `select count(*)::int as n from journal where starts_with(division, $1) and event->'data'->>'status' = 'closed'`, [town.code]); // prettier-ignore
  expect(facts).toEqual([{ n: 2500 }]);
}, 90_000);
