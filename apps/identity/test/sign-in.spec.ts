import { createHash, randomBytes, randomUUID, scryptSync } from 'node:crypto';
import { freePort } from '#servers';
import { type Answer, County, eventually } from '#testing';
import { jwtVerify, createRemoteJWKSet } from 'jose';
import { Secret, TOTP } from 'otpauth';
import { pino } from 'pino';
import { defaultAddressLimits, type IdentityConfig } from '../src/identity.config.js';
import { identity } from '../src/identity.definition.js';
import { startIdentity } from '../src/identity.server.js';
import { brokenRule } from '../src/password.js';

const countyCode = '371425';
const town = '371425101';
const redirect = 'https://county.example/docs/oauth2-redirect.html';
const own = 'a good long passphrase';

let county: County;
let config: IdentityConfig;
let replicas: Awaited<ReturnType<typeof startIdentity>>[];
let admin: string;
let said = '';
let serial = 0;

const call = (method: string, path: string, body?: unknown): Promise<Answer> =>
  county.call('identity', method, `/v1${path}`, { token: admin, ...(body === undefined ? {} : { body }) }); // prettier-ignore

interface Opened {
  id: string;
  name: string;
  password: string;
}
async function open(role = 'office', division = town): Promise<Opened> {
  const answer = await call('POST', '/accounts', { name: `signer-${(serial += 1)}`, displayName: '王秀英', role, division }); // prettier-ignore
  expect(answer.status).toBe(201);
  return answer.body as Opened;
}

interface Seen {
  status: number;
  html: string;
  next: string;
  headers: Headers;
}
/** A browser that has been sent to the sign-in page; `post` carries what the last page hid. */
async function browser(headers: Record<string, string> = {}): Promise<{
  post(fields: Record<string, string>): Promise<Seen>;
  redeem(next: string): Promise<Record<string, unknown>>;
  authorise(): Promise<string>;
  visit(url: string, form?: Record<string, string>): Promise<Seen>;
}> {
  const cookies = new Map<string, string>();
  const verifier = randomBytes(32).toString('base64url');
  let proof = '';
  const go = async (url: string, form?: Record<string, string>): Promise<Response> => {
    const answer = await fetch(new URL(url, config.issuer), {
      redirect: 'manual',
      headers: { ...headers, cookie: [...cookies].map(([key, value]) => `${key}=${value}`).join('; ') },
      ...(form ? { method: 'POST', body: new URLSearchParams(form) } : {}),
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, key = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value) cookies.set(key, value);
      else cookies.delete(key);
    }
    return answer;
  };
  const authorise = async (): Promise<string> => {
    const query = new URLSearchParams({
      client_id: 'swagger', response_type: 'code', scope: 'openid', redirect_uri: redirect,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
    });
    return (await go(`${config.issuer}/auth?${query.toString()}`)).headers.get('location') ?? '';
  };
  const page = await authorise();
  const visit = async (url: string, form?: Record<string, string>): Promise<Seen> => {
    const answer = await go(url, form);
    return { status: answer.status, html: await answer.text(), next: answer.headers.get('location') ?? '', headers: answer.headers };
  };
  return {
    authorise,
    visit,
    async post(fields) {
      const seen = await visit(page, { ...(proof === '' || 'name' in fields ? {} : { proof }), ...fields });
      proof = /name="proof" value="([^"]+)"/.exec(seen.html)?.[1] ?? '';
      return seen;
    },
    async redeem(next) {
      const back = (await go(next)).headers.get('location') ?? '';
      const answer = await fetch(`${config.issuer}/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'authorization_code', client_id: 'swagger', redirect_uri: redirect,
          code: new URL(back).searchParams.get('code') ?? '', code_verifier: verifier,
        }),
      });
      const { access_token } = (await answer.json()) as { access_token: string };
      const keys = createRemoteJWKSet(new URL(`${config.issuer}/jwks`));
      return (await jwtVerify(access_token, keys, { issuer: config.issuer })).payload;
    },
  };
} // prettier-ignore

const clock = (ahead: string): Promise<unknown> =>
  county.rows('identity', `create or replace function app_now() returns timestamptz language sql stable as $$ select now() + interval '${ahead}' $$`); // prettier-ignore
const codeOf = (html: string, aheadMs = 0): string => {
  const secret = /id="secret">([A-Z2-7]+)</.exec(html)![1]!;
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + aheadMs }); // prettier-ignore
};
const outcomes = async (account: string): Promise<string[]> =>
  (await county.every<{ outcome: string }>('identity', `/v1/sign-ins?account=${account}`, admin)).map(({ outcome }) => outcome); // prettier-ignore

beforeAll(async () => {
  county = await County.start([identity]);
  admin = await county.token('county-admin', countyCode);
  const port = await freePort();
  config = {
    service: 'identity', host: '127.0.0.1', port, databaseUrl: county.url('identity', 'app'), relayUrl: county.url('identity', 'relay'),
    nats: county.busAccess('identity'), issuer: `http://127.0.0.1:${port}/identity`,
    audience: 'urn:foodwarden', logLevel: 'info', files: undefined, cookieKeys: [randomBytes(24).toString('base64url')], swaggerRedirectUris: [redirect],
    totpRoles: ['county-admin'], totpKeys: ['old-key-'.repeat(5)], addressLimits: defaultAddressLimits, trustProxy: 1,
  }; // prettier-ignore
  const log = pino({ level: 'info' }, { write: (line: string) => void (said += line) });
  replicas = [await startIdentity(config, log)];
}, 60_000);
afterEach(() => clock('0'));
afterAll(async () => {
  for (const replica of replicas) await replica.stop();
  await county.stop();
}, 30_000);

