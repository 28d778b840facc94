import { randomBytes } from 'node:crypto';
import { type IncomingMessage, type ServerResponse } from 'node:http';
import { parseArgs } from 'node:util';
import { type Service } from '#contracts';
import { Database, migrate, prune } from '#database';
import { filesOf } from '#files';
import {
  Applier,
  connectBus,
  Consumers,
  deployBus,
  Reconciler,
  Relay,
  Watermarks,
} from '#messaging';
import helmet from '@fastify/helmet';
import multipart from '@fastify/multipart';
import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { type NatsConnection } from '@nats-io/transport-node';
import { pino } from 'pino';
import { Gauge, Histogram, Registry } from 'prom-client';
import { AccountCutoffs } from './account-cutoff.js';
import { OidcGuard, traceIdOf } from './auth.js';
import { Apart } from './apart.js';
import { Arrivals } from './arrivals.js';
import { busFrom, type Config, configFrom, defaultRequestTimeoutMs } from './config.js';
import { openContext, PlatformModule, type ServiceDefinition, StartLogger } from './context.js';
import { loadInto } from './county-folder.js';
import { completed, describeRules } from './openapi.js';
import {
  EtagInterceptor,
  LocationInterceptor,
  ProblemFilter,
  QueryGuard,
  RepeatInterceptor,
  Routes,
  tell,
  tellUnparsed,
  undecodable,
  unreadable,
  validation,
} from './http.js';
import { FileSweep } from './file-sweep.js';
import { Housekeeping } from './housekeeping.js';
import { isHeavy, type Job, Jobs } from './jobs.js';
import { defaultLimits, LimitGuard } from './limits.js';
import { jsonFaultOf } from './json-fault.js';
import { DomainError, noRoute } from './problem.js';
import { Served } from './served.js';

export interface RunningService {
  service: Service;
  port: number;
  /** For what runs beside the service in its process: the issuer. */
  database: Database;
  /** Serves one request, for the process that runs every service behind one port. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  stop(): Promise<void>;
}

/** Bodies are JSON in UTF-8, and files where some are taken; anything else is 415 or 400, not a guess. */
function takeJsonAlone(fastify: FastifyInstance): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    (request, body: Buffer, done) => {
      let text: string;
      try {
        text = utf8.decode(body);
      } catch {
        done(new DomainError('bad-request', '请求内容不是 UTF-8 编码。 · The body is not UTF-8.'));
        return;
      }
      void parse(request, text, (error, parsed) => done(error && notJson(text), parsed));
    },
  );
  fastify.addHook('preValidation', (request, _reply, done) => {
    const misplaced =
      request.isMultipart() &&
      !/(-imports|\/evidence|\/copy)$/.test(request.routeOptions.url ?? '');
    done(
      misplaced
        ? new DomainError('media-type', '请发送 application/json。 · Send application/json.')
        : undefined,
    );
  });
  fastify.addHook('preParsing', (request, _reply, _payload, done) => {
    const encoding = request.headers['content-encoding'] ?? 'identity';
    done(
      encoding === 'identity'
        ? null
        : new DomainError('media-type', '请不要压缩请求内容。 · Send it uncompressed.'),
    );
  });
}

/** Why a text is no JSON, and where; nothing of it is quoted. */
export function notJson(text: string): DomainError {
  if (text.trim() === '')
    return new DomainError('bad-request', '请求内容是空的,请发送 JSON。 · The body is empty: send JSON.');
  try {
    JSON.parse(text);
    // Fastify's parser refuses what would reach into prototypes.
    return new DomainError('bad-request', '请求内容含有不允许的字段名(__proto__ 或 constructor)。 · The body has a field name that is not taken (__proto__ or constructor).');
  } catch {
    const { row, column, wide } = jsonFaultOf(text);
    const [zh, en] = wide ? ['引号、逗号、冒号和数字须用半角(英文输入法)。', ' Quotation marks, commas, colons and digits are the ASCII ones.'] : ['', ''];
    return new DomainError('bad-request', `请求内容不是有效的 JSON:第 ${row} 行第 ${column} 个字符处有误。${zh} · The body is not valid JSON: see line ${row}, character ${column}.${en}`);
  }
} // prettier-ignore

