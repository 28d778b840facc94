import { Worker } from 'node:worker_threads';

/** Why a file is refused as a whole; a bad row is never the reason. */
export type SheetFault =
  | 'sheet-format' // neither XLSX nor CSV
  | 'sheet-encoding' // neither UTF-8 nor GB18030
  | 'sheet-headers' // a column that is needed is missing
  | 'sheet-damaged' // broken ZIP, XML or quotes
  | 'sheet-bomb' // unpacks to more than is taken
  | 'sheet-too-large'; // rows, texts, memory or time

export class SheetError extends Error {
  constructor(
    readonly code: SheetFault,
    readonly detail: `${string} · ${string}`,
  ) {
    super(detail);
  }
}

/** What a sheet may hold. Anything above is refused with a code, before it costs memory. */
export const sheetLimits = {
  fileBytes: 50 * 1024 * 1024,
  rows: 200_000,
  columns: 64,
  entries: 256,
  inflatedBytes: 512_000_000,
  ratio: 200,
  textCharacters: 64_000_000,
  heapMegabytes: 384,
  timeoutMs: 120_000,
};

export interface SheetRow {
  /** The row of the sheet as a person counts it, from 1. */
  row: number;
  /** The texts as they stand, by field. */
  cells: Record<string, string>;
  /** The first text of the row, whatever its column, where that is 合计, 总计 or 小计. */
  total?: string;
}

export interface SheetShape {
  /** Column title → field. Titles are compared without spaces and width. */
  headers: Record<string, string>;
  /** Fields whose column must be there. */
  required: string[];
}

/** Over what we found on each row, where we send a sheet back; sent in again, that column is not read. */
export const findingsTitle = '问题 · findings';

/** Columns that nobody takes and nobody misses: the running number means nothing in any sheet. */
const meaningless = ['序号', findingsTitle];

/** What a sheet is, without its rows. */
export interface SheetSummary {
  rows: number;
  /** The row of the column titles. */
  header: number;
  /** Titles that no field has, at most 100 characters of each; `序号` and our own findings are none. */
  ignored: string[];
  /** Other sheets of the workbook that have the columns: they are not read. */
  otherSheets: string[];
}

/** A row as it stands in the sheet, whatever its columns are. */
export interface TextRow {
  /** The row of the sheet as a person counts it, from 1. */
  row: number;
  texts: string[];
  /** The row of the column titles. */
  header: boolean;
}

interface Said {
  /** Rows as JSON. */
  rows?: string;
  end?: true;
  summary?: SheetSummary;
  /** Columns of the widest row. */
  width?: number;
  /** In both languages. */
  refused?: { code: SheetFault; detail: `${string} · ${string}` };
}

let free = 2; // threads at once in one process; the rest wait in line
const line: (() => void)[] = [];

/** A sheet by its path, read piece by piece, or its bytes. */
export type SheetFile = string | Uint8Array;

/**
 * The rows of the first sheet of an XLSX that has the titles (a hidden one is not looked at), or of a CSV in UTF-8 or GB18030, under the header row, blank rows left out,
 * `batch` at a time; the reader is at most one batch ahead.
 * @throws SheetError for a file that cannot be taken as a whole.
 */
export async function* readSheet(
  file: SheetFile,
  shape: SheetShape,
  batch = 500,
): AsyncGenerator<SheetRow[], void, undefined> {
  yield* reading<SheetRow>(file, shape, batch);
}

/**
 * Every row with a text, titles above the header row too, just as they stand; `width` is the number of columns of the
 * widest, known before the first row.
 * @throws SheetError for a file that cannot be taken as a whole.
 */
export async function readTexts(
  file: SheetFile,
  shape: SheetShape,
  batch = 500,
): Promise<{ width: number; rows: AsyncGenerator<TextRow[], void, undefined> }> {
  const { width = 0 } = await ended(reading<TextRow>(file, shape, 0, true));
  return { width, rows: withoutEnd(reading<TextRow>(file, shape, batch, true)) };
}

async function* withoutEnd<Row>(rows: AsyncGenerator<Row[], Said>): AsyncGenerator<Row[], void, undefined> {
  yield* rows;
} // prettier-ignore

async function ended<Row>(reader: AsyncGenerator<Row[], Said>): Promise<Said> {
  for (;;) {
    const { done, value } = await reader.next();
    if (done) return value;
  }
}

/** Reads the whole sheet without keeping it. @throws SheetError */
export async function checkSheet(file: SheetFile, shape: SheetShape): Promise<SheetSummary> {
  const { summary } = await ended(reading<SheetRow>(file, shape, 0));
  return summary ?? { rows: 0, header: 0, ignored: [], otherSheets: [] };
}

async function* reading<Row>(
  file: SheetFile,
  shape: SheetShape,
  batch: number,
  asTexts = false,
): AsyncGenerator<Row[], Said, undefined> {
  while (free === 0) await new Promise<void>((next) => line.push(next));
  free -= 1;
  const worker = new Worker(new URL('./sheet.worker.mjs', import.meta.url), {
    workerData: {
      file,
      headers: shape.headers,
      required: shape.required,
      meaningless,
      limits: sheetLimits,
      batch,
      asTexts,
    },
    resourceLimits: { maxOldGenerationSizeMb: sheetLimits.heapMegabytes },
    execArgv: [],
  });
  const said: Said[] = [];
  let heard: (() => void) | undefined;
  const hear = (what: Said): void => {
    said.push(what);
    heard?.();
  };
  worker.on('message', hear);
  worker.on('error', (error: Error & { code?: string }) =>
    hear({
      refused:
        error.code === 'ERR_WORKER_OUT_OF_MEMORY'
          ? {
              code: 'sheet-too-large',
              detail: '文件占用的内存超过限额。 · The file takes more memory than is given to one.',
            }
          : {
              code: 'sheet-damaged',
              detail: `文件无法读取。 · The file cannot be read: ${error.message}`,
            },
    }),
  );
  // The time of the reader alone is bounded, not that of whoever takes the rows.
  const tooLate = (): void =>
    hear({
      refused: {
        code: 'sheet-too-large',
        detail: '读取文件耗时过长。 · Reading the file takes too long.',
      },
    });
  try {
    for (;;) {
      if (said.length === 0) {
        const late = setTimeout(tooLate, sheetLimits.timeoutMs);
        while (said.length === 0) await new Promise<void>((next) => (heard = next));
        clearTimeout(late);
      }
      const { rows, end, refused, ...rest } = said.shift() ?? {};
      if (refused) throw new SheetError(refused.code, refused.detail);
      if (end) return rest;
      if (rows) {
        worker.postMessage('next');
        yield JSON.parse(rows) as Row[];
      }
    }
  } finally {
    await worker.terminate();
    free += 1;
    line.shift()?.();
  }
}
