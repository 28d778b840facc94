import { type Readable } from 'node:stream';
import { workbookType } from '#sheet';
import { type FastifyReply } from 'fastify';

/** Who takes nothing for so long is gone, and what serves him with him. */
const stalledMs = 60_000;

/**
 * Sends a workbook while it is made: as a file to be kept, never to be shown or run by the browser.
 * @param fileName ours, never an uploader's; without `.xlsx`
 */
export function sendWorkbook(reply: FastifyReply, fileName: string, bytes: Readable): void {
  reply.raw.setTimeout(stalledMs, () => reply.raw.destroy());
  void reply
    .header('content-type', workbookType)
    .header('content-disposition', `attachment; filename="foodwarden.xlsx"; filename*=UTF-8''${encodeURIComponent(fileName)}.xlsx`)
    .header('content-security-policy', "default-src 'none'; frame-ancestors 'none'; sandbox")
    .header('x-content-type-options', 'nosniff')
    .send(bytes);
} // prettier-ignore

/**
 * The 200 of a route that sends a workbook, for Swagger: with `@ApiProduces(workbookType)`. Bytes need no schema (OpenAPI
 * 3.1), and Swagger UI takes the media type, which has `xml` in its name, for XML and finds no root element in one.
 */
export const workbookResponse = {
  status: 200,
  content: { [workbookType]: {} },
  headers: {
    'Content-Disposition': {
      description: '文件名 · the name of the file',
      schema: { type: 'string' },
    },
  },
} as const;