/** Starts one service: HTTP first (health tells the truth), NATS whenever it is there. */
export async function startService(
  definition: ServiceDefinition,
  config: Config,
  options: { listen: boolean },
): Promise<RunningService> {
  const { service } = definition;
  const { requestTimeoutMs = defaultRequestTimeoutMs } = config;
  const log = pino({ level: config.logLevel, base: { service } });
  const database = new Database({
    service,
    url: config.databaseUrl,
    entities: definition.entities,
  });
  await database.open();

  const applier = new Applier(service, database, config.handlerLimitMs);
  const files = filesOf(config.files, service);
  const limits = config.limits ?? defaultLimits;
  const served = new Served(limits.importPauses);
  const arrivals = new Arrivals();
  if (definition.fileTables && !files.configured)
    log.warn(
      'No place for files: uploads are refused (503 files-not-configured) until FILES_DIR or FILES_S3_… is set.',
    );
  @Module({
    imports: [
      definition.module,
      PlatformModule.with(database, applier, files, served, arrivals, config.env ?? {}),
    ],
  })
  class Root {}
  const adapter = new FastifyAdapter({
    bodyLimit: 1024 * 1024,
    forceCloseConnections: 'idle',
    requestTimeout: requestTimeoutMs,
    http: {
      requireHostHeader: false,
      requestTimeout: requestTimeoutMs,
      headersTimeout: Math.min(requestTimeoutMs, 60_000), // where it is the longer one, Node takes the two the other way round
      connectionsCheckingInterval: Math.min(requestTimeoutMs, 30_000),
    },
    clientErrorHandler: tellUnparsed,
    // The router's own refusals come before any hook.
    frameworkErrors: (_error: Error, request: FastifyRequest, reply: FastifyReply) => {
      request.traceId = traceIdOf(undefined, randomBytes(16).toString('hex'));
      tell(undecodable(), request, reply);
    },
  });
  const app = await NestFactory.create<NestFastifyApplication>(Root, adapter, {
    logger: new StartLogger({ logLevels: ['error', 'warn'] }),
    bodyParser: false,
    abortOnError: false, // who starts it says why it did not start, and stops what else it started
  });
  app.setGlobalPrefix(`api/${service}/v1`);
  const limit = new LimitGuard(limits);
  const queries = new QueryGuard();
  app.useGlobalGuards(
    new OidcGuard(config.issuer, config.audience, database, config.issuerAt),
    limit,
    queries,
  );
  app.useGlobalPipes(validation());
  app.useGlobalInterceptors(
    new EtagInterceptor(),
    new LocationInterceptor(),
    new RepeatInterceptor(),
  );
  const routes = new Routes();
  app.useGlobalFilters(new ProblemFilter(log));

  const fastify = adapter.getInstance();
  takeJsonAlone(fastify);
  await fastify.register(multipart, { throwFileSizeLimit: true });
  await fastify.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
  });
  fastify.addHook('onRequest', (request, reply, done) => {
    request.traceId = traceIdOf(
      request.headers['traceparent'] as string | undefined,
      randomBytes(16).toString('hex'),
    );
    void reply.header('x-trace-id', request.traceId).header('cache-control', 'no-store');
    // Before the body is read: of a path that nobody takes, it does not matter.
    const refusal =
      unreadable(request.raw) ??
      (request.is404 ? routes.refusal(request, reply) : undefined) ??
      // The router takes nothing between two slashes for an id.
      ((request.params as { id?: string }).id === '' ? noRoute() : undefined);
    if (refusal) {
      done(refusal);
      return;
    }
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    // Who looks how an import goes on does not hold it up, nor do pages without a person.
    if (request.principal && !/\/[a-z]+-imports\b/.test(request.url))
      served.note(request.principal.division);
    log.info(
      {
        method: request.method, route: request.routeOptions.url ?? '-', status: reply.statusCode,
        ms: Math.round(reply.elapsedTime), traceId: request.traceId, actor: request.principal?.id ?? '-',
        division: request.principal?.division ?? '-',
      },
      'request',
    ); // prettier-ignore
    duration.observe(
      { method: request.method, route: request.routeOptions.url ?? '-', status: reply.statusCode },
      reply.elapsedTime / 1000,
    );
    done();
  });

  const say = (line: string, error?: unknown): void =>
    log.warn({ err: error instanceof Error ? error.message : error }, line);
  let connection: NatsConnection | undefined;
  let relay: Relay | undefined;
  let consumers: Consumers | undefined;
  let watermarks: Watermarks | undefined;
  let reconciler: Reconciler | undefined;
  let stopped = false;
  applier.register(earsOf(definition, app));
  const work = (definition.jobs ?? []).map((type) => app.get<Job>(type, { strict: false }));
  const sweep = definition.fileTables
    ? [new FileSweep(database, files, definition.fileTables)]
    : [];
  const heavy = definition.url?.endsWith('.js') ? work.filter(isHeavy) : [];
  const light = work.filter((job) => !heavy.includes(job));
  const apart =
    definition.url && heavy.length > 0
      ? [new Apart(definition.url, config, heavy, served, () => relay?.wake())]
      : [];
  const jobs = new Jobs([...light, ...apart, ...sweep, new Housekeeping(database)], say);
  const joined = connectBus({
    ...config.nats,
    name: service,
  }).then(
    async (made) => {
      if (stopped) return made.close();
      connection = made;
      relay = new Relay(config.relayUrl, made, say);
      const consuming = (consumers = new Consumers(applier, made, say));
      arrivals.look = () => consuming.lag();
      database.onCommit(() => relay?.wake());
      watermarks = new Watermarks(service, relay, made, say);
      reconciler = new Reconciler(database, made, say);
      relay.start();
      consumers.start();
      watermarks.start();
      reconciler.start();
    },
    (error: unknown) =>
      say(
        'NATS refused the connection: check NATS_URL, NATS_USER and NATS_PASSWORD or NATS_NKEY_SEED, and NATS_CA_FILE',
        error,
      ),
  );

  const registry = new Registry();
  const gauge = (name: string, help: string, read: () => number | Promise<number | undefined> | undefined): Gauge =>
    new Gauge({
      name, help, registers: [registry],
      async collect() {
        const value = await read();
        this.set(value ?? Number.NaN); // not known here: NaN, which no alarm takes for zero
      },
    }); // prettier-ignore
  gauge(
    'foodwarden_outbox_depth',
    'Facts committed and not yet acknowledged by the broker; the leading replica alone knows',
    () => relay?.depth(),
  );
  gauge(
    'foodwarden_clock_ahead_seconds',
    'How far the database’s clock is ahead of this process’s',
    () => database.clockAheadMs / 1000,
  );
  gauge('foodwarden_uploads', 'Files being received', () => limit.uploads);
  gauge(
    'foodwarden_facts_sent',
    'Facts acknowledged by the broker since start',
    () => relay?.sent ?? 0,
  );
  gauge('foodwarden_facts_applied', 'Facts applied since start', () => applier.applied);
  gauge(
    'foodwarden_facts_repeated',
    'Facts that came again and changed nothing',
    () => applier.repeated,
  );
  gauge(
    'foodwarden_dead_letters',
    'Facts set aside since start',
    () => consumers?.retries.deadLetters ?? 0,
  );
  gauge('foodwarden_dead_letters_waiting', 'Facts set aside and not applied since, in all', () =>
    applier.waiting(),
  );
  gauge('foodwarden_facts_waiting', 'Facts that failed here and are tried again, in all', () =>
    consumers?.retries.waiting(),
  );
  gauge(
    'foodwarden_facts_sent_again',
    'Facts sent once more because a listener missed them, since start',
    () => watermarks?.again ?? 0,
  );
  new Gauge({
    name: 'foodwarden_facts_missing', help: 'Facts that the owner sent and that did not take effect here; or were found so since start', labelNames: ['owner', 'state'], registers: [registry],
    collect() {
      this.reset();
      for (const [owner, count] of reconciler?.missing ?? []) this.set({ owner, state: 'now' }, count);
      for (const [owner, count] of reconciler?.lost ?? []) this.set({ owner, state: 'found' }, count);
    },
  }); // prettier-ignore
  new Gauge({
    name: 'foodwarden_consumer_lag', help: 'Facts that the broker still holds for this service', labelNames: ['owner', 'state'], registers: [registry],
    async collect() {
      this.reset();
      for (const { owner, pending, unacknowledged } of (await consumers?.lag().catch(() => [])) ?? []) {
        this.set({ owner, state: 'pending' }, pending);
        this.set({ owner, state: 'unacknowledged' }, unacknowledged);
      }
    },
  }); // prettier-ignore
  new Gauge({
    name: 'foodwarden_queue_depth', help: 'Work that is queued or running, by queue', labelNames: ['queue'], registers: [registry],
    async collect() {
      for (const job of work) if (job.queue && job.depth) this.set({ queue: job.queue }, await job.depth());
    },
  }); // prettier-ignore
  const duration = new Histogram({
    name: 'foodwarden_request_seconds', help: 'Requests by route and status', labelNames: ['method', 'route', 'status'], registers: [registry],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
  }); // prettier-ignore

  fastify.get(`/api/${service}/health/live`, async () => ({ status: 'ok' }));
  fastify.get(`/api/${service}/health/ready`, async (_request, reply) => {
    const databaseState = await database.ping().then(
      () => 'up',
      () => 'down',
    );
    // Without the broker requests are still served: facts wait in the outbox.
    const nats = connection && (await answers(connection)) ? 'up' : 'down';
    const troubles = [...(consumers?.troubles.values() ?? [])];
    const clock = clockTrouble(database.clockAheadMs);
    const well =
      nats === 'up' && !relay?.trouble && troubles.length === 0 && !reconciler?.trouble && !clock;
    return reply.status(databaseState === 'up' ? 200 : 503).send({
      status: databaseState === 'down' ? 'not-ready' : well ? 'ok' : 'degraded',
      database: databaseState,
      nats,
      relay: relay?.trouble ?? 'ok',
      consumers: troubles.length === 0 ? 'ok' : troubles.join('; '),
      reconciler: reconciler?.trouble ?? 'ok',
      clock: clock ?? 'ok',
    });
  });
  fastify.get(`/api/${service}/metrics`, async (_request, reply) =>
    reply.header('content-type', registry.contentType).send(await registry.metrics()),
  );

  const builder = new DocumentBuilder()
    .setTitle(definition.title)
    .setDescription(
      '时刻为协调世界时(以 Z 结尾,加 8 小时即北京时间);日期为北京时间的日期。 · Instants are UTC (they end in Z: eight hours behind Beijing); days are those of Beijing.',
    )
    .setVersion('1')
    .setOpenAPIVersion('3.1.0')
    .addOAuth2(
      {
        type: 'oauth2',
        description: '个人账号登录 · sign in as a person; leave client_secret empty',
        flows: {
          authorizationCode: {
            authorizationUrl: `${config.issuer}/auth`,
            tokenUrl: `${config.issuer}/token`,
            scopes: { openid: 'sign in' },
          },
        },
      },
      'person',
    )
    .addOAuth2(
      {
        type: 'oauth2',
        description: '程序账号 · a program’s own client_id and client_secret',
        flows: { clientCredentials: { tokenUrl: `${config.issuer}/token`, scopes: {} } },
      },
      'program',
    )
    .addSecurityRequirements('person', ['openid'])
    .addSecurityRequirements('program');
  describeRules();
  const document = completed(SwaggerModule.createDocument(app, builder.build()));
  queries.learn(document);
  routes.learn(document);
  fastify.get(`/api/${service}/openapi.json`, async () => document);

  await app.init();
  await fastify.ready();
  jobs.start();
  let port = 0;
  if (options.listen) {
    await app.listen(config.port, config.host).catch((error: unknown) => {
      throw notListening(error, config);
    });
    const address = app.getHttpServer().address() as { port: number } | null;
    port = address?.port ?? config.port;
  }
  return {
    service,
    port,
    database,
    handle: (request, response) => fastify.routing(request, response),
    async stop(): Promise<void> {
      stopped = true;
      // Whoever is still sending after ten seconds does not hold up a restart.
      const patience = setTimeout(() => fastify.server.closeAllConnections(), 10_000);
      await app.close();
      clearTimeout(patience);
      await jobs.stop();
      await reconciler?.stop();
      await consumers?.stop();
      await watermarks?.stop();
      await relay?.stop();
      // Without the broker there is nothing to drain, and it would look for it for ever.
      if (connection) await connection.drain().catch(() => connection?.close());
      else void joined;
      await database.close();
    },
  };
}

