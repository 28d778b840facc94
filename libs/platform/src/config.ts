import { readFileSync } from 'node:fs';
import { type Service } from '#contracts';
import { type BusAccess, defaultHandlerLimitMs, publicKeyOf } from '#messaging';
import { defaultLimits, type Limits } from './limits.js';
import { type FilesConfig } from '#files';

/** A file of 20 MB over a line of 1.4 Mbit/s. */
export const defaultRequestTimeoutMs = 120_000;

/** What a service needs, from the environment alone. */
export interface Config {
  service: Service;
  host: string;
  port: number;
  databaseUrl: string;
  relayUrl: string;
  nats: BusAccess;
  issuer: string;
  /** Where the issuer is reached from here, when that is not its public address: behind a proxy on this machine. */
  issuerAt?: string;
  audience: string;
  logLevel: string;
  /** Without them the defaults. */
  limits?: Limits;
  /** How long a request may take to arrive whole; two minutes without it. */
  requestTimeoutMs?: number;
  /** How long the effect of one fact may take; ten seconds without it. */
  handlerLimitMs?: number;
  /** Where uploaded files are kept; without it the routes that take or give files answer `files-not-configured`. */
  files: FilesConfig | undefined;
  /** Where a service reads what it alone needs: `Settings`. */
  env?: NodeJS.ProcessEnv;
}

/** The environment as a service's own settings are read from it, once at its start (`<service>.config.ts`). */
export class Settings {
  constructor(readonly env: NodeJS.ProcessEnv) {}
}

/** @throws Error that names every variable that is missing or wrong, in one sentence. */
export function configFrom(service: Service, env: NodeJS.ProcessEnv): Config {
  const wrong: string[] = [];
  const config = readConfig(service, env, wrong);
  refuse(service, wrong);
  return config;
}

export function refuse(service: Service, wrong: readonly string[]): void {
  if (wrong.length > 0)
    throw new Error(`${service} cannot start: set ${wrong.join(', ')} in the environment.`);
}

/** What every service needs; adds to `wrong` what is missing or wrong. */
export function readConfig(service: Service, env: NodeJS.ProcessEnv, wrong: string[]): Config {
  const need = (name: string, pattern: RegExp, example: string): string => {
    const value = env[name] ?? '';
    if (!pattern.test(value)) wrong.push(`${name} (like ${example})`);
    return value;
  };
  const count = (name: string, otherwise: number): number => {
    const value = Number(env[name] ?? otherwise);
    if (!Number.isInteger(value) || value < 1) wrong.push(`${name} (like ${otherwise})`);
    return value;
  };
  for (const name of ['DATABASE_URL', 'DATABASE_RELAY_URL']) vouchedFor(name, env, wrong);
  const config: Config = {
    service,
    host: env['HOST'] ?? '127.0.0.1',
    port: Number(env['PORT'] ?? 3000),
    databaseUrl: need(
      'DATABASE_URL',
      /^postgres(ql)?:\/\//,
      `postgresql://${service}_app:…@host:5432/${service}`,
    ),
    relayUrl: need(
      'DATABASE_RELAY_URL',
      /^postgres(ql)?:\/\//,
      `postgresql://${service}_relay:…@host:5432/${service}`,
    ),
    nats: busFrom(env, wrong),
    issuer: need('OIDC_ISSUER', /^https?:\/\//, 'https://host/identity'),
    audience: env['OIDC_AUDIENCE'] ?? 'urn:foodwarden',
    logLevel: env['LOG_LEVEL'] ?? 'info',
    limits: {
      personPer10s: count('LIMIT_PERSON_PER_10S', defaultLimits.personPer10s),
      townshipPer10s: count('LIMIT_TOWNSHIP_PER_10S', defaultLimits.townshipPer10s),
      uploadsOfTownship: count('LIMIT_UPLOADS_OF_TOWNSHIP', defaultLimits.uploadsOfTownship),
      uploads: count('LIMIT_UPLOADS', defaultLimits.uploads),
      importPauses: count('IMPORT_PAUSES', defaultLimits.importPauses),
    },
    requestTimeoutMs: count('REQUEST_TIMEOUT_MS', defaultRequestTimeoutMs),
    handlerLimitMs: count('HANDLER_LIMIT_MS', defaultHandlerLimitMs),
    files: filesFrom(env, need),
    env,
  };
  if (!Number.isInteger(config.port) || config.port < 0 || config.port > 65535)
    wrong.push('PORT (like 3000)');
  if (env['FILES_DIR'] && config.files && !('folder' in config.files))
    wrong.push('either FILES_DIR or FILES_S3_ENDPOINT');
  return config;
}

/** What an operator may say of TLS in a database's URL: none, or all of it. Everything between believes any server. */
function vouchedFor(name: string, env: NodeJS.ProcessEnv, wrong: string[]): void {
  const query = new URLSearchParams((env[name] ?? '').split('?')[1] ?? '');
  const mode = query.get('sslmode');
  if (mode !== null && mode !== 'verify-full' && mode !== 'disable')
    wrong.push(`${name} with sslmode=verify-full, or without sslmode`);
  const file = query.get('sslrootcert');
  if (file !== null && contentOf(file) === undefined)
    wrong.push(`${name} with an sslrootcert that can be read`);
}

const contentOf = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined; // told by the name of the variable
  }
};

