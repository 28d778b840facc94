import { randomUUID } from 'node:crypto';
import { type Envelope, type Service, subjectOf } from '#contracts';
import { jetstream } from '@nats-io/jetstream';
import { type Msg, type NatsConnection } from '@nats-io/transport-node';
import pg from 'pg';
import { askSubject, listenersOf, markSubject } from './bus.js';
import { type Relay } from './relay.js';
import { genesis } from './seal.js';

/** How often an owner says how far it has sent. */
export const markEveryMs = 2_000;
/** Facts in one page of seals: some 40 bytes each. */
const pageFacts = 4_000;
/** How many facts one request may ask for again. */
export const againMost = 2_000;
const inFlight = 64;

/** A seal, as it is told to a listener: of its facts those of the types that were asked for. */
export interface ToldSeal {
  number: number;
  hash: string;
  /** The last place the broker gave to a fact of it; null when it was sent before there were seals. */
  streamSeq: number | null;
  ageMs: number;
  /** Ids of its facts, by type. */
  facts: Record<string, string[]>;
}

/** How far an owner has sent, and, to who asked, what. */
export interface Mark {
  seal: number;
  hash: string;
  streamSeq: number | null;
  page?: {
    after: number;
    /** Of the seal that the page follows; null when there is none of that number. */
    afterHash: string | null;
    seals: ToldSeal[];
  };
}

/** What a listener asks: which facts of these types were sent after a seal; or facts again, by the seal that holds them. */
export type Ask = { after: number; types: string[] } | { again: Record<number, string[]> };

/**
 * Tells listeners how far this service has sent, which facts, and sends again those that somebody misses. The leading
 * replica does it, on a connection of its own, so that no trouble here holds up the relay.
 */
export class Watermarks {
  private pool: pg.Pool | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly work = new Set<Promise<void>>();
  private stopped = false;
  /** The last trouble of each kind of step: told once. */
  private readonly said = new Map<string, string>();
  /** For metrics: facts sent once more since start. */
  again = 0;

  constructor(
    private readonly service: Service,
    private readonly relay: Relay,
    private readonly connection: NatsConnection,
    private readonly log: (line: string, error?: unknown) => void,
  ) {}

  start(): void {
    const consumers = listenersOf(this.service);
    if (consumers.length === 0) return;
    this.pool = new pg.Pool({
      connectionString: this.relay.url, max: 1, idleTimeoutMillis: 10_000, application_name: 'watermarks',
    }); // prettier-ignore
    this.pool.on('error', () => undefined); // an idle connection was lost: the next question makes another
    for (const consumer of consumers)
      this.connection.subscribe(askSubject(this.service, consumer), {
        callback: (error, message) => {
          if (error) this.log(`questions of ${consumer} are not heard: ${error.message}`, error);
          else this.begin('answer', () => this.answer(consumer, message));
        },
      });
    this.timer = setInterval(() => this.begin('tell', () => this.tell()), markEveryMs);
    this.timer.unref();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await Promise.all(this.work);
    await this.pool?.end();
  }

  /** Nobody waits for it: what fails is asked for again. */
  private begin(kind: string, step: () => Promise<void>): void {
    if (this.stopped || !this.relay.leads) return;
    const running = step()
      .then(
        () => void this.said.delete(kind),
        (error: Error) => {
          if (this.said.get(kind) !== error.message)
            this.log(`watermark, ${kind}: ${error.message}`, error);
          this.said.set(kind, error.message);
        },
      )
      .finally(() => this.work.delete(running));
    this.work.add(running);
  }

