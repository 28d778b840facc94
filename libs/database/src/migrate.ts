import { createHash } from 'node:crypto';
import { type Service } from '#contracts';
import pg from 'pg';

/** A numbered, append-only step. */
export interface Migration {
  name: string;
  sql: string;
}

/** Makes the three roles and the database of a service. Needs a superuser; idempotent. */
export async function provision(
  adminUrl: string,
  service: Service,
  passwords: { owner: string; app: string; relay: string },
  database: string = service,
): Promise<void> {
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    for (const role of ['owner', 'app', 'relay'] as const) {
      const name = `${service}_${role}`;
      const { rowCount } = await admin.query('select 1 from pg_roles where rolname = $1', [name]);
      const verb = rowCount ? 'alter' : 'create';
      await admin.query(
        `${verb} role ${admin.escapeIdentifier(name)} login nosuperuser nobypassrls password ${admin.escapeLiteral(passwords[role])}`,
      );
    }
    const { rowCount } = await admin.query('select 1 from pg_database where datname = $1', [
      database,
    ]);
    if (!rowCount) {
      await admin.query(
        `create database ${admin.escapeIdentifier(database)} owner ${admin.escapeIdentifier(`${service}_owner`)}`,
      );
      await admin.query(`revoke all on database ${admin.escapeIdentifier(database)} from public`);
      for (const role of ['app', 'relay'])
        await admin.query(
          `grant connect on database ${admin.escapeIdentifier(database)} to ${admin.escapeIdentifier(`${service}_${role}`)}`,
        );
    }
  } finally {
    await admin.end();
  }
}

/** `uuid_extract_timestamp` and `transaction_timeout` came with it. */
const leastPostgres = 17;

/** Applies what is missing, as the owner, one transaction a step. Refuses when an applied step was edited. */
export async function migrate(
  ownerUrl: string,
  migrations: readonly Migration[],
): Promise<string[]> {
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  const applied: string[] = [];
  try {
    const { rows } = await owner.query<{ version: string; enough: boolean }>(
      `select current_setting('server_version') as version, current_setting('server_version_num')::int >= $1 as enough`,
      [leastPostgres * 10_000],
    );
    if (rows[0]?.enough !== true)
      throw new Error(`PostgreSQL ${rows[0]?.version} is too old: use ${leastPostgres} or newer.`);
    await owner.query('select pg_advisory_lock(7031, 1)'); // two deploy steps at once take turns
    await owner.query(`set lock_timeout = '3s'`);
    await owner.query(
      `create table if not exists migration (name text primary key, hash text not null, applied_at timestamptz not null default now())`,
    );
    for (const { name, sql } of migrations) {
      const hash = createHash('sha256').update(sql).digest('hex');
      const { rows } = await owner.query<{ hash: string }>(
        'select hash from migration where name = $1',
        [name],
      );
      if (rows[0]) {
        if (rows[0].hash !== hash)
          throw new Error(
            `Migration ${name} was edited after it had been applied: add a new one instead.`,
          );
        continue;
      }
      await owner.query('begin');
      try {
        await owner.query(sql);
        await owner.query('insert into migration (name, hash) values ($1, $2)', [name, hash]);
        await owner.query('commit');
      } catch (error) {
        await owner.query('rollback');
        throw new Error(`Migration ${name} failed: ${(error as Error).message}`, { cause: error });
      }
      applied.push(name);
    }
    await partition(owner);
    return applied;
  } finally {
    await owner.end();
  }
}

/**
 * Keeps this month's and the next three months' partitions of every table partitioned by time. Part of each deploy
 * step; a scheduled `migrate` keeps it so. What comes before or after lands in the default partition and loses nothing.
 */
async function partition(owner: pg.Client): Promise<void> {
  const { rows: parents } = await owner.query<{ name: string }>(
    `select relname as name from pg_class where relkind = 'p' and relnamespace = 'public'::regnamespace order by 1`,
  );
  const now = new Date();
  for (const { name } of parents)
    for (let ahead = 0; ahead <= 3; ahead++) {
      const [from, to] = [ahead, ahead + 1].map((month) =>
        new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + month, 1)).toISOString(),
      ) as [string, string];
      const part = `${name}_${from.slice(0, 7).replace('-', '_')}`;
      const { rows } = await owner.query<{ there: boolean }>(
        `select to_regclass($1) is not null as there`,
        [part],
      );
      if (rows[0]?.there) continue;
      await owner
        .query(
          `create table ${owner.escapeIdentifier(part)} partition of ${owner.escapeIdentifier(name)}
           for values from (${owner.escapeLiteral(from)}) to (${owner.escapeLiteral(to)})`,
        )
        .catch((error: Error & { code?: string }) => {
          if (error.code !== '23514') throw error; // the default partition has rows of that month: they stay there
        });
    }
}
