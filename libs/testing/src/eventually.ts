/** Asks again until the answer fits, and fails with the last answer after `withinMs`. Never a bare sleep. */
export async function eventually<T>(
  read: () => Promise<T>,
  fits: (value: T) => boolean,
  withinMs = 10_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const value = await read();
    if (fits(value)) return value;
    if (Date.now() > deadline)
      throw new Error(`Not within ${withinMs} ms; last seen: ${JSON.stringify(value)}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}
