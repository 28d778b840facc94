import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createDeflateRaw } from 'node:zlib';

/** Fill colours by name; the index is the cell style. */
const fills = { none: '', red: 'FFFFC7CE', yellow: 'FFFFEB9C', blue: 'FFDDEBF7', grey: 'FFD9D9D9' } as const; // prettier-ignore

export interface WorkbookRow {
  /** As a person counts it, from 1; without it the row after the one before. */
  row?: number;
  cells: (string | number | null)[];
  fill?: keyof typeof fills;
}

export interface WorkbookShape {
  sheet: string;
  /** In characters. */
  columnWidths: number[];
  /** Stands over all columns, in a row of its own. */
  heading?: string;
}

export const workbookType = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';

/**
 * An XLSX of one sheet, made while it is read: nobody waits for the whole, and memory does not grow with it. Ends early
 * when the reader does, and `batches` with it. Texts are texts: nothing in it is a formula.
 */
export function workbook(shape: WorkbookShape, batches: AsyncIterable<WorkbookRow[]>): Readable {
  return Readable.from(archive(shape, batches), { objectMode: false });
}

const head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const ns = 'http://schemas.openxmlformats.org';
const main = `xmlns="${ns}/spreadsheetml/2006/main"`;
const relation = (id: string, type: string, target: string): string =>
  `<Relationship Id="${id}" Type="${ns}/officeDocument/2006/relationships/${type}" Target="${target}"/>`;
const relations = (...all: string[]): string =>
  `${head}<Relationships xmlns="${ns}/package/2006/relationships">${all.join('')}</Relationships>`;
const part = (name: string, type: string): string =>
  `<Override PartName="${name}" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.${type}+xml"/>`;
const solid = (color: string): string =>
  `<fill><patternFill patternType="solid"><fgColor rgb="${color}"/><bgColor indexed="64"/></patternFill></fill>`;

const styles = Object.keys(fills);
const colours = Object.values(fills).filter((colour) => colour !== '');

/** A cell holds no more, and a workbook with a longer one does not open. */
const cellCharacters = 32_767;

async function* archive(shape: WorkbookShape, batches: AsyncIterable<WorkbookRow[]>): AsyncGenerator<Buffer> {
  const files: [name: string, texts: string[] | AsyncIterable<string>][] = [
    ['[Content_Types].xml', [`${head}<Types xmlns="${ns}/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>${part('/xl/workbook.xml', 'sheet.main')}${part('/xl/worksheets/sheet1.xml', 'worksheet')}${part('/xl/styles.xml', 'styles')}</Types>`]],
    ['_rels/.rels', [relations(relation('rId1', 'officeDocument', 'xl/workbook.xml'))]],
    ['xl/workbook.xml', [`${head}<workbook ${main} xmlns:r="${ns}/officeDocument/2006/relationships"><sheets><sheet name="${escaped(shape.sheet)}" sheetId="1" r:id="rId1"/></sheets></workbook>`]],
    ['xl/_rels/workbook.xml.rels', [relations(relation('rId1', 'worksheet', 'worksheets/sheet1.xml'), relation('rId2', 'styles', 'styles.xml'))]],
    ['xl/styles.xml', [`${head}<styleSheet ${main}><fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts><fills count="${colours.length + 2}"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>${colours.map(solid).join('')}</fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="${styles.length}">${styles.map((_, at) => `<xf numFmtId="0" fontId="0" fillId="${at === 0 ? 0 : at + 1}" borderId="0" xfId="0"${at === 0 ? '' : ' applyFill="1"'}/>`).join('')}</cellXfs></styleSheet>`]],
    ['xl/worksheets/sheet1.xml', sheetOf(shape, batches)],
  ];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, texts] of files) {
    const fileName = Buffer.from(name);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(20, 4);
    local.writeUInt16LE(0x0808, 6); // sizes follow the data; names are UTF-8
    local.writeUInt16LE(8, 8);
    local.writeUInt32LE(0x00210000, 10); // the first day of ZIP's calendar: the same rows make the same bytes
    local.writeUInt16LE(fileName.length, 26);
    yield Buffer.concat([local, fileName]);

    const sum = { crc: 0, size: 0, packed: 0 };
    const deflate = createDeflateRaw();
    const fed = pipeline(counted(texts, sum), deflate);
    fed.catch(() => undefined); // told by the loop, which reads the same stream
    try {
      for await (const chunk of deflate as AsyncIterable<Buffer>) {
        sum.packed += chunk.length;
        yield chunk;
      }
      await fed;
    } finally {
      deflate.destroy();
    }
    const descriptor = Buffer.alloc(16);
    descriptor.writeUInt32LE(0x08074b50, 0);
    descriptor.writeUInt32LE(sum.crc, 4);
    descriptor.writeUInt32LE(sum.packed, 8);
    descriptor.writeUInt32LE(sum.size, 12);
    yield descriptor;

    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(20, 4);
    local.copy(central, 6, 4, 14);
    descriptor.copy(central, 16, 4, 16);
    central.writeUInt16LE(fileName.length, 28);
    central.writeUInt32LE(offset, 42);
    directory.push(central, fileName);
    offset += local.length + fileName.length + sum.packed + descriptor.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  yield Buffer.concat([central, end]);
} // prettier-ignore