/** Why nobody can reach a service, and what to do. */
export function notListening(error: unknown, { host, port }: { host: string; port: number }): Error {
  const { code, message } = error as Error & { code?: string };
  const why =
    code === 'EADDRINUSE' ? `another program listens there: end it, or set PORT to a free one`
    : code === 'EACCES' ? `this user may not: set PORT to one above 1023`
    : code === 'EADDRNOTAVAIL' ? `this machine has no such address: set HOST to one that it has`
    : message;
  return new Error(`Cannot listen on ${host}:${port}: ${why}.`, { cause: error });
} // prettier-ignore

/**
 * What hears the facts of a service. Identity itself notes the change of an account in the step that makes it; a service
 * that does more than note it has an ear of that kind of its own.
 */
function earsOf({ service, events = [] }: ServiceDefinition, app: INestApplicationContext): object[] {
  const own = events.map((type) => app.get<object>(type, { strict: false }));
  return service === 'identity' || own.some((ear) => ear instanceof AccountCutoffs) ? own : [...own, new AccountCutoffs()];
} // prettier-ignore

/** Nothing that is kept goes by this machine's clock; its logs do, and whoever reads them is misled. */
function clockTrouble(aheadMs: number): string | undefined {
  if (Math.abs(aheadMs) < 5_000) return undefined;
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  const [en, zh] = aheadMs > 0 ? ['behind', '慢'] : ['ahead of', '快'];
  return `this machine's clock is ${seconds} s ${en} its database's: set it right · 本机时钟比数据库${zh} ${seconds} 秒,请校正`;
}

