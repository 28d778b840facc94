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
  const part = await request.file({ limits: { fileSize: maxBytes, files: 1, fields: 4, fieldSize: 1000 } });
  if (part?.fieldname !== 'file')
    throw new DomainError('validation-failed', 'Send the file in the field `file`.', [
      { pointer: '/file', rule: 'required', value: null, remedy: 'Add one file in the field `file`.' },
    ]);
  const bytes = await part.toBuffer().catch((error: Error & { code?: string }) => {
    if (error.code === 'FST_REQ_FILE_TOO_LARGE') throw tooLarge;
    throw new DomainError('bad-request', 'The upload broke off: send it again.');
  });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return {
    caller: caller.idempotency
      ? { ...caller, idempotency: { ...caller.idempotency, bodyHash: hashOf([request.url, sha256]) } }
      : caller,
    fileName: part.filename.replace(/[\p{Cc}\p{Cs}]/gu, '').slice(0, 200),
    bytes,
    sha256,
  };
} // prettier-ignore
