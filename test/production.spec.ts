import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BusAccess, connectBus } from '#messaging';
import {
  newAuthority,
  newCertificate,
  type Postgres,
  removePostgres,
  startNats,
  startPostgres,
} from '#servers';
import { busAccess, eventually, Fleet, natsAccess, serversOfRun } from '#testing';
import { connect, type NatsConnection, nkeyAuthenticator, nkeys } from '@nats-io/transport-node';
import pg from 'pg';

/*
 * The production profile: every service as its own process, PostgreSQL and NATS over TLS alone, NATS users by nkeys.
 * The other system specs run in it too, by command: FOODWARDEN_PROFILE=production npm test -- --selectProjects system
 */

let folder: string;
let postgres: Postgres;
let fleet: Fleet;
/** Signed by nobody whom the services believe. */
let strangers: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foodwarden-production-'));
  const authority = { ...newAuthority(), caFile: join(folder, 'ca.crt') };
  strangers = join(folder, 'stranger.crt');
  await writeFile(authority.caFile, authority.cert);
  await writeFile(strangers, newAuthority().cert);
  postgres = await startPostgres({
    dataDir: join(folder, 'data'),
    durable: false,
    tls: { ...newCertificate(authority, ['localhost', '127.0.0.1']), caFile: authority.caFile },
  });
  const { natsServer } = serversOfRun();
  process.env['TEST_SERVERS'] = JSON.stringify({ postgres: postgres.url('postgres'), natsServer, authority }); // prettier-ignore
  fleet = await Fleet.make(['registry', 'assignment', 'identity']);
  await fleet.startNats();
  await fleet.deployBus();
  await Promise.all([fleet.run('registry'), fleet.run('assignment'), fleet.run('identity')]);
  await fleet.enrol([{ name: 'office', role: 'office', division: '371425101' }]);
}, 120_000);
afterAll(async () => {
  await fleet?.stop();
  await postgres?.stop();
  await removePostgres(join(folder, 'data'));
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const again = { maxReconnectAttempts: 0, waitOnFirstConnect: false, timeout: 5_000 };
const without = (url: string, parameter: string): string => {
  const found = new URL(url);
  found.searchParams.delete(parameter);
  return found.href;
};
async function connectsTo(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined); // what ends the attempt is told by connect
  try {
    await client.connect();
    return 'connected';
  } catch (error) {
    return (error as Error).message;
  } finally {
    await client.end().catch(() => undefined);
  }
}

it('carries a fact from HTTP to its copy in another service', async () => {
  const { status, body } = await fleet.call('registry', 'POST', '/v1/establishments', {
    token: await fleet.token('office'),
    body: { division: '371425101201', name: '老王饭店', address: '中心街1号', kind: 'catering', area: 120 },
  }); // prettier-ignore
  expect(status).toBe(201);
  const { id } = body as { id: string };
  const copies = await eventually(
    () => fleet.rows('assignment', 'select tier from premises where establishment_id = $1', [id]),
    (rows) => rows.length === 1,
  );
  expect(copies).toEqual([{ tier: 'C' }]);
  await fleet.quiet();
  expect(await fleet.rows('assignment', 'select cause from dead_letter')).toEqual([]);
});

it('has every connection of a service to its database under TLS, app and relay', async () => {
  const open = await fleet.rows<{ role: string; ssl: boolean; version: string }>(
    'registry',
    `select usename as role, ssl, version from pg_stat_ssl join pg_stat_activity using (pid) where datname = current_database() and backend_type = 'client backend'`,
  );
  expect(new Set(open.map(({ role }) => role))).toEqual(new Set(['registry_app', 'registry_relay', 'postgres'])); // prettier-ignore
  expect(open.filter(({ ssl, version }) => !ssl || version !== 'TLSv1.3')).toEqual([]);
});

it.each(['registry', 'identity'] as const)('%s says that its port is taken, and ends, with its broker away as well', async (service) => {
  const PORT = new URL(fleet.issuer).port;
  for (const away of [{}, { NATS_URL: 'tls://127.0.0.1:1' }] as Record<string, string>[])
    await expect(fleet.run(service, 0, undefined, { PORT, ...away })).rejects.toThrow(
      new RegExp(`ended at its start:[^]*Cannot listen on 127\\.0\\.0\\.1:${PORT}: another program listens there: end it, or set PORT to a free one\\.$`),
    );
}, 60_000); // prettier-ignore

describe('PostgreSQL', () => {
  it('lets nobody in without TLS, however right the password', async () => {
    const plain = without(without(fleet.url('registry', 'app'), 'sslmode'), 'sslrootcert');
    expect(await connectsTo(plain)).toMatch(/no pg_hba\.conf entry .* no encryption/);
    expect(await connectsTo(fleet.url('registry', 'app'))).toBe('connected');
  });

  it('is not believed by a service whose authority did not sign its certificate', async () => {
    const url = new URL(fleet.url('registry', 'app'));
    url.searchParams.set('sslrootcert', strangers);
    expect(await connectsTo(url.href)).toMatch(/certificate/);
  });

  it('is not asked by a service whose URL would believe anybody', async () => {
    const url = fleet.url('registry', 'app').replace('verify-full', 'no-verify');
    const started = fleet.step('registry', [], { DATABASE_URL: url, DATABASE_RELAY_URL: url, NATS_URL: 'tls://127.0.0.1:1', OIDC_ISSUER: fleet.issuer }); // prettier-ignore
    await expect(started).rejects.toThrow(/DATABASE_URL with sslmode=verify-full/);
  });
});

describe('NATS', () => {
  /** Its address as a client of it has it, with everything else that lets a user in. */
  const access = (user: 'registry' | 'deploy'): BusAccess => busAccess(user, fleet.natsUrl);
  const connecting = (how: Parameters<typeof connect>[0]): Promise<NatsConnection> =>
    connect({ servers: fleet.natsUrl.replace('tls://', ''), ...again, ...how });
  const seedOf = (text = ''): Uint8Array => new TextEncoder().encode(text);

  it('lets nobody in without TLS, however right the key', async () => {
    const authenticator = nkeyAuthenticator(seedOf(access('registry').nkeySeed));
    await expect(connecting({ authenticator, tls: null })).rejects.toThrow();
  });

  it('is not believed by a service whose authority did not sign its certificate', async () => {
    const authenticator = nkeyAuthenticator(seedOf(access('registry').nkeySeed));
    await expect(connecting({ authenticator, tls: { caFile: strangers } })).rejects.toThrow(/certificate/); // prettier-ignore
  });

  it('is not believed under another name than its certificate has', async () => {
    const authority = serversOfRun().authority!;
    const storeDir = join(folder, 'elsewhere');
    const { users } = natsAccess(storeDir);
    const { cert, key } = newCertificate(authority, ['nats.other.example']);
    const files = { certFile: join(folder, 'other.crt'), keyFile: join(folder, 'other.key') };
    await writeFile(files.certFile, cert);
    await writeFile(files.keyFile, key);
    const tls = { ...files, caFile: authority.caFile };
    // Its own starter looks at the name, as every client does.
    await expect(startNats({ bin: serversOfRun().natsServer, storeDir, users, tls })).rejects.toThrow(/altnames/); // prettier-ignore
  });

  it('lets nobody in by another key, nor by a name and a password', async () => {
    const tls = { caFile: serversOfRun().authority!.caFile };
    const stranger = nkeyAuthenticator(nkeys.createUser().getSeed());
    await expect(connecting({ authenticator: stranger, tls })).rejects.toThrow(/Authorization/);
    await expect(connecting({ user: 'registry', pass: 'only-for-tests', tls })).rejects.toThrow(/Authorization/); // prettier-ignore
    await expect(connecting({ tls })).rejects.toThrow(/Authorization/);
  });

  it('gives the holder of a key the rights of its service, and no more', async () => {
    const bus = await connectBus({ ...access('registry'), name: 'registry' });
    const refused = async (subject: string): Promise<void> => {
      await expect(bus.request(subject, '', { timeout: 2_000 })).rejects.toThrow(/Permissions Violation/i); // prettier-ignore
    };
    await refused('$JS.API.STREAM.DELETE.EVT_REGISTRY');
    await refused('evt.assignment.assignment.made.v1.371425.101');
    await bus.close();
  });
});
