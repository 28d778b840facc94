import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

export default async function teardown() {
  const running = globalThis.foodwardenPostgres;
  if (!running) return;
  globalThis.foodwardenPostgres = undefined;
  await running.postgres.stop();
  const { removePostgres } = await import(resolve('dist/libs/servers/src/index.js'));
  await removePostgres(join(running.folder, 'data'));
  await rm(running.folder, { recursive: true, force: true });
}
