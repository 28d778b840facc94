const lastingMs = 10_000;

/**
 * Whom this service serves, by township: work that can wait goes slowly while others than its own are served. Each replica
 * knows its own requests only.
 */
export class Served {
  private readonly at = new Map<string, number>();
  private tell: ((township: string) => void) | undefined;

  /** @param pauses how many times its own time that work rests then */
  constructor(readonly pauses: number) {}

  /** @param division of whoever asked */
  note(division: string): void {
    const township = division.slice(0, 9);
    const now = performance.now();
    if (now - (this.at.get(township) ?? -Infinity) < lastingMs / 20) return;
    this.at.set(township, now);
    this.tell?.(township);
  }

  /** Whether anybody but this township (or this county's own accounts) was served in the last ten seconds. */
  othersThan(division: string): boolean {
    const own = division.slice(0, 9);
    return this.lately().some((township) => township !== own);
  }

  /** Tells another process, now and as requests come; undefined ends it. */
  tellTo(tell: ((township: string) => void) | undefined): void {
    this.tell = tell;
    if (tell) for (const township of this.lately()) tell(township);
  }

  private lately(): string[] {
    const since = performance.now() - lastingMs;
    return [...this.at].filter(([, at]) => at > since).map(([township]) => township);
  }
}
