// npm run schema: apps/<service>/schema.sql and openapi.json, of each service as it stands after its last migration;
// --check compares. Starts a PostgreSQL of its own and no NATS: a service answers HTTP before the bus is there.
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from './catalog.mjs';
import { difference, finish, json, ready, write } from './kept.mjs';

const check = ready('--check').has('--check');
await import('reflect-metadata');
const { migrate, provision } = await import('#database');
const { startService } = await import('#platform');
const { removePostgres, startPostgres } = await import('#servers');
const { default: pg } = await import('pg');

const command = 'npm run schema';
const password = 'only-for-schema';
const services = readdirSync('apps')
  .filter((name) => existsSync(`apps/${name}/src/${name}.definition.ts`))
  .sort();

async function schemaOf(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return describe(client).finally(() => client.end());
}

async function openapiOf(definition, url) {
  const { service } = definition;
  const running = await startService(
    definition,
    {
      service, host: '127.0.0.1', port: 0, databaseUrl: url('app'), relayUrl: url('relay'),
      nats: { url: 'nats://127.0.0.1:1' }, issuer: 'https://issuer.example', audience: 'urn:foodwarden', logLevel: 'silent',
    },
    { listen: true },
  ); // prettier-ignore
  try {
    const answer = await fetch(`http://127.0.0.1:${running.port}/api/${service}/openapi.json`);
    if (!answer.ok) throw new Error(`${service} answered ${answer.status} for its openapi.json.`);
    return await answer.json();
  } finally {
    await running.stop();
  }
}

const folder = await mkdtemp(join(tmpdir(), 'foodwarden-schema-'));
const postgres = await startPostgres({ dataDir: join(folder, 'data'), durable: false }).catch(
  (error) => finish([error.message]),
);
let ended;
const end = () =>
  (ended ??= postgres.stop().then(async () => {
    await rm(folder, { recursive: true, force: true });
    await removePostgres(join(folder, 'data'));
  }));
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => void end().then(() => process.exit(1)));

const sentences = [];
let current = '';
try {
  for (const service of services) {
    current = service;
    const module = await import(`../dist/apps/${service}/src/${service}.definition.js`);
    const definition = module[service];
    if (definition?.service !== service)
      throw new Error(
        `apps/${service}/src/${service}.definition.ts must export its definition as \`${service}\`.`,
      );
    const url = (role) => postgres.url(service, `${service}_${role}`, password);
    const passwords = { owner: password, app: password, relay: password };
    await provision(postgres.url('postgres'), service, passwords);
    await migrate(url('owner'), definition.migrations);
    const schema = await schemaOf(postgres.url(service));
    const files = {
      [`apps/${service}/schema.sql`]: `-- Written by ${command} from the catalog. Everything belongs to ${service}_owner; month partitions are left out.\n\n${schema}`,
      [`apps/${service}/openapi.json`]: json(await openapiOf(definition, url)),
    };
    for (const [path, text] of Object.entries(files)) {
      if (check) sentences.push(...difference(path, text, command));
      else write(path, text);
    }
  }
} catch (error) {
  sentences.push(`${current}: ${error.message}`);
} finally {
  await end();
}
finish(sentences, `schema: ${services.join(', ')}`);
