import { randomUUID } from 'node:crypto';
import {
  type Answer,
  County,
  eventually,
  freshTownship,
  type Landed,
  type Township,
} from '#testing';
import { v7 as uuidv7 } from 'uuid';
import { inspection } from '../apps/inspection/src/inspection.definition.js';
import { registry } from '../apps/registry/src/registry.definition.js';

/* What inspection tells the registry keeps an import from being undone. */

let county: County;
beforeAll(async () => {
  county = await County.start([registry, inspection]);
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

/** A visit, as inspection's journal and relay send it. */
async function visit(establishmentId: string, division: string): Promise<void> {
  const id = uuidv7();
  const inspectionId = randomUUID();
  const event = {
    specversion: '1.0', id, type: 'inspection.inspection.submitted.v1', source: '/services/inspection', subject: inspectionId,
    time: new Date().toISOString(), datacontenttype: 'application/json', division, sequence: 1, actor: 'x', correlationid: 'x',
    data: {
      inspectionId, division, establishmentId, officialId: randomUUID(), method: 'on-site', visitedAt: new Date().toISOString(),
      checklist: 'x', checklistVersion: 1, failed: 0, findings: 0, obligationId: null,
    },
  }; // prettier-ignore
  await county.rows(
    'inspection',
    `with written as (
       insert into journal (event_id, type, division, aggregate_id, sequence, actor, event) values ($1, $2, $3, $4, 1, 'x', $5) returning id, recorded_at)
     insert into outbox (journal_id, recorded_at) select id, recorded_at from written`,
    [id, event.type, division, inspectionId, JSON.stringify(event)],
  );
  await eventually(
    () => county.rows('registry', 'select 1 as one from establishment_visit where inspection_id = $1', [inspectionId]),
    ({ length }) => length === 1,
  ); // prettier-ignore
}

it('refuses with the list when one was changed or visited since, and undoes nothing then', async () => {
  const town = freshTownship();
  const office = await county.token('office', town.code);
  const { id } = await land(sheet(town, '甲店,,,一号,@,80', '乙店,,,二号,@,80', '丙店,,,三号,@,80'), office); // prettier-ignore
  const made = await shops(office);
  const [one, two] = ['甲店', '乙店'].map((name) => made.find((shop) => shop.name === name)!.id);
  await county.call('registry', 'PATCH', `/v1/establishments/${one}`, { token: office, body: { area: 90 }, headers: { 'if-match': '"1"' } }); // prettier-ignore
  await visit(two!, town.villages[0]!.code);
  const before = await shops(office);
  const refused = await undo(id, office);
  expect(codeOf(refused)).toEqual([409, 'changed-since']);
  const { errors } = refused.body as { errors: { pointer: string }[] };
  expect(errors.sort((a, b) => a.pointer.localeCompare(b.pointer))).toMatchObject(
    [
      { pointer: `/establishments/${one}`, rule: 'changed-since', value: '甲店' },
      { pointer: `/establishments/${two}`, rule: 'visited-since', value: '乙店' },
    ].sort((a, b) => a.pointer.localeCompare(b.pointer)),
  );
  expect(await shops(office)).toEqual(before);
  const { body } = await county.call('registry', 'GET', `/v1/ledger-imports/${id}`, { token: office }); // prettier-ignore
  expect(body).toMatchObject({ state: 'done' });
}, 60_000);

it('does not mind a visit before the import', async () => {
  const town = freshTownship();
  const office = await county.token('office', town.code);
  await land(sheet(town, '甲店,,,一号,@,80'), office);
  const [shop] = await shops(office);
  await visit(shop!.id, town.villages[0]!.code);
  const second = await land(sheet(town, '甲店,,,一号,@,900'), office);
  expect((await undo(second.id, office)).status).toBe(200);
  expect(await shops(office)).toMatchObject([{ area: 80, status: 'open' }]);
}, 60_000);
