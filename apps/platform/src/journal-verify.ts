import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { publishers } from '#contracts';
import { type SeenHead, verifyJournals } from '#messaging';
import { runningPostgres, startPostgres } from '#servers';

/*
 * npm run journal:verify: compares every journal with its seals, without NATS and without the services. By default those of
 * npm start, running or stopped; else of the URLs in the environment, <SERVICE>_DATABASE_RELAY_URL each, or the service's
 * own (SERVICE, DATABASE_RELAY_URL).
 */

const usage =
  'npm run journal:verify takes --head <service>:<seal>:<hash>, as an earlier run printed it, any number of times; and <SERVICE>_DATABASE_RELAY_URL in the environment, else it reads the .data of npm start';

function notedFrom(args: string[]): SeenHead[] {
  const { values } = parseArgs({ args, options: { head: { type: 'string', multiple: true } } });
  return (values.head ?? []).map((text) => {
    const [, owner = '', seal = '', hash = ''] = /^([a-z]+):(\d+):([0-9a-f]{64})$/.exec(text) ?? [];
    if (!owner) throw new Error(`${text} is no head. ${usage}.`);
    return { by: 'your note', owner, seal: Number(seal), hash };
  });
}

/** The databases to read, and what has to end when they are read. */
async function databases(): Promise<{ urls: Map<string, string>; end: () => Promise<void> }> {
  const given = publishers.flatMap((service): [string, string][] => {
    const url = process.env[`${service.toUpperCase()}_DATABASE_RELAY_URL`];
    return url ? [[service, url]] : [];
  });
  const { SERVICE: service, DATABASE_RELAY_URL: own } = process.env; // as in an image
  if (given.length === 0 && service && own) given.push([service, own]);
  if (given.length > 0) return { urls: new Map(given), end: () => Promise.resolve() };
  const dataDir = resolve(process.env['FOODWARDEN_DATA'] ?? '.data');
  const secretsFile = join(dataDir, 'secrets.json');
  if (!existsSync(secretsFile)) throw new Error(`${dataDir} holds no installation. ${usage}.`);
  const { database } = JSON.parse(readFileSync(secretsFile, 'utf8')) as { database: string };
  const folder = join(dataDir, 'postgres');
  const running = await runningPostgres(folder);
  const started = running === undefined ? await startPostgres({ dataDir: folder }) : undefined;
  const port = running ?? started?.port;
  return {
    urls: new Map(publishers.map((service) => [service, `postgresql://${service}_relay:${encodeURIComponent(database)}@127.0.0.1:${port}/${service}`])),
    end: async () => started?.stop(),
  };
} // prettier-ignore

if (import.meta.main)
  try {
    const notes = notedFrom(process.argv.slice(2));
    const { urls, end } = await databases();
    const { lines, well } = await verifyJournals(urls, notes).finally(end);
    process.stdout.write(`${lines.join('\n')}\n`);
    process.exitCode = well ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 2;
  }
