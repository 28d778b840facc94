import { connect, createServer } from 'node:net';

/**
 * A line between a service and a server, as a network is: it can be slow, cut, or carry one direction only. What is on its
 * way when it is cut is lost, as it would be on a wire.
 */
export class Line {
  delayMs = 0;
  /** How much it carries in a second, in each direction of each connection. */
  bytesPerSecond = Infinity;
  /** 'up' (to the server) or 'down': bytes in this direction are swallowed. */
  deaf = undefined;
  refuses = false;
  port = 0;
  server = createServer({ noDelay: true }, (near) => this.accept(near));
  pairs = new Set();

  /** @param target the port where the server is now */
  constructor(name, target) {
    this.name = name;
    this.target = target;
  }

  async open() {
    this.server.listen(0, '127.0.0.1');
    await new Promise((done) => this.server.once('listening', done));
    this.port = this.server.address().port;
    return this;
  }

  accept(near) {
    if (this.refuses) return near.resetAndDestroy();
    const far = connect({ host: '127.0.0.1', port: this.target(), noDelay: true });
    const pair = { near, far };
    this.pairs.add(pair);
    for (const [socket, other] of [[near, far], [far, near]]) {
      socket.on('error', () => undefined); // 'close' follows
      // Who hung up orderly is followed by his last bytes, as `pump` brings them: a reset would overtake them.
      socket.once('close', (broken) => {
        if (broken) other.resetAndDestroy();
        if (socket.closed && other.closed) this.pairs.delete(pair);
      });
    } // prettier-ignore
    this.pump(near, far, 'up');
    this.pump(far, near, 'down');
  }

  pump(from, to, direction) {
    const onItsWay = [];
    let timer;
    const deliver = () => {
      timer = undefined;
      while (onItsWay.length > 0 && onItsWay[0].at <= Date.now()) {
        const { chunk } = onItsWay.shift();
        if (chunk === undefined) to.end();
        else if (!to.write(chunk)) from.pause();
      }
      if (onItsWay.length > 0) timer = setTimeout(deliver, onItsWay[0].at - Date.now());
    };
    let last = 0;
    const put = (chunk) => {
      if (this.deaf === direction) return;
      last = Math.max(last, Date.now() + this.delayMs) + ((chunk?.length ?? 0) * 1000) / this.bytesPerSecond; // prettier-ignore
      onItsWay.push({ chunk, at: last });
      if (!timer) deliver();
    };
    from.on('data', (chunk) => {
      const piece = this.bytesPerSecond === Infinity ? chunk.length : 256;
      for (let at = 0; at < chunk.length; at += piece) put(chunk.subarray(at, at + piece));
    });
    from.on('end', () => put(undefined));
    to.on('drain', () => from.resume());
    to.once('close', () => clearTimeout(timer));
  }

  /** Every connection of it breaks; the next ones are let in unless it `refuses`. */
  cut() {
    for (const { near, far } of this.pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  }

  /** Whether a server sees one of its connections at this port. */
  carries(port) {
    return [...this.pairs].some(({ far }) => far.localPort === port);
  }

  async close() {
    this.refuses = true;
    this.cut();
    await new Promise((done) => this.server.close(done));
  }
}
