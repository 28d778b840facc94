import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beside, excused, path, rewrite, unreached } from '../crash-points/rewrite.mjs';
import { troubleOf, troubles } from '../crash-points/troubles.mjs';

it('passes every file of libs/messaging, or says why not', async () => {
  const files = (await readdir('libs/messaging/src')).filter((name) => !name.includes('.spec.'));
  const passed = path().map(({ file }) => file);
  const missing = files.filter(
    (name) => !(name in beside) && !passed.includes(`libs/messaging/src/${name.replace(/ts$/, 'js')}`),
  ); // prettier-ignore
  expect(missing).toEqual([]);
  expect(Object.keys(beside).filter((name) => !files.includes(name))).toEqual([]);
});

it('makes a point of each await, of each turn of a loop that waits and of each callback of a promise', () => {
  const { text, found } = rewrite(
    `class A { async go(all) {
      const one = await first(await second());
      for await (const x of all) await x;
      return third().then((y) => y, (e) => { throw e; }).finally(done).catch(function () {});
    } }
    async function out() { await first(); await first(); }`,
    'libs/a/src/a.js',
    7,
  );
  expect(found).toEqual([
    'a.js A.go: await first(await second())', 'a.js A.go: await second()', 'a.js A.go: for await all', 'a.js A.go: await x',
    'a.js A.go: catch function () {}', 'a.js A.go: then (y) => y', 'a.js A.go: then (e) => { throw e; }',
    'a.js out: await first()', 'a.js out: await first() #2',
  ]); // prettier-ignore
  expect(text).toContain('await __crash.at(7, first(await __crash.at(8, second())))');
  expect(text).toContain('for await (const x of __crash.each(9, all)) await __crash.at(10, x)');
  expect(text).toContain(".then(__crash.on(12, (y) => y), __crash.on(13, (e) => { throw e; }))");
  expect(text).toContain("import * as __crash from '../../../counter.mjs';");
}); // prettier-ignore

it('excuses no point that is not there or has rounds of its own, and has no trouble for a point that is not there', async () => {
  const points: { name: string; ends: string[] }[] = [];
  for (const { file, ends } of path())
    for (const name of rewrite(await readFile(join('dist', file), 'utf8'), file).found)
      points.push({ name, ends });
  const stale = Object.values(unreached)
    .flat()
    .filter((words) => !points.some(({ name }) => name.startsWith(words)));
  expect(stale).toEqual([]);
  const both = points.filter(({ name, ends }) => excused(name) && ends.some((service) => troubleOf(service, name))); // prettier-ignore
  expect(both).toEqual([]);
  const idle = troubles.flatMap(({ name: trouble, service, points: those }) =>
    those
      .filter((words) => !points.some(({ name, ends }) => ends.includes(service) && name.startsWith(words)))
      .map((words) => [trouble, words]),
  ); // prettier-ignore
  expect(idle).toEqual([]);
});

/* One of thirty-two, drawn by their names, so that it is the same ones until the code changes. All of them: npm run crash-points. */
it('loses nothing and applies nothing twice when a process ends at an await', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'foodwarden-crash-'));
  try {
    const json = join(folder, 'result.json');
    const said = await new Promise<string>((done) => {
      const words = ['test/crash-points.mjs', '--share', '0.03125', '--json', json];
      execFile(process.execPath, words, { maxBuffer: 1 << 24 }, (_error, out, err) => done(out + err)); // prettier-ignore
    });
    const result = JSON.parse(await readFile(json, 'utf8').catch(() => { throw new Error(said); })) as Record<string, unknown>; // prettier-ignore
    expect(result).toMatchObject({
      neverReached: [],
      staleExcuses: [],
      notHitInItsRound: [],
      failures: [],
      wrong: [],
    });
    expect(result['rounds']).toBeGreaterThan(2);
    expect(result['crashes']).toBe(result['rounds']);
    process.stderr.write(`crash points: ${String(result['reached'])} of ${String(result['points'])} reached, ${String(result['rounds'])} rounds in ${String(result['seconds'])} s\n`); // prettier-ignore
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 240_000);
