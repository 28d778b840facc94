import { listeners, publishers, streamOf, type Service } from '#contracts';
import {
  jetstreamManager,
  AckPolicy,
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import {
  connect,
  nanos,
  nkeyAuthenticator,
  nkeys,
  type NatsConnection,
} from '@nats-io/transport-node';

export interface BusOptions {
  /** Comma-separated `nats://host:port`, or `tls://host:port`: never without TLS. */
  url: string;
  user?: string | undefined;
  password?: string | undefined;
  /** `SU…`: the seed of an nkey, in place of user and password. It signs the server's challenge and is never sent. */
  nkeySeed?: string | undefined;
  /** PEM files: the authority that vouches for the servers, and what this client shows them where they ask. */
  tls?: { caFile?: string; certFile?: string; keyFile?: string } | undefined;
  name: string;
}

/** Whom a client is and whom it believes; `name` says only what it is called in the server's lists. */
export type BusAccess = Omit<BusOptions, 'name'>;

/** Reconnects for ever, and waits for a server that is not there yet: any start order works. */
export async function connectBus(options: BusOptions): Promise<NatsConnection> {
  const { user, password, nkeySeed, tls } = options;
  const servers = options.url.split(',');
  return connect({
    servers,
    ...(user ? { user, pass: password ?? '' } : {}),
    ...(nkeySeed ? { authenticator: nkeyAuthenticator(new TextEncoder().encode(nkeySeed)) } : {}),
    ...(tls || servers.some((one) => one.startsWith('tls://')) ? { tls: tls ?? {} } : {}),
    name: options.name,
    inboxPrefix: `_INBOX_${options.name}`,
    maxReconnectAttempts: -1,
    waitOnFirstConnect: true,
    reconnectTimeWait: 500,
    reconnectJitter: 500,
    pingInterval: 10_000,
    maxPingOut: 2,
  });
}

/** The public key of an nkey's seed; undefined for what is no seed. */
export function publicKeyOf(seed: string): string | undefined {
  try {
    return nkeys.fromSeed(new TextEncoder().encode(seed)).getPublicKey();
  } catch {
    return undefined;
  }
}

/** Every major of a fact: one that its reader does not know yet comes to its dead letters, and is not dropped unseen. */
const everyMajor = (type: string): string => `evt.${type.replace(/\.v\d+$/, '')}.*.>`;

export const durableOf = (consumer: Service, owner: Service): string => `${consumer}-${owner}`;

/** How long a fact that failed waits before it is tried again; after the last try it is a dead letter. */
export const backoffMs = [1_000, 5_000, 15_000, 60_000, 180_000, 600_000, 600_000];
export const mostTries = backoffMs.length + 1;
/** What a fact may take when it comes from the broker. Who needs longer waits beside the others, and may take `handlerLimitMs` there. */
export const firstLimitMs = 1_000;
export const defaultHandlerLimitMs = 10_000;
/** Of one durable, worked on at once. */
export const placesOfDurable = 6;
/** What was on its way to a reader whose server or connection died comes again after this; a long handler says that it lives. */
export const ackWaitMs = 10_000;
/** Of one durable, under way at once. */
export const maxUnacknowledged = 64;

/**
 * The one deploy step that makes and alters streams and durables; replicas never do. Safe to repeat. A new stream takes
 * no fact until its durables stand: services may be running already, and what nobody waits for yet would be acknowledged
 * and dropped.
 */
export async function deployBus(connection: NatsConnection, replicas = 1): Promise<void> {
  const manager = await jetstreamManager(connection);
  const streams = publishers.map((owner) => ({
    name: streamOf(owner),
    subjects: [`evt.${owner}.>`],
    retention: RetentionPolicy.Interest,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    max_bytes: 512 * 1024 * 1024,
    max_msg_size: -1,
    duplicate_window: nanos(10 * 60_000),
    num_replicas: replicas,
  }));
  for (const stream of streams) {
    const known = await manager.streams.info(stream.name).catch(() => undefined);
    if (!known) await manager.streams.add({ ...stream, max_msg_size: 1 });
  }
  for (const [consumer, events] of Object.entries(listeners)) {
    for (const owner of new Set(events.map((event) => event.owner))) {
      const subjects = [
        ...new Set(
          events.filter((event) => event.owner === owner).map(({ type }) => everyMajor(type)),
        ),
      ];
      const config = {
        durable_name: durableOf(consumer as Service, owner),
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(ackWaitMs),
        max_deliver: -1, // what fails is written down and acknowledged: the broker counts nothing
        max_ack_pending: maxUnacknowledged,
        filter_subjects: subjects,
      };
      const known = await manager.consumers
        .info(streamOf(owner), config.durable_name)
        .catch(() => undefined);
      if (known) await manager.consumers.update(streamOf(owner), config.durable_name, config);
      else await manager.consumers.add(streamOf(owner), config);
    }
  }
  for (const stream of streams) {
    const { config } = await manager.streams.update(stream.name, stream);
    // Old servers ignore some flags silently: refuse to go on without one that the promise needs.
    if (
      config.retention !== RetentionPolicy.Interest ||
      config.discard !== DiscardPolicy.New ||
      config.max_msg_size !== -1
    )
      throw new Error(
        `The NATS server did not take the settings of ${stream.name}: use 2.10 or newer.`,
      );
  }
}

/** For whoever has to mend it: a service may not make streams or durables itself. */
export const goneText = (what: string): string =>
  `${what} is gone: run deploy-bus (npm start: start it anew); facts that were lost are then sent again from the journals · ${what} 不存在:请运行 deploy-bus(npm start 则重新启动),丢失的事实随后由日志重发`;

/** Whose facts a service listens to. */
export const ownersOf = (consumer: Service): Service[] => [
  ...new Set((listeners[consumer] ?? []).map((event) => event.owner)),
];

/** Who listens to a service's facts. */
export const listenersOf = (owner: Service): Service[] =>
  publishers.filter((consumer) => ownersOf(consumer).includes(owner));

/** Where an owner tells one listener what it has sent. */
export const markSubject = (owner: Service, consumer: Service): string =>
  `mark.${owner}.${consumer}`;

/** Where one listener asks an owner which facts it sent, or for some of them again. */
export const askSubject = (owner: Service, consumer: Service): string => `ask.${owner}.${consumer}`;

/**
 * Rights of a service's NATS user: publish its own facts, consume its own durables, its own inbox, tell its listeners what
 * it sent and hear it from those it listens to; no administration.
 */
export function rightsOf(service: Service): { publish: string[]; subscribe: string[] } {
  const owners = ownersOf(service);
  const consumers = listenersOf(service);
  return {
    publish: [
      `evt.${service}.>`,
      '$JS.API.INFO',
      ...consumers.map((consumer) => markSubject(service, consumer)),
      ...owners.map((owner) => askSubject(owner, service)),
      ...owners.flatMap((owner) => {
        const consumer = `${streamOf(owner)}.${durableOf(service, owner)}`;
        return [
          `$JS.API.CONSUMER.INFO.${consumer}`,
          `$JS.API.CONSUMER.MSG.NEXT.${consumer}`,
          `$JS.ACK.${consumer}.>`,
        ];
      }),
    ],
    subscribe: [
      `_INBOX_${service}.>`,
      ...consumers.map((consumer) => askSubject(service, consumer)),
      ...owners.map((owner) => markSubject(owner, service)),
    ],
  };
}
