// The first sheet of a workbook as plain texts. Trusted files only: nothing here is bounded. Reads the XML itself, because
// the library that writes workbooks takes a minute to read four thousand rows inside Jest.
import { SaxesParser } from 'saxes';
import yauzl from 'yauzl';

/** The texts of the named entries of a zip file. */
function entriesOf(path, wanted) {
  return new Promise((resolve, reject) => {
    yauzl.open(path, { lazyEntries: true }, (openError, zip) => {
      if (openError) return reject(openError);
      const texts = new Map();
      zip.on('error', reject);
      zip.on('end', () => resolve(texts));
      zip.on('entry', (entry) => {
        if (!wanted(entry.fileName)) return zip.readEntry();
        zip.openReadStream(entry, (readError, stream) => {
          if (readError) return reject(readError);
          const chunks = [];
          stream.on('error', reject);
          stream.on('data', (chunk) => chunks.push(chunk));
          stream.on('end', () => {
            texts.set(entry.fileName, Buffer.concat(chunks).toString('utf8'));
            zip.readEntry();
          });
        });
      });
      zip.readEntry();
    });
  });
}

function parse(xml, { open, text, close }) {
  const parser = new SaxesParser();
  parser.on('opentag', (tag) => open?.(tag.name, tag.attributes));
  parser.on('text', (value) => text?.(value));
  parser.on('closetag', (tag) => close?.(tag.name));
  parser.write(xml).close();
}

/** Shared strings; a rich text's runs joined, its phonetic hints (`rPh`) left out. */
function sharedStringsOf(xml) {
  const strings = [];
  let current = '';
  let inText = false;
  let inHint = false;
  parse(xml, {
    open(name) {
      if (name === 'si') current = '';
      if (name === 'rPh') inHint = true;
      if (name === 't') inText = !inHint;
    },
    text(value) {
      if (inText) current += value;
    },
    close(name) {
      if (name === 't') inText = false;
      if (name === 'rPh') inHint = false;
      if (name === 'si') strings.push(current);
    },
  });
  return strings;
}

const columnOf = (reference) =>
  [...reference.replace(/\d+$/, '')].reduce(
    (column, letter) => column * 26 + letter.charCodeAt(0) - 64,
    0,
  ) - 1;

function pathOfFirstSheet(entries) {
  let id;
  parse(entries.get('xl/workbook.xml'), {
    open(name, attributes) {
      if (name === 'sheet') id ??= attributes['r:id'];
    },
  });
  let target;
  parse(entries.get('xl/_rels/workbook.xml.rels'), {
    open(name, attributes) {
      if (name === 'Relationship' && attributes.Id === id) target = attributes.Target;
    },
  });
  return target.startsWith('/') ? target.slice(1) : `xl/${target}`;
}

/** Rows of the first sheet in order: `row` as a person counts it, `cells` from column A on, '' where a cell is empty. */
export async function readFirstSheet(path) {
  const entries = await entriesOf(path, (name) => /^xl\/.*\.(xml|rels)$/.test(name));
  const strings = entries.has('xl/sharedStrings.xml')
    ? sharedStringsOf(entries.get('xl/sharedStrings.xml'))
    : [];
  const rows = [];
  let cell = null;
  let value = null;
  parse(entries.get(pathOfFirstSheet(entries)), {
    open(name, attributes) {
      if (name === 'row') rows.push({ row: Number(attributes.r ?? rows.length + 1), cells: [] });
      if (name === 'c') cell = { column: columnOf(attributes.r), type: attributes.t, text: '' };
      if (name === 'v' || name === 't') value = '';
    },
    text(part) {
      if (value !== null) value += part;
    },
    close(name) {
      if (name === 'v' || name === 't') {
        cell.text += value;
        value = null;
      }
      if (name !== 'c') return;
      const { cells } = rows.at(-1);
      while (cells.length < cell.column) cells.push('');
      cells[cell.column] = cell.type === 's' ? strings[Number(cell.text)] : cell.text;
      cell = null;
    },
  });
  return rows;
}