/** How this process joins the bus; adds to `wrong` what is missing or wrong. */
export function busFrom(env: NodeJS.ProcessEnv, wrong: string[]): BusAccess {
  const url = env['NATS_URL'] ?? '';
  if (!/^(nats|tls):\/\//.test(url)) wrong.push('NATS_URL (like nats://host:4222)');
  const { NATS_USER: user, NATS_PASSWORD: password, NATS_NKEY_SEED: given, NATS_NKEY_SEED_FILE: seedFile } = env; // prettier-ignore
  if (given && seedFile) wrong.push('either NATS_NKEY_SEED or NATS_NKEY_SEED_FILE');
  const seed = seedFile ? contentOf(seedFile) : given;
  if (seed && user) wrong.push('either NATS_USER or an nkey');
  const from = seedFile ? 'NATS_NKEY_SEED_FILE' : 'NATS_NKEY_SEED';
  if ((seedFile ?? seed) && !publicKeyOf(seed ?? '')?.startsWith('U'))
    wrong.push(`${from} (the seed of a user’s nkey, SU…)`);
  const { NATS_CA_FILE: caFile, NATS_CERT_FILE: certFile, NATS_KEY_FILE: keyFile } = env;
  for (const [name, file] of Object.entries({
    NATS_CA_FILE: caFile,
    NATS_CERT_FILE: certFile,
    NATS_KEY_FILE: keyFile,
  }))
    // prettier-ignore
    if (file && contentOf(file) === undefined) wrong.push(`${name} (a PEM file that can be read)`);
  if (Boolean(certFile) !== Boolean(keyFile))
    wrong.push('NATS_CERT_FILE and NATS_KEY_FILE together');
  const tls = {
    ...(caFile ? { caFile } : {}),
    ...(certFile && keyFile ? { certFile, keyFile } : {}),
  };
  return {
    url,
    ...(user ? { user, password: password ?? '' } : {}),
    ...(seed ? { nkeySeed: seed } : {}),
    ...(Object.keys(tls).length > 0 ? { tls } : {}),
  };
}

/** A folder, or a bucket with everything that it takes; nothing at all is right too. */
function filesFrom(
  env: NodeJS.ProcessEnv,
  need: (name: string, pattern: RegExp, example: string) => string,
): FilesConfig | undefined {
  if (!Object.keys(env).some((name) => name.startsWith('FILES_S3_') && env[name]))
    return env['FILES_DIR'] ? { folder: env['FILES_DIR'] } : undefined;
  return {
    endpoint: need('FILES_S3_ENDPOINT', /^https?:\/\/[^/?#@]+\/?$/, 'https://s3.host'),
    bucket: need('FILES_S3_BUCKET', /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'foodwarden'),
    region: need('FILES_S3_REGION', /^[\w-]+$/, 'us-east-1'),
    accessKey: need('FILES_S3_ACCESS_KEY', /^\S+$/, 'the id of a key that may use this bucket alone'),
    secretKey: need('FILES_S3_SECRET_KEY', /^\S+$/, 'its secret'),
  };
} // prettier-ignore
