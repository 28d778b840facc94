import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FilesUnavailable, type Shelf } from './shelf.js';

/** `<folder>/<service>/ab/cd/<hash>`; a file appears whole or not at all. */
export class FolderStore implements Shelf {
  private readonly root: string;

  constructor(folder: string, service: string) {
    this.root = join(folder, service);
  }

  private foldersOf(sha256: string): [string, string, string] {
    const first = join(this.root, sha256.slice(0, 2));
    return [this.root, first, join(first, sha256.slice(2, 4))];
  }

  private fileOf(sha256: string): string {
    return join(this.foldersOf(sha256)[2], sha256);
  }

  async write(sha256: string, bytes: Uint8Array): Promise<void> {
    const folders = this.foldersOf(sha256);
    const half = join(folders[2], `${sha256}.${randomUUID()}`);
    await told(async () => {
      await mkdir(folders[2], { recursive: true, mode: 0o700 });
      try {
        const file = await open(half, 'wx', 0o600);
        try {
          await file.writeFile(bytes);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(half, this.fileOf(sha256));
      } catch (error) {
        await rm(half, { force: true });
        throw error;
      }
      for (const folder of folders) await syncFolder(folder);
    });
  }

  sizeOf(sha256: string): Promise<number | undefined> {
    return told(async () => (await absent(stat(this.fileOf(sha256))))?.size);
  }

  async read(sha256: string): Promise<AsyncIterable<Uint8Array>> {
    return told(async () => {
      const file = await open(this.fileOf(sha256));
      return createReadStream('', { fd: file });
    });
  }

  async remove(sha256: string): Promise<void> {
    await told(() => rm(this.fileOf(sha256), { force: true }));
  }

  /** Clears on its way what a crash left half written. */
  async *writtenBefore(firstDigits: string, before: Date): AsyncGenerator<string> {
    const first = join(this.root, firstDigits);
    for (const second of (await told(() => absent(readdir(first)))) ?? [])
      for (const name of await told(() => readdir(join(first, second)))) {
        const path = join(first, second, name);
        const found = await told(() => absent(stat(path)));
        if (!found || found.mtime >= before) continue;
        if (/^[0-9a-f]{64}$/.test(name)) yield name;
        else await told(() => rm(path, { force: true }));
      }
  }
}

/** A rename survives a loss of power once its folder is on the disk too. Windows has no such call. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function absent<T>(found: Promise<T>): Promise<T | undefined> {
  return found.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new FilesUnavailable(`The folder of the files: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}
