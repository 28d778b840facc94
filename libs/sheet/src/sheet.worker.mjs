// Reads one sheet in a thread of its own with a heap limit, and hands its rows over batch by batch, each when asked for.
// Plain JavaScript, so that the same file runs from the sources and from dist.
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { SaxesParser } from 'saxes';
import yauzl from 'yauzl';

const { file, headers, required, meaningless, limits, batch, asTexts } = workerData;
const bytes = typeof file === 'string' ? undefined : Buffer.from(file);

/** The file piece by piece: it never stands in memory whole. */
function* pieces(size = 1 << 18) {
  if (bytes) {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    return;
  }
  const open = openSync(file);
  try {
    for (;;) {
      const piece = Buffer.allocUnsafe(size);
      const length = readSync(open, piece);
      if (length === 0) return;
      yield piece.subarray(0, length);
    }
  } finally {
    closeSync(open);
  }
}

class Refused extends Error {
  constructor(code, detail) {
    super(detail);
    this.code = code;
  }
}

/** `人  名 ` and `人名` are one header; full width and half width too. */
const plain = (text) => text.normalize('NFKC').replace(/\s+/gu, '');
const passed = new Set(meaningless.map(plain));
const wanted = new Map(Object.entries(headers).map(([title, field]) => [plain(title), field]));

const fieldsOf = (cells) => Array.from(cells, (cell) => wanted.get(plain(cell ?? '')));
const missingIn = (fields) => required.filter((field) => !fields.includes(field));
/** The titles stand somewhere in so many rows. */
const titleRows = 30;

function xmlOf(stream, on) {
  return new Promise((done, failed) => {
    const parser = new SaxesParser();
    const decoder = new TextDecoder('utf-8', { fatal: true });
    const fail = (error) => {
      stream.destroy();
      failed(
        error instanceof Refused
          ? error
          : new Refused(
              'sheet-damaged',
              `工作簿无法读取。 · The workbook cannot be read: ${error.message}`,
            ),
      );
    };
    parser.on('error', fail);
    // A workbook has no need of one; every way to blow up or reach out by entities begins here.
    parser.on('doctype', () => {
      throw new Refused(
        'sheet-damaged',
        '工作簿含有 DOCTYPE,不予接受。 · The workbook has a DOCTYPE, which none needs.',
      );
    });
    parser.on('opentag', (tag) => on.open?.(tag.name.replace(/^.*:/, ''), tag.attributes));
    parser.on('text', (text) => on.text?.(text));
    parser.on('cdata', (text) => on.text?.(text));
    parser.on('closetag', (tag) => on.close?.(tag.name.replace(/^.*:/, '')));
    (async () => {
      for await (const chunk of stream) {
        parser.write(decoder.decode(chunk, { stream: true }));
        if (on.pause) await on.pause();
      }
      parser.write(decoder.decode()).close();
    })().then(done, fail);
  });
}

