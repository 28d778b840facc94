import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import { type Claimed, type Outcome } from './delivery.service.js';
import { NotificationConfig } from './notification.config.js';
import { addressOf, notReached, outwardUrl, Refused, type Resolve, resolverOf } from './outward.js';
import { keyOf, signatureOf, signingSecretOf } from './secrets.js';

/** The status decides; of the rest of an answer no more than this is read, and nothing is kept. */
const readAtMost = 64 * 1024;

/** Sends signed CloudEvents to the programs of others, and never to an address inside. */
@Injectable()
export class WebhookSender {
  private readonly resolve: Resolve;

  constructor(private readonly config: NotificationConfig) {
    this.resolve = resolverOf(config.dns, config.timeoutMs);
  }

  /** @throws Refused where nothing would be sent to this URL as things stand */
  async check(text: string): Promise<void> {
    await this.locate(text, AbortSignal.timeout(this.config.timeoutMs));
  }

  async send({ subscriptionId, url: text, keyHash, body, now }: Claimed): Promise<Outcome> {
    const key = keyOf(this.config.keys, keyHash);
    if (key === undefined || text === null) return failed('key-missing: put the key that this subscription was made with back into NOTIFICATION_KEYS');
    const limit = AbortSignal.timeout(this.config.timeoutMs);
    let found: { url: URL; address: string };
    try {
      found = await this.locate(text, limit);
    } catch (error) {
      if (error instanceof Refused) return failed(`address-refused: ${error.message}`);
      throw error;
    }
    const timestamp = String(Math.floor(now.getTime() / 1000));
    const headers = {
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'user-agent': 'Foodwarden',
      'foodwarden-timestamp': timestamp,
      'foodwarden-signature': signatureOf(signingSecretOf(key, subscriptionId), timestamp, body),
    };
    return post(found.url, found.address, headers, body, limit);
  } // prettier-ignore

  private async locate(text: string, limit: AbortSignal): Promise<{ url: URL; address: string }> {
    const url = outwardUrl(text, this.config);
    const late = new Promise<never>((_done, failed_) =>
      limit.addEventListener('abort', () => failed_(new Refused(notReached)), { once: true }),
    );
    return { url, address: await Promise.race([addressOf(url, this.config, this.resolve), late]) };
  } // prettier-ignore
}

const failed = (reply: string, status: number | null = null): Outcome => ({
  outcome: 'failed',
  status,
  reply,
});

function outcomeOf(status: number): Outcome {
  if (status >= 200 && status < 300) return { outcome: 'delivered', status, reply: null };
  if (status === 410) return { outcome: 'dead', status, reply: 'gone' };
  if (status >= 300 && status < 400) return failed('redirect-not-followed', status);
  return failed('refused', status);
}

/** Connects to that address whatever the name resolves to by now; certificate and Host header are the name's. */
function post(url: URL, address: string, headers: http.OutgoingHttpHeaders, body: string, signal: AbortSignal): Promise<Outcome> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const family = isIP(address);
  return new Promise((done) => {
    const request = (url.protocol === 'https:' ? https : http).request({
      hostname: host,
      port: url.port || (url.protocol === 'https:' ? 443 : 80),
      path: `${url.pathname}${url.search}`,
      method: 'POST',
      headers: { ...headers, host: url.host, 'content-length': Buffer.byteLength(body) },
      agent: false, // a connection of its own: none that an earlier answer opened
      maxHeaderSize: 16 * 1024,
      signal,
      ...(isIP(host) ? {} : { servername: host }),
      lookup: (_name, options, answer) => {
        if (options.all) answer(null, [{ address, family }]);
        else answer(null, address, family);
      },
    });
    request.on('response', (response) => {
      const outcome = outcomeOf(response.statusCode ?? 0);
      let read = 0;
      response.on('data', (chunk: Buffer) => {
        read += chunk.length;
        if (read > readAtMost) request.destroy();
      });
      response.on('error', () => undefined); // cut off in the body: the status has been said
      response.on('close', () => done(outcome));
    });
    request.on('error', (error: NodeJS.ErrnoException) =>
      done(failed(signal.aborted ? 'timeout' : (error.code ?? 'no-answer'))),
    );
    request.end(body);
  });
} // prettier-ignore
