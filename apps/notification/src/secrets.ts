import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/*
 * Nothing secret is kept: a webhook's signing secret and a confirmation code are worked out from a key of the environment
 * and the subscription's id whenever they are needed. A copy of the database signs nothing.
 */

/** Says which key, and nothing of it. */
export const keyHashOf = (key: string): string =>
  createHash('sha256').update(key).digest('hex').slice(0, 12);

/** The key that a subscription was made with. */
export const keyOf = (keys: readonly string[], keyHash: string): string | undefined =>
  keys.find((key) => keyHashOf(key) === keyHash);

const derived = (key: string, purpose: string, id: string): Buffer =>
  createHmac('sha256', key).update(`${purpose}:${id}`).digest();

export const signingSecretOf = (key: string, subscription: string): string =>
  `whsec_${derived(key, 'webhook', subscription).toString('base64url')}`;

/** Eight digits. */
export const confirmationCodeOf = (key: string, subscription: string): string =>
  String(derived(key, 'confirmation', subscription).readUInt32BE() % 100_000_000).padStart(8, '0');

export function sameCode(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** `v1=` and HMAC-SHA-256 in hex of timestamp (seconds), a dot, and the body to the last byte. */
export const signatureOf = (secret: string, timestamp: string, body: string): string =>
  `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;

/** What others than its owner see of a mail address: `w***@county.example`. */
export const masked = (address: string): string => address.replace(/^(.)[^@]*/u, '$1***');

/** What those see of a webhook's URL who only read: paths and queries often hold tokens. */
export const maskedUrl = (url: string): string => `${new URL(url).origin}/…`;
