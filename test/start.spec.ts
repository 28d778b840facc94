import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { removePostgres } from '#servers';
import { eventually } from '#testing';
import { exchange, noWayIn, refusesUnreadable, spellings } from './bypass.js';

interface Run {
  baseUrl: string;
  issuer: string;
  dataDir: string;
  accounts: {
    name: string;
    role: string;
    clientId: string;
    clientSecret: string;
    password: string;
  }[];
}

let folder: string;
let child: ChildProcess;
let run: Run;
/** Where its data lies, as it says. */
let places: string[];

const natsServer = (): string =>
  (JSON.parse(process.env['TEST_SERVERS'] ?? '{}') as { natsServer: string }).natsServer;

/** What `npm start` runs once everything is installed and built. */
async function start(): Promise<void> {
  let said = '';
  child = spawn(process.execPath, ['dist/apps/platform/src/main.js'], {
    env: { ...process.env, FOODWARDEN_DATA: folder, NATS_SERVER_BIN: natsServer() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await eventually(
    async () => said,
    (text) => text.includes('for scripts') || child.exitCode !== null,
    60_000,
  );
  run = JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')) as Run;
  places = / data +(.+)/.exec(said)?.[1]?.split(' and ') ?? [];
}

/** Command lines of living processes that name a folder. */
async function processesNaming(name: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''))); // prettier-ignore
  return lines.filter((line) => line.includes(name));
}

