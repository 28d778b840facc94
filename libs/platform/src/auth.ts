import { createHash } from 'node:crypto';
import { type roles } from '#contracts';
import { type Caller as DatabaseCaller, type Database, hashOf } from '#database';
import {
  applyDecorators,
  createParamDecorator,
  type CanActivate,
  type ExecutionContext,
  SetMetadata,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ApiExtension } from '@nestjs/swagger';
import { type FastifyRequest } from 'fastify';
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import { validate as isUuid } from 'uuid';
import { cutoffOf } from './account-cutoff.js';
import { DomainError } from './problem.js';

export type Role = (typeof roles)[number];

/** How long a verified token is believed unread: with the fact's way here, less than the five seconds of the promise. */
const believedMs = 3000;

export interface Principal {
  id: string;
  role: Role;
  division: string;
  official: string | undefined;
  /** Its token came for a client secret. */
  program: boolean;
}

declare module 'fastify' {
  interface FastifyRequest {
    principal?: Principal;
    traceId: string;
  }
}

/** Who may use the route, in the OpenAPI document too (`x-roles`). A route with neither `@Roles` nor `@Public` is refused to everybody. */
export const Roles = (...roles: Role[]): MethodDecorator & ClassDecorator =>
  applyDecorators(SetMetadata('roles', roles), ApiExtension('x-roles', roles));
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata('public', true);

/** The person behind the request with their ground, as `Database.within` takes it. */
export const Caller = createParamDecorator(
  (_: unknown, context: ExecutionContext): DatabaseCaller => {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const principal = request.principal;
    if (!principal) throw new DomainError('not-signed-in', '请先登录。 · No principal.');
    const key = request.method === 'POST' ? request.headers['idempotency-key'] : undefined;
    if (typeof key === 'string' && !/^[\x21-\x7e]{1,200}$/.test(key))
      throw new DomainError(
        'bad-request',
        'Idempotency-Key 须为 1 至 200 个可见 ASCII 字符。 · Idempotency-Key takes 1 to 200 visible ASCII characters.',
      );
    return {
      id: principal.id,
      division: principal.division,
      role: principal.role,
      ...(principal.role === 'official' && principal.official
        ? { official: principal.official }
        : {}),
      ...(principal.program ? { program: true } : {}),
      correlationId: request.traceId,
      readOnly: request.method === 'GET',
      ...(typeof key === 'string'
        ? {
            idempotency: {
              key,
              route: request.routeOptions.url ?? request.url,
              bodyHash: hashOf([request.url, request.body]),
            },
          }
        : {}),
    };
  },
);

/** The version in `If-Match`. @throws 428 when the header is missing or no version. */
export const IfMatch = createParamDecorator((_: unknown, context: ExecutionContext): number => {
  const header = context.switchToHttp().getRequest<FastifyRequest>().headers['if-match'];
  const version = /^(?:W\/)?"(\d+)"$/.exec(header ?? '')?.[1];
  if (!version)
    throw new DomainError(
      'if-match-missing',
      header === undefined
        ? '请带上最近读取的 ETag 作为 If-Match,如 "3"。 · Send If-Match with the ETag you last read, like "3".'
        : 'If-Match 须为最近读取的 ETag,连同引号,如 "3"。 · If-Match takes the ETag you last read with its quotation marks, like "3".',
    );
  return Number(version);
});

/**
 * Verifies the bearer token of each request against the issuer's keys (algorithms pinned, audience and expiry checked), and
 * against what has become of its account since.
 */
export class OidcGuard implements CanActivate {
  private keys: ReturnType<typeof createRemoteJWKSet> | undefined;
  private readonly reflector = new Reflector();
  private readonly known = new Map<string, { principal: Principal; until: number }>();

