import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { freePort } from '#servers';
import { County } from '#testing';
import { Secret, TOTP } from 'otpauth';
import { pino } from 'pino';
import { type IdentityConfig } from '../src/identity.config.js';
import { identity } from '../src/identity.definition.js';
import { startIdentity } from '../src/identity.server.js';

/*
 * What no browser and no honest program sends to the issuer: its pages, its token endpoint, its second factor. Nothing of
 * it is a fault of ours, signs anybody in, or is written into a log. The routes under /api/identity are attacked with
 * those of the other services, in test/hostile.spec.ts.
 */

const redirect = 'https://county.example/docs/oauth2-redirect.html';
const own = 'a good long passphrase';
const unlimited = { auth: 1_000_000, token: 1_000_000, interaction: 1_000_000 };

let county: County;
let config: IdentityConfig;
let running: Awaited<ReturnType<typeof startIdentity>>;
let admin: string;
let said = '';

interface Seen {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}
/** Sends it as it is, whatever it is. */
function send(method: string, path: string, body?: string | Buffer, headers: Record<string, string | string[]> = {}): Promise<Seen> {
  return new Promise((done, failed) => {
    const asking = request({ host: '127.0.0.1', port: running.port, method, path, agent: false, headers: { ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }), ...headers } }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (some: string) => (text += some)).on('end', () => done({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
    });
    asking.on('error', failed);
    asking.end(body);
  });
} // prettier-ignore
const form = { 'content-type': 'application/x-www-form-urlencoded' };

