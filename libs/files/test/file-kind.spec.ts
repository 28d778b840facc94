import { kindOf } from '#files';
import { jpeg, pdf, png } from '#testing';

const zip = Buffer.concat([
  Buffer.from('PK\x03\x04payload', 'latin1'),
  Buffer.from('PK\x05\x06', 'latin1'),
  Buffer.alloc(18),
]);

describe('what a file is', () => {
  it('is read from its content: JPEG, PNG and PDF', async () => {
    expect(await kindOf(jpeg())).toBe('image/jpeg');
    expect(await kindOf(png())).toBe('image/png');
    expect(await kindOf(pdf())).toBe('application/pdf');
  });

  it('is WebP where its length says so', async () => {
    const webp = Buffer.from('52494646240000005745425056503820180000003001009d012a0100010002003425a40003700000fefb94000000', 'hex'); // prettier-ignore
    webp.writeUInt32LE(webp.length - 8, 4);
    expect(await kindOf(webp)).toBe('image/webp');
    expect(await kindOf(Buffer.concat([webp, Buffer.from('more')]))).toBeUndefined();
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a page', Buffer.from('<!doctype html><script>alert(1)</script>')],
    ['an SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>')],
    ['a GIF', Buffer.from('GIF89a\x01\x00\x01\x00\x00\x00\x00;', 'latin1')],
    ['a ZIP', zip],
    ['a program', Buffer.from('7f454c4602010100', 'hex')],
    ['text', Buffer.from('hello')],
    ['a PDF that breaks off', pdf().subarray(0, 60)],
    ['a photo that breaks off', jpeg().subarray(0, 40)],
    ['a PNG that breaks off', png().subarray(0, 40)],
  ])('is nothing that is taken for %s', async (_, bytes) => {
    expect(await kindOf(bytes)).toBeUndefined();
  });

  it.each([
    ['a PDF whose head stands behind something', Buffer.concat([Buffer.from('\n\n'), pdf()])],
    ['a photo that opens as a PDF', jpeg(pdf())],
    ['a photo that unpacks', jpeg(zip)],
    ['a PNG that unpacks', Buffer.concat([png(), zip])],
    ['a PDF that unpacks', Buffer.concat([pdf(), zip, Buffer.from('%%EOF')])],
    ['a photo with a page behind it', jpeg(Buffer.from('<html><script>alert(1)</script>'))],
    ['a PNG with anything behind it', Buffer.concat([png(), Buffer.from('more')])],
    ['a photo with a program of a server', jpeg(Buffer.from('<?php system($_GET[0]); ?>'))],
  ])('is not taken for %s', async (_, bytes) => {
    expect(await kindOf(bytes)).toBeUndefined();
  });

  it('is still a photo with what a phone puts behind it', async () => {
    const film = Buffer.concat([
      Buffer.from('\0\0\0\x18ftypmp42', 'latin1'),
      Buffer.alloc(5000, 1),
    ]);
    expect(await kindOf(jpeg(Buffer.concat([jpeg(), film])))).toBe('image/jpeg');
  });
});
