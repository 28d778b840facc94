import { randomUUID } from 'node:crypto';
import {
  contracts,
  listeners,
  streamOf,
  subjectOf,
  type DataOf,
  type Envelope,
  type EventContract,
  type Service,
} from '#contracts';
import { checkerOf, type Database, type Tx } from '#database';
import {
  type ConsumerMessages,
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  type JsMsg,
} from '@nats-io/jetstream';
import { type NatsConnection } from '@nats-io/transport-node';
import { type TObject } from '@sinclair/typebox';
import { validate as isUuid } from 'uuid';
import {
  ackWaitMs, defaultHandlerLimitMs, durableOf, firstLimitMs, goneText, mostTries, ownersOf, placesOfDurable,
} from './bus.js'; // prettier-ignore
import { Patience } from './patience.js';
import { Retries, storable } from './retries.js';

const HANDLES = Symbol('handles');

/** A typed handler: it runs in the transaction that records having seen the fact. It never acks, retries or swallows. */
export type EventMethod<C> = (event: Envelope<DataOf<C>>, tx: Tx) => Promise<void>;

/** Marks a method that takes the facts of these contracts. Two methods for one fact in a service are refused at start. */
export function OnEvent<T extends TObject>(...events: EventContract<T>[]) {
  return (
    target: object,
    key: string,
    _descriptor: TypedPropertyDescriptor<EventMethod<EventContract<T>>>,
  ): void => {
    const known = (Reflect.getMetadata(HANDLES, target) ?? []) as [string, string][];
    Reflect.defineMetadata(
      HANDLES,
      [...known, ...events.map((event) => [event.type, key])],
      target,
    );
  };
}

type Handler = (event: Envelope<never>, tx: Tx) => Promise<void>;

/** A dead letter, as a person sees it. */
export interface DeadLetter {
  id: string;
  division: string;
  eventId: string | null;
  type: string;
  cause: string;
  failedAt: Date;
  replayedAt: Date | null;
}

/** Which dead letters to try again; every part that is given must fit. */
export interface ReplayFilter {
  id?: string | undefined;
  type?: string | undefined;
  division?: string | undefined;
  since?: Date | undefined;
  until?: Date | undefined;
}

/** Applies a fact once: inbox, version guard and effects commit together. */
export class Applier {
  private readonly handlers = new Map<string, Handler>();
  applied = 0;
  repeated = 0;

  constructor(
    readonly service: Service,
    readonly database: Database,
    /** How long one fact may take, in milliseconds. */
    readonly limitMs = defaultHandlerLimitMs,
  ) {}

  /** @throws Error when handlers and `listeners` differ, or two handlers want one fact. */
  register(listenersOf: object[]): void {
    const { service } = this;
    for (const listener of listenersOf) {
      const marked = (Reflect.getMetadata(HANDLES, Object.getPrototypeOf(listener) as object) ??
        []) as [string, string][];
      for (const [type, key] of marked) {
        if (this.handlers.has(type))
          throw new Error(`${service}: two handlers for ${type}; keep one.`);
        const method = (listener as Record<string, Handler>)[key];
        if (method) this.handlers.set(type, method.bind(listener));
      }
    }
    const declared = new Set((listeners[service] ?? []).map((event) => event.type));
    for (const type of new Set([...declared, ...this.handlers.keys()]))
      if (declared.has(type) !== this.handlers.has(type))
        throw new Error(
          `${service}: ${type} must stand both in contracts/listeners.ts and on an @OnEvent method.`,
        );
  }