let wrong: string[];
let sent: number;
beforeEach(() => {
  wrong = [];
  sent = 0;
});
/** A refusal, or a page of the sign-in: never a fault, never a token, and nothing of our inside. */
function judge(what: string, { status, text, headers }: Seen, among: number[] = []): void {
  sent += 1;
  const say = (why: string): void => void wrong.push(`${what}: ${why}: ${status} ${text.slice(0, 200)}`); // prettier-ignore
  if (status >= 500) say('was a fault of ours');
  else if (among.length > 0 && !among.includes(status)) say(`is not one of ${among.join()}`);
  if (/"(access|id)_token":/.test(text) || /[?&]code=/.test(String(headers['location']))) say('signed somebody in'); // prettier-ignore
  if (/\bat .*\(|node_modules|argon2|select |postgres/i.test(text)) say('tells of our inside');
  if (/<script>alert/.test(text)) say('gives back a script');
}
async function inParallel(tasks: (() => Promise<void>)[], width = 10): Promise<void> {
  const line = tasks[Symbol.iterator]();
  await Promise.all(Array.from({ length: width }, async () => { for (const task of line) await task(); })); // prettier-ignore
}

const secretWord = `planted-${randomUUID()}`;
/** Of whatever is typed. */
const oddTexts: [string, string][] = [
  ['nothing', ''], ['NUL', 'a\0b'], ['only NUL', '\0'], ['a control character', 'a\u0007\r\nb'], ['half a character', '\ud800'], ['a direction mark', 'a\u202eb'],
  ['2,000 letters', 'x'.repeat(2000)], ['500 of four bytes', '𠮷'.repeat(500)], ['a script', '"><script>alert(1)</script>'], ['SQL', `' or 1=1; drop table account --`],
  ['a template', '${7*7}{{7*7}}%s%n'], ['a path', '../../../etc/passwd'], ['JSON', '{"$gt":""}'], ['a word of every object', '__proto__'], ['another', 'toString'], ['a planted word', secretWord],
]; // prettier-ignore
/** Of a whole body. */
const oddBodies: [string, string | Buffer, Record<string, string>][] = [
  ['nothing', '', form], ['no pairs', '&&&===&&', form], ['bad percents', 'name=%zz&password=%', form], ['bytes that are no UTF-8', Buffer.from([0x6e, 0x3d, 0xff, 0xfe]), form],
  ['JSON', '{"name":"x","password":"y"}', { 'content-type': 'application/json' }], ['JSON that says it is a form', '{"name":"x"}', form], ['a multipart form', '--x\r\ncontent-disposition: form-data; name="name"\r\n\r\nx\r\n--x--\r\n', { 'content-type': 'multipart/form-data; boundary=x' }],
  ['no type', 'name=x', {}], ['XML', '<x/>', { 'content-type': 'application/xml' }], ['another charset', 'name=x', { 'content-type': 'application/x-www-form-urlencoded; charset=utf-7' }], ['packed', 'name=x', { ...form, 'content-encoding': 'gzip' }],
  ['100 KB', `name=${'x'.repeat(100_000)}`, form], ['2 MB', `name=${'x'.repeat(2_000_000)}`, form], ['10,000 fields', Array.from({ length: 10_000 }, (_, n) => `f${n}=1`).join('&'), form],
  ['every field twice', 'name=a&name=b&password=a&password=b&proof=a&proof=b&grant_type=a&grant_type=b', form], ['lists and objects', 'name[]=a&password[a]=b&grant_type[$gt]=&client_id[]=x', form], ['names of every object', '__proto__=x&constructor=y&toString=z', form],
]; // prettier-ignore

beforeAll(async () => {
  county = await County.start([identity]);
  admin = await county.token('county-admin', '371425', { expires: '1h' });
  const port = await freePort();
  config = {
    service: 'identity', host: '127.0.0.1', port, databaseUrl: county.url('identity', 'app'), relayUrl: county.url('identity', 'relay'),
    nats: county.busAccess('identity'), issuer: `http://127.0.0.1:${port}/identity`,
    audience: 'urn:foodwarden', logLevel: 'info', files: undefined, cookieKeys: [randomBytes(24).toString('base64url')], swaggerRedirectUris: [redirect],
    totpRoles: ['county-admin'], totpKeys: ['a-key-'.repeat(8)], addressLimits: unlimited, trustProxy: 1,
  }; // prettier-ignore
  running = await startIdentity(config, pino({ level: 'info' }, { write: (line: string) => void (said += line) })); // prettier-ignore
}, 60_000);
afterEach(() => {
  expect(wrong.slice(0, 20)).toEqual([]);
  expect(sent).toBeGreaterThan(10);
});
afterAll(async () => {
  await running.stop();
  await county.stop();
  expect(said.includes(secretWord)).toBe(false);
  // What oidc-provider calls a fault of the server, and what we do; who hangs up is none.
  expect(said.split('\n').filter((line) => /request failed|sign-in failed/.test(line) && !line.includes('"err":"aborted"'))).toEqual([]); // prettier-ignore
}, 60_000);

interface Opened {
  id: string;
  name: string;
  password: string;
}
const open = async (role: string, division: string): Promise<Opened> =>
  (await county.call('identity', 'POST', '/v1/accounts', { token: admin, body: { name: `hostile-${randomUUID().slice(0, 8)}`, displayName: '王', role, division } })).body as Opened; // prettier-ignore

const authorisation = (over: Record<string, string> = {}): string =>
  `/identity/auth?${new URLSearchParams({
    client_id: 'swagger', response_type: 'code', scope: 'openid', redirect_uri: redirect, code_challenge_method: 'S256',
    code_challenge: createHash('sha256').update('v'.repeat(43)).digest('base64url'), ...over,
  }).toString()}`; // prettier-ignore
/** A sign-in that has begun. */
async function begun(): Promise<{ page: string; cookie: string }> {
  const { status, headers } = await send('GET', authorisation());
  expect(status).toBe(303);
  const cookie = [headers['set-cookie'] ?? []].flat().map((one) => one.split(';')[0]).join('; '); // prettier-ignore
  return { page: new URL(String(headers['location']), config.issuer).pathname, cookie };
}
const proofIn = ({ text }: Seen): string => /name="proof" value="([^"]+)"/.exec(text)?.[1] ?? '';

