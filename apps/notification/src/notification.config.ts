import { type Settings } from '#platform';
import ipaddr from 'ipaddr.js';

export type Network = [ipaddr.IPv4 | ipaddr.IPv6, number];

export interface MailServer {
  host: string;
  port: number;
  /** `immediate` smtps; `demanded` STARTTLS before anything else is said; `none` for a relay on the same machine. */
  tls: 'immediate' | 'demanded' | 'none';
  auth: { user: string; pass: string } | undefined;
  from: { name: string; address: string };
}

/** What notification alone needs, from the environment. An empty value and `none` mean: not there. */
export class NotificationConfig {
  /** Sign webhooks and make confirmation codes; the first for what is new, the others for what they signed before. */
  readonly keys: readonly string[];
  readonly mail: MailServer | undefined;
  /** Where people open the platform; mails name it. */
  readonly publicUrl: string | undefined;
  /** Inward networks that webhooks may reach all the same. */
  readonly allowInward: readonly Network[];
  readonly allowHttp: boolean;
  readonly ports: readonly number[];
  /** The DNS server that is asked for webhooks' names, `address:port`; the system's own way without it. */
  readonly dns: string | undefined;
  /** The longest that one attempt of a delivery may take. */
  readonly timeoutMs: number;

  /** @throws Error that names every variable that is wrong, in one sentence. */
  constructor({ env }: Settings) {
    const wrong: string[] = [];
    const read = (name: string): string => {
      const value = (env[name] ?? '').trim();
      return value === 'none' ? '' : value;
    };
    const list = (name: string): string[] =>
      read(name).split(',').map((one) => one.trim()).filter((one) => one !== ''); // prettier-ignore

    this.publicUrl = read('PUBLIC_URL') || undefined;
    if (this.publicUrl && !/^https?:\/\/[^\s]+$/.test(this.publicUrl))
      wrong.push('PUBLIC_URL (like https://food.county.example/docs/)');
    this.keys = list('NOTIFICATION_KEYS');
    if (this.keys.some((key) => key.length < 32))
      wrong.push('NOTIFICATION_KEYS (32 characters or more each, several with commas)');

    const url = read('SMTP_URL');
    const from = read('SMTP_FROM');
    const server = url === '' ? undefined : serverOf(url);
    const sender = from === '' ? undefined : senderOf(from);
    if (url !== '' && !server)
      wrong.push('SMTP_URL (like smtps://user:password@mail.example:465 or smtp://…:587, with ?tls=none for a relay on this machine)'); // prettier-ignore
    if (from !== '' && !sender) wrong.push('SMTP_FROM (like Foodwarden <no-reply@county.example>)');
    if ((url === '') !== (from === '')) wrong.push('both of SMTP_URL and SMTP_FROM, or neither');
    this.mail = server && sender ? { ...server, from: sender } : undefined;

    const networks = list('WEBHOOK_ALLOW_INWARD');
    this.allowInward = networks.filter((one) => ipaddr.isValidCIDR(one)).map((one) => ipaddr.parseCIDR(one)); // prettier-ignore
    if (this.allowInward.length < networks.length)
      wrong.push('WEBHOOK_ALLOW_INWARD (networks like 10.20.0.0/16, several with commas, or none)');
    const http = read('WEBHOOK_ALLOW_HTTP') || 'false';
    if (http !== 'true' && http !== 'false') wrong.push('WEBHOOK_ALLOW_HTTP (true or false)');
    this.allowHttp = http === 'true';
    this.ports = (read('WEBHOOK_PORTS') || '443,8443').split(',').map(Number);
    if (this.ports.some((port) => !Number.isInteger(port) || port < 1 || port > 65535))
      wrong.push('WEBHOOK_PORTS (like 443,8443)');
    this.dns = read('WEBHOOK_DNS') || undefined;
    if (this.dns && !/^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:]+\])(:\d{1,5})?$/i.test(this.dns))
      wrong.push('WEBHOOK_DNS (like 10.0.0.53:53)');
    this.timeoutMs = Number(read('DELIVERY_TIMEOUT_MS') || 10_000);
    if (!Number.isInteger(this.timeoutMs) || this.timeoutMs < 100 || this.timeoutMs > 60_000)
      wrong.push('DELIVERY_TIMEOUT_MS (100 to 60000)');
    if (wrong.length > 0)
      throw new Error(`notification cannot start: set ${wrong.join('; ')} in the environment.`);
  }
}

function serverOf(text: string): Omit<MailServer, 'from'> | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const tls = url.searchParams.get('tls');
  const secure = url.protocol === 'smtps:';
  if ((!secure && url.protocol !== 'smtp:') || url.hostname === '') return undefined;
  if ((tls !== null && (tls !== 'none' || secure)) || url.searchParams.size > (tls ? 1 : 0))
    return undefined;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (secure ? 465 : 587),
    tls: secure ? 'immediate' : tls === 'none' ? 'none' : 'demanded',
    auth: url.username
      ? { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }
      : undefined,
  };
}

function senderOf(text: string): { name: string; address: string } | undefined {
  const [, name = '', address] =
    /^(?:([^<>\p{Cc}"]{0,80}?) *<([^<>@\s]+@[^<>@\s]+)>|)$/u.exec(text) ?? [];
  const bare = /^[^<>@\s]+@[^<>@\s]+$/.test(text) ? text : undefined;
  const found = address ?? bare;
  return found ? { name, address: found } : undefined;
}
