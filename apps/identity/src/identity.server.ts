import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import pg from 'pg';
import { type Logger } from 'pino';
import { type IdentityConfig } from './identity.config.js';
import { createIssuer, sweep } from './issuer.js';

const sweepMs = 10 * 60_000;

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

/** The issuer as a service of its own: several replicas on one database are one issuer. */
export async function startIdentity(
  config: IdentityConfig,
  log: Logger,
): Promise<{ port: number; stop(): Promise<void> }> {
  const pool = new pg.Pool({
    connectionString: config.databaseUrl,
    application_name: 'identity',
    max: 8,
    connectionTimeoutMillis: 3000,
    query_timeout: 5000,
  });
  pool.on('error', () => undefined); // an idle connection was cut; the next query opens another
  const issue = await createIssuer({
    issuer: config.issuer,
    pool,
    audience: config.audience,
    cookieKeys: config.cookieKeys,
    swaggerRedirectUris: config.swaggerRedirectUris,
    log: (line, details) => log.info(details, line),
  }).catch(async (error: Error) => {
    await pool.end();
    throw new Error(
      `identity cannot start: its database does not answer, or is not migrated (${error.message}).`,
      { cause: error },
    );
  });

  const server = createServer((request, response) => {
    const begun = Date.now();
    const url = request.url ?? '';
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
    serve(url, request, response);
  });

  function serve(url: string, request: IncomingMessage, response: ServerResponse): void {
    if (url === '/identity/health/live') answer(response, 200, { status: 'ok' });
    else if (url === '/identity/health/ready')
      pool.query('select 1').then(
        () => answer(response, 200, { status: 'ok', database: 'up' }),
        () => answer(response, 503, { status: 'not-ready', database: 'down' }),
      );
    else if (url.startsWith('/identity/')) issue(request, response);
    else answer(response, 404, { status: 404, code: 'not-found' });
  }

  const sweeping = setInterval(() => {
    sweep(pool).catch((error: Error) => log.warn({ err: error.message }, 'sweep failed'));
  }, sweepMs);
  server.requestTimeout = 30_000;
  await new Promise<void>((done, failed) => {
    server.once('error', failed);
    server.listen(config.port, config.host, done);
  });
  return {
    port: (server.address() as AddressInfo).port,
    /** No new requests, those under way are answered, then the database. */
    async stop(): Promise<void> {
      clearInterval(sweeping);
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeIdleConnections();
      const patience = setTimeout(() => server.closeAllConnections(), 10_000);
      await closed;
      clearTimeout(patience);
      await pool.end();
    },
  };
}

function answer(response: ServerResponse, status: number, body: object): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(JSON.stringify(body));
}