describe('a password of one’s own', () => {
  it.each([
    ['elevenchars', 'short'], ['x'.repeat(201), 'long'], ['一'.repeat(67), 'long'], ['Biaobaisi-Wang', 'name'], ['biaobaisi-wang2026', 'name'],
    ['123456789012', 'common'], ['abcabcabcabc', 'common'], ['Password123456', 'common'], ['qwertyuiop123', 'common'], ['admin@20261234', 'common'], ['admin-password-1234', 'common'], ['2026 test_user 2027', 'common'],
    ['aaaaaaaaaaaab', 'common'], ['woaini1314520', 'common'], ['密码密码密码密码密码密码', 'common'],
    [own, undefined], ['刁家村的大槐树今年又开花了呀', undefined], ['k7mq-3xwd-9fhp-2tnc', undefined],
  ] as const)('%s: %s', (password, rule) => {
    expect(brokenRule(password, 'biaobaisi-wang')).toBe(rule);
  }); // prettier-ignore

  it('is the same however a keyboard writes it', () => {
    expect(brokenRule('ａｂｃａｂｃａｂｃａｂｃ', '')).toBe('common');
  });

  it('is asked for at once in place of a one-time password, which is then good for nothing', async () => {
    const { id, name, password } = await open();
    const chrome = await browser();
    const asked = await chrome.post({ name, password });
    expect([asked.status, asked.next]).toEqual([200, '']);
    expect(asked.html).toMatch(/一次性密码[^]*one-time password/);
    expect(asked.html).not.toContain('<script');
    for (const [fields, words] of [
      [{ password: 'short', repeated: 'short' }, '12 个字符'],
      [{ password: own, repeated: `${own}.` }, '两次输入的密码不一致'],
      [{ password, repeated: password }, '不同的密码'],
    ] as const) {
      const refused = await chrome.post(fields);
      expect([refused.status, refused.html]).toEqual([422, expect.stringContaining(words)]);
    }
    const done = await chrome.post({ password: own, repeated: own });
    expect(done.status).toBe(303);
    expect(await chrome.redeem(done.next)).toMatchObject({ sub: id, roles: ['office'], account_version: 2 }); // prettier-ignore
    expect((await (await browser()).post({ name, password })).status).toBe(401);
    expect((await (await browser()).post({ name, password: own.replace('a', 'ａ') })).status).toBe(
      303,
    );
    // What failed is written down within three seconds, at a moment that tells nothing.
    await eventually(() => outcomes(id), (found) => found.sort().join() === 'signed-in,signed-in,wrong-password'); // prettier-ignore
  });

  it('comes too late after 24 hours', async () => {
    const { id, name, password } = await open();
    await clock('24 hours');
    const late = await (await browser()).post({ name, password });
    expect([late.status, late.html]).toEqual([401, expect.stringContaining('一次性密码已过期')]);
    expect((await (await browser()).post({ name, password: 'x' })).html).toContain('账号或密码不正确'); // prettier-ignore
    await eventually(() => outcomes(id), (found) => found.includes('expired')); // prettier-ignore
  });

  it('was kept as scrypt before, is still taken, and is kept as argon2id from then on', async () => {
    const { id, name } = await open();
    const salt = randomBytes(16);
    const old = `${salt.toString('base64url')}.${scryptSync(own, salt, 32).toString('base64url')}`;
    await county.rows('identity', 'update account set password_hash = $2, password_until = null where id = $1', [id, old]); // prettier-ignore
    expect((await (await browser()).post({ name, password: 'wrong' })).status).toBe(401);
    expect((await (await browser()).post({ name, password: own })).status).toBe(303);
    const [row] = await county.rows<{ password_hash: string; version: number }>('identity', 'select password_hash, version from account where id = $1', [id]); // prettier-ignore
    expect(row).toEqual({ password_hash: expect.stringMatching(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/) as unknown, version: 1 }); // prettier-ignore
    expect((await (await browser()).post({ name, password: own })).status).toBe(303);
  });
});

