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
