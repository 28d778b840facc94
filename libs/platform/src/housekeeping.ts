import { type Database } from '#database';
import { type Job } from './jobs.js';

/** Forgets what is kept for a stated time only: `Idempotency-Key` answers, 24 hours. */
export class Housekeeping implements Job {
  readonly intervalMs = 600_000;

  constructor(private readonly database: Database) {}

  async run(): Promise<boolean> {
    const gone = await this.database.everywhere('forgets answers older than a day', (tx) =>
      tx.query(
        `delete from idempotency_key where (actor, route, key) in (
           select actor, route, key from idempotency_key where created_at < now() - interval '24 hours' limit 5000) returning 1 as one`,
      ),
    );
    return gone.length > 0;
  }
}
