import { connect, createServer, type Server, type Socket } from 'node:net';

/** Where a connection breaks; a device cannot tell one from the other. */
export type Cut =
  /** Nothing gets through. */
  | 'before the request'
  /** Half of the body gets through. */
  | 'in the request'
  /** All of it gets through, and the device is gone while the server is at work. */
  | 'after the request'
  /** The server has committed and answers: nothing of it gets through. */
  | 'before the answer'
  /** A part of the answer gets through. */
  | 'in the answer';

/** A line to a server that breaks as it is told, one connection after the other, and then is a good one. */
export class BadLine {
  private constructor(
    private readonly server: Server,
    readonly base: string,
    private readonly sockets: Set<Socket>,
  ) {}

  static async to(url: URL, cuts: Cut[]): Promise<BadLine> {
    const left = [...cuts];
    const sockets = new Set<Socket>();
    const keep = (socket: Socket): Socket => {
      sockets.add(socket);
      return socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
    };
    const server = createServer((device) => {
      keep(device);
      const cut = left.shift();
      if (cut === 'before the request') {
        device.once('data', () => device.resetAndDestroy());
        return;
      }
      const far = keep(connect(Number(url.port), url.hostname));
      const broken = (): void => {
        device.resetAndDestroy();
        far.destroy();
      };
      device.on('close', () => far.destroy());
      far.on('close', () => device.destroy());
      if (cut === 'in the request' || cut === 'after the request') {
        let request = Buffer.alloc(0);
        device.on('data', (chunk) => {
          request = Buffer.concat([request, chunk]);
          const body = request.indexOf('\r\n\r\n') + 4;
          const length = Number(/^content-length: (\d+)/im.exec(request.subarray(0, body).toString('latin1'))?.[1]); // prettier-ignore
          if (body < 4 || request.length < body + length) return;
          const through = cut === 'in the request' ? body + Math.floor(length / 2) : body + length;
          far.write(request.subarray(0, through), broken);
        });
        return;
      }
      device.pipe(far);
      if (cut === 'before the answer') far.once('data', broken);
      else if (cut === 'in the answer')
        far.once('data', (chunk: Buffer) =>
          device.write(chunk.subarray(0, Math.floor(chunk.length / 2)), broken),
        );
      else far.pipe(device);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as { port: number };
    return new BadLine(server, `http://127.0.0.1:${port}${url.pathname}`, sockets);
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((done) => this.server.close(done));
  }
}