/** Starts on this folder, and stops it as soon as it says so. */
async function interrupted(data: string, line: string, ...args: string[]): Promise<void> {
  const early = spawn(process.execPath, ['dist/apps/platform/src/main.js', ...args], {
    env: { ...process.env, FOODWARDEN_DATA: data, NATS_SERVER_BIN: natsServer() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gone = new Promise<number | null>((done) => early.once('close', done));
  let said = '';
  for (const stream of [early.stdout, early.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes(line)) early.kill('SIGINT');
    });
  expect([await gone, said]).toEqual([0, expect.stringMatching(/stopping …[^]*stopped before it was ready/)]); // prettier-ignore
}

function exited(): Promise<number | null> {
  return new Promise((done) => child.once('exit', (code) => done(code)));
}

const account = (name: string): Run['accounts'][number] =>
  run.accounts.find((one) => one.name === name)!;

async function programToken(name: string): Promise<string> {
  const { clientId, clientSecret } = account(name);
  const answer = await fetch(`${run.issuer}/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
    },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
  return ((await answer.json()) as { access_token: string }).access_token;
}

async function names(token: string): Promise<string[]> {
  const answer = await fetch(`${run.baseUrl}/api/registry/v1/establishments?name=老王饭店`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return ((await answer.json()) as { items: { name: string }[] }).items.map((one) => one.name);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foodwarden-start-'));
  await start();
}, 90_000);
afterAll(async () => {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM');
    await exited();
  }
  await rm(folder, { recursive: true, force: true });
  if (run && !run.dataDir.startsWith(folder))
    await rm(dirname(run.dataDir), { recursive: true, force: true });
}, 60_000);

describe('npm start', () => {
  it('keeps its secrets from other users of the machine', async () => {
    for (const file of ['run.json', 'secrets.json'])
      expect((await stat(join(folder, file))).mode & 0o077).toBe(0);
  });

  it('lets a program sign in and use its own ground', async () => {
    const token = await programToken('office-101');
    const answer = await fetch(`${run.baseUrl}/api/registry/v1/establishments`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        division: '371425101201',
        name: '老王饭店',
        address: '中心街',
        kind: 'catering',
      }),
    });
    expect(answer.status).toBe(201);
    expect(await names(token)).toEqual(['老王饭店']);
    expect(await names(await programToken('office-102'))).toEqual([]);
    expect(await names(await programToken('county'))).toEqual(['老王饭店']);
  });

  it('lets a person sign in by code and PKCE, and says when the password is wrong', async () => {
    const cookies = new Map<string, string>();
    const go = async (url: string, form?: Record<string, string>): Promise<Response> => {
      const answer = await fetch(new URL(url, run.issuer), {
        redirect: 'manual',
        headers: { cookie: [...cookies].map(([key, value]) => `${key}=${value}`).join('; ') },
        ...(form ? { method: 'POST', body: new URLSearchParams(form) } : {}),
      });
      for (const cookie of answer.headers.getSetCookie()) {
        const [, key = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
        if (value) cookies.set(key, value);
        else cookies.delete(key);
      }
      return answer;
    };
    const location = (answer: Response): string => answer.headers.get('location') ?? '';
    const verifier = randomBytes(32).toString('base64url');
    const redirect = `${run.baseUrl}/docs/oauth2-redirect.html`;
    const query = new URLSearchParams({
      client_id: 'swagger',
      response_type: 'code',
      scope: 'openid',
      redirect_uri: redirect,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    const login = location(await go(`${run.issuer}/auth?${query.toString()}`));
    expect(await (await go(login)).text()).toContain('密码');
    const { name, password } = account('county');
    const wrong = await go(login, { name, password: 'wrong' });
    const unknown = await go(login, { name: 'nobody', password: 'wrong' });
    expect(wrong.status).toBe(401);
    const text = await wrong.text();
    expect(text).toMatch(/账号或密码不正确.*The account or the password is wrong/);
    // But for the name that was typed, nothing tells which names there are.
    const typed = (one: string): string => `value="${one}"`;
    expect(await unknown.text()).toBe(text.replace(typed(name), typed('nobody')));
    const back = await go(location(await go(login, { name, password })));
    const code = new URL(location(back)).searchParams.get('code') ?? '';
    const redeem = (word: string): Promise<Response> =>
      fetch(`${run.issuer}/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          client_id: 'swagger',
          redirect_uri: redirect,
          code,
          code_verifier: word,
        }),
      });
    const { access_token: token } = (await (await redeem(verifier)).json()) as {
      access_token: string;
    };
    expect(await names(token)).toEqual(['老王饭店']);
    expect((await redeem(verifier)).status).toBe(400); // a code is good once
  }, 30_000);

  it('gives no way around the guard by an address spelled otherwise, at its one port', async () => {
    const port = Number(new URL(run.baseUrl).port);
    for (const target of spellings('/api/registry/v1/establishments'))
      await noWayIn(port, `GET ${target} HTTP/1.1`, [], '', [302, 400, 401, 404]);
    for (const target of ['/identity/../api/registry/v1/establishments', '/docs/../../package.json', '/docs/%2e%2e/package.json', '/docs/..%2fpackage.json', '/docs//etc/passwd', '/api/registry/../identity/accounts', '/api/__proto__/v1/x', '/api/constructor/v1/x', '/api', '/api/', '/api//v1'])
      expect([target, (await exchange(port, `GET ${target} HTTP/1.1`)).status]).toEqual([target, 404]);
    for (const target of ['/api/registry', '/identity', '/docs', '/x']) await refusesUnreadable(port, target);
  }); // prettier-ignore

  it('shows a menu of services and no way around the prefix', async () => {
    const docs = await fetch(`${run.baseUrl}/docs/`);
    expect(docs.headers.get('content-security-policy')).toContain("script-src 'self';");
    const html = await docs.text();
    expect(html).toMatch(/data-services="[^"]*\bassignment\b/);
    for (const [, script = ''] of html.matchAll(/<script([^>]*)>/g)) {
      const file = /src="([^"]+)"/.exec(script)?.[1] ?? 'a script in the page';
      const answer = await fetch(new URL(file, run.baseUrl));
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/javascript']);
    }
    for (const path of [
      '/api/constructor/x',
      '//api/registry',
      '/docs/../package.json',
      '/nothing',
    ]) {
      const answer = await fetch(`${run.baseUrl}${path}`);
      expect([answer.status, await answer.json()]).toEqual([
        404,
        expect.objectContaining({ code: 'not-found', errors: [] }),
      ]);
    }
  });

  it('refuses to run twice from one folder, in one sentence, and leaves the first alone', async () => {
    const second = spawnSync(process.execPath, ['dist/apps/platform/src/main.js'], {
      env: { ...process.env, FOODWARDEN_DATA: folder },
      encoding: 'utf8',
    });
    expect([second.status, second.stderr]).toEqual([
      1,
      expect.stringMatching(/^Foodwarden could not start: it runs already from .*: stop that one first, .*\n$/), // prettier-ignore
    ]);
    expect(await names(await programToken('office-101'))).toEqual(['老王饭店']);
  }, 30_000);

  it('opens no demo account in production', () => {
    const answer = spawnSync(process.execPath, ['dist/apps/platform/src/main.js'], {
      env: { ...process.env, FOODWARDEN_DATA: join(folder, 'other'), NODE_ENV: 'production' },
      encoding: 'utf8',
    });
    expect([answer.status, answer.stderr]).toEqual([1, expect.stringContaining('NODE_ENV is production')]); // prettier-ignore
  }, 30_000);

  it('starts beside another installation, on the next port', async () => {
    const other = await mkdtemp(join(tmpdir(), 'foodwarden-start-'));
    const first = { child, run, folder, places };
    folder = other;
    try {
      await start();
      expect(run.baseUrl).not.toBe(first.run.baseUrl);
      expect(run.accounts.map(({ name }) => name)).toEqual(first.run.accounts.map(({ name }) => name)); // prettier-ignore
      const secrets = (of: Run): string[] => of.accounts.map(({ password }) => password);
      expect(secrets(run).some((one) => secrets(first.run).includes(one))).toBe(false);
    } finally {
      const gone = exited();
      child.kill('SIGTERM');
      await gone;
      if (!run.dataDir.startsWith(other)) await rm(dirname(run.dataDir), { recursive: true, force: true }); // prettier-ignore
      await rm(other, { recursive: true, force: true });
      ({ child, run, folder, places } = first);
    }
  }, 90_000);

  it.each(['starting PostgreSQL', 'starting NATS', '  training: '])(
    'leaves nothing running when it is stopped at "%s"',
    async (line) => {
      const other = await mkdtemp(join(tmpdir(), 'foodwarden-start-'));
      try {
        await interrupted(other, line);
        expect(await processesNaming(basename(other))).toEqual([]);
      } finally {
        await removePostgres(join(other, 'postgres'));
        await rm(other, { recursive: true, force: true });
      }
    },
    60_000,
  );

  it('keeps its data through a kill -9, also with accounts that were opened in the demo, and stops clean on a signal', async () => {
    const opened = await fetch(`${run.baseUrl}/api/identity/v1/accounts`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await programToken('county')}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'biaobaisi-wang', displayName: '王秀英', role: 'office', division: '371425101' }),
    }); // prettier-ignore
    expect(opened.status).toBe(201);
    child.kill('SIGKILL');
    await exited();
    // Where none of the demo's accounts is among those that are there, it is no demo.
    const secrets = await readFile(join(folder, 'secrets.json'), 'utf8');
    const known = JSON.parse(secrets) as { accounts: { clientId: string }[] };
    for (const one of known.accounts) one.clientId = randomUUID();
    await writeFile(join(folder, 'secrets.json'), JSON.stringify(known));
    const refused = spawnSync(process.execPath, ['dist/apps/platform/src/main.js'], {
      env: { ...process.env, FOODWARDEN_DATA: folder, NATS_SERVER_BIN: natsServer() },
      encoding: 'utf8',
    });
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringMatching(/real accounts .*--fresh/)]); // prettier-ignore
    await writeFile(join(folder, 'secrets.json'), secrets);
    await start();
    expect(await names(await programToken('office-101'))).toEqual(['老王饭店']);
    const gone = exited();
    child.kill('SIGTERM');
    expect(await gone).toBe(0);
  }, 90_000);

  it('is put back from a copy of what it printed after `data`, where everything was gone', async () => {
    const backup = join(await mkdtemp(join(tmpdir(), 'foodwarden-backup-')), 'backup.tgz');
    const tar = (...args: string[]): unknown => spawnSync('tar', ['-C', '/', ...args]).status;
    expect(tar('-czpf', backup, ...places.map((place) => place.slice(1)))).toBe(0);
    for (const place of places) await rm(place, { recursive: true });
    expect(tar('-xzpf', backup)).toBe(0);
    await rm(dirname(backup), { recursive: true });
    await start();
    expect(await names(await programToken('office-101'))).toEqual(['老王饭店']);
  }, 90_000);

  it('starts over with --fresh, and leaves nothing of a killed run running', async () => {
    const before = await readFile(join(folder, 'secrets.json'), 'utf8');
    child.kill('SIGKILL');
    await exited();
    await interrupted(folder, 'migrating', '--fresh');
    expect(await readFile(join(folder, 'secrets.json'), 'utf8')).not.toBe(before);
    for (const name of [basename(folder), run.dataDir]) expect(await processesNaming(name)).toEqual([]); // prettier-ignore
  }, 90_000);
});
