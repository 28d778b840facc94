import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/* One leader of a three-node cluster killed, in short. Five minutes of it and a rolling restart: npm run cluster. */
it('loses no acknowledged write and fails none when the leader of three NATS servers is killed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'foodwarden-cluster-'));
  try {
    const json = join(folder, 'result.json');
    const said = await new Promise<string>((done) => {
      const words = ['test/cluster.mjs', '--kills', '1', '--no-rolling', '--json', json];
      execFile(process.execPath, words, { maxBuffer: 1 << 24 }, (_error, out, err) => done(out + err)); // prettier-ignore
    });
    const result = JSON.parse(await readFile(json, 'utf8').catch(() => { throw new Error(said); })) as Record<string, unknown>; // prettier-ignore
    expect(result).toMatchObject({ kills: 1, failedWrites: 0, wrong: [] });
    expect(result['writes']).toBeGreaterThan(20);
    process.stderr.write(`cluster: ${String(result['writes'])} writes, applied again after ${String(result['slowestAppliedAgainMs'])} ms\n`); // prettier-ignore
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 240_000);
