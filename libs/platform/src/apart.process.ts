import 'reflect-metadata';
import { getPriority, setPriority } from 'node:os';
import { pino } from 'pino';
import { type Told } from './apart.js';
import { openContext, type ServiceDefinition } from './context.js';
import { isHeavy, type Job, Jobs } from './jobs.js';
import { defaultLimits } from './limits.js';
import { Served } from './served.js';

/** Without anything to do; a next import of the same morning finds it still there. */
const idleMs = 60_000;

let served: Served | undefined;
let stop: (() => void) | undefined;
let early = false;

// Behind who is served, and not starved by a busy machine. Who began the platform by `nice` may not take that back.
if (getPriority() < 5) setPriority(5);
// Ctrl-C reaches the whole group: the service tells when to stop, and without it there is nobody to work for.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => {
  end();
  setTimeout(() => process.exit(1), 20_000).unref();
});
process.on('message', (told: Told) => {
  if (told === 'stop') end();
  else if ('served' in told) served?.note(told.served);
  else void work(told).then(() => process.exit(0));
});

/** What is begun is given back after its batch, so that another goes on with it at once. */
function end(): void {
  early = true;
  stop?.();
}

async function work({
  definition: url,
  config,
}: Extract<Told, { definition: string }>): Promise<void> {
  const { service, limits = defaultLimits } = config;
  served = new Served(limits.importPauses);
  const log = pino({ level: config.logLevel, base: { service, apart: true } });
  const module = (await import(url)) as Record<string, ServiceDefinition | undefined>;
  const definition = module[service];
  if (!definition) throw new Error(`${url} exports no ${service}.`);
  const { database, app, close } = await openContext(definition, config, served, 3);
  database.onCommit(() => process.send?.('committed', () => undefined)); // the service may just be gone
  let last = performance.now();
  const heavy = (definition.jobs ?? [])
    .map((type) => app.get<Job>(type, { strict: false }))
    .filter(isHeavy);
  const watched = heavy.map((job): Job => ({
    intervalMs: job.intervalMs,
    async run() {
      const more = await job.run();
      if (more) last = performance.now();
      return more;
    },
    stop: () => job.stop?.(),
  }));
  const jobs = new Jobs(watched, (line, error) =>
    log.warn({ err: error instanceof Error ? error.message : error }, line),
  );
  const stopping = new Promise<void>((done) => (stop = done));
  if (!early) {
    jobs.start();
    const idle = setInterval(() => performance.now() - last > idleMs && stop?.(), 1000);
    await stopping;
    clearInterval(idle);
  }
  await jobs.stop();
  await close();
}
