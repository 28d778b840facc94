import 'reflect-metadata';
import { migrate, prune } from '#database';
import { pino } from 'pino';
import { addAccountStep, resetAccountStep } from './account.step.js';
import { identityConfigFrom } from './identity.config.js';
import { identity } from './identity.definition.js';
import { startIdentity } from './identity.server.js';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function need(name: string, step: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`Set ${name} for the step ${step}.`);
  return value;
}

/** Runs the issuer, or with the argument `migrate`, `prune`, `add-account` or `reset-account` does that one deploy step. */
async function main(step: string | undefined, file: string | undefined): Promise<void> {
  if (step === 'migrate') {
    const applied = await migrate(need('DATABASE_OWNER_URL', step), identity.migrations);
    say(`identity: ${applied.length} migrations applied`);
    return;
  }
  if (step === 'prune') {
    for (const line of await prune(need('DATABASE_OWNER_URL', step), process.env))
      say(`identity: ${line}`);
    return;
  }
  if (step === 'add-account') {
    say(`identity: ${await addAccountStep(need('DATABASE_URL', step), file)}`);
    return;
  }
  if (step === 'reset-account') {
    say(`identity: ${await resetAccountStep(need('DATABASE_URL', step), file)}`);
    return;
  }
  if (step !== undefined)
    throw new Error(
      `${step} is not known: the steps are migrate, prune, add-account and reset-account.`,
    );
  const config = identityConfigFrom(process.env);
  const log = pino({ level: config.logLevel, base: { service: 'identity' } });
  const running = await startIdentity(config, log);
  say(JSON.stringify({ service: 'identity', listening: running.port }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(
      signal,
      () =>
        void running.stop().then(
          () => process.exit(0),
          () => process.exit(1),
        ),
    );
}

try {
  await main(process.argv[2], process.argv[3]);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1); // whatever was begun, connections or the wait for a broker that is away, does not keep it
}
