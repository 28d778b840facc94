import { type Service } from '#contracts';
import pg from 'pg';
import { type Migration } from './migrate.js';

/** What grows with use and is no record of what a county did, and how its age is told. */
const prunable = {
  change: { setting: 'CHANGE_LOG_KEEP_MONTHS', old: 'changed_at < $1' },
  personal_read: { setting: 'CHANGE_LOG_KEEP_MONTHS', old: 'read_at < $1' },
  // What is still to be sent stays, however old.
  delivery: { setting: 'DELIVERY_KEEP_MONTHS', old: 'created_at < $1 and next_at is null' },
} as const;
export type Prunable = keyof typeof prunable;

/**
 * A fact that comes again after its inbox row is gone is applied again. The broker holds none that long, but a replay from
 * journals may: so the inbox is kept longer than anybody replays.
 */
const leastInboxMonths = 3;

/** Lets the owner, which only deploy steps are, take away old rows of these tables. The app still may not. */
export function retention(service: Service, tables: readonly Prunable[]): Migration {
  return {
    name: '0010-retention',
    sql: tables
      .map(
        (table) => `
create policy prune_reads on ${table} for select to ${service}_owner using (true);
create policy prune_deletes on ${table} for delete to ${service}_owner using (true);`,
      )
      .join('\n'),
  };
}

/**
 * Deploy step, as the owner: deletes what is older than the configuration keeps. A setting that is left out keeps for ever,
 * and so does everything that has none: journal, messages, and all that a county did. @returns a line a table, to be told
 */
export async function prune(ownerUrl: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  try {
    const { rows: tables } = await owner.query<{ name: string }>(
      `select relname as name from pg_class where relkind in ('r', 'p') and not relispartition and relnamespace = 'public'::regnamespace`,
    );
    const there = new Set(tables.map(({ name }) => name));
    const told: string[] = [];
    for (const [table, { setting, old }] of Object.entries(prunable)) {
      if (!there.has(table)) continue;
      const before = monthsAgo(env, setting, 1);
      if (!before) {
        told.push(`${table} kept for ever (${setting} is not set)`);
        continue;
      }
      const { rowCount } = await owner.query(`delete from ${table} where ${old}`, [before]);
      told.push(`${table} older than ${before.toISOString()}: ${rowCount} rows deleted`);
    }
    const before = monthsAgo(env, 'INBOX_KEEP_MONTHS', leastInboxMonths);
    told.push(before ? `inbox: ${await dropInbox(owner, before)} months dropped` : 'inbox kept for ever (INBOX_KEEP_MONTHS is not set)'); // prettier-ignore
    return told;
  } finally {
    await owner.end();
  }
}

/** Whole months at once, as partitions: what lies in the default partition stays. */
async function dropInbox(owner: pg.Client, before: Date): Promise<number> {
  const { rows: parts } = await owner.query<{ name: string }>(
    `select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'inbox'::regclass and c.relname ~ '^inbox_\\d{4}_\\d{2}$' order by 1`,
  );
  const last = `inbox_${before.toISOString().slice(0, 7).replace('-', '_')}`;
  const old = parts.filter(({ name }) => name < last);
  await owner.query(`set lock_timeout = '3s'`);
  for (const { name } of old) await owner.query(`drop table ${owner.escapeIdentifier(name)}`);
  return old.length;
}

/** @throws Error that names the setting, when it is no number of months */
function monthsAgo(env: NodeJS.ProcessEnv, setting: string, least: number): Date | undefined {
  const told = env[setting] ?? '';
  if (told === '' || told === 'none') return undefined;
  const months = Number(told);
  if (!Number.isInteger(months) || months < least || months > 1200)
    throw new Error(`${setting} takes ${least} to 1200 months, or none: kept for ever.`);
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, now.getUTCDate()));
}
