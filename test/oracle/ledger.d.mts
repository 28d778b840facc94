export type Tier = 'A' | 'B' | 'C' | 'D';

export type Kind =
  | 'production'
  | 'special-food'
  | 'sale'
  | 'catering'
  | 'canteen'
  | 'group-meal'
  | 'market'
  | 'small-catering'
  | 'workshop'
  | 'stall';

export interface Box {
  south: number;
  north: number;
  west: number;
  east: number;
}

/** A row as it stands in the sheet, texts unrepaired; `row` is the row of the sheet as a person counts it. */
export interface LedgerRow {
  row: number;
  number: string;
  name: string;
  uscc: string;
  licence: string;
  address: string;
  township: string;
  village: string;
  kind: string;
  area: string;
  diners: string;
  latitude: string;
  longitude: string;
}

export interface DivisionRow {
  code: string;
  name: string;
  level: string;
  parent: string;
}

/** An establishment that lands, after repair; `township` and `village` are division codes. */
export interface ExpectedEstablishment {
  row: number;
  name: string;
  uscc: string | null;
  licence: string | null;
  address: string;
  township: string;
  village: string;
  kind: Kind;
  areaSquareMetres: number | null;
  diners: number | null;
  latitude: number | null;
  longitude: number | null;
  tier: Tier;
}

export interface ImportCounts {
  rows: number;
  created: number;
  updated: number;
  unchanged: number;
  refused: number;
  duplicate: number;
  repaired: number;
  warned: number;
}

export interface ExpectedFinding {
  row: number;
  rule: string;
  column: string | null;
  value: string;
  repairedTo: string | null;
}

export interface ExpectedImport {
  counts: ImportCounts;
  /** By the keys of `*.planted.json`. */
  planted: Record<string, number>;
  findings: ExpectedFinding[];
  outcomes: {
    row: number;
    outcome: 'created' | 'updated' | 'unchanged' | 'refused' | 'duplicate';
  }[];
  byTier: Record<Tier, number>;
  byTownship: Record<string, number>;
  byKind: Partial<Record<Kind, number>>;
  establishments: ExpectedEstablishment[];
}

export interface ImportOptions {
  box?: Box;
  /** What the registry knows before the import. */
  known?: ExpectedEstablishment[];
}

export const QIHE_BOX: Box;
export function readLedger(path: string): Promise<LedgerRow[]>;
export function readDivisions(path: string): Promise<DivisionRow[]>;
export function usccIsValid(code: string): boolean;
export function licenceIsValid(number: string): boolean;
export function tierOf(facts: {
  kind: Kind;
  areaSquareMetres: number | null;
  diners: number | null;
  large?: boolean;
}): Tier;
export function expectImport(
  rows: LedgerRow[],
  divisions: DivisionRow[],
  options?: ImportOptions,
): ExpectedImport;
export function tiersBeforeChecks(rows: LedgerRow[]): Record<Tier, number>;
export function expectLedgerImport(
  ledgerPath: string,
  divisionsPath: string,
  options?: ImportOptions,
): Promise<ExpectedImport>;
