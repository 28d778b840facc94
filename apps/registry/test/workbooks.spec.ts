import { readFileSync } from 'node:fs';
import { readTexts, type TextRow, workbook } from '#sheet';
import { County, freshTownship, type Landed, rowsOf, type Township } from '#testing';
import exceljs from 'exceljs';
import { shape } from '../src/ledger.service.js';
import { registry } from '../src/registry.definition.js';

let county: County;
let admin: string;
beforeAll(async () => {
  county = await County.start([registry]);
  admin = await county.token('county-admin', '371425');
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop());

const head = ['序号', '主体名称', '统一社会信用代码', '许可证(登记证)编号', '经营场所', '所属乡镇(街道)', '所属村(社区)', '主体业态', '经营面积(㎡)', '就餐人数', '纬度(WGS84)', '经度(WGS84)']; // prettier-ignore
const land = (file: Buffer, token = admin, name = 'x.xlsx'): Promise<Landed> =>
  county.land('registry', '/v1/ledger-imports', token, file, name);
async function textsOf(bytes: Buffer): Promise<TextRow[]> {
  const read: TextRow[] = [];
  for await (const some of (await readTexts(bytes, shape)).rows) read.push(...some);
  return read;
}
async function xlsx(...rows: (string | number)[][]): Promise<Buffer> {
  async function* all(): AsyncGenerator<{ cells: (string | number)[] }[]> {
    yield rows.map((cells) => ({ cells }));
  }
  const chunks = (await workbook({ sheet: 'a', columnWidths: [] }, all()).toArray()) as Buffer[];
  return Buffer.concat(chunks);
}
const at = ({ name, villages }: Township): string[] => [name, villages[0]!.name];

describe('the findings of an import as a workbook', () => {
  it('are the sheet as it was sent, with rows filled by the worst severity and the remedies in a last column', async () => {
    const town = freshTownship();
    const office = await county.token('office', town.code);
    const sent = [
      ['某镇台账'],
      [...head, '备注'],
      [1, '甲店', '', '', '一号', ...at(town), '食品摊点', '', '', '', '', '无'],
      [2, ' 乙店 ', '', '', '二号', ...at(town), '餐饮服务', '', '', '', '', ''],
      [3, '=丙店', '', '', '三号', ...at(town), '不知道', '', '', '', '', '', '在旁边'],
      [4, ' 丁店', '', '', '四号', ...at(town), '食品摊点'],
      [5, '甲店', '', '', '一号', ...at(town), '食品摊点', '', '', '', '', ''],
    ];
    const { id, counts } = await land(await xlsx(...sent), office);
    expect(counts).toMatchObject({ rows: 5, created: 3, refused: 1, duplicate: 1, warned: 1, repaired: 2 }); // prettier-ignore
    const { status, headers, bytes } = await county.download('registry', `/v1/ledger-imports/${id}/findings.xlsx`, office); // prettier-ignore
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'); // prettier-ignore
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain('sandbox');
    expect(headers.get('content-disposition')).toBe(`attachment; filename="foodwarden.xlsx"; filename*=UTF-8''${encodeURIComponent(`台账问题-${id}`)}.xlsx`); // prettier-ignore

    const book = new exceljs.Workbook();
    await book.xlsx.load(bytes as never);
    const sheet = book.worksheets[0]!;
    const text = (row: number, column: number): string => sheet.getRow(row).getCell(column).text;
    sent.forEach((cells, n) =>
      expect(Array.from({ length: 14 }, (_, c) => text(n + 1, c + 1))).toEqual(
        Array.from({ length: 14 }, (_, c) => `${cells[c] ?? ''}`),
      ),
    );
    expect(text(2, 15)).toBe('问题 · findings');
    const fill = (row: number): string => {
      const { fill } = sheet.getRow(row).getCell(2) as { fill?: { fgColor?: { argb: string } } };
      return fill?.fgColor?.argb ?? '';
    };
    expect([1, 2, 3, 4, 5, 6, 7].map(fill)).toEqual(['', '', '', 'FFFFEB9C', 'FFFFC7CE', 'FFDDEBF7', 'FFD9D9D9']); // prettier-ignore
    expect([text(1, 15), text(3, 15)]).toEqual(['', '']);
    expect(text(4, 15)).toBe('[已修正] 主体名称: 已去掉名称首尾空格 · spaces around the name were dropped (name-spaces:  乙店  → 乙店); [请核对] 经营面积(㎡): 请补充经营面积,包保等级由它决定 · add the area: it decides the tier (area-missing)'); // prettier-ignore
    expect(text(5, 15)).toContain('[未录入] 主体业态: 请填写十种业态之一:食品生产、特殊食品、食品销售、餐饮服务、学校食堂、集体用餐配送单位、集中交易市场、小餐饮、食品小作坊、食品摊点 · use one of the ten kinds: 食品生产、特殊食品、食品销售、餐饮服务、学校食堂、集体用餐配送单位、集中交易市场、小餐饮、食品小作坊、食品摊点 (kind-unknown: 不知道)'); // prettier-ignore
    expect(text(7, 15)).toContain('row-repeated');

    const again = await land(bytes, office);
    expect(again.counts).toMatchObject({ rows: 5, created: 0, unchanged: 3, refused: 1, duplicate: 1 }); // prettier-ignore
  }, 60_000);

  it('come from a CSV as well, and of another’s import not at all', async () => {
    const town = freshTownship();
    const office = await county.token('office', town.code);
    const csv = `${head.join()}\n1,甲店,,,一号,${at(town).join()},不知道,,,,\n`;
    const { id } = await land(Buffer.from(csv), office, 'x.csv');
    const marked = await county.download('registry', `/v1/ledger-imports/${id}/findings.xlsx`, office); // prettier-ignore
    expect((await textsOf(marked.bytes)).map(({ row, texts }) => [row, texts.length, texts[1]])).toEqual([[1, 13, '主体名称'], [2, 13, '甲店']]); // prettier-ignore
    const other = await county.token('office', freshTownship().code);
    for (const one of [id, 'b6a7e7a6-5b7a-4d3f-9a43-7a1f0f5f0a11'])
      expect((await county.download('registry', `/v1/ledger-imports/${one}/findings.xlsx`, other)).status).toBe(404); // prettier-ignore
    await county.rows('registry', `update ledger_import set state = 'running', claimed_until = now() + interval '1 hour' where id = $1`, [id]); // prettier-ignore
    expect((await county.download('registry', `/v1/ledger-imports/${id}/findings.xlsx`, office)).status).toBe(409); // prettier-ignore
    await county.rows('registry', `update ledger_import set state = 'done' where id = $1`, [id]);
  }, 60_000);
});

describe('the establishments as a ledger', () => {
  it('have the officials’ layout, and read back every row is unchanged', async () => {
    await land(readFileSync('apps/platform/sample/ledger.xlsx'));
    const town = freshTownship();
    const office = await county.token('office', town.code);
    const odd = ['=HYPERLINK("x")', '+店', '-店', '@店', "'=店", "O'店", '<店>&"'];
    for (const [n, name] of odd.entries()) {
      const body = { division: town.villages[0]!.code, name: ` ${name} `, address: `=${n}号`, kind: 'catering', area: 80.5, diners: n }; // prettier-ignore
      const made = await county.call('registry', 'POST', '/v1/establishments', { token: office, body }); // prettier-ignore
      expect([made.status, (made.body as { name: string }).name]).toEqual([201, name]);
    }
    const gone = await county.call('registry', 'POST', '/v1/establishments', { token: office, body: { division: town.villages[0]!.code, name: '关店', address: '九号', kind: 'stall' } }); // prettier-ignore
    await county.call('registry', 'PATCH', `/v1/establishments/${(gone.body as { id: string }).id}`, { token: office, body: { status: 'closed' }, headers: { 'if-match': '"1"' } }); // prettier-ignore

    const { status, headers, bytes } = await county.download('registry', '/v1/establishments.xlsx', admin); // prettier-ignore
    expect([status, headers.get('content-disposition')]).toEqual([200, `attachment; filename="foodwarden.xlsx"; filename*=UTF-8''${encodeURIComponent('食品生产经营主体台账')}.xlsx`]); // prettier-ignore
    const [title, header, ...rows] = await textsOf(bytes);
    expect([title!.texts, header!.texts]).toEqual([['齐河县食品生产经营主体台账'], head]);
    expect(rowsOf(bytes)).toEqual([title!, header!, ...rows].map(({ texts }) => texts)); // other specs read workbooks by it
    const open = await county.rows<{ n: number }>('registry', `select count(*)::int as n from establishment where status <> 'closed'`); // prettier-ignore
    expect([rows.length > 600, rows.length]).toEqual([true, open[0]!.n]);
    expect(rows.map(({ texts }) => texts[0])).toEqual(rows.map((_, n) => `${n + 1}`));
    const cells = rows.flatMap(({ texts }) => texts);
    expect(cells.filter((text) => /^[=+\-@\t\r]/.test(text))).toEqual([]);
    expect(cells).toEqual(expect.arrayContaining([`'${odd[0]}`, "'+店", "'-店", "'@店", "''=店", "O'店", '<店>&"', "'=0号"])); // prettier-ignore
    expect(cells).not.toContain('关店');

    const back = await land(bytes);
    expect(back.counts).toMatchObject({ rows: rows.length, unchanged: rows.length, created: 0, updated: 0, refused: 0, repaired: 0 }); // prettier-ignore
  }, 120_000);

  it('are those that are asked for, of one’s own ground', async () => {
    const town = freshTownship();
    const office = await county.token('office', town.code);
    for (const [name, area] of [['大店', 900], ['小店', 20]] as const)
      await county.call('registry', 'POST', '/v1/establishments', { token: office, body: { division: town.villages[0]!.code, name, address: '一号', kind: 'catering', area } }); // prettier-ignore
    const names = async (query: string, token = office): Promise<string[]> => {
      const { bytes } = await county.download('registry', `/v1/establishments.xlsx${query}`, token);
      return (await textsOf(bytes)).slice(2).map(({ texts }) => texts[1]!);
    };
    expect((await names('')).filter((name) => /^[大小]店$/.test(name)).sort()).toEqual(['大店', '小店']); // prettier-ignore
    expect(await names('?name=大店')).toEqual(['大店']);
    expect(await names('?name=大店&tier=B')).toEqual(['大店']);
    expect(await names('?name=大店&tier=A')).toEqual([]);
    expect(await names(`?name=大店&division=${town.villages[0]!.code}`, admin)).toEqual(['大店']);
    expect(await names('?name=大店', await county.token('office', freshTownship().code))).toEqual([]); // prettier-ignore
    const refused = await county.call('registry', 'GET', '/v1/establishments.xlsx?limit=5', { token: office }); // prettier-ignore
    expect(refused.status).toBe(422);
  }, 60_000);
});

it('takes of a workbook of several sheets the first with the columns, the others told; a day is no area', async () => {
  const town = freshTownship();
  const office = await county.token('office', town.code);
  const book = new exceljs.Workbook();
  book.addWorksheet('填表说明').addRow(['请逐行填写']);
  for (const [sheet, area] of [['表白寺镇', new Date('2026-02-03')], ['焦庙镇', 80]] as const) {
    const rows = book.addWorksheet(sheet);
    rows.addRow(head);
    rows.addRow([1, `${sheet}百货`, '', '', '一号', ...at(town), '食品销售', area]);
  }
  const landed = await land(Buffer.from(await book.xlsx.writeBuffer()), office);
  expect(landed.counts).toMatchObject({ rows: 1, created: 1, warned: 1 });
  expect(await county.every('registry', `/v1/ledger-imports/${landed.id}/findings`, office)).toMatchObject([
    { row: 1, rule: 'sheet-ignored', severity: 'noted', value: '焦庙镇' },
    { row: 2, rule: 'number-unreadable', column: '经营面积(㎡)', value: '2026-02-03' }, { row: 2, rule: 'area-missing' },
  ]);
}, 60_000); // prettier-ignore