describe('a wrong password', () => {
  it('is told in both languages, keeps the name that was typed, and tells of no name whether it is one', async () => {
    const { name } = await open();
    const odd = `"><script>alert('1')</script>&amp;`;
    const pages = [];
    for (const typed of [name, 'nobody-at-all', odd]) {
      const { status, html } = await (await browser()).post({ name: typed, password: 'wrong' });
      expect([status, html]).toEqual([401, expect.stringMatching(/账号或密码不正确。The account or the password is wrong/)]);
      const kept = /name="name" value="([^"]*)"/.exec(html)![1]!;
      pages.push([kept, html.replace(`value="${kept}"`, '')]);
    }
    const [, rest] = pages[0]!;
    expect(pages).toEqual([[name, rest], ['nobody-at-all', rest], [`&quot;&gt;&lt;script&gt;alert('1')&lt;/script&gt;&amp;amp;`, rest]]);
  }); // prettier-ignore

  it('closes the name after ten, until the password is reset', async () => {
    const { id, name } = await open();
    const chrome = await browser();
    for (let count = 1; count <= 10; count++) await chrome.post({ name, password: 'wrong' });
    expect((await chrome.post({ name, password: 'wrong' })).status).toBe(429);
    const { password } = (await call('POST', `/accounts/${id}/password-reset`)).body as { password: string }; // prettier-ignore
    expect((await (await browser()).post({ name, password })).html).toContain('name="repeated"');
  });
});

describe('signing out', () => {
  const docs = '<a href="https://county.example/docs/">';
  const evil = 'https://evil.example/';

  it('asks first, names the account, ends its sign-in, and leads back to our Swagger UI and nowhere else', async () => {
    const { name, password } = await open();
    const chrome = await browser();
    await chrome.post({ name, password });
    await chrome.redeem((await chrome.post({ password: own, repeated: own })).next);
    expect(await chrome.authorise()).toContain(`${redirect}?code=`);

    const asked = await chrome.visit(`${config.issuer}/session/end?${new URLSearchParams({ post_logout_redirect_uri: evil, state: evil }).toString()}`);
    expect(asked.html).toMatch(new RegExp(`要退出登录 <b>${name}</b> 吗[^]*Sign out <b>${name}</b>\\?`));
    // One card, as at the sign-in: the button in it belongs to the library's form.
    const [, card = ''] = /<main>([^]*)<\/main>/.exec(asked.html)!;
    for (const part of [docs, 'id="op.logoutForm"', 'form="op.logoutForm"']) expect(card).toContain(part);
    expect(await chrome.authorise()).toContain(`${redirect}?code=`); // asked is not done

    const xsrf = /name="xsrf" value="([^"]+)"/.exec(asked.html)![1]!;
    const done = await chrome.visit(`${config.issuer}/session/end/confirm`, { xsrf, logout: 'yes' });
    expect([done.status, done.next]).toEqual([303, `${config.issuer}/session/end/success`]);
    const out = await chrome.visit(done.next);
    expect(out.html).toMatch(/已退出登录[^]*You are signed out/);
    expect(out.html).toContain(docs);
    for (const { html, headers } of [asked, out]) {
      expect(html).not.toContain(evil);
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    }
    expect(await chrome.authorise()).toContain('/interaction/');
  }); // prettier-ignore

  it('sends nobody to an address that is not registered', async () => {
    const chrome = await browser();
    const query = new URLSearchParams({ client_id: 'swagger', post_logout_redirect_uri: evil });
    const refused = await chrome.visit(`${config.issuer}/session/end?${query.toString()}`);
    expect([refused.status, refused.next]).toEqual([400, '']);
    expect(refused.html).not.toContain(evil);
  });
});

