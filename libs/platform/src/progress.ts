import { type FastifyReply } from 'fastify';

/**
 * Long work as server-sent events: its state now, each time it has changed, and the end of the stream when it is over or
 * the caller has gone.
 * @param first read before the stream begins, so that an id that is not there is a 404
 */
export async function follow<T extends { state: string }>(
  reply: FastifyReply,
  first: T,
  read: () => Promise<T>,
): Promise<void> {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  let last = '';
  try {
    for (let now = first; !raw.destroyed; now = await read()) {
      const text = JSON.stringify(now);
      if (text !== last) raw.write(`data: ${text}\n\n`);
      last = text;
      if (now.state !== 'queued' && now.state !== 'running') break;
      await new Promise((done) => setTimeout(done, 300));
    }
    raw.end();
  } catch {
    raw.destroy(); // the answer has begun: only a broken stream can say that it is not whole
  }
}
