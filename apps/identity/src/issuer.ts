import { randomUUID, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type Database } from '#database';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import Provider, {
  type Adapter,
  type AdapterPayload,
  type Configuration,
  errors,
  interactionPolicy,
} from 'oidc-provider';
import type pg from 'pg';
import { secretHash } from './account.service.js';
import { AddressGuard, type AddressLimits, type GuardedRoute } from './address.guard.js';
import { busyPage, loginPage, signedOutPage, signOutPage, troublePage } from './login.page.js';
import { type SignInAnswer, SignIns, type SignInSettings } from './sign-in.js';

interface AccountRow {
  id: string;
  name: string;
  display_name: string;
  role: string;
  division: string;
  official: string | null;
  version: number;
  active: boolean;
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

/** oidc-provider reads this machine's clock: seconds that others read are moved by how far that is off. */
function moved(payload: AdapterPayload, seconds: number): AdapterPayload {
  const given = payload as Record<string, unknown>;
  const times = ['iat', 'exp', 'loginTs', 'authTime'].flatMap((name) => {
    const value = given[name];
    return typeof value === 'number' ? [[name, value + seconds]] : [];
  });
  return { ...payload, ...(Object.fromEntries(times) as object) };
}

/** What oidc-provider keeps (sessions, codes, grants), in PostgreSQL, and by its time. */
function adapterOf(
  pool: pg.Pool,
  redirectUris: string[],
  aheadSeconds: () => number,
): new (model: string) => Adapter {
  return class PostgresAdapter implements Adapter {
    constructor(private readonly model: string) {}

    async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
      if (/\\u0000/.test(JSON.stringify(payload)))
        throw new errors.InvalidRequest('a parameter holds a character that is none');
      await pool.query(
        `insert into oidc_payload (model, id, payload, grant_id, uid, expires_at)
         values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
         on conflict (model, id) do update set payload = excluded.payload, grant_id = excluded.grant_id,
           uid = excluded.uid, expires_at = excluded.expires_at`,
        [
          this.model, id, moved(payload, aheadSeconds()), payload.grantId ?? null, payload.uid ?? null, expiresIn,
        ], // prettier-ignore
      );
    }

    async find(id: string): Promise<AdapterPayload | undefined> {
      if (id.includes('\0')) return undefined; // PostgreSQL has no NUL, so nothing has such an id
      if (this.model === 'Client') return this.client(id);
      return this.first('id = $2', id);
    }

    async findByUid(uid: string): Promise<AdapterPayload | undefined> {
      if (uid.includes('\0')) return undefined;
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
      return (
        row && {
          ...moved(row.payload, -aheadSeconds()),
          ...(row.consumed ? { consumed: row.consumed } : {}),
        }
      );
    }

    private async client(id: string): Promise<AdapterPayload | undefined> {
      if (id === 'swagger')
        return {
          client_id: 'swagger', redirect_uris: redirectUris, grant_types: ['authorization_code'],
          response_types: ['code'], token_endpoint_auth_method: 'none',
        }; // prettier-ignore
      const { rows } = await pool.query<{ secret_hash: string; version: number }>(
        'select secret_hash, version from client join account on account.id = account_id where client_id = $1 and active',
        [id],
      );
      return (
        rows[0] && {
          client_id: id, client_secret: rows[0].secret_hash, grant_types: ['client_credentials'],
          redirect_uris: [], response_types: [], account_version: rows[0].version,
        }
      ); // prettier-ignore
    }
  };
}

export interface IssuerOptions extends SignInSettings {
  /** Public address with its path, e.g. `http://127.0.0.1:8080/identity`. */
  issuer: string;
  pool: pg.Pool;
  database: Database;
  audience: string;
  swaggerRedirectUris: string[];
  addressLimits: AddressLimits;
  /** How many proxies of ours add to X-Forwarded-For. */
  trustProxy: number;
  /** Hears of sign-ins and of what went wrong: never a secret, never a name that was typed. */
  log?: (line: string, details: Record<string, unknown>) => void;
}

export interface Issuer {
  serve(request: IncomingMessage, response: ServerResponse): void;
  /** Resolves when all that it still writes is written. */
  settled(): Promise<void>;
}

/**
 * The embedded OIDC issuer: code + PKCE for people, client credentials for programs; tokens live five minutes. A token
 * carries the version that its account had when the person or the program was last asked for a secret; once the account
 * has another, no token is made of that sign-in any more.
 */
