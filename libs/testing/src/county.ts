import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Service } from '#contracts';
import { Database, migrate } from '#database';
import { filesOf, type FilesConfig, type FileStore } from '#files';
import { type BusAccess, connectBus, deployBus } from '#messaging';
import {
  type Config,
  loadInto,
  type Role,
  type RunningService,
  type ServiceDefinition,
  startService,
} from '#platform';
import { freePort, type Nats, startNats } from '#servers';
import { type NatsConnection } from '@nats-io/transport-node';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { Apis, audience, type Servers, serversOfRun, unlimited } from './apis.js';
import { eventually } from './eventually.js';
import { busAccess, natsAccess } from './profile.js';

interface Signing {
  audience?: string;
  expires?: string;
  issuer?: string;
  /** Beside `alg` and `kid`, or instead of them. */
  header?: Record<string, unknown>;
}

/** An issuer as any county may have its own: a small real server with a key set, and a way to sign. */
export interface Issuer {
  issuer: string;
  sign(claims: Record<string, unknown>, how?: Signing): Promise<string>;
  /** How often somebody asked for the key set. */
  asked(): number;
  /** Signs with a new key from now on; the old one is withdrawn. */
  rotate(): Promise<void>;
  stop(): Promise<void>;
}

async function startIssuer(): Promise<Issuer> {
  let number = 0;
  const made = async (): Promise<{ kid: string; jwk: JWK; privateKey: CryptoKey }> => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const kid = number === 0 ? 'test' : `test-${number}`;
    number += 1;
    return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' } };
  };
  let key = await made();
  let asked = 0;
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const server = createServer((request, response) => {
    if (request.url === '/jwks') asked += 1;
    const body = request.url === '/jwks' ? { keys: [key.jwk] } : { issuer, jwks_uri: `${issuer}/jwks` };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  return {
    issuer,
    sign: (claims, how = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid: key.kid, ...how.header })
        .setIssuer(how.issuer ?? issuer)
        .setAudience(how.audience ?? audience)
        .setIssuedAt()
        .setExpirationTime(how.expires ?? '5m')
        .sign(key.privateKey),
    asked: () => asked,
    rotate: async () => {
      key = await made();
    },
    stop: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
} // prettier-ignore

/** Services over real PostgreSQL and NATS, on databases of their own, for one spec file. */
export class County extends Apis {
  private readonly running: RunningService[] = [];
  private readonly folders: string[] = [];

  private constructor(
    servers: Servers,
    readonly nats: Nats,
    readonly issuer: Issuer,
    private readonly settings: Partial<Config>,
    /** Where its services keep files: a folder of its own unless a spec brings something else. */
    private readonly files: FilesConfig | undefined,
  ) {
    super(servers);
  }

  /** @param settings beside what every service of a test gets; `files: undefined` keeps none */
  static async start(
    definitions: ServiceDefinition[],
    settings: Partial<Config> = {},
  ): Promise<County> {
    const servers = serversOfRun();
    const storeDir = await mkdtemp(join(tmpdir(), 'foodwarden-nats-'));
    const nats = await startNats({
      bin: servers.natsServer,
      storeDir,
      ...natsAccess(storeDir, definitions.map(({ service }) => service)),
    }); // prettier-ignore
    const folder = await mkdtemp(join(tmpdir(), 'foodwarden-files-'));
    const files = 'files' in settings ? settings.files : { folder };
    const county = new County(servers, nats, await startIssuer(), settings, files);
    county.folders.push(storeDir, folder);
    const deploy = await county.bus('deploy');
    await deployBus(deploy);
    await deploy.close();
    for (const definition of definitions) {
      await county.clone(definition.service, async ({ owner, app }) => {
        await migrate(owner, definition.migrations);
        await load(definition, app);
      });
      county.running.push(await county.run(definition));
    }
    return county;
  }

  private run(definition: ServiceDefinition): Promise<RunningService> {
    const { service } = definition;
    return startService(
      definition,
      {
        service, host: '127.0.0.1', port: 0, databaseUrl: this.url(service, 'app'), relayUrl: this.url(service, 'relay'),
        nats: this.busAccess(service), issuer: this.issuer.issuer, audience,
        logLevel: 'silent', limits: unlimited, ...this.settings, files: this.files,
      },
      { listen: true },
    ); // prettier-ignore
  }

  /** How one user joins the bus of this county, in the profile of the run. */
  busAccess(user: Service | 'deploy'): BusAccess {
    return busAccess(user, this.nats.url);
  }

  /** A connection to the bus with the rights of one user. */
  bus(user: Service | 'deploy'): Promise<NatsConnection> {
    return connectBus({ ...this.busAccess(user), name: user });
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

  /** A token with just these claims. */
  signed(claims: Record<string, unknown>): Promise<string> {
    return this.issuer.sign(claims);
  }

  protected baseOf(service: Service): string {
    const port = this.running.find((one) => one.service === service)?.port;
    return `http://127.0.0.1:${port}/api/${service}`;
  }

  /** The files of a service, as it has them itself. */
  filesOf(service: Service): FileStore {
    return filesOf(this.files, service);
  }

  /** Where a service listens, for what `call` would not send. */
  base(service: Service): URL {
    return new URL(this.baseOf(service));
  }

  /**
   * What must be so after a test: every fact sent, applied and acknowledged, and no transaction left open.
   * @throws Error that names what is left after ten seconds
   */
  async quiet(): Promise<void> {
    await eventually(
      async () => {
        const left: string[] = [];
        for (const { service } of this.running) {
          const [outbox] = await this.rows<{ n: number }>(service, 'select count(*)::int as n from outbox'); // prettier-ignore
          if (outbox?.n) left.push(`${service}: ${outbox.n} facts unsent`);
          const open = await this.rows<{ query: string }>(service, `select query from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`); // prettier-ignore
          for (const { query } of open) left.push(`${service}: a transaction open after ${query.slice(0, 80)}`); // prettier-ignore
          const [failing] = await this.rows<{ n: number }>(service, 'select count(*)::int as n from waiting_fact'); // prettier-ignore
          if (failing?.n) left.push(`${service}: ${failing.n} facts failed and wait`);
          const body = await this.read(service, '/metrics');
          for (const [line, count] of body.matchAll(/^foodwarden_consumer_lag\{.*\} (\d+)$/gm))
            if (Number(count) > 0) left.push(`${service}: ${line}`);
        }
        return left;
      },
      (left) => left.length === 0,
    );
  }

  /** The whole text of an answer that is no JSON. */
  async read(service: Service, path: string, token = ''): Promise<string> {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    return (await fetch(`${this.baseOf(service)}${path}`, { headers })).text();
  }

  async stop(): Promise<void> {
    for (const one of this.running) await one.stop();
    await this.nats.stop();
    await this.issuer.stop();
    await this.disconnect();
    for (const folder of this.folders) await rm(folder, { recursive: true, force: true });
    this.confess();
  }
}

/** The deploy step `load`, with the sample county. */
async function load({ service, load: loader }: ServiceDefinition, url: string): Promise<void> {
  if (!loader) return;
  const read = await loader('apps/platform/sample');
  const database = new Database({ service, url, entities: [] });
  await database.open();
  await loadInto(database, read).finally(() => database.close());
}
