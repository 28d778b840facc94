import { type Readable } from 'node:stream';
import { neutralised, sheetLimits, workbook, type WorkbookRow, workbookType } from '#sheet';
import { type FastifyReply } from 'fastify';
import { type Page } from './fields.js';

/** A column of a list: its title, its width in characters, and what it shows of an item and its number. */
export type Column<T> = readonly [
  title: string,
  width: number,
  of: (item: T, number: number) => string | number | null | undefined,
];

/** How many rows are read at once. */
const batch = 500;

/** What holds for every list that is sent as a workbook, for its description. */
export const listWords = {
  zh: `最多 ${sheetLimits.rows.toLocaleString('en')} 行,超出则文件中断,请用筛选缩小范围。可能被当作公式的文字前加了单引号。`,
  en: `At most ${sheetLimits.rows.toLocaleString('en')} rows: beyond that the file breaks off, so narrow it by a filter. Texts that a program may take for a formula have an apostrophe before them.`,
};

/**
 * A list as a workbook, read page by page while it is sent; no text in it is taken for a formula. The first page is read
 * before anything is sent, so that what is wrong with it is told as any problem is.
 */
export async function listWorkbook<T>(
  { sheet, heading }: { sheet: string; heading?: string },
  columns: readonly Column<T>[],
  read: (page: { after?: string; limit: number }) => Promise<Page<T>>,
): Promise<Readable> {
  let { items, next } = await read({ limit: batch });
  const columnWidths = columns.map(([, width]) => width);
  return workbook({ sheet, columnWidths, ...(heading ? { heading } : {}) }, rows());

  async function* rows(): AsyncGenerator<WorkbookRow[]> {
    yield [{ cells: columns.map(([title]) => title) }];
    for (let number = 0; ;) {
      if (number + items.length > sheetLimits.rows)
        throw new Error(`A workbook holds at most ${sheetLimits.rows} rows.`); // the answer has begun: it breaks off
      yield items.map((item) => {
        number += 1;
        const cells = columns.map(([, , of]) => of(item, number) ?? null);
        return { cells: cells.map((cell) => (typeof cell === 'string' ? neutralised(cell) : cell)) };
      });
      if (next === null) return;
      ({ items, next } = await read({ after: next, limit: batch }));
    }
  }
} // prettier-ignore

/** An instant as people read it in Asia/Shanghai, which has no summer time: `2026-11-23 08:30:00`. */
export const inShanghai = (instant: Date): string =>
  new Date(instant.getTime() + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');

/** Who takes nothing for so long is gone, and what serves him with him. */
const stalledMs = 60_000;

/**
 * Sends a workbook while it is made: as a file to be kept, never to be shown or run by the browser.
 * @param fileName ours, never an uploader's; without `.xlsx`
 */
export function sendWorkbook(reply: FastifyReply, fileName: string, bytes: Readable): void {
  reply.raw.setTimeout(stalledMs, () => reply.raw.destroy());
  void reply
    .header('content-type', workbookType)
    .header('content-disposition', `attachment; filename="foodwarden.xlsx"; filename*=UTF-8''${encodeURIComponent(fileName)}.xlsx`)
    .header('content-security-policy', "default-src 'none'; frame-ancestors 'none'; sandbox")
    .header('x-content-type-options', 'nosniff')
    .send(bytes);
} // prettier-ignore

/**
 * The 200 of a route that sends a workbook, for Swagger: with `@ApiProduces(workbookType)`. Bytes need no schema (OpenAPI
 * 3.1), and Swagger UI takes the media type, which has `xml` in its name, for XML and finds no root element in one.
 */
export const workbookResponse = {
  status: 200,
  content: { [workbookType]: {} },
  headers: {
    'Content-Disposition': {
      description: '文件名 · the name of the file',
      schema: { type: 'string' },
    },
  },
} as const;
