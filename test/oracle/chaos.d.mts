/** A row as it was read, columns as in the database. */
export type Row = Record<string, unknown>;

/** One operation of a client, as it wrote it down when it was over. */
export interface Operation {
  client: string;
  n: number;
  kind: string;
  /** Epoch milliseconds, as all instants here. */
  at: number;
  until: number;
  outcome: 'acknowledged' | 'refused' | 'unknown';
  status?: number;
  code?: string;
  /** Text that is of this operation alone. */
  mark?: string;
  /** Its Idempotency-Key. */
  key?: string;
  attempts?: number;
  sent?: Row;
  got?: Row;
}

export interface Fault {
  kind: string;
  target: string;
  at: number;
  until?: number;
  recoveredAt?: number;
  recoveryMs?: number;
}

export interface ChaosRun {
  run: { seed?: unknown; startedAt: number; endedAt: number; faults?: Fault[] };
  history: Operation[];
  /** service → table → rows */
  final: Record<string, Record<string, Row[]>>;
  indicators: { service: string; division: string; at: number | string; body: unknown }[];
}

export interface Finding {
  rule: string;
  where: string;
  say: string;
}

export interface Verdict {
  verdict: 'ok' | 'broken';
  findings: Finding[];
  counts: Record<string, unknown> & { findings: Record<string, number> };
  /** Whether the run was long, broad and cruel enough to prove something. */
  counted: boolean;
  notCountedBecause: string[];
}

export type Listeners = ReadonlyMap<string, readonly string[]>;

/** service → table → what no two of its rows share: what a dump has to hold, beside what every service has. */
export const tables: Record<string, Record<string, string[]>>;
export const everywhere: Record<string, string[]>;
export const enough: {
  acknowledged: number;
  ofEachKind: number;
  killsNearCommit: number;
  nearMs: number;
};
export function listenersIn(asyncapi: string): Map<string, string[]>;
export function readRun(folder: string): ChaosRun;
export function judge(run: ChaosRun, listeners: Listeners): Verdict;
