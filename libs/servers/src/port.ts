import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * A loopback port that was free a moment ago: whoever uses it must cope with losing the race. It lies below those that a
 * system gives to outgoing connections (from 32768 on Linux, from 49152 elsewhere), so that none of them takes it meanwhile.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = randomInt(12_000, 32_000);
    const failure = await new Promise<Error | undefined>((done) => {
      const server = createServer();
      server.once('error', done);
      server.listen(port, '127.0.0.1', () => server.close(() => done(undefined)));
    });
    if (!failure) return port;
    if (attempt === 100) throw failure;
  }
}
