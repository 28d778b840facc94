import { roles } from '#contracts';
import { type Config, readConfig, refuse } from '#platform';
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
  const long = (key: string): boolean => key.length >= 32;
  const aKey = 'a random text of 32 characters or more; several with commas, the newest first';
  const cookieKeys = list('COOKIE_KEYS', long, aKey);
  const every = readConfig('identity', env, wrong);
  if (every.issuer && !/^https?:\/\/[^/?#]+\/identity$/.test(every.issuer))
    wrong.push('OIDC_ISSUER (like https://host/identity)');
  const config: IdentityConfig = {
    ...every,
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
  };
  if (config.audience === '') wrong.push('OIDC_AUDIENCE (like urn:foodwarden)');
  if (config.totpRoles.some((role) => !(roles as readonly string[]).includes(role)))
    wrong.push('TOTP_ROLES (like county-admin,office; empty for none)');
  refuse('identity', wrong);
  return config;
}
