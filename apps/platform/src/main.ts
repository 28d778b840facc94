import 'reflect-metadata';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { isIP } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { type Service } from '#contracts';
import { Database, migrate, provision } from '#database';
import { connectBus, deployBus, rightsOf } from '#messaging';
import {
  DomainError,
  loadInto,
  noRoute,
  rehearse,
  tellPlain,
  type Role,
  type RunningService,
  startService,
  tellUnparsed,
  unreadable,
} from '#platform';
import {
  checkTrigrams,
  endOrphanedNats,
  homeOfPostgres,
  type Nats,
  obtainNatsServer,
  type Postgres,
  startNats,
  startPostgres,
} from '#servers';
import { pino } from 'pino';
import { assignment } from '../../assignment/src/assignment.definition.js';
import { AccountService } from '../../identity/src/account.service.js';
import { defaultAddressLimits } from '../../identity/src/identity.config.js';
import { identity } from '../../identity/src/identity.definition.js';
import { type Identity, openIdentity } from '../../identity/src/identity.server.js';
import { inspection } from '../../inspection/src/inspection.definition.js';
import { NotificationConfig } from '../../notification/src/notification.config.js';
import { notification } from '../../notification/src/notification.definition.js';
import { registry } from '../../registry/src/registry.definition.js';
import { training } from '../../training/src/training.definition.js';
import { SampleCounty, tokenOf } from './sample.js';
import {
  type Installed,
  isLoopback,
  readFolder,
  refuseForeign,
  type StartOptions,
  startOptionsFrom,
  warningOf,
} from './start.options.js';
import { serveDocs } from './swagger.page.js';

const dataDir = resolve(process.env['FOODWARDEN_DATA'] ?? '.data');
const audience = 'urn:foodwarden';
const sample = resolve('apps/platform/sample');
const definitions = [registry, assignment, inspection, training, notification, identity];
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

/** Random for each installation, readable by its owner alone. Of people it holds the demo's passwords, and no others. */
interface Secrets extends Installed {
  database: string;
  nats: string;
  cookie: string;
  /** What webhooks are signed and confirmation codes made with. */
  notification?: string;
  /** Encrypts second factors; older installations have none, and no second factor either. */
  totp?: string;
  accounts: DemoAccount[];
}

const account = (name: string, displayName: string, role: string, division: string, official?: string): DemoAccount => ({
  name, displayName, role, division, clientId: randomUUID(), clientSecret: secret(), password: secret(),
  ...(official ? { official } : {}),
}); // prettier-ignore

const secretsFile = join(dataDir, 'secrets.json');
const keep = (known: Secrets): Promise<void> =>
  writeFile(secretsFile, JSON.stringify(known, null, 2), { mode: 0o600 });

async function installed(): Promise<Secrets | undefined> {
  if (!existsSync(secretsFile)) return undefined;
  return JSON.parse(await readFile(secretsFile, 'utf8')) as Secrets;
}

/** Whose database it is where the secrets are gone: a county's must not be thrown away for a demo's. */
async function left(): Promise<Installed | undefined> {
  const file = join(await homeOfPostgres(join(dataDir, 'postgres')), 'county');
  return readFile(file, 'utf8').then((county) => ({ county }), () => undefined);
} // prettier-ignore

async function secrets({ county }: StartOptions): Promise<Secrets> {
  const before = await installed();
  if (before) return before;
  const random = {
    database: secret(), nats: secret(), cookie: secret(), totp: secret(), notification: secret(),
  }; // prettier-ignore
  const made: Secrets = county ? { ...random, county, accounts: [] } : {
    ...random,
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
} // prettier-ignore

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

/** Throws away what lies here, but for what PostgreSQL throws away itself: a server that a killed run left behind ends first. */
async function startOver(): Promise<void> {
  await endOrphanedNats(join(dataDir, 'nats'));
  for (const name of await readdir(dataDir).catch(() => []))
    if (name !== 'postgres') await rm(join(dataDir, name), { recursive: true, force: true });
}

/** The port that was asked for; else 8080, for the demo the next that is free. */
function listen(server: Server, options: StartOptions, at = options.port ?? 8080): Promise<number> {
  const { host, port, county } = options;
  const next = port === undefined && county === undefined && at <= 8180;
  return new Promise((done, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' && next) done(listen(server, options, at + 1));
      else if (error.code === 'EADDRINUSE')
        failed(new Error(`port ${at} of ${host} is taken: stop what has it, or give another with --port.`));
      else if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND')
        failed(new Error(`${host} is no address of this machine: give one that it has with --host.`));
      else failed(error);
    });
    server.listen(at, host, () => done(at));
  });
} // prettier-ignore

