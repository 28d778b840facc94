import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Caller, hashOf } from '#database';
import { fileKinds, type FileMime, kindOf } from '#files';
import { Transform } from 'class-transformer';
import { type FastifyRequest } from 'fastify';
import { validation } from './http.js';
import { DomainError } from './problem.js';

export interface Upload {
  /** The caller, whose `Idempotency-Key` now stands for these bytes. */
  caller: Caller;
  fileName: string;
  bytes: Buffer;
  sha256: string;
}

/** A file too large to stand in memory, by its path; it is gone when the request is. */
export interface LargeUpload extends Omit<Upload, 'bytes'> {
  path: string;
}

/** An upload with the other fields of its form, and what the file was found to be. */
export interface FileUpload<Fields> extends Upload {
  fields: Fields;
  mime: FileMime;
}

/** The one file of a multipart request, field `file`. @throws DomainError 413, 415 or 422 */
export async function uploadOf(request: FastifyRequest, caller: Caller, maxBytes: number): Promise<Upload> {
  return (await partsOf(request, caller, maxBytes, inMemory)).upload;
} // prettier-ignore

/**
 * The one file of a multipart request, field `file`, kept on disk while `work` needs it.
 * @throws DomainError 413, 415 or 422
 */
export async function withLargeUpload<T>(
  request: FastifyRequest,
  caller: Caller,
  maxBytes: number,
  work: (upload: LargeUpload) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'foodwarden-upload-'));
  try {
    return await work((await partsOf(request, caller, maxBytes, onDisk(folder))).upload);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The one file of a multipart request, a photo or a PDF, and the other fields.
 * @param Fields a class with the rules of class-validator; numbers with `NumberOfForm`. A field left empty is absent.
 * @throws DomainError 413, 415 or 422
 */
export async function fileUploadOf<Fields extends object>(
  request: FastifyRequest,
  caller: Caller,
  maxBytes: number,
  Fields: new () => Fields,
): Promise<FileUpload<Fields>> {
  const { upload, fields } = await partsOf(request, caller, maxBytes, inMemory, Fields);
  const mime = await kindOf(upload.bytes);
  if (!mime)
    throw new DomainError('file-kind', `内容不是 ${Object.values(fileKinds).join('、')},或同时是多种文件。 · The content is none of ${Object.values(fileKinds).join(', ')}, or more than one thing at once.`, [
      { pointer: '/file', rule: 'file-kind', value: upload.fileName, remedy: '请上传 JPEG、PNG、WebP 照片或 PDF · Send a JPEG, PNG or WebP photo, or a PDF.' },
    ]);
  return { ...upload, fields, mime };
} // prettier-ignore

/** A form holds texts: turns a decimal number into one, and leaves everything else to be refused. */
export const NumberOfForm = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' && /^-?\d{1,9}(\.\d{1,12})?$/.test(value) ? Number(value) : value,
  );

/** What is kept of a file while it arrives. */
type Keep<Kept> = (file: Readable) => Promise<Kept & { sha256: string }>;

const inMemory: Keep<{ bytes: Buffer }> = async (file) => {
  const bytes = Buffer.concat(await file.toArray());
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
};

const onDisk =
  (folder: string): Keep<{ path: string }> =>
  async (file) => {
    const path = join(folder, 'file');
    const hash = createHash('sha256');
    await pipeline(
      file,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(path, { mode: 0o600 }),
    );
    return { path, sha256: hash.digest('hex') };
  };

async function partsOf<Kept extends object, Fields extends object>(
  request: FastifyRequest,
  caller: Caller,
  maxBytes: number,
  keep: Keep<Kept>,
  Fields?: new () => Fields,
): Promise<{ upload: Kept & Omit<Upload, 'bytes'>; fields: Fields }> {
  if (!request.isMultipart())
    throw new DomainError('media-type', '请以 multipart/form-data 发送,文件放在 file 字段。 · Send multipart/form-data with one file in the field `file`.');
  const tooLarge = new DomainError('file-too-large', `文件最大 ${Math.floor(maxBytes / 1048576)} MB。 · At most ${Math.floor(maxBytes / 1048576)} MB a file.`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes + 1_048_576) throw tooLarge;
  const others = Fields ? 'no other file' : 'no other field';
  const notOne = new DomainError('validation-failed', 'file 字段须有且只有一个文件,其他字段各一次。 · Send one file in the field `file`, each other field once.', [
    { pointer: '/file', rule: 'required', value: null, remedy: `请在 file 字段放一个文件,不要放其他多余内容 · Add one file in the field \`file\`, and ${others}.` },
  ]);
  const ofQuery = new DomainError('validation-failed', 'dryRun 是查询参数,不是表单字段。 · dryRun is a parameter of the query, no field of the form.', [
    { pointer: '/dryRun', rule: 'of-query', value: null, remedy: '请放在地址中:?dryRun=true,表单只留 file · put it into the address: ?dryRun=true; the form has the file alone' },
  ]);
  const texts = new Map<string, unknown>();
  let taken: { fileName: string; kept: Kept & { sha256: string } } | undefined;
  try {
    const limits = { fileSize: maxBytes, files: 2, fields: Fields ? 20 : 1, fieldSize: 1000 };
    for await (const part of request.parts({ limits })) {
      if (part.type === 'file') {
        if (part.fieldname !== 'file' || taken) {
          part.file.resume();
          throw notOne;
        }
        taken = { fileName: part.filename, kept: await keep(part.file) };
        if (part.file.truncated) throw tooLarge;
      } else {
        if (!Fields && part.fieldname === 'dryRun') throw ofQuery;
        if (!Fields || texts.has(part.fieldname) || part.valueTruncated) throw notOne;
        if (part.value !== '') texts.set(part.fieldname, part.value);
      }
    }
  } catch (error) {
    const code = (error as { code?: string }).code ?? '';
    if (error instanceof DomainError) throw error;
    if (code === 'FST_REQ_FILE_TOO_LARGE') throw tooLarge;
    if (/^FST_(FILES|FIELDS|PARTS)_LIMIT$/.test(code)) throw notOne;
    throw new DomainError('bad-request', '上传中断或不是 multipart/form-data,请重新发送。 · The upload broke off or is no multipart/form-data: send it again.');
  }
  if (!taken) throw notOne;
  const fields = (Fields
    ? await validation().transform(Object.fromEntries(texts), { type: 'body', metatype: Fields })
    : {}) as Fields;
  const { kept, fileName } = taken;
  const bodyHash = hashOf([request.url, kept.sha256, ...(Fields ? [Object.entries(fields).sort()] : [])]);
  return {
    upload: {
      caller: caller.idempotency ? { ...caller, idempotency: { ...caller.idempotency, bodyHash } } : caller,
      fileName: fileName.replace(/[\p{Cc}\p{Cs}]/gu, '').slice(0, 200),
      ...kept,
    },
    fields,
  };
} // prettier-ignore
