import { listeners, type Service, streamOf } from '#contracts';
import { type Database, type Tx } from '#database';
import { type ConsumerInfo, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { type Msg, type NatsConnection } from '@nats-io/transport-node';
import { askSubject, durableOf, markSubject, maxUnacknowledged, ownersOf } from './bus.js';
import { genesis } from './seal.js';
import { type Ask, againMost, type Mark } from './watermarks.js';

/** How often it looks. */
const everyMs = 2_000;
/** A fact on its way is no lost one: so long it may take from the broker's acknowledgement to here. */
const graceMs = 3_000;
/** Deliveries that wait to be tried again may be the ones that are missed: so long they get the benefit of the doubt. */
const doubtMs = 40_000;
/** Messages ahead of us in the stream move; when they have not for so long, the stream is taken to hold them no more. */
const stalledMs = 15_000;
/** Nothing is asked for again while so many messages wait in the stream. */
const busyAt = 1_000;

/** Where our durable stands in an owner's stream. */
interface Place {
  /** How long ago the durable was made, by the broker's clock. */
  ageMs: number;
  /** The last place in the stream that was delivered to us. */
  delivered: number;
  pending: number;
  unacknowledged: number;
  stalled: boolean;
}

/** Why the broker holds no more what it acknowledged. */
type Cause = 'stream' | 'durable' | 'store';
const causes: Record<Cause | 'failing', { en: string; zh: string }> = {
  stream: { en: 'the stream was made anew or lost its end', zh: '该流已重建或丢失了末尾' },
  durable: { en: 'our place in it was made after they were sent', zh: '本服务在其中的位置是在其发送之后才建立的' },
  store: { en: 'its store is damaged', zh: '其存储已损坏' },
  failing: { en: 'or they fail here again and again', zh: '或其在本服务反复处理失败' },
}; // prettier-ignore

interface Compared {
  seal: number;
  hash: string;
}

interface Again {
  id: string;
  seal: number;
  asked: number;
  cause: Cause;
}

/**
 * Compares what the publishers sealed as sent with what took effect here, and asks for what is missing: the broker may
 * lose what it acknowledged. Each seal is compared once, by the ids of its facts; what is missing then is kept in a table
 * of its own until it has arrived, so that a look costs what is new, and not what is kept.
 */
export class Reconciler {
  private readonly marks = new Map<Service, Mark>();
  private readonly progress = new Map<
    Service,
    { delivered: number; since: number; seen: number }
  >();
  private readonly asked = new Map<Service, number>();
  private readonly broken = new Map<Service, string>();
  private readonly work = new Set<Promise<void>>();
  private manager: JetStreamManager | undefined;
  private loop: Promise<void> | undefined;
  private stop_: (() => void) | undefined;
  private readonly stopping = new Promise<void>((done) => (this.stop_ = done));
  private stopped = false;
  private said = '';
  /** For metrics: facts found lost since start, by owner; and those that are missing now. */
  readonly lost = new Map<Service, number>();
  readonly missing = new Map<Service, number>();

  constructor(
    private readonly database: Database,
    private readonly connection: NatsConnection,
    private readonly log: (line: string, error?: unknown) => void,
  ) {}

  private get service(): Service {
    return this.database.service;
  }

  /** What is not well, in words; undefined when everything that was sent has arrived. */
  get trouble(): string | undefined {
    const missed = [...this.asked]
      .filter(([, count]) => count > 0)
      .map(([owner, count]) => `${count} facts of ${owner} were lost on their way and are asked for again · ${owner} 的 ${count} 条事实在途中丢失,已请求重发`);
    return [...missed, ...this.broken.values()].join('; ') || undefined;
  } // prettier-ignore

  start(): void {
    for (const owner of ownersOf(this.service))
      this.connection.subscribe(markSubject(owner, this.service), {
        callback: (error, message) => {
          if (error) this.log(`no watermarks of ${owner}: ${error.message}`, error);
          else this.hear(owner, message);
        },
      });
    this.loop ??= this.run();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.stop_?.();
    await this.loop;
    await Promise.all(this.work);
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      await this.guarded(() => this.look());
      await Promise.race([this.stopping, new Promise((done) => setTimeout(done, everyMs).unref())]);
    }
  }

  /** A failure is told once, and the next look tries again. */
  private async guarded(step: () => Promise<void>): Promise<void> {
    try {
      await step();
      this.said = '';
    } catch (error) {
      const { message } = error as Error;
      if (this.said !== message) this.log(`reconciler: ${message}`, error);
      this.said = message;
    }
  }

  private hear(owner: Service, message: Msg): void {
    const mark = message.json<Mark>();
    this.marks.set(owner, mark);
    if (!mark.page || this.stopped) return;
    const running = this.guarded(() => this.compare(owner, mark)).finally(() =>
      this.work.delete(running),
    );
    this.work.add(running);
  }

  private ask(owner: Service, ask: Ask): void {
    this.connection.publish(askSubject(owner, this.service), JSON.stringify(ask));
  }

  private askAfter(owner: Service, seal: number): void {
    const types = (listeners[this.service] ?? []).map(({ type }) => type);
    this.ask(owner, { after: seal, types });
  }

  private async look(): Promise<void> {
    const rows = await this.database.machine<Compared & { owner: Service; broken: string | null; missing: number }>(
      `select w.owner, w.seal::float8 as seal, encode(w.hash, 'hex') as hash, w.broken_seal || ' ' || encode(w.broken_hash, 'hex') as broken,
         (select count(*)::int from missing_fact m where m.owner = w.owner) as missing from watermark w`,
      [],
    );
    for (const owner of ownersOf(this.service)) {
      const row = rows.find((one) => one.owner === owner);
      if (row?.broken) this.broken.set(owner, brokenText(owner, row.broken));
      else this.broken.delete(owner);
      const place = row?.missing || this.missing.get(owner) ? await this.placeIn(owner) : undefined;
      if (place) await this.recheck(owner, place);
      if (this.stopped) return;
      const { seal, hash } = row ?? { seal: 0, hash: genesis };
      const mark = this.marks.get(owner);
      if (mark && (mark.seal !== seal || mark.hash !== hash)) this.askAfter(owner, seal);
    }
  } // prettier-ignore

  /** undefined while the stream or our durable is gone: the consumers tell that, and nothing could be sent to us. */
  private async placeIn(owner: Service): Promise<Place | undefined> {
    let info: ConsumerInfo;
    try {
      this.manager ??= await jetstreamManager(this.connection, { timeout: 2_000, checkAPI: false });
      info = await this.manager.consumers.info(streamOf(owner), durableOf(this.service, owner));
    } catch {
      return undefined;
    }
    const { created, ts, delivered, num_pending, num_ack_pending } = info;
    const now = performance.now();
    const before = this.progress.get(owner);
    const watched = before?.delivered === delivered.stream_seq && now - before.seen < 5 * everyMs;
    const since = watched ? before.since : now;
    this.progress.set(owner, { delivered: delivered.stream_seq, since, seen: now });
    return {
      ageMs: Date.parse(ts ?? created) - Date.parse(created),
      delivered: delivered.stream_seq,
      pending: num_pending,
      unacknowledged: num_ack_pending,
      stalled: num_ack_pending < maxUnacknowledged && now - since > stalledMs,
    };
  }

  /** Takes the next seals of an owner: what of them is not applied here is missing. */
  private async compare(owner: Service, { page, streamSeq: newest }: Mark): Promise<void> {
    const place = page && (await this.placeIn(owner));
    if (!place) return;
    // A stream made anew counts from one again: from then on, what an older seal says of places means nothing.
    const floors: number[] = [];
    for (let index = page.seals.length - 1, floor = newest ?? Number.MAX_SAFE_INTEGER; index >= 0; index--)
      floors[index] = floor = Math.min(floor, page.seals[index]?.streamSeq ?? floor);
    const sent: { id: string; type: string; seal: number; cause: Cause }[] = [];
    let last: Compared | undefined;
    for (const [index, { number, hash, streamSeq, ageMs, facts }] of page.seals.entries()) {
      if (streamSeq !== null) {
        const reached = place.pending === 0 || place.stalled || place.delivered >= (floors[index] ?? 0);
        if (ageMs < graceMs || !reached) break;
        const cause = place.delivered < streamSeq ? 'stream' : place.ageMs < ageMs ? 'durable' : 'store';
        for (const [type, ids] of Object.entries(facts)) for (const id of ids) sent.push({ id, type, seal: number, cause });
      }
      last = { seal: number, hash };
    }
    const upTo = last;
    const compared = await this.database.everywhere('compares what was sent with its inbox', async (tx) => {
      await tx.query(`insert into watermark (owner) values ($1) on conflict do nothing`, [owner]);
      const [at] = await tx.query<Compared>(`select seal::float8 as seal, encode(hash, 'hex') as hash from watermark where owner = $1 for update`, [owner]);
      if (at?.seal !== page.after) return false; // another replica was first
      if (page.afterHash !== at.hash) {
        await this.tellBroken(tx, owner, at);
        return false;
      }
      if (!upTo) return false;
      await tx.query(
        `insert into missing_fact (event_id, owner, type, seal, cause)
         select f.id, $2, f.type, f.seal, f.cause from jsonb_to_recordset($1) as f(id uuid, type text, seal bigint, cause text)
           left join lateral (select true as here from inbox i where i.consumer = $3 and i.event_id = f.id and i.event_at = uuid_extract_timestamp(f.id) limit 1) applied on true
         where applied.here is null and not exists (select 1 from dead_letter d where d.event_id = f.id) and not exists (select 1 from waiting_fact w where w.event_id = f.id)
         on conflict do nothing`,
        [JSON.stringify(sent), owner, this.service],
      );
      await tx.query(`update watermark set seal = $2, hash = decode($3, 'hex') where owner = $1`, [owner, upTo.seal, upTo.hash]);
      return true;
    });
    // A whole page was compared, and there are more.
    if (compared && upTo && upTo.seal === page.seals.at(-1)?.number && upTo.seal < (this.marks.get(owner)?.seal ?? 0)) this.askAfter(owner, upTo.seal);
  } // prettier-ignore

  /** The owner's chain is not the one whose seals were seen here: it was rewritten, or its database put back. */
  private async tellBroken(tx: Tx, owner: Service, { seal, hash }: Compared): Promise<void> {
    // From its beginning again: what has been applied is found in the inbox, and nothing of the new chain is passed over.
    await tx.query(
      `update watermark set seal = 0, hash = default, broken_at = coalesce(broken_at, now()), broken_seal = coalesce(broken_seal, $2),
         broken_hash = coalesce(broken_hash, decode($3, 'hex')) where owner = $1`,
      [owner, seal, hash],
    );
    this.log(brokenText(owner, `${seal} ${hash}`));
  }

  /** Forgets what has arrived, and asks for what has not. */
  private async recheck(owner: Service, place: Place): Promise<void> {
    const types = (listeners[this.service] ?? []).map(({ type }) => type);
    const { arrived, missing, asked, doubt, again } = await this.database.everywhere('compares what was missing with its inbox', async (tx) => {
      const gone = await tx.query<{ asked: number }>(
        `delete from missing_fact m where m.owner = $1 and (m.type <> all($3) or exists (select 1 from dead_letter d where d.event_id = m.event_id) or exists (select 1 from waiting_fact w where w.event_id = m.event_id)
           or exists (select 1 from inbox i where i.consumer = $2 and i.event_id = m.event_id and i.event_at = uuid_extract_timestamp(m.event_id)))
         returning asked`,
        [owner, this.service, types],
      );
      const [left] = await tx.query<{ missing: number; asked: number; waited: number }>(
        `select count(*)::int as missing, (count(*) filter (where asked > 0))::int as asked,
           coalesce(extract(epoch from clock_timestamp() - min(found_at)) * 1000, 0)::float8 as waited from missing_fact where owner = $1`,
        [owner],
      );
      const { missing = 0, asked = 0, waited = 0 } = left ?? {};
      const doubt = missing <= place.unacknowledged;
      if ((doubt && waited < doubtMs) || place.pending > busyAt) return { arrived: gone, missing, asked, doubt, again: [] };
      const again = await tx.query<Again>(
        `update missing_fact set asked = asked + 1, asked_at = now() where event_id in (
           select event_id from missing_fact where owner = $1 and found_at < now() - $2 * interval '1 ms'
             and (asked = 0 or asked_at < now() - least(15 * 2 ^ (asked - 1), 600) * interval '1 s')
           order by seal, event_id limit $3 for update skip locked)
         returning event_id as id, seal::float8 as seal, asked, cause`,
        [owner, graceMs, againMost],
      );
      return { arrived: gone, missing, asked, doubt, again };
    });
    const first = again.filter((one) => one.asked === 1);
    this.missing.set(owner, missing);
    this.asked.set(owner, asked + first.length);
    this.tellLost(owner, first, doubt);
    const back = arrived.filter((one) => one.asked > 0).length;
    if (back > 0)
      this.log(`FOUND AGAIN: ${back} facts of ${owner} that were lost have arrived, ${missing} are missing · 已补回:${owner} 丢失的事实已到达 ${back} 条,尚缺 ${missing} 条`);
    if (again.length === 0) return;
    const bySeal: Record<number, string[]> = {};
    for (const { id, seal } of again) (bySeal[seal] ??= []).push(id);
    this.ask(owner, { again: bySeal });
  } // prettier-ignore

  /** The alarm. */
  private tellLost(owner: Service, those: Again[], doubt: boolean): void {
    const [first] = those;
    if (!first) return;
    this.lost.set(owner, (this.lost.get(owner) ?? 0) + those.length);
    const why = [...new Set(those.map(({ cause }) => cause)), ...(doubt ? ['failing' as const] : [])].map((one) => causes[one]);
    const seals = those.map(({ seal }) => seal);
    this.log(
      `LOST: ${those.length} facts that ${owner} sent (seals ${Math.min(...seals)} to ${Math.max(...seals)}, e.g. ${first.id}) have not taken effect here, and ${streamOf(owner)} delivers them no more: ${why.map(({ en }) => en).join('; ')}. Asked for them again from its journal · 事实丢失:${owner} 已发送的 ${those.length} 条事实未在本服务生效,${streamOf(owner)} 不再投递(${why.map(({ zh }) => zh).join(';')}),已请求由其日志重发`,
    );
  } // prettier-ignore
}

const brokenText = (owner: Service, seen: string): string =>
  `the journal of ${owner} is not the one that was seen here up to seal ${seen}: rewritten, or its database was put back; run npm run journal:verify · ${owner} 的日志与本服务此前所见(封印 ${seen})不一致:被改写或数据库被恢复,请运行 npm run journal:verify`;
