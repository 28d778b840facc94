import { type Role } from '#platform';
import { County, freshTownship, type Landed } from '#testing';
import { assignment } from '../src/assignment.definition.js';

interface Official {
  id: string;
  division: string;
  phone: string | null;
}
interface Change {
  actor: string;
  why: string;
  noun: string;
  subjectId: string;
  field: string | null;
  from: unknown;
  to: unknown;
}
interface Read {
  division: string;
  actor: string;
  role: string;
  noun: string;
  subjectIds: string[];
  fields: string[];
  purpose: string;
}

let county: County;
beforeAll(async () => {
  county = await County.start([assignment]);
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county?.stop());

const town = freshTownship();
const [here, there] = [town.villages[0]!.code, town.villages[1]!.code];
const office = 'the office of the township';
const token = (role: Role, division: string, sub?: string): Promise<string> =>
  county.token(role, division, {}, sub);
const land = async (...lines: string[]): Promise<Landed> =>
  county.land('assignment', '/v1/roster-imports', await token('office', town.code, office), Buffer.from(`姓名,职务,层级,行政区划代码,所属单位,联系电话\n${lines.join('\n')}\n`), 'roster.csv'); // prettier-ignore

let first: Landed;
it('lands a roster, and writes down who came with which import', async () => {
  await county.rows(
    'assignment',
    `insert into division_list (division, sequence, name, below) values ($1, 1, $2, $3)`,
    [town.code, town.name, JSON.stringify(town.villages.map(({ code, name }) => ({ division: code, name })))],
  ); // prettier-ignore
  first = await land(`王秀英,书记,村级,${here},村委会,19900000001`, `李强,书记,村级,${there},,无此号码1234567`); // prettier-ignore
  expect(first).toMatchObject({ state: 'done', counts: { created: 2, warned: 1 } });
  const auditor = await token('auditor', town.code);
  const findings = await county.every<{ rule: string; value: string }>('assignment', `/v1/roster-imports/${first.id}/findings`, auditor); // prettier-ignore
  expect(findings).toMatchObject([{ rule: 'phone-unreadable', value: '无此号****4567' }]);

  const second = await land(`王秀英,书记,村级,${here},居委会,19900000002`, `李强,书记,村级,${there},,`); // prettier-ignore
  expect(second.counts).toMatchObject({ updated: 1, unchanged: 1 });
  const changes = await county.every<Change>('assignment', '/v1/changes', auditor);
  const why = (one: Landed): string => `roster-import ${one.id}`;
  expect(changes.map(({ actor, why: because, noun, field, from, to }) => [actor, because, noun, field, from, to])).toEqual([
    [office, why(first), 'official', null, null, null],
    [office, why(second), 'official', 'unit', '村委会', '居委会'],
    [office, why(second), 'official', 'phone', null, null], // that it changed, not what it was
    [office, why(first), 'official', null, null, null],
  ]); // prettier-ignore
  const asOffice = await token('office', freshTownship().code);
  expect(await county.every('assignment', '/v1/changes', asOffice)).toEqual([]);
}, 60_000);

it('shows telephone numbers to the county and the office, who are written down, and masked to others', async () => {
  const numbers = async (of: string): Promise<(string | null)[]> => {
    const listed = await county.every<Official>('assignment', `/v1/officials?division=${town.code}`, of); // prettier-ignore
    for (const { id, phone } of listed)
      expect((await county.call('assignment', 'GET', `/v1/officials/${id}`, { token: of })).body).toMatchObject({ phone }); // prettier-ignore
    return listed.map(({ phone }) => phone);
  };
  const reads = async (): Promise<Read[]> =>
    county.every<Read>('assignment', '/v1/personal-reads', await token('auditor', town.code));
  for (const [role, division] of [['authority', '371425'], ['auditor', '371425'], ['auditor', town.code]] as const) // prettier-ignore
    expect([role, await numbers(await token(role, division))]).toEqual([role, ['199****0002', null]]); // prettier-ignore
  expect(await reads()).toEqual([]);

  expect(await numbers(await token('office', town.code, office))).toEqual(['19900000002', null]);
  expect(await numbers(await token('county-admin', '371425', 'somebody of the county'))).toEqual(['19900000002', null]); // prettier-ignore
  const [official] = await county.rows<{ id: string }>('assignment', `select id from official where phone is not null`); // prettier-ignore
  const read = {
    division: town.code,
    noun: 'official',
    subjectIds: [official!.id],
    fields: ['phone'],
  };
  expect(await reads()).toMatchObject([
    { ...read, actor: office, role: 'office', purpose: 'GET /officials' },
    { ...read, actor: office, role: 'office', purpose: 'GET /officials/{id}' },
    { ...read, actor: 'somebody of the county', role: 'county-admin', purpose: 'GET /officials' },
    {
      ...read,
      actor: 'somebody of the county',
      role: 'county-admin',
      purpose: 'GET /officials/{id}',
    },
  ]);
  expect(await county.call('assignment', 'GET', '/v1/personal-reads', { token: await token('authority', '371425') })).toMatchObject({ status: 403 }); // prettier-ignore
}, 60_000);

const findings = async (of: Landed): Promise<{ row: number; rule: string; value: string; repairedTo: string | null }[]> =>
  county.every('assignment', `/v1/roster-imports/${of.id}/findings`, await token('auditor', town.code)); // prettier-ignore
const named = async (name: string): Promise<{ id: string; post: string; active: boolean }[]> =>
  (await county.every<{ id: string; name: string; post: string; active: boolean }>('assignment', `/v1/officials?division=${town.code}&name=${encodeURIComponent(name)}`, await token('auditor', town.code))); // prettier-ignore

it('warns of a new official whose name is known in the township, and says which one', async () => {
  const [one] = await named('李强');
  const rows = [`李强,主任,村级,${there},,`, `李强,委员,村级,${here},,`, `赵一,委员,村级,${here},,`, `赵一,镇长,乡级,${town.code},,`]; // prettier-ignore
  const tried = await county.land('assignment', '/v1/roster-imports?dryRun=true', await token('office', town.code, office), Buffer.from(`姓名,职务,层级,行政区划代码\n${rows.map((row) => row.slice(0, -2)).join('\n')}\n`), 'r.csv'); // prettier-ignore
  const known = `李强 书记 ${there} ${one!.id}`;
  expect((await findings(tried)).map(({ row, rule, value }) => [row, rule, value])).toEqual([[2, 'name-known', known], [3, 'name-known', known], [5, 'name-known', `赵一 委员 ${here} 第4行 · row 4`]]); // prettier-ignore
  const landed = await land(...rows);
  expect(landed.counts).toMatchObject({ created: 4, warned: 3 });
  const [clerk] = (await named('赵一')).filter(({ post }) => post === '委员');
  expect((await findings(landed)).map(({ row, value }) => [row, value])).toEqual([[2, known], [3, known], [5, `赵一 委员 ${here} ${clerk!.id}`]]); // prettier-ignore
  expect((await land(...rows)).counts).toMatchObject({ unchanged: 4, warned: 0 });
  // Another township, or one who has left, is nobody to mistake him for.
  for (const { id } of await named('赵一'))
    await county.call('assignment', 'POST', `/v1/officials/${id}/departure`, { token: await token('office', town.code), body: { reason: '调离' } }); // prettier-ignore
  expect((await land(`赵一,书记,村级,${here},,`)).counts).toMatchObject({ created: 1, warned: 0 });
}, 60_000);

it('sees through spaces inside a Chinese name, also in one that was kept with them', async () => {
  const landed = await land(`张 明,书记,村级,${there},,`, `张\u3000明,书记,村级,${there},张村,`, `Anna Li,书记,村级,${there},,`);
  expect(landed.counts).toMatchObject({ created: 2, updated: 1, repaired: 2, warned: 0 });
  expect((await findings(landed)).map(({ row, rule, value, repairedTo }) => [row, rule, value, repairedTo])).toEqual([
    [2, 'name-spaces', '张 明', '张明'], [3, 'name-spaces', '张　明', '张明'],
  ]);
  expect((await named('Anna Li')).length).toBe(1);
  const [one] = await named('张明');
  for (const kept of ['张 明', '张　明']) {
    await county.rows('assignment', `update official set name = $2 where id = $1`, [one!.id, kept]);
    expect((await land(`张明,书记,村级,${there},,`)).counts).toMatchObject({ unchanged: 1 });
    const tried = await county.land('assignment', '/v1/roster-imports?dryRun=true', await token('office', town.code, office), Buffer.from(`姓名,职务,层级,行政区划代码\n张明,会计,村级,${here}\n`), 'r.csv');
    expect(await findings(tried)).toMatchObject([{ rule: 'name-known', value: `${kept} 书记 ${there} ${one!.id}` }]);
  }
  const patched = await county.call('assignment', 'PATCH', `/v1/officials/${one!.id}`, { token: await token('office', town.code, office), body: { name: '张  明' }, headers: { 'if-match': '"2"' } });
  expect(patched).toMatchObject({ status: 200, body: { name: '张明' } });
}, 60_000); // prettier-ignore

it('says of a code that Excel has rounded what to do about it', async () => {
  const landed = await land('孙六,书记,村级,3.71425E+11,,');
  expect(landed.counts).toMatchObject({ refused: 1 });
  expect(await findings(landed)).toMatchObject([
    { rule: 'division-rounded', value: '3.71425E+11', remedy: expect.stringMatching(/设为文本.* · .*make the column text first/) as unknown },
  ]);
}, 60_000); // prettier-ignore

it('corrects a name, a post and a telephone, and changes nothing else', async () => {
  const of = await token('office', town.code, office);
  const [before] = await county.rows<{ id: string; version: number }>('assignment', `select id, version from official where name = '王秀英'`); // prettier-ignore
  const path = `/v1/officials/${before!.id}`;
  const patch = (body: object, version: number, as = of, at = path): ReturnType<typeof county.call> =>
    county.call('assignment', 'PATCH', at, { token: as, body, headers: { 'if-match': `"${version}"` } }); // prettier-ignore
  const next = before!.version + 1;
  const changed = await patch({ name: ' 王秀瑛 ', post: '主任', phone: '05341234567', reason: '写错' }, before!.version); // prettier-ignore
  expect(changed).toMatchObject({ status: 200, body: { version: next, name: '王秀瑛', post: '主任', phone: '05341234567', division: here, level: 'village', active: true } }); // prettier-ignore
  const changes = await county.every<Change>('assignment', `/v1/changes?subject=${before!.id}`, of);
  expect(changes.slice(-3).map(({ actor, why, field, from, to }) => [actor, why, field, from, to])).toEqual([
    [office, '写错', 'name', '王秀英', '王秀瑛'], [office, '写错', 'post', '书记', '主任'], [office, '写错', 'phone', null, null],
  ]); // prettier-ignore

  const reads = (): Promise<Read[]> => county.every('assignment', `/v1/personal-reads?subject=${before!.id}`, of); // prettier-ignore
  const read = await reads();
  expect(read.at(-1)).toMatchObject({ actor: office, purpose: 'PATCH /officials/{id}' });
  expect(await patch({ post: '书记' }, before!.version)).toMatchObject({ status: 412, body: { code: 'stale-version', current: { version: next, phone: '053****4567' } } }); // prettier-ignore
  expect(await reads()).toEqual(read);

  expect(await county.call('assignment', 'PATCH', path, { token: of, body: { post: '书记' } })).toMatchObject({ status: 428 }); // prettier-ignore
  for (const wrong of [
    { level: 'county' },
    { division: there },
    { name: ' ' },
    { phone: '1990000000' },
    { phone: '199000000012' },
    {},
  ])
    // prettier-ignore
    expect([wrong, (await patch(wrong, next)).status]).toEqual([wrong, 422]);
  expect(await patch({ post: '书记' }, next, await token('office', freshTownship().code))).toMatchObject({ status: 404 }); // prettier-ignore
  expect(await patch({ post: '书记' }, next, await token('authority', '371425'))).toMatchObject({ status: 403 }); // prettier-ignore
  expect((await patch({ phone: null }, next)).body).toMatchObject({ version: next + 1, phone: null, name: '王秀瑛' }); // prettier-ignore
}, 60_000);

it('lets one row too many be taken back: it leaves, and the one who was there takes its post', async () => {
  const of = await token('office', town.code, office);
  const [one] = (await named('李强')).filter(({ post }) => post === '书记');
  const [more] = (await named('李强')).filter(({ post }) => post === '主任');
  const correct = (id: string, version: number, post: string): ReturnType<typeof county.call> =>
    county.call('assignment', 'PATCH', `/v1/officials/${id}`, { token: of, body: { post }, headers: { 'if-match': `"${version}"` } }); // prettier-ignore
  expect(await correct(one!.id, 1, '主任')).toMatchObject({ status: 409, body: { code: 'wrong-state', errors: [{ pointer: '/post', rule: 'unique' }] } }); // prettier-ignore
  await county.call('assignment', 'POST', `/v1/officials/${more!.id}/departure`, { token: of, body: { reason: '重复' } }); // prettier-ignore
  expect(await correct(more!.id, 2, '委员')).toMatchObject({ status: 409, body: { code: 'wrong-state' } }); // prettier-ignore
  expect(await correct(one!.id, 1, '主任')).toMatchObject({ status: 200, body: { post: '主任' } });
  // The roster means him from now on, and nobody comes back.
  expect((await land(`李强,主任,村级,${there},,`)).counts).toMatchObject({
    unchanged: 1,
    warned: 0,
  });
}, 60_000);

it('reads the levels as other papers write them, and leaves out a mobile number of a wrong length', async () => {
  const other = freshTownship();
  const place = other.villages[0]!.code;
  await county.rows(
    'assignment',
    `insert into division_list (division, sequence, name, below) values ($1, 1, $2, $3), ($4, 1, '县', $5)`,
    [other.code, other.name, JSON.stringify(other.villages.map(({ code, name }) => ({ division: code, name }))), '371425', JSON.stringify([{ division: other.code, name: other.name }])],
  ); // prettier-ignore
  const of = await token('county-admin', '371425');
  const levels = [['镇级', other.code], ['乡镇级', other.code], ['街道级', other.code], ['村(社区)级', place], ['村（社区）级', place], ['社区级', place], ['区级', '371425'], ['县(市、区)级', '371425'], ['县（市、区）级', '371425'], ['乡级', other.code], ['组级', place]]; // prettier-ignore
  const phones = ['1990000000', '199000000012', '199 0000 0001', '0534-1234567', '1234567', 'abc'];
  const rows = [...levels.map(([level, division]) => [level, division, '']), ...phones.map((phone) => ['村级', place, phone])]; // prettier-ignore
  const sheet = ['姓名,职务,层级,行政区划代码,联系电话', ...rows.map((row, at) => `人${at},委员,${row.join(',')}`)].join('\n'); // prettier-ignore
  const landed = await county.land('assignment', '/v1/roster-imports', of, Buffer.from(sheet), 'r.csv'); // prettier-ignore
  expect(landed.counts).toMatchObject({ created: rows.length - 1, refused: 1, repaired: 9, warned: 3 }); // prettier-ignore
  const found = await county.every<{ rule: string; value: string; repairedTo: string | null }>('assignment', `/v1/roster-imports/${landed.id}/findings`, of); // prettier-ignore
  expect(found.filter(({ rule }) => rule === 'level-name').map(({ value, repairedTo }) => [value, repairedTo])).toEqual([
    ...levels.slice(0, 3).map(([level]) => [level, '乡级']), ...levels.slice(3, 6).map(([level]) => [level, '村级']), ...levels.slice(6, 9).map(([level]) => [level, '县级']),
  ]); // prettier-ignore
  const kept = await county.rows<{ name: string; level: string; phone: string | null }>('assignment', `select name, level, phone from official where unit is null and name ~ '^人' order by length(name), name`); // prettier-ignore
  expect(kept.slice(0, 10).map(({ level }) => level)).toEqual(['township', 'township', 'township', 'village', 'village', 'village', 'county', 'county', 'county', 'township']); // prettier-ignore
  expect(kept.slice(10).map(({ phone }) => phone)).toEqual([null, null, '19900000001', '05341234567', '1234567', null]); // prettier-ignore
}, 60_000);

it('takes no vacancy for a person, and no two people for one', async () => {
  const { code, name } = freshTownship();
  await county.rows(
    'assignment',
    `insert into division_list (division, sequence, name, below) values ($1, 1, $2, '[]'), ('371425', 1, '县', jsonb_build_array(jsonb_build_object('division', $1::text, 'name', $2::text))) on conflict (division) do update set below = division_list.below || excluded.below`,
    [code, name],
  );
  const of = await token('office', code);
  const names = ['空缺', '暂缺', '—', '卫十、蒋十一', '"卫十,蒋十一"', '卫十/蒋十一', '买买提·艾力'];
  const sheet = `姓名,职务,层级,行政区划代码\n${names.map((one, n) => `${one},委员${n},乡级,${code}\n`).join('')}`;
  const landed = await county.land('assignment', '/v1/roster-imports', of, Buffer.from(sheet), 'r.csv');
  expect(landed.counts).toMatchObject({ created: 1, refused: 6 });
  const found = await county.every<{ rule: string }>('assignment', `/v1/roster-imports/${landed.id}/findings`, of);
  expect(found.map(({ rule }) => rule)).toEqual([...Array<string>(3).fill('name-missing'), ...Array<string>(3).fill('name-several')]);
}, 60_000); // prettier-ignore
