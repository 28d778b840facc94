import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/* One service as it was, beside the others as they are. Each in turn: npm run evolution. */
const { commit } = JSON.parse(readFileSync('test/previous.json', 'utf8')) as { commit: string };
const here = spawnSync('git', ['cat-file', '-e', `${commit}^{commit}`]).status === 0;
if (!here)
  process.stderr.write(
    `evolution: SKIPPED, this clone does not hold ${commit}: git fetch --unshallow || git fetch origin ${commit}\n`,
  );

(here ? it : it.skip)('runs inspection as it was beside the other services as they are, and replaces it while facts flow', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'foodwarden-evolution-'));
  try {
    const json = join(folder, 'result.json');
    const said = await new Promise<string>((done) => {
      execFile(process.execPath, ['test/evolution.mjs', 'inspection', '--json', json], { maxBuffer: 1 << 24 }, (_error, out, err) => done(out + err));
    });
    const result = JSON.parse(await readFile(json, 'utf8').catch(() => { throw new Error(said); })) as Record<string, unknown>;
    expect(result).toMatchObject({ turns: ['inspection'], wrong: [] });
    expect(result['unknownMajors']).toBeGreaterThan(5);
    expect(result['applied']).toBeGreaterThan(50);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 240_000); // prettier-ignore