  private async rows<Row extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    if (!this.pool) throw new Error('not started');
    return (await this.pool.query<Row>(sql, values)).rows;
  } // prettier-ignore

  private async head(): Promise<Mark> {
    const [head] = await this.rows<{ number: string; hash: string; seq: string | null }>(
      `select number, encode(hash, 'hex') as hash, stream_seq as seq from seal order by number desc limit 1`,
    );
    return {
      seal: Number(head?.number ?? 0),
      hash: head?.hash ?? genesis,
      streamSeq: head?.seq ? Number(head.seq) : null,
    };
  }

  private async tell(): Promise<void> {
    if (this.work.size > 20) return; // others wait for answers already
    const mark = JSON.stringify(await this.head());
    for (const consumer of listenersOf(this.service))
      this.connection.publish(markSubject(this.service, consumer), mark);
  }

  private async answer(consumer: Service, message: Msg): Promise<void> {
    const ask = message.json<Ask>();
    if ('again' in ask) await this.sendAgain(consumer, ask.again);
    else
      this.connection.publish(
        markSubject(this.service, consumer),
        JSON.stringify({ ...(await this.head()), page: await this.page(ask.after, ask.types) }),
      );
  }

  private async page(after: number, types: string[]): Promise<NonNullable<Mark['page']>> {
    const [before] = await this.rows<{ hash: string }>(
      `select encode(hash, 'hex') as hash from seal where number = $1`,
      [after],
    );
    const wanted = new Set(types);
    const seals = await this.rows<{ number: string; hash: string; seq: string | null; age: number; ids: string[]; kinds: string[] }>(
      `select s.number, encode(s.hash, 'hex') as hash, s.stream_seq as seq, s.event_ids::text[] as ids, s.types as kinds,
         (extract(epoch from clock_timestamp() - s.sealed_at) * 1000)::float8 as age
       from (select number, sum(facts) over (order by number) - facts as before from (
               select number, facts from seal where number > $1 order by number limit 500) as coming) as near
       join seal s using (number) where near.before < $2 order by s.number`,
      [after, pageFacts],
    ); // prettier-ignore
    return {
      after,
      afterHash: after === 0 ? genesis : (before?.hash ?? null),
      seals: seals.map(({ number, hash, seq, age, ids, kinds }) => {
        const facts: Record<string, string[]> = {};
        for (const [index, id] of ids.entries()) {
          const type = kinds[index] ?? '';
          if (wanted.has(type)) (facts[type] ??= []).push(id);
        }
        return { number: Number(number), hash, streamSeq: seq === null ? null : Number(seq), ageMs: age, facts };
      }),
    };
  } // prettier-ignore

  /**
   * The event keeps its id, so that who has it already does nothing. The broker would drop an id that it has seen within
   * ten minutes, though its store may hold the message no longer: so the message has another.
   */
  private async sendAgain(consumer: Service, wanted: Record<number, string[]>): Promise<void> {
    const ids = Object.values(wanted).flat().slice(0, againMost);
    const rows = await this.rows<{ event: Envelope }>(
      `select j.event from seal s cross join unnest(s.journal_ids, s.event_ids) as held(journal_id, event_id)
       join journal j on j.id = held.journal_id and j.recorded_at between s.recorded_from and s.recorded_until
       where s.number = any($1) and held.event_id = any($2) order by j.id`,
      [Object.keys(wanted), ids],
    );
    const js = jetstream(this.connection, { timeout: 5_000 });
    const flying = new Set<Promise<void>>();
    let failed: unknown;
    let sent = 0;
    for (const { event } of rows) {
      while (flying.size >= inFlight) await Promise.race(flying);
      if (failed !== undefined || this.stopped) break;
      const flight: Promise<void> = js
        .publish(subjectOf(event.type, event.division), JSON.stringify(event), { msgID: `${event.id}/${randomUUID()}` })
        .then(() => void (sent += 1), (error: unknown) => void (failed = error))
        .finally(() => flying.delete(flight));
      flying.add(flight);
    } // prettier-ignore
    await Promise.all(flying);
    this.again += sent;
    const gone = ids.length - rows.length;
    this.log(
      `${sent} of ${ids.length} facts that ${consumer} misses were sent again${gone > 0 ? `; ${gone} are not in the journal any more` : ''} · 已为 ${consumer} 重发 ${sent}/${ids.length} 条丢失的事实${gone > 0 ? `;其中 ${gone} 条已不在日志中` : ''}`,
    );
    if (failed !== undefined) throw failed as Error;
  }
}
