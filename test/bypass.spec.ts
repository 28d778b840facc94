import { createHmac, createPublicKey, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type Answer, County, eventually } from '#testing';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { assignment } from '../apps/assignment/src/assignment.definition.js';
import { identity } from '../apps/identity/src/identity.definition.js';
import { inspection } from '../apps/inspection/src/inspection.definition.js';
import { notification } from '../apps/notification/src/notification.definition.js';
import { registry } from '../apps/registry/src/registry.definition.js';
import { training } from '../apps/training/src/training.definition.js';
import { exchange, noWayIn, refusesUnreadable, spellings } from './bypass.js';

/*
 * Ways around the guard: addresses spelled otherwise, methods and headers that some server somewhere believes, tokens that
 * are not what they say. Nothing of it shows a row or breaks anything; what means the same gets the same answer.
 */

let county: County;
let port: number;
let key: JWK;
let attacker: { server: Server; url: string; fetched: number; jwk: JWK; privateKey: CryptoKey };
const path = '/api/registry/v1/establishments';
const claims = { sub: randomUUID(), roles: ['county-admin'], division: '371425' };

beforeAll(async () => {
  county = await County.start([registry, assignment, inspection, training, notification, identity]);
  port = Number(county.base('registry').port);
  const admin = await county.token('county-admin', '371425');
  const made = await county.call('registry', 'POST', '/v1/establishments', { token: admin, body: { division: '371425101201', name: '暗号店', address: '一号', kind: 'catering', area: 50 } }); // prettier-ignore
  expect(made.status).toBe(201);
  key = ((await (await fetch(`${county.issuer.issuer}/jwks`)).json()) as { keys: [JWK] }).keys[0];
  const pair = await generateKeyPair('ES256');
  const server = createServer((_request, response) => {
    attacker.fetched += 1;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [attacker.jwk] }));
  }); // prettier-ignore
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  attacker = {
    server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`, fetched: 0,
    jwk: { ...(await exportJWK(pair.publicKey)), kid: 'test', alg: 'ES256', use: 'sig' }, privateKey: pair.privateKey,
  }; // prettier-ignore
}, 60_000);
afterAll(async () => {
  attacker.server.close();
  await county.stop();
}, 30_000);

const get = (token: string): Promise<Answer> =>
  county.call('registry', 'GET', '/v1/establishments', { token });
const codeOf = ({ status, body }: Answer): string => `${status} ${(body as { code?: string } | undefined)?.code ?? ''}`; // prettier-ignore

describe('an address spelled otherwise', () => {
  it.each(spellings(path))('shows nothing without a token: %s', async (target) => {
    await noWayIn(port, `GET ${target} HTTP/1.1`);
  });

  it('is told why when nobody can read it', () => refusesUnreadable(port, path));

  it('is answered with a token as the plain one, or not at all', async () => {
    const token = await county.token('county-admin', '371425');
    const foreign = await county.token('county-admin', '371482');
    const plain = await exchange(port, `GET ${path} HTTP/1.1`, [`authorization: Bearer ${token}`]);
    expect([plain.status, plain.body.includes('暗号店')]).toEqual([200, true]);
    for (const target of spellings(path)) {
      const answer = await exchange(port, `GET ${target} HTTP/1.1`, [`authorization: Bearer ${token}`]); // prettier-ignore
      if (answer.status === 200) expect([target, answer.body]).toEqual([target, plain.body]);
      else
        expect([target, answer.status, [400, 404, 422].includes(answer.status)]).toEqual([
          target,
          answer.status,
          true,
        ]);
      const other = await exchange(port, `GET ${target} HTTP/1.1`, [`authorization: Bearer ${foreign}`]); // prettier-ignore
      expect([target, other.status < 500, other.body.includes('暗号店')]).toEqual([target, true, false]); // prettier-ignore
    }
  });
});

/** A list of each service, of people or of what is theirs. */
const lists = {
  registry: 'establishments', assignment: 'officials', inspection: 'obligations', training: 'certificates', notification: 'messages', identity: 'accounts',
} as const; // prettier-ignore

describe.each(Object.keys(lists) as (keyof typeof lists)[])('the API of %s', (service) => {
  it('shows nothing without a token, however its address is spelled', async () => {
    const { port: at } = county.base(service);
    for (const target of spellings(`/api/${service}/v1/${lists[service]}`))
      await noWayIn(Number(at), `GET ${target} HTTP/1.1`);
  }, 60_000);

  it('asks every operation of its document for a token of the issuer, before it reads anything else', async () => {
    const { document } = await county.contract(service);
    const bad = [undefined, await forged({}), `${part({ alg: 'none', kid: 'test' })}.${part(whole())}.`, hmac('HS256', JSON.stringify(key)), await county.issuer.sign(claims, { audience: 'urn:other' }), await county.issuer.sign(claims, { expires: '-1h' })]; // prettier-ignore
    for (const [whole, operations] of Object.entries(document.paths))
      for (const method of Object.keys(operations)) {
        const at = whole.replace(`/api/${service}`, '').replace('{id}', randomUUID()).replace('{code}', 'x'); // prettier-ignore
        for (const token of bad)
          expect([method, at, codeOf(await county.call(service, method.toUpperCase(), at, token ? { token } : {}))]).toEqual([method, at, '401 not-signed-in']); // prettier-ignore
      }
  }, 60_000);
});

it.each(['HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'PROPFIND', 'SEARCH', 'get', 'GET\t', 'FOO'])(
  'gives no way in by the method %s',
  (method) => noWayIn(port, `${method} ${path} HTTP/1.1`),
);

describe('a header or query that some server believes', () => {
  it.each([
    'x-original-url: /api/registry/health/live', 'x-rewrite-url: /api/registry/health/live', 'x-http-method-override: OPTIONS',
    'x-forwarded-for: 127.0.0.1', 'x-forwarded-host: localhost', 'x-forwarded-prefix: /api/registry/health/live', 'forwarded: for=127.0.0.1',
    'x-forwarded-user: admin', 'remote-user: admin', 'x-remote-user: admin', 'x-real-ip: 127.0.0.1', 'x-internal: true', 'cookie: token=x',
    'authorization: Basic YWRtaW46YWRtaW4=', 'authorization: Negotiate x', 'proxy-authorization: Bearer x', 'host: 127.0.0.1', 'x-division: 371425',
    'connection: authorization', 'upgrade: h2c', 'expect: 100-continue', 'transfer-encoding: identity',
  ])('opens nothing: %s', (header) => noWayIn(port, `GET ${path} HTTP/1.1`, [header])); // prettier-ignore

  it('does not turn an address that is open into one that is not', async () => {
    for (const name of [
      'x-original-url',
      'x-rewrite-url',
      'x-forwarded-prefix',
      'x-forwarded-uri',
    ]) {
      const answer = await exchange(port, 'GET /api/registry/health/live HTTP/1.1', [`${name}: ${path}`]); // prettier-ignore
      expect([name, answer.status, answer.body]).toEqual([name, 200, '{"status":"ok"}']);
    }
  });

  it('does not turn a reader into a writer', async () => {
    const auditor = await county.token('auditor', '371425');
    const body = JSON.stringify({ division: '371425101201', name: '不该有', address: '一号', kind: 'catering' }); // prettier-ignore
    for (const [line, ...more] of [
      [`POST ${path} HTTP/1.1`, 'x-http-method-override: GET'], [`POST ${path}?_method=GET HTTP/1.1`], [`POST ${path} HTTP/1.1`, 'x-method-override: GET', 'x-http-method: GET'],
    ] as string[][]) {
      const answer = await exchange(port, line!, [`authorization: Bearer ${auditor}`, 'content-type: application/json', `content-length: ${Buffer.byteLength(body)}`, ...more], body);
      expect([line, answer.status]).toEqual([line, 403]);
    } // prettier-ignore
    const reading = await exchange(port, `GET ${path} HTTP/1.1`, [`authorization: Bearer ${auditor}`, 'x-http-method-override: POST']); // prettier-ignore
    expect(reading.status).toBe(200);
    expect(await county.rows('registry', `select 1 as one from establishment where name = '不该有'`)).toEqual([]); // prettier-ignore
  });

  it('is no place for a token', async () => {
    const token = await county.token('county-admin', '371425');
    for (const target of [
      `${path}?access_token=${token}`,
      `${path}?token=${token}`,
      `${path}?authorization=Bearer%20${token}`,
    ])
      // prettier-ignore
      await noWayIn(port, `GET ${target} HTTP/1.1`);
    for (const header of [
      `cookie: access_token=${token}`,
      `x-access-token: ${token}`,
      `x-authorization: Bearer ${token}`,
      `proxy-authorization: Bearer ${token}`,
      `authorization : Bearer ${token}`,
    ])
      // prettier-ignore
      await noWayIn(port, `GET ${path} HTTP/1.1`, [header]);
  });

  it('comes once: of two Authorization headers neither counts', async () => {
    const token = `authorization: Bearer ${await county.token('county-admin', '371425')}`;
    for (const pair of [
      [token, 'authorization: Bearer x'],
      ['authorization: Bearer x', token],
      [token, token],
      ['authorization:', token],
    ])
      // prettier-ignore
      await noWayIn(port, `GET ${path} HTTP/1.1`, pair);
  });

  it('takes a bearer token as it is written, and in no other dress', async () => {
    const token = await county.token('county-admin', '371425');
    for (const value of [`bearer ${token}`, `BEARER ${token}`, `Bearer ${token} `]) {
      const answer = await exchange(port, `GET ${path} HTTP/1.1`, [`authorization: ${value}`]);
      expect([value.slice(0, 8), answer.status]).toEqual([value.slice(0, 8), 200]);
    }
    for (const value of [
      token,
      `Bearer  ${token}`,
      `Bearer\t${token}`,
      `Bearer=${token}`,
      `Bearer:${token}`,
      `Bearer "${token}"`,
      `Bearer ${token},`,
      `Bearer ${token} x`,
      `Bearer x, Bearer ${token}`,
      `JWT ${token}`,
      `Token ${token}`,
      `Bearer ${token}=`,
      `Bearer ${token}.`,
      `Bearer .${token}`,
      `Bearer ${token}.${token}`,
      `Bearer ${encodeURIComponent(`${token} `)}`,
      'Bearer',
      'Bearer undefined',
      'Bearer null',
      'Bearer ..',
      'Bearer ...',
      'Bearer ....',
    ])
      // prettier-ignore
      await noWayIn(port, `GET ${path} HTTP/1.1`, [`authorization: ${value}`]);
    await noWayIn(port, `GET ${path} HTTP/1.1`, [`authorization: Bearer ${'x'.repeat(200_000)}`], '', [401, 431]); // prettier-ignore
  });
});

// ---- tokens ----

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const whole = (): Record<string, unknown> => ({
  ...claims, iss: county.issuer.issuer, aud: 'urn:foodwarden',
  iat: Math.floor(Date.now() / 1000), exp: Math.floor(Date.now() / 1000) + 300,
}); // prettier-ignore
/** Signed as told, with a secret that everybody knows. */
const hmac = (alg: string, secret: string | Buffer, header = {}): string => {
  const text = `${part({ alg, kid: 'test', ...header })}.${part(whole())}`;
  return `${text}.${createHmac(alg.replace('HS', 'sha'), secret).update(text).digest('base64url')}`;
};
const forged = (header: Record<string, unknown>): Promise<string> =>
  new SignJWT(whole()).setProtectedHeader({ alg: 'ES256', kid: 'test', ...header }).sign(attacker.privateKey); // prettier-ignore

describe('a token', () => {
  it('is taken from the issuer: the others below differ from it in one thing', async () => {
    expect((await get(await county.issuer.sign(claims))).status).toBe(200);
    expect((await get(await county.issuer.sign(claims, { header: { typ: 'at+jwt' } }))).status).toBe(200); // prettier-ignore
  });

  it('without a signature is refused, however it says so', async () => {
    const [, , signature = ''] = (await county.issuer.sign(claims)).split('.');
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null, 0, ['none'], { alg: 'none' }, undefined])
      for (const end of ['', signature])
        expect([alg, codeOf(await get(`${part({ alg, kid: 'test' })}.${part(whole())}.${end}`))]).toEqual([alg, '401 not-signed-in']); // prettier-ignore
  });

  it('signed with the public key as if it were a secret is refused', async () => {
    const object = createPublicKey({ key, format: 'jwk' });
    const pem = object.export({ type: 'spki', format: 'pem' });
    const secrets = [pem, pem.toString().trim(), object.export({ type: 'spki', format: 'der' }), JSON.stringify(key), JSON.stringify({ keys: [key] }), key.x!, Buffer.from(key.x!, 'base64url'), '', 'secret']; // prettier-ignore
    for (const alg of ['HS256', 'HS384', 'HS512'])
      for (const secret of secrets) expect(codeOf(await get(hmac(alg, secret)))).toBe('401 not-signed-in'); // prettier-ignore
  });

  it('that names another algorithm than its key’s is refused', async () => {
    const [, payload = '', signature = ''] = (await county.issuer.sign(claims)).split('.');
    for (const alg of ['RS256', 'PS256', 'ES384', 'ES512', 'ES256K', 'EdDSA', 'HS256', 'dir', 'A128KW', 'es256', 'ES256 '])
      expect([alg, codeOf(await get(`${part({ alg, kid: 'test' })}.${payload}.${signature}`))]).toEqual([alg, '401 not-signed-in']); // prettier-ignore
    // A signature of zeros (r = s = 0) holds for anything where the curve is not checked.
    const text = `${part({ alg: 'ES256', kid: 'test' })}.${part(whole())}`;
    for (const zero of [Buffer.alloc(64), Buffer.alloc(0), Buffer.alloc(63), Buffer.alloc(72)])
      expect(codeOf(await get(`${text}.${zero.toString('base64url')}`))).toBe('401 not-signed-in');
  });

  it('that brings its own key is refused, and what it points to is never fetched', async () => {
    const url = attacker.url;
    for (const header of [
      {}, { jwk: attacker.jwk }, { jku: url }, { x5u: url }, { jku: url, jwk: attacker.jwk, kid: 'attacker' }, { kid: url }, { kid: 'attacker' }, { kid: undefined },
      { kid: '../../../../dev/null' }, { kid: "' union select 'x' --" }, { kid: '' }, { kid: '__proto__' }, { kid: 'x'.repeat(4000) }, { kid: 'test\u0000' },
      { x5c: ['MIIB'] }, { x5t: 'x' }, { jku: 'file:///etc/passwd' }, { jku: `${county.issuer.issuer}/jwks` }, { iss: url },
    ] as Record<string, unknown>[])
      expect([header, codeOf(await get(await forged(header)))]).toEqual([header, '401 not-signed-in']);
    expect(codeOf(await get(await new SignJWT({ ...whole(), iss: url.replace('/jwks', '') }).setProtectedHeader({ alg: 'ES256', kid: 'test' }).sign(attacker.privateKey)))).toBe('401 not-signed-in');
    expect(attacker.fetched).toBe(0);
  }); // prettier-ignore

  it('with a header that we would have to understand is refused', async () => {
    for (const header of [{ crit: ['x'], x: 1 }, { crit: [] }, { crit: 'exp' }, { crit: ['exp'] }, { crit: ['alg'] }, { zip: 'DEF', crit: ['zip'] }]) {
      const text = `${part({ alg: 'ES256', kid: 'test', ...header })}.${part(whole())}`;
      expect([header, codeOf(await get(`${text}.${Buffer.alloc(64, 1).toString('base64url')}`))]).toEqual([header, '401 not-signed-in']);
    }
    expect(codeOf(await get(await county.issuer.sign(claims, { header: { b64: true, crit: ['b64'] } })))).toMatch(/^(401 not-signed-in|200 )$/); // the one extension of RFC 7797, with its default value
    expect(codeOf(await get(`${part({ alg: 'RSA-OAEP', enc: 'A128GCM' })}.eA.eA.eA.eA`))).toBe('401 not-signed-in');
  }); // prettier-ignore

  it('out of its time, or for somebody else, is refused', async () => {
    const now = Math.floor(Date.now() / 1000);
    const sign = (more: Record<string, unknown>, how = {}): Promise<string> => county.issuer.sign({ ...claims, ...more }, how); // prettier-ignore
    const bad = [
      await sign({}, { expires: '-6s' }), await sign({}, { expires: '-1h' }), await sign({ nbf: now + 60 }), await sign({ nbf: 'now' }),
      await sign({}, { audience: 'urn:other' }), await sign({}, { audience: '' }), await sign({}, { audience: 'urn:foodwarden2' }), await sign({}, { audience: 'URN:FOODWARDEN' }),
      await sign({}, { issuer: `${county.issuer.issuer}/` }), await sign({}, { issuer: 'http://issuer.example' }), await sign({}, { issuer: '' }), await sign({}, { issuer: county.issuer.issuer.toUpperCase() }),
    ]; // prettier-ignore
    for (const [at, token] of bad.entries()) expect([at, codeOf(await get(token))]).toEqual([at, '401 not-signed-in']); // prettier-ignore
  });

  it('that names no role and ground of ours is refused', async () => {
    for (const more of [
      { roles: 'county-admin' }, { roles: 1 }, { roles: true }, { roles: null }, { roles: [] }, { roles: [['county-admin']] }, { roles: [null, 'county-admin'] }, { roles: { 0: 'county-admin' } },
      { roles: ['County-Admin'] }, { roles: ['county-admin '] }, { roles: ['county-admin,auditor'] }, { roles: ['*'] }, { roles: ['root'] }, { roles: ['__proto__'] }, { roles: ['service'] }, { roles: ['grid-worker'] },
      { role: 'county-admin', roles: undefined }, { scope: 'county-admin', roles: undefined }, { roles: ['official'] }, { roles: ['official'], official: 'x' }, { roles: ['official'], official: [randomUUID()] },
      { division: '' }, { division: '0' }, { division: '37' }, { division: '3714' }, { division: 371425 }, { division: ['371425'] }, { division: null }, { division: '371425%' }, { division: "371425' or '1'='1" },
      { division: '371425\n' }, { division: '３７１４２５' }, { division: ' 371425' }, { division: '3714250' }, { division: '0:' }, { division: { $gt: '' } },
      { sub: '' }, { sub: 1 }, { sub: null }, { sub: { id: 1 } }, { sub: ['x'] }, { sub: 'a\nb' }, { sub: 'x'.repeat(256) },
    ] as Record<string, unknown>[]) {
      const answer = await get(await county.issuer.sign({ ...claims, ...more }));
      expect([more, codeOf(answer)]).toEqual([more, expect.stringMatching(/^(403 not-allowed|401 not-signed-in)$/)]);
    }
  }); // prettier-ignore

  it('acts by its first role alone', async () => {
    const token = await county.issuer.sign({ ...claims, roles: ['auditor', 'county-admin'] });
    expect((await get(token)).status).toBe(200);
    const body = { division: '371425101201', name: '越权店', address: '一号', kind: 'catering' };
    expect(codeOf(await county.call('registry', 'POST', '/v1/establishments', { token, body }))).toBe('403 not-allowed'); // prettier-ignore
  });

  it('of a key that came meanwhile is taken, and a thousand of keys that never come ask the issuer a few times', async () => {
    const before = county.issuer.asked();
    for (let at = 0; at < 20; at++)
      await Promise.all(
        Array.from({ length: 50 }, async () => expect(codeOf(await get(await forged({ kid: randomUUID() })))).toBe('401 not-signed-in')), // prettier-ignore
      );
    // At most one look in five seconds, and this took a while.
    expect(county.issuer.asked() - before).toBeLessThan(20);
    const old = await county.issuer.sign(claims);
    await county.issuer.rotate();
    const fresh = await county.issuer.sign(claims);
    await eventually(() => get(fresh), ({ status }) => status === 200, 30_000); // prettier-ignore
    expect(codeOf(await get(old))).toBe('401 not-signed-in');
  }, 90_000);
});
