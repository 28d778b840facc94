import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { listeners, type Service, streamOf } from '#contracts';
import { connectBus, durableOf } from '#messaging';
import { type Role } from '#platform';
import { freePort, type Nats, startNats } from '#servers';
import { jetstreamManager } from '@nats-io/jetstream';
import { type NatsConnection } from '@nats-io/transport-node';
import { Apis, audience, serversOfRun, unlimited } from './apis.js';
import { eventually } from './eventually.js';
import { busAccess, busEnvironment, natsAccess } from './profile.js';

/** One process of a service. */
export interface Replica {
  service: Service;
  child: ChildProcess;
  port: number;
  gone: Promise<void>;
}

export interface Account {
  name: string;
  role: Role;
  division: string;
  /** Which official of the roster it belongs to. */
  official?: string;
}

interface Credentials {
  clientId: string;
  clientSecret: string;
  token?: string;
  until: number;
}

const loading: readonly Service[] = ['registry', 'assignment', 'inspection', 'training', 'notification']; // prettier-ignore

/**
 * Services as they run in a county: each its own process, configured by the environment alone, on its own database; the
 * deploy steps are the real commands. Nothing is started that a spec does not ask for, so it decides the order.
 */
export class Fleet extends Apis {
  private readonly replicas: Replica[] = [];
  private readonly credentials = new Map<string, Credentials>();
  private readonly cookieKey = randomBytes(24).toString('base64url');
  private readonly lines: string[] = [];
  private readonly nats: (Nats | undefined)[] = [];
  private turn = 0;
  private stopped = false;

  private constructor(
    readonly services: readonly Service[],
    private readonly storeDir: string,
    /** One server, or three that keep every stream together. */
    private readonly natsPorts: { client: number; route: number }[],
    private readonly identityPort: number,
    private readonly env: Record<string, string>,
  ) {
    super(serversOfRun());
  }

