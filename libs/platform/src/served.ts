/** Whether anybody is being served by this service: work that can wait goes slowly then. */
export class Served {
  private at = -Infinity;
  private told = -Infinity;
  /** Called now and then while requests come: for work in another process. */
  tell: (() => void) | undefined;

  /** A request has come. */
  note(): void {
    this.at = performance.now();
    if (this.at - this.told < 250) return;
    this.told = this.at;
    this.tell?.();
  }

  /** In the last second. */
  get lately(): boolean {
    return performance.now() - this.at < 1000;
  }
}
