import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createServer, request as ask, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { provision } from '#database';
import { eventually } from '#testing';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import pg from 'pg';
import { exchange, refusesUnreadable } from '../../../test/bypass.js';
import { identity } from '../src/identity.definition.js';

const superuser = (JSON.parse(process.env['TEST_SERVERS'] ?? '{}') as { postgres: string })
  .postgres;
const databaseName = `identity_${randomBytes(6).toString('hex')}`;
const databasePassword = 'only-for-tests';
const audience = 'urn:foodwarden';
const cookieKey = randomBytes(24).toString('base64url');
const redirect = 'https://county.example/docs/oauth2-redirect.html';
const word = (): string => randomBytes(32).toString('base64url');

/** Everything the service ever said, and everything it must never say. */
let said = '';
const secrets = new Set<string>([cookieKey, databasePassword]);
function secret(value: string): string {
  secrets.add(value);
  return value;
}

interface Account {
  id: string;
  name: string;
  displayName: string;
  role: string;
  division: string;
  official?: string;
  password: string;
  clientSecret: string;
}
const account = (name: string, role: string, division: string, official?: string): Account => ({
  id: randomUUID(), name, displayName: `${name} 的姓名`, role, division, ...(official ? { official } : {}),
  password: secret(word()), clientSecret: secret(word()),
}); // prettier-ignore
const county = account('county', 'county-admin', '371425');
const official = account('official-1', 'official', '371425101', randomUUID());

interface Replica {
  child: ChildProcess;
  url: string;
}
let edge: Server;
let issuer: string;
let replicas: Replica[] = [];

function urlAs(role: string): string {
  const url = new URL(superuser);
  url.username = `identity_${role}`;
  url.password = databasePassword;
  url.pathname = `/${databaseName}`;
  return url.href;
}

async function query<Row extends object>(connectionString: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const answer: unknown = await client.query(sql);
    return (Array.isArray(answer) ? (answer.at(-1) as pg.QueryResult<Row>) : (answer as pg.QueryResult<Row>)).rows;
  } finally {
    await client.end();
  }
} // prettier-ignore

const environment = (): Record<string, string> => ({
  DATABASE_URL: urlAs('app'),
  DATABASE_OWNER_URL: urlAs('owner'),
  OIDC_ISSUER: issuer,
  OIDC_AUDIENCE: audience,
  COOKIE_KEYS: cookieKey,
  SWAGGER_REDIRECT_URIS: redirect,
  DATABASE_RELAY_URL: urlAs('relay'),
  NATS_URL: 'nats://127.0.0.1:1', // nobody is there: sign-in does not need the bus
  TOTP_ROLES: '',
  HOST: '127.0.0.1',
  PORT: '0',
});

