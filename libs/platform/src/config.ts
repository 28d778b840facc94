import { type Service } from '#contracts';
import { defaultLimits, type Limits } from './limits.js';

/** What a service needs, from the environment alone. */
export interface Config {
  service: Service;
  host: string;
  port: number;
  databaseUrl: string;
  relayUrl: string;
  natsUrl: string;
  natsUser: string | undefined;
  natsPassword: string | undefined;
  issuer: string;
  audience: string;
  logLevel: string;
  /** Without them the defaults. */
  limits?: Limits;
}

/** @throws Error that names every variable that is missing or wrong, in one sentence. */
export function configFrom(service: Service, env: NodeJS.ProcessEnv): Config {
  const wrong: string[] = [];
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
    natsUrl: need('NATS_URL', /^(nats|tls):\/\//, 'nats://host:4222'),
    natsUser: env['NATS_USER'],
    natsPassword: env['NATS_PASSWORD'],
    issuer: need('OIDC_ISSUER', /^https?:\/\//, 'https://host/identity'),
    audience: env['OIDC_AUDIENCE'] ?? 'urn:foodwarden',
    logLevel: env['LOG_LEVEL'] ?? 'info',
    limits: {
      personPer10s: count('LIMIT_PERSON_PER_10S', defaultLimits.personPer10s),
      townshipPer10s: count('LIMIT_TOWNSHIP_PER_10S', defaultLimits.townshipPer10s),
      uploadsOfTownship: count('LIMIT_UPLOADS_OF_TOWNSHIP', defaultLimits.uploadsOfTownship),
      uploads: count('LIMIT_UPLOADS', defaultLimits.uploads),
    },
  };
  if (!Number.isInteger(config.port) || config.port < 0 || config.port > 65535)
    wrong.push('PORT (like 3000)');
  if (wrong.length > 0)
    throw new Error(`${service} cannot start: set ${wrong.join(', ')} in the environment.`);
  return config;
}