async function* counted(
  texts: string[] | AsyncIterable<string>,
  sum: { crc: number; size: number },
): AsyncGenerator<Buffer> {
  for await (const text of texts) {
    const bytes = Buffer.from(text);
    sum.crc = crc32(bytes, sum.crc);
    sum.size += bytes.length;
    yield bytes;
  }
}

async function* sheetOf(
  { columnWidths, heading = '' }: WorkbookShape,
  batches: AsyncIterable<WorkbookRow[]>,
): AsyncGenerator<string> {
  const columns = columnWidths.map(
    (width, at) => `<col min="${at + 1}" max="${at + 1}" width="${width}" customWidth="1"/>`,
  );
  const widths = columns.length > 0 ? `<cols>${columns.join('')}</cols>` : '';
  yield `${head}<worksheet ${main}>${widths}<sheetData>`;
  let last = 0;
  const textOf = ({ row = last + 1, cells, fill = 'none' }: WorkbookRow): string => {
    last = row;
    const style = styles.indexOf(fill);
    return `<row r="${row}">${cells.map((cell, at) => cellOf(cell, `${columnName(at)}${row}`, style)).join('')}</row>`;
  };
  if (heading) yield textOf({ cells: [heading] });
  for await (const rows of batches) {
    const text = rows.map(textOf).join('');
    if (text !== '') yield text;
  }
  const merged = `<mergeCells count="1"><mergeCell ref="A1:${columnName(columnWidths.length - 1)}1"/></mergeCells>`;
  yield `</sheetData>${heading && merged}</worksheet>`;
}

function cellOf(value: string | number | null, at: string, style: number): string {
  const styled = style === 0 ? '' : ` s="${style}"`;
  if (value === null || value === '') return style === 0 ? '' : `<c r="${at}"${styled}/>`;
  if (typeof value === 'number') return `<c r="${at}"${styled}><v>${value}</v></c>`;
  return `<c r="${at}"${styled} t="inlineStr"><is><t xml:space="preserve">${escaped(value)}</t></is></c>`;
}

const names: string[] = [];
/** 0 → A, 26 → AA. */
function columnName(at: number): string {
  return (names[at] ??= `${at < 26 ? '' : columnName(Math.floor(at / 26) - 1)}${String.fromCharCode(65 + (at % 26))}`);
} // prettier-ignore

/** XML takes no control characters and no halves of a pair; a carriage return only as a reference. */
function escaped(text: string): string {
  return text
    .slice(0, cellCharacters)
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/gu, '\ufffd')
    .replace(/[&<>"\r]/g, (one) => references[one] ?? one);
}
const references: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\r': '&#13;' }; // prettier-ignore