it('takes no odd authorisation, and sends nobody to a foreign address', async () => {
  const tasks: (() => Promise<void>)[] = [];
  for (const field of ['client_id', 'response_type', 'scope', 'redirect_uri', 'code_challenge', 'code_challenge_method', 'state', 'nonce', 'prompt', 'max_age', 'acr_values', 'claims', 'request', 'request_uri', 'resource', 'login_hint', 'id_token_hint', 'response_mode', 'ui_locales'])
    for (const [what, value] of oddTexts)
      tasks.push(async () => {
        const seen = await send('GET', authorisation({ [field]: value }));
        judge(`auth ${field} is ${what}`, seen);
        const to = String(seen.headers['location'] ?? '');
        if (to && !to.startsWith(redirect) && !to.startsWith('/identity/interaction/') && !to.startsWith(`${config.issuer}/interaction/`)) wrong.push(`auth ${field} is ${what}: sends to ${to}`);
      });
  for (const uri of ['https://evil.example/', `${redirect}.evil.example`, `${redirect}/../x`, 'javascript:alert(1)', '//evil.example'])
    tasks.push(async () => judge(`auth to ${uri}`, await send('GET', authorisation({ redirect_uri: uri })), [400]));
  for (const [what, body, headers] of oddBodies) tasks.push(async () => judge(`auth posted: ${what}`, await send('POST', '/identity/auth', body, headers)));
  await inParallel(tasks);
}, 60_000); // prettier-ignore

