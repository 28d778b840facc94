import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { FolderStore } from './folder-store.js';
import { type S3Config, S3Store } from './s3-store.js';
import { FilesNotConfigured, FilesUnavailable, type Shelf } from './shelf.js';

/** Where a service keeps its files: a folder of this machine, or a bucket of any service that speaks S3. */
export type FilesConfig = { folder: string } | S3Config;

export interface StoredFile {
  sha256: string;
  size: number;
}

/**
 * Files by the hash of their content: the same bytes are kept once, and what is read is what was written. Bytes that no
 * row names are harmless (a `FileSweep` takes them away); a row is written only after `put` has resolved.
 * Every method rejects with `FilesUnavailable`, or `FilesNotConfigured`.
 */
export class FileStore {
  constructor(private readonly shelf: Shelf | undefined) {}

  get configured(): boolean {
    return this.shelf !== undefined;
  }

  private get kept(): Shelf {
    if (!this.shelf) throw new FilesNotConfigured();
    return this.shelf;
  }

  /** Keeps the bytes; a repeat writes nothing. */
  async put(bytes: Uint8Array): Promise<StoredFile> {
    const { kept } = this;
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if ((await kept.sizeOf(sha256)) !== bytes.length) await kept.write(sha256, bytes);
    return { sha256, size: bytes.length };
  }

  /** Whether the bytes are there. */
  async has(sha256: string): Promise<boolean> {
    return (await this.kept.sizeOf(sha256)) !== undefined;
  }

  /** The bytes; the stream fails at its end, and never completes, where they are no longer those that were kept. */
  async open(sha256: string): Promise<{ stream: Readable; size: number }> {
    const size = await this.kept.sizeOf(sha256);
    if (size === undefined) throw new FilesUnavailable(`File ${sha256} is not where it was put.`);
    return {
      stream: Readable.from(verified(await this.kept.read(sha256), sha256), { objectMode: false }),
      size,
    };
  }

  async remove(sha256: string): Promise<void> {
    await this.kept.remove(sha256);
  }

  writtenBefore(firstDigits: string, before: Date): AsyncIterable<string> {
    return this.kept.writtenBefore(firstDigits, before);
  }
}

/** Holds each chunk back until the next, so that the last one is given only when the hash is right. */
async function* verified(
  bytes: AsyncIterable<Uint8Array>,
  sha256: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let held: Uint8Array | undefined;
  for await (const chunk of bytes) {
    hash.update(chunk);
    if (held) yield held;
    held = chunk;
  }
  if (hash.digest('hex') !== sha256)
    throw new FilesUnavailable(`File ${sha256} is damaged: its content has another hash.`);
  if (held) yield held;
}

/** @param service names the part of the place that is this service's own: services may share a folder or a bucket */
export function filesOf(config: FilesConfig | undefined, service: string): FileStore {
  if (!config) return new FileStore(undefined);
  return new FileStore(
    'folder' in config ? new FolderStore(config.folder, service) : new S3Store(config, service),
  );
}
