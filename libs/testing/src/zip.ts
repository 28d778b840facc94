import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';

/** A part of an archive, and what its directory says of it where that is not so. */
export interface Part {
  name: string;
  bytes: string | Buffer | Packed;
  /** Size after inflating, as declared. */
  declared?: number;
  /** The same in the 64-bit fields. */
  declared64?: bigint;
  method?: number;
  flags?: number;
  /** Points to the local header of the part with this number instead of its own. */
  sameAs?: number;
}

/** Bytes as they lie in an archive. */
interface Packed {
  bytes: Buffer;
  crc: number;
  size: number;
}
const pack = (whole: Buffer, method = 8): Packed => ({ bytes: method === 8 ? deflateRawSync(whole) : whole, crc: crc32(whole), size: whole.length }); // prettier-ignore

const packedZeros = new Map<number, Packed>();
/** Hundreds of megabytes of zeros, packed once for all who ask. */
function zeros(size: number): Packed {
  const packed = packedZeros.get(size) ?? pack(Buffer.alloc(size));
  packedZeros.set(size, packed);
  return packed;
}

/** A ZIP by hand, so that it can lie. */
export function zip(parts: Record<string, Part['bytes']> | Part[], says: { entries?: number; comment?: string } = {}): Buffer {
  const list: Part[] = Array.isArray(parts) ? parts : Object.entries(parts).map(([name, bytes]) => ({ name, bytes }));
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  const starts: number[] = [];
  let offset = 0;
  for (const { name, bytes, declared, declared64, method = 8, flags = 0x800, sameAs } of list) {
    const { bytes: packed, crc, size: whole } = typeof bytes === 'string' || Buffer.isBuffer(bytes) ? pack(Buffer.from(bytes), method) : bytes;
    const named = Buffer.from(name);
    const extra = declared64 === undefined ? Buffer.alloc(0) : Buffer.alloc(12);
    if (declared64 !== undefined) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(8, 2);
      extra.writeBigUInt64LE(declared64, 4);
    }
    const size = declared64 === undefined ? (declared ?? whole) : 0xffff_ffff;
    const head = Buffer.alloc(30);
    head.writeUInt32LE(0x04034b50, 0);
    head.writeUInt16LE(20, 4);
    head.writeUInt16LE(flags, 6);
    head.writeUInt16LE(method, 8);
    head.writeUInt32LE(crc, 14);
    head.writeUInt32LE(packed.length, 18);
    head.writeUInt32LE(size, 22);
    head.writeUInt16LE(named.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(20, 6);
    central.writeUInt16LE(flags, 8);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(crc, 16);
    central.writeUInt32LE(packed.length, 20);
    central.writeUInt32LE(size, 24);
    central.writeUInt16LE(named.length, 28);
    central.writeUInt16LE(extra.length, 30);
    starts.push(sameAs === undefined ? offset : (starts[sameAs] ?? 0));
    central.writeUInt32LE(starts.at(-1) ?? 0, 42);
    directory.push(central, named, extra);
    if (sameAs !== undefined) continue;
    bodies.push(head, named, packed);
    offset += 30 + named.length + packed.length;
  }
  const index = Buffer.concat(directory);
  const comment = Buffer.from(says.comment ?? '');
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(says.entries ?? list.length, 8);
  end.writeUInt16LE(says.entries ?? list.length, 10);
  end.writeUInt32LE(index.length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...bodies, index, end, comment]);
} // prettier-ignore

/** The parts of an archive that does not lie, as texts by their names. */
export function unzip(bytes: Buffer): Record<string, string> {
  const parts: Record<string, string> = {};
  let at = bytes.readUInt32LE(bytes.lastIndexOf('PK\u0005\u0006', undefined, 'latin1') + 16);
  while (bytes.readUInt32LE(at) === 0x02014b50) {
    const [packed, named, extra, said] = [bytes.readUInt32LE(at + 20), bytes.readUInt16LE(at + 28), bytes.readUInt16LE(at + 30), bytes.readUInt16LE(at + 32)];
    const local = bytes.readUInt32LE(at + 42);
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    parts[bytes.toString('utf8', at + 46, at + 46 + named)] = inflateRawSync(bytes.subarray(start, start + packed)).toString();
    at += 46 + named + extra + said;
  }
  return parts;
} // prettier-ignore

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
/** The rows of the one sheet of a workbook that we wrote: the texts and numbers of its cells, each in its column. */
export function rowsOf(workbook: Buffer): string[][] {
  const sheet = unzip(workbook)['xl/worksheets/sheet1.xml'];
  if (sheet === undefined) throw new Error('There is no sheet in this workbook.');
  return [...sheet.matchAll(/<row [^>]*>(.*?)<\/row>/gs)].map(([, cells = '']) => {
    const texts: string[] = [];
    for (const [, letters = '', text = ''] of cells.matchAll(/<c r="([A-Z]+)\d+"[^>]*>(?:<is>)?<[tv](?: [^>]*)?>([^<]*)</g)) {
      const column = [...letters].reduce((n, letter) => n * 26 + letter.charCodeAt(0) - 64, 0);
      while (texts.length < column - 1) texts.push('');
      texts.push(text.replace(/&(\w+);/g, (whole, name: string) => entities[name] ?? whole));
    }
    return texts;
  });
} // prettier-ignore

