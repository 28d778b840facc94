import { createHash } from 'node:crypto';
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ServerError } from './postgres.js';

/** The release we pin, with the hashes of its publisher's own images (nats-io/nats-docker, 2.12.x). */
export const pinned: Release = {
  version: '2.12.15',
  sha256: {
    x64: '58ab8131f819263897e2fc38e503e1b755b63bcafeecc7d12582487df48ca15e',
    arm64: 'b724db99fefbf8f5c808baa82819ee50350aee9734017e4a478f7e545cef3ab6',
  },
};

export interface Release {
  version: string;
  /** By Node's name of the architecture. */
  sha256: Partial<Record<string, string>>;
}

const releases = 'https://github.com/nats-io/nats-server/releases/download';

/** Puts the pinned release for Linux at `target`; nothing is kept whose hash differs. `NATS_RELEASES` names a mirror. */
export async function fetchRelease(target: string, release: Release = pinned, arch: string = process.arch): Promise<void> {
  const wanted = process.platform === 'linux' ? release.sha256[arch] : undefined;
  if (!wanted) throw new ServerError(`No nats-server is pinned for ${process.platform} ${arch}.`);
  const name = `nats-server-v${release.version}-linux-${arch === 'x64' ? 'amd64' : arch}`;
  const url = `${process.env['NATS_RELEASES'] ?? releases}/v${release.version}/${name}.tar.gz`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(120_000) });
  if (!answer.ok) throw new ServerError(`${url} answers ${answer.status}.`);
  const packed = Buffer.from(await answer.arrayBuffer());
  const found = createHash('sha256').update(packed).digest('hex');
  if (found !== wanted) throw new ServerError(`${url} has the SHA-256 ${found}, not ${wanted}.`);
  const binary = entryOf(gunzipSync(packed), `${name}/nats-server`);
  await mkdir(dirname(target), { recursive: true });
  const partial = `${target}.${process.pid}`;
  try {
    await writeFile(partial, binary);
    await chmod(partial, 0o755);
    await rename(partial, target); // atomic: two runs at once leave one whole file
  } finally {
    await rm(partial, { force: true });
  }
} // prettier-ignore

/** One file of a tar: blocks of 512 bytes, a header (name at 0, octal size at 124) before each file. */
function entryOf(tar: Buffer, name: string): Buffer {
  for (let at = 0; at + 512 <= tar.length;) {
    const text = (from: number, length: number): string =>
      tar.toString('latin1', at + from, at + from + length).replace(/\0.*$/s, '');
    const size = Number.parseInt(text(124, 12), 8) || 0;
    if (text(0, 100) === name) return tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new ServerError(`The archive holds no ${name}.`);
}
