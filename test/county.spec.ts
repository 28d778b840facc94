import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request as forward } from 'node:http';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { freePort, newAuthority, newCertificate } from '#servers';
import { eventually } from '#testing';
import { Secret, TOTP } from 'otpauth';

/* npm start -- --county: a county for real use on one machine. */

interface Run {
  baseUrl: string;
  issuer: string;
  dataDir: string;
  county: string;
}
let folder: string;
let port: number;
let child: ChildProcess;
let said = '';

function launch(...args: string[]): ChildProcess {
  const { natsServer } = JSON.parse(process.env['TEST_SERVERS'] ?? '{}') as { natsServer: string };
  said = '';
  const made = spawn(process.execPath, ['dist/apps/platform/src/main.js', ...args], {
    env: { ...process.env, FOODWARDEN_DATA: folder, NATS_SERVER_BIN: natsServer, NODE_ENV: process.env['NODE_ENV_OF_START'] ?? 'production' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [made.stdout, made.stderr])
    stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return made;
} // prettier-ignore
const ended = (one: ChildProcess): Promise<number | null> =>
  new Promise((done) => (one.exitCode === null ? one.once('close', done) : done(one.exitCode)));

async function start(...args: string[]): Promise<Run> {
  child = launch('--county', '371425', '--port', String(port), ...args);
  await eventually(async () => said, (text) => text.includes('for scripts') || child.exitCode !== null, 60_000); // prettier-ignore
  expect(said).toContain('for scripts');
  return JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')) as Run;
}
async function refused(...args: string[]): Promise<string> {
  const kept = said;
  const code = await ended(launch(...args));
  const [sentence, rest] = [said, code];
  said = kept;
  expect(rest).toBe(1);
  expect(sentence.trim().split('\n')).toHaveLength(1);
  return sentence;
}

/** Signs in page by page, as a browser does. @returns an access token */
async function signIn(run: Run, pages: ((html: string) => Record<string, string>)[]): Promise<string> {
  const cookies = new Map<string, string>();
  const verifier = randomBytes(32).toString('base64url');
  const redirect = `${run.baseUrl}/docs/oauth2-redirect.html`;
  const go = async (url: string, form?: Record<string, string>): Promise<Response> => {
    const answer = await fetch(new URL(url, run.issuer), {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([key, value]) => `${key}=${value}`).join('; ') },
      ...(form ? { method: 'POST', body: new URLSearchParams(form) } : {}),
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, key = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value) cookies.set(key, value);
    }
    return answer;
  };
  const query = new URLSearchParams({
    client_id: 'swagger', response_type: 'code', scope: 'openid', redirect_uri: redirect,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
  });
  const page = (await go(`${run.issuer}/auth?${query.toString()}`)).headers.get('location') ?? '';
  let html = '';
  let next = '';
  for (const fill of pages) {
    const proof = /name="proof" value="([^"]+)"/.exec(html)?.[1];
    const answer = await go(page, { ...(proof ? { proof } : {}), ...fill(html) });
    html = await answer.text();
    next = answer.headers.get('location') ?? '';
  }
  const back = (await go(next)).headers.get('location') ?? '';
  const answer = await fetch(`${run.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code', client_id: 'swagger', redirect_uri: redirect, code: new URL(back).searchParams.get('code') ?? '', code_verifier: verifier,
    }),
  });
  return ((await answer.json()) as { access_token: string }).access_token;
} // prettier-ignore

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foodwarden-county-'));
  port = await freePort();
});
afterAll(async () => {
  if (child.exitCode === null) {
    child.kill('SIGTERM');
    await ended(child);
  }
  const run = await readFile(join(folder, 'run.json'), 'utf8').then((text) => JSON.parse(text) as Run, () => undefined); // prettier-ignore
  await rm(folder, { recursive: true, force: true });
  if (run && !run.dataDir.startsWith(folder)) await rm(dirname(run.dataDir), { recursive: true, force: true }); // prettier-ignore
}, 60_000);

describe('npm start -- --county', () => {
  const password = 'the county’s own passphrase';
  let word: string;

  it('starts a county without demo accounts and sample rows, with one administrator whose word is shown once', async () => {
    const run = await start();
    word = /admin {2}county-admin of 371425 {2}one-time password (\S+)/.exec(said)![1]!;
    expect(Object.keys(run).sort()).toEqual(['baseUrl', 'county', 'dataDir', 'issuer']);
    for (const file of ['run.json', 'secrets.json'])
      expect(await readFile(join(folder, file), 'utf8')).not.toContain(word);
    let html = '';
    const token = await signIn(run, [
      () => ({ name: 'admin', password: word }),
      () => ({ password, repeated: password }),
      (page) => {
        html = page;
        const secret = /id="secret">([A-Z2-7]+)</.exec(page)![1]!;
        return { code: new TOTP({ secret: Secret.fromBase32(secret) }).generate() };
      },
      () => ({}),
    ]);
    expect(html).toContain('<svg');
    const list = async (path: string): Promise<unknown[]> => {
      const answer = await fetch(`${run.baseUrl}/api/${path}`, { headers: { authorization: `Bearer ${token}` } }); // prettier-ignore
      expect([path, answer.status]).toEqual([path, 200]);
      return ((await answer.json()) as { items: unknown[] }).items;
    };
    expect(await list('identity/v1/accounts')).toEqual([expect.objectContaining({ name: 'admin', role: 'county-admin', secondFactor: true })]); // prettier-ignore
    for (const empty of ['registry/v1/establishments', 'registry/v1/ledger-imports', 'assignment/v1/officials'])
      expect([empty, await list(empty)]).toEqual([empty, []]); // prettier-ignore
    for (const full of ['registry/v1/divisions?parent=371425', 'registry/v1/calendar-years', 'registry/v1/policies', 'inspection/v1/checklists'])
      expect([full, (await list(full)).length > 0]).toEqual([full, true]); // prettier-ignore
  }, 90_000);

  it('shows identity in the menu of services', async () => {
    const run = JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')) as Run;
    expect(await (await fetch(`${run.baseUrl}/docs/`)).text()).toMatch(/data-services="[^"]*\bidentity\b/); // prettier-ignore
    const document = (await (await fetch(`${run.baseUrl}/api/identity/openapi.json`)).json()) as { paths: object }; // prettier-ignore
    expect(Object.keys(document.paths)).toContain('/api/identity/v1/accounts');
  });

  it('keeps what it has over a restart, and tells no word again', async () => {
    child.kill('SIGTERM');
    expect(await ended(child)).toBe(0);
    await start();
    expect(said).not.toContain('one-time password');
    expect(said).not.toContain(word);
  }, 90_000);

  it('tells every fault of a changed folder before it loads anything, and which places have left it', async () => {
    child.kill('SIGTERM');
    await ended(child);
    const from = join(folder, 'changed');
    await cp('apps/platform/sample', from, { recursive: true });
    const divisions = await readFile(join(from, 'divisions.csv'), 'utf8');
    const gone = /^371425101201,([^,]+),.*\n/m.exec(divisions)!;
    await writeFile(join(from, 'divisions.csv'), divisions.replace(/^371425101202,/m, '37142510120,'));
    expect(await refused('--county', '371425', '--from', from)).toMatch(/divisions\.csv, row \d+, code: "37142510120" is no code of a village; write 12 digits/);
    process.env['SMTP_URL'] = '127.0.0.1:2525';
    expect(await refused('--county', '371425').finally(() => delete process.env['SMTP_URL'])).toMatch(/^Foodwarden could not start: notification cannot start: set SMTP_URL \(like/);
    await writeFile(join(from, 'divisions.csv'), divisions.replace(gone[0], ''));
    const policies = await readFile(join(from, 'policies.json'), 'utf8');
    await writeFile(join(from, 'policies.json'), policies.replace(`"defaultWorkingDays": 10`, `"defaultWorkingDays": 11`));
    expect(await ended(launch('--county', '371425', '--port', String(port), '--from', from))).toBe(1);
    expect(said).toMatch(/could not start: .*policies\.json: correction-deadline version \d+ is loaded with other words; give the change a new version/);
    expect(said).not.toContain('registry:');
    await writeFile(join(from, 'policies.json'), policies);
    await start('--from', from);
    expect(said).toContain(`kept: 1 个地方已不在 divisions.csv 中`);
    expect(said).toContain(`371425101201 ${gone[1]}\n`);
  }, 90_000); // prettier-ignore

  it('is not thrown away by a demo, and not by --fresh without a further word', async () => {
    child.kill('SIGTERM');
    await ended(child);
    expect(await refused('--county', '371425', '--fresh')).toContain('add --erase 371425');
    expect(await refused()).toContain('NODE_ENV is production');
    // Where its secrets are lost, it is still a county's.
    const secrets = await readFile(join(folder, 'secrets.json'), 'utf8');
    await rm(join(folder, 'secrets.json'));
    expect(await refused('--county', '371425', '--fresh')).toContain('add --erase 371425');
    process.env['NODE_ENV_OF_START'] = 'test';
    expect(
      await refused('--fresh').finally(() => delete process.env['NODE_ENV_OF_START']),
    ).toContain('holds the installation of county 371425');
    await writeFile(join(folder, 'secrets.json'), secrets);
    expect(await refused('--county', '371482', '--from', 'apps/platform/sample')).toContain('holds county 371425, not 371482'); // prettier-ignore
    await start('--reset-admin');
    expect(said).toMatch(/one-time password \S{19} /);
    child.kill('SIGTERM');
    expect(await ended(child)).toBe(0);
    await start();
    expect(said).toMatch(/admin has not used the one-time password .* --reset-admin/);
  }, 90_000);

  it('is reached by the address of a proxy with a certificate, and says no other', async () => {
    const authority = newAuthority();
    const believed = getCACertificates('default');
    const gate = await freePort();
    // As a proxy without any settings: it says its own Host and no protocol.
    const proxy: Server = createServer(newCertificate(authority, ['localhost']), (request, response) => {
      const { url: path, method, headers } = request;
      const inward = forward({ host: '127.0.0.1', port, path, method, headers: { ...headers, host: `127.0.0.1:${port}` } }, (answer) => {
        cookies.push(...(answer.headers['set-cookie'] ?? []));
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      inward.on('error', () => response.destroy());
      request.pipe(inward);
    });
    const cookies: string[] = [];
    await new Promise<void>((done) => proxy.listen(gate, '127.0.0.1', done));
    setDefaultCACertificates([...believed, authority.cert]);
    try {
      child.kill('SIGTERM');
      await ended(child);
      expect(said).toContain('stopping …\nstopped');
      const at = `https://localhost:${gate}`;
      await start('--reset-admin', '--url', at);
      word = /one-time password (\S+)/.exec(said)![1]!;
      expect(said).toContain(`APIs        ${at}/docs/`);
      expect(said).toContain(`passes ${at} on to http://127.0.0.1:${port}`);
      expect(said).not.toContain('beware');
      const run = JSON.parse(await readFile(join(folder, 'run.json'), 'utf8')) as Run;
      expect(run).toMatchObject({ baseUrl: at, issuer: `${at}/identity` });
      const found = await (await fetch(`${run.issuer}/.well-known/openid-configuration`)).text();
      expect(found).toContain(`"authorization_endpoint":"${at}/identity/auth"`);
      expect(found).not.toContain('http://');
      const document = await (await fetch(`${at}/api/registry/openapi.json`)).text();
      expect(document).toContain(`"authorizationUrl":"${at}/identity/auth"`);
      expect(document).not.toContain(`127.0.0.1:${port}`);
      const token = await signIn(run, [
        () => ({ name: 'admin', password: word }),
        () => ({ password, repeated: password }),
        (page) => ({ code: new TOTP({ secret: Secret.fromBase32(/id="secret">([A-Z2-7]+)</.exec(page)![1]!) }).generate() }),
        () => ({}),
      ]);
      const answer = await fetch(`${at}/api/identity/v1/accounts`, { headers: { authorization: `Bearer ${token}` } });
      expect(answer.status).toBe(200);
      expect(cookies.length).toBeGreaterThan(0);
      expect(cookies.filter((cookie) => !/; secure/i.test(cookie))).toEqual([]);
      child.kill('SIGTERM');
      await ended(child);
      await start();
      expect(said).toContain(`APIs        ${at}/docs/`);
    } finally {
      setDefaultCACertificates(believed);
      proxy.closeAllConnections();
      await new Promise((done) => proxy.close(done));
    }
  }, 90_000); // prettier-ignore
});
