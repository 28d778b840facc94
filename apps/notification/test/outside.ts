import { createSocket } from 'node:dgram';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { freePort } from '#servers';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

/* The world outside: a mail server, programs that take webhooks, a DNS server. Real ones, on loopback. */

/** Only for tests: self-signed, for the names of these tests and 127.0.0.1. */
export const certificate = {
  cert: `-----BEGIN CERTIFICATE-----
MIIB9DCCAZqgAwIBAgIUI7GSdgYcVTTq3KJPFj5wuaHFIskwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOb25seSBmb3IgdGVzdHMwIBcNMjYxMTI1MDIzMjIzWhgPMjEy
NjExMDEwMjMyMjNaMBkxFzAVBgNVBAMMDm9ubHkgZm9yIHRlc3RzMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEtuFc9MpBcPP+wWA7jOh2Uhjc5/Wt2XOEhcWcyR8d
U9atHGSv6K19kyI18VHAHglDVU1A39EEwuUUK2LjqhWCMaOBvTCBujAdBgNVHQ4E
FgQUi3W2KGz6BENVJNRa9ElBOxIai+owHwYDVR0jBBgwFoAUi3W2KGz6BENVJNRa
9ElBOxIai+owDwYDVR0TAQH/BAUwAwEB/zBnBgNVHREEYDBegg1ob29rcy5leGFt
cGxlgg9yZWJvdW5kLmV4YW1wbGWCDGZsaXAuZXhhbXBsZYIMc2xvdy5leGFtcGxl
ggxidXN5LmV4YW1wbGWCDGdvbmUuZXhhbXBsZYcEfwAAATAKBggqhkjOPQQDAgNI
ADBFAiEA+9+ElCXoEJ+qMN+FcfSRLeo6ThxkarZR5QX2qrB+cEsCIGAKwKpdlFhp
CaoE2td0JvhNC8kIdrnf5GINgy2t/Ean
-----END CERTIFICATE-----`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRSPUvSmpuEMj5ZiR
IBdHMw38cdwRQJJPkTZuAJVwt8ChRANCAAS24Vz0ykFw8/7BYDuM6HZSGNzn9a3Z
c4SFxZzJHx1T1q0cZK/orX2TIjXxUcAeCUNVTUDf0QTC5RQrYuOqFYIx
-----END PRIVATE KEY-----`,
};

/** As NODE_EXTRA_CA_CERTS does for a process from its start. */
export function trustTestCertificate(): void {
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), certificate.cert]);
}

export interface Mail {
  from: string;
  to: string[];
  secure: boolean;
  user: string | undefined;
  /** The mail as it came. */
  raw: string;
  /** Header lines, unfolded, names in lower case. */
  headers: Map<string, string[]>;
  text: string;
}

export interface MailServerDouble {
  port: number;
  mails: Mail[];
  /** What RCPT is answered with instead of 250. */
  refuse: { code: number; text: string } | undefined;
  /** Runs when a mail is here and not yet acknowledged. */
  before: (() => Promise<unknown>) | undefined;
  stop(): Promise<void>;
}

/** A mail server that keeps what it gets; takes the password `right`. */
export async function startMailServer(options: SMTPServerOptions = {}): Promise<MailServerDouble> {
  const double: MailServerDouble = {
    port: 0,
    mails: [],
    refuse: undefined,
    before: undefined,
    stop: () => new Promise((done) => server.close(() => done())),
  };
  const server = new SMTPServer({
    ...certificate,
    logger: false,
    onAuth: ({ username, password }, _session, done) => {
      if (password === 'right') done(null, { user: username });
      else done(Object.assign(new Error(`no ${password ?? ''}`), { responseCode: 535 }));
    },
    onRcptTo: ({ address }, _session, done) => {
      const { refuse } = double;
      done(refuse ? Object.assign(new Error(`${refuse.text} <${address}>`), { responseCode: refuse.code }) : null); // prettier-ignore
    },
    onData: (stream, session, done) => {
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('end', () => {
        const { envelope } = session;
        double.mails.push({
          from: envelope.mailFrom ? envelope.mailFrom.address : '',
          to: envelope.rcptTo.map(({ address }) => address),
          secure: session.secure,
          user: session.user,
          ...read(Buffer.concat(parts).toString('utf8')),
        });
        void (double.before?.() ?? Promise.resolve()).then(() => done());
      });
    },
    ...options,
  });
  server.on('error', () => undefined); // a client that leaves
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  double.port = (server.server.address() as AddressInfo).port;
  return double;
}

function read(raw: string): Pick<Mail, 'raw' | 'headers' | 'text'> {
  const [head = '', ...rest] = raw.split('\r\n\r\n');
  const headers = new Map<string, string[]>();
  for (const line of head.replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n')) {
    const [, name = '', value = ''] = /^([^:]+): ?(.*)$/.exec(line) ?? [];
    headers.set(name.toLowerCase(), [...(headers.get(name.toLowerCase()) ?? []), words(value)]);
  }
  const body = rest.join('\r\n\r\n');
  const encoding = headers.get('content-transfer-encoding')?.[0] ?? '7bit';
  const text =
    encoding === 'base64' ? Buffer.from(body, 'base64').toString('utf8')
      : encoding === 'quoted-printable' ? quoted(body.replaceAll(/=\r\n/g, '')) : body; // prettier-ignore
  return { raw, headers, text };
}

/** RFC 2047. */
const words = (value: string): string =>
  value
    .replaceAll(/\?=\s+=\?/g, '?==?')
    .replaceAll(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_whole, how: string, coded: string) =>
      how.toLowerCase() === 'b' ? Buffer.from(coded, 'base64').toString('latin1') : Buffer.from(quotedBytes(coded.replaceAll('_', ' '))).toString('latin1'),
    )
    .replace(/[\x80-\xff]+/g, (bytes) => Buffer.from(bytes, 'latin1').toString('utf8')); // prettier-ignore
const quotedBytes = (text: string): Buffer =>
  Buffer.from(text.replaceAll(/=([0-9A-F]{2})/gi, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))), 'latin1'); // prettier-ignore
const quoted = (text: string): string => quotedBytes(text).toString('utf8');

export interface Call {
  /** The address of this side of the connection. */
  localAddress: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface Receiver {
  port: number;
  calls: Call[];
  connections: number;
  /** How it answers; 200 without it. */
  answer: ((call: Call, response: ServerResponse) => void) | undefined;
  stop(): Promise<void>;
}

/** A program that takes webhooks. */
export async function startReceiver(how: { secure?: boolean; host?: string; port?: number } = {}): Promise<Receiver> {
  const receiver: Receiver = {
    port: how.port ?? (await freePort()),
    calls: [],
    connections: 0,
    answer: undefined,
    stop: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    const parts: Buffer[] = [];
    response.on('error', () => undefined); // cut off by the other side
    request.on('error', () => undefined);
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const call: Call = {
        localAddress: request.socket.localAddress ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(parts).toString('utf8'),
      };
      receiver.calls.push(call);
      if (receiver.answer) receiver.answer(call, response);
      else response.end('{}');
    });
  };
  const server = how.secure === false ? createServer(take) : createSecureServer(certificate, take);
  server.on('connection', () => void (receiver.connections += 1));
  await new Promise<void>((done, failed) => {
    server.once('error', failed);
    server.listen(receiver.port, how.host ?? '127.0.0.1', done);
  });
  return receiver;
} // prettier-ignore

export interface Dns {
  /** `address:port` */
  address: string;
  /** The IPv4 addresses of a name, each time it is asked for. */
  names: Map<string, () => string[]>;
  asked: string[];
  stop(): Promise<void>;
}

/** A DNS server over UDP that knows A records; every other name is not there, every other record empty. */
export async function startDns(): Promise<Dns> {
  const socket = createSocket('udp4');
  const dns: Dns = {
    address: '',
    names: new Map(),
    asked: [],
    stop: () => new Promise((done) => socket.close(() => done())),
  };
  socket.on('message', (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.subarray(at + 1, at + 1 + length).toString('latin1'));
      at += length + 1;
    }
    const name = labels.join('.').toLowerCase();
    const type = query.readUInt16BE(at + 1);
    const known = dns.names.get(name);
    if (type === 1) dns.asked.push(name);
    const addresses = type === 1 ? (known?.() ?? []) : [];
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(known ? 0x8180 : 0x8183, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(addresses.length, 6);
    const records = addresses.map((address) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]),
    );
    socket.send(Buffer.concat([header, query.subarray(12, at + 5), ...records]), from.port, from.address); // prettier-ignore
  });
  await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
  dns.address = `127.0.0.1:${socket.address().port}`;
  return dns;
}
