import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { County, eventually, freshTownship, type Landed } from '#testing';
import {
  expectImport,
  expectLedgerImport,
  type ExpectedImport,
  readDivisions,
} from '../../../test/oracle/ledger.mjs';
import { registry } from '../src/registry.definition.js';

const divisions = 'apps/platform/sample/divisions.csv';
const sample = 'apps/platform/sample/ledger.xlsx';
const real = '../shared/data/ledger-qihe.xlsx';

let county: County;
let admin: string;
beforeAll(async () => {
  county = await County.start([registry]);
  admin = await county.token('county-admin', '371425');
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop());

const land = (file: Uint8Array, name: string, query = '', token = admin): Promise<Landed> =>
  county.land('registry', `/v1/ledger-imports${query}`, token, file, name);
const every = <T>(path: string, token = admin): Promise<T[]> =>
  county.every<T>('registry', path, token);

interface FindingBody {
  row: number;
  rule: string;
  column: string | null;
  repairedTo: string | null;
}
const told = ({ row, rule, repairedTo }: FindingBody): string =>
  `${row} ${rule} ${rule === 'coordinates-swapped' ? '' : (repairedTo ?? '')}`;

async function judge(file: string, expected: ExpectedImport): Promise<void> {
  const bytes = await readFile(file);
  const dry = await land(bytes, 'ledger.xlsx', '?dryRun=true');
  expect(dry.counts).toEqual(expected.counts);
  const before = await county.rows('registry', 'select 1 as one from establishment limit 1');
  expect(before).toEqual([]);

  const done = await land(bytes, 'ledger.xlsx');
  expect([done.state, done.failure]).toEqual(['done', null]);
  expect(done.counts).toEqual(expected.counts);
  const findings = await every<FindingBody>(`/v1/ledger-imports/${done.id}/findings`);
  expect(findings.map(told).sort()).toEqual(expected.findings.map(told).sort());

  const landed = await every<{ division: string; name: string; uscc: string | null; tier: string; kind: string; area: number | null }>('/v1/establishments'); // prettier-ignore
  const line = (one: { name: string; uscc: string | null; tier: string; kind: string }, village: string, area: number | null): string =>
    [village, one.name, one.uscc, one.kind, one.tier, area].join('|'); // prettier-ignore
  expect(landed.map((one) => line(one, one.division, one.area)).sort()).toEqual(
    expected.establishments.map((one) => line(one, one.village, one.areaSquareMetres)).sort(),
  );

  const again = await land(bytes, 'the same once more.xlsx');
  expect(again.counts).toMatchObject({
    created: 0,
    updated: 0,
    unchanged: expected.counts.created,
    refused: expected.counts.refused,
    duplicate: expected.counts.duplicate,
  });
  const facts = await county.rows<{ n: number }>(
    'registry',
    `select count(*)::int as n from journal where type like 'registry.establishment.%'`,
  );
  expect(facts).toEqual([{ n: expected.counts.created }]);
}

it('lands the sample ledger row for row as the oracle says, once', async () => {
  const expected = await expectLedgerImport(sample, divisions);
  const { expected: planted } = JSON.parse(
    readFileSync('apps/platform/sample/ledger.planted.json', 'utf8'),
  ) as { expected: object };
  expect(expected.counts).toEqual(planted);
  await judge(sample, expected);
}, 120_000);

it('lands cells that say nothing as the oracle says', async () => {
  const { code, name, villages } = freshTownship();
  const office = await county.token('office', code);
  const base = { number: '', uscc: '', licence: '', address: '大集', township: name, village: villages[0]!.name, kind: '食品摊点', area: '', diners: '', latitude: '', longitude: '' }; // prettier-ignore
  const titles = ['主体名称', '统一社会信用代码', '许可证(登记证)编号', '经营场所', '所属乡镇(街道)', '所属村(社区)', '主体业态', '经营面积(㎡)', '就餐人数', '纬度(WGS84)', '经度(WGS84)']; // prettier-ignore
  const rows = [
    ...['无', '暂无', '办理中', '／', '——'].flatMap((none) => [{ licence: none }, { uscc: none }]),
    { uscc: '无', licence: ' n/a ' },
    { uscc: '无证' },
    { address: ' ' },
    { village: '' },
    ...['0,0', '36.79,116.76', '116.76,36.79', '0,116.76', '39.9,116.4', '36.79,'].map((pair) => ({
      latitude: pair.split(',')[0]!,
      longitude: pair.split(',')[1]!,
    })),
    ...['学校食堂', '集体用餐配送单位'].flatMap((kind) => [{ kind }, { kind, diners: '30' }]),
  ].map((cells, n) => ({ ...base, name: `摊${n}`, ...cells, row: n + 2 }));
  const expected = expectImport(rows, await readDivisions(divisions));
  const cellsOf = ({ name, uscc, licence, address, township, village, kind, area, diners, latitude, longitude }: (typeof rows)[0]): string[] =>
    [name, uscc, licence, address, township, village, kind, area, diners, latitude, longitude]; // prettier-ignore
  const csv = Buffer.from([titles, ...rows.map(cellsOf)].map((cells) => `${cells.join()}\n`).join('')); // prettier-ignore
  const done = await land(csv, 'cells.csv', '', office);
  expect(done.counts).toEqual(expected.counts);
  const findings = await every<FindingBody>(`/v1/ledger-imports/${done.id}/findings`, office);
  expect(findings.map(told).sort()).toEqual(expected.findings.map(told).sort());
}, 60_000);

describe('a ledger of an office', () => {
  it('takes rows of its own township alone, in GB18030, and names the others', async () => {
    const township = freshTownship();
    const foreign = freshTownship();
    const office = await county.token('office', township.code);
    const head = '主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态';
    const csv = `${head}\n小店,,一号,${township.name},${township.villages[0]!.name},食品摊点\n别处,,二号,${foreign.name},${foreign.villages[0]!.name},食品摊点\n`;
    const done = await land(gb18030(csv), 'own.csv', '', office);
    expect(done.counts).toMatchObject({ rows: 2, created: 1, refused: 1 });
    const findings = await every<FindingBody>(`/v1/ledger-imports/${done.id}/findings`, office);
    expect(findings).toMatchObject([{ row: 3, rule: 'township-unknown', column: '所属乡镇(街道)' }]);
    const other = await county.token('office', foreign.code);
    expect((await county.call('registry', 'GET', `/v1/ledger-imports/${done.id}`, { token: other })).status).toBe(404);
    expect(await every(`/v1/ledger-imports`, other)).toEqual([]);
  }, 60_000); // prettier-ignore

  it('changes what differs, erases nothing with a blank, and keeps a refused row from costing a good one', async () => {
    const township = freshTownship();
    const office = await county.token('office', township.code);
    const sheet = (...rows: string[]): Buffer =>
      Buffer.from(`主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态,经营面积(㎡)\n${rows.map((row) => `${row}\n`).join('')}`); // prettier-ignore
    const place = `${township.name},${township.villages[0]!.name}`;
    await land(sheet(`甲店,,一号,${place},餐饮服务,80`), 'a.csv', '', office);
    const second = await land(
      sheet(`甲店,,一号,${place},餐饮服务,`, `乙店,,二号,${place},不知道,50`, `甲店,,一号,${place},餐饮服务,900`),
      'b.csv', '', office,
    ); // prettier-ignore
    expect(second.counts).toMatchObject({ unchanged: 1, refused: 1, updated: 1, warned: 1 });
    const [only, none] = (
      (await county.call('registry', 'GET', '/v1/establishments?name=甲店', { token: office }))
        .body as { items: object[] }
    ).items;
    expect([only, none]).toEqual([
      expect.objectContaining({ area: 900, tier: 'B', version: 2 }),
      undefined,
    ]);
  }, 60_000);
});

it('goes on where it was when the worker loses it, and takes each row once', async () => {
  const { code, name, villages } = freshTownship();
  const office = await county.token('office', code);
  const rows = Array.from({ length: 20_000 }, (_, n) => `摊${n} ,,${n}号,${name},${villages[n % villages.length]!.name},食品摊点`); // prettier-ignore
  const csv = Buffer.from(`主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态\n${rows.join('\n')}\n`); // prettier-ignore
  const { body } = await county.upload('registry', '/v1/ledger-imports', office, csv, 'long.csv');
  const { id } = body as Landed;
  const doneRows = async (): Promise<number> =>
    (await county.rows<{ done: number }>('registry', 'select done_rows as done from ledger_import where id = $1', [id]))[0]!.done; // prettier-ignore
  let thefts = 0;
  for (const least of [1000, 6000, 11_000]) {
    await eventually(doneRows, (done) => done >= least, 20_000);
    const stolen = await county.rows('registry', `update ledger_import set claim = gen_random_uuid(), claimed_until = now() - interval '1 second' where id = $1 and state = 'running' returning 1 as one`, [id]); // prettier-ignore
    thefts += stolen.length;
  }
  expect(thefts).toBeGreaterThan(0);
  const done = await eventually(
    async () => (await county.call('registry', 'GET', `/v1/ledger-imports/${id}`, { token: office })).body as Landed, // prettier-ignore
    ({ state }) => state === 'done',
    90_000,
  );
  expect(done.counts).toMatchObject({
    rows: 20_000,
    created: 20_000,
    unchanged: 0,
    repaired: 20_000,
  });
  const [kept] = await county.rows<{ shops: number; facts: number; findings: number }>('registry', `select (select count(*)::int from establishment where starts_with(division, $2) and name like '摊%') as shops, (select count(*)::int from journal where starts_with(division, $2) and event->'data'->>'name' like '摊%') as facts, (select count(*)::int from ledger_import_finding where import_id = $1) as findings`, [id, code]); // prettier-ignore
  expect(kept).toEqual({ shops: 20_000, facts: 20_000, findings: 20_000 });
}, 180_000);

describe('a file that cannot be taken as a whole', () => {
  it.each([
    ['no sheet at all', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 0]), 422, 'sheet-format'],
    ['a broken encoding', Buffer.concat([Buffer.from('主体名称,'), Buffer.from([0xff, 0xff, 0xff])]), 422, 'sheet-encoding'],
    ['wrong headers', Buffer.from('名字,地址\n甲,乙\n'), 422, 'sheet-headers'],
    ['a damaged XLSX', readFileSync(sample).subarray(0, 9000), 422, 'sheet-damaged'],
    ['more than 50 MB', Buffer.alloc(51 * 1024 * 1024, 0x61), 413, 'file-too-large'],
  ])('%s is refused with a code', async (_what, bytes, status, code) => {
    const { status: got, body } = await county.upload('registry', '/v1/ledger-imports', admin, bytes, 'x.xlsx');
    expect([got, (body as { code: string }).code]).toEqual([status, code]);
  }, 30_000); // prettier-ignore

  it('says where the file belongs when it is missing', async () => {
    const answer = await county.call('registry', 'POST', '/v1/ledger-imports', { token: admin, body: {} }); // prettier-ignore
    expect([answer.status, (answer.body as { code: string }).code]).toEqual([415, 'media-type']);
  });

  it('queues the same upload once under one Idempotency-Key', async () => {
    const row = '甲店,,一号,无此镇,无此村,餐饮服务\n';
    const csv = Buffer.from(`主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态\n${row}`);
    const key = { 'idempotency-key': 'once' };
    const first = await county.upload('registry', '/v1/ledger-imports', admin, csv, 'x.csv', key);
    const again = await county.upload('registry', '/v1/ledger-imports', admin, csv, 'x.csv', key);
    expect([first.status, (again.body as Landed).id]).toEqual([202, (first.body as Landed).id]);
    const other = await county.upload('registry', '/v1/ledger-imports', admin, Buffer.concat([csv, Buffer.from(row)]), 'x.csv', key);
    expect((other.body as { code: string }).code).toBe('key-reused');
  }); // prettier-ignore
});

