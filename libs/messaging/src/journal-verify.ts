import { createHash } from 'node:crypto';
import pg from 'pg';
import { genesis, hashOfSeal, rowText, type SealedRow } from './seal.js';

/** Where a chain stood for somebody: for a listener that saw it, or for who noted the printed line. */
export interface SeenHead {
  by: string;
  owner: string;
  seal: number;
  hash: string;
}

export interface VerifiedJournal {
  service: string;
  facts: number;
  seals: number;
  head: { seal: number; hash: string };
  /** Committed and not sent yet: nothing vouches for these rows. */
  unsealed: number;
  /** Each names what was changed, removed or inserted. */
  findings: string[];
}

interface Seal {
  number: string;
  previous: string;
  hash: string;
  journalIds: string[];
  eventIds: string[];
  types: string[];
  hashes: string;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * Reads a service's journal and its seals, offline, and compares every row with what was sealed when it was sent. Nothing
 * is written, and nothing that the database could have been taught to answer is believed: hashes are made here.
 * @param url connects as `<service>_relay`, who may read all of both. @param heads what others know of this chain
 */
export async function verifyJournal(service: string, url: string, heads: readonly SeenHead[] = []): Promise<VerifiedJournal> {
  const client = new pg.Client({ connectionString: url, application_name: 'journal:verify' });
  await client.connect();
  try {
    await client.query('begin transaction isolation level repeatable read, read only'); // one moment, while the service runs on
    const findings: string[] = [];
    const find = (text: string): void => void findings.push(`${service}: ${text}`);
    const chain = await walk(client, find);
    await strangers(client, find);
    for (const { by, seal, hash } of heads.filter(({ owner }) => owner === service)) {
      const { rows } = await client.query<{ hash: string }>(`select encode(hash, 'hex') as hash from seal where number = $1`, [seal]);
      if (seal > 0 && rows[0]?.hash !== hash)
        find(`seal ${seal} is not the one that ${by} saw (${hash}): the chain was rewritten, cut off or put back · 第 ${seal} 号封印与 ${by} 所见不同:链被改写、截断或恢复`);
    }
    const unsealed = await client.query<{ n: number }>('select count(*)::int as n from outbox');
    await client.query('rollback');
    return { service, ...chain, unsealed: unsealed.rows[0]?.n ?? 0, findings };
  } finally {
    await client.end();
  }
} // prettier-ignore

/** Every seal in order, with every row that it holds. */
async function walk(client: pg.Client, find: (text: string) => void): Promise<{ facts: number; seals: number; head: { seal: number; hash: string } }> {
  let head = { seal: 0, hash: genesis };
  let [facts, seals] = [0, 0];
  for (;;) {
    const page = await client.query<Seal>(
      `select number, encode(previous, 'hex') as previous, encode(hash, 'hex') as hash, journal_ids as "journalIds", event_ids::text[] as "eventIds",
         types, encode(row_hashes, 'hex') as hashes from seal where number > $1 order by number limit 20`,
      [head.seal],
    );
    if (page.rows.length === 0) return { facts, seals, head };
    const stands = await standing(client, page.rows.flatMap(({ journalIds }) => journalIds));
    for (const seal of page.rows) {
      const number = Number(seal.number);
      const rows = seal.journalIds.map((journalId, index): SealedRow => ({
        journalId, eventId: seal.eventIds[index] ?? '', type: seal.types[index] ?? '', hash: seal.hashes.slice(index * 64, index * 64 + 64),
      }));
      if (number !== head.seal + 1) find(`seals ${head.seal + 1} to ${number - 1} were removed · 第 ${head.seal + 1} 至 ${number - 1} 号封印被删除`);
      else if (seal.previous !== head.hash) find(`seal ${number} does not follow seal ${head.seal} · 第 ${number} 号封印与前一号不衔接`);
      if (hashOfSeal(seal.previous, number, rows) !== seal.hash) find(`seal ${number} itself was changed (journal ids ${rows[0]?.journalId ?? '-'} to ${rows.at(-1)?.journalId ?? '-'}) · 第 ${number} 号封印本身被改动`);
      for (const { journalId, eventId, hash } of rows) {
        const text = stands.get(journalId);
        const name = `journal id ${journalId}, event ${eventId}, seal ${number}`;
        if (text === undefined) find(`REMOVED: ${name} · 被删除`);
        else if (sha256(text) !== hash) find(`CHANGED: ${name} · 被改动`);
      }
      facts += rows.length;
      seals += 1;
      head = { seal: number, hash: seal.hash };
    }
  }
} // prettier-ignore

/** The rows as they stand, as the text that was hashed. */
async function standing(client: pg.Client, ids: string[]): Promise<Map<string, string>> {
  const { rows } = await client.query<{ id: string; text: string }>(
    `select j.id, ${rowText} as text from journal j where j.id = any($1)`,
    [ids],
  );
  return new Map(rows.map(({ id, text }) => [id, text]));
}

/** Rows that no seal holds and that do not wait to be sent; and pointers that should not be there. */
async function strangers(client: pg.Client, find: (text: string) => void): Promise<void> {
  const inserted = await client.query<{ id: string; event: string }>(
    `select j.id, j.event_id as event from journal j
     where not exists (select 1 from outbox o where o.journal_id = j.id and o.recorded_at = j.recorded_at)
       and not exists (select 1 from (select unnest(journal_ids) as id from seal) s where s.id = j.id) order by j.id`,
  );
  for (const { id, event } of inserted.rows)
    find(`INSERTED: journal id ${id}, event ${event}: in no seal, and not waiting to be sent · 系事后插入:无封印,亦不在待发队列`);
  const twice = await client.query<{ id: string; n: number }>(`select id, count(*)::int as n from journal group by id having count(*) > 1 order by id`);
  for (const { id, n } of twice.rows) find(`INSERTED: journal id ${id} stands ${n} times · 同一编号出现 ${n} 次`);
  const pointers = await client.query<{ id: string; there: boolean; sealed: boolean }>(
    `select o.journal_id as id, j.id is not null as there, s.id is not null as sealed from outbox o
       left join journal j on j.id = o.journal_id and j.recorded_at = o.recorded_at
       left join (select unnest(journal_ids) as id from seal) s on s.id = o.journal_id
     where j.id is null or s.id is not null order by 1`,
  );
  for (const { id, there } of pointers.rows)
    find(there ? `journal id ${id} is sealed and would be sent again: its pointer was put back · 已封印的记录又被放回待发队列` : `REMOVED: journal id ${id}, before it was sent · 发送前被删除`);
} // prettier-ignore

/** Several services at once: each one's chain, and what the others saw of it. @returns lines to print, and whether all is well */
export async function verifyJournals(urls: ReadonlyMap<string, string>, notes: readonly SeenHead[]): Promise<{ lines: string[]; well: boolean }> {
  const seen: SeenHead[] = [...notes];
  for (const [service, url] of urls) seen.push(...(await seenBy(service, url)));
  const lines: string[] = [];
  let well = true;
  for (const [service, url] of urls) {
    const { facts, seals, head, unsealed, findings } = await verifyJournal(service, url, seen);
    if (findings.length > 0) well = false;
    lines.push(
      ...findings.slice(0, 1000),
      ...(findings.length > 1000 ? [`${service}: and ${findings.length - 1000} more · 另有 ${findings.length - 1000} 条`] : []),
      `${service}: ${findings.length === 0 ? 'as it was sealed · 与封印一致' : `${findings.length} findings · 发现 ${findings.length} 处`}; ${facts} facts in ${seals} seals, ${unsealed} unsealed (not sent yet · 尚未发送); head ${service}:${head.seal}:${head.hash}`,
    );
  }
  return { lines, well };
} // prettier-ignore

/** What a service saw of the chains of others. */
async function seenBy(service: string, url: string): Promise<SeenHead[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'journal:verify' });
  await client.connect();
  try {
    const { rows } = await client.query<{ owner: string; seal: number; hash: string }>(
      `select owner, seal::float8 as seal, encode(hash, 'hex') as hash from watermark
       union all select owner, broken_seal::float8, encode(broken_hash, 'hex') from watermark where broken_seal is not null`,
    );
    return rows.map((row) => ({ by: service, ...row }));
  } finally {
    await client.end();
  }
}
