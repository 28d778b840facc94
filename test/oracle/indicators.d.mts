import type { Tier } from './ledger.mjs';

interface Placed {
  division: string;
}

/** Whole tables, past every policy. */
export interface CountedRows {
  establishments: (Placed & { id: string; status: string; tier: Tier; kind: string })[];
  officials: (Placed & { id: string; level: string; active: boolean })[];
  assignments: (Placed & {
    establishmentId: string;
    officialId: string;
    endedAt: string | Date | null;
  })[];
  undertakings: (Placed & { officialId: string; state: string; establishments: string[] })[];
  obligations: (Placed & { period: string; state: string })[];
  actions: (Placed & {
    startOn: string;
    state: string;
    overdue: boolean;
    steps: { act: string }[];
  })[];
  certificates: (Placed & { officialId: string })[];
  messages: (Placed & { audience: string; readAt: string | Date | null })[];
}

export function recount(
  rows: CountedRows,
  division: string,
  period: string,
): Record<string, { numerator: number; denominator: number }>;
