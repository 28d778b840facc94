/** The place of the files does not answer, or refuses us. Its message holds no key. */
export class FilesUnavailable extends Error {}

/** The service was started without a place for files. */
export class FilesNotConfigured extends Error {
  constructor() {
    super('Set FILES_DIR, or FILES_S3_ENDPOINT and the other FILES_S3_…, and start the service again.');
  }
} // prettier-ignore

/** Where the bytes themselves lie. Names are SHA-256 in hex; bytes under a name never change. */
export interface Shelf {
  /** Resolves when the bytes survive a loss of power (folder) or the service has acknowledged them (S3). */
  write(sha256: string, bytes: Uint8Array): Promise<void>;
  /** @returns undefined where nothing lies under the name */
  sizeOf(sha256: string): Promise<number | undefined>;
  read(sha256: string): Promise<AsyncIterable<Uint8Array>>;
  remove(sha256: string): Promise<void>;
  /** Names that begin with two hex digits and were written before an instant. */
  writtenBefore(firstDigits: string, before: Date): AsyncIterable<string>;
}
