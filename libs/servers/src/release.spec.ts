import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { fetchRelease, pinned } from './release.js';

const arch = 'x64';
const content = Buffer.from('#!/bin/sh\necho nats-server: v9.9.9\n');

function tarOf(entries: [string, Buffer][]): Buffer {
  return Buffer.concat([
    ...entries.flatMap(([name, body]) => {
      const header = Buffer.alloc(512);
      header.write(name, 0);
      header.write(body.length.toString(8).padStart(11, '0'), 124);
      return [header, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
    }),
    Buffer.alloc(1024),
  ]);
}

describe('a pinned release of nats-server', () => {
  let folder: string;
  let server: Server;
  let asked: string[];
  const packed = gzipSync(tarOf([['nats-server-v9.9.9-linux-amd64/README.md', Buffer.alloc(700, 0x61)], ['nats-server-v9.9.9-linux-amd64/nats-server', content]])); // prettier-ignore
  const release = (sha256: string): typeof pinned => ({
    version: '9.9.9',
    sha256: { [arch]: sha256 },
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foodwarden-release-'));
    asked = [];
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.end(packed);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    process.env['NATS_RELEASES'] = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    delete process.env['NATS_RELEASES'];
    await new Promise((done) => server.close(done));
    await rm(folder, { recursive: true, force: true });
  });

  it('is fetched, unpacked, and made runnable', async () => {
    const target = join(folder, 'cache', 'nats-server');
    await fetchRelease(target, release(createHash('sha256').update(packed).digest('hex')), arch);
    expect(asked).toEqual(['/v9.9.9/nats-server-v9.9.9-linux-amd64.tar.gz']);
    expect(await readFile(target)).toEqual(content);
    expect((await stat(target)).mode & 0o777).toBe(0o755);
    expect(await readdir(join(folder, 'cache'))).toEqual(['nats-server']);
  });

  it('is refused when its hash differs, and nothing is kept', async () => {
    const target = join(folder, 'nats-server');
    await expect(fetchRelease(target, release('0'.repeat(64)), arch)).rejects.toThrow(/has the SHA-256/); // prettier-ignore
    expect(existsSync(target)).toBe(false);
  });

  it('is not guessed for a machine that it is not pinned for', async () => {
    await expect(fetchRelease(join(folder, 'x'), pinned, 'mips')).rejects.toThrow(/No nats-server is pinned/); // prettier-ignore
  });
});
