// P1 of the design: creating an establishment over HTTP (token, validation, isolated transaction, row + journal) against bare
// Fastify + pg running the same statements one by one. Both are processes of their own on one durable PostgreSQL, with the
// same pool, connections, payload and statements; rounds alternate, and medians are compared.
//   node bench/create.mjs [seconds per round] [rounds]
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { cpus } from 'node:os';
import { startRegistry } from './registry.mjs';

const seconds = Number(process.argv[2] ?? 5);
const rounds = Number(process.argv[3] ?? 5);
const connections = 16;
// As an office does: all in one village, and PostgreSQL reads the village to look for a name until the table is analysed.
const villages = readFileSync('apps/platform/sample/divisions.csv', 'utf8').match(
  /^371425101\d{3}/gm,
);
const ground = await startRegistry({ bus: true });
try {
  const token = await ground.token('office', '371425101');
  const subject = { name: 'platform', ...(await ground.run()), path: '/api/registry/v1/establishments' }; // prettier-ignore
  const bare = { name: 'bare', ...(await ground.run('bench/bare.mjs')), path: '/create' };

  const create = (agent, { port, path }) =>
    new Promise((done, failed) => {
      const body = JSON.stringify({
        division: villages[Math.floor(Math.random() * villages.length)],
        name: `店${randomUUID()}`,
        address: '中心街12号',
        kind: 'catering',
        area: 120,
      });
      const begun = process.hrtime.bigint();
      const ask = request(
        {
          agent,
          port,
          path,
          host: '127.0.0.1',
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            authorization: `Bearer ${token}`,
          },
        },
        (answer) => {
          answer.resume();
          answer.on('end', () =>
            answer.statusCode === 201
              ? done(Number(process.hrtime.bigint() - begun) / 1e6)
              : failed(new Error(`status ${answer.statusCode}`)),
          );
        },
      );
      ask.on('error', failed);
      ask.end(body);
    });
  const ready = async (of) => {
    const agent = new Agent({ keepAlive: true });
    for (let tries = 0; ; tries++)
      try {
        await create(agent, of);
        break;
      } catch (error) {
        if (tries > 100) throw error;
        await new Promise((done) => setTimeout(done, 200));
      }
    agent.destroy();
  };
  const round = async (of, forSeconds) => {
    const agent = new Agent({ keepAlive: true, maxSockets: connections });
    const took = [];
    const end = Date.now() + forSeconds * 1000;
    await Promise.all(
      Array.from({ length: connections }, async () => {
        while (Date.now() < end) took.push(await create(agent, of));
      }),
    );
    agent.destroy();
    took.sort((a, b) => a - b);
    const at = (part) => took[Math.min(took.length - 1, Math.floor(took.length * part))];
    return { perSecond: took.length / forSeconds, p50Ms: at(0.5), p99Ms: at(0.99) };
  };
  for (const of of [subject, bare]) {
    await ready(of);
    await round(of, 3); // warm
  }
  const results = { platform: [], bare: [] };
  for (let n = 0; n < rounds; n++)
    for (const of of n % 2 ? [subject, bare] : [bare, subject]) {
      const one = await round(of, seconds);
      results[of.name].push(one);
      console.log(
        of.name,
        Object.entries(one)
          .map(([key, value]) => `${key} ${value.toFixed(1)}`)
          .join(', '),
      );
    }
  const median = (of, key) =>
    results[of].map((one) => one[key]).sort((a, b) => a - b)[Math.floor(rounds / 2)];
  const summary = {
    what: 'P1: create an establishment over HTTP, platform / bare Fastify + pg, the same statements',
    at: new Date().toISOString(),
    node: process.version,
    cores: cpus().length,
    connections,
    seconds,
    rounds,
    platformPerSecond: median('platform', 'perSecond'),
    barePerSecond: median('bare', 'perSecond'),
    rateRatio: median('platform', 'perSecond') / median('bare', 'perSecond'),
    p50Ratio: median('platform', 'p50Ms') / median('bare', 'p50Ms'),
    p99Ratio: median('platform', 'p99Ms') / median('bare', 'p99Ms'),
    results,
  };
  await mkdir('bench/results', { recursive: true });
  await writeFile('bench/results/create.json', `${JSON.stringify(summary, null, 2)}\n`);
  const { results: _, ...said } = summary;
  console.log(said);
} finally {
  await ground.stop();
}