async function answers(connection: NatsConnection): Promise<boolean> {
  const late = new Promise<false>((done) => setTimeout(() => done(false), 1000).unref());
  return Promise.race([connection.flush().then(() => true, () => false), late]); // prettier-ignore
}

/** `replay --type … --division … --since … --until … --id …` @returns one line that says what became of them */
async function replay(definition: ServiceDefinition, words: string[]): Promise<string> {
  const { DATABASE_URL: url } = process.env;
  if (!url) throw new Error('Set DATABASE_URL to replay.');
  const { values } = parseArgs({
    args: words,
    options: { id: { type: 'string' }, type: { type: 'string' }, division: { type: 'string' }, since: { type: 'string' }, until: { type: 'string' } },
  });
  const { since, until, ...filter } = values;
  // Facts carry no files.
  const { HANDLER_LIMIT_MS: limit } = process.env;
  const config = { databaseUrl: url, files: undefined, env: process.env, ...(limit ? { handlerLimitMs: Number(limit) } : {}) };
  const { applier, app, close } = await openContext(definition, config, new Served(defaultLimits.importPauses), 1);
  try {
    applier.register(earsOf(definition, app));
    const { replayed, failed } = await applier.replay('', {
      ...filter,
      since: since ? new Date(since) : undefined,
      until: until ? new Date(until) : undefined,
    }, Infinity);
    return `${replayed} replayed, ${failed.length} failed again${failed.map(({ id, cause }) => `\n${id}: ${cause}`).join('')}`;
  } finally {
    await close();
  }
} // prettier-ignore

