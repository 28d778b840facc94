import { randomBytes } from 'node:crypto';
import { crc32, deflateSync } from 'node:zlib';

/** The smallest real photo of a kind, another one at each call; `padded` makes it that many bytes long. */
export function png(padded = 0): Buffer {
  const text = randomBytes(16);
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const around = Buffer.alloc(8);
    around.writeUInt32BE(data.length, 0);
    around.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([around.subarray(0, 4), body, around.subarray(4)]);
  };
  const head = Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
  const whole = (filling: number): Buffer =>
    Buffer.concat([
      Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
      chunk('IHDR', head),
      chunk('prVt', Buffer.concat([text, Buffer.alloc(filling, 7)])),
      chunk('IDAT', deflateSync(Buffer.from([0, 128]))),
      chunk('IEND', Buffer.alloc(0)),
    ]);
  const least = whole(0).length;
  return whole(Math.max(0, padded - least));
}

export function jpeg(behind: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([
    Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex'),
    Buffer.from('fffe0012', 'hex'),
    randomBytes(16),
    Buffer.from('ffda0008010100003f00', 'hex'),
    Buffer.from('ffd9', 'hex'),
    behind,
  ]);
}

export function pdf(): Buffer {
  return Buffer.from(
    `%PDF-1.4\n% ${randomBytes(8).toString('hex')}\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n`,
  );
}