describe('a closed account', () => {
  it('gets no token: neither its person, nor one who is signed in, nor its program', async () => {
    const { id, name, password } = await open();
    const chrome = await browser();
    await chrome.post({ name, password });
    const done = await chrome.post({ password: own, repeated: own });
    await chrome.redeem(done.next);
    expect(await chrome.authorise()).toContain(`${redirect}?code=`);
    const { clientSecret } = (await call('POST', `/accounts/${id}/client-secret`)).body as { clientSecret: string }; // prettier-ignore
    expect(await chrome.authorise()).toContain('/interaction/'); // that was a change: sign in again
    const program = (): Promise<Response> =>
      fetch(`${config.issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`${id}:${clientSecret}`).toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      }); // prettier-ignore
    for (const status of [200, 200]) expect((await program()).status).toBe(status);
    // Once an hour.
    await eventually(
      async () => (await call('GET', `/sign-ins?account=${id}&outcome=program`)).body as { items: unknown[] }, // prettier-ignore
      ({ items }) => items.length === 1,
    );
    const state = (await call('GET', `/accounts/${id}`)).body as { version: number };
    await county.call('identity', 'PATCH', `/v1/accounts/${id}`, { token: admin, body: { active: false }, headers: { 'if-match': `"${state.version}"` } }); // prettier-ignore
    expect((await program()).status).toBe(401);
    const wrong = await (await browser()).post({ name, password: 'x' });
    const right = await (await browser()).post({ name, password: own });
    // Who has the password is told whom to ask; nobody else is told from a name that there is not.
    expect([right.status, right.html]).toEqual([401, expect.stringContaining('该账号已停用,如需恢复请联系县管理员。This account is closed: ask your county admin')]);
    const nobody = await (await browser()).post({ name: 'nobody-here', password: 'x' });
    expect([wrong.status, wrong.html.replace(name, 'nobody-here')]).toEqual([401, nobody.html]);
    expect(nobody.html).toContain('The account or the password is wrong');
  }); // prettier-ignore
});

describe('a second factor', () => {
  /** Signs in with a one-time password up to the enrolment page. */
  async function enrolling(who: Opened): Promise<{ chrome: Awaited<ReturnType<typeof browser>>; page: Seen }> {
    const chrome = await browser();
    await chrome.post({ name: who.name, password: who.password });
    return { chrome, page: await chrome.post({ password: own, repeated: own }) };
  } // prettier-ignore

  it('is enrolled by a county admin at the first sign-in, with a picture, the secret and ten recovery codes', async () => {
    const who = await open('county-admin', countyCode);
    const { chrome, page } = await enrolling(who);
    expect([page.status, page.next]).toEqual([200, '']);
    expect(page.html).toContain('<svg');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const secret = /id="secret">([A-Z2-7]{32})</.exec(page.html)![1]!;
    const [kept] = await county.rows<{ secret: string }>('identity', 'select secret from totp where account_id = $1', [who.id]); // prettier-ignore
    expect(kept!.secret).not.toContain(secret);
    const wrong = await chrome.post({ code: '000000' });
    expect([wrong.status, wrong.html]).toEqual([401, expect.stringContaining(secret)]);
    const enrolled = codeOf(page.html);
    const codes = await chrome.post({ code: enrolled });
    const words = [...codes.html.matchAll(/<li>([a-z2-9-]{19})<\/li>/g)].map(([, one]) => one!);
    expect(words).toHaveLength(10);
    const done = await chrome.post({});
    expect(done.status).toBe(303);
    expect(await chrome.redeem(done.next)).toMatchObject({
      sub: who.id,
      client_id: 'swagger',
      roles: ['county-admin'],
    });

    // From now on the code is asked for, after the right password alone.
    const again = await browser();
    expect((await again.post({ name: who.name, password: 'wrong' })).html).not.toContain('验证码');
    expect((await again.post({ name: who.name, password: own })).html).toContain('验证码');
    const used = await again.post({ code: enrolled });
    expect(used.status).toBe(401); // each step once, also one that was used to enrol
    await clock('30 seconds');
    expect((await again.post({ code: codeOf(page.html, 30_000) })).status).toBe(303);
    const lost = await browser();
    await lost.post({ name: who.name, password: own });
    expect((await lost.post({ code: words[0]!.toUpperCase() })).status).toBe(303);
    const twice = await browser();
    await twice.post({ name: who.name, password: own });
    expect((await twice.post({ code: words[0]! })).status).toBe(401);
    const [hashed] = await county.rows<{ text: string }>('identity', `select string_agg(r::text, '') as text from recovery_code r`); // prettier-ignore
    for (const word of words) expect(hashed!.text).not.toContain(word);
    expect(said).not.toContain(secret);
    for (const word of [...words, own, who.password]) expect(said).not.toContain(word);
    expect((await call('GET', `/accounts/${who.id}`)).body).toMatchObject({ secondFactor: true });
    const wanted =
      'enrolled,recovery-code,signed-in,signed-in,wrong-code,wrong-code,wrong-code,wrong-password';
    await eventually(() => outcomes(who.id), (found) => found.sort().join() === wanted); // prettier-ignore
  }, 30_000);

  it('counts wrong codes like wrong passwords', async () => {
    const who = await open('county-admin', countyCode);
    const { chrome, page } = await enrolling(who);
    const tries = [];
    for (let count = 1; count <= 11; count++) {
      const answer = await chrome.post({ code: '000000' });
      tries.push(answer.status);
    }
    expect(tries).toEqual([...Array<number>(10).fill(401), 429]);
    const again = await browser();
    await again.post({ name: who.name, password: own });
    expect((await again.post({ code: codeOf(page.html) })).status).toBe(429);
  }, 30_000);

  it('is asked for of no other role, and enrolled anew after another admin reset it', async () => {
    const clerk = await open();
    expect((await enrolling(clerk)).page.status).toBe(303);
    const who = await open('county-admin', countyCode);
    const { chrome, page } = await enrolling(who);
    await chrome.post({ code: codeOf(page.html) });
    expect((await chrome.post({})).status).toBe(303);
    expect((await call('POST', `/accounts/${who.id}/second-factor-reset`)).body).toMatchObject({ secondFactor: false }); // prettier-ignore
    const anew = await browser();
    const shown = await anew.post({ name: who.name, password: own });
    expect(/id="secret">([A-Z2-7]{32})</.exec(shown.html)![1]).not.toBe(/id="secret">([A-Z2-7]{32})</.exec(page.html)![1]); // prettier-ignore
  }, 30_000);

  it('is still readable when a new key stands before the old one', async () => {
    const who = await open('county-admin', countyCode);
    const { chrome, page } = await enrolling(who);
    await chrome.post({ code: codeOf(page.html) });
    const port = await freePort();
    const before = config;
    config = { ...before, port, issuer: `http://127.0.0.1:${port}/identity`, totpKeys: ['new-key-'.repeat(5), ...before.totpKeys] }; // prettier-ignore
    const other = await startIdentity(config, pino({ level: 'silent' }));
    try {
      const anew = await browser();
      await anew.post({ name: who.name, password: own });
      await clock('30 seconds');
      expect((await anew.post({ code: codeOf(page.html, 30_000) })).status).toBe(303);
    } finally {
      config = before;
      await other.stop();
    }
  }, 30_000);
});

describe('what a page brings back', () => {
  it('is good for its own sign-in, its own account and as long as nothing changed', async () => {
    const { id, name, password } = await open();
    const [chrome, other] = [await browser(), await browser()];
    const asked = await chrome.post({ name, password });
    const proof = /name="proof" value="([^"]+)"/.exec(asked.html)![1]!;
    const stolen = await other.post({ proof, password: own, repeated: own });
    expect([stolen.status, stolen.html]).toEqual([400, expect.stringContaining('start again')]);
    const bent = `${Buffer.from(Buffer.from(proof.split('.')[0]!, 'base64url').toString().replace(id, randomUUID())).toString('base64url')}.${proof.split('.')[1]!}`;
    expect((await chrome.post({ proof: bent, password: own, repeated: own })).status).toBe(400);
    await call('POST', `/accounts/${id}/password-reset`);
    expect((await chrome.post({ proof, password: own, repeated: own })).status).toBe(400);
  }); // prettier-ignore
});

