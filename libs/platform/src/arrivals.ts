/** A broker that did not answer is not waited for again so soon. */
const silentMs = 5_000;

/** Whether facts of other services are still on their way to this one: what is counted now lacks them. */
export class Arrivals {
  /** Set once the bus is there. */
  look: (() => Promise<{ pending: number; unacknowledged: number }[]>) | undefined;
  private silentUntil = 0;

  /** null: the broker does not answer, so nobody knows. */
  async underWay(nowMs = performance.now()): Promise<boolean | null> {
    if (!this.look || nowMs < this.silentUntil) return null;
    try {
      const waiting = await this.look();
      return waiting.some(({ pending, unacknowledged }) => pending + unacknowledged > 0);
    } catch {
      this.silentUntil = nowMs + silentMs;
      return null;
    }
  }
}
