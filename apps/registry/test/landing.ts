import { type Finding } from '#platform';
import { type Answer, County, freshTownship, type Landed, type Township } from '#testing';
import { registry } from '../src/registry.definition.js';

/* For the specs of a ledger's rows: registry alone, and for each test a township that nobody had, with its office. */

export let county: County;
export let town: Township;
export let office: string;
beforeAll(async () => {
  county = await County.start([registry]);
}, 60_000);
beforeEach(async () => {
  town = freshTownship();
  office = await county.token('office', town.code);
});
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop());

export const head = '序号,主体名称,统一社会信用代码,许可证(登记证)编号,经营场所,所属乡镇(街道),所属村(社区),主体业态,经营面积(㎡),就餐人数'; // prettier-ignore
/** A sheet of these rows; `@` stands for the township and its first village. */
export const csv = (rows: string[], titles = head): Buffer =>
  Buffer.from(`${titles}\n${rows.map((row) => `${row.replace('@', `${town.name},${town.villages[0]?.name ?? ''}`)}\n`).join('')}`); // prettier-ignore
export const land = (file: Buffer, query = ''): Promise<Landed> =>
  county.land('registry', `/v1/ledger-imports${query}`, office, file, 'x.csv');
export const findingsOf = ({ id }: Landed): Promise<Finding[]> =>
  county.every<Finding>('registry', `/v1/ledger-imports/${id}/findings`, office);
export const call = (method: string, path: string, body: object, headers = {}): Promise<Answer> =>
  county.call('registry', method, path, { token: office, body, headers });
