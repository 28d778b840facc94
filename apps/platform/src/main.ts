import 'reflect-metadata';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import { type Service } from '#contracts';
import { Database, migrate, provision } from '#database';
import { connectBus, deployBus, rightsOf } from '#messaging';
import { type RunningService, startService } from '#platform';
import {
  checkTrigrams,
  type Nats,
  obtainNatsServer,
  type Postgres,
  startNats,
  startPostgres,
} from '#servers';
import pg from 'pg';
import { assignment } from '../../assignment/src/assignment.definition.js';
import { addAccount, createIssuer, identityMigrations } from '../../identity/src/issuer.js';
import { inspection } from '../../inspection/src/inspection.definition.js';
import { notification } from '../../notification/src/notification.definition.js';
import { registry } from '../../registry/src/registry.definition.js';
import { training } from '../../training/src/training.definition.js';
import { SampleCounty, tokenOf } from './sample.js';
import { serveDocs } from './swagger.page.js';

const dataDir = resolve(process.env['FOODWARDEN_DATA'] ?? '.data');
const audience = 'urn:foodwarden';
const sample = resolve('apps/platform/sample');
const definitions = [registry, assignment, inspection, training, notification];
const secret = (): string => randomBytes(24).toString('base64url');
const say = (line: string): void => void process.stdout.write(`${line}\n`);

interface DemoAccount {
  name: string;
  displayName: string;
  role: string;
  division: string;
  /** Which official of the roster it belongs to. */
  official?: string;
  clientId: string;
  clientSecret: string;
  password: string;
}

/** Random for each installation, readable by its owner alone. */
interface Secrets {
  database: string;
  nats: string;
  cookie: string;
  /** What webhooks are signed and confirmation codes made with. */
  notification?: string;
  accounts: DemoAccount[];
}

const account = (name: string, displayName: string, role: string, division: string, official?: string): DemoAccount => ({
  name, displayName, role, division, clientId: randomUUID(), clientSecret: secret(), password: secret(),
  ...(official ? { official } : {}),
}); // prettier-ignore

const secretsFile = join(dataDir, 'secrets.json');
const keep = (known: Secrets): Promise<void> =>
  writeFile(secretsFile, JSON.stringify(known, null, 2), { mode: 0o600 });

async function secrets(): Promise<Secrets> {
  if (existsSync(secretsFile)) return JSON.parse(await readFile(secretsFile, 'utf8')) as Secrets;
  const made: Secrets = {
    database: secret(),
    nats: secret(),
    cookie: secret(),
    notification: secret(),
    accounts: [
      account('county', '县食安办管理员', 'county-admin', '371425'),
      account('county-2', '县食安办管理员(复核)', 'county-admin', '371425'),
      account('office-101', '表白寺镇食安办', 'office', '371425101'),
      account('office-102', '焦庙镇食安办', 'office', '371425102'),
      account('authority', '县市场监管局', 'authority', '371425'),
      account('auditor', '审计', 'auditor', '371425'),
    ],
  };
  await keep(made);
  return made;
}

/** One run a data folder: a second would stop the first one's database as if a killed run had left it behind. */
async function alone(): Promise<void> {
  const file = `${dataDir}.lock`;
  await mkdir(dirname(file), { recursive: true });
  for (;;) {
    const taken = await writeFile(file, String(process.pid), { flag: 'wx', mode: 0o600 }).then(
      () => false,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
        return true;
      },
    );
    if (!taken) break;
    const other = Number(await readFile(file, 'utf8').catch(() => ''));
    if (isOurs(other))
      throw new Error(
        `it runs already from ${dataDir}, as process ${other}: stop that one first, or set FOODWARDEN_DATA to another folder.`,
      );
    await rm(file, { force: true }); // its process was killed
  }
  process.once('exit', () => rmSync(file, { force: true }));
}

function isOurs(pid: number): boolean {
  if (!pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('main.js'); // the number may be another's by now
  } catch {
    return true; // no /proc here
  }
}

