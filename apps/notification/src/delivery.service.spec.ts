import { nextAttempt } from './delivery.service.js';

describe('the next attempt of a delivery', () => {
  it('comes after a minute, then twice as late each time, never later than after four hours, and not after a day', () => {
    const queuedAt = new Date('2026-11-23T00:00:00Z');
    const waits: number[] = [];
    let now = queuedAt;
    for (let tries = 1; ; tries++) {
      const next = nextAttempt(tries, queuedAt, now);
      if (!next) break;
      waits.push((next.getTime() - now.getTime()) / 60_000);
      now = next;
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 240, 240, 240, 240]);
    expect(now.getTime() - queuedAt.getTime()).toBeLessThanOrEqual(24 * 3_600_000);
  });
});