  constructor(
    private readonly issuer: string,
    private readonly audience: string,
    private readonly database: Database,
    private readonly issuerAt = issuer,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>('public', targets)) return true;
    const roles = this.reflector.getAllAndOverride<Role[] | undefined>('roles', targets) ?? [];
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { authorization } = request.headers;
    // Of two, an edge may read one and we the other.
    if (request.raw.headersDistinct['authorization']?.length !== 1)
      throw new DomainError(
        'not-signed-in',
        '请发送一个带访问令牌的 Authorization: Bearer 请求头;在 Swagger UI 中点击 Authorize。 · Send one Authorization: Bearer with an access token; in Swagger UI press Authorize.',
      );
    const principal = await this.principalOf(authorization);
    request.principal = principal;
    if (!roles.includes(principal.role))
      throw new DomainError(
        'not-allowed',
        `此操作需要以下角色之一:${roles.join('、')},您当前的角色是 ${principal.role}。 · This takes one of the roles ${roles.join(', ')}; you act as ${principal.role}.`,
      );
    return true;
  }

  private async principalOf(header: string | undefined): Promise<Principal> {
    const token = /^Bearer ([\w.-]+)$/i.exec(header ?? '')?.[1];
    if (!token)
      throw new DomainError(
        'not-signed-in',
        '请发送带访问令牌的 Authorization: Bearer 请求头;在 Swagger UI 中点击 Authorize。 · Send Authorization: Bearer with an access token; in Swagger UI press Authorize.',
      );
    const known = this.known.get(token);
    if (known && known.until > this.database.now()) return known.principal;
    const keys = await this.keySet();
    const verified = await jwtVerify(token, keys, {
      issuer: this.issuer,
      audience: this.audience,
      algorithms: ['RS256', 'ES256'],
      clockTolerance: 5,
      currentDate: new Date(this.database.now()), // this machine's clock may be off
      requiredClaims: ['exp', 'sub'],
    }).catch((error: Error & { code?: string }) => {
      if (error.code === 'ERR_JWKS_TIMEOUT' || error.message.includes('fetch'))
        throw new DomainError(
          'unavailable',
          '登录服务没有响应,请稍后重试。 · The issuer does not answer: try again shortly.',
        );
      throw new DomainError(
        'not-signed-in',
        '访问令牌已过期(有效五分钟)、非本系统签发或已损坏,请重新获取;在 Swagger UI 中点击页面底部的“重新登录”,或依次点击 Authorize、Logout、Authorize。 · The access token is expired (it is good for five minutes), foreign or damaged: get a new one; in Swagger UI press _Sign in again_ at the foot of the page, or Authorize, Logout, Authorize.',
      );
    });
    const { sub, roles, division, official, client_id } = verified.payload as Record<
      string,
      unknown
    >;
    const role = Array.isArray(roles) ? (roles[0] as unknown) : undefined;
    if (
      typeof sub !== 'string' ||
      !/^[\x20-\x7e]{1,255}$/.test(sub) ||
      typeof role !== 'string' ||
      typeof division !== 'string' ||
      !/^(\d{6}|\d{9}|\d{12})$/.test(division) ||
      (role === 'official' && (typeof official !== 'string' || !isUuid(official)))
    )
      throw new DomainError(
        'not-allowed',
        '令牌未注明本平台的角色和地区,或包保干部角色未注明人员。 · The token names no role and division of this platform, or no official where the role is official.',
      );
    const principal: Principal = {
      id: sub,
      role: role as Role,
      division,
      official: typeof official === 'string' ? official : undefined,
      program: client_id === sub,
    };
    await this.refuseEnded(verified.payload);
    this.keep(token, principal, Number(verified.payload.exp) * 1000);
    return principal;
  }

  /**
   * Our issuer's tokens carry their account's version, which needs no clock. A foreign issuer's carry none: those issued
   * before the change, or in its second, are refused, by the clocks of that issuer and of identity; what was only opened
   * ends nothing.
   * @throws DomainError `not-signed-in` when the account changed after the token was issued
   */
  private async refuseEnded({ sub = '', iat = 0, account_version }: JWTPayload): Promise<void> {
    if (!isUuid(sub)) return; // no account of ours
    const cutoff = await cutoffOf(this.database, sub);
    if (!cutoff) return;
    const { version, active, changedAt } = cutoff;
    const given = Number.isInteger(account_version) ? (account_version as number) : undefined;
    const ended =
      given === undefined
        ? !active || (version > 1 && iat * 1000 <= changedAt.getTime())
        : given < version || (given === version && !active);
    if (ended)
      throw new DomainError(
        'not-signed-in',
        '访问令牌签发后账号已变更,请重新登录;在 Swagger UI 中点击页面底部的“重新登录”,或依次点击 Authorize、Logout、Authorize。 · The account was changed after the access token was issued: sign in again; in Swagger UI press _Sign in again_ at the foot of the page, or Authorize, Logout, Authorize.',
      );
  }

  /** Verified tokens are believed for three seconds, so that a busy program's signature is not checked at every request. */
  private keep(token: string, principal: Principal, expiresAt: number): void {
    if (this.known.size >= 2000) this.known.clear();
    this.known.set(token, {
      principal,
      until: Math.min(this.database.now() + believedMs, expiresAt),
    });
  }

  private async keySet(): Promise<ReturnType<typeof createRemoteJWKSet>> {
    if (this.keys) return this.keys;
    try {
      const answer = await fetch(`${this.issuerAt}/.well-known/openid-configuration`, {
        signal: AbortSignal.timeout(3000),
      });
      const { issuer, jwks_uri } = (await answer.json()) as { issuer: string; jwks_uri: string };
      if (issuer !== this.issuer) throw new Error(`the issuer calls itself ${issuer}`);
      // A key that is not known is looked for again, and not at every token that names one.
      this.keys = createRemoteJWKSet(new URL(jwks_uri.replace(this.issuer, this.issuerAt)), {
        cooldownDuration: 5000,
      });
      return this.keys;
    } catch (error) {
      throw new DomainError(
        'unavailable',
        `登录服务没有响应。 · The issuer does not answer: ${(error as Error).message}.`,
      );
    }
  }
}

export function traceIdOf(traceparent: string | undefined, seed: string): string {
  const given = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(traceparent ?? '')?.[1];
  return given ?? createHash('sha256').update(seed).digest('hex').slice(0, 32);
}