export async function createIssuer(options: IssuerOptions): Promise<Issuer> {
  const { pool, issuer, audience } = options;
  const say = options.log ?? ((): void => undefined);
  const path = new URL(issuer).pathname.replace(/\/$/, '');
  const guard = new AddressGuard(pool, options.addressLimits, options.trustProxy);
  const signIns = new SignIns(pool, options.database, options, say);
  const accountOf = async (id: string | undefined): Promise<AccountRow | undefined> =>
    (await pool.query<AccountRow>('select * from account where id::text = $1 and active', [id ?? ''])).rows[0]; // prettier-ignore
  const swaggerPages = options.swaggerRedirectUris.map((uri) => new URL('.', uri).href);
  const aheadSeconds = (): number => Math.round(options.database.clockAheadMs / 1000);
  const configuration: Configuration = {
    adapter: adapterOf(pool, options.swaggerRedirectUris, aheadSeconds),
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
    ttl: { AccessToken: 300, ClientCredentials: 300, AuthorizationCode: 60, Interaction: 1200, Session: 8 * 3600, Grant: 8 * 3600, IdToken: 300 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: async (context, form) => {
          const account = await accountOf(context.oidc.session?.accountId);
          context.set('content-security-policy', policyOfPages);
          context.body = signOutPage(form, account?.name, swaggerPages);
        },
        postLogoutSuccessSource: (context) => {
          context.set('content-security-policy', policyOfPages);
          context.body = signedOutPage(swaggerPages);
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
    formats: {
      customizers: {
        jwt: (_context, _token, jwt) => {
          Object.assign(jwt.payload, moved(jwt.payload as AdapterPayload, aheadSeconds()));
        },
      },
    },
    interactions: { policy: policyOfSignIn(), url: (_context, interaction) => `${path}/interaction/${interaction.uid}` },
    clientBasedCORS: () => true,
    renderError: (context, out) => {
      context.type = 'html';
      context.set('content-security-policy', policyOfPages);
      context.body = troublePage(out.error);
    },
    // `acr` holds the version that the account had at the sign-in: of the code, else of the session.
    findAccount: async (context, id, token) => {
      const account = await accountOf(id);
      const signedInAt = token ? (token as { acr?: string }).acr : context.oidc.session?.acr;
      if (!account || signedInAt !== String(account.version)) return undefined;
      return { accountId: id, claims: () => ({ sub: id, name: account.display_name }) };
    },
    extraTokenClaims: async (context, token) => {
      const person = 'accountId' in token;
      const account = await accountOf(person ? token.accountId : token.clientId);
      const version = person
        ? Number(context.oidc.entities.AuthorizationCode?.acr)
        : (token.client as { account_version?: number } | undefined)?.account_version;
      if (!account || account.version !== version)
        throw new errors.InvalidGrant('the account was changed meanwhile');
      const { role, division, official, display_name: name, name: preferred_username } = account;
      return { roles: [role], division, name, preferred_username, account_version: version, ...(official ? { official } : {}) };
    },
    extraClientMetadata: { properties: ['account_version'] },
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
    const hash = Buffer.from(secretHash(given));
    const kept = Buffer.from(this.clientSecret);
    return hash.length === kept.length && timingSafeEqual(hash, kept);
  };
  provider.on('grant.success', ({ oidc, req }) => {
    if (oidc.client && oidc.params?.['grant_type'] === 'client_credentials')
      signIns.noteLater(oidc.client.clientId, 'program', guard.addressOf(req));
  });
  provider.on('server_error', (_context, error) => say('request failed', { err: error.message }));
  const callback = provider.callback();

  /** The route as the guard counts it; undefined where nothing is counted. */
  const guarded = ({ url = '', method }: IncomingMessage): GuardedRoute | undefined => {
    const [, first, second] = /^\/([a-z]+)(\/[^/?]+)?/.exec(url.slice(path.length)) ?? [];
    if (first === 'interaction') return 'interaction';
    if (first === 'token' && method === 'POST') return 'token';
    return first === 'auth' && !second ? 'auth' : undefined;
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '';
    const route = guarded(request);
    // Without the database nobody signs in anyway: what is asked fails by itself, and says so.
    const wait = route && (await guard.refusal(route, request).catch(() => undefined));
    if (wait !== undefined) {
      refuse(response, route === 'token', wait);
      return;
    }
    if (url.startsWith(`${path}/interaction/`)) {
      await interact(request, response);
      return;
    }
    (request as IncomingMessage & { originalUrl?: string }).originalUrl = url;
    request.url = url.slice(path.length) || '/';
    await callback(request, response);
  }

  async function interact(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { uid } = await provider.interactionDetails(request, response); // throws without the interaction's own cookie
    if (request.method !== 'POST') {
      send(response, 200, loginPage());
      return;
    }
    const form = new URLSearchParams(await read(request));
    const proof = form.get('proof');
    const name = (form.get('name') ?? '').replaceAll('\0', ''); // PostgreSQL has no NUL
    const result: SignInAnswer =
      proof === null
        ? await signIns.begin(uid, name, form.get('password') ?? '')
        : await signIns.proceed(uid, proof, form);
    say('sign-in', { outcome: result.outcome, account: result.account });
    const address = guard.addressOf(request);
    if ('html' in result) {
      send(response, result.status, result.html);
      if (result.account && result.outcome !== 'next')
        signIns.noteLater(result.account, result.outcome, address);
      return;
    }
    await signIns.note(result.account, result.outcome, address);
    await provider.interactionFinished(request, response, {
      login: { accountId: result.account, acr: String(result.version) },
    });
  }

  return {
    settled: () => signIns.settled(),
    serve(request, response) {
      answer(request, response).catch((error: Error) => {
        if (response.headersSent) return;
        if (error instanceof errors.SessionNotFound || error instanceof TooLarge) {
          send(
            response,
            400,
            loginPage(
              '登录已过期,请返回重新点击 Authorize。The sign-in has run out: go back and press Authorize again.',
            ),
          );
          return;
        }
        say('sign-in failed', { err: error.message });
        send(
          response,
          503,
          loginPage('服务暂不可用,请稍后重试。Not available for the moment: try again.'),
        );
      });
    },
  };
}

/** A session of before its account was changed is none: sign in again. */
function policyOfSignIn(): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base();
  policy.get('login')?.checks.add(
    new interactionPolicy.Check('account_changed', 'the account was changed', ({ oidc }) => Boolean(oidc.session?.accountId) && !oidc.account),
  ); // prettier-ignore
  return policy;
}

const policyOfPages = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

class TooLarge extends Error {}

function refuse(response: ServerResponse, asJson: boolean, seconds: number): void {
  response.setHeader('retry-after', String(seconds));
  if (!asJson) {
    send(response, 429, busyPage(seconds));
    return;
  }
  response
    .writeHead(429, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    .end(JSON.stringify({ error: 'temporarily_unavailable', error_description: `Too many requests: try again in ${seconds} seconds.` }));
} // prettier-ignore

function send(response: ServerResponse, status: number, html: string): void {
  response
    .writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': policyOfPages,
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
