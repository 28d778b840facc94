import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Database } from '#database';
import { loadPolicies, type PolicyFile } from '#platform';
import { Induction } from './training.policies.js';

/** What a county starts with: `policies.json`. */
export async function loadTraining(database: Database, folder: string): Promise<string> {
  const file = JSON.parse(await readFile(join(folder, 'policies.json'), 'utf8')) as PolicyFile;
  const loaded = await database.within(
    { id: 'deploy', division: file.division, correlationId: `load-${file.division}` },
    (tx) => loadPolicies(tx, [Induction], file),
  );
  return `${loaded} requirements`;
}
