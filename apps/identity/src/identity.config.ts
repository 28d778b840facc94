/** What the issuer needs, from the environment alone. */
export interface IdentityConfig {
  databaseUrl: string;
  /** Public address, path included. */
  issuer: string;
  audience: string;
  /** The first signs; all are taken, so that a key can be replaced. */
  cookieKeys: string[];
  swaggerRedirectUris: string[];
  host: string;
  port: number;
  logLevel: string;
}

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
  const config: IdentityConfig = {
    databaseUrl: need(
      'DATABASE_URL',
      (value) => /^postgres(ql)?:\/\//.test(value),
      'postgresql://identity_app:…@host:5432/identity',
    ),
    issuer: need(
      'OIDC_ISSUER',
      (value) => /^https?:\/\/[^/?#]+\/identity$/.test(value) && URL.canParse(value),
      'https://host/identity',
    ),
    audience: env['OIDC_AUDIENCE'] ?? 'urn:foodwarden',
    cookieKeys: list(
      'COOKIE_KEYS',
      (key) => key.length >= 32,
      'a random text of 32 characters or more; several with commas, the newest first',
    ),
    swaggerRedirectUris: list(
      'SWAGGER_REDIRECT_URIS',
      (uri) => /^https?:\/\//.test(uri) && URL.canParse(uri),
      'https://host/docs/oauth2-redirect.html; several with commas',
    ),
    host: env['HOST'] ?? '127.0.0.1',
    port: Number(env['PORT'] ?? 3000),
    logLevel: env['LOG_LEVEL'] ?? 'info',
  };
  if (config.audience === '') wrong.push('OIDC_AUDIENCE (like urn:foodwarden)');
  if (!Number.isInteger(config.port) || config.port < 0 || config.port > 65535)
    wrong.push('PORT (like 3000)');
  if (wrong.length > 0)
    throw new Error(`identity cannot start: set ${wrong.join(', ')} in the environment.`);
  return config;
}
