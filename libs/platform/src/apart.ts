import { type ChildProcess, fork } from 'node:child_process';
import { type Config } from './config.js';
import { type Job } from './jobs.js';
import { type Served } from './served.js';

/** What the other process is told. */
export type Told = { definition: string; config: Config } | { served: string } | 'stop';

const retryMs = 10_000;

/**
 * Heavy jobs in a process of their own, so that they hold up no request: it comes when one of them is due, works at a
 * lower priority, and goes a while after there was nothing left. It ends with this process, however this one ends.
 */
export class Apart implements Job {
  readonly intervalMs = 300;
  private child: ChildProcess | undefined;
  private stopped = false;
  /** Not before: what fails at its start would fail each time. */
  private notBefore = 0;

  /** @param definition URL of the module that declares the service */
  constructor(
    private readonly definition: string,
    private readonly config: Config,
    private readonly jobs: Job[],
    private readonly served: Served,
    /** Facts were committed there. */
    private readonly committed: () => void,
  ) {}

  /** @throws Error when the other process failed: what it had begun is due again when its claim runs out */
  async run(): Promise<boolean> {
    if (performance.now() < this.notBefore) return false;
    const due = await Promise.all(this.jobs.map(async (job) => job.due?.()));
    if (this.stopped || !due.includes(true)) return false;
    const child = fork(new URL('./apart.process.js', import.meta.url), {
      // Rows of a batch are young and few; without a bound the garbage of many would be kept.
      execArgv: [...process.execArgv, '--max-semi-space-size=16', '--max-old-space-size=256'],
      serialization: 'advanced',
    });
    this.child = child;
    const gone = new Promise<string>((done) => {
      child.once('error', ({ message }) => done(message));
      child.once('exit', (code, signal) => done(code === 0 ? '' : `it ended with ${signal ?? code}`));
    });
    const tell = (told: Told): void => {
      if (child.connected) child.send(told, () => undefined); // gone meanwhile: `exit` tells
    };
    child.on('message', this.committed);
    tell({ definition: this.definition, config: this.config });
    this.served.tellTo((township) => tell({ served: township }));
    const trouble = await gone;
    this.served.tellTo(undefined);
    this.child = undefined;
    if (trouble !== '') {
      this.notBefore = performance.now() + retryMs;
      throw new Error(trouble);
    }
    return true;
  } // prettier-ignore

  stop(): void {
    this.stopped = true;
    if (this.child?.connected) this.child.send('stop' satisfies Told, () => undefined);
  }
}