/** Says that the port is taken before anything is started or thrown away, and not when everything stands. */
async function portIsFree(options: StartOptions): Promise<void> {
  const probe = createServer();
  await listen(probe, options);
  await new Promise((done) => probe.close(done));
}

/**
 * The first account of a county for real use. Its one-time password is told now and kept nowhere; while nobody has used
 * it in time, the next start tells another. @returns the line about it: a new one-time password, or that one still waits
 */
async function administrator(database: Database, county: string, reset: boolean): Promise<string | undefined> {
  const told = (word: string): string =>
    `  account     admin  county-admin of ${county}  one-time password ${word} (24 hours; shown only now): Authorize at the APIs' address, and have an authenticator app at hand`;
  const accounts = new AccountService();
  return database.everywhere('opens, or resets, the first account of a county', async (tx) => {
    const [admin] = await tx.query<{ id: string; waits: boolean; expired: boolean }>(
      `select id, password_until is not null as waits, coalesce(password_until <= app_now(), false) as expired from account where name = 'admin'`,
    );
    if (admin && (reset || admin.expired)) return told((await accounts.rescue(tx, 'admin')).word);
    if (admin)
      return admin.waits
        ? '  account     admin has not used the one-time password of an earlier start yet; if it is lost: npm start -- --reset-admin tells another'
        : undefined;
    const opened = { name: 'admin', displayName: '县管理员', role: 'county-admin' as const, division: county };
    return told((await accounts.create(tx, opened)).word);
  });
} // prettier-ignore

/** Stopped by a signal before it was ready. */
class Interrupted extends Error {}

/** What has been started, to be stopped in the other order. */
const started: (() => Promise<unknown>)[] = [];
let signalled = false;
/** @throws Interrupted when somebody wants it to stop */
function goOn(): void {
  if (signalled) throw new Interrupted('stopped before it was ready.');
}
function begun(stopping: () => Promise<unknown>): void {
  started.push(stopping);
  goOn();
}
async function stop(): Promise<void> {
  for (let step = started.pop(); step; step = started.pop()) await step();
}