const withReal = existsSync(real) ? it : it.skip;
if (!existsSync(real))
  process.stderr.write(`SKIPPED: ${real} is absent; the sample ledger stands in\n`);
withReal('lands the ledger of Qihe row for row as the oracle says, once', async () => {
  await county.stop();
  county = await County.start([registry]);
  admin = await county.token('county-admin', '371425');
  await judge(real, await expectLedgerImport(real, divisions));
}, 180_000); // prettier-ignore

/** The few characters of these tests in GB18030: two bytes each, as the platform's own decoder reads them back. */
function gb18030(text: string): Buffer {
  const decoder = new TextDecoder('gb18030');
  const codes = new Map<string, [number, number]>();
  for (let high = 0x81; high <= 0xfe; high++)
    for (let low = 0x40; low <= 0xfe; low++)
      codes.set(decoder.decode(Uint8Array.of(high, low)), [high, low]);
  return Buffer.from([...text].flatMap((one) => (one < '\x80' ? [one.charCodeAt(0)] : codes.get(one)!)));
} // prettier-ignore

it('ends with its reason where a row brings a statement to fail, and keeps what landed before', async () => {
  const { code, name, villages } = freshTownship();
  const office = await county.token('office', code);
  await county.rows('registry', `create function refuse() returns trigger language plpgsql as $$ begin raise exception using errcode = '22023'; end $$`);
  await county.rows('registry', `create trigger refuse before insert on establishment for each row when (new.name = '绊脚石') execute function refuse()`);
  const rows = [...Array.from({ length: 1100 }, (_, n) => `摊${n}`), '绊脚石'].map((one, n) => `${one},,${n}号,${name},${villages[0]!.name},食品摊点`);
  const done = await land(Buffer.from(`主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态\n${rows.join('\n')}\n`), 'x.csv', '', office);
  await county.rows('registry', 'drop trigger refuse on establishment');
  expect(done).toMatchObject({ state: 'failed', failure: expect.stringMatching(/^internal: .*运维.* · .*send the file again/) as unknown });
  const { created = 0 } = done.counts; // whole strides, of a hundred or a thousand rows
  expect([1000, 1100]).toContain(created);
  expect((await land(Buffer.from(`主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态\n${rows.join('\n')}\n`), 'x.csv', '', office)).counts).toMatchObject({ unchanged: created, created: 1101 - created });
}, 60_000); // prettier-ignore
