import { type Database, isAway, isConflict } from '#database';

/** Tries of one step while others are in its way, and while the database comes and goes; then it fails like any other. */
const conflicts = 5;
const outages = 10;
/** How often a database that is away is asked. */
const askEveryMs = 500;

/**
 * Holds what cannot be done because the database is away, and goes on when it is back. That is no failure of the fact: it is
 * counted nowhere.
 */
export class Patience {
  private returning: Promise<void> | undefined;
  private end: (() => void) | undefined;
  private readonly ended = new Promise<void>((done) => (this.end = done));
  stopped = false;

  constructor(
    private readonly database: Database,
    private readonly log: (line: string, error?: unknown) => void,
  ) {}

  stop(): void {
    this.stopped = true;
    this.end?.();
  }

  /** Until the time is over, or the process stops. */
  async pause(ms: number): Promise<void> {
    await Promise.race([this.ended, new Promise((done) => setTimeout(done, ms).unref())]);
  }

  /** A step that may fail for a reason of its own. @throws what it threw, also when the process stops */
  async step<T>(work: () => Promise<T>): Promise<T> {
    for (let conflict = 1, outage = 1; ;)
      try {
        return await work();
      } catch (error) {
        if (this.stopped) throw error;
        if (isConflict(error) && conflict++ < conflicts) await this.pause(10 + Math.random() * 40);
        else if (isAway(error) && outage++ < outages) await this.back(error);
        else throw error;
      }
  }

  /** A step that has no reason of its own to fail. @throws what it threw, when the process stops */
  async surely<T>(work: () => Promise<T>): Promise<T> {
    for (;;)
      try {
        return await this.step(work);
      } catch (error) {
        if (this.stopped) throw error;
        await this.back(error);
      }
  }

  /** Waits until the database answers; everybody who waits asks once together. */
  private back(error: unknown): Promise<void> {
    this.returning ??= this.watch(error).finally(() => (this.returning = undefined));
    return this.returning;
  }

  private async watch(error: unknown): Promise<void> {
    const { message } = error as Error;
    this.log(`the database is away, facts wait: ${message} · 数据库不可用,事实等待处理`, error);
    do await this.pause(askEveryMs);
    while (!this.stopped && !(await this.database.ping().then(() => true, () => false))); // prettier-ignore
  }
}
