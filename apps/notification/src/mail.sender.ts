import { Injectable } from '@nestjs/common';
import { createTransport } from 'nodemailer';
import { type Claimed, type Outcome } from './delivery.service.js';
import { NotificationConfig } from './notification.config.js';
import { confirmationCodeOf, keyOf, masked } from './secrets.js';

interface SmtpError extends Error {
  code?: string;
  /** What was answered. */
  command?: string;
  responseCode?: number;
  response?: string;
}

/** What stands under each mail. */
const footer = (language: string, subscription: string, address: string | undefined): string =>
  language === 'en'
    ? `\n\n-- \nYou subscribed to this in Foodwarden, the platform of the two responsibilities in food safety${address ? ` (${address})` : ''}. To end it, sign in there: notification, POST /subscriptions/${subscription}/end.\n`
    : `\n\n-- \n您在食品安全“两个责任”平台(Foodwarden${address ? `,${address}` : ''})订阅了此类消息。如需退订,请登录平台,用消息服务的 POST /subscriptions/${subscription}/end 结束订阅。\n`;

/** Sends mails of plain text through the county's own mail server. */
@Injectable()
export class MailSender {
  constructor(private readonly config: NotificationConfig) {}

  async send(claimed: Claimed): Promise<Outcome> {
    const { mail, timeoutMs } = this.config;
    const { id, subscriptionId, address, subject, language } = claimed;
    const text = this.textOf(claimed);
    if (!mail || address === null || text === undefined)
      return { outcome: 'failed', status: null, reply: 'channel-not-configured' };
    const transport = createTransport({
      host: mail.host,
      port: mail.port,
      secure: mail.tls === 'immediate',
      requireTLS: mail.tls === 'demanded',
      ignoreTLS: mail.tls === 'none',
      ...(mail.auth ? { auth: mail.auth } : {}),
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    let timer: NodeJS.Timeout | undefined;
    try {
      const sent = transport.sendMail({
        from: mail.from,
        to: { name: '', address },
        subject: subject ?? '',
        text: `${text}${footer(language, subscriptionId, this.config.publicUrl)}`,
        messageId: `<${id}@${mail.from.address.split('@').at(-1) ?? 'foodwarden'}>`,
        headers: { 'Auto-Submitted': 'auto-generated' },
      });
      sent.catch(() => undefined); // told below, unless the time is over first
      const late = new Promise<never>((_done, failed) => {
        timer = setTimeout(() => failed(Object.assign(new Error('late'), { code: 'ETIMEDOUT' })), 2 * timeoutMs); // prettier-ignore
      });
      const { response } = (await Promise.race([sent, late])) as { response: string };
      const status = Number(/^\d{3}/.exec(response)?.[0] ?? 250);
      return { outcome: 'delivered', status, reply: short(response, address) };
    } catch (error) {
      return outcomeOf(error as SmtpError, address);
    } finally {
      clearTimeout(timer);
      transport.close();
    }
  }

  private textOf({ kind, body, keyHash, subscriptionId }: Claimed): string | undefined {
    if (kind !== 'confirmation') return body;
    const key = keyOf(this.config.keys, keyHash);
    return key && body.replace('{code}', confirmationCodeOf(key, subscriptionId));
  }
}

/**
 * A 5xx about the recipient or the mail is final. One about the sign-in, our own address or the connection is the
 * configuration's fault, and would bury every mail until somebody mends it.
 */
function outcomeOf(
  { code, command, responseCode = 0, response }: SmtpError,
  address: string,
): Outcome {
  const ours = responseCode >= 530 && responseCode < 540; // RFC 4954: authentication
  const final = (command === 'RCPT TO' || command === 'DATA') && responseCode >= 500 && !ours;
  const reply = code === 'EAUTH' ? undefined : response; // some servers repeat what was tried
  return {
    outcome: final ? 'dead' : 'failed',
    status: responseCode || null,
    reply: reply ? short(reply, address) : (code ?? 'failed'),
  };
}

/** One line, without the address that servers like to repeat. */
function short(reply: string, address: string): string {
  const literal = address.replaceAll(/[^\w@]/g, '\\$&');
  return reply
    .replaceAll(new RegExp(literal, 'gi'), masked(address))
    .replaceAll(/\p{Cc}+/gu, ' ')
    .slice(0, 200);
}
