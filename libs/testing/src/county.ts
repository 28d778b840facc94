import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Service } from '#contracts';
import { Database, migrate, provision } from '#database';
import { connectBus, deployBus, rightsOf } from '#messaging';
import { type Role, type RunningService, type ServiceDefinition, startService } from '#platform';
import { freePort, type Nats, startNats } from '#servers';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import pg from 'pg';
import { eventually } from './eventually.js';

const audience = 'urn:foodwarden';
const password = 'only-for-tests';

interface Servers {
  postgres: string;
  natsServer: string;
}

/** An issuer as any county may have its own: a small real server with a key set, and a way to sign. */
async function startIssuer(): Promise<{
  issuer: string;
  sign(
    claims: Record<string, unknown>,
    how?: { audience?: string; expires?: string; issuer?: string },
  ): Promise<string>;
  stop(): Promise<void>;
}> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'test', alg: 'ES256', use: 'sig' };
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const server = createServer((request, response) => {
    const body = request.url === '/jwks' ? { keys: [jwk] } : { issuer, jwks_uri: `${issuer}/jwks` };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  return {
    issuer,
    sign: (claims, how = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid: 'test' })
        .setIssuer(how.issuer ?? issuer)
        .setAudience(how.audience ?? audience)
        .setIssuedAt()
        .setExpirationTime(how.expires ?? '5m')
        .sign(privateKey),
    stop: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

/** An import, as the API shows it. */
export interface Landed {
  id: string;
  state: string;
  counts: Record<string, number>;
  failure: string | null;
}

export interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

/** Services over real PostgreSQL and NATS, on databases of their own, for one spec file. */
export class County {
  readonly databases = new Map<Service, string>();
  private readonly running: RunningService[] = [];
  private readonly folders: string[] = [];

  private constructor(
    private readonly servers: Servers,
    readonly nats: Nats,
    private readonly issuer: Awaited<ReturnType<typeof startIssuer>>,
  ) {}

  static async start(definitions: ServiceDefinition[]): Promise<County> {
    const servers = JSON.parse(process.env['TEST_SERVERS'] ?? '{}') as Servers;
    const storeDir = await mkdtemp(join(tmpdir(), 'foodwarden-nats-'));
    const nats = await startNats({
      bin: servers.natsServer,
      storeDir,
      users: [
        { user: 'deploy', password },
        ...definitions.map(({ service }) => ({ user: service, password, ...rightsOf(service) })),
      ],
    });
    const county = new County(servers, nats, await startIssuer());
    county.folders.push(storeDir);
    const deploy = await connectBus({ url: nats.url, user: 'deploy', password, name: 'deploy' });
    await deployBus(deploy);
    await deploy.close();
    for (const definition of definitions) {
      county.databases.set(definition.service, await county.clone(definition));
      await county.load(definition);
      county.running.push(await county.run(definition));
    }
    return county;
  }

  /** A database of its own, cloned from a template that is migrated once a run. */
  private async clone({ service, migrations }: ServiceDefinition): Promise<string> {
    const admin = new pg.Client({ connectionString: this.servers.postgres });
    await admin.connect();
    try {
      await admin.query('select pg_advisory_lock(7031, 3)');
      const template = `template_${service}`;
      await provision(
        this.servers.postgres,
        service,
        { owner: password, app: password, relay: password },
        template,
      );
      await migrate(this.urlOf(service, 'owner', template), migrations);
      const name = `${service}_${randomBytes(6).toString('hex')}`;
      await admin.query(`create database ${name} template ${template} owner ${service}_owner`);
      return name;
    } finally {
      await admin.end();
    }
  }

  /** The deploy step `load`, with the sample county. */
  private async load({ service, load }: ServiceDefinition): Promise<void> {
    if (!load) return;
    const database = new Database({ service, url: this.url(service, 'app'), entities: [] });
    await database.open();
    await load(database, 'apps/platform/sample').finally(() => database.close());
  }

  private urlOf(service: Service, role: 'owner' | 'app' | 'relay', database: string): string {
    const url = new URL(this.servers.postgres);
    url.username = `${service}_${role}`;
    url.password = password;
    url.pathname = `/${database}`;
    return url.href;
  }

  /** Connects as one of the service's roles. */
  url(service: Service, role: 'owner' | 'app' | 'relay'): string {
    return this.urlOf(service, role, this.databases.get(service) ?? '');
  }

  /** What the final rows say, past every policy: for judging only. */
  async rows<Row extends object>(
    service: Service,
    sql: string,
    parameters: unknown[] = [],
  ): Promise<Row[]> {
    const url = new URL(this.servers.postgres);
    url.pathname = `/${this.databases.get(service) ?? ''}`;
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    try {
      return (await client.query<Row>(sql, parameters)).rows;
    } finally {
      await client.end();
    }
  }

  private run(definition: ServiceDefinition): Promise<RunningService> {
    const { service } = definition;
    return startService(
      definition,
      {
        service, host: '127.0.0.1', port: 0, databaseUrl: this.url(service, 'app'), relayUrl: this.url(service, 'relay'),
        natsUrl: this.nats.url, natsUser: service, natsPassword: password, issuer: this.issuer.issuer, audience,
        logLevel: 'silent',
      },
      { listen: true },
    ); // prettier-ignore
  }

  token(
    role: Role,
    division: string,
    how?: { audience?: string; expires?: string; issuer?: string },
    sub: string = randomUUID(),
  ): Promise<string> {
    return this.issuer.sign({ sub, roles: [role], division }, how);
  }

  /** A token of an official 包保干部; his ground is his township, or the county. */
  official(id: string, division: string, sub: string = randomUUID()): Promise<string> {
    return this.issuer.sign({ sub, roles: ['official'], division, official: id });
  }

  /** Sends a file as a browser does. */
  async upload(
    service: Service,
    path: string,
    token: string,
    file: Uint8Array,
    fileName: string,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const form = new FormData();
    form.set('file', new Blob([new Uint8Array(file)]), fileName);
    const answer = await fetch(`${this.baseOf(service)}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, ...headers },
      body: form,
    });
    return { status: answer.status, headers: answer.headers, body: await answer.json() };
  }

  /** Uploads a sheet and waits until it has landed or failed. */
  async land(service: Service, path: string, token: string, file: Uint8Array, name = 'sheet.xlsx'): Promise<Landed> {
    const queued = await this.upload(service, path, token, file, name);
    if (queued.status !== 202) throw new Error(`${path}: ${queued.status} ${JSON.stringify(queued.body)}`);
    const location = queued.headers.get('location')?.replace(`/api/${service}`, '') ?? '';
    return eventually(
      async () => (await this.call(service, 'GET', location, { token })).body as Landed,
      ({ state }) => state === 'done' || state === 'failed',
      60_000,
    );
  } // prettier-ignore

  /** Every item of a list, page by page. */
  async every<T>(service: Service, path: string, token: string): Promise<T[]> {
    const items: T[] = [];
    for (let after = ''; ;) {
      const first = path.includes('?') ? '&' : '?';
      const answer = await this.call(service, 'GET', `${path}${first}limit=200${after}`, { token });
      if (answer.status !== 200)
        throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      const page = answer.body as { items: T[]; next: string | null };
      items.push(...page.items);
      if (!page.next) return items;
      after = `&after=${page.next}`;
    }
  }

  /** Sets the clock of a service's database, e.g. `'2026-12-31T23:00:00+08:00'`; every new transaction reads it. */
  async clock(service: Service, instant: string): Promise<void> {
    await this.rows(
      service,
      `create or replace function app_now() returns timestamptz language sql stable as $$ select '${instant}'::timestamptz $$`,
    );
  }

  private baseOf(service: Service): string {
    const port = this.running.find((one) => one.service === service)?.port;
    return `http://127.0.0.1:${port}/api/${service}`;
  }

  /** Where a service listens, for what `call` would not send. */
  base(service: Service): URL {
    return new URL(this.baseOf(service));
  }

  async call(
    service: Service,
    method: string,
    path: string,
    options: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const answer = await fetch(`${this.baseOf(service)}${path}`, {
      method,
      headers: {
        ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(options.body === undefined
        ? {}
        : { body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body) }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
    };
  }

  async stop(): Promise<void> {
    for (const one of this.running) await one.stop();
    await this.nats.stop();
    await this.issuer.stop();
    for (const folder of this.folders) await rm(folder, { recursive: true, force: true });
  }
}