describe('sign-ins', () => {
  it('are written down with the address the proxy of ours tells, for accounts that there are alone', async () => {
    const { id, name, password } = await open();
    const chrome = await browser({ 'x-forwarded-for': '203.0.113.9, 192.0.2.17' });
    for (let count = 1; count <= 13; count++) await chrome.post({ name, password: 'wrong' });
    /** An issuer that stops has written down everything. */
    const restarted = async (): Promise<number> => {
      await replicas[0]!.stop();
      replicas = [await startIdentity(config, pino({ level: 'silent' }))];
      return (await county.rows<{ n: number }>('identity', 'select count(*)::int as n from sign_in'))[0]!.n; // prettier-ignore
    };
    const before = await restarted();
    await (await browser()).post({ name: 'nobody-at-all', password });
    expect(await restarted()).toBe(before);
    const lines = await county.every<{ outcome: string; address: string; division: string }>('identity', `/v1/sign-ins?account=${id}`, admin); // prettier-ignore
    expect(lines.map(({ outcome }) => outcome).sort()).toEqual(['locked', ...Array<string>(10).fill('wrong-password')]); // prettier-ignore
    expect(new Set(lines.map(({ address, division }) => `${address} ${division}`))).toEqual(new Set([`192.0.2.17 ${town}`])); // prettier-ignore
    const auditor = await county.token('auditor', '371425102');
    expect(await county.every('identity', `/v1/sign-ins?account=${id}`, auditor)).toEqual([]);
  }, 30_000);
});