/** Every entry of the archive, its declared sizes checked before anything is inflated. */
function openArchive() {
  return new Promise((done, failed) => {
    const refuse = (error) =>
      failed(
        new Refused(
          'sheet-damaged',
          `工作簿无法读取。 · The workbook cannot be read: ${error.message}`,
        ),
      );
    const how = { lazyEntries: true, validateEntrySizes: true, autoClose: false };
    const opened = (error, archive) => {
      if (error) return refuse(error);
      const entries = new Map();
      let total = 0;
      archive.on('error', refuse);
      archive.on('entry', (entry) => {
        total += entry.uncompressedSize;
        const ratio = entry.uncompressedSize / Math.max(1, entry.compressedSize);
        if (entries.size >= limits.entries)
          return failed(
            new Refused(
              'sheet-bomb',
              `工作簿的组成部分超过 ${limits.entries} 个。 · The workbook has more than ${limits.entries} parts.`,
            ),
          );
        if (
          total > limits.inflatedBytes ||
          (ratio > limits.ratio && entry.uncompressedSize > 1_000_000)
        )
          return failed(
            new Refused(
              'sheet-bomb',
              `工作簿解压后超过限额。 · The workbook would unpack to more than is taken (${limits.inflatedBytes / 1e6} MB, ${limits.ratio} times its size).`,
            ),
          );
        const name = entry.fileName.replace(/^\//, '');
        // Which of two would be read differs from program to program.
        if (entries.has(name))
          return failed(
            new Refused(
              'sheet-damaged',
              `工作簿中 ${name} 出现两次。 · The workbook has ${name} twice.`,
            ),
          );
        entries.set(name, entry);
        archive.readEntry();
      });
      archive.on('end', () =>
        done({
          has: (name) => entries.has(name),
          stream: (name) =>
            new Promise((given, not) => {
              const entry = entries.get(name);
              if (!entry)
                return not(
                  new Refused(
                    'sheet-damaged',
                    `工作簿缺少 ${name}。 · The workbook has no ${name}.`,
                  ),
                );
              archive.openReadStream(entry, (openError, stream) =>
                openError ? not(openError) : given(stream),
              );
            }),
        }),
      );
      archive.readEntry();
    };
    if (bytes) yauzl.fromBuffer(bytes, how, opened);
    else yauzl.open(file, how, opened);
  });
}

/** What an archive is that is no XLSX, by a part that each of its kind has. */
const packed = [
  ['xl/workbook.bin', 'Excel 二进制工作簿(.xlsb)', 'a binary Excel workbook (.xlsb)'],
  ['word/document.xml', 'Word 文件', 'a Word file'],
  ['ppt/presentation.xml', 'PowerPoint 文件', 'a PowerPoint file'],
  ['content.xml', 'OpenDocument 文件(如 .ods)', 'an OpenDocument file (like .ods)'],
  ['Index/Document.iwa', 'Numbers 或 Pages 文件', 'a Numbers or Pages file'],
];

/** The sheets that a person sees, in their order, and what serial number day 0 has. */
async function sheetsOf(archive) {
  const other = packed.find(([name]) => archive.has(name));
  if (!archive.has('xl/workbook.xml') && other) throw otherFile(other[1], other[2]);
  const sheets = [];
  let dayZero = Date.UTC(1899, 11, 30);
  await xmlOf(await archive.stream('xl/workbook.xml'), {
    open: (name, attributes) => {
      if (name === 'sheet' && !/hidden/i.test(attributes.state ?? ''))
        sheets.push({ title: attributes.name ?? '', id: attributes['r:id'] });
      if (name === 'workbookPr' && /^(1|true)$/.test(attributes.date1904 ?? ''))
        dayZero = Date.UTC(1904, 0, 1);
    },
  });
  const targets = new Map();
  await xmlOf(await archive.stream('xl/_rels/workbook.xml.rels'), {
    open: (name, attributes) => {
      if (name === 'Relationship') targets.set(attributes.Id, attributes.Target);
    },
  });
  const found = sheets.flatMap(({ title, id }) => {
    const target = targets.get(id);
    return target ? [{ title, part: target.startsWith('/') ? target.slice(1) : `xl/${target}` }] : [];
  }); // prettier-ignore
  if (found.length === 0)
    throw new Refused('sheet-damaged', '工作簿中没有工作表。 · The workbook names no sheet.');
  return { sheets: found, dayZero };
}

/** The numbers of the styles that show a number as a day (ECMA-376 part 1, 18.8.30). */
async function dayStyles(archive) {
  const days = new Set();
  if (!archive.has('xl/styles.xml')) return days;
  const own = new Map();
  let inside = false;
  let style = 0;
  const isDay = (format) =>
    (format >= 14 && format <= 17) || format === 22 || (format >= 27 && format <= 31) || format === 36 || (format >= 50 && format <= 54) || format === 57 || format === 58 ||
    /[yd]/i.test((own.get(format) ?? '').replace(/"[^"]*"|\\.|\[[^\]]*\]/g, '')); // prettier-ignore
  await xmlOf(await archive.stream('xl/styles.xml'), {
    open: (name, attributes) => {
      if (name === 'numFmt') own.set(Number(attributes.numFmtId), attributes.formatCode ?? '');
      if (name === 'cellXfs') inside = true;
      if (name === 'xf' && inside && isDay(Number(attributes.numFmtId))) days.add(style);
      if (name === 'xf' && inside) style += 1;
    },
    close: (name) => {
      if (name === 'cellXfs') inside = false;
    },
  });
  return days;
}

/** Shared texts; a rich text's runs joined, its phonetic hints left out. */
async function sharedTexts(archive) {
  const texts = [];
  if (!archive.has('xl/sharedStrings.xml')) return texts;
  let text = '';
  let inside = false;
  let hint = false;
  let total = 0;
  await xmlOf(await archive.stream('xl/sharedStrings.xml'), {
    open: (name) => {
      if (name === 'si') text = '';
      if (name === 'rPh') hint = true;
      if (name === 't') inside = !hint;
    },
    text: (value) => {
      if (!inside) return;
      text += value;
      total += value.length;
      if (total > limits.textCharacters)
        throw new Refused(
          'sheet-too-large',
          `工作簿的文字超过 ${limits.textCharacters} 字。 · The texts of the workbook exceed ${limits.textCharacters} characters.`,
        );
    },
    close: (name) => {
      if (name === 't') inside = false;
      if (name === 'rPh') hint = false;
      if (name === 'si') texts.push(text);
    },
  });
  return texts;
}

function columnOf(reference) {
  let column = 0;
  for (const letter of /^[A-Z]+/.exec(reference ?? '')?.[0] ?? '')
    column = column * 26 + letter.charCodeAt(0) - 64;
  return column - 1;
}

/** Numbers come as a person sees them, not as the file keeps them (1.99E10). */
function numberText(raw) {
  const value = Number(raw);
  return raw.trim() === '' || Number.isNaN(value) ? raw : String(value);
}

/** The first sheet that has the titles; any other that has them is told of. */
async function readWorkbook(take) {
  const archive = await openArchive();
  const { sheets, dayZero } = await sheetsOf(archive);
  const texts = await sharedTexts(archive);
  const days = await dayStyles(archive);
  /** A number as a person sees it: of a day, the day. */
  const shown = (raw, style) => {
    if (raw.trim() === '' || !days.has(Number(style))) return numberText(raw);
    const day = new Date(dayZero + Number(raw) * 86_400_000);
    return Number.isNaN(day.getTime()) ? raw : day.toISOString().slice(0, 10);
  };
  let at = 0;
  for (; !columns && at < sheets.length; at++) {
    take.anew(sheets.length > 1 ? sheets[at].title.slice(0, 100) : '');
    await readSheetOf(archive, sheets[at].part, texts, shown, take).catch((error) => {
      if (error.code !== 'sheet-headers' || columns) throw error;
    });
  }
  if (batch > 0 || !columns) return;
  for (const [place, { title, part }] of sheets.entries())
    if (place !== at - 1 && (await hasTitles(archive, part, texts, shown)))
      otherSheets.push(title.slice(0, 100));
}

/** Whether it has the titles, too. */
function hasTitles(archive, sheet, texts, shown) {
  const looked = new Refused('', '');
  let found = false;
  const row = (number, cells) => {
    found ||= missingIn(fieldsOf(cells)).length === 0;
    if (found || number >= titleRows) throw looked;
  };
  return readSheetOf(archive, sheet, texts, shown, { row }).then(
    () => found,
    (error) => {
      if (error !== looked) throw error;
      return found;
    },
  );
}

async function readSheetOf(archive, sheet, texts, shown, take) {
  let row = 0;
  let cells = [];
  let column = 0;
  let type;
  let style;
  let text = '';
  let reading = false;
  await xmlOf(await archive.stream(sheet), {
    pause: take.pause,
    open: (name, attributes) => {
      if (name === 'row') {
        row = Number(attributes.r ?? row + 1);
        if (!(Number.isInteger(row) && row >= 1 && row <= 1_048_576))
          throw new Refused(
            'sheet-damaged',
            '工作簿的行号超出范围。 · The workbook has a row that no sheet can have.',
          );
        cells = [];
        column = -1;
      } else if (name === 'c') {
        column = attributes.r ? columnOf(attributes.r) : column + 1;
        type = attributes.t;
        style = attributes.s;
        text = '';
      } else if (name === 'v' || name === 't') reading = true;
    },
    text: (value) => {
      if (reading) text += value;
      if (text.length > 40_000)
        throw new Refused(
          'sheet-too-large',
          `第 ${row} 行有单元格过长。 · A cell of row ${row} is too long.`,
        );
    },
    close: (name) => {
      if (name === 'v' || name === 't') reading = false;
      else if (name === 'c' && column >= 0 && column < limits.columns)
        cells[column] =
          type === 's'
            ? (texts[Number(text)] ?? '')
            : type === undefined || type === 'n'
              ? shown(text, style)
              : text;
      else if (name === 'row') take.row(row, cells);
    },
  });
}

function isUtf8() {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for (const piece of pieces()) decoder.decode(piece, { stream: true });
    decoder.decode();
    return true;
  } catch {
    return false;
  }
}

/** The text piece by piece: nothing is kept of a piece that is done with. */
function* textOf(encoding) {
  const decoder = new TextDecoder(encoding, { fatal: true });
  try {
    for (const piece of pieces()) yield decoder.decode(piece, { stream: true });
    yield decoder.decode();
  } catch {
    throw new Refused(
      'sheet-encoding',
      '文件编码不是 UTF-8 或 GB18030,请另存为 XLSX 或 UTF-8 的 CSV。 · The file is neither UTF-8 nor GB18030: save it as XLSX, or as CSV in UTF-8.',
    );
  }
}

const broken = (zh, en) => Object.assign(new Error(en), { zh });

/** RFC 4180: a cell in quotes may hold commas, line breaks and doubled quotes; a quote anywhere else is damage. */
function cellsOf(record) {
  if (!record.includes('"')) return record.split(',');
  const cells = [];
  for (let at = 0; ;) {
    let cell = '';
    if (record[at] === '"') {
      for (let open = at; ; open = at) {
        const close = record.indexOf('"', open + 1);
        if (close < 0) throw broken('引号没有成对', 'a quote is not closed');
        cell += record.slice(open + 1, close);
        at = close + 1;
        if (record[at] !== '"') break;
        cell += '"';
      }
      if (at < record.length && record[at] !== ',')
        throw broken('右引号后还有文字', 'there is more after a closing quote');
    } else {
      const comma = record.indexOf(',', at);
      cell = record.slice(at, comma < 0 ? undefined : comma);
      if (cell.includes('"'))
        throw broken(
          '单元格中间有引号;各列须以英文逗号分隔',
          'a quote stands inside a cell; commas separate the columns',
        );
      at += cell.length;
    }
    cells.push(cell);
    if (at >= record.length) return cells;
    at += 1;
  }
}

async function readCsv(take) {
  let row = 0;
  let lineEnd;
  const next = (text, after) => (lineEnd ? text.indexOf(lineEnd, after + 1) : -1);
  const record = async (text) => {
    row += 1;
    take.row(row, cellsOf(lineEnd === '\n' && text.endsWith('\r') ? text.slice(0, -1) : text));
    if (take.full()) await take.pause();
  };
  try {
    let text = '';
    for (const piece of textOf(isUtf8() ? 'utf-8' : 'gb18030')) {
      if (piece.includes('\u0000'))
        throw new Refused(
          'sheet-format',
          '文件既不是 XLSX 工作簿,也不是 CSV 文本。 · This is neither an XLSX workbook nor a CSV text.',
        );
      text += piece;
      lineEnd ??= text.includes('\n') ? '\n' : text.includes('\r') ? '\r' : undefined;
      let from = 0;
      let quoted = false;
      let quote = text.indexOf('"');
      for (let end = next(text, -1); end >= 0; end = next(text, end)) {
        for (; quote >= 0 && quote < end; quote = text.indexOf('"', quote + 1)) quoted = !quoted;
        if (quoted) continue; // this line break belongs to a cell
        await record(text.slice(from, end));
        from = end + 1;
      }
      text = text.slice(from);
      if (text.length > 1_000_000)
        throw broken('某行过长,或引号没有成对', 'a row is too long, or a quote is not closed');
    }
    if (text !== '') await record(text);
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused(
      'sheet-damaged',
      `CSV 在第 ${row} 行之后无法读取:${error.zh ?? '格式有误'}。 · The CSV cannot be read after row ${row}: ${error.message}.`,
    );
  }
}

/** What a row of sums begins with. */
const totals = /^[合总小]\s*计\s*[::]?$/;

let columns;
let header;
let ignored;
/** Titles of the sheets that have the columns, too, and are not read. */
const otherSheets = [];
/** The title of the sheet, where there are several. */
let sheet = '';
/** The row that lacks the fewest of the titles, and what stands there instead. */
let closest;
let count = 0;
let width = 0;
let characters = 0;
let ready = [];
let go;
parentPort.on('message', () => go?.());
const asked = () => new Promise((next) => (go = next));

const take = {
  row(row, cells) {
    const blank = cells.every((cell) => (cell ?? '').trim() === '');
    for (const cell of cells) {
      const length = cell?.length ?? 0;
      if (length > 40_000)
        throw new Refused(
          'sheet-too-large',
          `第 ${row} 行有单元格过长。 · A cell of row ${row} is too long.`,
        );
      characters += length; // one shared text may stand in every cell
    }
    if (characters > limits.textCharacters)
      throw new Refused(
        'sheet-too-large',
        `表格的文字超过 ${limits.textCharacters} 字。 · The texts of the sheet exceed ${limits.textCharacters} characters.`,
      );
    const above = !columns;
    if (above) this.find(row, cells);
    if (asTexts && !blank) {
      const texts = Array.from(cells, (cell) => cell ?? '').slice(0, limits.columns);
      width = Math.max(width, texts.findLastIndex((text) => text.trim() !== '') + 1);
      if (batch > 0) ready.push({ row, texts, header: above && Boolean(columns) });
    }
    if (above || blank) return;
    count += 1;
    if (count > limits.rows)
      throw new Refused(
        'sheet-too-large',
        `最多 ${limits.rows} 行。 · At most ${limits.rows} rows are taken.`,
      );
    if (asTexts || batch === 0) return;
    const values = {};
    columns.forEach((field, index) => {
      if (field) values[field] = cells[index] ?? '';
    });
    const first = cells.find((cell) => cell?.trim()).trim();
    ready.push({ row, cells: values, ...(totals.test(first) ? { total: first } : {}) });
  },
  /** Looks for the row of the column titles. */
  find(row, cells) {
    const fields = fieldsOf(cells);
    const missing = missingIn(fields);
    const unknown = Array.from(cells, (cell, at) =>
      fields[at] ? '' : (cell ?? '').replace(/[\s\p{Cc}]+/gu, ' ').trim(),
    ).filter(Boolean);
    if (missing.length === 0) {
      columns = fields;
      header = row;
      ignored = unknown
        .filter((title) => !passed.has(plain(title)))
        .slice(0, limits.columns)
        .map((title) => title.slice(0, 100));
    } else {
      // A title row has few texts, and the rows below the header row have no more than it has.
      const [fewer, more] = closest
        ? [missing.length - closest.missing.length, unknown.length - closest.unknown.length]
        : [-1, 0];
      if (fewer < 0 || (fewer === 0 && more > 0))
        closest = {
          sheet,
          row,
          missing,
          unknown,
          joined: cells.length === 1 && /[\t;;|]/.test(cells[0] ?? ''),
        };
    }
    if (!columns && row >= titleRows) throw headerless();
  },
  /** Begins a sheet, of several by its title; what stood above a header row that was not found is forgotten. */
  anew(title) {
    sheet = title;
    ready = [];
    width = 0;
  },
  full: () => batch > 0 && columns && ready.length >= batch,
  async pause() {
    while (take.full()) await handOver(ready.splice(0, batch));
  },
};

function headerless() {
  const { sheet, row, missing, unknown, joined } = closest ?? { missing: required, unknown: [] };
  const names = missing
    .map((field) => Object.entries(headers).find(([, one]) => one === field)?.[0])
    .join('、');
  const found = unknown.slice(0, 10).map((text) => `“${text.slice(0, 30)}”`).join('、'); // prettier-ignore
  const [zh, en] = found
    ? [
        `${sheet && `工作表“${sheet}”`}第 ${row} 行有不认识的标题:${found}。${joined ? '各列须以英文逗号分隔。' : ''}`,
        ` Row ${row}${sheet && ` of sheet “${sheet}”`} has titles that are not known: ${found}.${joined ? ' Commas separate the columns.' : ''}`,
      ]
    : ['', ''];
  return new Refused(
    'sheet-headers',
    `前 ${titleRows} 行内没有包含以下列的标题行:${names}。${zh} · No header row with these columns within the first ${titleRows} rows: ${names}.${en}`,
  );
}

async function handOver(rows) {
  const next = asked();
  parentPort.postMessage({ rows: JSON.stringify(rows) }); // one text is passed on faster than its objects
  await next;
}

/** Files that people send for a sheet, by their first bytes. */
const starts = [
  ['d0cf11e0', '旧版 Excel(.xls)、旧版 Word(.doc)或加了密码的工作簿', 'an old Excel (.xls) or Word (.doc) file, or a workbook with a password'],
  ['255044462d', 'PDF 文件', 'a PDF'],
  ['89504e47', 'PNG 图片', 'a PNG picture'],
  ['ffd8ff', 'JPEG 图片', 'a JPEG picture'],
  ['47494638', 'GIF 图片', 'a GIF picture'],
  ['52494646', 'WebP 图片或音视频文件', 'a WebP picture, a sound or a film'],
  ['49492a00', 'TIFF 图片', 'a TIFF picture'],
  ['4d4d002a', 'TIFF 图片', 'a TIFF picture'],
  ['7b5c727466', 'RTF 文档', 'an RTF document'],
  ['526172211a07', 'RAR 压缩包', 'a RAR archive'],
  ['377abcaf271c', '7z 压缩包', 'a 7z archive'],
  ['1f8b', 'GZIP 压缩包', 'a GZIP archive'],
]; // prettier-ignore

const otherFile = (zh, en) =>
  new Refused(
    'sheet-format',
    `这是${/^[a-z]/i.test(zh) ? ' ' : ''}${zh},请将表格另存为 XLSX 或 CSV。 · This is ${en}: save the sheet as XLSX or CSV.`,
  );

try {
  const [start] = pieces(8);
  if (!start)
    throw new Refused(
      'sheet-format',
      '文件是空的,请选择有内容的 XLSX 或 CSV。 · The file is empty: choose an XLSX or CSV with rows in it.',
    );
  const other = starts.find(([bytes]) => start.toString('hex').startsWith(bytes));
  if (other) throw otherFile(other[1], other[2]);
  await (start.toString('latin1').startsWith('PK') ? readWorkbook(take) : readCsv(take));
  if (!columns) throw headerless();
  while (ready.length > 0) await handOver(ready.splice(0, batch || ready.length));
  parentPort.postMessage({
    end: true,
    summary: { rows: count, header, ignored, otherSheets },
    width,
  });
} catch (error) {
  parentPort.postMessage({
    refused: {
      // What a library says of a damaged file has a code of its own, or none, and is English.
      ...(error instanceof Refused
        ? { code: error.code, detail: error.message }
        : {
            code: 'sheet-damaged',
            detail: `文件已损坏,请重新保存后上传。 · The file is damaged, save it again: ${error.message}`,
          }),
    },
  });
}
parentPort.close();