const book = '<workbook><sheets><sheet name="a" r:id="r1"/></sheets></workbook>';
const rels =
  '<Relationships><Relationship Id="r1" Target="worksheets/sheet1.xml"/></Relationships>';

/** The parts of a workbook with one sheet of these texts. */
export const workbookParts = (rows: readonly (readonly string[])[]): Record<string, string | Buffer> => ({
  'xl/workbook.xml': book,
  'xl/_rels/workbook.xml.rels': rels,
  'xl/worksheets/sheet1.xml': `<worksheet><sheetData>${rows.map((cells) => `<row>${cells.map((cell) => `<c t="inlineStr"><is><t>${cell}</t></is></c>`).join('')}</row>`).join('')}</sheetData></worksheet>`,
}); // prettier-ignore

/**
 * Workbooks made to hurt, by what they are; each with the code that refuses it, or null where what is odd about it is
 * never looked at and its rows are read.
 * @param title the header row that the reader wants
 * @param row one good row
 */
export function hostileWorkbooks(title: readonly string[], row: readonly string[]): [what: string, bytes: Buffer, code: string | null][] {
  const parts = workbookParts([title, row]);
  const list: Part[] = Object.entries(parts).map(([name, bytes]) => ({ name, bytes }));
  const sheet = String(parts['xl/worksheets/sheet1.xml']);
  const withPart = (name: string, bytes: Part['bytes']): Buffer => zip({ ...parts, [name]: bytes });
  const shared = (texts: string, rows: string): Buffer =>
    zip({ ...parts, 'xl/sharedStrings.xml': `<sst>${texts}</sst>`, 'xl/worksheets/sheet1.xml': sheet.replace('</sheetData>', `${rows}</sheetData>`) });
  const laugh = (n: number): string => String.fromCharCode(97 + n);
  const laughs = `<!DOCTYPE x [<!ENTITY a "lol">${Array.from({ length: 9 }, (_, n) => `<!ENTITY ${laugh(n + 1)} "${`&${laugh(n)};`.repeat(10)}">`).join('')}]>`;
  const read: [string, string][] = [['the list of sheets', 'xl/workbook.xml'], ['the relations', 'xl/_rels/workbook.xml.rels'], ['the sheet', 'xl/worksheets/sheet1.xml']];
  const nested = zip({ 'a.zip': zip({ 'b.zip': zip({ zeros: zeros(100_000_000) }) }) });
  const withSheet = (xml: string): Buffer => zip({ ...parts, 'xl/worksheets/sheet1.xml': xml });
  return [
    // bombs
    ['300 MB of zeros', withPart('xl/sharedStrings.xml', zeros(300_000_000)), 'sheet-bomb'],
    ['300 MB of zeros in a part that nobody reads', withPart('xl/media/image1.png', zeros(300_000_000)), 'sheet-bomb'],
    ['zeros that call themselves 1,000 bytes', zip([...list, { name: 'xl/sharedStrings.xml', bytes: zeros(100_000_000), declared: 1000 }]), 'sheet-damaged'],
    ['a sheet that calls itself smaller than it is', zip(list.map((one) => (one.name.includes('sheet1') ? { ...one, declared: 10 } : one))), 'sheet-damaged'],
    ['4 GB by its own word', zip([...list, { name: 'x', bytes: 'x', declared: 0xffff_fffe }]), 'sheet-bomb'],
    ['a terabyte in the 64-bit fields', zip([...list, { name: 'x', bytes: 'x', declared64: 2n ** 40n }]), 'sheet-bomb'],
    ['more bytes than numbers can count', zip([...list, { name: 'x', bytes: 'x', declared64: 2n ** 63n }]), 'sheet-bomb'],
    ['10,000 parts', zip({ ...parts, ...Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`x/${n}`, ''])) }), 'sheet-bomb'],
    ['200 parts that are one and the same', zip([...list, { name: 'x', bytes: zeros(10_000_000) }, ...Array.from({ length: 200 }, (_, n) => ({ name: `x${n}`, bytes: '', declared: 10_000_000, sameAs: 3 }))]), 'sheet-bomb'],
    ['archives in archives', withPart('xl/embeddings/a.zip', nested), null],
    // directories
    ['65,000 parts by its own word', zip(parts, { entries: 65_000 }), 'sheet-damaged'],
    ['no part by its own word', zip(parts, { entries: 0 }), 'sheet-damaged'],
    ['the sheet twice', zip([...list, { name: 'xl/worksheets/sheet1.xml', bytes: sheet }]), 'sheet-damaged'],
    ['a part above its folder', withPart('../../../../etc/cron.d/x', 'x'), 'sheet-damaged'],
    ['a part at the root', withPart('/etc/passwd', 'x'), 'sheet-damaged'],
    ['a part on a drive', withPart('C:\\windows\\x', 'x'), 'sheet-damaged'],
    ['a sheet that is encrypted', zip(list.map((one) => ({ ...one, flags: 1 }))), 'sheet-damaged'],
    ['packed as nobody unpacks it', zip(list.map((one) => ({ ...one, method: 12 }))), 'sheet-damaged'],
    ['cut', zip(parts).subarray(0, 300), 'sheet-damaged'],
    ['nothing but a directory', zip({}), 'sheet-damaged'],
    // two things at once
    ['a page, too', Buffer.concat([Buffer.from('<html><script>alert(1)</script>'), zip(parts)]), 'sheet-encoding'],
    ['a PDF, too', Buffer.concat([Buffer.from('%PDF-1.7\n'), zip(parts)]), 'sheet-format'],
    ['a page in its comment', zip(parts, { comment: '<html><script>alert(1)</script>' }), null],
    ['a page in a part that nobody reads', withPart('index.html', '<script>alert(1)</script>'), null],
    ['with macros', withPart('xl/vbaProject.bin', Buffer.from('d0cf11e0a1b11ae1', 'hex')), null],
    // XML
    ...read.flatMap(([what, name]): [string, Buffer, string][] => [
      [`a billion laughs in ${what}`, zip({ ...parts, [name]: `${laughs}${String(parts[name]).replace('>', ' a="&j;">')}` }), 'sheet-damaged'],
      [`a file of the server in ${what}`, zip({ ...parts, [name]: `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>${String(parts[name])}` }), 'sheet-damaged'],
      [`an address to fetch in ${what}`, zip({ ...parts, [name]: `<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">${String(parts[name])}` }), 'sheet-damaged'],
      [`UTF-16 in ${what}`, zip({ ...parts, [name]: Buffer.from(`\ufeff<?xml version="1.0" encoding="UTF-16"?>${String(parts[name])}`, 'utf16le') }), 'sheet-damaged'],
      [`no end in ${what}`, zip({ ...parts, [name]: String(parts[name]).slice(0, -4) }), 'sheet-damaged'],
    ]),
    ['a billion laughs in the shared texts', shared('', '').length > 0 ? zip({ ...parts, 'xl/sharedStrings.xml': `${laughs}<sst><si><t>&j;</t></si></sst>` }) : Buffer.alloc(0), 'sheet-damaged'],
    ['a billion laughs in the styles', withPart('xl/styles.xml', `${laughs}<x>&j;</x>`), 'sheet-damaged'],
    ['a billion laughs in a part that nobody reads', withPart('xl/theme/theme1.xml', `${laughs}<x>&j;</x>`), null],
    ['a sheet elsewhere', zip({ ...parts, 'xl/_rels/workbook.xml.rels': rels.replace('worksheets/sheet1.xml', 'http://127.0.0.1:1/sheet.xml" TargetMode="External') }), 'sheet-damaged'],
    ['a sheet above its folder', zip({ ...parts, 'xl/_rels/workbook.xml.rels': rels.replace('worksheets', '../../../../etc') }), 'sheet-damaged'],
    ['a row that no sheet has', withSheet(sheet.replace('<row>', '<row r="99999999999">')), 'sheet-damaged'],
    ['a row that is no number', withSheet(sheet.replace('<row>', '<row r="x">')), 'sheet-damaged'],
    ['a column far out', withSheet(sheet.replace('</row>', '<c r="ZZZZZZZZ1"><v>1</v></c></row>')), null],
    ['a cell of 50,000 characters', withSheet(sheet.replace('</sheetData>', `<row><c t="inlineStr"><is><t>${'长'.repeat(50_000)}</t></is></c></row></sheetData>`)), 'sheet-too-large'],
    ['a shared text of 50,000 characters', shared(`<si><t>${'长'.repeat(50_000)}</t></si>`, '<row><c t="s"><v>0</v></c></row>'), 'sheet-too-large'],
    ['one long text in 5,000 rows', shared(`<si><t>${'长'.repeat(39_000)}</t></si>`, '<row><c t="s"><v>0</v></c></row>'.repeat(5000)), 'sheet-too-large'],
    ['a column of texts that are not there', shared('', '<row><c t="s"><v>9999999999</v></c></row><row><c t="s"><v>-1</v></c></row><row><c t="s"><v>__proto__</v></c></row>'), null],
    ['elements in elements', withSheet(sheet.replace('<sheetData>', `${'<x>'.repeat(50_000)}${'</x>'.repeat(50_000)}<sheetData>`)), null],
  ];
} // prettier-ignore
