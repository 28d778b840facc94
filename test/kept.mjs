// What `npm run contracts` and `npm run schema` share: files written from the code, kept in the tree, read in review.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureBuilt, ensureInstalled, fail, nodePath, root } from '../apps/platform/install.mjs';

/** Packages, a fresh build and Node 24 for the script that is running. @returns which of `known` options it was given */
export function ready(...known) {
  const given = process.argv.slice(2);
  const unknown = given.filter((word) => !known.includes(word));
  if (unknown.length > 0) fail(`${unknown.join(' ')} is not known: there is ${known.join(', ')}.`);
  ensureInstalled();
  if (Number(process.versions.node.split('.')[0]) < 24)
    process.exit(spawnSync(nodePath(), process.argv.slice(1), { stdio: 'inherit' }).status ?? 1);
  ensureBuilt();
  process.chdir(root);
  return new Set(given);
}

/** A kept file's text, undefined when there is none. */
export function read(path) {
  const file = join(root, path);
  return existsSync(file) ? readFileSync(file, 'utf8').replaceAll('\r\n', '\n') : undefined;
}

export const json = (value) => `${JSON.stringify(value, null, 2)}\n`;

export function write(path, text) {
  if (read(path) === text) return;
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  process.stdout.write(`wrote ${path}\n`);
}

export function remove(path) {
  rmSync(join(root, path));
  process.stdout.write(`removed ${path}\n`);
}

/** @returns one sentence when the kept file is not what the code says now */
export function difference(path, text, command) {
  const kept = read(path);
  if (kept === text) return [];
  const then = `run ${command} and read what git diff says.`;
  if (kept === undefined) return [`${path} is missing: ${then}`];
  const [before, after] = [kept.split('\n'), text.split('\n')];
  const at = after.findIndex((line, n) => line !== before[n]);
  const line = at < 0 ? after.length : at;
  const told = (text) => (text === undefined ? 'nothing' : `'${text.trim()}'`);
  return [
    `${path} differs from the code in line ${line + 1} (kept: ${told(before[line])}, code: ${told(after[line])}): ${then}`,
  ];
}

/** Ends the script: the sentences and exit code 1, or the one line that says all is well. */
export function finish(sentences, well) {
  for (const sentence of sentences) process.stderr.write(`${sentence}\n`);
  if (sentences.length === 0) process.stdout.write(`${well}\n`);
  process.exit(sentences.length === 0 ? 0 : 1);
}