/** 8080, or the next port that is free. */
function listen(server: Server, port: number): Promise<number> {
  return new Promise((done, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' || port > 8180) failed(error);
      else done(listen(server, port + 1));
    });
    server.listen(port, '127.0.0.1', () => done(port));
  });
}

async function start(): Promise<() => Promise<void>> {
  const begun = Date.now();
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.reverse()) await step();
  };
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    say('starting PostgreSQL …');
    const fresh = process.argv.includes('--fresh');
    const postgres: Postgres = await startPostgres({ dataDir: join(dataDir, 'postgres'), fresh });
    undo.push(() => postgres.stop());
    if (!postgres.created && !existsSync(secretsFile))
      throw new Error(
        `${secretsFile} is gone, but its database still lies in ${postgres.dataDir}: put it back, or start over with npm start -- --fresh.`,
      );
    const known = await secrets();
    if (!known.notification) {
      known.notification = secret(); // an installation from before there were webhooks
      await keep(known);
    }
    await checkTrigrams(postgres.url('postgres'));
    say('starting NATS …');
    const bin = await obtainNatsServer(process.env['FOODWARDEN_CACHE'] ?? resolve('.cache'), say);
    const nats: Nats = await startNats({
      bin,
      storeDir: join(dataDir, 'nats'),
      users: [
        { user: 'deploy', password: known.nats },
        ...definitions.map(({ service }) => ({
          user: service,
          password: known.nats,
          ...rightsOf(service),
        })),
      ],
    });
    undo.push(() => nats.stop());
    say('migrating …');
    const deploy = await connectBus({
      url: nats.url,
      user: 'deploy',
      password: known.nats,
      name: 'deploy',
    });
    await deployBus(deploy);
    await deploy.close();
    const passwords = { owner: known.database, app: known.database, relay: known.database };
    const url = (service: Service, role: string): string =>
      postgres.url(service, `${service}_${role}`, known.database);
    for (const { service, migrations } of [
      ...definitions,
      { service: 'identity' as const, migrations: identityMigrations },
    ]) {
      await provision(postgres.url('postgres'), service, passwords);
      await migrate(url(service, 'owner'), migrations);
    }
    for (const { service, load } of definitions) {
      if (!load) continue;
      const database = new Database({
        service,
        url: url(service, 'app'),
        entities: [],
        poolSize: 1,
      });
      await database.open();
      const loaded = await load(database, sample).finally(() => database.close());
      say(`  ${service}: ${loaded}`);
    }

    const pool = new pg.Pool({ connectionString: url('identity', 'app'), max: 5 });
    pool.on('error', () => undefined); // an idle connection was cut; the next query opens another
    undo.push(() => pool.end());
    const open = (one: DemoAccount): Promise<void> =>
      addAccount(
        pool,
        { ...one, id: one.clientId },
        { password: one.password, clientSecret: one.clientSecret },
      );
    const { rows: others } = await pool.query<{ name: string }>(
      'select name from account where not id = any($1::uuid[])',
      [known.accounts.map(({ clientId }) => clientId)],
    );
    if (others.length > 0)
      throw new Error(
        `this installation has real accounts (${others.length}, e.g. ${others[0]?.name}), beside which no demo account is opened: run the services each by itself (deploy/README.md), or set FOODWARDEN_DATA to another folder.`,
      );
    for (const one of known.accounts) await open(one);

    const services = new Map<string, RunningService>();
    let issue: Awaited<ReturnType<typeof createIssuer>> | undefined = undefined;
    const server = createServer((request, response) => {
      try {
        const path = request.url ?? '/';
        const [, first = '', second = ''] = path.split(/[/?]/);
        const service = first === 'api' ? services.get(second) : undefined;
        if (service) service.handle(request, response);
        else if (first === 'identity' && issue) issue(request, response);
        else if (first === 'docs')
          serveDocs(path, [...services.keys()], response).catch(() =>
            response.writeHead(500).end(),
          );
        else if (path === '/') response.writeHead(302, { location: '/docs/' }).end();
        else
          response
            .writeHead(404, { 'content-type': 'application/problem+json' })
            .end('{"status":404,"code":"not-found"}');
      } catch {
        if (!response.headersSent) response.writeHead(400);
        response.end();
      }
    });
    server.requestTimeout = 120_000;
    const port = await listen(server, 8080);
    const baseUrl = `http://127.0.0.1:${port}`;
    const issuer = `${baseUrl}/identity`;
    issue = await createIssuer({
      issuer, pool, audience, cookieKeys: [known.cookie], swaggerRedirectUris: [`${baseUrl}/docs/oauth2-redirect.html`],
    }); // prettier-ignore
    for (const definition of definitions) {
      const { service } = definition;
      const running = await startService(
        definition,
        {
          service, host: '127.0.0.1', port: 0, databaseUrl: url(service, 'app'), relayUrl: url(service, 'relay'),
          natsUrl: nats.url, natsUser: service, natsPassword: known.nats, issuer, audience,
          logLevel: process.env['LOG_LEVEL'] ?? 'warn', files: { folder: join(dataDir, 'files') },
          env: { ...process.env, NOTIFICATION_KEYS: known.notification },
        },
        { listen: false },
      ); // prettier-ignore
      services.set(service, running);
      undo.push(() => running.stop());
    }
    // Stopping begins at the front: no new requests, those under way are answered, then the services.
    undo.push(
      () =>
        new Promise<void>((done) => {
          server.close(() => done());
          server.closeIdleConnections();
          setTimeout(() => server.closeAllConnections(), 3000).unref();
        }),
    );
    const county = known.accounts[0];
    if (county && !known.accounts.some(({ role }) => role === 'official')) {
      const counties = new SampleCounty(baseUrl, sample, () => tokenOf(issuer, county), say);
      await counties.load();
      for (const township of ['371425101', '371425102'])
        for (const [index, official] of (await counties.villageOfficials(township, 2)).entries()) {
          const name = `official-${township.slice(6)}-${index + 1}`;
          const made = account(name, `${official.name}(${official.post})`, 'official', township, official.id); // prettier-ignore
          await open(made);
          known.accounts.push(made);
        }
      await keep(known);
    }
    const run = { baseUrl, issuer, dataDir: postgres.dataDir, accounts: known.accounts };
    await writeFile(join(dataDir, 'run.json'), JSON.stringify(run, null, 2), { mode: 0o600 });
    say(`\nFoodwarden is ready after ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    say(`  APIs        ${baseUrl}/docs/`);
    say(`  issuer      ${issuer}`);
    say(`  data        ${postgres.dataDir} and ${dataDir}`);
    for (const one of known.accounts)
      say(`  account     ${one.name}  ${one.role} of ${one.division}  password ${one.password}`);
    say(
      `  for scripts ${join(dataDir, 'run.json')}\nCtrl-C stops it; npm start -- --fresh starts over.`,
    );
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}

try {
  const unknown = process.argv.slice(2).filter((word) => word !== '--fresh');
  if (unknown.length > 0)
    throw new Error(`${unknown.join(' ')} is not known: the one option is --fresh.`);
  if (process.env['NODE_ENV'] === 'production')
    throw new Error(
      'npm start is the demo, with demo accounts, and NODE_ENV is production: run the services each by itself (deploy/README.md), or unset NODE_ENV.',
    );
  await alone();
  if (process.argv.includes('--fresh')) await rm(dataDir, { recursive: true, force: true });
  const stop = await start();
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      say('stopping …');
      stop().then(
        () => process.exit(0),
        () => process.exit(1),
      );
    });
} catch (error) {
  process.stderr.write(`Foodwarden could not start: ${(error as Error).message}\n`);
  process.exit(1);
}