  /** Checks the envelope against its contract and its publisher. @throws Permanent that says what is wrong with it */
  read(subject: string, text: string): Envelope {
    let event: unknown;
    try {
      event = JSON.parse(text);
    } catch {
      throw new Permanent('not JSON · 不是 JSON');
    }
    const wrong = wrongPart(event);
    if (wrong) throw new Permanent(`no fact: ${wrong} is missing or wrong · 不是事实:${wrong} 缺失或有误`);
    const fact = event as Envelope;
    const contract = contracts.get(fact.type);
    if (!contract)
      throw new Permanent(`unknown type or version ${fact.type.slice(0, 120)}: bring this service up to date, then replay · 未知的类型或版本:请先升级本服务,再重新处理`);
    if (fact.source !== `/services/${contract.owner}`)
      throw new Permanent(`${fact.type} does not come from its owner · 不是由其所有者发布`);
    if (subject !== subjectOf(fact.type, fact.division))
      throw new Permanent('subject and division differ · 主题与行政区划不一致');
    const check = checkerOf(contract);
    if (!check.Check(fact.data)) {
      const first = check.Errors(fact.data).First();
      throw new Permanent(`bad data: ${first?.path ?? ''} ${first?.message ?? ''} · 数据不符合约定`);
    }
    return fact;
  } // prettier-ignore

  /**
   * @param limitMs it is ended when it takes longer
   * @param and more work of the same transaction
   */
  async apply(event: Envelope, limitMs: number, and?: (tx: Tx) => Promise<void>): Promise<void> {
    const handler = this.handlers.get(event.type);
    if (!handler && !this.hears(event.type))
      throw new Permanent(`no handler for ${event.type} · 本服务不处理该类型`);
    // A handler is no person: it works in the scope of the fact's county.
    const caller = {
      id: `service:${this.service}`,
      division: event.division.slice(0, 6),
      correlationId: event.correlationid,
      causationId: event.id,
      limitMs,
    };
    const seen = {
      name: 'inbox',
      text: `insert into inbox (consumer, event_id, event_at) values ($1, $2, $3) on conflict do nothing returning 1 as one`,
      values: [this.service, event.id, madeAt(event.id)],
    };
    const work = async (tx: Tx, isNew: number): Promise<void> => {
      await and?.(tx);
      if (isNew === 0) {
        this.repeated++;
        return;
      }
      await handler?.(event as Envelope<never>, tx);
      this.applied++;
    };
    await this.database.within(caller, work, seen);
  }

  /** A major that this service knows of and does not listen to, beside one that it does: noted, and nothing to do. */
  private hears(type: string): boolean {
    const fact = type.replace(/\d+$/, '');
    return [...this.handlers.keys()].some((known) => known.replace(/\d+$/, '') === fact);
  }

  /** How many dead letters wait to be replayed. */
  async waiting(): Promise<number> {
    const [row] = await this.database.everywhere('counts dead letters of all counties', (tx) =>
      tx.query<{ n: number }>(
        `select count(*)::int as n from dead_letter where replayed_at is null`,
      ),
    );
    return row?.n ?? 0;
  }

  /** Sets a message aside, with the cause: a fact once, however often it came. */
  async bury(subject: string, text: string, id: string | undefined, cause: string): Promise<void> {
    const place = /\.(\d{6})\.(?:\d{3}|_)$/.exec(subject)?.[1] ?? '';
    const message = JSON.stringify({ subject, text: storable(text) });
    await this.database.within({ id: `service:${this.service}`, division: place, correlationId: randomUUID() }, async (tx) => {
      if (id) {
        await tx.query('select pg_advisory_xact_lock(7032, hashtext($1))', [id]); // of several at once, one writes
        await tx.query('delete from waiting_fact where event_id = $1', [id]);
      }
      await tx.query(
        `insert into dead_letter (id, division, consumer, event_id, type, cause, message) select $1, $2, $3, $4::uuid, $5, $6, $7
         where not exists (select 1 from dead_letter where event_id = $4::uuid and replayed_at is null)`,
        [randomUUID(), place || '0', this.service, id ?? null, typeIn(subject), storable(cause), message],
      );
    });
  } // prettier-ignore