function run(args: string[], env: Record<string, string> = environment()): ChildProcess {
  const child = spawn(process.execPath, ['dist/apps/identity/src/main.js', ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return child;
}

/** A step that ends by itself. */
async function step(
  args: string[],
  input = '',
  env?: Record<string, string>,
): Promise<{ code: number | null; text: string }> {
  const child = run(args, env);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stdin?.end(input);
  const code = await new Promise<number | null>((done) => child.once('close', done));
  return { code, text };
}

async function startReplica(): Promise<Replica> {
  const child = run([]);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const listening = await eventually(
    async () => /"listening":(\d+)/.exec(text)?.[1] ?? (child.exitCode === null ? '' : text),
    (found) => found !== '',
    20_000,
  );
  return { child, url: `http://127.0.0.1:${listening}` };
}

/** One public address before all replicas; each request goes to the next one. */
async function startEdge(): Promise<Server> {
  let turn = 0;
  const server = createServer((request, response) => {
    const replica = replicas[turn++ % replicas.length];
    const { method, headers, url = '' } = request;
    const onward = ask(`${replica?.url ?? ''}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.writeHead(502).end());
    request.pipe(onward);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return server;
}

function programToken(
  base: string,
  { id, clientSecret }: { id: string; clientSecret: string },
): Promise<Response> {
  return fetch(`${base}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${id}:${clientSecret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
}

async function tokenOf(answer: Response): Promise<string> {
  return secret(((await answer.json()) as { access_token: string }).access_token);
}

async function claimsOf(token: string, jwks = `${issuer}/jwks`): Promise<Record<string, unknown>> {
  const keys = createRemoteJWKSet(new URL(jwks));
  return (await jwtVerify(token, keys, { issuer, audience, algorithms: ['ES256'] })).payload;
}

/** A browser that has been sent to the sign-in page. */
async function browser(): Promise<{
  tryPassword(name: string, password: string): Promise<{ status: number; text: string; next: string }>;
  token(next: string): Promise<Response>;
  authorise(): Promise<string>;
}> {
  const cookies = new Map<string, string>();
  const verifier = secret(word());
  const go = async (url: string, form?: Record<string, string>): Promise<Response> => {
    const answer = await fetch(new URL(url, issuer), {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([key, value]) => `${key}=${value}`).join('; ') },
      ...(form ? { method: 'POST', body: new URLSearchParams(form) } : {}),
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, key = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value) cookies.set(key, secret(value));
      else cookies.delete(key);
    }
    return answer;
  };
  const location = (answer: Response): string => answer.headers.get('location') ?? '';
  const authorise = async (): Promise<string> =>
    location(
      await go(
        `${issuer}/auth?${new URLSearchParams({
          client_id: 'swagger', response_type: 'code', scope: 'openid', redirect_uri: redirect,
          code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
        }).toString()}`,
      ),
    ); // prettier-ignore
  const page = await authorise();
  secret(page.split('/').at(-1) ?? '');
  return {
    authorise,
    async tryPassword(name, password) {
      const answer = await go(page, { name, password });
      return { status: answer.status, text: await answer.text(), next: location(answer) };
    },
    async token(next) {
      const back = next.startsWith(redirect) ? next : location(await go(next));
      const code = secret(new URL(back).searchParams.get('code') ?? '');
      return fetch(`${issuer}/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'authorization_code', client_id: 'swagger', redirect_uri: redirect, code, code_verifier: verifier,
        }),
      });
    },
  };
} // prettier-ignore

/** The clock of this database; the service asks it alone. */
async function setClock(ahead: string): Promise<void> {
  await query(
    urlAs('owner'),
    `create or replace function app_now() returns timestamptz language sql stable as $$ select now() + interval '${ahead}' $$`,
  );
}

beforeAll(async () => {
  const admin = new pg.Client({ connectionString: superuser });
  await admin.connect();
  await admin.query('select pg_advisory_lock(7031, 3)'); // roles belong to the whole server, and other specs make some too
  const same = { owner: databasePassword, app: databasePassword, relay: databasePassword };
  await provision(superuser, 'identity', same, databaseName);
  await admin.end();
  edge = await startEdge();
  issuer = `http://127.0.0.1:${(edge.address() as AddressInfo).port}/identity`;
  expect(await step(['migrate'])).toEqual({
    code: 0,
    text: `identity: ${identity.migrations.length} migrations applied\n`,
  });
  for (const one of [county, official])
    expect((await step(['add-account'], JSON.stringify(one))).code).toBe(0);
  // Both at once on a database that has no key yet.
  replicas = await Promise.all([startReplica(), startReplica()]);
}, 60_000);

afterAll(async () => {
  for (const { child } of replicas) if (child.exitCode === null) child.kill('SIGKILL');
  edge.closeAllConnections();
  edge.close();
});

describe('the deploy steps', () => {
  it('refuses to start, and names every variable that is missing or wrong but not its value', async () => {
    const { code, text } = await step([], '', { COOKIE_KEYS: secret('too-short-to-sign'), PORT: 'x' });
    expect(code).toBe(1);
    expect(text.trim().split('\n')).toHaveLength(1);
    for (const name of ['DATABASE_URL', 'OIDC_ISSUER', 'COOKIE_KEYS', 'SWAGGER_REDIRECT_URIS', 'PORT'])
      expect(text).toContain(name);
  }, 30_000); // prettier-ignore

  it('refuses an account that is not right, by its fields, and a name that is taken', async () => {
    const weak = { ...county, id: randomUUID(), password: secret('short'), role: 'king' };
    const refused = await step(['add-account'], JSON.stringify(weak));
    expect(refused.code).toBe(1);
    expect(refused.text).toMatch(/^The account is not right in: role, password /);
    const noJson = await step(['add-account'], `{"password":"${secret('correct horse battery')}",`);
    expect([noJson.code, noJson.text]).toEqual([1, 'The account is no JSON.\n']);
    const taken = await step(['add-account'], JSON.stringify({ ...county, id: randomUUID() }));
    expect([taken.code, taken.text]).toEqual([
      1,
      '账号名 county 已被占用,如要更新请提供其编号。 · Another account has the name county: give its id to renew it.\n',
    ]);
    const third = { ...county, id: randomUUID(), name: 'third' };
    const list = await step(
      ['add-account'],
      JSON.stringify([third, { ...county, id: randomUUID() }]),
    );
    expect([list.code, list.text]).toEqual([taken.code, taken.text]);
    const half = await step(['add-account'], JSON.stringify([third, weak]));
    expect(half.text).toMatch(/^Account 2 is not right in: role, password /);
    // All or none: the name is still free.
    const again = await step(['add-account'], JSON.stringify([{ ...third, id: randomUUID() }]));
    expect([again.code, again.text]).toEqual([
      0,
      expect.stringContaining('account third of 371425'),
    ]);
    expect((await step(['add-acount'])).text).toContain('not known');
  }, 30_000);
});

describe('tokens', () => {
  it('carry the role, the division and, for an official, who it is', async () => {
    const ofCounty = await claimsOf(await tokenOf(await programToken(issuer, county)));
    expect(ofCounty).toMatchObject({
      sub: county.id,
      client_id: county.id,
      roles: ['county-admin'],
      division: '371425',
    });
    expect(ofCounty).toMatchObject({ preferred_username: county.name, name: county.displayName });
    expect(ofCounty).not.toHaveProperty('official');
    const ofOfficial = await claimsOf(await tokenOf(await programToken(issuer, official)));
    expect(ofOfficial).toMatchObject({
      sub: official.id,
      roles: ['official'],
      division: '371425101',
      official: official.official,
    });
    expect((ofOfficial['exp'] as number) - (ofOfficial['iat'] as number)).toBe(300);
  });

  it('are not given for a wrong secret', async () => {
    const answer = await programToken(issuer, { id: county.id, clientSecret: secret(word()) });
    expect(answer.status).toBe(401);
  });

  it('of one replica are good by the keys of the other: there is one key', async () => {
    const [first, second] = replicas as [Replica, Replica];
    const token = await tokenOf(await programToken(`${first.url}/identity`, county));
    expect(await claimsOf(token, `${second.url}/identity/jwks`)).toMatchObject({ sub: county.id });
    expect(await query(urlAs('app'), 'select kid from signing_key')).toHaveLength(1);
  });
});

describe('a person', () => {
  it('signs in by code and PKCE while every request meets another replica, and stays signed in', async () => {
    const chrome = await browser();
    const signedIn = await chrome.tryPassword(county.name, county.password);
    expect(signedIn.status).toBe(303);
    const answer = await chrome.token(signedIn.next);
    expect(answer.status).toBe(200);
    expect(await claimsOf(await tokenOf(answer))).toMatchObject({
      sub: county.id,
      roles: ['county-admin'],
      division: '371425',
    });
    for (const replica of replicas) {
      expect(replica.child.exitCode).toBeNull();
      const back = await chrome.authorise(); // straight back with a code: no page
      expect(back).toContain(`${redirect}?code=`);
      secret(new URL(back).searchParams.get('code') ?? '');
    }
  });

  it('is told when the sign-in page is not his', async () => {
    const answer = await fetch(`${issuer}/interaction/${word()}`, {
      method: 'POST',
      body: 'name=x',
    });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('登录已过期');
  });
});

describe('the lock-out', () => {
  const wrong = secret(word());

  it('refuses the eleventh try, even a right one, over all replicas; known and unknown names alike', async () => {
    const chrome = await browser();
    const answers: unknown[] = [];
    for (const name of [official.name, 'nobody']) {
      const tries = [];
      for (let count = 1; count <= 10; count++) tries.push(await chrome.tryPassword(name, wrong));
      tries.push(await chrome.tryPassword(name, official.password));
      expect(tries.map((one) => one.status)).toEqual([...Array<number>(10).fill(401), 429]);
      expect(tries.at(-1)?.text).toContain('15 分钟后再试');
      expect(tries.at(-1)?.text).toContain('try again in 15 minutes');
      const typed = `value="${name}"`;
      expect(tries.every((one) => one.text.includes(typed))).toBe(true);
      answers.push(tries.map((one) => ({ ...one, text: one.text.replace(typed, '') })));
    }
    expect(answers[1]).toEqual(answers[0]);
    expect((await chrome.tryPassword(county.name, county.password)).status).toBe(303); // nobody else is touched
  }, 30_000);

  it('lifts after 15 minutes', async () => {
    const chrome = await browser();
    await setClock('14 minutes');
    expect((await chrome.tryPassword(official.name, official.password)).status).toBe(429);
    await setClock('15 minutes');
    const lifted = await chrome.tryPassword(official.name, official.password);
    expect(lifted.status).toBe(303);
    expect((await chrome.token(lifted.next)).status).toBe(200);
  });

  it('counts only what failed within 15 minutes', async () => {
    const chrome = await browser();
    const name = 'slow-guesser';
    for (let count = 1; count <= 9; count++) await chrome.tryPassword(name, wrong);
    await setClock('31 minutes');
    for (let count = 1; count <= 9; count++) await chrome.tryPassword(name, wrong);
    expect((await chrome.tryPassword(name, wrong)).status).toBe(401);
    expect((await chrome.tryPassword(name, wrong)).status).toBe(429);
  }, 30_000);

  it('counts tries that come all at once', async () => {
    const chrome = await browser();
    const tries = await Promise.all(
      Array.from({ length: 30 }, () => chrome.tryPassword('rushed', wrong)),
    );
    expect(tries.filter((one) => one.status === 401)).toHaveLength(10);
    expect(tries.filter((one) => one.status === 429)).toHaveLength(20);
  }, 30_000);
});

describe('the walls', () => {
  it('stand around every table but those that hold nobody’s rows', async () => {
    const open = await query(
      urlAs('owner'),
      `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
       and not (relrowsecurity and relforcerowsecurity) order by 1`,
    );
    expect(open).toEqual([
      { relname: 'account_cutoff' },
      { relname: 'inbox' },
      { relname: 'migration' },
      { relname: 'missing_fact' },
      { relname: 'outbox' },
      { relname: 'seal' },
      { relname: 'watermark' },
    ]);
  });

  it('show a scope its own accounts and their clients, and the other roles nothing', async () => {
    const seen = await query(
      urlAs('app'),
      `select set_config('app.lo', '371425101', false), set_config('app.hi', '371425101:', false);
       select name, (select count(*)::int from client) as clients from account`,
    );
    expect(seen).toEqual([{ name: official.name, clients: 1 }]);
    for (const table of ['account', 'client', 'oidc_payload', 'signing_key', 'sign_in_guard']) {
      await expect(query(urlAs('relay'), `select * from ${table}`)).rejects.toThrow('denied');
      expect(await query(urlAs('owner'), `select * from ${table}`)).toEqual([]); // FORCE holds its owner too
    }
  });
});

describe('in operation', () => {
  const ready = async (): Promise<unknown[]> => {
    const answer = await fetch(`${replicas[0]?.url ?? ''}/identity/health/ready`);
    return [answer.status, await answer.json()];
  };

  it('is not ready while its database is gone, and ready again without a restart', async () => {
    expect(await ready()).toEqual([200, { status: 'ok', database: 'up' }]);
    await query(
      superuser,
      `alter database ${databaseName} allow_connections false;
       select pg_terminate_backend(pid) from pg_stat_activity where datname = '${databaseName}'`,
    );
    try {
      expect(await eventually(ready, ([status]) => status === 503)).toEqual([
        503,
        { status: 'not-ready', database: 'down' },
      ]);
      expect((await fetch(`${issuer}/health/live`)).status).toBe(200);
      expect((await programToken(issuer, county)).status).toBe(500);
    } finally {
      await query(superuser, `alter database ${databaseName} allow_connections true`);
    }
    await eventually(ready, ([status]) => status === 200);
    expect((await programToken(issuer, county)).status).toBe(200);
  });

  it('serves nothing outside its prefix', async () => {
    for (const path of ['/', '/token', '//identity/token', '/identityx/token']) {
      const answer = await fetch(`${replicas[0]?.url ?? ''}${path}`);
      expect([answer.status, await answer.json()]).toEqual([404, expect.objectContaining({ code: 'not-found', errors: [] })]); // prettier-ignore
    }
  });

  it('answers what is no request with a problem', async () => {
    const { port } = new URL(replicas[0]?.url ?? '');
    for (const [line, code] of [['GET /identity/甲 HTTP/1.1', 400], [`GET /${'x'.repeat(20_000)} HTTP/1.1`, 431]] as const) {
      const answer = await exchange(Number(port), line);
      expect([answer.status, answer.type]).toEqual([code, 'application/problem+json; charset=utf-8']);
    }
    await refusesUnreadable(Number(port), '/identity');
  }); // prettier-ignore

  it('stops clean on SIGTERM', async () => {
    for (const { child } of replicas) {
      const gone = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      expect(await gone).toBe(0);
    }
  });

  it('has written a line for each request, and no secret in any', () => {
    const lines = said
      .split('\n')
      .filter((line) => line.includes('"msg":"request"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(new Set(lines.map((line) => line['route']))).toEqual(
      new Set([
        '/identity/token', '/identity/jwks', '/identity/auth', '/identity/auth/:uid', '/identity/interaction/:uid',
        '/identity/health/ready', '/identity/health/live', '-',
      ]),
    ); // prettier-ignore
    expect(lines[0]).toMatchObject({ service: 'identity', method: 'POST', status: 200 });
    expect(said).toContain(`"outcome":"locked"`);
    expect(secrets.size).toBeGreaterThan(30);
    expect([...secrets].filter((one) => one === '' || said.includes(one))).toEqual([]);
    expect(lines.some((line) => JSON.stringify(line).includes('?'))).toBe(false);
    expect(said).not.toMatch(/nobody|slow-guesser/); // what is typed as a name may be a password
  });
});
