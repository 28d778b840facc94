import { randomUUID } from 'node:crypto';
import {
  contracts,
  listeners,
  subjectOf,
  type DataOf,
  type Envelope,
  type EventContract,
  type Service,
} from '#contracts';
import { checkerOf, type Database, type Tx } from '#database';
import { type TObject } from '@sinclair/typebox';
import { validate as isUuid } from 'uuid';
import { defaultHandlerLimitMs } from './bus.js';

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

  /** Sets a message aside, with the cause: a fact once, however often it came; not one that took effect before, as after a replay. */
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
         where not exists (select 1 from dead_letter where event_id = $4::uuid and replayed_at is null)
           and not exists (select 1 from inbox where consumer = $3 and event_id = $4::uuid and event_at = uuid_extract_timestamp($4::uuid))`,
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

/** What a message says it is, where it could not be read. */
const typeIn = (subject: string): string =>
  /^evt\.(.+)\.(?:\d{6}|_)\.(?:\d{3}|_)$/.exec(subject)?.[1] ?? subject;

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

/** The time inside a UUIDv7: the same for one fact whenever it comes. */
const madeAt = (id: string): Date =>
  new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));

/** No later try can help: straight to the dead letters. */
export class Permanent extends Error {}

/** PostgreSQL holds no NUL. */
export const storable = (text: string): string => text.replaceAll('\u0000', '\ufffd');
