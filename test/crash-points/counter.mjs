// Copied beside the rewritten code (rewrite.mjs): counts how often each point is reached, and ends the process where it is
// told to. CRASH_AT is `<point>:<hit>:<before|during|after>:<armed|start>`; hits count from SIGUSR2, which it
// answers with `armed`, or from the start.
import { appendFileSync } from 'node:fs';

const [point, nth, when, mode] = (process.env.CRASH_AT ?? '').split(':');
const [target, wanted] = [point ? Number(point) : -1, Number(nth)];
const note = process.env.CRASH_SEEN;
let armed = false;
let hits = 0;
process.on('SIGUSR2', () => {
  armed = true;
  process.stdout.write('armed\n');
});

function die() {
  process.kill(process.pid, 'SIGKILL');
  for (;;); // the signal is delivered before anything else is done
}

/** @returns whether this is the hit that was meant */
function hit(index) {
  if (note) appendFileSync(note, `${index} ${armed ? 1 : 0}\n`);
  return index === target && (mode === 'start' || armed) && ++hits === wanted;
}

/** `await X` has become `await at(index, X)`: X was begun. */
export function at(index, begun) {
  if (!hit(index)) return begun;
  if (when === 'before') die();
  if (when === 'during') setImmediate(die);
  if (when === 'after') return Promise.resolve(begun).then(die, die);
  return begun;
}

/** `for await (… of X)`: each turn is a point. */
export function each(index, iterable) {
  return {
    [Symbol.asyncIterator]() {
      const inner = iterable[Symbol.asyncIterator]();
      return {
        next: () => at(index, inner.next()),
        return: (value) => inner.return?.(value) ?? Promise.resolve({ done: true, value }),
      };
    },
  };
}

/** A callback of a promise: `before` it runs, `during` what it began, `after` it has run. */
export function on(index, callback) {
  return (...values) => {
    const meant = hit(index);
    if (meant && when === 'before') die();
    if (meant && when === 'during') setImmediate(die);
    try {
      return callback(...values);
    } finally {
      if (meant && when === 'after') die(); // also where it throws
    }
  };
}