  /**
   * Databases, migrated and loaded by each service's own steps; no process yet.
   * @param env what every process finds in its environment beside what it needs
   * @param natsServers 1, or 3: a cluster, whose streams have three replicas
   */
  static async make(
    services: readonly Service[],
    env: Record<string, string> = {},
    natsServers: 1 | 3 = 1,
  ): Promise<Fleet> {
    const storeDir = await mkdtemp(join(tmpdir(), 'foodwarden-nats-'));
    const ports: { client: number; route: number }[] = [];
    while (ports.length < natsServers)
      ports.push({ client: await freePort(), route: await freePort() });
    const fleet = new Fleet(services, storeDir, ports, await freePort(), env);
    for (const service of services)
      await fleet.clone(service, async ({ owner, app }) => {
        await fleet.step(service, ['migrate'], { DATABASE_OWNER_URL: owner });
        if (loading.includes(service)) await fleet.step(service, ['load', 'apps/platform/sample'], { DATABASE_URL: app }); // prettier-ignore
      });
    return fleet;
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.identityPort}/identity`;
  }

  /** Starts every nats-server that is not running, on what it kept; always at the same address. */
  async startNats(): Promise<void> {
    this.refuseIfStopped();
    const routes = this.natsPorts.map(({ route }) => route);
    await Promise.all(
      this.natsPorts.map(async ({ client, route }, index) => {
        if (this.nats[index]) return;
        const storeDir = join(this.storeDir, `nats-${index}`);
        this.nats[index] = await startNats({
          bin: this.servers.natsServer,
          storeDir,
          port: client,
          ...natsAccess(storeDir),
          ...(routes.length > 1 ? { cluster: { serverName: `nats-${index}`, port: route, routes } } : {}),
        });
      }),
    );
    if (routes.length === 1) return;
    const bus = await this.bus('deploy'); // several have to agree on who leads before they take anything
    const agreed = (): Promise<boolean> => jetstreamManager(bus).then(() => true, () => false);
    await eventually(agreed, Boolean, 60_000).finally(() => bus.close());
  } // prettier-ignore

  /** Where nats-server keeps the streams: for damaging them while it is stopped. */
  get natsStore(): string {
    return join(this.storeDir, 'nats-0', 'jetstream', '$G', 'streams');
  }

  /** Of the one server, or the first of a cluster: for signals that it cannot refuse. */
  get natsPid(): number | undefined {
    return this.nats[0]?.pid;
  }

  /** Ends every server without a word of warning; `startNats` brings them back. */
  async killNats(): Promise<void> {
    await Promise.all(this.nats.map(async (one) => one?.kill()));
    this.nats.length = 0;
  }

  async stopNats(): Promise<void> {
    await Promise.all(this.nats.map(async (one) => one?.stop()));
    this.nats.length = 0;
  }

  /** Ends one server of a cluster, by its name; `startNats` brings it back. */
  async endNats(serverName: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const index = this.nats.findIndex((one) => one?.serverName === serverName);
    await (signal === 'SIGKILL' ? this.nats[index]?.kill() : this.nats[index]?.stop());
    this.nats[index] = undefined;
  }

  /** The deploy step `deploy-bus`. */
  async deployBus(): Promise<void> {
    await this.step('registry', ['deploy-bus'], {
      ...busEnvironment('deploy', this.natsUrl),
      NATS_REPLICAS: String(this.natsPorts.length),
    });
  }

  /** Where clients find the bus. */
  get natsUrl(): string {
    const scheme = this.servers.authority ? 'tls' : 'nats';
    return this.natsPorts.map(({ client }) => `${scheme}://127.0.0.1:${client}`).join(',');
  }

  /** A connection to the bus with the rights of one user. */
  bus(user: Service | 'deploy'): Promise<NatsConnection> {
    return connectBus({ ...busAccess(user, this.natsUrl), name: user });
  }

  private environmentOf(service: Service): Record<string, string> {
    const common = {
      ...this.env,
      HOST: '127.0.0.1',
      LOG_LEVEL: 'warn',
      LIMIT_PERSON_PER_10S: String(unlimited.personPer10s),
      LIMIT_TOWNSHIP_PER_10S: String(unlimited.townshipPer10s),
      LIMIT_UPLOADS_OF_TOWNSHIP: String(unlimited.uploadsOfTownship),
      LIMIT_UPLOADS: String(unlimited.uploads),
      IMPORT_PAUSES: String(unlimited.importPauses),
      DATABASE_URL: this.url(service, 'app'),
      DATABASE_RELAY_URL: this.url(service, 'relay'),
      ...busEnvironment(service, this.natsUrl),
      OIDC_ISSUER: this.issuer,
      OIDC_AUDIENCE: audience,
    };
    if (service === 'identity')
      return {
        ...common,
        PORT: String(this.identityPort),
        COOKIE_KEYS: this.cookieKey,
        SWAGGER_REDIRECT_URIS: 'https://county.example/docs/oauth2-redirect.html',
      };
    return { ...common, PORT: '0', FILES_DIR: join(this.storeDir, 'files') };
  }

  private spawn(
    service: Service,
    args: string[],
    env: Record<string, string>,
    root = process.cwd(),
  ): ChildProcess {
    const child = spawn(process.execPath, [`dist/apps/${service}/src/main.js`, ...args], {
      cwd: root,
      // Each process reads the same modules: the second finds them compiled.
      env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: resolve('.cache/compiled'), ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) =>
        this.lines.push(`${service} ${child.pid ?? '-'}: ${chunk.toString().trimEnd()}`),
      );
    return child;
  }

  /** Everything the processes said. */
  get log(): string {
    return this.lines.join('\n');
  }

  /** A command that ends by itself. @returns what it said. @throws what it said, where it failed */
  async step(
    service: Service,
    args: string[],
    env: Record<string, string>,
    input = '',
    root?: string,
  ): Promise<string> {
    const child = this.spawn(service, args, env, root);
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stdin?.end(input);
    const code = await new Promise<number | null>((done) => child.once('close', done));
    if (code !== 0) throw new Error(`${service} ${args.join(' ')} ended with ${code}: ${said}`);
    return said;
  }

  /**
   * Starts one more process of a service; resolves when it listens.
   * @param clockMs how far its machine's clock is off
   * @param root the folder of the code that it runs: a worktree of another commit, built
   * @param env what this process alone finds in its environment, before all else: another way to its servers
   */
  async run(
    service: Service,
    clockMs = 0,
    root?: string,
    env: Record<string, string> = {},
  ): Promise<Replica> {
    this.refuseIfStopped();
    const off = {
      CLOCK_MS: String(clockMs),
      NODE_OPTIONS: '--import ./libs/testing/src/wrong-clock.mjs',
    };
    const child = this.spawn(service, [], { ...this.environmentOf(service), ...(clockMs ? off : {}), ...env }, root); // prettier-ignore
    const gone = new Promise<void>((done) => child.once('close', () => done()));
    const replica: Replica = { service, child, port: 0, gone };
    this.replicas.push(replica);
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const portSaid = (): number => Number(/"listening":(\d+)/.exec(said)?.[1] ?? 0);
    await eventually(async () => portSaid() > 0 || ended(child), Boolean, 60_000).catch((late: Error) => {
      throw new Error(`${service} does not listen: ${late.message}\n${this.log}`);
    }); // prettier-ignore
    replica.port = portSaid();
    if (replica.port === 0) throw new Error(`${service} ended at its start:\n${this.log}`);
    return replica;
  }

  running(service: Service): Replica[] {
    return this.replicas.filter((one) => one.service === service && one.port > 0 && !ended(one.child)); // prettier-ignore
  }

  /** Ends one process, or every process of a service, and waits until it is gone. */
  async kill(which: Replica | Service, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const those = typeof which === 'string' ? this.running(which) : [which];
    for (const { child } of those) child.kill(signal);
    await Promise.all(those.map(({ gone }) => gone));
  }

  /** Replicas take turns, as behind any edge; with none running, an address where nobody answers. */
  protected baseOf(service: Service): string {
    const those = this.running(service);
    const port = those[this.turn++ % those.length]?.port ?? 1;
    return `http://127.0.0.1:${port}/api/${service}`;
  }

  /** The deploy step `add-account`, for some accounts at once. */
  async enrol(accounts: Account[]): Promise<void> {
    const made = accounts.map((one) => {
      const secrets = { id: randomUUID(), password: randomBytes(24).toString('base64url'), clientSecret: randomBytes(24).toString('base64url') }; // prettier-ignore
      this.credentials.set(one.name, { clientId: secrets.id, clientSecret: secrets.clientSecret, until: 0 }); // prettier-ignore
      return { ...one, displayName: one.name, ...secrets };
    });
    await this.step('identity', ['add-account'], { DATABASE_URL: this.url('identity', 'app') }, JSON.stringify(made)); // prettier-ignore
  }

  /** An access token by client credentials, renewed before it ends. */
  async token(name: string): Promise<string> {
    const known = this.credentials.get(name);
    if (!known) throw new Error(`${name} has no account.`);
    if (known.token && Date.now() < known.until) return known.token;
    const answer = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${known.clientId}:${known.clientSecret}`).toString('base64')}`,
      },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    if (!answer.ok) throw new Error(`${name} got no token: ${answer.status}`);
    const { access_token, expires_in } = (await answer.json()) as { access_token: string; expires_in: number }; // prettier-ignore
    known.token = access_token;
    known.until = Date.now() + (expires_in - 60) * 1000;
    return access_token;
  }

  /** One that was not asked for before: as after a sign-in. */
  freshToken(name: string): Promise<string> {
    const known = this.credentials.get(name);
    if (known) delete known.token;
    return this.token(name);
  }

  /** One gauge of every running replica that has it. */
  async metric(service: Service, name: string): Promise<number[]> {
    const found: number[] = [];
    for (const { port } of this.running(service)) {
      const answer = await fetch(`http://127.0.0.1:${port}/api/${service}/metrics`);
      const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(await answer.text())?.[1];
      if (value !== undefined) found.push(Number(value));
    }
    return found;
  }

  /** Waits until every fact is sent, delivered and applied, also those that facts cause and those that are tried again. */
  async quiet(withinMs = 60_000): Promise<void> {
    const bus = await this.bus('deploy');
    try {
      const manager = await jetstreamManager(bus);
      await eventually(
        async () => {
          const before = await this.facts();
          const waiting: string[] = [];
          for (const [consumer, events] of Object.entries(listeners)) {
            if (!this.services.includes(consumer as Service)) continue;
            for (const owner of new Set(events.map((event) => event.owner))) {
              const durable = durableOf(consumer as Service, owner);
              const info = await manager.consumers.info(streamOf(owner), durable);
              if (info.num_pending + info.num_ack_pending > 0)
                waiting.push(`${durable} ${info.num_pending}+${info.num_ack_pending}`);
            }
          }
          const after = await this.facts();
          return {
            unsent: after.unsent + before.unsent,
            failing: after.failing,
            meanwhile: after.written - before.written,
            waiting,
          };
        },
        ({ unsent, failing, meanwhile, waiting }) =>
          unsent + failing === 0 && meanwhile === 0 && waiting.length === 0,
        withinMs,
      );
    } finally {
      await bus.close();
    }
  }

  /** How many facts there are, how many of them the broker has not acknowledged, and how many failed and wait. */
  private async facts(): Promise<{ written: number; unsent: number; failing: number }> {
    const sum = { written: 0, unsent: 0, failing: 0 };
    for (const service of this.services) {
      const [counts] = await this.rows<typeof sum>(
        service,
        'select (select count(*)::int from journal) as written, (select count(*)::int from outbox) as unsent, (select count(*)::int from waiting_fact) as failing',
      );
      sum.written += counts?.written ?? 0;
      sum.unsent += counts?.unsent ?? 0;
      sum.failing += counts?.failing ?? 0;
    }
    return sum;
  }

  /** What a failed test left running in the background must not start anything that nobody will end. */
  private refuseIfStopped(): void {
    if (this.stopped) throw new Error('The fleet has been stopped.');
  }

  /** Ends every process, whatever happened to the test. */
  async stop(): Promise<void> {
    this.stopped = true;
    const left = this.replicas.filter(({ child }) => !ended(child));
    for (const { child } of left) child.kill('SIGTERM');
    const patience = setTimeout(() => {
      for (const { child } of left) child.kill('SIGKILL');
    }, 10_000);
    await Promise.all(left.map(({ gone }) => gone));
    clearTimeout(patience);
    await this.stopNats();
    await this.disconnect();
    await rm(this.storeDir, { recursive: true, force: true });
    this.confess();
  }
}

const ended = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null;