  /**
   * Applies dead letters again, oldest first, each through the same inbox in a transaction of its own.
   * @param scope '' for every county
   * @param most how many are tried at most
   * @returns those that took effect, and the causes of those that failed again
   */
  async replay(scope: string, filter: ReplayFilter, most = 1000): Promise<{ replayed: number; failed: { id: string; cause: string }[] }> {
    const caller = { id: `service:${this.service}`, division: scope, correlationId: randomUUID() };
    const next = (after: string | undefined): Promise<{ id: string; message: { subject: string; text: string } }[]> =>
      this.database.within(caller, (tx) =>
        tx.query(
          `select id, message from dead_letter where replayed_at is null and ($1::uuid is null or id = $1) and ($2::text is null or type = $2)
             and ($3::text is null or starts_with(division, $3)) and failed_at >= coalesce($4, '-infinity'::timestamptz) and failed_at < coalesce($5, 'infinity'::timestamptz)
             and ($6::uuid is null or (failed_at, id) > (select failed_at, id from dead_letter where id = $6))
           order by failed_at, id limit 100`,
          [filter.id ?? null, filter.type ?? null, filter.division ?? null, filter.since ?? null, filter.until ?? null, after ?? null],
        ),
      );
    let replayed = 0;
    let seen = 0;
    let last: string | undefined;
    const failed: { id: string; cause: string }[] = [];
    do {
      const letters = await next(last);
      last = letters.at(-1)?.id;
      for (const { id, message } of letters.slice(0, most - seen))
        try {
          seen += 1;
          await this.apply(this.read(message.subject, message.text), this.limitMs, async (tx) => {
            await tx.query(`update dead_letter set replayed_at = now() where id = $1`, [id]);
          });
          replayed += 1;
        } catch (error) {
          failed.push({ id, cause: (error as Error).message });
        }
    } while (last && seen < most);
    return { replayed, failed };
  } // prettier-ignore
}

/** Takes messages from JetStream to the applier, and acknowledges what has been applied or set aside. */
export class Consumers {
  private readonly loops: Promise<void>[] = [];
  private readonly open = new Map<Service, ConsumerMessages>();
  private stopped = false;
  private stop_: (() => void) | undefined;
  private readonly stopping = new Promise<void>((done) => (this.stop_ = done));
  private readonly patience: Patience;
  readonly retries: Retries;
  /** The last trouble of each durable; none when all is well. */
  readonly troubles = new Map<string, string>();

  constructor(
    private readonly applier: Applier,
    private readonly connection: NatsConnection,
    private readonly log: (line: string, error?: unknown) => void,
  ) {
    this.patience = new Patience(applier.database, log);
    this.retries = new Retries(applier, this.patience, log);
  }

  start(): void {
    this.retries.start();
    for (const owner of ownersOf(this.applier.service)) this.loops.push(this.supervise(owner));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.stop_?.();
    this.patience.stop();
    for (const messages of this.open.values()) await messages.close();
    await Promise.all([...this.loops, this.retries.stop()]);
  }

  /** What the broker still holds for this service, by publisher: not delivered, and delivered without an acknowledgement. */
  async lag(): Promise<{ owner: Service; pending: number; unacknowledged: number }[]> {
    return Promise.all(
      ownersOf(this.applier.service).map(async (owner) => {
        const consumer = await jetstream(this.connection, { timeout: 2_000 }).consumers.get(streamOf(owner), durableOf(this.applier.service, owner));
        const { num_pending, num_ack_pending } = await consumer.info();
        return { owner, pending: num_pending, unacknowledged: num_ack_pending };
      }),
    );
  } // prettier-ignore

