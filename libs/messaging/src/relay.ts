import { contracts, streamOf, subjectOf, type Envelope } from '#contracts';
import { jetstream, type JetStreamClient } from '@nats-io/jetstream';
import { type NatsConnection } from '@nats-io/transport-node';
import pg from 'pg';
import { goneText } from './bus.js';
import { rowHash, Seals } from './seal.js';

interface Unsent {
  journal_id: string;
  event: Envelope;
  hash: string;
}

/** What the broker acknowledged of a batch, and the last place it gave. */
interface Acked {
  ids: Set<string>;
  streamSeq: number;
}

const inFlight = 64;
const batch = 500;

/**
 * Sends the unsent facts of one service to JetStream, one leader at a time, and forgets a pointer only after the
 * acknowledgement, in the statement that seals what was sent (seal.ts). It takes the unsent set, never a cursor: a cursor loses rows that commit late (bus.md).
 */
export class Relay {
  private client: pg.Client | undefined;
  private leader = false;
  private stopped = false;
  private waker: (() => void) | undefined;
  private loop: Promise<void> | undefined;
  private readonly js: JetStreamClient;
  private readonly seals = new Seals();
  /** Why the broker acknowledged less than it was sent, the last time. */
  private refused = '';
  /** For metrics: facts sent since start, and the last trouble (undefined when all is well). */
  sent = 0;
  trouble: string | undefined;

  constructor(
    readonly url: string,
    connection: NatsConnection,
    private readonly log: (line: string, error?: unknown) => void,
  ) {
    this.js = jetstream(connection, { timeout: 5_000 });
  }

  start(): void {
    this.loop ??= this.run();
  }

  /** This replica sends the facts of its service. */
  get leads(): boolean {
    return this.leader && !this.stopped;
  }

  wake(): void {
    this.waker?.();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.wake();
    await this.loop;
    await this.client?.end().catch(() => undefined); // a broken connection is closed already
  }

  /** Facts committed and not yet acknowledged by the broker; undefined while this replica isn't the leader. */
  async depth(): Promise<number | undefined> {
    if (!this.client || !this.leader) return undefined;
    const { rows } = await this.client.query<{ n: string }>('select count(*) as n from outbox');
    return Number(rows[0]?.n);
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        const more = await this.pass();
        this.trouble = undefined;
        if (!more) await this.pause(500);
      } catch (error) {
        this.seals.forget();
        const said = (error as Error).message;
        if (this.trouble !== said) this.log(`relay: ${said}`, error);
        this.trouble = said;
        await this.pause(1000);
      }
    }
  }

  private pause(ms: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.waker = (): void => {
        clearTimeout(timer);
        done();
      };
    });
  }

  /** @returns true when there may be more to send. */
  private async pass(): Promise<boolean> {
    const client = await this.connection();
    if (!this.leader) {
      const { rows } = await client.query<{ won: boolean }>(
        'select pg_try_advisory_lock(7031, 2) as won',
      );
      this.leader = rows[0]?.won === true;
      if (!this.leader) return false;
    }
    await this.seals.open(client);
    const { rows } = await client.query<Unsent>({
      name: 'unsent',
      // Each row by its key: joined as a whole, a plan made while the journal was empty reads all of it at every pass.
      text: `select o.journal_id, j.event, j.hash from (select * from outbox order by journal_id limit ${batch}) o
             cross join lateral (select j.event, ${rowHash} as hash from journal j where j.id = o.journal_id and j.recorded_at = o.recorded_at limit 1) j
             order by o.journal_id`,
    });
    if (rows.length === 0) return false;
    const { ids, streamSeq } = await this.send(rows);
    if (ids.size > 0) {
      const sent = rows.filter(({ journal_id }) => ids.has(journal_id));
      await this.seals.close(
        client,
        sent.map(({ journal_id, event: { id, type }, hash }) => ({
          journalId: journal_id,
          eventId: id,
          type,
          hash,
        })),
        streamSeq,
      );
      this.sent += ids.size;
    }
    if (ids.size < rows.length) throw new Error(this.refused);
    return rows.length === batch;
  }

  /** Publishes in id order, never two of one aggregate at once; after a failure feeds no more and awaits the rest. */
  private async send(rows: Unsent[]): Promise<Acked> {
    const acked: Acked = { ids: new Set(), streamSeq: 0 };
    const busy = new Map<string, Promise<void>>();
    const flying = new Set<Promise<void>>();
    let failed = false;
    for (const row of rows) {
      await busy.get(row.event.subject);
      while (flying.size >= inFlight) await Promise.race(flying);
      if (failed) break;
      const flight: Promise<void> = this.js
        .publish(subjectOf(row.event.type, row.event.division), JSON.stringify(row.event), {
          msgID: row.event.id,
        })
        .then(
          ({ seq }) => {
            acked.ids.add(row.journal_id);
            acked.streamSeq = Math.max(acked.streamSeq, seq);
          },
          (error: unknown) => {
            failed = true; // unknown: the same id is sent again, and the broker or the inbox drops the second
            this.refused = refusalOf(error, row.event.type);
          },
        )
        .finally(() => flying.delete(flight));
      flying.add(flight);
      busy.set(row.event.subject, flight);
    }
    await Promise.all(flying);
    return acked;
  }

  private async connection(): Promise<pg.Client> {
    if (this.client) return this.client;
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'relay',
      keepAlive: true,
    });
    client.on('error', () => undefined); // 'end' follows, and the next pass connects anew
    client.once('end', () => {
      this.client = undefined;
      this.leader = false; // the lock went with the connection
    });
    await client.connect();
    this.client = client;
    return client;
  }
}

/** Only the deploy user makes streams: who reads this has to know which command does. */
function refusalOf(error: unknown, type: string): string {
  const owner = contracts.get(type)?.owner;
  const { name, message } = error as Error;
  if (name === 'JetStreamNotEnabled' && owner) return goneText(streamOf(owner)); // nobody answers: no stream takes the subject
  return `the broker did not acknowledge; sending again · 消息服务未确认,重发中: ${message}`;
}
