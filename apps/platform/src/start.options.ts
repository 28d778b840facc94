import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { allRead, type CountyLoad } from '#platform';

/** What `npm start` was asked for. */
export interface StartOptions {
  /** A county for real use; undefined: the demo. */
  county: string | undefined;
  /** Divisions, calendar, checklists and starting policies; undefined: they were loaded at an earlier start. */
  folder: string | undefined;
  host: string;
  /** Undefined: 8080, or for the demo the next that is free. */
  port: number | undefined;
  /** The address that people type, where a proxy with a certificate stands before it; undefined: host and port. */
  url: string | undefined;
  /** Start over: what the data folder holds is thrown away. */
  fresh: boolean;
  /** The further word without which no real installation is thrown away: its county. */
  erase: string | undefined;
  /** A new one-time password for the account `admin`. */
  resetAdmin: boolean;
}

const files = ['divisions.csv', 'calendar.json', 'checklists.json', 'policies.json'] as const;
const usage =
  'npm start takes --help, --fresh and --port <n>, and for real use --county <code> with --from <folder>, --host <address>, --url <public address>, --reset-admin, --erase <code>; FOODWARDEN_DATA names the data folder';

export const isLoopback = (host: string): boolean => /^(127\.|::1$|localhost$)/.test(host);

/** @param there what the data folder holds already. @throws Error of one sentence that says what to do */
export function startOptionsFrom(args: string[], sample: string, there?: Installed): StartOptions {
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        county: { type: 'string' }, from: { type: 'string' }, host: { type: 'string' }, port: { type: 'string' }, url: { type: 'string' },
        fresh: { type: 'boolean' }, erase: { type: 'string' }, 'reset-admin': { type: 'boolean' },
      },
    })); // prettier-ignore
  } catch (error) {
    throw new Error(`${(error as Error).message.split('.')[0] ?? ''}: ${usage}.`, { cause: error });
  }
  const { county, from, host = '127.0.0.1', fresh = false, erase } = values;
  const resetAdmin = values['reset-admin'] ?? false;
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && (!Number.isInteger(port) || port < 1 || port > 65535))
    throw new Error(`--port ${values.port ?? ''} is no port: give a number from 1 to 65535.`);
  if (county === undefined) {
    for (const [name, given] of [['--from', from], ['--host', host === '127.0.0.1' ? undefined : host], ['--url', values.url], ['--erase', erase], ['--reset-admin', resetAdmin || undefined]] as const)
      if (given !== undefined)
        throw new Error(`${name} is for real use and the demo is for this machine alone: add --county <code>, or leave ${name} out.`);
    return { county, folder: sample, host, port, url: undefined, fresh, erase, resetAdmin };
  } // prettier-ignore
  if (!/^\d{6}$/.test(county))
    throw new Error(`--county ${county} is no county: give its statistics code of 6 digits, e.g. --county 371425.`); // prettier-ignore
  if (['0.0.0.0', '::', ''].includes(host) || (isIP(host) === 0 && !/^[\w.-]+$/.test(host)))
    throw new Error(`--host ${host} is no address that people can open: give the one of this machine that they type, e.g. --host 192.0.2.10.`); // prettier-ignore
  const url = values.url === undefined && there?.county === county && !fresh ? there.url : publicUrlOf(values.url);
  const folder = from === undefined && there?.county === county && !fresh ? undefined : folderOf(from, sample);
  return { county, folder, host, port, url, fresh, erase, resetAdmin };
} // prettier-ignore

/** @returns the origin; undefined for `none`, which forgets what an earlier start was told. @throws Error of one sentence */
function publicUrlOf(given: string | undefined): string | undefined {
  if (given === undefined || given === 'none') return undefined;
  const { protocol = '', hostname = '', origin = '', href = '' } = URL.canParse(given) ? new URL(given) : {};
  if (href !== `${origin}/` || !(protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/[[\]]/g, '')))))
    throw new Error(`--url ${given} is no address of a proxy with a certificate: give https:// and the name that people type, without a path, e.g. --url https://food.county.gov.cn (http:// for this machine alone; none: without a proxy).`);
  return origin;
} // prettier-ignore

/** The county's files: from the folder that was given, else from the sample's when it is that county. */
function folderOf(from: string | undefined, sample: string): string {
  const folder = from === undefined ? sample : resolve(from);
  const missing = files.filter((name) => !existsSync(join(folder, name)));
  if (missing.length > 0)
    throw new Error(`${folder} lacks ${missing.join(', ')}: --from takes a folder with ${files.join(', ')}, in the form of ${sample}.`); // prettier-ignore
  return folder;
}

/**
 * Reads and checks every file of the folder, before anything is started, thrown away or loaded.
 * @returns what each service loads of it; nothing where they were loaded at an earlier start
 * @throws FolderError with every fault; Error of one sentence when it is another county's
 */
export async function readFolder<Service extends string>(
  { county, folder }: Pick<StartOptions, 'county' | 'folder'>,
  sample: string,
  definitions: { service: Service; load?: (folder: string) => Promise<CountyLoad> }[],
): Promise<(CountyLoad & { service: Service })[]> {
  if (folder === undefined) return [];
  const loads = await allRead(
    definitions.flatMap(({ service, load }) =>
      load ? [load(folder).then((read) => ({ ...read, service }))] : [],
    ),
  );
  const of = loads[0]?.county ?? '-';
  if (county === undefined || of === county) return loads;
  throw new Error(
    folder === sample
      ? `county ${county} is not the sample's (${of}): give --from <folder> with its ${files.join(', ')}, in the form of ${sample}.`
      : `${join(folder, 'divisions.csv')} is of county ${of} and not of ${county}: give the folder of that county.`,
  );
}

/** What the data folder holds already, as its secrets.json says; undefined: nothing. */
export interface Installed {
  /** Undefined: the demo. */
  county?: string;
  /** The public address of its proxy; undefined: it has none. */
  url?: string;
}

/** @throws Error of one sentence when the folder holds another kind of installation than is asked for */
export function refuseForeign(
  installed: Installed | undefined,
  { county, fresh, erase }: StartOptions,
  folder: string,
): void {
  if (!installed) return;
  const other = 'set FOODWARDEN_DATA to another folder';
  if (county === undefined && installed.county !== undefined)
    throw new Error(`${folder} holds the installation of county ${installed.county}, beside which there is no demo: add --county ${installed.county}, or ${other}.`); // prettier-ignore
  if (county !== undefined && installed.county === undefined)
    throw new Error(`${folder} holds a demo, with demo accounts and sample rows, and cannot become a real installation: ${other}.`); // prettier-ignore
  if (county !== installed.county)
    throw new Error(`${folder} holds county ${installed.county ?? ''}, not ${county ?? ''}: ${other}.`); // prettier-ignore
  if (fresh && county !== undefined && erase !== county)
    throw new Error(`--fresh would throw away everything that county ${county} has kept in ${folder}: if that is meant, add --erase ${county}.`); // prettier-ignore
}

/** Plain HTTP beyond this machine is worth a sentence. */
export const warningOf = ({ host, url }: StartOptions): string | undefined =>
  isLoopback(host)
    ? undefined
    : `  beware      ${host} is served without TLS: ${url ? 'let it listen to the proxy alone, with --host 127.0.0.1' : 'put a proxy with a certificate before it, with --host 127.0.0.1 --url https://<its name> (docs/operation.md)'}, or use it inside a trusted network alone`;
