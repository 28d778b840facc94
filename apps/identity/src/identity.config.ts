import { roles } from '#contracts';
import { type Config } from '#platform';
import { type AddressLimits, guardedRoutes } from './address.guard.js';

/** What the issuer needs beside what every service needs. */
export interface IdentityConfig extends Config {
  /** The first signs; all are taken, so that a key can be replaced. */
  cookieKeys: string[];
  swaggerRedirectUris: string[];
  /** Roles of people who need a second factor. Programs have none. */
  totpRoles: string[];
  /** The first encrypts the secrets of second factors; all are tried. */
  totpKeys: string[];
  addressLimits: AddressLimits;
  trustProxy: number;
}

/** Requests a minute from one address; an office shares one. */
export const defaultAddressLimits: AddressLimits = { auth: 600, token: 3000, interaction: 600 };

/** @throws Error that names every variable that is missing or wrong, in one sentence, and never its value. */
export function identityConfigFrom(env: NodeJS.ProcessEnv): IdentityConfig {
  const wrong: string[] = [];
  const need = (name: string, right: (value: string) => boolean, example: string): string => {
    const value = env[name] ?? '';
    if (!right(value)) wrong.push(`${name} (like ${example})`);
    return value;
  };
  const list = (name: string, right: (value: string) => boolean, example: string): string[] =>
    need(name, (value) => value.split(',').every(right), example).split(',');
  const whole = (name: string, normally: number, greatest: number): number => {
    const value = Number(env[name] || normally);
    if (!Number.isInteger(value) || value < 0 || value > greatest)
      wrong.push(`${name} (like ${normally})`);
    return value;
  };
  const postgres = (value: string): boolean => /^postgres(ql)?:\/\//.test(value);
  const long = (key: string): boolean => key.length >= 32;
  const aKey =
    'a random text of 32 characters or more; several with commas, the newest first';
  const cookieKeys = list('COOKIE_KEYS', long, aKey);
  const config: IdentityConfig = {
    service: 'identity',
    databaseUrl: need('DATABASE_URL', postgres, 'postgresql://identity_app:…@host:5432/identity'),
    relayUrl: need('DATABASE_RELAY_URL', postgres, 'postgresql://identity_relay:…@host:5432/identity'),
    natsUrl: need('NATS_URL', (value) => /^(nats|tls):\/\//.test(value), 'nats://host:4222'),
    natsUser: env['NATS_USER'],
    natsPassword: env['NATS_PASSWORD'],
    issuer: need(
      'OIDC_ISSUER',
      (value) => /^https?:\/\/[^/?#]+\/identity$/.test(value) && URL.canParse(value),
      'https://host/identity',
    ),
    audience: env['OIDC_AUDIENCE'] ?? 'urn:foodwarden',
    cookieKeys,
    swaggerRedirectUris: list(
      'SWAGGER_REDIRECT_URIS',
      (uri) => /^https?:\/\//.test(uri) && URL.canParse(uri),
      'https://host/docs/oauth2-redirect.html; several with commas',
    ),
    totpRoles: (env['TOTP_ROLES'] ?? 'county-admin').split(',').filter((role) => role !== ''),
    totpKeys: env['TOTP_KEYS'] ? list('TOTP_KEYS', long, aKey) : cookieKeys,
    addressLimits: Object.fromEntries(
      guardedRoutes.map((route) => [
        route,
        whole(`LIMIT_${route.toUpperCase()}_PER_MINUTE`, defaultAddressLimits[route], 1_000_000),
      ]),
    ) as AddressLimits,
    trustProxy: whole('TRUST_PROXY', 0, 10),
    host: env['HOST'] ?? '127.0.0.1',
    port: whole('PORT', 3000, 65535),
    logLevel: env['LOG_LEVEL'] ?? 'info',
  }; // prettier-ignore
  if (config.audience === '') wrong.push('OIDC_AUDIENCE (like urn:foodwarden)');
  if (config.totpRoles.some((role) => !(roles as readonly string[]).includes(role)))
    wrong.push('TOTP_ROLES (like county-admin,office; empty for none)');
  if (wrong.length > 0)
    throw new Error(`identity cannot start: set ${wrong.join(', ')} in the environment.`);
  return config;
}
