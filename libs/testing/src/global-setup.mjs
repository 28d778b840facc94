// One PostgreSQL for the whole run; each spec file clones its own databases and starts its own nats-server.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export default async function setup() {
  if (globalThis.foodwardenPostgres) return; // both projects name this file
  const { startPostgres, obtainNatsServer, newAuthority, newCertificate } = await import(
    resolve('dist/libs/servers/src/index.js')
  );
  const folder = await mkdtemp(join(tmpdir(), 'foodwarden-pg-'));
  const say = (line) => process.stderr.write(`${line}\n`);
  const nats = await obtainNatsServer(process.env.FOODWARDEN_CACHE ?? resolve('.cache'), say);
  // profile.ts says what the production profile is.
  const production = process.env.FOODWARDEN_PROFILE === 'production';
  const caFile = join(folder, 'ca.crt');
  const authority = production ? { ...newAuthority(), caFile } : undefined;
  if (authority) await writeFile(caFile, authority.cert);
  const postgres = await startPostgres({
    dataDir: join(folder, 'data'),
    durable: false,
    log: say,
    ...(authority
      ? { tls: { ...newCertificate(authority, ['localhost', '127.0.0.1']), caFile } }
      : {}),
  });
  globalThis.foodwardenPostgres = { postgres, folder };
  process.env.TEST_SERVERS = JSON.stringify({
    postgres: postgres.url('postgres'),
    natsServer: nats,
    ...(authority ? { authority } : {}),
  });
}
