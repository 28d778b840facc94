import { randomFillSync } from 'node:crypto';
import { v7 } from 'uuid';

const drawn = new Uint8Array(4096);
let used = drawn.length;
let step = 0;

/** A UUIDv7, ascending within this process. Randomness is drawn for many at once: drawing costs more than all the rest. */
export function newId(): string {
  if (used === drawn.length) {
    randomFillSync(drawn);
    used = 0;
  }
  step = (step + 1) % 0x7fffffff;
  return v7({ random: drawn.subarray(used, (used += 16)), seq: step });
}