async function start(
  options: StartOptions,
  loads: Awaited<ReturnType<typeof readFolder<Service>>>,
): Promise<void> {
  const { county, folder, fresh } = options;
  const at = Date.now();
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    say('starting PostgreSQL …');
    const postgres: Postgres = await startPostgres({ dataDir: join(dataDir, 'postgres'), fresh });
    begun(() => postgres.stop());
    if (!postgres.created && !existsSync(secretsFile))
      throw new Error(
        `${secretsFile} is gone, but its database still lies in ${postgres.dataDir}: put it back from a backup, or start over with npm start -- --fresh${county ? ` --county ${county} --erase ${county}` : ''}.`,
      );
    if (county) await writeFile(join(dirname(postgres.dataDir), 'county'), county);
    const known = await secrets(options);
    known.notification ??= secret(); // an installation from before there were webhooks
    if (options.url) known.url = options.url;
    else delete known.url;
    await keep(known);
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
    begun(() => nats.stop());
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
    for (const { service, migrations } of definitions) {
      await provision(postgres.url('postgres'), service, passwords);
      await migrate(url(service, 'owner'), migrations);
      goOn();
    }
    for (const step of ['rehearse', 'load'] as const)
      for (const load of loads) {
        const { service } = load;
        const database = new Database({
          service,
          url: url(service, 'app'),
          entities: [],
          poolSize: 1,
        });
        await database.open();
        if (step === 'rehearse') await rehearse(database, load).finally(() => database.close());
        else say(`  ${service}: ${await loadInto(database, load).finally(() => database.close())}`);
        goOn();
      }
    if (county && folder === sample)
      say(`  of the sample (${sample}): --from <folder> takes the county's own`);

    const accounts = new AccountService();
    const open = (database: Database, one: DemoAccount): Promise<unknown> =>
      database.everywhere('opens the demo accounts', (tx) =>
        accounts.put(tx, { ...one, role: one.role as Role, id: one.clientId }),
      );

    const services = new Map<string, RunningService>();
    let issuing: Identity | undefined = undefined;
    const logLevel = process.env['LOG_LEVEL'] ?? 'warn';
    const behind = options.url === undefined ? undefined : new URL(options.url);
    const server = createServer({ requireHostHeader: false }, (request, response) => {
      try {
        if (behind) {
          // The issuer is where it was said to be, whatever a proxy passes on.
          if (request.headers.host !== undefined) request.headers.host = behind.host;
          request.headers['x-forwarded-host'] = behind.host;
          request.headers['x-forwarded-proto'] = behind.protocol.slice(0, -1);
        }
        const path = request.url ?? '/';
        const [, first = '', second = ''] = path.split(/[/?]/);
        const service = first === 'api' ? services.get(second) : undefined;
        const refusal = service ? undefined : unreadable(request);
        if (service) service.handle(request, response);
        else if (refusal) tellPlain(response, refusal);
        else if (first === 'identity' && issuing) issuing.issue(request, response);
        else if (first === 'docs')
          serveDocs(path, [...services.keys()], response).catch(() =>
            response.writeHead(500).end(),
          );
        else if (path === '/') response.writeHead(302, { location: '/docs/' }).end();
        else tellPlain(response, noRoute());
      } catch (error) {
        pino({ level: logLevel }).warn({ err: (error as Error).message }, 'a request that no service takes');
        if (response.headersSent) response.destroy();
        else tellPlain(response, new DomainError('bad-request', '请求无法识别,请检查地址。 · The request cannot be read: check its address.'));
      } // prettier-ignore
    });
    server.on('clientError', tellUnparsed);
    server.requestTimeout = 120_000;
    const port = await listen(server, options);
    const here = `http://${isIP(options.host) === 6 ? `[${options.host}]` : options.host}:${port}`;
    const baseUrl = options.url ?? here;
    const issuer = `${baseUrl}/identity`;
    for (const definition of definitions) {
      const { service } = definition;
      const config = {
        service, host: '127.0.0.1', port: 0, databaseUrl: url(service, 'app'), relayUrl: url(service, 'relay'),
        nats: { url: nats.url, user: service, password: known.nats }, issuer, issuerAt: `${here}/identity`, audience, logLevel,
        files: { folder: join(dataDir, 'files') }, env: { ...process.env, NOTIFICATION_KEYS: known.notification, PUBLIC_URL: `${baseUrl}/docs/` },
      }; // prettier-ignore
      const running =
        service === 'identity'
          ? (issuing = await openIdentity(
              {
                ...config, cookieKeys: [known.cookie], totpKeys: [known.totp ?? known.cookie], totpRoles: county ? ['county-admin'] : [], addressLimits: defaultAddressLimits, trustProxy: behind && isLoopback(options.host) ? 1 : 0,
                swaggerRedirectUris: [`${baseUrl}/docs/oauth2-redirect.html`],
              },
              pino({ level: logLevel, base: { service } }),
            )) // prettier-ignore
          : await startService(definition, config, { listen: false });
      services.set(service, running);
      begun(() => running.stop());
    }
    if (!issuing) throw new Error('identity is not among the services.');
    const { database } = issuing;
    // Whoever was let in beside the demo's accounts, in the demo, is of the demo; where none of these is, it is none.
    const people = county
      ? []
      : await database.everywhere('looks for real accounts', (tx) =>
          tx.query<{ id: string; name: string }>('select id, name from account'),
        );
    const others = people.filter(({ id }) => !known.accounts.some((one) => one.clientId === id));
    if (others.length > 0 && others.length === people.length)
      throw new Error(
        `this installation has real accounts (${others.length}, e.g. ${others[0]?.name}), beside which no demo account is opened: run the services each by itself (deploy/README.md), set FOODWARDEN_DATA to another folder, or start over with npm start -- --fresh.`,
      );
    for (const one of known.accounts) await open(database, one);
    // Stopping begins at the front: no new requests, those under way are answered, then the services.
    begun(
      () =>
        new Promise<void>((done) => {
          server.close(() => done());
          server.closeIdleConnections();
          setTimeout(() => server.closeAllConnections(), 3000).unref();
        }),
    );
    const demo = known.accounts[0];
    if (demo && !known.accounts.some(({ role }) => role === 'official')) {
      const counties = new SampleCounty(baseUrl, sample, () => tokenOf(issuer, demo), say);
      await counties.load();
      for (const township of ['371425101', '371425102'])
        for (const [index, official] of (await counties.villageOfficials(township, 2)).entries()) {
          const name = `official-${township.slice(6)}-${index + 1}`;
          const made = account(name, `${official.name}(${official.post})`, 'official', township, official.id); // prettier-ignore
          await open(database, made);
          known.accounts.push(made);
        }
      await keep(known);
    }
    const admin = county ? await administrator(database, county, options.resetAdmin) : undefined;
    const run = {
      baseUrl,
      issuer,
      dataDir: postgres.dataDir,
      ...(county ? { county } : { accounts: known.accounts }),
    };
    await writeFile(join(dataDir, 'run.json'), JSON.stringify(run, null, 2), { mode: 0o600 });
    say(`\nFoodwarden is ready after ${((Date.now() - at) / 1000).toFixed(1)} s`);
    say(`  APIs        ${baseUrl}/docs/`);
    say(`  issuer      ${issuer}`);
    if (behind) say(`  proxy       passes ${baseUrl} on to ${here}`);
    const places = new Set([dataDir, dirname(postgres.dataDir)]); // its password lies beside its data
    say(`  data        ${[...places].join(' and ')}`);
    for (const one of known.accounts)
      say(
        `  account     ${one.name}  ${one.role} of ${one.division}  password ${one.password}${one.official ? `  ${one.displayName}` : ''}`,
      );
    if (others.length > 0)
      say(
        `  accounts    ${others.length} more were opened here, e.g. ${others[0]?.name}; for real use start a county: README`,
      );
    if (!county)
      say(
        '  demo        county admins need no second factor here; an installation for real use asks for one',
      );
    if (admin) say(admin);
    const warning = warningOf(options);
    if (warning) say(warning);
    say(
      `  for scripts ${join(dataDir, 'run.json')}\nCtrl-C stops it${county ? '' : '; npm start -- --fresh starts over'}.`,
    );
  } catch (error) {
    await stop();
    throw error;
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    if (signalled) return;
    signalled = true;
    say('stopping …');
    if (ready) void end(0);
    else setTimeout(() => void end(1), 10_000).unref(); // what is being started ends at its next step, or is given up
  });
