import { join, relative } from 'node:path';

/*
 * The order of the spec files. Jest orders them by how long they took the last time, which a fresh clone does not know: then
 * one worker may begin the longest when the others have nothing left. So these come first, the longest before the rest, those
 * that start processes by the dozen apart from each other.
 */
const longest = [
  'test/walls.spec.ts',
  'test/faults.spec.ts',
  'test/hostile.spec.ts',
  'test/round.spec.ts',
  'test/chaos.spec.ts',
  'test/fuzz.spec.ts',
  'test/silent-loss.spec.ts',
  'apps/notification/test/channels.spec.ts',
  'test/start.spec.ts',
  'test/production.spec.ts',
  'apps/identity/test/identity.spec.ts',
  'test/accounts.spec.ts',
  'test/clocks.spec.ts',
  'apps/registry/test/ledger.spec.ts',
  'test/county.spec.ts',
  'test/imports-apart.spec.ts',
  'test/assignment.spec.ts',
  'libs/sheet/src/sheet.spec.ts',
  'test/limits.spec.ts',
  'test/move.spec.ts',
  'test/visits.spec.ts',
  'apps/inspection/test/evidence.spec.ts',
];
const root = join(import.meta.dirname, '..');
const placeOf = ({ path }) => {
  const place = longest.indexOf(relative(root, path).replaceAll('\\', '/'));
  return place < 0 ? longest.length : place;
};

/** A sequencer as Jest asks for it. */
export default class Sequence {
  sort(tests) {
    return [...tests].sort((a, b) => placeOf(a) - placeOf(b) || (a.path < b.path ? -1 : 1));
  }

  /** For `--onlyFailures`, which needs a memory: nothing is kept from one run to the next. */
  allFailedTests(tests) {
    return tests;
  }

  cacheResults() {}
}
