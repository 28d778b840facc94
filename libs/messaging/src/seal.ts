import { createHash } from 'node:crypto';
import type pg from 'pg';

/** What the first seal follows. */
export const genesis = '0'.repeat(64);

/** The bytes that a seal keeps of row `j` of the journal, as text: every column, in the order of the table. */
export const rowText = `jsonb_build_array(j.id, j.event_id, j.type, j.division, j.aggregate_id, j.sequence, j.actor, j.event, to_char(j.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'))::text`;
/** Their SHA-256. */
export const rowHash = `encode(sha256(convert_to(${rowText}, 'UTF8')), 'hex')`;

/** A row of the journal, as its seal holds it. */
export interface SealedRow {
  journalId: string;
  eventId: string;
  type: string;
  hash: string;
}

/** SHA-256 over the seal before, the number, and every row with its hash, one a line. */
export function hashOfSeal(previous: string, number: number, rows: readonly SealedRow[]): string {
  const lines = rows.map((row) => `${row.journalId} ${row.eventId} ${row.type} ${row.hash}`);
  return createHash('sha256')
    .update([previous, number, ...lines].join('\n'))
    .digest('hex');
}

const sealing = `insert into seal (number, previous, hash, stream_seq, facts, journal_ids, event_ids, types, row_hashes, recorded_from, recorded_until)
  select $2, decode($3, 'hex'), decode($4, 'hex'), $5, cardinality($1::bigint[]), $1, $6, $7, decode($8, 'hex'), min(recorded_at), max(recorded_at)`;

/**
 * Seals what the relay sends: each batch is chained to the one before it by hash. Only the leader seals, on the connection
 * that holds the leadership; a second one would meet the number that is taken.
 */
export class Seals {
  private head: { number: number; hash: string } | undefined;

  /** Learns the head of the chain; before the first seal ever, seals what was sent before there were seals. */
  async open(client: pg.Client): Promise<void> {
    if (this.head) return;
    const { rows } = await client.query<{ number: string; hash: string; sent: boolean; last: string }>(
      `select number, encode(hash, 'hex') as hash, stream_seq is not null as sent, journal_ids[facts] as last from seal order by number desc limit 1`,
    );
    const [last] = rows;
    this.head = { number: Number(last?.number ?? 0), hash: last?.hash ?? genesis };
    if (!last?.sent) await this.history(client, last?.last ?? '0');
  } // prettier-ignore

  /** After any trouble: what was written is not known. */
  forget(): void {
    this.head = undefined;
  }

  /** In one statement: forgets the pointers of what the broker acknowledged, and seals it. */
  async close(client: pg.Client, rows: readonly SealedRow[], streamSeq: number): Promise<void> {
    await this.append(client, rows, streamSeq, {
      name: 'acked',
      text: `with sent as (delete from outbox where journal_id = any($1::bigint[]) returning recorded_at) ${sealing} from sent`,
    });
  }

  private async history(client: pg.Client, after: string): Promise<void> {
    for (let last: string | undefined = after; last !== undefined;) {
      const { rows }: pg.QueryResult<SealedRow> = await client.query<SealedRow>(
        `select j.id as "journalId", j.event_id as "eventId", j.type, ${rowHash} as hash from journal j
         where j.id > $1 and not exists (select 1 from outbox o where o.journal_id = j.id) order by j.id limit 1000`,
        [last],
      );
      if (rows.length > 0)
        await this.append(client, rows, null, {
          name: 'history',
          text: `${sealing} from journal where id = any($1)`,
        });
      last = rows.at(-1)?.journalId;
    }
  }

  private async append(client: pg.Client, rows: readonly SealedRow[], streamSeq: number | null, statement: { name: string; text: string }): Promise<void> {
    const { head } = this;
    if (!head) throw new Error('The chain of seals was not opened.');
    const number = head.number + 1;
    const hash = hashOfSeal(head.hash, number, rows);
    await client.query({
      ...statement,
      values: [
        rows.map(({ journalId }) => journalId), number, head.hash, hash, streamSeq, rows.map(({ eventId }) => eventId), rows.map(({ type }) => type),
        rows.map((row) => row.hash).join(''),
      ],
    });
    this.head = { number, hash };
  } // prettier-ignore
}
