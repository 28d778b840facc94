import { randomUUID } from 'node:crypto';
import { type Answer, County, freshTownship, type Township } from '#testing';
import { assignment } from '../apps/assignment/src/assignment.definition.js';
import { notification } from '../apps/notification/src/notification.definition.js';

/* Who answers for what, chosen by hand: through the API, from the proposal to what the officials are told and sign. */

interface Line {
  establishmentId: string;
  officialId: string | null;
  basis: string;
}
interface Assignment {
  establishmentId: string;
  officialId: string;
  endReason: string | null;
}
interface Proposal {
  id: string;
  counts: Record<string, number>;
}
type Choices = { establishment: string; official: string }[];

let county: County;
let admin: string;
let second: string;
beforeAll(async () => {
  county = await County.start([assignment, notification]);
  [admin, second] = [await county.token('county-admin', '371425'), await county.token('county-admin', '371425')]; // prettier-ignore
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county?.stop());

const post = (path: string, token: string, body: object = {}): Promise<Answer> =>
  county.call('assignment', 'POST', path, { token, body });
const propose = (division: string, choices: Choices | undefined, token: string): Promise<Answer> =>
  post('/v1/proposals', token, { division, ...(choices && { choices }) });
const approve = ({ body }: Answer): Promise<Answer> =>
  post(`/v1/proposals/${(body as Proposal).id}/approval`, second);
const leave = (id: string): Promise<Answer> =>
  post(`/v1/officials/${id}/departure`, admin, { reason: '调离' });

interface Ground {
  town: Township;
  office: string;
  /** 甲 of the first village, 乙 of the second, 丙 of the township, 丁 of the county. */
  by: Record<'甲' | '乙' | '丙' | '丁', string>;
  /** Three stalls of the first village, one of the second, a restaurant of tier C. */
  shops: [string, string, string, string, string];
}
let grounds = 0;
/** Everybody answers by the rules, approved. */
async function ground(): Promise<Ground> {
  const town = freshTownship();
  const [here, there] = [town.villages[0]!.code, town.villages[1]!.code];
  await county.rows(
    'assignment',
    `insert into division_list (division, sequence, name, below) values ($1, 1, $2, $3) on conflict do nothing`,
    [town.code, town.name, JSON.stringify(town.villages.map(({ code, name }) => ({ division: code, name })))],
  ); // prettier-ignore
  await county.rows('assignment', `insert into division_list (division, sequence, name, below) values ('371425', 1, '县', jsonb_build_array(jsonb_build_object('division', $1::text, 'name', $2::text))) on conflict (division) do update set below = division_list.below || excluded.below`, [town.code, town.name]); // prettier-ignore
  const names = ['甲', '乙', '丙', '丁'].map((name) => `${name}${++grounds}`);
  const rows = [`${names[0]},书记,村级,${here}`, `${names[1]},书记,村级,${there}`, `${names[2]},镇长,乡级,${town.code}`, `${names[3]},县长,县级,371425`]; // prettier-ignore
  await county.land('assignment', '/v1/roster-imports', admin, Buffer.from(`姓名,职务,层级,行政区划代码\n${rows.join('\n')}\n`), 'r.csv'); // prettier-ignore
  const known = await county.rows<{ id: string }>('assignment', `select id from official where name = any($1) order by array_position($1, name)`, [names]); // prettier-ignore
  const [甲, 乙, 丙, 丁] = known.map(({ id }) => id) as [string, string, string, string];
  const shops = [await shop(here), await shop(here), await shop(here), await shop(there), await shop(here, 'C')] as Ground['shops']; // prettier-ignore
  const office = await county.token('office', town.code);
  expect((await approve(await propose(town.code, undefined, office))).status).toBe(200);
  return { town, office, by: { 甲, 乙, 丙, 丁 }, shops };
}
/** As registry's fact leaves it. */
async function shop(division: string, tier = 'D'): Promise<string> {
  const id = randomUUID();
  await county.rows('assignment', `insert into premises (establishment_id, division, sequence, name, kind, tier, status) values ($1, $2, 1, $3, 'stall', $4, 'open')`, [id, division, `店${id.slice(0, 4)}`, tier]); // prettier-ignore
  return id;
}
const answers = async (
  establishment: string,
): Promise<[official: string, end: string | null][]> => {
  const all = await county.every<Assignment>('assignment', `/v1/assignments?state=all&establishment=${establishment}`, admin); // prettier-ignore
  return all.map(({ officialId, endReason }) => [officialId, endReason]);
};
const undertakings = async (official: string): Promise<[state: string, count: number, reason: string | null][]> =>
  (await county.every<{ state: string; establishmentCount: number; staleReason: string | null }>('assignment', `/v1/undertakings?official=${official}`, admin))
    .map(({ state, establishmentCount, staleReason }) => [state, establishmentCount, staleReason]); // prettier-ignore

it('gives an establishment to the official who was chosen, and leaves the others with theirs', async () => {
  const { town, office, by, shops } = await ground();
  const [moved, kept] = shops;
  const fresh = await shop(town.villages[0]!.code);
  expect(await undertakings(by.甲)).toEqual([['open', 3, null]]);
  const proposed = await propose(town.code, [{ establishment: moved, official: by.乙.toUpperCase() }], office); // prettier-ignore
  expect(proposed).toMatchObject({ status: 201, body: { counts: { establishments: 6, assigned: 6, kept: 4, moved: 1 } } }); // prettier-ignore
  const lines = await county.every<Line>('assignment', `/v1/proposals/${(proposed.body as Proposal).id}/lines`, office); // prettier-ignore
  expect(Object.fromEntries(lines.map(({ establishmentId, officialId, basis }) => [establishmentId, [officialId, basis]]))).toEqual({
    [moved]: [by.乙, 'chosen'], [kept]: [by.甲, 'kept'], [shops[2]]: [by.甲, 'kept'], [shops[3]]: [by.乙, 'kept'],
    [shops[4]]: [by.丙, 'kept'], [fresh]: [by.甲, 'own-village'],
  }); // prettier-ignore
  const changed = await county.every<Line & { currentOfficialId: string | null; currentOfficialName: string | null }>('assignment', `/v1/proposals/${(proposed.body as Proposal).id}/lines?changed=true`, admin); // prettier-ignore
  expect(Object.fromEntries(changed.map(({ establishmentId, officialId, currentOfficialId, currentOfficialName }) => [establishmentId, [currentOfficialId, currentOfficialName, officialId]]))).toEqual({
    [moved]: [by.甲, expect.stringMatching(/^甲/) as string, by.乙], [fresh]: [null, null, by.甲],
  }); // prettier-ignore
  expect(await answers(moved)).toEqual([[by.甲, null]]);
  expect(await approve(proposed)).toMatchObject({ status: 200, body: { counts: { skipped: 0 } } });
  expect(await answers(moved)).toEqual([[by.甲, 'reassigned'], [by.乙, null]]); // prettier-ignore
  await county.rows('assignment', `update premises set name = '新名' where establishment_id = $1`, [moved]); // prettier-ignore
  const names = await county.every<{ establishmentName: string }>('assignment', `/v1/assignments?state=all&establishment=${moved}`, admin); // prettier-ignore
  expect(names.map(({ establishmentName }) => establishmentName)).toEqual([expect.stringMatching(/^店/), '新名']); // prettier-ignore
  expect(await answers(kept)).toEqual([[by.甲, null]]);
  expect(await answers(fresh)).toEqual([[by.甲, null]]);
  expect(await undertakings(by.甲)).toEqual([['superseded', 3, 'proposal-approved'], ['open', 3, null]]); // prettier-ignore
  expect(await undertakings(by.乙)).toEqual([['superseded', 1, 'proposal-approved'], ['open', 2, null]]); // prettier-ignore
  await county.quiet();
  const told = await county.every<{ kind: string; about: { establishmentId?: string } }>('notification', '/v1/messages?kind=assigned', await county.official(by.乙, town.code)); // prettier-ignore
  expect(told.map(({ about }) => about.establishmentId).sort()).toEqual([moved, shops[3]].sort());

  // Another choice leaves the first alone; a proposal by the rules alone does not.
  await approve(await propose(town.code, [{ establishment: shops[3], official: by.甲 }], office));
  expect([await answers(moved), await answers(shops[3])]).toEqual([[[by.甲, 'reassigned'], [by.乙, null]], [[by.乙, 'reassigned'], [by.甲, null]]]); // prettier-ignore
  const ruled = await propose(town.code, undefined, office);
  expect(ruled).toMatchObject({ body: { counts: { moved: 2 } } });
}, 60_000);

it('is rejected with its reason, or overtaken by one that is approved; neither is approved any more', async () => {
  const { town, office } = await ground();
  const [refused, older, newer] = [await propose(town.code, undefined, office), await propose(town.code, undefined, office), await propose(town.code, undefined, office)].map(({ body }) => (body as Proposal).id); // prettier-ignore
  const reject = (
    id: string,
    body: unknown = { reason: '李某出差' },
    token = admin,
  ): Promise<Answer> =>
    county.call('assignment', 'POST', `/v1/proposals/${id}/rejection`, { token, body });
  expect(await reject(refused!, { reason: '  ' })).toMatchObject({ status: 422, body: { errors: [{ pointer: '/reason' }] } }); // prettier-ignore
  expect((await reject(refused!, undefined, office)).status).toBe(403);
  for (const version of [2, 2])
    expect(await reject(refused!)).toMatchObject({ status: 200, body: { state: 'rejected', version, reason: '李某出差', approvedAt: null } }); // prettier-ignore
  const approval = (id: string): Promise<Answer> => county.call('assignment', 'POST', `/v1/proposals/${id}/approval`, { token: admin }); // prettier-ignore
  expect(await approval(refused!)).toMatchObject({ status: 409, body: { code: 'wrong-state' } });
  expect(await approval(newer!)).toMatchObject({ status: 200, body: { state: 'approved' } });
  const [first, second] = await county.every<{ id: string; state: string; reason: string | null }>('assignment', `/v1/proposals`, office).then((all) => [refused, older].map((one) => all.find(({ id }) => id === one))); // prettier-ignore
  expect([first, second]).toMatchObject([{ state: 'rejected', reason: '李某出差' }, { state: 'overtaken', reason: null }]); // prettier-ignore
  expect(await approval(older!)).toMatchObject({ status: 409, body: { code: 'wrong-state' } });
  for (const id of [older!, newer!]) expect(await reject(id)).toMatchObject({ status: 409, body: { code: 'wrong-state' } }); // prettier-ignore
}, 60_000);

it('refuses what cannot be, each choice with its reason; what is another’s as what is not there', async () => {
  const other = await ground();
  const { town, office, by, shops } = await ground();
  const gone = await county.rows<{ id: string }>('assignment', `update premises set status = 'suspended' where establishment_id = $1 returning establishment_id as id`, [shops[2]]); // prettier-ignore
  expect(gone).toHaveLength(1);
  expect((await leave(other.by.乙)).status).toBe(200);
  const market = await shop(town.villages[0]!.code, 'B');
  const refusal = async (establishment: string, official: string, token = office, division = town.code): Promise<string> => {
    const { status, body } = await propose(division, [{ establishment, official }], token);
    const { code, errors } = body as { code: string; errors: { pointer: string; rule: string; remedy: string }[] }; // prettier-ignore
    return [status, code, ...errors.map(({ pointer, rule }) => `${pointer} ${rule}`)].join(' ');
  }; // prettier-ignore
  const [noShop, noOfficial] = ['422 choices-refused /choices/0/establishment establishment-unknown', '422 choices-refused /choices/0/official official-unknown']; // prettier-ignore
  expect(await refusal(other.shops[0], by.甲)).toBe(noShop);
  expect(await refusal(randomUUID(), by.甲)).toBe(noShop);
  expect(await refusal(other.shops[0], other.by.甲, admin)).toBe(noShop); // of the county, and not of the place
  expect(await refusal(shops[0], other.by.甲)).toBe(noOfficial);
  expect(await refusal(shops[0], by.丁)).toBe(noOfficial); // the county's: an office sees nobody there
  expect(await refusal(shops[0], randomUUID())).toBe(noOfficial);
  const unfit = '422 choices-refused /choices/0/official official-unfit';
  expect(await refusal(shops[0], by.丙)).toBe(unfit);
  expect(await refusal(shops[4], by.甲)).toBe(unfit);
  expect(await refusal(shops[0], by.丁, admin)).toBe(unfit);
  expect(await refusal(shops[0], other.by.甲, admin)).toBe(unfit);
  expect(await refusal(shops[4], other.by.丙, admin)).toBe(unfit);
  expect(await refusal(other.shops[0], other.by.乙, admin, other.town.code)).toBe('422 choices-refused /choices/0/official official-left'); // prettier-ignore
  expect(await refusal(shops[2], by.甲)).toBe('422 choices-refused /choices/0/establishment establishment-closed'); // prettier-ignore
  expect(await refusal(market, by.甲)).toBe('422 choices-refused /choices/0/establishment tier-of-county'); // prettier-ignore
  expect(await refusal(shops[0], by.甲, office, other.town.code)).toMatch(/^403 out-of-scope/);

  const one = { establishment: shops[0], official: by.乙 };
  const both = await propose(town.code, [one, { establishment: shops[1], official: by.丙 }, one], office); // prettier-ignore
  expect((both.body as { errors: { pointer: string }[] }).errors.map(({ pointer }) => pointer)).toEqual(['/choices/1/official', '/choices/2/establishment']); // prettier-ignore
  for (const choices of [
    [],
    Array.from({ length: 201 }, () => one),
    [{ establishment: shops[0] }],
    [{ ...one, tier: 'D' }],
  ])
    // prettier-ignore
    expect((await propose(town.code, choices as Choices, office)).status).toBe(422);
  expect(await propose('371425', [{ establishment: market, official: by.丁 }], admin)).toMatchObject({ status: 201 }); // prettier-ignore
}, 60_000);

it('is judged again at the approval: who left, what closed, what was approved meanwhile', async () => {
  const { town, office, by, shops } = await ground();
  const [first, , closing, there] = shops;
  const older = await propose(town.code, [{ establishment: first, official: by.乙 }], office);
  const proposed = await propose(town.code, [{ establishment: first, official: by.乙 }, { establishment: closing, official: by.乙 }, { establishment: there, official: by.甲 }], office); // prettier-ignore
  await county.rows('assignment', `update premises set status = 'closed' where establishment_id = $1`, [closing]); // prettier-ignore
  await leave(by.乙);
  expect(await approve(proposed)).toMatchObject({ status: 200, body: { counts: { skipped: 2 } } });
  expect(await answers(first)).toEqual([[by.甲, null]]);
  expect(await answers(there)).toEqual([[by.乙, 'official-left'], [by.甲, null]]); // prettier-ignore
  expect(await approve(older)).toMatchObject({ status: 409, body: { code: 'wrong-state' } });
}, 60_000);

it('keeps to the cap of the county', async () => {
  const { town, office, by, shops } = await ground();
  const caps = [{ level: 'village', establishments: 2 }];
  await county.rows('assignment', `insert into policy (division, code, version, body, source) values ('371425', 'assignment-cap', 99, $1, 'test')`, [JSON.stringify({ caps })]); // prettier-ignore
  const choose = (...which: string[]): Promise<Answer> =>
    propose(town.code, which.map((establishment) => ({ establishment, official: by.乙 })), office); // prettier-ignore
  expect(await choose(shops[0])).toMatchObject({ status: 201 });
  expect(await choose(shops[0], shops[3], shops[1])).toMatchObject({
    status: 422,
    body: { code: 'choices-refused', errors: [{ pointer: '/choices/0/official', rule: 'cap-reached' }, { pointer: '/choices/2/official', rule: 'cap-reached' }] },
  }); // prettier-ignore
}, 60_000);
