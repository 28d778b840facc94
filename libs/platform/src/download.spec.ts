import { type Column, inShanghai, listWorkbook } from './download.js';
import { type Page } from './fields.js';

const columns: Column<{ name: string }>[] = [['名称', 10, ({ name }) => name]];
const list = (read: () => Promise<Page<{ name: string }>>): ReturnType<typeof listWorkbook> =>
  listWorkbook({ sheet: '表' }, columns, read);

it('tells what is wrong with the first page before anything is sent', async () => {
  await expect(list(() => Promise.reject(new Error('the database is away')))).rejects.toThrow('the database is away'); // prettier-ignore
});

it('breaks off, and says why, beyond as many rows as a sheet is taken with', async () => {
  const pages = [
    { items: Array.from({ length: 200_000 }, (_, n) => ({ name: `店${n}` })), next: 'more' },
    { items: [{ name: '多' }], next: null },
  ];
  const sheet = await list(() => Promise.resolve(pages.shift() ?? { items: [], next: null }));
  await expect(sheet.toArray()).rejects.toThrow('A workbook holds at most 200000 rows.');
});

it.each([
  ['2026-11-22T16:00:00Z', '2026-11-23 00:00:00'],
  ['2026-12-31T15:59:59.999Z', '2026-12-31 23:59:59'],
])('shows %s as %s', (instant, shown) => {
  expect(inShanghai(new Date(instant))).toBe(shown);
});
