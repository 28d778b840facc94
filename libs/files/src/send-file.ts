import { type FastifyReply } from 'fastify';
import { type FileStore } from './file-store.js';

/**
 * Answers with a file that somebody uploaded. Whatever it holds, a browser only saves it: an attachment of the type that
 * was found, never guessed at, in a sandbox, and under our name.
 * @param file.name ours, ASCII; never the uploader's
 */
export async function sendFile(
  reply: FastifyReply,
  store: FileStore,
  file: { sha256: string; mime: string; name: string },
): Promise<void> {
  const { stream, size } = await store.open(file.sha256);
  await reply
    .header('content-type', file.mime)
    .header('content-length', size)
    .header('content-disposition', `attachment; filename="${file.name}"`)
    .header('x-content-type-options', 'nosniff')
    .header('content-security-policy', "sandbox; default-src 'none'")
    .header('cross-origin-resource-policy', 'same-origin')
    .header('etag', `"${file.sha256}"`)
    .send(stream);
}
