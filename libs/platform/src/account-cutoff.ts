import { AccountChanged, type DataOf, type Envelope } from '#contracts';
import { type Database, type Tx } from '#database';
import { OnEvent } from '#messaging';

/** What a service last heard of an account. */
export interface Cutoff {
  version: number;
  active: boolean;
  changedAt: Date;
}

/** Notes the newest state of an account; a repeated or late one meets a version that is not smaller. */
export async function keepCutoff(
  tx: Tx,
  { accountId, version, active }: DataOf<typeof AccountChanged>,
  changedAt: Date,
): Promise<void> {
  await tx.query(
    `insert into account_cutoff (account_id, version, active, changed_at) values ($1, $2, $3, $4)
     on conflict (account_id) do update set version = excluded.version, active = excluded.active, changed_at = excluded.changed_at
       where account_cutoff.version < excluded.version`,
    [accountId, version, active, changedAt],
  );
}

/** From the database, not from memory: the fact reached one replica, the next request may reach another. */
export async function cutoffOf(database: Database, accountId: string): Promise<Cutoff | undefined> {
  const [found] = await database.machine<Cutoff>(
    `select version, active, changed_at as "changedAt" from account_cutoff where account_id = $1`,
    [accountId],
  );
  return found;
}

/** Every service's ear for accounts. */
export class AccountCutoffs {
  @OnEvent(AccountChanged)
  async keep({ data, time }: Envelope<DataOf<typeof AccountChanged>>, tx: Tx): Promise<void> {
    await keepCutoff(tx, data, new Date(time));
  }
}
