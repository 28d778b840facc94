import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import {
  noRoute,
  notListening,
  tellPlain,
  type RunningService,
  startService,
  tellUnparsed,
  unreadable,
} from '#platform';
import pg from 'pg';
import { type Logger } from 'pino';
import { type IdentityConfig } from './identity.config.js';
import { identity } from './identity.definition.js';
import { createIssuer } from './issuer.js';

/** The paths a log line may name. Anything else may hold whatever a caller put there, so it is logged as `-`. */
const routes = new Set([
  '/identity/auth', '/identity/token', '/identity/jwks', '/identity/me', '/identity/session/end',
  '/identity/session/end/confirm', '/identity/session/end/success', '/identity/.well-known/openid-configuration',
  '/identity/health/live', '/identity/health/ready',
]); // prettier-ignore

function routeOf(url: string): string {
  const path = url.split('?')[0] ?? '';
  if (routes.has(path)) return path;
  const part = /^\/identity\/(interaction|auth)\/[^/]+$/.exec(path)?.[1];
  return part ? `/identity/${part}/:uid` : '-';
}

/** Both sides of identity for one server: `/identity/…` the issuer, `/api/identity/…` the service. */
export interface Identity extends RunningService {
  issue(request: IncomingMessage, response: ServerResponse): void;
}

/** Several replicas on one database are one issuer. @param log hears of sign-ins and requests to the issuer */
export async function openIdentity(config: IdentityConfig, log: Logger): Promise<Identity> {
  const pool = new pg.Pool({
    connectionString: config.databaseUrl,
    application_name: 'identity',
    max: 8,
    connectionTimeoutMillis: 3000,
    query_timeout: 5000,
  });
  pool.on('error', () => undefined); // an idle connection was cut; the next query opens another
  let running: RunningService | undefined;
  try {
    const { database } = (running = await startService(identity, config, { listen: false }));
    const issuer = await createIssuer({
      ...config,
      pool,
      database,
      log: (line, details) => log.info(details, line),
    });
    const service = running;
    return {
      ...service,
      issue: (request, response) => issuer.serve(request, response),
      async stop(): Promise<void> {
        await issuer.settled();
        await service.stop();
        await pool.end();
      },
    };
  } catch (error) {
    await running?.stop();
    await pool.end();
    throw new Error(
      `identity cannot start: its database does not answer, or is not migrated (${(error as Error).message}).`,
      { cause: error },
    );
  }
}

/** Identity in a process of its own. */
export async function startIdentity(
  config: IdentityConfig,
  log: Logger,
): Promise<{ port: number; stop(): Promise<void> }> {
  const running = await openIdentity(config, log);
  const server = createServer({ requireHostHeader: false }, (request, response) => {
    const url = request.url ?? '';
    if (url.startsWith('/api/identity/')) {
      running.handle(request, response);
      return;
    }
    const begun = Date.now();
    const traceId =
      /^00-([0-9a-f]{32})-/.exec(String(request.headers['traceparent']))?.[1] ??
      randomBytes(16).toString('hex');
    response.setHeader('x-trace-id', traceId);
    response.setHeader('x-content-type-options', 'nosniff');
    response.setHeader('referrer-policy', 'no-referrer');
    response.once('close', () =>
      log.info(
        {
          method: request.method, route: routeOf(url), status: response.statusCode, ms: Date.now() - begun, traceId,
          ...(response.writableFinished ? {} : { aborted: true }),
        },
        'request',
      ),
    ); // prettier-ignore
    const refusal = unreadable(request);
    if (refusal) tellPlain(response, refusal);
    else serve(url, request, response);
  });

  function serve(url: string, request: IncomingMessage, response: ServerResponse): void {
    if (url === '/identity/health/live') answer(response, 200, { status: 'ok' });
    else if (url === '/identity/health/ready')
      running.database.ping().then(
        () => answer(response, 200, { status: 'ok', database: 'up' }),
        () => answer(response, 503, { status: 'not-ready', database: 'down' }),
      );
    else if (url.startsWith('/identity/')) running.issue(request, response);
    else tellPlain(response, noRoute());
  }

  server.on('clientError', tellUnparsed);
  server.headersTimeout = 30_000; // not above the next, or Node takes the two the other way round
  server.requestTimeout = 30_000;
  await new Promise<void>((done, failed) => {
    server.once('error', failed);
    server.listen(config.port, config.host, done);
  }).catch((error: unknown) => {
    throw notListening(error, config);
  });
  return {
    port: (server.address() as AddressInfo).port,
    /** No new requests, those under way are answered, then the service and the database. */
    async stop(): Promise<void> {
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeIdleConnections();
      const patience = setTimeout(() => server.closeAllConnections(), 10_000);
      await closed;
      clearTimeout(patience);
      await running.stop();
    },
  };
}

function answer(response: ServerResponse, status: number, body: object): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(JSON.stringify(body));
}