it('gives no token for odd credentials, grants, codes and headers', async () => {
  const program = await open('authority', '371425');
  const { clientSecret } = (await county.call('identity', 'POST', `/v1/accounts/${program.id}/client-secret`, { token: admin })).body as { clientSecret: string };
  const basic = (id: string, secret: string): Record<string, string> => ({ authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` });
  const good = 'grant_type=client_credentials';
  expect((await send('POST', '/identity/token', good, { ...form, ...basic(program.id, clientSecret) })).status).toBe(200);
  const tasks: (() => Promise<void>)[] = [];
  const refused = (what: string, body: string | Buffer, headers: Record<string, string | string[]>): void =>
    void tasks.push(async () => judge(`token: ${what}`, await send('POST', '/identity/token', body, headers), [400, 401, 413, 415]));
  for (const [what, text] of oddTexts) {
    const encoded = encodeURIComponent(text.replace(/\p{Cs}/gu, '\ufffd'));
    refused(`a client that is ${what}`, good, { ...form, ...basic(encoded, clientSecret) });
    refused(`a secret that is ${what}`, good, { ...form, ...basic(program.id, encoded) });
    refused(`a posted client that is ${what}`, `${good}&client_id=${encoded}&client_secret=${encoded}`, form);
    refused(`a grant that is ${what}`, `grant_type=${encoded}`, { ...form, ...basic(program.id, clientSecret) });
    for (const field of ['code', 'code_verifier', 'redirect_uri'])
      refused(`${field} that is ${what}`, new URLSearchParams({ grant_type: 'authorization_code', client_id: 'swagger', code: 'x', redirect_uri: redirect, code_verifier: 'v'.repeat(43), [field]: text }).toString(), form);
    if (!['nothing', 'half a character'].includes(what)) refused(`a resource that is ${what}`, `${good}&resource=${encoded}`, { ...form, ...basic(program.id, clientSecret) });
  }
  for (const [what, body, headers] of oddBodies) {
    refused(`${what}, of nobody`, body, headers);
    refused(`${what}, of a program`, body, { ...headers, ...basic(program.id, clientSecret) });
  }
  for (const [what, authorization] of [
    ['no base64', 'Basic %%%'], ['no colon', `Basic ${Buffer.from('x').toString('base64')}`], ['bad percents', `Basic ${Buffer.from('%zz:%zz').toString('base64')}`], ['a NUL', `Basic ${Buffer.from('\0:\0').toString('base64')}`],
    ['9 KB', `Basic ${'eDp5'.repeat(2200)}`], ['another scheme', 'Digest x'], ['a bearer', `Bearer ${admin}`], ['two words', 'Basic x y'], ['bytes', `Basic ${Buffer.from([0xff, 0x3a, 0xfe]).toString('base64')}`],
  ] as const) refused(`credentials that are ${what}`, good, { ...form, authorization });
  for (const other of [program.id.toUpperCase(), `{${program.id}}`, ` ${program.id}`, randomUUID()]) refused(`the client ${other}`, good, { ...form, ...basic(other, clientSecret) });
  for (const [what, token] of [['foreign', await county.token('county-admin', '371425', { issuer: 'https://other.example' })], ['expired', await county.token('county-admin', '371425', { expires: '-1m' })], ['unsigned', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.'], ['rubbish', 'x.y.z'], ['NUL', '%00'], ['long', 'x'.repeat(7000)]] as const)
    for (const path of ['/identity/me', '/identity/session/end'])
      tasks.push(async () => judge(`${path} with a token that is ${what}`, await send('GET', path === '/identity/me' ? path : `${path}?id_token_hint=${token}`, undefined, { authorization: `Bearer ${token}` }), [400, 401, ...(path === '/identity/me' ? [] : [200])]));
  await inParallel(tasks);
}, 60_000); // prettier-ignore

it('signs nobody in by odd pages, names, passwords, proofs and cookies', async () => {
  const { page, cookie } = await begun();
  const headers = { ...form, cookie };
  const tasks: (() => Promise<void>)[] = [];
  const post = (what: string, body: string | Buffer, more: Record<string, string> = headers, path = page): void =>
    void tasks.push(async () => judge(`sign-in: ${what}`, await send('POST', path, body, more), [200, 400, 401, 404, 413, 415, 422, 429]));
  for (const [what, text] of oddTexts) {
    post(`a name that is ${what}`, new URLSearchParams({ name: text, password: own }).toString());
    post(`a password that is ${what}`, new URLSearchParams({ name: `nobody-${what}`, password: text }).toString());
    post(`a proof that is ${what}`, new URLSearchParams({ proof: text, code: '000000', password: own, repeated: own }).toString());
  }
  for (const [what, body, type] of oddBodies) {
    post(what, body, { ...type, cookie });
    post(`${what}, without the cookie`, body, type);
  }
  for (const uid of ['x', '%00', '%zz', '%ff', '..', '..%2f..', randomUUID(), 'x'.repeat(5000), '', 'x/y', `${page.split('/').at(-1) ?? ''}%00`])
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
      tasks.push(async () => judge(`${method} of the page ${uid.slice(0, 40)}`, await send(method, `/identity/interaction/${uid}`, method === 'GET' ? undefined : 'name=x', headers)));
  for (const cookies of ['fw_interaction=x', 'fw_interaction=', `fw_interaction=${'x'.repeat(3000)}`, cookie.replace(/fw_interaction=[^;]{4}/, 'fw_interaction=AAAA'), cookie.replace(/\.sig=[^;]{4}/g, '.sig=AAAA'), ';;;===;', 'fw_session=\u00ff'])
    post(`with the cookies ${cookies.slice(0, 40)}`, 'name=x&password=y', { ...form, cookie: cookies });
  for (const path of ['/identity', '/identity/', '/identity/%00', '/identity/%zz', '/identity/%ff', '/identity/..%2f..%2f', '/identity/auth/%00', '/identity/auth/x', '/identity/jwks/x', '/identity/__proto__', '/identity/token?x=%00', '/identity/session/end/confirm', '/identity/session/end/success?client_id=%00', '/identity/.well-known/%00', '/%00', '//identity//auth', '/identity/' + 'x'.repeat(7000)])
    for (const method of ['GET', 'POST', 'PUT', 'OPTIONS', 'TRACE', 'HEAD'])
      tasks.push(async () => judge(`${method} ${path.slice(0, 50)}`, await send(method, path, undefined, { cookie })));
  await inParallel(tasks);
}, 60_000); // prettier-ignore

it('takes nothing odd in place of an own password or a second factor', async () => {
  const boss = await open('county-admin', '371425');
  const { page, cookie } = await begun();
  const headers = { ...form, cookie };
  const post = (fields: Record<string, string>): Promise<Seen> => send('POST', page, new URLSearchParams(fields).toString(), headers); // prettier-ignore
  let proof = proofIn(await post({ name: boss.name, password: boss.password }));
  for (const [what, text] of oddTexts) {
    const seen = await post({ proof, password: text, repeated: text });
    // What is long and no common word may be one's own password.
    if (seen.status === 200) proof = proofIn(seen);
    judge(`an own password that is ${what}`, seen, [200, 400, 422]);
    if (seen.status === 200) break;
  }
  const secret = /id="secret">([A-Z2-7]+)</;
  const again = await post({ proof, password: own, repeated: own });
  const enrolment = secret.test(again.text) ? again : await post({ proof, code: 'x' });
  const key = secret.exec(enrolment.text)![1]!;
  proof = proofIn(enrolment);
  // Ten wrong ones lock it: fewer are told apart from a fault.
  for (const code of ['', '\0', '０００００００', 'x'.repeat(3000), '-1', '1e6'])
    judge(`a code that is ${code.slice(0, 10)}`, await post({ proof, code }), [401]);
  // Another's proof, one that was tampered with, and one of another sign-in.
  const other = await begun();
  const [text = '', seal = ''] = proof.split('.');
  const forged = Buffer.from(JSON.stringify({ ...(JSON.parse(Buffer.from(text, 'base64url').toString()) as object), factor: true })).toString('base64url'); // prettier-ignore
  for (const [what, one, at] of [
    ['forged', `${forged}.${seal}`, page], ['without its seal', text, page], ['with another seal', `${text}.${seal.slice(0, -2)}AA`, page], ['of two parts more', `${proof}.x.y`, page],
    ['of another sign-in', proof, other.page],
  ] as const) // prettier-ignore
    judge(`a proof that is ${what}`, await send('POST', at, new URLSearchParams({ proof: one, code: '000000' }).toString(), at === page ? headers : { ...form, cookie: other.cookie }), what === 'of two parts more' ? [400, 401] : [400]); // prettier-ignore
  // And after all that the right ones still work.
  const code = new TOTP({ secret: Secret.fromBase32(key) }).generate();
  expect((await post({ proof, code })).text).toContain('恢复码');
}, 60_000);

it('survives who announces more than he sends, sends slowly, or speaks no HTTP', async () => {
  const { page, cookie } = await begun();
  const speak = (text: string): Promise<string> =>
    new Promise((done) => {
      let heard = '';
      const socket = connect(running.port, '127.0.0.1', () => socket.end(text));
      socket.setEncoding('utf8').on('data', (some: string) => (heard += some));
      socket.on('error', () => undefined); // the server hangs up first
      socket.on('close', () => done(heard));
    });
  const head = (line: string, ...lines: string[]): string => [line, 'host: x', ...lines, '', ''].join('\r\n'); // prettier-ignore
  for (const text of [
    head(`POST ${page} HTTP/1.1`, `cookie: ${cookie}`, 'content-type: application/x-www-form-urlencoded', 'content-length: 4000') + 'name=x',
    head('POST /identity/token HTTP/1.1', 'content-type: application/x-www-form-urlencoded', 'content-length: 4000') + 'grant_type=x',
    head('POST /identity/token HTTP/1.1', 'transfer-encoding: chunked', 'content-length: 5') + '0\r\n\r\n', head('POST /identity/token HTTP/1.1', 'transfer-encoding: chunked') + 'zz\r\n',
    head('GET /identity/auth HTTP/9.9'), head('get /identity/auth HTTP/1.1'), 'rubbish\r\n\r\n', '\0\0\0\0', head('GET /identity/auth HTTP/1.1', `x: ${'x'.repeat(40_000)}`),
    head('GET /identity/\u00ff\u00fe HTTP/1.1'), head('GET http://evil.example/identity/auth HTTP/1.1'), head('CONNECT evil.example:443 HTTP/1.1'), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ]) {
    const heard = await speak(text);
    judge(text.slice(0, 60), { status: Number(/^HTTP\/1\.1 (\d+)/.exec(heard)?.[1] ?? 0), headers: {}, text: heard }); // prettier-ignore
  } // prettier-ignore
  expect((await send('GET', '/identity/health/ready')).status).toBe(200);
}, 60_000);
