import { randomUUID } from 'node:crypto';
import { type ClientRequest, request } from 'node:http';
import { connect } from 'node:net';
import { County, eventually } from '#testing';
import { registry } from '../apps/registry/src/registry.definition.js';

const limits = {
  personPer10s: 20,
  townshipPer10s: 50,
  uploadsOfTownship: 2,
  uploads: 3,
  importPauses: 60,
};
const [townA, townB] = ['371425101', '371425102'];

describe('the limits of one replica', () => {
  let county: County;
  const ask = (token: string): Promise<number> =>
    county.call('registry', 'GET', '/v1/divisions', { token }).then(({ status }) => status);
  const asks = async (token: string, count: number): Promise<number[]> =>
    (await Promise.all(Array.from({ length: count }, () => ask(token)))).sort();

  beforeAll(async () => {
    county = await County.start([registry], { limits });
  }, 60_000);
  afterAll(() => county.stop(), 30_000);

  it('stop one account at its own limit, and tell it when to come again', async () => {
    const [busy, calm] = [await county.token('office', townA), await county.token('office', townA)];
    const answers = await asks(busy, limits.personPer10s + 5);
    expect(answers.filter((status) => status === 200)).toHaveLength(limits.personPer10s);
    expect(answers.filter((status) => status === 429)).toHaveLength(5);
    expect(await ask(calm)).toBe(200);
    const refused = await county.call('registry', 'GET', '/v1/divisions', { token: busy });
    expect(refused.body).toMatchObject({ status: 429, code: 'too-many-requests' });
    const seconds = Number(refused.headers.get('retry-after'));
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(seconds).toBeLessThanOrEqual(10);
    // The bucket fills again.
    expect(await eventually(() => ask(busy), (status) => status === 200, 15_000)).toBe(200);
  }, 30_000); // prettier-ignore

  it('stop a township whose accounts together ask too much, and no other', async () => {
    const accounts = await Promise.all(Array.from({ length: 4 }, () => county.token('office', townB))); // prettier-ignore
    const answers = (await Promise.all(accounts.map((token) => asks(token, 15)))).flat();
    expect(answers.filter((status) => status === 200)).toHaveLength(limits.townshipPer10s);
    expect(answers.filter((status) => status === 429)).toHaveLength(10);
    expect(await ask(await county.token('auditor', '371425'))).toBe(200);
    expect(await ask(await county.token('office', '371425103'))).toBe(200);
  });

  it('take two files at once from a township, three in all, and more once one is through', async () => {
    const open: ClientRequest[] = [];
    /** Sends the beginning of a file, and no more. */
    const begin = async (township: string): Promise<void> => {
      const token = await county.token('office', township);
      const { hostname, port, pathname } = county.base('registry');
      const sending = request({
        host: hostname, port, path: `${pathname}/v1/ledger-imports`, method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'multipart/form-data; boundary=x' },
      }); // prettier-ignore
      sending.on('error', () => undefined); // cut below
      sending.write('--x\r\ncontent-disposition: form-data; name="file"; filename="x.csv"\r\n\r\n');
      open.push(sending);
    };
    const status = async (township: string): Promise<number> =>
      (await county.upload('registry', '/v1/ledger-imports', await county.token('office', township), Buffer.from('x'), 'x.csv')).status; // prettier-ignore
    const receiving = (count: number): Promise<unknown> =>
      eventually(() => county.read('registry', '/metrics'), (text) => text.includes(`foodwarden_uploads ${count}\n`)); // prettier-ignore
    const [here, there, third] = ['371425104', '371425105', '371425106'];
    await begin(here);
    await begin(here);
    await receiving(2);
    expect(await status(here)).toBe(429);
    expect(await status(there)).toBe(422); // taken, and no sheet
    await receiving(2);
    await begin(there);
    await receiving(3);
    expect(await status(third)).toBe(429);
    for (const one of open) one.destroy();
    await receiving(0);
    expect(await status(here)).toBe(422);
    expect(await status(third)).toBe(422);
  }, 30_000);

  it('do not count what nobody signed in for', async () => {
    const answers = await Promise.all(
      Array.from({ length: 80 }, () => county.call('registry', 'GET', '/health/live')),
    );
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(await ask(randomUUID())).toBe(401);
  });
});

describe('the time that a request may take to arrive', () => {
  let county: County;
  beforeAll(async () => {
    county = await County.start([registry], { requestTimeoutMs: 1500 });
  }, 60_000);
  afterAll(() => county.stop(), 30_000);

  it('cuts a client that sends a byte now and then, in its head or its body, and serves the others', async () => {
    const token = await county.token('office', townA);
    const head = `POST /api/registry/v1/establishments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n`;
    const port = Number(county.base('registry').port);
    /** @returns what the server said before it hung up */
    const dripped = (text: string): Promise<string> =>
      new Promise((done) => {
        let heard = '';
        const socket = connect(port, '127.0.0.1', () => socket.write(text));
        const drops = setInterval(() => socket.write('x'), 200);
        socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
        socket.on('error', () => undefined); // our next byte meets a closed door
        socket.on('close', () => {
          clearInterval(drops);
          done(heard);
        });
      });
    const slow = [
      dripped(head),
      dripped(`${head}content-type: application/json\r\ncontent-length: 1000\r\n\r\n{`),
      dripped(`${head.replace('establishments', 'ledger-imports')}content-type: multipart/form-data; boundary=x\r\ncontent-length: 1000\r\n\r\n--x\r\n`),
    ];
    const answer = await county.call('registry', 'GET', '/v1/divisions', { token });
    expect(answer.status).toBe(200);
    for (const heard of await Promise.all(slow))
      expect(heard).toMatch(/^HTTP\/1\.1 408 [^]*application\/problem\+json[^]*"code":"request-timeout"/);
    expect(await county.rows('registry', 'select 1 as one from establishment')).toEqual([]);
  }, 30_000); // prettier-ignore
});
