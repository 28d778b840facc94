import { fileTypeFromBuffer } from 'file-type';

/** What people may upload as evidence: photos and PDF. */
export const fileKinds = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
  'application/pdf': 'pdf',
} as const;
export type FileMime = keyof typeof fileKinds;

/**
 * What a file is by its content; its name and what the uploader says of it count for nothing.
 * @returns undefined for every other kind, and for a file that is two things at once: a photo that a browser would read
 * as a page, that unpacks as a ZIP, or that opens as a PDF. What a phone puts behind a JPEG (a short film, a second
 * picture) is let through.
 */
export async function kindOf(bytes: Uint8Array): Promise<FileMime | undefined> {
  const found = await fileTypeFromBuffer(bytes);
  if (!found || !(found.mime in fileKinds)) return undefined;
  const mime = found.mime as FileMime;
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return whole(mime, file) && !unpacks(file) && !hides(mime, file) ? mime : undefined;
}

/** It ends where its format says that it ends. */
function whole(mime: FileMime, file: Buffer): boolean {
  switch (mime) {
    case 'image/jpeg':
      return file.lastIndexOf(Buffer.from([0xff, 0xd9])) > 0;
    case 'image/png':
      return endOfPng(file) === file.length;
    case 'image/webp':
      return file.readUInt32LE(4) + 8 === file.length;
    case 'application/pdf':
      return file.subarray(-1024).includes('%%EOF');
  }
}

function endOfPng(file: Buffer): number {
  let at = 8;
  while (at + 12 <= file.length) {
    const last = file.toString('latin1', at + 4, at + 8) === 'IEND';
    at += 12 + file.readUInt32BE(at);
    if (last) return at;
  }
  return -1;
}

/** ZIP readers look for the directory at the end: its record, and a comment of at most 65,535 bytes. */
function unpacks(file: Buffer): boolean {
  return file.subarray(-65_557).includes('PK\x05\x06', 0, 'latin1');
}

function hides(mime: FileMime, file: Buffer): boolean {
  if (mime === 'application/pdf') return false;
  // PDF readers take a head anywhere in the first 1,024 bytes.
  if (file.subarray(0, 1024 + 5).includes('%PDF-')) return true;
  return /<(?:script|html|!doctype|iframe|\?php)[\s>]/i.test(file.toString('latin1'));
}
