// Does the time of a sign-in tell whether an account exists? A wrong password for a name that is known, one that is not, one
// whose account is closed, and the same while the name is locked, in turn and in changing order, to an issuer of its own
// process over real PostgreSQL; and the request right after each, for what is written down after the answer.
//   node bench/sign-in.mjs [rounds]        400; with the Node that services run on (24 or newer)
// `noise` is what two halves of one and the same kind differ by (95 of 100 splits): a difference below it tells nothing.
import { spawn } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';

const rounds = Number(process.argv[2] ?? 400);
const load = (path) => import(resolve('dist', path));
const { startPostgres, removePostgres, freePort } = await load('libs/servers/src/index.js');
const { provision, migrate } = await load('libs/database/src/index.js');
const { identity } = await load('apps/identity/src/identity.definition.js');

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const word = () => randomBytes(24).toString('base64url');
const folder = await mkdtemp(join(tmpdir(), 'foodwarden-bench-'));
const postgres = await startPostgres({ dataDir: join(folder, 'postgres') });
const admin = new pg.Client({ connectionString: postgres.url('identity') });
let child;
try {
  const password = 'only-here';
  const url = (role) => postgres.url('identity', `identity_${role}`, password);
  const passwords = { owner: password, app: password, relay: password };
  await provision(postgres.url('postgres'), 'identity', passwords);
  await migrate(url('owner'), identity.migrations);
  await admin.connect();
  const port = await freePort();
  const redirect = 'https://county.example/docs/oauth2-redirect.html';
  const env = {
    PATH: process.env.PATH, PORT: String(port), HOST: '127.0.0.1', LOG_LEVEL: 'warn', DATABASE_URL: url('app'), DATABASE_RELAY_URL: url('relay'),
    NATS_URL: `nats://127.0.0.1:${await freePort()}`, OIDC_ISSUER: `http://127.0.0.1:${port}/identity`, COOKIE_KEYS: word(), SWAGGER_REDIRECT_URIS: redirect,
    LIMIT_AUTH_PER_MINUTE: '1000000', LIMIT_INTERACTION_PER_MINUTE: '1000000',
  }; // prettier-ignore
  const main = 'dist/apps/identity/src/main.js';
  const accounts = ['known', 'closed'].map((name) => ({
    id: randomUUID(), name: `${name}-account`, displayName: '王', role: 'office', division: '371425101', password: word(),
  })); // prettier-ignore
  await new Promise((done, failed) => {
    const step = spawn(process.execPath, [main, 'add-account'], { env, stdio: ['pipe', 'ignore', 'inherit'] }); // prettier-ignore
    step.stdin.end(JSON.stringify(accounts));
    step.once('exit', (code) => (code === 0 ? done() : failed(new Error('add-account failed'))));
  });
  await admin.query(`update account set active = false where name = 'closed-account'`);
  child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((done, failed) => {
    child.stdout.on('data', (said) => String(said).includes('listening') && done());
    child.once('exit', () => failed(new Error('The issuer does not start.')));
  });

  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (method, path, { cookie = '', form } = {}) =>
    new Promise((done, failed) => {
      const body = form && new URLSearchParams(form).toString();
      const headers = { cookie, ...(body ? { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) } : {}) }; // prettier-ignore
      const begun = performance.now();
      const one = request({ agent, host: '127.0.0.1', port, method, path, headers }, (answer) => {
        answer.resume();
        answer.on('end', () => done({ ms: performance.now() - begun, status: answer.statusCode, headers: answer.headers })); // prettier-ignore
      });
      one.on('error', failed);
      one.end(body);
    });
  const query = new URLSearchParams({
    client_id: 'swagger', response_type: 'code', scope: 'openid', redirect_uri: redirect, code_challenge: 'x'.repeat(43), code_challenge_method: 'S256',
  }); // prettier-ignore
  const begun = await ask('GET', `/identity/auth?${query}`);
  const page = new URL(begun.headers.location, env.OIDC_ISSUER).pathname;
  const cookie = begun.headers['set-cookie'].map((one) => one.split(';')[0]).join('; ');

  const kinds = {
    known: { name: 'known-account' },
    unknown: { name: 'absent-account' },
    closed: { name: 'closed-account' },
    'known, locked': { name: 'known-account', locked: true },
    'unknown, locked': { name: 'absent-account', locked: true },
  };
  const hash = (name) => createHash('sha256').update(name).digest('base64url');
  const took = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, { answer: [], next: [] }])); // prettier-ignore
  for (let round = -20; round < rounds; round++)
    for (const kind of Object.keys(kinds).sort(() => Math.random() - 0.5)) {
      const { name, locked = false } = kinds[kind];
      // Each begins where nobody has tried, or where ten have.
      await admin.query('delete from sign_in_guard');
      if (locked)
        await admin.query(
          `insert into sign_in_guard (name_hash, tried_at, locked_until) values ($1, array_fill(now(), array[10]), now() + interval '15 minutes')`,
          [hash(name)],
        );
      const answer = await ask('POST', page, { cookie, form: { name, password: 'a wrong passphrase' } }); // prettier-ignore
      const next = await ask('GET', page, { cookie });
      if (answer.status !== (locked ? 429 : 401) || next.status !== 200)
        throw new Error(`${kind}: ${answer.status}, ${next.status}`);
      if (round < 0) continue; // warm
      took[kind].answer.push(answer.ms);
      took[kind].next.push(next.ms);
    }

  /** By how much the medians of two halves of the same differ, in 95 of 100 splits. */
  const noiseOf = (values) => {
    const found = Array.from({ length: 400 }, () => {
      const mixed = [...values].sort(() => Math.random() - 0.5);
      const half = mixed.length >> 1;
      return Math.abs(median(mixed.slice(0, half)) / median(mixed.slice(half)) - 1);
    }).sort((a, b) => a - b);
    return found[Math.floor(found.length * 0.95)];
  };
  const compare = (one, other, what) => {
    const [a, b] = [took[one][what], took[other][what]];
    const ratio = median(a) / median(b);
    const noise = noiseOf([...a, ...b]);
    return { ratio, noise, tells: Math.abs(ratio - 1) > noise };
  };
  const summary = {
    what: 'Milliseconds from a wrong password to its answer, by what is behind the name; medians',
    when: new Date().toISOString(),
    cpus: cpus().map(({ model }) => model),
    rounds,
    medianMs: Object.fromEntries(Object.entries(took).map(([kind, { answer, next }]) => [kind, { answer: median(answer), next: median(next) }])), // prettier-ignore
    comparisons: Object.fromEntries(
      [['known', 'unknown'], ['closed', 'unknown'], ['known, locked', 'unknown, locked']].map(([one, other]) => [
        `${one} / ${other}`, { answer: compare(one, other, 'answer'), next: compare(one, other, 'next') },
      ]),
    ),
  }; // prettier-ignore
  console.log(JSON.stringify(summary, null, 2));
  await mkdir('bench/results', { recursive: true });
  await writeFile('bench/results/sign-in.json', `${JSON.stringify({ ...summary, took }, null, 2)}\n`); // prettier-ignore
  agent.destroy();
} finally {
  if (child && child.exitCode === null) {
    child.kill('SIGTERM');
    await new Promise((done) => child.once('exit', done));
  }
  await admin.end();
  await postgres.stop();
  await removePostgres(join(folder, 'postgres'));
  await rm(folder, { recursive: true, force: true });
}
