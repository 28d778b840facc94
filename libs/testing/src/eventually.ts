/**
 * Asks again until the answer fits, and fails with the last answer after `withinMs`. Never a bare sleep. Who waits takes no
 * more than a third of the time from what he waits for.
 */
export async function eventually<T>(
  read: () => Promise<T>,
  fits: (value: T) => boolean,
  withinMs = 10_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const asked = Date.now();
    const value = await read();
    if (fits(value)) return value;
    if (Date.now() > deadline)
      throw new Error(`Not within ${withinMs} ms; last seen: ${JSON.stringify(value)}`);
    const took = Date.now() - asked;
    await new Promise((done) => setTimeout(done, Math.min(1_000, Math.max(25, 2 * took))));
  }
}
