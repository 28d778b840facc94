import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export default async function teardown() {
  const running = globalThis.foodwardenPostgres;
  if (!running) return;
  globalThis.foodwardenPostgres = undefined;
  await running.postgres.stop();
  await rm(running.folder, { recursive: true, force: true });
  await rm(dirname(running.postgres.dataDir), { recursive: true, force: true });
}
