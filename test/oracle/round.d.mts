import type { Tier } from './ledger.mjs';

export type Level = 'city' | 'county' | 'township' | 'village';

/** The API's id, or the row of the sheet where the thing comes straight from a file. */
export type Key = string | number;

export interface RosterOfficial {
  row: number;
  name: string;
  post: string;
  level: Level;
  division: string;
  unit: string;
  phone: string;
}

/** An official of the API (`id`) or of a roster (`row`). */
export interface OfficialLike {
  id?: Key;
  row?: number;
  level: Level;
  division: string;
}

/** An establishment of the API (`id`, `division`, `status`) or of the ledger oracle (`row`, `village`). */
export interface EstablishmentLike {
  id?: Key;
  row?: number;
  division?: string;
  village?: string;
  tier: Tier;
  /** Active when absent or 'open'. */
  status?: string;
}

export interface AssignmentLike {
  id?: Key;
  establishment: Key;
  official: Key;
  endedAt?: string | null;
}

export interface GapLike {
  establishment: Key;
  reason: string;
}

/** One number for all, or one for each level; a level left out has no cap. */
export type Cap = number | Partial<Record<Level, number>>;

export interface ExpectedRound {
  due: number;
  assigned: number;
  gapCount: number;
  byLevel: Record<Level, { due: number; assigned: number; gaps: number }>;
  /** Those that must be gaps whatever is proposed; capped pools leave `cappedOut` more. */
  gaps: GapLike[];
  /** The most village-level assignments that can stay in the establishment's own village. */
  ownVillage: number;
  pools: {
    pool: string;
    level: Level;
    within: string;
    officials: number;
    due: number;
    assigned: number;
    cappedOut: number;
  }[];
}

export interface AssignmentViolation {
  rule:
    | 'unknown-establishment'
    | 'unknown-official'
    | 'not-active'
    | 'assigned-twice'
    | 'wrong-level'
    | 'wrong-place'
    | 'cap-exceeded'
    | 'gap-twice'
    | 'gap-and-assignment'
    | 'gap-without-reason'
    | 'nobody-answers'
    | 'wrong-gap-reason'
    | 'needless-gap'
    | 'not-spread'
    | 'outside-own-village';
  establishment: Key | null;
  official: Key | null;
  detail: string;
}

export interface ObligationLike {
  id?: Key;
  establishment: Key;
  period: string;
}

export interface MessageLike {
  kind: 'assigned' | 'visit-due' | 'correction-due' | 'correction-verified' | 'undertaking-due';
  /** The id of the assignment, obligation, corrective action or undertaking. */
  subject: Key;
  official: Key;
}

export const LEVEL_OF_TIER: Record<Tier, Level>;
export function readRoster(path: string): Promise<RosterOfficial[]>;
export function expectRound(input: {
  establishments: EstablishmentLike[];
  officials: OfficialLike[];
  cap?: Cap;
}): ExpectedRound;
export function checkAssignments(input: {
  establishments: EstablishmentLike[];
  officials: OfficialLike[];
  assignments: AssignmentLike[];
  gaps?: GapLike[];
  cap?: Cap;
}): AssignmentViolation[];
export function quarterOf(date: string): { period: string; from: string; to: string };
export function expectObligations(input: {
  establishments: EstablishmentLike[];
  date: string;
}): { establishment: Key; period: string; dueOn: string }[];
export function checkObligations(input: {
  establishments: EstablishmentLike[];
  obligations: ObligationLike[];
  date: string;
}): { rule: string; establishment: Key; detail: string }[];
export function expectMessages(input: {
  assignments: (AssignmentLike & { id: Key })[];
  obligations?: (ObligationLike & { id: Key })[];
  correctiveActions?: { id: Key; establishment: Key; verifiedAt?: string | null }[];
}): MessageLike[];
export function checkMessages(input: {
  expected: MessageLike[];
  messages: MessageLike[];
}): (MessageLike & { rule: 'not-told' | 'told-twice'; times?: number })[];
