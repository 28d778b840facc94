/** A range of division codes: `[lo, hi)`. `:` follows `9`, so no arithmetic ever reaches the next county. */
export interface Scope {
  readonly lo: string;
  readonly hi: string;
}

/** @param division '' (root), or 2, 4, 6, 9 or 12 digits. */
export function scopeOf(division: string): Scope {
  if (!/^(|\d{2}|\d{4}|\d{6}|\d{9}|\d{12})$/.test(division))
    throw new Error(`Division ${JSON.stringify(division)} is not 0, 2, 4, 6, 9 or 12 digits.`);
  return division === '' ? { lo: '0', hi: ':' } : { lo: division, hi: `${division}:` };
}

/** Who acts, and where. `id` goes into the journal and the change log. */
export interface Caller {
  readonly id: string;
  readonly division: string;
  readonly correlationId: string;
  /** The acting role and, for an official, who it is: what is `owned` is then visible to that official alone. */
  readonly role?: string;
  readonly official?: string;
  /** A program acts, by the secret of the account: no second factor stands behind it. */
  readonly program?: boolean;
  /** Nothing may be written: a GET. */
  readonly readOnly?: boolean;
  /** The event that caused this work, where there is one. */
  readonly causationId?: string;
  /** Set by the HTTP layer for a POST that carries an `Idempotency-Key`. */
  readonly idempotency?: { key: string; route: string; bodyHash: string };
  /** How long the transaction may take, in milliseconds: then it is ended, here and in PostgreSQL. */
  readonly limitMs?: number;
}
