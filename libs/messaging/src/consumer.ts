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
import { jetstream, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import { type NatsConnection } from '@nats-io/transport-node';
import { type TObject } from '@sinclair/typebox';
import { backoffMs, durableOf, maxDeliver } from './bus.js';

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

/** Applies each fact once: inbox, version guard and effects commit together, then the message is acknowledged. */
export class Consumers {
  private readonly handlers = new Map<string, Handler>();
  private readonly loops: Promise<void>[] = [];
  private readonly open = new Set<ConsumerMessages>();
  private stopped = false;
  private stop_: (() => void) | undefined;
  private readonly stopping = new Promise<void>((done) => (this.stop_ = done));
  applied = 0;
  repeated = 0;
  deadLetters = 0;

  constructor(
    private readonly service: Service,
    private readonly database: Database,
    private readonly connection: NatsConnection,
    listenersOf: object[],
    private readonly log: (line: string, error?: unknown) => void,
  ) {
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

  start(): void {
    for (const owner of new Set((listeners[this.service] ?? []).map((event) => event.owner)))
      this.loops.push(this.supervise(owner));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.stop_?.();
    for (const messages of this.open) await messages.close();
    await Promise.all(this.loops);
  }

  /** Rebuilds the consume loop whenever it ends: heartbeats missed, consumer gone, server restarted. */
  private async supervise(owner: Service): Promise<void> {
    let said = '';
    while (!this.stopped) {
      try {
        const consumer = await jetstream(this.connection).consumers.get(
          streamOf(owner),
          durableOf(this.service, owner),
        );
        const messages = await consumer.consume({ max_messages: 32, idle_heartbeat: 5_000 });
        this.open.add(messages);
        try {
          const running = new Set<Promise<void>>();
          for await (const message of messages) {
            const work: Promise<void> = this.take(message).finally(() => running.delete(work));
            running.add(work);
            if (running.size >= 8) await Promise.race(running);
          }
          await Promise.all(running);
        } finally {
          this.open.delete(messages);
        }
        said = '';
      } catch (error) {
        if (said !== (error as Error).message)
          this.log(
            `consumer ${durableOf(this.service, owner)}: ${(error as Error).message}`,
            error,
          );
        said = (error as Error).message;
      }
      if (!this.stopped)
        await Promise.race([this.stopping, new Promise((done) => setTimeout(done, 1000).unref())]);
    }
  }

  private async take(message: JsMsg): Promise<void> {
    let event: Envelope | undefined;
    try {
      event = this.read(message);
      await this.apply(event);
      message.ack();
    } catch (error) {
      const attempt = message.info.deliveryCount;
      const permanent = error instanceof Permanent || attempt >= maxDeliver;
      this.log(`${message.subject}: ${(error as Error).message} (delivery ${attempt})`, error);
      if (!permanent) {
        message.nak(backoffMs[attempt - 1] ?? 600_000);
        return;
      }
      try {
        await this.bury(message, event, error as Error);
        message.ack();
      } catch (burial) {
        this.log(`dead letter not written: ${(burial as Error).message}`, burial);
        message.nak(30_000); // never let go of a message whose dead letter is not saved
      }
    }
  }

  /** Checks the envelope against its contract and its publisher. */
  private read(message: JsMsg): Envelope {
    let event: Envelope;
    try {
      event = message.json<Envelope>();
    } catch {
      throw new Permanent('not JSON');
    }
    const contract = contracts.get(event.type);
    if (!contract) throw new Permanent(`unknown type or version ${event.type}`);
    if (event.source !== `/services/${contract.owner}`)
      throw new Permanent(`${event.type} does not come from its owner`);
    if (message.subject !== subjectOf(event.type, event.division))
      throw new Permanent('subject and division differ');
    const check = checkerOf(contract);
    if (!check.Check(event.data)) {
      const first = check.Errors(event.data).First();
      throw new Permanent(`bad data: ${first?.path ?? ''} ${first?.message ?? ''}`);
    }
    return event;
  }

  private async apply(event: Envelope): Promise<void> {
    const handler = this.handlers.get(event.type);
    if (!handler) throw new Permanent(`no handler for ${event.type}`);
    // A handler is no person: it works in the scope of the fact's county.
    await this.database.within(this.callerOf(event), async (tx) => {
      const first = await tx.query(
        `insert into inbox (consumer, event_id, event_at) values ($1, $2, $3) on conflict do nothing returning 1 as one`,
        [this.service, event.id, madeAt(event.id)],
      );
      if (first.length === 0) {
        this.repeated++;
        return;
      }
      await handler(event as Envelope<never>, tx);
      this.applied++;
    });
  }

  private callerOf(event: Envelope): {
    id: string;
    division: string;
    correlationId: string;
    causationId: string;
  } {
    return {
      id: `service:${this.service}`,
      division: event.division.slice(0, 6),
      correlationId: event.correlationid,
      causationId: event.id,
    };
  }

  private async bury(message: JsMsg, event: Envelope | undefined, cause: Error): Promise<void> {
    const place = /\.(\d{6})\.(?:\d{3}|_)$/.exec(message.subject)?.[1] ?? '';
    await this.database.within(
      {
        id: `service:${this.service}`,
        division: place,
        correlationId: event?.correlationid ?? randomUUID(),
      },
      async (tx) => {
        await tx.query(
          `insert into dead_letter (id, division, consumer, event_id, type, cause, message)
           values ($1, $2, $3, $4, $5, $6, $7)`,
          [
            randomUUID(),
            place || '0',
            this.service,
            event?.id ?? null,
            event?.type ?? message.subject,
            cause.message,
            JSON.stringify({ subject: message.subject, text: message.string() }),
          ],
        );
      },
    );
    this.deadLetters++;
  }
}

/** The time inside a UUIDv7: the same for one fact whenever it comes. @throws Permanent for another kind of id. */
function madeAt(id: string): Date {
  if (!/^[0-9a-f]{8}-[0-9a-f]{4}-7/.test(id)) throw new Permanent(`${id} is no UUIDv7`);
  return new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
}

/** No later delivery can help: straight to the dead letters. */
export class Permanent extends Error {}
