import { AwsClient } from 'aws4fetch';
import { FilesUnavailable, type Shelf } from './shelf.js';

const answerWithinMs = 15_000;
/** For the whole of a file, at the pace of a bad line between two machines. */
const fileWithinMs = 60_000;

export interface S3Config {
  endpoint: string;
  bucket: string;
  region: string;
  accessKey: string;
  secretKey: string;
}

/** `<endpoint>/<bucket>/<service>/ab/cd/<hash>`: path style, which every S3-compatible service understands. */
export class S3Store implements Shelf {
  private readonly client: AwsClient;
  private readonly bucketUrl: string;

  constructor(
    { endpoint, bucket, region, accessKey, secretKey }: S3Config,
    private readonly service: string,
  ) {
    this.bucketUrl = `${endpoint.replace(/\/+$/, '')}/${bucket}`;
    this.client = new AwsClient({
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      service: 's3',
      region,
      retries: 1,
    });
  }

  private urlOf(sha256: string): string {
    return `${this.bucketUrl}/${this.service}/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}`;
  }

  private async ask(
    method: string,
    url: string,
    withinMs: number,
    more: RequestInit = {},
  ): Promise<Response> {
    try {
      return await this.client.fetch(url, {
        method,
        signal: AbortSignal.timeout(withinMs),
        redirect: 'error',
        ...more,
      });
    } catch (error) {
      throw new FilesUnavailable(`The file service does not answer: ${reasonOf(error)}.`, {
        cause: error,
      });
    }
  }

  async write(sha256: string, bytes: Uint8Array): Promise<void> {
    // The hash is signed with the request, so bytes that were bent on the way are refused there.
    const answer = await this.ask('PUT', this.urlOf(sha256), fileWithinMs, {
      body: bytes,
      headers: { 'x-amz-content-sha256': sha256, 'content-type': 'application/octet-stream' },
    });
    if (!answer.ok) throw await refusal('keep', answer);
    await answer.body?.cancel();
  }

  async sizeOf(sha256: string): Promise<number | undefined> {
    const answer = await this.ask('HEAD', this.urlOf(sha256), answerWithinMs);
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw await refusal('look for', answer);
    return Number(answer.headers.get('content-length'));
  }

  async read(sha256: string): Promise<AsyncIterable<Uint8Array>> {
    const answer = await this.ask('GET', this.urlOf(sha256), fileWithinMs);
    if (!answer.ok || !answer.body) throw await refusal('give', answer);
    return answer.body;
  }

  async remove(sha256: string): Promise<void> {
    const answer = await this.ask('DELETE', this.urlOf(sha256), answerWithinMs);
    if (!answer.ok && answer.status !== 404) throw await refusal('remove', answer);
    await answer.body?.cancel();
  }

  async *writtenBefore(firstDigits: string, before: Date): AsyncGenerator<string> {
    let token = '';
    do {
      const query = new URLSearchParams({
        'list-type': '2',
        prefix: `${this.service}/${firstDigits}/`,
        ...(token ? { 'continuation-token': token } : {}),
      });
      const answer = await this.ask('GET', `${this.bucketUrl}?${query.toString()}`, answerWithinMs);
      if (!answer.ok) throw await refusal('list', answer);
      const page = await answer.text();
      // Keys are ours, hex and slashes, so nothing in them is escaped.
      for (const [, entry = ''] of page.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
        const sha256 = /<Key>[^<]*\/([0-9a-f]{64})<\/Key>/.exec(entry)?.[1];
        const written = new Date(/<LastModified>([^<]+)</.exec(entry)?.[1] ?? '');
        if (sha256 && written < before) yield sha256;
      }
      token = /<NextContinuationToken>([^<]+)</.exec(page)?.[1] ?? '';
    } while (token);
  }
}

/** The code alone: the rest of S3's answer repeats the access key and what was signed. */
async function refusal(what: string, answer: Response): Promise<FilesUnavailable> {
  const text = await answer.text().catch(() => '');
  const code = /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? '';
  return new FilesUnavailable(`The file service did not ${what} a file: ${answer.status} ${code}.`);
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}
