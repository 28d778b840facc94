import { randomBytes } from 'node:crypto';
import { publishers, type Service } from '#contracts';
import { type Migration, migrate, provision } from '#database';
import { serversOfRun } from '#testing';
import pg from 'pg';
import { assignment } from '../apps/assignment/src/assignment.definition.js';
import { identity } from '../apps/identity/src/identity.definition.js';
import { inspection } from '../apps/inspection/src/inspection.definition.js';
import { notification } from '../apps/notification/src/notification.definition.js';
import { registry } from '../apps/registry/src/registry.definition.js';
import { training } from '../apps/training/src/training.definition.js';

/*
 * What the database roles of a service may do at all, read from the catalog after the real deploy steps. Which rows they
 * may do it to is judged by walls-sql.spec.ts; what is allowed is said here a second time, apart from the migrations.
 */

/** What an app role may delete: answers older than a day, facts found again or tried again, bytes of a landed file, what an issuer forgets. A record never. */
const forgotten = new Set(['idempotency_key', 'missing_fact', 'waiting_fact', 'registry.ledger_import_part', 'assignment.roster_import_part', 'identity.address_guard', 'identity.oidc_payload', 'identity.recovery_code', 'identity.sign_in', 'identity.sign_in_guard', 'identity.totp']); // prettier-ignore
/** Written once: nobody changes them afterwards, not even the service. */
const onceOnly = ['journal', 'inbox', 'change', 'personal_read', 'policy', 'inspection.inspection', 'inspection.evidence', 'inspection.checklist', 'training.attendance', 'training.certificate', 'assignment.undertaking_copy', 'registry.ledger_import_effect']; // prettier-ignore

const migrations = new Map<Service, Migration[]>(
  [registry, assignment, inspection, training, notification, identity].map((one) => [one.service, one.migrations]),
); // prettier-ignore
const tag = randomBytes(4).toString('hex');
const databaseOf = (service: Service): string => `${service}_rights_${tag}`;
const password = 'only-for-tests';
const { postgres } = serversOfRun();
const clients: pg.Client[] = [];

function urlOf(database: string, user?: string): string {
  const url = new URL(postgres);
  url.pathname = `/${database}`;
  if (user) Object.assign(url, { username: user, password });
  return url.href;
}
async function connected(database: string, user?: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: urlOf(database, user) });
  await client.connect();
  clients.push(client);
  return client;
}

beforeAll(async () => {
  for (const [service, steps] of migrations) {
    await provision(postgres, service, { owner: password, app: password, relay: password }, databaseOf(service)); // prettier-ignore
    await migrate(urlOf(databaseOf(service), `${service}_owner`), steps);
  }
}, 120_000);
afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  const admin = new pg.Client({ connectionString: postgres });
  await admin.connect();
  for (const service of publishers) await admin.query(`drop database if exists ${databaseOf(service)}`); // prettier-ignore
  await admin.end();
}, 60_000);

describe.each([...migrations.keys()])('the roles of %s', (service) => {
  let granted: { role: string; table: string; rights: string[] }[];

  beforeAll(async () => {
    const client = await connected(databaseOf(service));
    const { rows } = await client.query<(typeof granted)[number]>(
      `select grantee as role, table_name as table, array_agg(privilege_type::text order by privilege_type) as rights
       from information_schema.role_table_grants where table_schema = 'public' and grantee not in ('postgres', $1) group by 1, 2`,
      [`${service}_owner`],
    );
    granted = rows;
  });
  const of = (role: string, table: string): string[] =>
    granted.find((one) => one.role === `${service}_${role}` && one.table === table)?.rights ?? [];

  it('are nobody’s members, own nothing but through the owner, and rise to nothing', async () => {
    const client = await connected(databaseOf(service));
    const { rows } = await client.query(
      `select rolname from pg_roles where rolname like $1 and (rolsuper or rolcreatedb or rolcreaterole or rolbypassrls or rolreplication
         or exists (select 1 from pg_auth_members where member = pg_roles.oid))`,
      [`${service}\\_%`],
    );
    expect(rows).toEqual([]);
    const { rows: owned } = await client.query(
      `select relname from pg_class join pg_roles on pg_roles.oid = relowner where rolname = any($1)`,
      [[`${service}_app`, `${service}_relay`]],
    );
    expect(owned).toEqual([]);
  });

  it('truncate, reference, trigger and maintain nothing, and delete only what is to be forgotten', () => {
    expect(granted.length).toBeGreaterThan(10);
    const wide = granted.filter(({ rights }) => rights.some((right) => !['SELECT', 'INSERT', 'UPDATE', 'DELETE'].includes(right))); // prettier-ignore
    expect(wide).toEqual([]);
    const deleting = granted.filter(({ role, rights }) => role === `${service}_app` && rights.includes('DELETE')); // prettier-ignore
    expect(deleting.map(({ table }) => table).filter((table) => !forgotten.has(table) && !forgotten.has(`${service}.${table}`))).toEqual([]); // prettier-ignore
  });

  it('never change what is written once', () => {
    for (const name of onceOnly) {
      const [first = '', second] = name.split('.');
      if (second !== undefined && first !== service) continue;
      const table = second ?? first;
      expect([table, of('app', table).filter((right) => right === 'UPDATE' || right === 'DELETE')]).toEqual([table, []]); // prettier-ignore
    }
  });

  it('let the app write to the outbox without seeing it, and the relay see facts without writing them', () => {
    expect(of('app', 'outbox')).toEqual(['INSERT']);
    expect(of('relay', 'outbox')).toEqual(['DELETE', 'SELECT']);
    expect(of('relay', 'journal')).toEqual(['SELECT']);
    expect(of('relay', 'seal')).toEqual(['INSERT', 'SELECT']); // a seal is never changed; the app has no right to it
    expect(of('app', 'seal')).toEqual([]);
    expect(of('relay', 'watermark')).toEqual(['SELECT']);
    const more = granted.filter(({ role, table }) => role === `${service}_relay` && !['outbox', 'journal', 'seal', 'watermark'].includes(table)); // prettier-ignore
    expect(more).toEqual([]);
  });

  it.each(['app', 'relay'])('keep %s from making tables, temporary ones too, and from other services’ databases', async (role) => {
    const client = await connected(databaseOf(service), `${service}_${role}`);
    await expect(client.query('create table public.mine (id int)')).rejects.toThrow(/permission denied/);
    await expect(client.query('create temporary table mine (id int)')).rejects.toThrow(/permission denied/);
    await expect(client.query('select count(*) from migration')).rejects.toThrow(/permission denied/);
    const other = publishers.find((one) => one !== service)!;
    await expect(connected(databaseOf(other), `${service}_${role}`)).rejects.toThrow(/permission denied/);
  }); // prettier-ignore
});
