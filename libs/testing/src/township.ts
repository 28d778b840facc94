import { readFileSync } from 'node:fs';
import { shuffled } from './random.js';

export interface Township {
  code: string;
  name: string;
  villages: { code: string; name: string }[];
}

let left: Township[] | undefined;

/** A township of the sample county that no earlier test of this file took: a test finds its ground empty, and cleans nothing. */
export function freshTownship(): Township {
  left ??= shuffled(all(), Math.random);
  const taken = left.pop();
  if (!taken) throw new Error('Every township is taken: use another spec file.');
  return taken;
}

function all(): Township[] {
  const rows = readFileSync('apps/platform/sample/divisions.csv', 'utf8').trim().split(/\r?\n/).slice(1).map((line) => line.split(',')); // prettier-ignore
  const below = (parent: string): { code: string; name: string }[] =>
    rows.flatMap(([code = '', name = '', , of]) => (of === parent ? [{ code, name }] : []));
  return rows
    .filter(([, , level]) => level === 'township')
    .map(([code = '', name = '']) => ({ code, name, villages: below(code) }));
}
