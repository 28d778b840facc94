import { type IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type pg from 'pg';

export const guardedRoutes = ['auth', 'token', 'interaction'] as const;
export type GuardedRoute = (typeof guardedRoutes)[number];

/** Requests a minute from one address. */
export type AddressLimits = Record<GuardedRoute, number>;

/**
 * Counts requests to the issuer's public routes by address, over all replicas. An office shares one address: the limits
 * stop a flood, guessing is stopped by the lock-out of the name.
 */
export class AddressGuard {
  /** @param proxies how many proxies of ours stand before us, each adding to X-Forwarded-For; 0: the header is not believed */
  constructor(
    private readonly pool: pg.Pool,
    private readonly limits: AddressLimits,
    private readonly proxies: number,
  ) {}

  addressOf(request: IncomingMessage): string {
    const socket = request.socket.remoteAddress ?? '';
    if (this.proxies === 0) return plain(socket);
    const told = String(request.headers['x-forwarded-for'] ?? '').split(',').at(-this.proxies)?.trim() ?? ''; // prettier-ignore
    return plain(isIP(told) ? told : socket);
  }

  /** @returns undefined, or after how many seconds to come again */
  async refusal(route: GuardedRoute, request: IncomingMessage): Promise<number | undefined> {
    const { rows } = await this.pool.query<{ requests: number; wait: number }>(
      `insert into address_guard as g (route, address, since, requests) values ($1, $2, app_now(), 1)
       on conflict (route, address) do update set
         requests = case when g.since <= app_now() - interval '1 minute' then 1 else g.requests + 1 end,
         since = case when g.since <= app_now() - interval '1 minute' then app_now() else g.since end
       returning requests, ceil(extract(epoch from since + interval '1 minute' - app_now()))::int as wait`,
      [route, network(this.addressOf(request))],
    );
    const [counted] = rows;
    return counted && counted.requests > this.limits[route] ? Math.max(1, counted.wait) : undefined;
  }
}

const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, '');

/** One customer has a whole /64 of IPv6: it counts as one address. */
function network(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0'); // prettier-ignore
  return `${[...front, ...zeros, ...back].slice(0, 4).join(':')}::/64`;
}
