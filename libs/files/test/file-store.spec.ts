import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { filesOf, type FilesConfig, FileStore, FilesNotConfigured, FilesUnavailable } from '#files';
import { png, S3Server, whyRefused } from '#testing';

let folder: string;
let s3: S3Server;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foodwarden-files-'));
  s3 = await S3Server.start();
}, 60_000);
afterAll(async () => {
  await s3.stop();
  await rm(folder, { recursive: true, force: true });
});

async function every(names: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const name of names) all.push(name);
  return all;
}

const tomorrow = (): Date => new Date(Date.now() + 86_400_000);

describe.each([
  ['a folder', (): FilesConfig => ({ folder })],
  ['a bucket', (): FilesConfig => s3.config],
])('files in %s', (_, configOf) => {
  let files: FileStore;
  beforeAll(() => {
    files = filesOf(configOf(), 'inspection');
  });

  it('come back as they were put, under the hash of their content, and are kept once', async () => {
    const bytes = png(300_000);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect(await files.has(sha256)).toBe(false);
    expect(await files.put(bytes)).toEqual({ sha256, size: 300_000 });
    expect(await files.put(bytes)).toEqual({ sha256, size: 300_000 });
    const { stream, size } = await files.open(sha256);
    expect(size).toBe(300_000);
    expect((await buffer(stream)).equals(bytes)).toBe(true);
    expect(await every(files.writtenBefore(sha256.slice(0, 2), tomorrow()))).toContain(sha256);
  });

  it('are put by many at once without harm', async () => {
    const bytes = png(100_000);
    const all = await Promise.all(Array.from({ length: 8 }, () => files.put(bytes)));
    expect(new Set(all.map(({ sha256 }) => sha256)).size).toBe(1);
    expect((await buffer((await files.open(all[0]!.sha256)).stream)).equals(bytes)).toBe(true);
  });

  it('of one service are not those of another in the same place', async () => {
    const { sha256 } = await files.put(png());
    const other = filesOf(configOf(), 'assignment');
    expect(await other.has(sha256)).toBe(false);
    expect(await every(other.writtenBefore(sha256.slice(0, 2), tomorrow()))).toEqual([]);
  });

  it('are listed by age, and go when they are removed; a repeat is no error', async () => {
    const { sha256 } = await files.put(png());
    const yesterday = new Date(Date.now() - 86_400_000);
    expect(await every(files.writtenBefore(sha256.slice(0, 2), yesterday))).toEqual([]);
    await files.remove(sha256);
    await files.remove(sha256);
    expect(await files.has(sha256)).toBe(false);
    await expect(files.open(sha256)).rejects.toThrow(FilesUnavailable);
  });
});

describe('a folder', () => {
  const pathOf = (sha256: string): string =>
    join(folder, 'inspection', sha256.slice(0, 2), sha256.slice(2, 4), sha256);

  it('breaks a download off where the bytes are no longer those that were put', async () => {
    const files = filesOf({ folder }, 'inspection');
    const bytes = png(200_000);
    const { sha256 } = await files.put(bytes);
    bytes[150_000]! += 1;
    await writeFile(pathOf(sha256), bytes);
    await expect(buffer((await files.open(sha256)).stream)).rejects.toThrow('is damaged');
  });

  it('writes anew what a crash left short', async () => {
    const files = filesOf({ folder }, 'inspection');
    const bytes = png(5_000);
    const { sha256 } = await files.put(bytes);
    await writeFile(pathOf(sha256), bytes.subarray(0, 100));
    await files.put(bytes);
    expect((await buffer((await files.open(sha256)).stream)).equals(bytes)).toBe(true);
  });

  it('clears half-written files, and only old ones', async () => {
    const files = filesOf({ folder }, 'inspection');
    const { sha256 } = await files.put(png());
    const [old, young] = [`${pathOf(sha256)}.old`, `${pathOf(sha256)}.young`];
    await writeFile(old, 'half');
    await writeFile(young, 'half');
    await utimes(old, new Date(0), new Date(0));
    const yesterday = new Date(Date.now() - 86_400_000);
    expect(await every(files.writtenBefore(sha256.slice(0, 2), yesterday))).toEqual([]);
    const left = await readdir(join(pathOf(sha256), '..'));
    expect(left).toContain(`${sha256}.young`);
    expect(left).not.toContain(`${sha256}.old`);
  });

  it('that cannot be written says so as unavailable, and leaves nothing half there', async () => {
    const blocked = join(folder, 'blocked');
    await writeFile(blocked, 'a file where the folder should be');
    await chmod(blocked, 0o400);
    await expect(filesOf({ folder: blocked }, 'inspection').put(png())).rejects.toThrow(FilesUnavailable);
  }); // prettier-ignore
});

describe('a bucket', () => {
  it('is guarded by a door that knows the signature of AWS’s own example', () => {
    const headers = {
      host: 'examplebucket.s3.amazonaws.com',
      range: 'bytes=0-9',
      'x-amz-content-sha256': 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      'x-amz-date': '20130524T000000Z',
      authorization:
        'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    };
    const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
    const request = { method: 'GET', url: '/test.txt', headers };
    expect(whyRefused(request, Buffer.alloc(0), secret)).toBeUndefined();
    expect(whyRefused(request, Buffer.alloc(0), 'another')).toBe('SignatureDoesNotMatch');
    expect(whyRefused(request, Buffer.from('more'), secret)).toBe('XAmzContentSHA256Mismatch');
  });

  it('with a wrong secret is unavailable, and the error holds no key', async () => {
    const files = filesOf({ ...s3.config, secretKey: 'wrong-secret' }, 'inspection');
    const failed = await files.put(png()).catch((error: unknown) => error as Error);
    expect(failed).toBeInstanceOf(FilesUnavailable);
    expect((failed as Error).message).toContain('403');
    expect(JSON.stringify([failed, (failed as Error).message])).not.toMatch(/S3RVER|wrong-secret/);
  });

  it('whose server is away is unavailable, and serves again when it is back', async () => {
    const files = filesOf(s3.config, 'inspection');
    const { sha256 } = await files.put(png());
    await s3.goAway();
    await expect(files.put(png())).rejects.toThrow(FilesUnavailable);
    await expect(files.open(sha256)).rejects.toThrow(FilesUnavailable);
    await s3.comeBack();
    expect(await files.has(sha256)).toBe(true);
  }, 60_000);
});

it('says which variables are missing where there is no place at all', async () => {
  await expect(filesOf(undefined, 'inspection').put(png())).rejects.toThrow(FilesNotConfigured);
});