let ready = false;
async function end(code: number): Promise<void> {
  await stop().catch((error: unknown) => {
    process.stderr.write(`${(error as Error).message}\n`);
    code = 1;
  });
  if (code === 0) say('stopped');
  process.exit(code);
}

try {
  const before = await installed();
  const options = startOptionsFrom(process.argv.slice(2), sample, before);
  if (options.county === undefined && process.env['NODE_ENV'] === 'production')
    throw new Error(
      'npm start is the demo, with demo accounts, and NODE_ENV is production: add --county <code>, run the services each by itself (deploy/README.md), or unset NODE_ENV.',
    );
  new NotificationConfig({ env: { ...process.env, NOTIFICATION_KEYS: undefined } }); // a wrong one is told before anything is started
  await alone();
  refuseForeign(before ?? (await left()), options, dataDir);
  const loads = await readFolder(options, sample, definitions);
  await portIsFree(options);
  if (options.fresh) await startOver();
  await start(options, loads);
  ready = true;
  if (signalled) await end(0);
} catch (error) {
  process.stderr.write(
    error instanceof Interrupted
      ? 'Foodwarden stopped before it was ready.\n'
      : `Foodwarden could not start: ${(error as Error).message}\n`,
  );
  process.exit(signalled ? 0 : 1);
}
