import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { connect, nkeyAuthenticator, nkeys } from '@nats-io/transport-node';
import { freePort } from './port.js';
import { ServerError } from './postgres.js';
import { fetchRelease } from './release.js';

const run = promisify(execFile);

export interface NatsUser {
  user: string;
  password: string;
  /** In place of user and password: the server is told the public key alone. */
  nkeySeed?: string;
  publish?: string[];
  subscribe?: string[];
}

export interface Nats {
  port: number;
  url: string;
  serverName: string;
  version: string;
  pid: number;
  /** Without a word of warning to anybody. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** A usable server: 2.10 or newer, without the releases that lose data (bus.md, 'Silent loss'). */
function usable(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  if (major !== 2 || minor < 10) return major > 2;
  if (minor === 10 && patch >= 20 && patch <= 22) return false;
  return !(minor === 12 && patch <= 2);
}

async function versionOf(bin: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(bin, ['--version']);
    return /v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

/** Finds or fetches nats-server: NATS_SERVER_BIN, PATH, the cache, then the machine's own Debian mirror, then the pinned release on GitHub. */
export async function obtainNatsServer(
  cacheDir: string,
  log: (line: string) => void = () => undefined,
): Promise<string> {
  const named = process.env['NATS_SERVER_BIN'];
  if (named) {
    const version = await versionOf(named);
    if (version && usable(version)) return named;
    throw new ServerError(
      `NATS_SERVER_BIN (${named}) is not a usable nats-server 2.10 or newer: unset it or mend it.`,
    );
  }
  const cached = resolve(cacheDir, 'nats-server');
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin'];
  for (const bin of [...folders.map((folder) => join(folder, 'nats-server')), cached]) {
    if (!existsSync(bin)) continue;
    const version = await versionOf(bin);
    if (version && usable(version)) return bin;
  }
  const remedy =
    'Install nats-server 2.10 or newer (https://github.com/nats-io/nats-server/releases) and set NATS_SERVER_BIN to it.';
  const troubles: string[] = [];
  const sources: [string, () => Promise<void>][] = existsSync('/usr/bin/apt-get')
    ? ['sid', 'trixie'].map((suite) => [
        `this machine's Debian mirror (${suite})`,
        () => fetchFromMirror(suite, cached),
      ])
    : [];
  sources.push(['its release on GitHub', () => fetchRelease(cached)]);
  for (const [source, get] of sources) {
    log(`fetching nats-server from ${source}`);
    try {
      await get();
      const version = await versionOf(cached);
      if (version && usable(version)) return cached;
      troubles.push(`${source}: version ${version ?? 'unknown'}`);
    } catch (error) {
      troubles.push(`${source}: ${(error as Error).message.split('\n')[0] ?? ''}`); // the next source, else the remedy
    }
  }
  throw new ServerError(`nats-server could not be fetched (${troubles.join('; ')}). ${remedy}`);
}

async function fetchFromMirror(suite: string, target: string): Promise<void> {
  const cache = join(target, '..');
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'apt-'));
  try {
    await mkdir(join(work, 'lists', 'partial'), { recursive: true });
    await mkdir(join(work, 'archives', 'partial'), { recursive: true });
    await writeFile(join(work, 'status'), '');
    await writeFile(join(work, 'sources.list'), `deb ${await mirror()} ${suite} main\n`);
    const options = [
      `Dir::State=${work}`, `Dir::State::lists=${join(work, 'lists')}`, `Dir::State::status=${join(work, 'status')}`,
      `Dir::Cache=${work}`, `Dir::Cache::archives=${join(work, 'archives')}`,
      `Dir::Etc::sourcelist=${join(work, 'sources.list')}`, 'Dir::Etc::sourceparts=-', 'Acquire::Languages=none',
      'Debug::NoLocking=1', 'APT::Sandbox::User=',
    ].flatMap((option) => ['-o', option]); // prettier-ignore
    const how = { cwd: work, timeout: 180_000, maxBuffer: 32 << 20 };
    await run('apt-get', [...options, '-q', 'update'], how);
    await run('apt-get', [...options, '-q', 'download', 'nats-server'], how);
    const deb = (await readdir(work)).find((name) => name.endsWith('.deb'));
    if (!deb) throw new Error('nothing was downloaded');
    await run('dpkg-deb', ['-x', deb, 'out'], how);
    const found = ['usr/sbin/nats-server', 'usr/bin/nats-server']
      .map((path) => join(work, 'out', path))
      .find(existsSync);
    if (!found) throw new Error('the package has no nats-server');
    await rename(found, target); // atomic: two runs at once leave one whole file
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The address of the machine's own Debian mirror: the source that serves the machine's own release. */
async function mirror(): Promise<string> {
  const codename =
    /^VERSION_CODENAME=(.+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? 'stable';
  const files = ['/etc/apt/sources.list'];
  const parts = '/etc/apt/sources.list.d';
  if (existsSync(parts)) files.push(...(await readdir(parts)).map((name) => join(parts, name)));
  for (const file of files) {
    if (!existsSync(file)) continue;
    const text = await readFile(file, 'utf8');
    for (const line of text.split('\n')) {
      const [, address, suite] =
        /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+.*\bmain\b/.exec(line) ?? [];
      if (address && suite === codename) return address;
    }
    for (const block of text.split(/\n\s*\n/)) {
      const suites = /^Suites:\s*(.+)$/m.exec(block)?.[1]?.split(/\s+/) ?? [];
      const address = /^URIs:\s*(\S+)/m.exec(block)?.[1];
      if (address && suites.includes(codename)) return address;
    }
  }
  throw new Error('no Debian source is configured');
}

/** A killed run leaves its server behind on our store; two servers on one store destroy it. Ends it only if it is ours. */
export async function endOrphanedNats(storeDir: string): Promise<void> {
  const { config, pidFile } = filesOf(storeDir);
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  if (!Number.isInteger(pid) || pid <= 0) return;
  const ours = async (): Promise<boolean> =>
    run('ps', ['-o', 'args=', '-p', String(pid)]).then(
      ({ stdout }) => stdout.includes(config),
      () => false, // no such process
    );
  if (!(await ours())) return;
  process.kill(pid, 'SIGTERM');
  for (let waited = 0; waited < 50 && (await ours()); waited++)
    await new Promise((done) => setTimeout(done, 100));
  if (await ours()) process.kill(pid, 'SIGKILL');
}

const filesOf = (storeDir: string): { config: string; pidFile: string } => ({
  config: join(storeDir, 'nats.conf'),
  pidFile: join(storeDir, 'nats.pid'),
});

export interface NatsOptions {
  bin: string;
  storeDir: string;
  users: NatsUser[];
  /** Where others look for it already; any free port without it. */
  port?: number;
  /** PEM files: nobody is let in without TLS then. */
  tls?: { caFile: string; certFile: string; keyFile: string };
  /** One of several that keep every stream together; each acknowledges only what is on its disk. */
  cluster?: { serverName: string; port: number; routes: number[] };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Starts nats-server with JetStream on a free loopback port, and checks by `server_name` that our own child answers. */
export async function startNats(options: NatsOptions): Promise<Nats> {
  await mkdir(options.storeDir, { recursive: true });
  const { config, pidFile } = filesOf(options.storeDir);
  await endOrphanedNats(options.storeDir);
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const { tls, cluster } = options;
    const serverName = cluster?.serverName ?? `foodwarden-${randomBytes(6).toString('hex')}`;
    const users = options.users.map((user) => ({
      ...(user.nkeySeed
        ? { nkey: nkeys.fromSeed(bytes(user.nkeySeed)).getPublicKey() }
        : { user: user.user, password: user.password }),
      ...(user.publish || user.subscribe
        ? {
            permissions: {
              publish: { allow: user.publish ?? [] },
              subscribe: { allow: user.subscribe ?? [] },
            },
          }
        : {}),
    }));
    await writeFile(
      config,
      JSON.stringify(
        {
          server_name: serverName,
          pid_file: pidFile, listen: `127.0.0.1:${port}`, max_payload: 1048576,
          jetstream: { store_dir: options.storeDir, max_file_store: 4294967296, ...(cluster ? { sync_interval: 'always' } : {}) },
          authorization: { users },
          ...(tls ? { tls: { cert_file: tls.certFile, key_file: tls.keyFile, ca_file: tls.caFile } } : {}),
          ...(cluster
            ? { cluster: { name: 'foodwarden', listen: `127.0.0.1:${cluster.port}`, routes: cluster.routes.map((route) => `nats://127.0.0.1:${route}`) } }
            : {}),
        },
        null,
        2,
      ),
      { mode: 0o600 },
    ); // prettier-ignore
    const child = spawn(options.bin, ['-c', config], {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    let exited = false;
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
    const gone = new Promise<void>((done) =>
      child.once('exit', () => {
        exited = true;
        done();
      }),
    );
    child.once('error', (error) => {
      said = error.message;
      exited = true;
    });
    const first = options.users[0];
    if (!first) throw new ServerError('nats-server needs at least one user.');
    const deadline = Date.now() + 15_000;
    while (!exited && Date.now() < deadline) {
      try {
        const connection = await connect({
          servers: `127.0.0.1:${port}`,
          ...(first.nkeySeed
            ? { authenticator: nkeyAuthenticator(bytes(first.nkeySeed)) }
            : { user: first.user, pass: first.password }),
          ...(tls ? { tls: { caFile: tls.caFile } } : {}),
          reconnect: false,
          timeout: 1000,
        });
        const info = connection.info;
        await connection.close();
        if (info?.server_name !== serverName) break; // somebody else took the port
        return {
          port,
          url: `${tls ? 'tls' : 'nats'}://127.0.0.1:${port}`,
          serverName,
          version: info.version,
          pid: child.pid ?? 0,
          async kill(): Promise<void> {
            child.kill('SIGKILL');
            await gone;
          },
          async stop(): Promise<void> {
            if (exited) return;
            child.kill('SIGTERM');
            await Promise.race([gone, new Promise((done) => setTimeout(done, 5000).unref())]);
            if (!exited) child.kill('SIGKILL');
            await gone;
          },
        };
      } catch (error) {
        if (tls && /certificate|altnames/.test((error as Error).message)) {
          said = (error as Error).message;
          attempt = 3; // it will not be believed later either
          break;
        }
        await new Promise((done) => setTimeout(done, 50));
      }
    }
    if (!exited) child.kill('SIGKILL');
    if (attempt >= 3)
      throw new ServerError(
        `nats-server did not start: ${said.trim().split('\n').at(-1) ?? 'no word from it'}`,
      );
  }
}
