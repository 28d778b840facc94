// P1 of the design: creating an establishment over HTTP (token, validation, isolated transaction, row + journal) against bare
// Fastify + pg running the same statements one by one. Both are processes of their own on one durable PostgreSQL, with the
// same pool, connections, payload and statements; rounds alternate, and medians are compared.
//   node bench/create.mjs [seconds per round] [rounds]
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

const load = (path) => import(resolve('dist', path));
const { startPostgres, startNats, obtainNatsServer, freePort } = await load(
  'libs/servers/src/index.js',
);
const { provision, migrate, Database } = await load('libs/database/src/index.js');
const { connectBus, deployBus, rightsOf } = await load('libs/messaging/src/index.js');
const { registry } = await load('apps/registry/src/registry.definition.js');

const seconds = Number(process.argv[2] ?? 5);
const rounds = Number(process.argv[3] ?? 5);
const connections = 16;
const folder = await mkdtemp(join(tmpdir(), 'foodwarden-bench-'));
const undo = [];
try {
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres') });
  undo.push(() => postgres.stop());
  const password = 'only-here';
  const url = (role) => postgres.url('registry', `registry_${role}`, password);
  await provision(postgres.url('postgres'), 'registry', {
    owner: password,
    app: password,
    relay: password,
  });
  await migrate(url('owner'), registry.migrations);
  const database = new Database({ service: 'registry', url: url('app'), entities: [] });
  await database.open();
  await registry.load(database, 'apps/platform/sample');
  await database.close();
  const nats = await startNats({
    bin: await obtainNatsServer(process.env.FOODWARDEN_CACHE ?? resolve('.cache'), console.error),
    storeDir: join(folder, 'nats'),
    users: [
      { user: 'deploy', password },
      { user: 'registry', password, ...rightsOf('registry') },
    ],
  });
  undo.push(() => nats.stop());
  const deploy = await connectBus({ url: nats.url, user: 'deploy', password, name: 'deploy' });
  await deployBus(deploy);
  await deploy.close();

  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const keys = {
    keys: [{ ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256', use: 'sig' }],
  };
  const issuerPort = await freePort();
  const issuer = `http://127.0.0.1:${issuerPort}`;
  const server = createServer((ask, answer) =>
    answer
      .setHeader('content-type', 'application/json')
      .end(JSON.stringify(ask.url === '/jwks' ? keys : { issuer, jwks_uri: `${issuer}/jwks` })),
  );
  await new Promise((done) => server.listen(issuerPort, '127.0.0.1', done));
  undo.push(() => new Promise((done) => server.close(done)));
  const token = await new SignJWT({ sub: randomUUID(), roles: ['office'], division: '371425101' })
    .setProtectedHeader({ alg: 'ES256', kid: 'bench' })
    .setIssuer(issuer)
    .setAudience('urn:foodwarden')
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(privateKey);

  const run = async (script, env) => {
    const port = await freePort();
    const child = spawn(
      process.execPath,
      [
        ...(process.env.PROFILE ? ['--cpu-prof', '--cpu-prof-dir', process.env.PROFILE] : []),
        script,
      ],
      {
        env: { ...process.env, ...env, PORT: String(port) },
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
    undo.push(
      () =>
        new Promise((done) =>
          child.exitCode === null ? child.once('exit', done) && child.kill('SIGTERM') : done(),
        ),
    );
    return port;
  };
  const subject = {
    name: 'platform',
    port: await run('dist/apps/registry/src/main.js', {
      DATABASE_URL: url('app'),
      DATABASE_RELAY_URL: url('relay'),
      NATS_URL: nats.url,
      NATS_USER: 'registry',
      NATS_PASSWORD: password,
      OIDC_ISSUER: issuer,
      LOG_LEVEL: 'info',
      LIMIT_PERSON_PER_10S: '1000000', // one account makes all the load
      LIMIT_TOWNSHIP_PER_10S: '1000000',
    }),
    path: '/api/registry/v1/establishments',
  };
  const bare = {
    name: 'bare',
    port: await run('bench/bare.mjs', { DATABASE_URL: url('app') }),
    path: '/create',
  };

  const create = (agent, { port, path }) =>
    new Promise((done, failed) => {
      const body = JSON.stringify({
        division: '371425101201',
        name: `店${randomUUID()}`,
        address: '中心街12号',
        kind: 'catering',
        area: 120,
      });
      const begun = process.hrtime.bigint();
      const ask = request(
        {
          agent,
          port,
          path,
          host: '127.0.0.1',
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            authorization: `Bearer ${token}`,
          },
        },
        (answer) => {
          answer.resume();
          answer.on('end', () =>
            answer.statusCode === 201
              ? done(Number(process.hrtime.bigint() - begun) / 1e6)
              : failed(new Error(`status ${answer.statusCode}`)),
          );
        },
      );
      ask.on('error', failed);
      ask.end(body);
    });
  const ready = async (of) => {
    const agent = new Agent({ keepAlive: true });
    for (let tries = 0; ; tries++)
      try {
        await create(agent, of);
        break;
      } catch (error) {
        if (tries > 100) throw error;
        await new Promise((done) => setTimeout(done, 200));
      }
    agent.destroy();
  };
  const round = async (of, forSeconds) => {
    const agent = new Agent({ keepAlive: true, maxSockets: connections });
    const took = [];
    const end = Date.now() + forSeconds * 1000;
    await Promise.all(
      Array.from({ length: connections }, async () => {
        while (Date.now() < end) took.push(await create(agent, of));
      }),
    );
    agent.destroy();
    took.sort((a, b) => a - b);
    const at = (part) => took[Math.min(took.length - 1, Math.floor(took.length * part))];
    return { perSecond: took.length / forSeconds, p50Ms: at(0.5), p99Ms: at(0.99) };
  };
  for (const of of [subject, bare]) {
    await ready(of);
    await round(of, 3); // warm
  }
  const results = { platform: [], bare: [] };
  for (let n = 0; n < rounds; n++)
    for (const of of n % 2 ? [subject, bare] : [bare, subject]) {
      const one = await round(of, seconds);
      results[of.name].push(one);
      console.log(
        of.name,
        Object.entries(one)
          .map(([key, value]) => `${key} ${value.toFixed(1)}`)
          .join(', '),
      );
    }
  const median = (of, key) =>
    results[of].map((one) => one[key]).sort((a, b) => a - b)[Math.floor(rounds / 2)];
  const summary = {
    what: 'P1: create an establishment over HTTP, platform / bare Fastify + pg, the same statements',
    at: new Date().toISOString(),
    node: process.version,
    cores: cpus().length,
    connections,
    seconds,
    rounds,
    platformPerSecond: median('platform', 'perSecond'),
    barePerSecond: median('bare', 'perSecond'),
    rateRatio: median('platform', 'perSecond') / median('bare', 'perSecond'),
    p50Ratio: median('platform', 'p50Ms') / median('bare', 'p50Ms'),
    p99Ratio: median('platform', 'p99Ms') / median('bare', 'p99Ms'),
    results,
  };
  await mkdir('bench/results', { recursive: true });
  await writeFile('bench/results/create.json', `${JSON.stringify(summary, null, 2)}\n`);
  const { results: _, ...said } = summary;
  console.log(said);
} finally {
  for (const step of undo.reverse()) await step();
  await rm(folder, { recursive: true, force: true });
}
