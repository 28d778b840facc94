import {
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { isIPv4 } from 'node:net';

/*
 * X.509 certificates for what talks inside one installation, written here because Node can read but not make them and a
 * plain machine or image has no openssl: P-256 keys, SHA-256, RFC 5280. Public names get theirs from a public authority.
 */

/** A certificate and its key, both PEM. */
export interface Certificate {
  cert: string;
  key: string;
}

const der = (tag: number, ...parts: Buffer[]): Buffer => {
  const body = Buffer.concat(parts);
  const bytes = body.length < 128 ? [body.length] : body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255]; // prettier-ignore
  return Buffer.concat([Buffer.from([tag, ...bytes]), body]);
};
const sequence = (...parts: Buffer[]): Buffer => der(0x30, ...parts);
const oid = (...arcs: number[]): Buffer => {
  const [first = 0, second = 0, ...rest] = arcs;
  const bytes = rest.flatMap((arc) => {
    const base = [arc & 127];
    for (let left = arc >> 7; left > 0; left >>= 7) base.unshift((left & 127) | 128);
    return base;
  });
  return der(0x06, Buffer.from([first * 40 + second, ...bytes]));
};
const name = (text: string): Buffer =>
  sequence(der(0x31, sequence(oid(2, 5, 4, 3), der(0x0c, Buffer.from(text)))));
const time = (at: Date): Buffer =>
  der(0x17, Buffer.from(`${at.toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`)); // UTCTime: until 2049
const extension = (id: number, critical: boolean, value: Buffer): Buffer =>
  sequence(oid(2, 5, 29, id), ...(critical ? [der(0x01, Buffer.from([255]))] : []), der(0x04, value)); // prettier-ignore
const algorithm = sequence(oid(1, 2, 840, 10045, 4, 3, 2)); // ecdsa-with-SHA256

interface Content {
  subject: string;
  issuer: string;
  days: number;
  extensions: Buffer[];
}

function certificate({ subject, issuer, days, extensions }: Content, own: KeyObject, signer: KeyObject): string {
  const from = Date.now() - 3_600_000; // clocks that go a little behind believe it, too
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm, name(issuer), sequence(time(new Date(from)), time(new Date(from + days * 86_400_000))), name(subject),
    own.export({ type: 'spki', format: 'der' }), der(0xa3, sequence(...extensions)),
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, signer));
  const lines = sequence(body, algorithm, signature).toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
} // prettier-ignore

const newKey = (): { publicKey: KeyObject; privateKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const authorityName = 'Foodwarden inside';

/** An authority that nobody outside believes: it signs for one installation alone. */
export function newAuthority(days = 3650): Certificate {
  const { publicKey, privateKey } = newKey();
  const extensions = [
    extension(19, true, sequence(der(0x01, Buffer.from([255])))), // it is an authority
    extension(15, true, der(0x03, Buffer.from([1, 0x06]))), // it signs certificates and lists
  ];
  const content = { subject: authorityName, issuer: authorityName, days, extensions };
  return { cert: certificate(content, publicKey, privateKey), key: pem(privateKey) };
}

/**
 * A certificate for a server or client.
 * @param names host names and IPv4 addresses it is believed under
 */
export function newCertificate(authority: Certificate, names: string[], days = 3650): Certificate {
  const { publicKey, privateKey } = newKey();
  const alternatives = names.map((one) =>
    isIPv4(one) ? der(0x87, Buffer.from(one.split('.').map(Number))) : der(0x82, Buffer.from(one)),
  );
  const use = (last: number): Buffer => oid(1, 3, 6, 1, 5, 5, 7, 3, last);
  const extensions = [
    extension(15, true, der(0x03, Buffer.from([7, 0x80]))), // digital signature
    extension(37, false, sequence(use(1), use(2))), // servers and clients
    extension(17, false, sequence(...alternatives)),
  ];
  const content = { subject: names[0] ?? '', issuer: authorityName, days, extensions };
  const cert = certificate(content, publicKey, createPrivateKey(authority.key));
  return { cert, key: pem(privateKey) };
}
