// Runs before anything is installed: plain JavaScript, Node 18 and newer, no dependencies.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const windows = process.platform === 'win32';

/** One sentence that says what is wrong and what to do, and exit code 1. */
export function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

function hash(...files) {
  const sum = createHash('sha256');
  for (const file of files) sum.update(readFileSync(join(root, file)));
  return sum.digest('hex');
}

/** `npm ci` when node_modules is absent or was made from another lockfile. */
export function ensureInstalled() {
  if (Number(process.versions.node.split('.')[0]) < 18)
    fail(`Node ${process.versions.node} is too old: install Node 18 or newer (24 is best).`);
  const lock = hash('package-lock.json');
  const stamp = join(root, 'node_modules', '.foodwarden-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  process.stdout.write('installing packages (npm ci), a minute or so …\n');
  const npm = spawnSync(
    windows ? 'npm.cmd' : 'npm',
    ['ci', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      shell: windows,
    },
  );
  if (npm.error) fail('npm was not found: install it with Node from nodejs.org.');
  if (npm.status !== 0)
    fail(
      'npm ci failed: see its words above; a package registry must be within reach, and no other start in this folder may be installing.',
    );
  writeFileSync(stamp, lock);
}

/** A Node 24 or newer: the one npm brought, else the machine's. */
export function nodePath() {
  const brought = join(root, 'node_modules', '.bin', windows ? 'node.cmd' : 'node');
  if (
    existsSync(brought) &&
    spawnSync(brought, [
      '-e',
      'process.exit(Number(process.versions.node.split(".")[0]) < 24 ? 1 : 0)',
    ]).status === 0
  )
    return brought;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  fail(
    'This machine needs Node 24: none comes through npm for its kind of system, so install it from nodejs.org.',
  );
}

function newest(folder) {
  let latest = statSync(folder).mtimeMs;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return latest;
}

/** Builds dist when a source is newer than the last build, its packages when they are not those of the lockfile. */
export function ensureBuilt() {
  const dist = join(root, 'dist');
  const run = (script, ...args) => {
    const { status } = spawnSync(nodePath(), [join(root, script), ...args], {
      cwd: root,
      stdio: 'inherit',
    });
    if (status !== 0) fail(`The build failed: see the words of ${script} above.`);
  };
  const stamp = join(dist, '.built');
  const sources = Math.max(
    ...['apps', 'libs'].map((folder) => newest(join(root, folder))),
    statSync(join(root, '.swcrc')).mtimeMs,
  );
  if (!existsSync(stamp) || statSync(stamp).mtimeMs <= sources) {
    process.stdout.write('building …\n');
    for (const folder of ['.built', 'apps', 'libs'])
      rmSync(join(dist, folder), { recursive: true, force: true });
    run(
      'node_modules/@swc/cli/bin/swc.js',
      ...'apps libs -d dist --extensions .ts --copy-files --quiet'.split(' '),
    );
    writeFileSync(stamp, '');
  }
  const script = 'apps/platform/packages.mjs';
  const made = hash('package-lock.json', script);
  const packages = join(dist, '.packages');
  if (existsSync(packages) && readFileSync(packages, 'utf8') === made) return;
  run(script);
  writeFileSync(packages, made);
}
