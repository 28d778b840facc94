import { type Envelope } from '#contracts';
import { type Database, TookTooLong } from '#database';
import { type Applier, Permanent, storable } from './applier.js';
import { backoffMs, mostTries } from './bus.js';
import { type Patience } from './patience.js';

/** Of each kind, those that failed and those that hung, tried at once: who hangs holds up none that would go through. */
const places = 2;
const lookEveryMs = 1_000;

interface Waiting {
  id: string;
  message: { subject: string; text: string };
  cause: string;
  hung: boolean;
  tries: number;
  since: Date;
}

/**
 * Facts that failed here wait in a table, not in the broker, where each would hold one of the places of its durable: nobody
 * waits for them. Every replica tries those whose time has come, through the same inbox; the claim decides who.
 */
export class Retries {
  private readonly running = { failed: new Set<Promise<void>>(), hung: new Set<Promise<void>>() };
  private loop: Promise<void> | undefined;
  private said = '';
  deadLetters = 0;

  constructor(
    private readonly applier: Applier,
    private readonly patience: Patience,
    private readonly log: (line: string, error?: unknown) => void,
  ) {}

  private get database(): Database {
    return this.applier.database;
  }

  start(): void {
    this.loop ??= this.run();
  }

  /** After `Patience.stop`. */
  async stop(): Promise<void> {
    await this.loop;
    await Promise.all([...this.running.failed, ...this.running.hung]);
  }

  /** A first failure. Returns when it is written; a fact that waits already or was set aside is left as it is. */
  async wait(subject: string, text: string, event: Envelope, cause: Error): Promise<void> {
    const division = event.division.slice(0, 6);
    await this.patience.surely(() =>
      this.database.within({ id: `service:${this.applier.service}`, division, correlationId: event.correlationid }, (tx) =>
        tx.query(
          `insert into waiting_fact (event_id, division, type, message, cause, hung, next_at)
           select $1::uuid, $2, $3, $4, $5, $6, now() + $7 * interval '1 ms'
           where not exists (select 1 from dead_letter where event_id = $1::uuid and replayed_at is null) on conflict do nothing`,
          [event.id, division || '0', event.type, JSON.stringify({ subject, text }), storable(cause.message), cause instanceof TookTooLong, backoffMs[0]],
        ),
      ),
    );
  } // prettier-ignore

  /** A failure that nothing mends but a person. Returns when it is written. */
  async bury(subject: string, text: string, id: string | undefined, cause: string): Promise<void> {
    await this.patience.surely(() => this.applier.bury(subject, text, id, cause));
    this.deadLetters++;
  }

  private async run(): Promise<void> {
    const { failed, hung } = this.running;
    while (!this.patience.stopped) {
      let claimed: Waiting[] = [];
      try {
        claimed = await this.claim(places - failed.size, places - hung.size);
        this.said = '';
      } catch (error) {
        const { message } = error as Error;
        if (this.said !== message) this.log(`facts that wait are not tried: ${message}`, error);
        this.said = message;
      }
      for (const one of claimed) {
        const lane = this.running[one.hung ? 'hung' : 'failed'];
        const work: Promise<void> = this.again(one).finally(() => lane.delete(work));
        lane.add(work);
      }
      // Who hangs in one lane keeps nobody of the other waiting.
      await Promise.race([...failed, ...hung, this.patience.pause(lookEveryMs)]);
    }
  }

  /** Counted before it is tried: one that ends the process does not come for ever. */
  private claim(failed: number, hung: number): Promise<Waiting[]> {
    const due = (lane: string, most: string): string =>
      `select event_id from waiting_fact where ${lane} and next_at <= now() and (taken_until is null or taken_until < now()) order by next_at limit ${most} for update skip locked`;
    return this.database.everywhere('claims facts that wait to be tried again', (tx) =>
      tx.query<Waiting>(
        `update waiting_fact set tries = tries + 1, taken_until = now() + $3 * interval '1 ms'
         where event_id in (${due('not hung', '$1')}) or event_id in (${due('hung', '$2')})
         returning event_id as id, message, cause, hung, tries, failed_at as since`,
        [failed, hung, this.applier.limitMs + 20_000],
      ),
    );
  } // prettier-ignore

  /** One more try. What cannot be written down is not forgotten: its claim ends by itself. */
  private async again({ id, message: { subject, text }, cause, tries, since }: Waiting): Promise<void> {
    const after = `(tried ${mostTries} times since ${since.toISOString()} · 自此已尝试 ${mostTries} 次)`;
    try {
      if (tries > mostTries) {
        await this.bury(subject, text, id, `${cause} ${after}`); // whoever tried it last died
        return;
      }
      await this.patience.step(() =>
        this.applier.apply(this.applier.read(subject, text), this.applier.limitMs, async (tx) => {
          await tx.query('delete from waiting_fact where event_id = $1', [id]);
        }),
      );
    } catch (error) {
      if (this.patience.stopped) return;
      const { message } = error as Error;
      this.log(`${subject}: ${message} (try ${tries} of ${mostTries}, ${id})`, error);
      try {
        if (error instanceof Permanent) await this.bury(subject, text, id, message);
        else if (tries >= mostTries) await this.bury(subject, text, id, `${message} ${after}`);
        else
          await this.patience.surely(() =>
            this.database.everywhere('sets when a fact is tried again', (tx) =>
              tx.query(`update waiting_fact set cause = $2, hung = $3, next_at = now() + $4 * interval '1 ms', taken_until = null where event_id = $1`, [id, storable(message), error instanceof TookTooLong, backoffMs[tries - 1]]),
            ),
          );
      } catch (stopped) {
        if (!this.patience.stopped) throw stopped;
      }
    }
  } // prettier-ignore

  /** How many facts wait to be tried again. */
  async waiting(): Promise<number> {
    const [row] = await this.database.everywhere('counts what waits in all counties', (tx) =>
      tx.query<{ n: number }>('select count(*)::int as n from waiting_fact'),
    );
    return row?.n ?? 0;
  }
}
