import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contracts, listeners, publishers, type Service } from '#contracts';
import { connectBus, deployBus, rightsOf } from '#messaging';
import { eventually } from '#testing';
import { type Nats, startNats } from '#servers';
import { jetstreamManager } from '@nats-io/jetstream';

/*
 * Every subject that matters with each service's NATS user, over the bare protocol, so that no client library stands
 * between the question and the server's answer. What is allowed is said here a second time, apart from `rightsOf`.
 */

const password = 'only-for-tests';
const streamOf = (owner: string): string => `EVT_${owner.toUpperCase()}`;
const pairs = Object.entries(listeners).flatMap(([consumer, events]) =>
  [...new Set(events.map(({ owner }) => owner))].map((owner) => ({ consumer, owner })),
);

/** One user's connection: asks the server whether it may publish to or subscribe to a subject. */
class Wire {
  private text = '';
  private sid = 0;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
    socket.on('error', () => undefined); // told by the missing PONG
  }

  static async as(port: number, user: string, pass = password): Promise<Wire> {
    const socket = connect(port, '127.0.0.1');
    const wire = new Wire(socket);
    await wire.until((text) => text.startsWith('INFO '));
    socket.write(`CONNECT ${JSON.stringify({ user, pass, verbose: false, pedantic: false, headers: true, lang: 'test', version: '1', protocol: 1 })}\r\n`);
    return wire;
  } // prettier-ignore

  private until(fits: (text: string) => boolean): Promise<string> {
    return eventually(async () => this.text, fits);
  }

  /** What the server says to these lines, until it answers the PING behind them. */
  async say(lines: string): Promise<string> {
    this.text = '';
    this.socket.write(`${lines}PING\r\n`);
    const answer = await this.until((text) => text.includes('PONG\r\n') || text.includes('Authorization Violation')); // prettier-ignore
    return answer.split('PONG')[0] ?? '';
  }

  /** Those of the subjects that this user may not publish to. */
  async refusedPublish(subjects: string[]): Promise<Set<string>> {
    return refusals(await this.say(subjects.map((one) => `PUB ${one} 2\r\n{}\r\n`).join('')));
  }

  /** Those of the subjects that this user may not subscribe to. */
  async refusedSubscribe(subjects: string[], queue = ''): Promise<Set<string>> {
    const lines = subjects.map((one) => `SUB ${one} ${queue}${queue ? ' ' : ''}${(this.sid += 1)}\r\n`); // prettier-ignore
    return refusals(await this.say(lines.join('')));
  }

  close(): void {
    this.socket.destroy();
  }
}

