import { type Envelope, type Service, streamOf } from '#contracts';
import {
  type ConsumerMessages,
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  type JsMsg,
} from '@nats-io/jetstream';
import { type NatsConnection } from '@nats-io/transport-node';
import { validate as isUuid } from 'uuid';
import { type Applier, Permanent } from './applier.js';
import {
  ackWaitMs, durableOf, firstLimitMs, goneText, mostTries, ownersOf, placesOfDurable,
} from './bus.js'; // prettier-ignore
import { Patience } from './patience.js';
import { Retries } from './retries.js';

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
        const { num_pending, num_ack_pending } = await consumer.info(true); // as `get` has just read it
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

/** The stream or our durable in it: neither comes back by itself. */
const isGone = (error: unknown): boolean =>
  error instanceof JetStreamApiError &&
  [JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.ConsumerNotFound].some(
    (code) => code === error.code,
  );

/** The id of a fact that cannot be read otherwise: it is one fact, however often it comes. */
function idIn(text: string): string | undefined {
  try {
    const { id } = Object(JSON.parse(text)) as { id?: unknown };
    return typeof id === 'string' && isUuid(id) ? id : undefined;
  } catch {
    return undefined;
  }
}
