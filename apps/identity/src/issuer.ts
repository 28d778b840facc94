import { createHash, randomBytes, randomUUID, scrypt, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage, type ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { type Migration } from '#database';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import Provider, {
  type Adapter,
  type AdapterPayload,
  type Configuration,
  errors,
} from 'oidc-provider';
import type pg from 'pg';
import { loginPage, signedOutPage, signOutPage, troublePage } from './login.page.js';
import { walls } from './migrations/0002-walls.js';

const derive = promisify<string, Buffer, number, Buffer>(scrypt);

/** Account and machine tables of the issuer; migration 0001 of identity. */
export const identitySchema = `
create table account (
  id uuid primary key,
  name text not null unique,
  display_name text not null,
  role text not null,
  division text collate "C" not null,
  official uuid,
  password_hash text not null
);
create table client (client_id text primary key, account_id uuid not null references account, secret_hash text not null);
create table oidc_payload (
  model text not null, id text not null, payload jsonb not null, grant_id text, uid text,
  consumed_at timestamptz, expires_at timestamptz, primary key (model, id)
);
create index oidc_payload_grant on oidc_payload (grant_id) where grant_id is not null;
create index oidc_payload_uid on oidc_payload (model, uid) where uid is not null;
create table signing_key (kid text primary key, jwk jsonb not null);
grant select, insert, update on account, client to identity_app;
grant select, insert, update, delete on oidc_payload to identity_app;
grant select, insert on signing_key to identity_app;
`;

export const identityMigrations: Migration[] = [
  { name: '0001-identity', sql: identitySchema },
  walls,
];

export interface Account {
  id: string;
  name: string;
  displayName: string;
  role: string;
  division: string;
  official?: string;
}

interface AccountRow {
  id: string;
  display_name: string;
  role: string;
  division: string;
  official: string | null;
  password_hash: string;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64url');

async function hashPassword(password: string, salt: Buffer): Promise<string> {
  return `${salt.toString('base64url')}.${(await derive(password, salt, 32)).toString('base64url')}`;
}

/**
 * Adds or renews an account and, where it has a secret for them, the client its programs sign in with; the client's id is
 * the account's, so `sub` is too.
 */
export async function addAccount(
  pool: pg.Pool,
  account: Account,
  secrets: { password: string; clientSecret?: string | undefined },
): Promise<void> {
  await pool.query(
    `insert into account (id, name, display_name, role, division, official, password_hash) values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (id) do update set name = excluded.name, display_name = excluded.display_name, role = excluded.role,
       division = excluded.division, official = excluded.official, password_hash = excluded.password_hash`,
    [account.id, account.name, account.displayName, account.role, account.division, account.official ?? null, await hashPassword(secrets.password, randomBytes(16))],
  ); // prettier-ignore
  if (!secrets.clientSecret) return;
  await pool.query(
    `insert into client (client_id, account_id, secret_hash) values ($1::text, $1::uuid, $2)
     on conflict (client_id) do update set secret_hash = excluded.secret_hash`,
    [account.id, sha256(secrets.clientSecret)],
  );
}

type SignIn =
  { outcome: 'signed-in'; account: string } | { outcome: 'wrong' } | { outcome: 'locked' };

/** The same answer in the same time for an unknown name as for a wrong password. */
async function signIn(pool: pg.Pool, name: string, password: string): Promise<SignIn> {
  const nameHash = sha256(name);
  const triedAt = await claimTry(pool, nameHash);
  if (!triedAt) return { outcome: 'locked' };
  const { rows } = await pool.query<AccountRow>('select * from account where name = $1', [name]);
  const stored = rows[0]?.password_hash ?? `${'A'.repeat(22)}.${'A'.repeat(43)}`;
  const given = await hashPassword(password, Buffer.from(stored.split('.')[0] ?? '', 'base64url'));
  const same =
    given.length === stored.length && timingSafeEqual(Buffer.from(given), Buffer.from(stored));
  if (!same || !rows[0]) return { outcome: 'wrong' };
  await pool.query(
    `update sign_in_guard set tried_at = array_remove(tried_at, $2::timestamptz), locked_until = null where name_hash = $1`,
    [nameHash, triedAt],
  );
  return { outcome: 'signed-in', account: rows[0].id };
}

/**
 * Ten failed passwords for a name within 15 minutes close it for 15 minutes. A try counts as failed until it is known to
 * be good, so that a hundred at once, over several replicas, are no more than ten. @returns undefined when it is closed
 */
async function claimTry(pool: pg.Pool, nameHash: string): Promise<string | undefined> {
  const { rows } = await pool.query<{ tried_at: string }>(
    `insert into sign_in_guard as guard (name_hash, tried_at) values ($1, array[app_now()])
     on conflict (name_hash) do update set (tried_at, locked_until) = (
       select array_agg(one), case when count(*) >= 10 then app_now() + interval '15 minutes' end
       from unnest(guard.tried_at || app_now()) as one where one > app_now() - interval '15 minutes')
     where guard.locked_until is null or guard.locked_until <= app_now()
     returning app_now()::text as tried_at`,
    [nameHash],
  );
  return rows[0]?.tried_at;
}

/** Deletes what nobody can use any more. Every replica may do it. */
export async function sweep(pool: pg.Pool): Promise<void> {
  await pool.query(`delete from oidc_payload where expires_at < now()`);
  await pool.query(
    `delete from sign_in_guard where greatest(locked_until, (select max(one) from unnest(tried_at) as one)) < now() - interval '1 hour'`,
  );
}

async function signingKeys(pool: pg.Pool): Promise<JWK[]> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query('select pg_advisory_xact_lock(7031, 4)'); // replicas agree on one key
    const { rows } = await client.query<{ jwk: JWK }>('select jwk from signing_key order by kid');
    if (rows.length === 0) {
      const { privateKey } = await generateKeyPair('ES256', { extractable: true });
      const jwk: JWK = {
        ...(await exportJWK(privateKey)),
        kid: randomUUID(),
        alg: 'ES256',
        use: 'sig',
      };
      await client.query('insert into signing_key (kid, jwk) values ($1, $2)', [jwk.kid, jwk]);
      rows.push({ jwk });
    }
    await client.query('commit');
    return rows.map((row) => row.jwk);
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

/** What oidc-provider keeps (sessions, codes, grants), in PostgreSQL. */
function adapterOf(pool: pg.Pool, redirectUris: string[]): new (model: string) => Adapter {
  return class PostgresAdapter implements Adapter {
    constructor(private readonly model: string) {}

    async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
      await pool.query(
        `insert into oidc_payload (model, id, payload, grant_id, uid, expires_at)
         values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
         on conflict (model, id) do update set payload = excluded.payload, grant_id = excluded.grant_id,
           uid = excluded.uid, expires_at = excluded.expires_at`,
        [this.model, id, payload, payload.grantId ?? null, payload.uid ?? null, expiresIn],
      );
    }

    async find(id: string): Promise<AdapterPayload | undefined> {
      if (this.model === 'Client') return this.client(id);
      return this.first('id = $2', id);
    }

    async findByUid(uid: string): Promise<AdapterPayload | undefined> {
      return this.first('uid = $2', uid);
    }

    async findByUserCode(): Promise<undefined> {
      return undefined; // the device flow is off
    }

    async consume(id: string): Promise<void> {
      await pool.query('update oidc_payload set consumed_at = now() where model = $1 and id = $2', [
        this.model,
        id,
      ]);
    }

    async destroy(id: string): Promise<void> {
      await pool.query('delete from oidc_payload where model = $1 and id = $2', [this.model, id]);
    }

    async revokeByGrantId(grantId: string): Promise<void> {
      await pool.query('delete from oidc_payload where grant_id = $1', [grantId]);
    }

    private async first(where: string, value: string): Promise<AdapterPayload | undefined> {
      const { rows } = await pool.query<{ payload: AdapterPayload; consumed: number | null }>(
        `select payload, extract(epoch from consumed_at)::int as consumed from oidc_payload
         where model = $1 and ${where} and (expires_at is null or expires_at > now())`,
        [this.model, value],
      );
      const row = rows[0];
      return row && { ...row.payload, ...(row.consumed ? { consumed: row.consumed } : {}) };
    }

    private async client(id: string): Promise<AdapterPayload | undefined> {
      if (id === 'swagger')
        return {
          client_id: 'swagger', redirect_uris: redirectUris, grant_types: ['authorization_code'],
          response_types: ['code'], token_endpoint_auth_method: 'none',
        }; // prettier-ignore
      const { rows } = await pool.query<{ secret_hash: string }>(
        'select secret_hash from client where client_id = $1',
        [id],
      );
      return (
        rows[0] && {
          client_id: id, client_secret: rows[0].secret_hash, grant_types: ['client_credentials'],
          redirect_uris: [], response_types: [],
        }
      ); // prettier-ignore
    }
  };
}

export interface IssuerOptions {
  /** Public address with its path, e.g. `http://127.0.0.1:8080/identity`. */
  issuer: string;
  pool: pg.Pool;
  audience: string;
  swaggerRedirectUris: string[];
  cookieKeys: string[];
  /** Hears of sign-ins and of what went wrong: never a secret, never a name that was typed. */
  log?: (line: string, details: Record<string, unknown>) => void;
}

/** The embedded OIDC issuer: code + PKCE for people, client credentials for programs; tokens live five minutes. */
export async function createIssuer(
  options: IssuerOptions,
): Promise<(request: IncomingMessage, response: ServerResponse) => void> {
  const { pool, issuer, audience } = options;
  const say = options.log ?? ((): void => undefined);
  const path = new URL(issuer).pathname.replace(/\/$/, '');
  const accountOf = async (id: string | undefined): Promise<AccountRow | undefined> =>
    (await pool.query<AccountRow>('select * from account where id::text = $1', [id ?? ''])).rows[0];
  const configuration: Configuration = {
    adapter: adapterOf(pool, options.swaggerRedirectUris),
    jwks: { keys: (await signingKeys(pool)) },
    cookies: {
      keys: options.cookieKeys,
      names: { session: 'fw_session', interaction: 'fw_interaction', resume: 'fw_resume' },
      long: { signed: true, path: path || '/', sameSite: 'lax', httpOnly: true },
      short: { signed: true, path: path || '/', sameSite: 'lax', httpOnly: true },
    },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    responseTypes: ['code'],
    pkce: { required: () => true },
    ttl: { AccessToken: 300, ClientCredentials: 300, AuthorizationCode: 60, Interaction: 600, Session: 8 * 3600, Grant: 8 * 3600, IdToken: 300 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (context, form) => {
          context.body = signOutPage(form);
        },
        postLogoutSuccessSource: (context) => {
          context.body = signedOutPage();
        },
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'openid', audience, accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    interactions: { url: (_context, interaction) => `${path}/interaction/${interaction.uid}` },
    clientBasedCORS: () => true,
    renderError: (context, out) => {
      context.type = 'html';
      context.body = troublePage(out.error);
    },
    findAccount: async (_context, id) => {
      const account = await accountOf(id);
      return account && { accountId: id, claims: () => ({ sub: id, name: account.display_name }) };
    },
    extraTokenClaims: async (_context, token) => {
      const account = await accountOf('accountId' in token ? token.accountId : token.clientId);
      if (!account) return undefined;
      const { role, division, official, display_name: name } = account;
      return { roles: [role], division, name, ...(official ? { official } : {}) };
    },
    // The only client for people is our own Swagger UI: nothing to ask them.
    loadExistingGrant: async (context) => {
      const { client, session, provider: own } = context.oidc;
      if (!client || !session?.accountId) return undefined;
      const grant = new own.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope('openid');
      grant.addResourceScope(audience, 'openid');
      await grant.save();
      return grant;
    },
  }; // prettier-ignore
  const provider = new Provider(issuer, configuration);
  provider.proxy = issuer.startsWith('https://');
  // Secrets are 256 random bits, kept as their hash.
  (
    provider.Client.prototype as unknown as { compareClientSecret(given: string): boolean }
  ).compareClientSecret = function compare(this: { clientSecret: string }, given: string): boolean {
    const hash = Buffer.from(sha256(given));
    const kept = Buffer.from(this.clientSecret);
    return hash.length === kept.length && timingSafeEqual(hash, kept);
  };
  provider.on('server_error', (_context, error) => say('request failed', { err: error.message }));
  const serve = provider.callback();

  return (request, response) => {
    const url = request.url ?? '';
    if (url.startsWith(`${path}/interaction/`)) {
      interact(request, response).catch((error: Error) => {
        if (response.headersSent) return;
        if (error instanceof errors.SessionNotFound || error instanceof TooLarge) {
          send(response, 400, loginPage('登录已过期,请返回重新点击 Authorize。'));
          return;
        }
        say('sign-in failed', { err: error.message });
        send(
          response,
          503,
          loginPage('服务暂不可用,请稍后重试。Not available for the moment: try again.'),
        );
      });
      return;
    }
    (request as IncomingMessage & { originalUrl?: string }).originalUrl = url;
    request.url = url.slice(path.length) || '/';
    void serve(request, response);
  };

  async function interact(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await provider.interactionDetails(request, response); // throws without the interaction's own cookie
    if (request.method !== 'POST') {
      send(response, 200, loginPage());
      return;
    }
    const form = new URLSearchParams(await read(request));
    const name = (form.get('name') ?? '').replaceAll('\0', ''); // PostgreSQL has no NUL
    const result = await signIn(pool, name, form.get('password') ?? '');
    say('sign-in', { ...result });
    if (result.outcome === 'wrong') send(response, 401, loginPage('账号或密码不正确。'));
    else if (result.outcome === 'locked')
      send(
        response,
        429,
        loginPage(
          '密码错误次数过多,请 15 分钟后再试。Too many wrong passwords: try again in 15 minutes.',
        ),
      );
    else
      await provider.interactionFinished(request, response, {
        login: { accountId: result.account },
      });
  }
}

class TooLarge extends Error {}

function send(response: ServerResponse, status: number, html: string): void {
  response
    .writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    })
    .end(html);
}

async function read(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > 4096) throw new TooLarge();
  }
  return body;
}
