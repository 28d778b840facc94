// What the scripts of this folder start: PostgreSQL with the sample county, an issuer, and the registry as its own process.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

const load = (path) => import(resolve('dist', path));
const { startPostgres, removePostgres, startNats, obtainNatsServer, freePort } = await load(
  'libs/servers/src/index.js',
);
const { provision, migrate, Database } = await load('libs/database/src/index.js');
const { connectBus, deployBus, rightsOf } = await load('libs/messaging/src/index.js');
const { loadInto } = await load('libs/platform/src/index.js');
const { registry } = await load('apps/registry/src/registry.definition.js');

const password = 'only-here';

/** @param bus whether NATS is there; without it facts stay in the outbox */
export async function startRegistry({ bus }) {
  const folder = await mkdtemp(join(tmpdir(), 'foodwarden-bench-'));
  const undo = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const postgres = await startPostgres({ dataDir: join(folder, 'postgres') });
    undo.push(
      () => removePostgres(join(folder, 'postgres')),
      () => postgres.stop(),
    );
    const url = (role) => postgres.url('registry', `registry_${role}`, password);
    const passwords = { owner: password, app: password, relay: password };
    await provision(postgres.url('postgres'), 'registry', passwords);
    await migrate(url('owner'), registry.migrations);
    const database = new Database({ service: 'registry', url: url('app'), entities: [] });
    await database.open();
    await loadInto(database, await registry.load('apps/platform/sample'));
    await database.close();
    let natsUrl = `nats://127.0.0.1:${await freePort()}`;
    if (bus) {
      const nats = await startNats({
        bin: await obtainNatsServer(
          process.env.FOODWARDEN_CACHE ?? resolve('.cache'),
          console.error,
        ),
        storeDir: join(folder, 'nats'),
        users: [
          { user: 'deploy', password },
          { user: 'registry', password, ...rightsOf('registry') },
        ],
      });
      undo.push(() => nats.stop());
      const deploy = await connectBus({ url: nats.url, user: 'deploy', password, name: 'deploy' });
      await deployBus(deploy);
      await deploy.close();
      natsUrl = nats.url;
    }

    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const keys = {
      keys: [{ ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256', use: 'sig' }],
    };
    const issuerPort = await freePort();
    const issuer = `http://127.0.0.1:${issuerPort}`;
    const server = createServer((ask, answer) =>
      answer
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify(ask.url === '/jwks' ? keys : { issuer, jwks_uri: `${issuer}/jwks` })),
    );
    await new Promise((done) => server.listen(issuerPort, '127.0.0.1', done));
    undo.push(() => new Promise((done) => server.close(done)));

    return {
      /** As superuser. */
      admin: postgres.url('registry'),
      url,
      stop,
      token: (role, division) =>
        new SignJWT({ sub: randomUUID(), roles: [role], division })
          .setProtectedHeader({ alg: 'ES256', kid: 'bench' })
          .setIssuer(issuer)
          .setAudience('urn:foodwarden')
          .setIssuedAt()
          .setExpirationTime('2h')
          .sign(privateKey),
      /** A script as a process of its own, configured like the service. @returns its port and pid */
      run: async (script = 'dist/apps/registry/src/main.js') => {
        const port = await freePort();
        const profile = process.env.PROFILE
          ? ['--cpu-prof', '--cpu-prof-dir', process.env.PROFILE]
          : [];
        const child = spawn(process.execPath, [...profile, script], {
          env: {
            ...process.env,
            DATABASE_URL: url('app'),
            DATABASE_RELAY_URL: url('relay'),
            NATS_URL: natsUrl,
            NATS_USER: 'registry',
            NATS_PASSWORD: password,
            OIDC_ISSUER: issuer,
            LOG_LEVEL: 'info',
            LIMIT_PERSON_PER_10S: '1000000', // one account makes all the load
            LIMIT_TOWNSHIP_PER_10S: '1000000',
            PORT: String(port),
          },
          stdio: ['ignore', 'ignore', 'inherit'],
        });
        const end = () =>
          new Promise((done) =>
            child.exitCode === null ? child.once('exit', done) && child.kill('SIGTERM') : done(),
          );
        undo.push(end);
        return { port, pid: child.pid, end };
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Until the service answers at all. */
export async function answering({ port }) {
  for (let tries = 0; ; tries++) {
    const up = await fetch(`http://127.0.0.1:${port}/api/registry/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (up) return;
    if (tries > 150) throw new Error('The registry does not start.');
    await new Promise((done) => setTimeout(done, 200));
  }
}

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

const alphabet = '0123456789ABCDEFGHJKLMNPQRTUWXY';
function usccOf(random) {
  let code = '92371425MA';
  while (code.length < 17) code += alphabet[Math.floor(random() * alphabet.length)];
  let sum = 0;
  for (let n = 0, weight = 1; n < 17; n++, weight = (weight * 3) % 31)
    sum += alphabet.indexOf(code[n]) * weight;
  return code + alphabet[(31 - (sum % 31)) % 31];
}
function licenceOf(random) {
  let digits = '';
  while (digits.length < 13) digits += Math.floor(random() * 10);
  let product = 10;
  for (const digit of digits) {
    const sum = (Number(digit) + product) % 10;
    product = ((sum === 0 ? 10 : sum) * 2) % 11;
  }
  return `JY${digits}${(11 - product) % 10}`;
}

/**
 * A ledger of the sample county as offices send them: of a hundred rows some four carry something to repair, one is
 * refused and one stands twice. @param town only this township's villages @returns CSV
 */
export function ledgerOf(rows, { seed = 1, town = '' } = {}) {
  let state = seed;
  const random = () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const pick = (list) => list[Math.floor(random() * list.length)];
  const divisions = readFileSync('apps/platform/sample/divisions.csv', 'utf8')
    .trim()
    .split(/\r?\n/)
    .slice(1)
    .map((line) => line.split(','));
  const towns = new Map(
    divisions.filter((one) => one[2] === 'township').map(([code, name]) => [code, name]),
  );
  const villages = divisions.filter((one) => one[2] === 'village' && one[0].startsWith(town));
  const first = [...'老小大王张李赵孙周吴郑鲁齐泰和兴福顺盛永祥源家'];
  const trade = ['饭店', '超市', '烧烤店', '火锅店', '小吃', '快餐', '粮油店', '生活超市', '烧饼铺', '羊汤馆', '副食品商店', '便利店']; // prettier-ignore
  const kinds = [
    '餐饮服务',
    '食品销售',
    '小餐饮',
    '食品小作坊',
    '食品摊点',
    '学校食堂',
    '食品生产',
  ];
  const lines = ['序号,主体名称,统一社会信用代码,许可证(登记证)编号,经营场所,所属乡镇(街道),所属村(社区),主体业态,经营面积(㎡),就餐人数,纬度(WGS84),经度(WGS84)']; // prettier-ignore
  let last = '';
  for (let n = 1; n <= rows; n++) {
    const chance = random();
    if (chance < 0.01 && last) {
      lines.push(`${n},${last}`);
      continue;
    }
    const [, village, , parent] = pick(villages);
    const short = village.slice(0, 2);
    let uscc = random() < 0.7 ? usccOf(random) : '';
    let name = `${short}${pick(first)}${pick(first)}${pick(trade)}`;
    if (chance < 0.03) name = ` ${name}`;
    else if (chance < 0.05) uscc = uscc.toLowerCase();
    else if (chance < 0.06) uscc = `${uscc.slice(0, 17)}${uscc.endsWith('A') ? 'B' : 'A'}`;
    last = [
      name, uscc, random() < 0.6 ? licenceOf(random) : '', `齐河县${towns.get(parent)}${short}村${1 + Math.floor(random() * 400)}号`,
      towns.get(parent), village, pick(kinds), random() < 0.8 ? Math.floor(20 + random() * 700) : '', '',
      (36.6 + random() * 0.3).toFixed(6), (116.5 + random() * 0.3).toFixed(6),
    ].join(','); // prettier-ignore
    lines.push(`${n},${last}`);
  }
  return `${lines.join('\n')}\n`;
}
