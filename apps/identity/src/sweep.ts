import { Database } from '#database';
import { type Job } from '#platform';
import { Injectable } from '@nestjs/common';

/** How long it is known who signed in from where: the law asks for six months of such logs, and nobody for more. */
const signInDays = 190;

/** Deletes what nobody can use any more. Every replica may do it. */
@Injectable()
export class Sweep implements Job {
  readonly intervalMs = 600_000;

  constructor(private readonly database: Database) {}

  async run(): Promise<boolean> {
    await this.database.everywhere('deletes what nobody can use any more', async (tx) => {
      await tx.query(`delete from oidc_payload where expires_at < now()`);
      await tx.query(
        `delete from sign_in_guard where greatest(locked_until, (select max(one) from unnest(tried_at) as one)) < now() - interval '1 hour'`,
      );
      await tx.query(`delete from address_guard where since < now() - interval '1 hour'`);
      await tx.query(`delete from sign_in where at < now() - make_interval(days => $1)`, [
        signInDays,
      ]);
    });
    return false;
  }
}
