import { type Service } from '#contracts';
import { type County } from '#testing';

interface Machine {
  /** Why it may stand without a wall. */
  because: string;
  /** All of them: a new one has to be read by somebody before it may stand here. None tells of a person. */
  columns: string[];
}

/** Tables that belong to no place, so nothing walls them. Each has its reason; none holds personal data. */
export const machines: Record<string, Machine> = {
  account_cutoff: {
    because: 'which version of an account a token is compared with before its place is believed',
    columns: ['account_id', 'active', 'changed_at', 'version'],
  },
  inbox: {
    because: 'ids of the facts that were applied, no content',
    columns: ['applied_at', 'consumer', 'event_at', 'event_id'],
  },
  missing_fact: {
    because: 'ids of facts that were sent and have not arrived, no content; empty when all is well',
    columns: ['asked', 'asked_at', 'cause', 'event_id', 'found_at', 'owner', 'seal', 'type'],
  },
  migration: {
    because: 'which steps were applied: written by the owner alone, no right for the app',
    columns: ['applied_at', 'hash', 'name'],
  },
  outbox: {
    because: 'pointers to unsent rows of the journal, which has its wall',
    columns: ['journal_id', 'recorded_at'],
  },
  seal: {
    because: 'ids and hashes of rows of the journal, which has its wall; no right for the app',
    columns: [
      'event_ids', 'facts', 'hash', 'journal_ids', 'number', 'previous', 'recorded_from', 'recorded_until', 'row_hashes', 'sealed_at', 'stream_seq', 'types',
    ], // prettier-ignore
  },
  watermark: {
    because: 'how far each publisher’s seals were compared with the inbox',
    columns: ['broken_at', 'broken_hash', 'broken_seal', 'hash', 'owner', 'seal'],
  },
};

/** Tables of one service without forced row-level security, whatever schema they lie in, with their columns. */
export async function unwalled(
  county: County,
  service: Service,
): Promise<Record<string, string[]>> {
  const open = await county.rows<{ name: string; columns: string[] }>(
    service,
    `select relname as name,
       array(select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped order by 1) as columns
     from pg_class c where relkind in ('r', 'p', 'f') and not relispartition and not (relrowsecurity and relforcerowsecurity)
       and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
       and relnamespace::regnamespace::text !~ '^(pg_toast|test$)'`, // the tests' own clock
  );
  return Object.fromEntries(open.map(({ name, columns }) => [name, columns]));
}

/** What `unwalled` has to answer. */
export const machineColumns = Object.fromEntries(
  Object.entries(machines).map(([name, { columns }]) => [name, columns]),
);
