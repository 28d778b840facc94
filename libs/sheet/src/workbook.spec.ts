import { setImmediate as turn } from 'node:timers/promises';
import { neutralised, plainText, readSheet, readTexts, type SheetRow, type TextRow, workbook, type WorkbookRow } from './index.js'; // prettier-ignore

const shape = { headers: { 主体名称: 'name', '面积(㎡)': 'area' }, required: ['name'] };
const sheet = { sheet: '台账', columnWidths: [10, 10] };

async function bytesOf(batches: WorkbookRow[][]): Promise<Buffer> {
  async function* all(): AsyncGenerator<WorkbookRow[]> {
    for (const rows of batches) yield rows;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of workbook(sheet, all())) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe('a workbook', () => {
  it('is read back as it was written, row by row, with its gaps and its markup', async () => {
    const odd = '甲 & <乙> "丙"\r\n\t丁 \ud83c\udf5c';
    const bytes = await bytesOf([
      [{ cells: ['标题'] }, { cells: ['主体名称', '面积(㎡)', '备注'] }],
      [],
      [{ row: 5, cells: [odd, 12.5, null], fill: 'red' }, { cells: [' 空 ', '', '\u0001\ud800'] }],
    ]);
    const { width, rows } = await readTexts(bytes, shape);
    const read: TextRow[] = [];
    for await (const some of rows) read.push(...some);
    expect([width, read]).toEqual([
      3,
      [
        { row: 1, texts: ['标题'], header: false },
        { row: 2, texts: ['主体名称', '面积(㎡)', '备注'], header: true },
        { row: 5, texts: [odd, '12.5', ''], header: false },
        { row: 6, texts: [' 空 ', '', '\ufffd\ufffd'], header: false },
      ],
    ]);
    const fields: SheetRow[] = [];
    for await (const some of readSheet(bytes, shape)) fields.push(...some);
    expect(fields[0]).toEqual({ row: 5, cells: { name: odd, area: '12.5' } });
  });

  it('is made as fast as it is read, and ends when its reader goes', async () => {
    let made = 0;
    let ended = false;
    async function* many(): AsyncGenerator<WorkbookRow[]> {
      try {
        for (; made < 10_000; made++)
          yield Array.from({ length: 100 }, () => ({ cells: [`${Math.random()}${Math.random()}`] }));
      } finally {
        ended = true;
      }
    }
    const reading = workbook(sheet, many());
    for await (const chunk of reading) if (chunk && made > 0) break; // leaves, as a client that hangs up
    while (!ended) await turn(); // the packer works in another thread: how many turns is its affair
    expect(made).toBeLessThan(1000);
  }); // prettier-ignore

  it('tells what breaks it to its reader', async () => {
    async function* broken(): AsyncGenerator<WorkbookRow[]> {
      yield [{ cells: ['甲'] }];
      throw new Error('the database is away');
    }
    await expect(workbook(sheet, broken()).toArray()).rejects.toThrow('the database is away');
  });
});

describe('a text that a program may take for a formula', () => {
  it.each(['=1+1', '+86', '-甲', '@a', '\tx', '\rx', "'=x", "''@x"])(
    '%j has an apostrophe before it, and is read back as it was',
    (text) => {
      expect(neutralised(text)).toBe(`'${text}`);
      expect(plainText(neutralised(text))).toBe(text);
    },
  );
  it.each(['甲', "O'Neil", "'quoted'", "'", '', '1-2'])('%j is left as it is', (text) => {
    expect([neutralised(text), plainText(text)]).toEqual([text, text]);
  });
});
