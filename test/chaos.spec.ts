import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/* Six kills and a few bad lines in half a minute. Fifty of them under a load that counts, and the planted bugs: npm run chaos. */
it('keeps every acknowledged operation once while processes, PostgreSQL and NATS are killed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'foodwarden-chaos-'));
  try {
    const json = join(folder, 'result.json');
    const said = await new Promise<string>((done) => {
      const words = ['test/chaos.mjs', '--short', '--seed', '7', '--kills', '6', '--seconds', '18', '--away', '4', '--out', join(folder, 'run'), '--json', json];
      execFile(process.execPath, words, { maxBuffer: 1 << 26 }, (_error, out, err) => done(out + err));
    }); // prettier-ignore
    const result = JSON.parse(await readFile(json, 'utf8').catch(() => { throw new Error(said); })) as Record<string, unknown>; // prettier-ignore
    const { kills, verdict, findings, operations, seconds } = result;
    expect({ kills, verdict, findings }).toEqual({ kills: 6, verdict: 'ok', findings: [] });
    const { acknowledged } = operations as { acknowledged: number };
    expect(acknowledged).toBeGreaterThan(50);
    process.stderr.write(`chaos: ${acknowledged} operations acknowledged in ${String(seconds)} s\n`); // prettier-ignore
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 300_000);