  /** Rebuilds the consume loop whenever it ends: heartbeats missed, consumer gone, server restarted. */
  private async supervise(owner: Service): Promise<void> {
    const durable = durableOf(this.applier.service, owner);
    while (!this.stopped) {
      try {
        const consumer = await jetstream(this.connection).consumers.get(streamOf(owner), durable);
        // After a failed look at its consumer, as while a cluster chooses a leader, the client waits as long as `expires`.
        const messages = await consumer.consume({ max_messages: 32, expires: 5_000, idle_heartbeat: 2_000, abort_on_missing_resource: true }); // prettier-ignore
        this.open.set(owner, messages);
        this.troubles.delete(durable);
        try {
          const running = new Set<Promise<void>>();
          for await (const message of messages) {
            const work: Promise<void> = this.take(message).finally(() => running.delete(work));
            running.add(work);
            if (running.size >= placesOfDurable) await Promise.race(running);
          }
          await Promise.all(running);
        } finally {
          this.open.delete(owner);
        }
      } catch (error) {
        const trouble = isGone(error) ? goneText(`${durable} in ${streamOf(owner)}`) : (error as Error).message; // prettier-ignore
        if (this.troubles.get(durable) !== trouble)
          this.log(`consumer ${durable}: ${trouble}`, error);
        this.troubles.set(durable, trouble);
      }
      if (!this.stopped)
        await Promise.race([this.stopping, new Promise((done) => setTimeout(done, 1000).unref())]);
    }
  }

  private async take(message: JsMsg): Promise<void> {
    const alive = setInterval(() => message.working(), ackWaitMs / 3);
    try {
      await this.settle(message);
      message.ack();
    } catch (error) {
      if (!this.patience.stopped)
        this.log(`${message.subject}: ${(error as Error).message}`, error);
      message.nak(); // this process stops, and wrote nothing down: another takes it
    } finally {
      clearInterval(alive);
    }
  }

  /** Resolves when a fact has taken effect, waits to be tried again, or was set aside: then the broker may forget it. */
  private async settle(message: JsMsg): Promise<void> {
    const { subject } = message;
    const text = message.string();
    let event: Envelope | undefined;
    try {
      event = this.applier.read(subject, text);
      const fact = event;
      if (message.info.deliveryCount > mostTries)
        throw new Error('came again and again without an outcome: perhaps it ends the process · 多次投递均无结果,可能导致进程退出');
      await this.patience.step(() => this.applier.apply(fact, Math.min(firstLimitMs, this.applier.limitMs)));
    } catch (error) {
      if (this.patience.stopped) throw error;
      const { message: said } = error as Error;
      this.log(`${subject}: ${said} (${idIn(text) ?? 'no id'})`, error);
      if (!event || error instanceof Permanent) await this.retries.bury(subject, text, idIn(text), said);
      else await this.retries.wait(subject, text, event, error as Error);
    }
  } // prettier-ignore
}

/** What a message says it is, where it could not be read. */
const typeIn = (subject: string): string =>
  /^evt\.(.+)\.(?:\d{6}|_)\.(?:\d{3}|_)$/.exec(subject)?.[1] ?? subject;

/** The stream or our durable in it: neither comes back by itself. */
const isGone = (error: unknown): boolean =>
  error instanceof JetStreamApiError &&
  [JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.ConsumerNotFound].some(
    (code) => code === error.code,
  );

/** Which part of an envelope does not fit: what is read here of a message was written by anybody. */
function wrongPart(event: unknown): string | undefined {
  const { id, type, subject, division, sequence, correlationid } = Object(event) as Partial<Record<keyof Envelope, unknown>>;
  if (typeof id !== 'string' || !isUuid(id) || id[14] !== '7') return 'id';
  if (typeof type !== 'string') return 'type';
  if (typeof subject !== 'string' || !isUuid(subject)) return 'subject';
  if (typeof division !== 'string' || !/^(|\d{2}|\d{4}|\d{6}|\d{9}|\d{12})$/.test(division)) return 'division';
  if (!Number.isInteger(sequence)) return 'sequence';
  return typeof correlationid === 'string' ? undefined : 'correlationid';
} // prettier-ignore

/** The id of a fact that cannot be read otherwise: it is one fact, however often it comes. */
function idIn(text: string): string | undefined {
  try {
    const { id } = Object(JSON.parse(text)) as { id?: unknown };
    return typeof id === 'string' && isUuid(id) ? id : undefined;
  } catch {
    return undefined;
  }
}

/** The time inside a UUIDv7: the same for one fact whenever it comes. */
const madeAt = (id: string): Date =>
  new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));

/** No later try can help: straight to the dead letters. */
export class Permanent extends Error {}
