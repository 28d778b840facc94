import { hostileWorkbooks, zip } from '../../testing/src/zip.js';
import {
  checkSheet,
  readSheet,
  readTexts,
  SheetError,
  type SheetRow,
  sheetLimits,
} from './sheet.js';

const shape = { headers: { 主体名称: 'name', '面积(㎡)': 'area' }, required: ['name'] };

async function all(bytes: Uint8Array, batch = 2): Promise<SheetRow[]> {
  const rows: SheetRow[] = [];
  for await (const some of readSheet(bytes, shape, batch)) rows.push(...some);
  return rows;
}

const workbook = (sheet: string, more: Record<string, string | Buffer> = {}): Buffer =>
  zip({
    'xl/workbook.xml': '<workbook><sheets><sheet name="a" r:id="r1"/></sheets></workbook>',
    'xl/_rels/workbook.xml.rels':
      '<Relationships><Relationship Id="r1" Target="worksheets/sheet1.xml"/></Relationships>',
    'xl/worksheets/sheet1.xml': `<worksheet><sheetData>${sheet}</sheetData></worksheet>`,
    ...more,
  });

/** The same archive, of whose parts it says that they are encrypted. */
function encrypted(archive: Buffer): Buffer {
  for (let at = -1; (at = archive.indexOf('PK\u0001\u0002', at + 1)) >= 0;)
    archive.writeUInt16LE(archive.readUInt16LE(at + 8) | 1, at + 8);
  return archive;
}

const row = (number: number, ...cells: string[]): string =>
  `<row r="${number}">${cells.map((cell, at) => `<c r="${String.fromCharCode(65 + at)}${number}" t="inlineStr"><is><t xml:space="preserve">${cell}</t></is></c>`).join('')}</row>`;

