import { connect } from 'node:net';

export interface Exchanged {
  status: number;
  type: string;
  body: string;
}

/** Sends a request exactly as written, which no client library would, and reads until the server hangs up. */
export function exchange(
  port: number,
  line: string,
  headers: string[] = [],
  body = '',
  host = ['host: x'],
): Promise<Exchanged> {
  return new Promise((done, failed) => {
    const socket = connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.setTimeout(10_000, () => socket.destroy(new Error(`${line}: no answer in ten seconds`)));
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // A server that answers and hangs up early resets what we were still sending.
      if (chunks.length === 0 || !/ECONNRESET|EPIPE/.test(error.code ?? '')) failed(error);
    });
    socket.on('close', () => {
      const text = Buffer.concat(chunks).toString().replace(/^HTTP\/1\.1 100 .*\r\n\r\n/, '');
      const [head = '', ...rest] = text.split('\r\n\r\n');
      done({
        status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0),
        type: /^content-type: (.*)$/im.exec(head)?.[1] ?? '',
        body: /^transfer-encoding: chunked$/im.test(head) ? unchunked(rest.join('\r\n\r\n')) : rest.join('\r\n\r\n'),
      });
    });
    socket.write(`${[line, ...host, ...headers, 'connection: close'].join('\r\n')}\r\n\r\n${body}`);
  });
} // prettier-ignore

const unchunked = (text: string): string =>
  text
    .split(/^[0-9a-f]+\r\n/m)
    .join('')
    .trimEnd();

/**
 * No token, so no data: a refusal as a problem, also where the bytes are no HTTP at all.
 * @throws when there is anything else
 */
export async function noWayIn(
  port: number,
  line: string,
  headers: string[] = [],
  body = '',
  among = [400, 401, 404, 405, 414, 415, 417, 431, 501],
): Promise<void> {
  const answer = await exchange(port, line, headers, body);
  const said = `${line.slice(0, 200)} ${headers.join(' ').slice(0, 100)}: ${answer.status} ${answer.type} ${answer.body.slice(0, 200)}`;
  if (!among.includes(answer.status)) throw new Error(`${said}: not one of ${among.join()}`);
  const bare = /^HEAD|^\w+ \/identity\//.test(line); // the issuer's own
  if (!bare && !/^application\/problem\+json/.test(answer.type)) throw new Error(`${said}: no problem`); // prettier-ignore
  if (/"items"|establishmentId|暗号/.test(answer.body)) throw new Error(`${said}: shows something`);
}

/** What no server can take is told as a problem that says why. */
export async function refusesUnreadable(port: number, path: string): Promise<void> {
  for (const [line, host, said] of [[`GET ${path} HTTP/1.1`, [], 'Host'], [`GET ${path}/%zz HTTP/1.1`, ['host: x'], 'percent-encoded']] as const) {
    const { status, type, body } = await exchange(port, line, [], '', [...host]);
    const { code, detail } = JSON.parse(body || '{}') as { code?: string; detail?: string };
    if (status !== 400 || type !== 'application/problem+json; charset=utf-8' || code !== 'bad-request' || !detail?.includes(said))
      throw new Error(`${line} ${host.join()}: ${status} ${type} ${body}`);
  }
} // prettier-ignore

/** The same address in other words, and others that resemble it. */
export function spellings(path: string): string[] {
  const [, api = '', service = '', version = '', noun = ''] = path.split('/');
  const encoded = (word: string): string =>
    `%${word.charCodeAt(0).toString(16)}${word.slice(1)}`;
  return [
    `/${encoded(api)}/${service}/${version}/${noun}`, `/${api}/${encoded(service)}/${version}/${noun}`, `/${api}/${service}/${version}/${encoded(noun)}`,
    `/${api}/${service}/${version}/%2565stablishments`, `/${api}%2f${service}/${version}/${noun}`, `/${api}/${service}/${version}%2f${noun}`, `/${api}/${service}%5c${version}/${noun}`,
    `//${api}/${service}/${version}/${noun}`, `/${api}//${service}/${version}/${noun}`, `/${api}/${service}/${version}//${noun}`, `/./${path.slice(1)}`, `/${api}/./${service}/${version}/${noun}`,
    `/x/..${path}`, `/x/%2e%2e${path}`, `/${api}/${service}/health/live/../../${version}/${noun}`, `/${api}/${service}/health/live/%2e%2e/%2e%2e/${version}/${noun}`, `/${api}/${service}/openapi.json/..;/${version}/${noun}`,
    `/${api}/${service}/health/live/..%2f..%2f${version}/${noun}`, `/docs/../${path.slice(1)}`, `/docs/..%2f${path.slice(1)}`, `/identity/../${path.slice(1)}`,
    `${path}/`, `${path}//`, `${path}.`, `${path}..`, `${path}/.`, `${path}/..`, `${path}%2f`, `${path}%20`, `${path}%00`, `${path}%0d%0a`, `${path}.json`, `${path};x=1`, `${path};`, `${path}#x`, `${path}%23`, `${path}?`, `${path}??`, `${path}%3f`, `${path}&`, `${path}~`, `${path}*`, `${path}\\`, `${path}%5c`, `${path}%c0%af`, `${path}%ff`, `${path}%`, `${path}%u002f`, `${path}/%2e`,
    path.toUpperCase(), `/API/${service}/${version}/${noun}`, `/${api}/${service.toUpperCase()}/${version}/${noun}`, `/${api}/${service}/V1/${noun}`, `/${api}/${service}/${noun}`, `/${version}/${noun}`, `/${noun}`,
    `http://127.0.0.1${path}`, `http://other.example${path}`, `https://x@127.0.0.1${path}`, `ftp://x${path}`, `//other.example${path}`, `\\${path.slice(1)}`, path.replaceAll('/', '\\'), path.slice(1), '*', `${path} HTTP/1.1 x`, `${path}\u0000`, `${path}\u000b`, `${path}\ud83d\ude00`, `${path}?limit=1&limit=2`, `${path}?__proto__=1`,
  ];
} // prettier-ignore
