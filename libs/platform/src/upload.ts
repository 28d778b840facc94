import { createHash } from 'node:crypto';
import { type Caller, hashOf } from '#database';
import { type FastifyRequest } from 'fastify';
import { DomainError } from './problem.js';

export interface Upload {
  /** The caller, whose `Idempotency-Key` now stands for these bytes. */
  caller: Caller;
  fileName: string;
  bytes: Buffer;
  sha256: string;
}

/** The one file of a multipart request, field `file`. @throws DomainError 413, 415 or 422 */
export async function uploadOf(
  request: FastifyRequest,
  caller: Caller,
  maxBytes: number,
): Promise<Upload> {
  if (!request.isMultipart())
    throw new DomainError('media-type', 'Send multipart/form-data with one file in the field `file`.');
  const tooLarge = new DomainError('file-too-large', `At most ${Math.floor(maxBytes / 1048576)} MB a file.`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes + 1_048_576) throw tooLarge;
  const notOne = new DomainError('validation-failed', 'Send one file in the field `file` and nothing else.', [
    { pointer: '/file', rule: 'required', value: null, remedy: 'Add one file in the field `file`, and no other field.' },
  ]);
  let taken: { fileName: string; bytes: Buffer } | undefined;
  try {
    for await (const part of request.parts({ limits: { fileSize: maxBytes, files: 2, fields: 1, fieldSize: 1000 } })) {
      if (part.type !== 'file') throw notOne;
      if (part.fieldname !== 'file' || taken) {
        part.file.resume();
        throw notOne;
      }
      taken = { fileName: part.filename, bytes: await part.toBuffer() };
    }
  } catch (error) {
    const code = (error as { code?: string }).code ?? '';
    if (error instanceof DomainError) throw error;
    if (code === 'FST_REQ_FILE_TOO_LARGE') throw tooLarge;
    if (/^FST_(FILES|FIELDS|PARTS)_LIMIT$/.test(code)) throw notOne;
    throw new DomainError('bad-request', 'The upload broke off or is no multipart/form-data: send it again.');
  }
  if (!taken) throw notOne;
  const { bytes, fileName } = taken;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return {
    caller: caller.idempotency
      ? { ...caller, idempotency: { ...caller.idempotency, bodyHash: hashOf([request.url, sha256]) } }
      : caller,
    fileName: fileName.replace(/[\p{Cc}\p{Cs}]/gu, '').slice(0, 200),
    bytes,
    sha256,
  };
} // prettier-ignore
