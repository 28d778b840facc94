/** Work that no request waits for: an import, a sweep. Every replica runs it; the claim in the database decides who does what. */
export interface Job {
  /** Milliseconds between two looks when there was nothing to do. */
  readonly intervalMs: number;
  /** The name of its queue, and how much is in it: for metrics. */
  readonly queue?: string;
  depth?(): Promise<number>;
  /** Whether there is something to do that nobody does. A job that has this is long and heavy: it runs apart (`Apart`). */
  due?(): Promise<boolean>;
  /** Does one piece. @returns true when there may be more at once. */
  run(): Promise<boolean>;
  /** Ends a piece early, in such a way that another goes on with it. */
  stop?(): void;
}

export const isHeavy = (job: Job): boolean => 'due' in job;

/** Runs jobs until it is stopped; a failure is logged once and tried again. */
export class Jobs {
  private stopped = false;
  private stop_: (() => void) | undefined;
  private readonly stopping = new Promise<void>((done) => (this.stop_ = done));
  private readonly loops: Promise<void>[] = [];

  constructor(
    private readonly jobs: Job[],
    private readonly log: (line: string, error?: unknown) => void,
  ) {}

  start(): void {
    for (const job of this.jobs) this.loops.push(this.loop(job));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.stop_?.();
    for (const job of this.jobs) job.stop?.();
    await Promise.all(this.loops);
  }

  private async loop(job: Job): Promise<void> {
    let said = '';
    while (!this.stopped) {
      try {
        while (!this.stopped && (await job.run()));
        said = '';
      } catch (error) {
        const line = `${job.constructor.name}: ${(error as Error).message}`;
        if (said !== line) this.log(line, error);
        said = line;
      }
      if (this.stopped) return;
      await Promise.race([
        this.stopping,
        new Promise((done) => setTimeout(done, job.intervalMs).unref()),
      ]);
    }
  }
}
