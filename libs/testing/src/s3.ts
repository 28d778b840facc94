import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request as send, type IncomingMessage, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type S3Config } from '#files';
import { freePort } from '#servers';
import { eventually } from './eventually.js';

const accessKey = 'S3RVER';
const secretKey = 'S3RVER';

/**
 * An S3 server, a process of its own (the package s3rver), with one bucket; it can go away and come back. s3rver does not
 * look at signatures, so a door in front of it does: by the rules of AWS, and sharing no code with what signs.
 */
export class S3Server {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly door: Server,
    /** Where the door is. */
    readonly port: number,
    private readonly behind: number,
    private readonly folder: string,
  ) {}

  static async start(): Promise<S3Server> {
    const behind = await freePort();
    const door = createServer((request, response) => {
      buffer(request)
        .then((body) => {
          const refused = whyRefused(request, body, secretKey);
          if (refused) {
            response.writeHead(403, { 'content-type': 'application/xml' });
            response.end(`<Error><Code>${refused}</Code><AWSAccessKeyId>${accessKey}</AWSAccessKeyId></Error>`);
            return;
          }
          const { method, headers, url } = request;
          send({ host: '127.0.0.1', port: behind, path: url, method, headers }, (answer) => {
            response.writeHead(answer.statusCode ?? 502, answer.headers);
            answer.pipe(response);
          })
            .on('error', () => response.destroy())
            .end(body);
        })
        .catch(() => response.destroy()); // the caller went away
    }); // prettier-ignore
    await new Promise<void>((done) => door.listen(0, '127.0.0.1', done));
    const { port } = door.address() as { port: number };
    const folder = await mkdtemp(join(tmpdir(), 'foodwarden-s3-'));
    const server = new S3Server(door, port, behind, folder);
    await server.comeBack();
    return server;
  }

  /** What a service needs to use it. */
  get config(): S3Config {
    const endpoint = `http://127.0.0.1:${this.port}`;
    return { endpoint, bucket: 'foodwarden', region: 'us-east-1', accessKey, secretKey };
  }

  /** Ends the process and waits until it is gone; what it keeps stays. */
  async goAway(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (!child) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await gone;
  }

  async comeBack(): Promise<void> {
    this.child = spawn(
      process.execPath,
      ['node_modules/s3rver/bin/s3rver.js', '--silent', '--directory', this.folder,
       '--address', '127.0.0.1', '--port', String(this.behind), '--configure-bucket', 'foodwarden'],
      { stdio: 'ignore' },
    ); // prettier-ignore
    await eventually(
      () => fetch(`http://127.0.0.1:${this.behind}/foodwarden`).then(({ ok }) => ok, () => false),
      (ok) => ok,
      30_000,
    ); // prettier-ignore
  }

  async stop(): Promise<void> {
    await this.goAway();
    this.door.closeAllConnections();
    await new Promise((done) => this.door.close(done));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** AWS Signature Version 4 of a request whose body is signed too. @returns the code of the refusal, if it is one */
export function whyRefused(
  request: Pick<IncomingMessage, 'method' | 'url' | 'headers'>,
  body: Uint8Array,
  secret: string,
): string | undefined {
  const { authorization = '' } = request.headers;
  const [, date = '', region = '', names = '', signature] =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(authorization) ?? [];
  if (!signature) return 'AccessDenied';
  const header = (name: string): string => String(request.headers[name] ?? '').trim();
  const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
  const claimed = header('x-amz-content-sha256');
  if (claimed !== 'UNSIGNED-PAYLOAD' && claimed !== sha256(body)) return 'XAmzContentSHA256Mismatch';
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const canonical = [
    request.method, path, query.split('&').sort().map((one) => (one && !one.includes('=') ? `${one}=` : one)).join('&'),
    ...names.split(';').map((name) => `${name}:${header(name)}`), '', names, claimed,
  ].join('\n');
  const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
  const key = [date, region, 's3', 'aws4_request'].reduce<string | Buffer>((above, part) => hmac(above, part), `AWS4${secret}`);
  const text = ['AWS4-HMAC-SHA256', header('x-amz-date'), `${date}/${region}/s3/aws4_request`, sha256(canonical)].join('\n');
  return hmac(key, text).toString('hex') === signature ? undefined : 'SignatureDoesNotMatch';
} // prettier-ignore
