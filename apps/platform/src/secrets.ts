import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { nkeys } from '@nats-io/transport-node';

/** The lines of an `.env`, with a random secret where one is asked for and none is given. */
export function withSecrets(example: string): string {
  return example.replace(/^(\w+_(PASSWORD|KEYS|SEED))=$/gm, (line, _name, kind) =>
    kind === 'SEED'
      ? `${line}${new TextDecoder().decode(nkeys.createUser().getSeed())}`
      : `${line}${randomBytes(24).toString('hex')}`,
  );
}

/** Deploy step: `node secrets.js < .env.example > .env` */
if (import.meta.main) process.stdout.write(withSecrets(await text(process.stdin)));
