import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { type Bilingual } from '#platform';
import { type Network, type NotificationConfig } from './notification.config.js';

/** An address that nothing is sent to. The sentence says no more of the net behind than the writer of the URL may know. */
export class Refused extends Error {
  constructor(readonly detail: Bilingual) {
    super(detail);
  }
}

/** All addresses that a name has. */
export type Resolve = (name: string) => Promise<string[]>;

export type Rules = Pick<NotificationConfig, 'allowHttp' | 'allowInward' | 'ports'>;

/**
 * Reads the URL of a webhook. It has to be written the way it is read: a host in another spelling (0x7f.1, 2130706433,
 * 0177.0.0.1, full-width dots, percent-encoding, backslashes) is one that two programs may read differently.
 * @throws Refused
 */
export function outwardUrl(text: string, rules: Rules): URL {
  if (!/^https?:\/\//i.test(text)) throw new Refused(noScheme(rules));
  if (!/^[\x21-\x7e]{1,2000}$/.test(text) || !URL.canParse(text))
    throw new Refused('网址须为 2000 字符以内的 ASCII,中文域名请写成 xn--… 形式。 · It is no URL in ASCII of 2000 characters at most; a Chinese name is written as xn--….');
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && rules.allowHttp))
    throw new Refused(noScheme(rules));
  if (url.username !== '' || url.password !== '' || text.includes('@'))
    throw new Refused('网址中不能有用户名、密码和 @。 · It may hold no user name, no password and no @.');
  if (url.hash !== '' || text.includes('#')) throw new Refused('网址中不能有 # 片段。 · It may have no fragment.');
  const written = /^https?:\/\/([^/?]+)/.exec(text)?.[1];
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  if (written !== url.host && written !== `${url.hostname}:${port}`)
    throw new Refused(`主机名请写作 ${url.host}。 · Write its host as ${url.host}.`);
  if (url.hostname.endsWith('.')) throw new Refused('主机名不能以点结尾。 · Its host may not end in a dot.');
  if (!rules.ports.includes(Number(port)))
    throw new Refused(`端口须为 ${rules.ports.join('、')} 之一(运维可设置 WEBHOOK_PORTS)。 · Its port has to be one of ${rules.ports.join(', ')}, unless whoever runs the system sets WEBHOOK_PORTS.`);
  return url;
} // prettier-ignore

const noScheme = ({ allowHttp }: Rules): Bilingual =>
  allowHttp
    ? '网址须以 https:// 或 http:// 开头。 · It has to begin with https:// or http://.'
    : '网址须以 https:// 开头(http 的接收方须由运维设置 WEBHOOK_ALLOW_HTTP)。 · It has to begin with https://; a receiver without TLS needs WEBHOOK_ALLOW_HTTP, set by whoever runs the system.';

/** Reached at the same address everywhere, but by what the cloud puts there: credentials of the machine. */
const metadata = new Set(['168.63.129.16']);
const globalUnicast = ipaddr.parseCIDR('2000::/3');

/** Whether an address is one of the open Internet, or of a network that the configuration allows. */
export function isOutward(address: string, allowInward: readonly Network[]): boolean {
  if (isIP(address) === 0 || address.includes('%')) return false;
  const ip = ipaddr.parse(address);
  if (allowInward.some((network) => network[0].kind() === ip.kind() && ip.match(network)))
    return true;
  if (ip.range() !== 'unicast' || metadata.has(ip.toString())) return false;
  return ip.kind() === 'ipv4' || ip.match(globalUnicast);
}

/**
 * The one address that a connection to the URL is made to: resolved once, so that no second answer can change it.
 * @throws Refused where the name has no address, or where any of its addresses is inward
 */
export async function addressOf(url: URL, rules: Rules, resolve: Resolve): Promise<string> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host) === 0 ? await resolve(host).catch(() => []) : [host];
  const [first] = addresses;
  if (first === undefined || !addresses.every((one) => isOutward(one, rules.allowInward)))
    throw new Refused(notReached);
  return first;
}

/** A name that is not found, one that lies inside and no answer in time are one sentence: nobody learns here which names there are inside. */
export const notReached: Bilingual =
  '主机名无法由本系统解析,或不只指向公网地址(两者不作区分)。 · Its host is not found by this system, or does not stand for public addresses alone; which of the two is not told.'; // prettier-ignore

/** Asks the given DNS server alone, or else as the system does. */
export function resolverOf(dns: string | undefined, timeoutMs: number): Resolve {
  if (dns === undefined)
    return async (name) => (await lookup(name, { all: true })).map(({ address }) => address);
  const resolver = new Resolver({ timeout: Math.ceil(timeoutMs / 2), tries: 1 });
  resolver.setServers([dns]);
  return async (name) => {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    return answers.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  };
}