describe('the issuer’s public routes', () => {
  it('take so many requests a minute from one address, over all replicas, and say when to come again', async () => {
    const port = await freePort();
    const narrow = { ...config, addressLimits: { auth: 3, token: 3, interaction: 3 } };
    const two = await Promise.all([freePort().then((one) => startIdentity({ ...narrow, port: one }, pino({ level: 'silent' }))), startIdentity({ ...narrow, port }, pino({ level: 'silent' }))]); // prettier-ignore
    try {
      const from = (address: string, path: string, method: string, at: number): Promise<Response> =>
        fetch(`http://127.0.0.1:${two[at]!.port}/identity/${path}`, { method, redirect: 'manual', headers: { 'x-forwarded-for': address } }); // prettier-ignore
      for (const [path, method] of [['token', 'POST'], ['auth', 'GET'], ['interaction/x', 'POST']] as const) {
        const address = `198.51.100.${path.length}`;
        const statuses = [];
        for (let count = 0; count < 4; count++) statuses.push((await from(address, path, method, count % 2)).status); // prettier-ignore
        expect([path, statuses.slice(0, 3).includes(429), statuses[3]]).toEqual([path, false, 429]);
        const refused = await from(address, path, method, 0);
        expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
        expect((await from(`${address}9`, path, method, 0)).status).not.toBe(429); // another address
      } // prettier-ignore
      await clock('61 seconds');
      expect((await from('198.51.100.5', 'token', 'POST', 0)).status).not.toBe(429);
      // One customer has a whole /64.
      const six = [];
      for (let count = 0; count < 4; count++) six.push((await from(`2001:db8:1:2::${count}`, 'token', 'POST', 0)).status); // prettier-ignore
      expect(six[3]).toBe(429);
    } finally {
      for (const one of two) await one.stop();
    }
  }, 30_000);
});
