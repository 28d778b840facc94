import { type CanActivate, type ExecutionContext } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { DomainError } from './problem.js';

/** How much one replica takes. Every number can be set from the environment; README and OpenAPI state the defaults. */
export interface Limits {
  /** Requests of one account in ten seconds. */
  personPer10s: number;
  /** Requests of one township, or of the county’s own accounts, in ten seconds. */
  townshipPer10s: number;
  /** Files being received at once, from one township and in all: each is kept in memory while it is read. */
  uploadsOfTownship: number;
  uploads: number;
  /** How many times the time of its rows an import rests after them while other townships are served (sheet-import.ts). */
  importPauses: number;
}

export const defaultLimits: Limits = {
  personPer10s: 200,
  townshipPer10s: 2_000,
  uploadsOfTownship: 2,
  uploads: 4,
  importPauses: 60,
};

/**
 * Buckets per person and per township, so that neither a program gone wild nor a busy township starves another. They
 * live in this replica's memory: with several, the limit is that of each.
 */
export class LimitGuard implements CanActivate {
  private readonly persons: RateLimiterMemory;
  private readonly townships: RateLimiterMemory;
  /** Files being received, by township. */
  private readonly receiving = new Map<string, number>();

  constructor(private readonly limits: Limits) {
    this.persons = new RateLimiterMemory({ points: limits.personPer10s, duration: 10 });
    this.townships = new RateLimiterMemory({ points: limits.townshipPer10s, duration: 10 });
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const { principal } = request;
    if (!principal) return true; // a public route: counted where it is served
    const township = principal.division.slice(0, 9);
    const { personPer10s, townshipPer10s } = this.limits;
    await this.take(this.persons, principal.id, reply, `${personPer10s} requests in ten seconds from one account`);
    await this.take(this.townships, township, reply, `${townshipPer10s} requests in ten seconds from ${township}`);
    if (request.isMultipart()) this.receive(township, reply);
    return true;
  } // prettier-ignore

  /** Files being received now. */
  get uploads(): number {
    return [...this.receiving.values()].reduce((sum, count) => sum + count, 0);
  }

  private async take(
    bucket: RateLimiterMemory,
    key: string,
    reply: FastifyReply,
    limit: string,
  ): Promise<void> {
    try {
      await bucket.consume(key);
    } catch (spent) {
      if (!(spent instanceof RateLimiterRes)) throw spent;
      throw tooMany(reply, Math.ceil(spent.msBeforeNext / 1000), limit);
    }
  }

  private receive(township: string, reply: FastifyReply): void {
    const { uploads, uploadsOfTownship } = this.limits;
    const here = this.receiving.get(township) ?? 0;
    if (here >= uploadsOfTownship)
      throw tooMany(reply, 5, `${uploadsOfTownship} files at once from ${township}`);
    if (this.uploads >= uploads) throw tooMany(reply, 5, `${uploads} files at once`);
    this.receiving.set(township, here + 1);
    reply.raw.once('close', () => {
      const left = (this.receiving.get(township) ?? 1) - 1;
      if (left > 0) this.receiving.set(township, left);
      else this.receiving.delete(township);
    });
  }
}

function tooMany(reply: FastifyReply, seconds: number, limit: string): DomainError {
  void reply.header('retry-after', String(Math.max(1, seconds)));
  return new DomainError('too-many-requests', `请求过于频繁,请等待 ${Math.max(1, seconds)} 秒后重试。 · At most ${limit}: wait ${Math.max(1, seconds)} s (Retry-After).`); // prettier-ignore
}