/** A service's `main.ts`: runs it, or with the argument `migrate`, `prune`, `load`, `deploy-bus` or `replay` does that one step. */
export async function bootstrap(definition: ServiceDefinition): Promise<void> {
  try {
    const step = process.argv[2];
    if (step === 'migrate') {
      const url = process.env['DATABASE_OWNER_URL'];
      if (!url) throw new Error('Set DATABASE_OWNER_URL to migrate.');
      const applied = await migrate(url, definition.migrations);
      process.stdout.write(`${definition.service}: ${applied.length} migrations applied\n`);
      return;
    }
    if (step === 'prune') {
      const url = process.env['DATABASE_OWNER_URL'];
      if (!url) throw new Error('Set DATABASE_OWNER_URL to prune.');
      for (const line of await prune(url, process.env))
        process.stdout.write(`${definition.service}: ${line}\n`);
      return;
    }
    if (step === 'load') {
      const { DATABASE_URL: url } = process.env;
      const folder = process.argv[3];
      if (!url || !folder || !definition.load)
        throw new Error('Give `load <folder>` and DATABASE_URL; identity loads nothing.');
      const read = await definition.load(folder);
      const database = new Database({
        service: definition.service,
        url,
        entities: [],
        poolSize: 1,
      });
      await database.open();
      const loaded = await loadInto(database, read).finally(() => database.close());
      process.stdout.write(`${definition.service}: ${loaded}\n`);
      return;
    }
    if (step === 'replay') {
      process.stdout.write(
        `${definition.service}: ${await replay(definition, process.argv.slice(3))}\n`,
      );
      return;
    }
    if (step === 'deploy-bus') {
      const wrong: string[] = [];
      const bus = busFrom(process.env, wrong);
      const replicas = process.env['NATS_REPLICAS'] ?? '1';
      if (!/^[13]$/.test(replicas)) wrong.push('NATS_REPLICAS (1 or 3)');
      if (wrong.length > 0)
        throw new Error(`Set ${wrong.join(', ')}, as the deploy user, to make the streams.`);
      const connection = await connectBus({ ...bus, name: 'deploy' });
      await deployBus(connection, Number(replicas));
      await connection.close();
      return;
    }
    const running = await startService(definition, configFrom(definition.service, process.env), {
      listen: true,
    });
    process.stdout.write(
      `${JSON.stringify({ service: running.service, listening: running.port })}\n`,
    );
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(
        signal,
        () =>
          void running.stop().then(
            () => process.exit(0),
            () => process.exit(1),
          ),
      );
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(1); // whatever was begun, connections or the wait for a broker that is away, does not keep it
  }
}
