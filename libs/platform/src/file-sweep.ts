import { type Database, type Tx } from '#database';
import { type FileStore, FilesUnavailable } from '#files';
import { type Job } from './jobs.js';

/** Bytes are stored before their row commits; a row may stay away for a day (it won't: the request is over by then). */
const graceMs = 24 * 3_600_000;

/**
 * Holds the file until the transaction ends, and makes sure that it is there: call it before the row is inserted. The
 * sweep takes the other side of the lock, so no row ever names bytes that are being taken away.
 */
export async function holdFile(tx: Tx, files: FileStore, sha256: string): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock_shared(hashtextextended($1, 7012))`, [sha256]);
  if (!(await files.has(sha256)))
    throw new FilesUnavailable(`File ${sha256} was swept away between two steps.`);
}

/** Takes away files that no row names: uploads that broke off between the bytes and the row. All of them once a day. */
export class FileSweep implements Job {
  /** A 256th of the names at each look. */
  readonly intervalMs = 300_000;
  private part = Math.floor(Math.random() * 256);

  constructor(
    private readonly database: Database,
    private readonly files: FileStore,
    private readonly tables: readonly string[],
  ) {}

  async run(): Promise<boolean> {
    if (!this.files.configured) return false;
    await this.sweep(this.part.toString(16).padStart(2, '0'), new Date(Date.now() - graceMs));
    this.part = (this.part + 1) % 256;
    return false;
  }

  /** @returns how many were taken away */
  async sweep(firstDigits: string, before: Date): Promise<number> {
    let gone = 0;
    for await (const sha256 of this.files.writtenBefore(firstDigits, before))
      gone += await this.database.everywhere('takes away files that no row of any county names', async (tx) => {
        await tx.query(`select pg_advisory_xact_lock(hashtextextended($1, 7012))`, [sha256]);
        for (const table of this.tables)
          if ((await tx.query(`select 1 as one from ${table} where sha256 = $1 limit 1`, [sha256])).length > 0) return 0;
        await this.files.remove(sha256);
        return 1;
      });
    return gone;
  } // prettier-ignore
}