const refusals = (answer: string): Set<string> =>
  new Set([...answer.matchAll(/Permissions Violation for (?:Publish|Subscription) to "([^"]+)"/g)].map(([, subject = '']) => subject)); // prettier-ignore

/**
 * May this user publish to this subject: his own facts, the asking and acknowledging of his own durables, how far he has
 * sent to each who listens to him, and questions to each he listens to.
 */
function shouldPublish(user: Service, subject: string): boolean {
  if (subject.startsWith(`evt.${user}.`)) return true;
  if (subject === '$JS.API.INFO') return true;
  return pairs.some(({ consumer, owner }) => {
    if (owner === user && subject === `mark.${user}.${consumer}`) return true;
    if (consumer === user && subject === `ask.${owner}.${user}`) return true;
    const durable = `${streamOf(owner)}.${consumer}-${owner}`;
    return consumer === user && ([`$JS.API.CONSUMER.INFO.${durable}`, `$JS.API.CONSUMER.MSG.NEXT.${durable}`].includes(subject) || subject.startsWith(`$JS.ACK.${durable}.`)); // prettier-ignore
  });
}

/** What he may hear beside his inbox: how far those have sent to whom he listens, and the questions of those who listen to him. */
const shouldHear = (user: Service, subject: string): boolean =>
  subject.startsWith(`_INBOX_${user}.`) ||
  pairs.some(({ consumer, owner }) =>
    (consumer === user && subject === `mark.${owner}.${user}`) || (owner === user && subject === `ask.${user}.${consumer}`)); // prettier-ignore

const places = ['371425.101', '371425.102', '371482.101', '371425._', '_._'];
const facts = [...contracts.keys()].flatMap((type) =>
  places.map((place) => `evt.${type}.${place}`),
);
const administration = ['CREATE', 'UPDATE', 'DELETE', 'PURGE', 'INFO', 'MSG.GET', 'MSG.DELETE', 'SNAPSHOT', 'RESTORE', 'PEER.REMOVE', 'LEADER.STEPDOWN']
  .flatMap((act) => publishers.map((owner) => `$JS.API.STREAM.${act}.${streamOf(owner)}`)); // prettier-ignore
const durables = pairs.flatMap(({ consumer, owner }) => {
  const durable = `${streamOf(owner)}.${consumer}-${owner}`;
  return [
    ...['INFO', 'MSG.NEXT', 'DELETE', 'PAUSE', 'LEADER.STEPDOWN'].map((act) => `$JS.API.CONSUMER.${act}.${durable}`),
    `$JS.API.CONSUMER.CREATE.${durable}`, `$JS.API.CONSUMER.DURABLE.CREATE.${durable}`, `$JS.API.CONSUMER.CREATE.${durable}.evt.${owner}.>`,
    `$JS.ACK.${durable}.1.2.3.4.5`,
  ]; // prettier-ignore
});
const others = [
  '$JS.API.INFO', '$JS.API.STREAM.NAMES', '$JS.API.STREAM.LIST', '$JS.API.ACCOUNT.PURGE.$G', '$JS.API.META.LEADER.STEPDOWN', '$JS.API.SERVER.REMOVE',
  ...publishers.flatMap((owner) => [`$JS.API.CONSUMER.NAMES.${streamOf(owner)}`, `$JS.API.CONSUMER.LIST.${streamOf(owner)}`, `$JS.API.DIRECT.GET.${streamOf(owner)}`, `$JS.API.DIRECT.GET.${streamOf(owner)}.evt.${owner}.x`]),
  '$SYS.REQ.SERVER.PING', '$SYS.REQ.ACCOUNT.$G.CONNZ', '$SYS.ACCOUNT.$G.CONNECT', '$JS.FC.x', '$KV.x.y', '$O.x.C.y', '$JSC.R.x',
  ...publishers.flatMap((owner) => [`_INBOX_${owner}.x`, `dlq.${owner}.x`, `rpc.${owner}.x.v1`]), '_INBOX.x', 'evt', 'evt.registryx.a', 'evt.x', 'anything',
  ...publishers.flatMap((one) => publishers.flatMap((other) => [`mark.${one}.${other}`, `ask.${one}.${other}`])), ...publishers.flatMap((one) => [`mark.${one}`, `ask.${one}`]),
]; // prettier-ignore
const wild = [
  '>',
  '*',
  'evt.>',
  'evt.*.>',
  '$JS.>',
  '$JS.API.>',
  '$SYS.>',
  '_INBOX.>',
  '*.>',
  '$JS.EVENT.ADVISORY.>',
  '$JS.ACK.>',
  'dlq.>',
  'rpc.>',
  'mark.>',
  'ask.>',
  ...publishers.flatMap((one) => [
    `mark.${one}.*`,
    `mark.*.${one}`,
    `ask.${one}.*`,
    `ask.*.${one}`,
  ]),
];

describe('the rights of each service on the bus', () => {
  let nats: Nats;
  let folder: string;
  const users = publishers;

  beforeAll(async () => {
    const { natsServer } = JSON.parse(process.env['TEST_SERVERS'] ?? '{}') as { natsServer: string };
    folder = await mkdtemp(join(tmpdir(), 'foodwarden-nats-'));
    nats = await startNats({
      bin: natsServer,
      storeDir: folder,
      users: [{ user: 'deploy', password }, ...users.map((user) => ({ user, password, ...rightsOf(user) }))],
    });
    const deploy = await connectBus({ url: nats.url, user: 'deploy', password, name: 'deploy' });
    await deployBus(deploy);
    await deploy.close();
  }, 60_000); // prettier-ignore
  afterAll(async () => {
    await nats.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const port = (): number => Number(new URL(nats.url).port);

  it('let it publish its own facts and ask for its own durables, and nothing else', async () => {
    const wrong: string[] = [];
    let asked = 0;
    let allowed = 0;
    for (const user of users) {
      const wire = await Wire.as(port(), user);
      const subjects = [...facts, ...administration, ...durables, ...others];
      const refused = await wire.refusedPublish(subjects);
      for (const subject of subjects) {
        asked += 1;
        const may = !refused.has(subject);
        if (may) allowed += 1;
        if (may !== shouldPublish(user, subject)) wrong.push(`${user} ${may ? 'may' : 'may not'} publish ${subject}`); // prettier-ignore
      }
      wire.close();
    }
    process.stderr.write(`walls-nats: ${asked} publications by ${users.length} users, ${allowed} allowed\n`);
    expect(wrong).toEqual([]);
    expect(allowed).toBeGreaterThan(users.length * places.length);
  }, 120_000); // prettier-ignore

  it('let it hear its own inbox and what is sent to it by name, and no fact, advisory or other’s inbox, with or without a queue group', async () => {
    const wrong: string[] = [];
    for (const user of users) {
      const wire = await Wire.as(port(), user);
      for (const queue of ['', 'q']) {
        const subjects = [...facts, ...durables, ...others, ...wild, ...publishers.map((owner) => `_INBOX_${owner}.>`)];
        const refused = await wire.refusedSubscribe(subjects, queue);
        for (const subject of subjects) {
          const may = !refused.has(subject);
          if (may !== shouldHear(user, subject)) wrong.push(`${user} ${may ? 'may' : 'may not'} subscribe to ${subject} ${queue}`);
        }
      }
      wire.close();
    }
    expect(wrong).toEqual([]);
  }, 120_000); // prettier-ignore

  it('let nobody in without the right password, and none of them change a stream', async () => {
    for (const [user, pass] of [['registry', 'wrong'], ['nobody', password], ['', ''], ['deploy', '']] as const) {
      const wire = await Wire.as(port(), user, pass);
      expect(await wire.say('')).toContain('Authorization Violation');
      wire.close();
    }
    const deploy = await connectBus({ url: nats.url, user: 'deploy', password, name: 'deploy' });
    const manager = await jetstreamManager(deploy);
    for (const owner of publishers) {
      const { config, state } = await manager.streams.info(streamOf(owner));
      expect([owner, config.subjects, state.consumer_count]).toEqual([
        owner, [`evt.${owner}.>`], pairs.filter((pair) => pair.owner === owner).length,
      ]);
    }
    await deploy.close();
  }); // prettier-ignore
});
