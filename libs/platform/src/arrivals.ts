/** Whether facts of other services are still on their way to this one: what is counted now lacks them. */
export class Arrivals {
  /** Set once the bus is there. */
  look: (() => Promise<{ pending: number; unacknowledged: number }[]>) | undefined;

  /** null: the broker does not answer, so nobody knows. */
  async underWay(): Promise<boolean | null> {
    const waiting = await this.look?.().catch(() => undefined);
    return waiting
      ? waiting.some(({ pending, unacknowledged }) => pending + unacknowledged > 0)
      : null;
  }
}