describe('a sheet', () => {
  it.each(['x', 'PK', 'PK\u0003', '\n'])(
    'of a few bytes is refused, not tripped over: %j',
    async (text) => {
      await expect(checkSheet(Buffer.from(text), shape)).rejects.toThrow(SheetError);
    },
  );

  it('is read under its header row, past title and blank rows, numbered as a person counts', async () => {
    const sheet =
      row(1, '台账') +
      row(2, ' 主体 名称', '面积(㎡)') +
      row(3, ' 甲 ', '1') +
      row(4, ' ', '') +
      '<row r="7"><c r="A7" t="inlineStr"><is><t>乙</t></is></c><c r="B7"><v>1.2E1</v></c></row>';
    expect(await all(workbook(sheet))).toEqual([
      { row: 3, cells: { name: ' 甲 ', area: '1' } },
      { row: 7, cells: { name: '乙', area: '12' } },
    ]);
    expect(await checkSheet(workbook(sheet), shape)).toEqual({ rows: 2, header: 2, ignored: [], otherSheets: [] }); // prettier-ignore
  });

  it('is the first that has the titles and that a person sees; others that have them are named', async () => {
    const titles = row(1, '主体名称', '面积(㎡)');
    const parts = {
      说明: row(1, '主体', '填写说明'), 空: '<row r="1"><c r="A1" s="1"/></row>', 隐藏: titles + row(2, '旧', '9'),
      表白寺镇: titles + row(2, '甲', '1'), 焦庙镇: titles + row(2, '乙', '2'),
    }; // prettier-ignore
    const names = Object.keys(parts);
    const file = workbook('', {
      'xl/workbook.xml': `<workbook><sheets>${names.map((name, n) => `<sheet name="${name}" r:id="r${n}"${name === '隐藏' ? ' state="hidden"' : ''}/>`).join('')}</sheets></workbook>`,
      'xl/_rels/workbook.xml.rels': `<Relationships>${names.map((_, n) => `<Relationship Id="r${n}" Target="worksheets/s${n}.xml"/>`).join('')}</Relationships>`,
      ...Object.fromEntries(Object.values(parts).map((sheet, n) => [`xl/worksheets/s${n}.xml`, `<worksheet><sheetData>${sheet}</sheetData></worksheet>`])),
    });
    expect(await all(file)).toEqual([{ row: 2, cells: { name: '甲', area: '1' } }]);
    expect(await checkSheet(file, shape)).toEqual({ rows: 1, header: 1, ignored: [], otherSheets: ['焦庙镇'] });
    const { rows } = await readTexts(file, shape, 1);
    const texts: string[][] = [];
    for await (const some of rows) texts.push(...some.map((one) => one.texts));
    expect(texts).toEqual([['主体名称', '面积(㎡)'], ['甲', '1']]);
    const none = { ...shape, headers: { ...shape.headers, 姓名: 'person' }, required: ['person'] };
    await expect(checkSheet(file, none)).rejects.toThrow(/工作表“.+”第 1 行有不认识的标题.*of sheet “.+”/);
  }); // prettier-ignore

  it('shows a day as a day, whatever number the file keeps it as', async () => {
    const styles = `<styleSheet><numFmts><numFmt numFmtId="176" formatCode="yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot;"/><numFmt numFmtId="177" formatCode="0.0&quot;day&quot;;[Red]\\d0"/></numFmts>
      <cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="176"/><xf numFmtId="177"/><xf numFmtId="31"/></cellXfs></styleSheet>`;
    const cells = ['<v>46056</v>', '<v>46056.5</v>', '<v>46056</v>', '<v>46056</v>', '<v>46056</v>', ''];
    const sheet = row(1, '主体名称', '面积(㎡)') + cells.map((value, n) => `<row r="${n + 2}"><c r="B${n + 2}" s="${[0, 1, 2, 3, 4, 1][n]!}">${value}</c><c r="A${n + 2}" t="inlineStr"><is><t>甲</t></is></c></row>`).join('');
    const areas = async (more: object): Promise<string[]> => (await all(workbook(sheet, { 'xl/styles.xml': styles, ...more }))).map((one) => one.cells['area'] ?? '');
    expect(await areas({})).toEqual(['46056', '2026-02-03', '2026-02-03', '46056', '2026-02-03', '']);
    const since1904 = '<workbook><workbookPr date1904="1"/><sheets><sheet name="a" r:id="r1"/></sheets></workbook>';
    expect((await areas({ 'xl/workbook.xml': since1904 }))[1]).toBe('2030-02-04');
  }); // prettier-ignore

  it.each([
    ['主体名称;面积(㎡)\n甲;3\n', /第 1 行有不认识的标题.*各列须以英文逗号分隔.* · .*Commas separate the columns/],
    ['主体名称\t面积(㎡)\n"甲"\t"3"\n', /单元格中间有引号;各列须以英文逗号分隔.* · .*commas separate the columns|右引号后还有文字/],
    ['主体名称,面积(㎡)\n"甲,3\n', /引号没有成对.* · .*a quote is not closed/],
  ])('of text whose columns are not separated by commas, or whose quotes are wrong, says so: %j', async (text, said) => {
    await expect(checkSheet(Buffer.from(text), shape)).rejects.toThrow(said);
  }); // prettier-ignore

  it('is read from CSV in UTF-8 with a mark, and in GB18030', async () => {
    const text = '主体名称,面积(㎡)\r\n"甲,乙",3\r\n\r\n丙,\r\n';
    const gb = Buffer.from('d6f7cce5c3fbb3c60ab1ed', 'hex'); // 主体名称\n表
    expect(await all(Buffer.from(`\uFEFF${text}`))).toEqual([
      { row: 2, cells: { name: '甲,乙', area: '3' } },
      { row: 4, cells: { name: '丙', area: '' } },
    ]);
    expect(await all(gb)).toEqual([{ row: 2, cells: { name: '表' } }]);
  });

  it('tells the titles of its header row that are not taken, but not those that mean nothing', async () => {
    const titles = '序 号,备注,主体名称,联系\t电话,,问题 · findings,备注';
    expect(await checkSheet(Buffer.from(`台账,说明\n${titles}\n1,x,甲,1,多,x,x\n`), shape)).toEqual({
      rows: 1, header: 2, ignored: ['备注', '联系 电话', '备注'], otherSheets: [],
    });
  }); // prettier-ignore

  it('marks a row that begins with a word of sums, whatever the column', async () => {
    const text = '序号,主体名称,面积(㎡)\n合 计,,9\n,总计:,9\n1,小计,9\n合计面积,,9\n';
    expect((await all(Buffer.from(text))).map(({ row, total }) => [row, total])).toEqual([
      [2, '合 计'],
      [3, '总计:'],
      [4, undefined],
      [5, undefined],
    ]);
  });

  it.each([
    ['an empty file', Buffer.alloc(0), 'sheet-format'],
    ['bytes of no encoding', Buffer.from([0xff, 0xfe, 0xfd, 0xff, 0x80]), 'sheet-encoding'],
    ['a picture', Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.from('a\u0000b')]), 'sheet-format'],
    ['an old workbook', Buffer.from('d0cf11e0a1b11ae1', 'hex'), 'sheet-format'],
    ['other columns', Buffer.from('名字,面积\n甲,1\n'), 'sheet-headers'],
    ['a cut archive', workbook(row(1, '主体名称')).subarray(0, 200), 'sheet-damaged'],
    ['an encrypted part', encrypted(workbook(row(1, '主体名称'))), 'sheet-damaged'],
    ['a quote without end', Buffer.from('主体名称\n"甲\n'), 'sheet-damaged'],
    ['broken XML', workbook('<row><c>'), 'sheet-damaged'],
    ['a bomb', workbook('', { 'xl/sharedStrings.xml': Buffer.alloc(300_000_000) }), 'sheet-bomb'],
    ['too many parts', workbook('', Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`x/${n}`, 'x']))), 'sheet-bomb'],
    ['entities', workbook('<row r="1"><c t="inlineStr"><is><t>&lol;</t></is></c></row>'), 'sheet-damaged'],
  ])('is refused as a whole, with a code, when it is %s', async (_what, bytes, code) => {
    const detail = expect.stringMatching(/^[^·]*\p{Script=Han}[^·]* · .*[A-Za-z]/su) as unknown;
    await expect(all(bytes)).rejects.toMatchObject({ code, detail });
  }); // prettier-ignore

  it.each([
    ['a Word file', zip({ '[Content_Types].xml': '<Types/>', 'word/document.xml': '<document/>' })],
    ['a PowerPoint file', zip({ 'ppt/presentation.xml': '<presentation/>' })],
    ['an OpenDocument file (like .ods)', zip({ mimetype: 'x', 'content.xml': '<document/>' })],
    ['a binary Excel workbook (.xlsb)', zip({ 'xl/workbook.bin': 'x' })],
    ['an old Excel (.xls)', Buffer.from('d0cf11e0a1b11ae1', 'hex')],
    ['a PDF', Buffer.from('%PDF-1.7\n')],
    ['a PNG picture', Buffer.from('89504e470d0a1a0a', 'hex')],
    ['a JPEG picture', Buffer.from('ffd8ffe000104a46', 'hex')],
  ])('is no sheet when it is %s, and is told what it is', async (what, bytes) => {
    const detail = expect.stringMatching(new RegExp(`^这是.* · This is ${what.replace(/[().]/g, '\\$&')}.*: save the sheet as XLSX or CSV\\.$`)) as unknown;
    await expect(all(bytes)).rejects.toMatchObject({ code: 'sheet-format', detail });
  }); // prettier-ignore

  it.each(hostileWorkbooks(['主体名称', '面积(㎡)'], ['甲', '1']))(
    'does no harm when it is %s',
    async (_what, bytes, code) => {
      if (code) await expect(all(bytes)).rejects.toMatchObject({ code });
      else expect(await all(bytes)).toContainEqual({ row: 2, cells: { name: '甲', area: '1' } });
    },
  );

  it('takes no more rows than the limit', async () => {
    const lines = `主体名称\n${'甲\n'.repeat(sheetLimits.rows + 1)}`;
    await expect(checkSheet(Buffer.from(lines), shape)).rejects.toMatchObject({
      code: 'sheet-too-large',
    });
  });
});
