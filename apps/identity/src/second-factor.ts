import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import { toString as drawn } from 'qrcode';
import type pg from 'pg';
import { secretHash } from './account.service.js';
import { onceWord } from './password.js';

const bare = (code: string): string => code.toLowerCase().replaceAll('-', '');

/** A code of the moment; what else opens is a recovery code. */
export const isMomentary = (code: string): boolean => /^\d{6}$/.test(code);

const periodS = 30;
const recoveryCodes = 10;

const keyOf = (key: string): Buffer => Buffer.from(hkdfSync('sha256', key, '', 'foodwarden second factor', 32)); // prettier-ignore

/** Encrypts with the first key; `bound` is what the text belongs to, so that it cannot be moved to another row. */
export function seal(keys: readonly string[], text: string, bound: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(keys[0] ?? ''), iv).setAAD(Buffer.from(bound));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return [iv, cipher.getAuthTag(), sealed].map((one) => one.toString('base64url')).join('.');
}

/** Decrypts with whichever key fits. @returns undefined when none does */
export function unseal(keys: readonly string[], kept: string, bound: string): string | undefined {
  const [iv = '', tag = '', sealed = ''] = kept.split('.');
  for (const key of keys)
    try {
      const cipher = createDecipheriv('aes-256-gcm', keyOf(key), Buffer.from(iv, 'base64url'))
        .setAAD(Buffer.from(bound))
        .setAuthTag(Buffer.from(tag, 'base64url'));
      return Buffer.concat([cipher.update(Buffer.from(sealed, 'base64url')), cipher.final()]).toString(); // prettier-ignore
    } catch {
      continue; // another key's
    }
  return undefined;
}

const passwordOfTheMoment = (name: string, secret: string): TOTP =>
  new TOTP({ issuer: 'Foodwarden', label: name, secret: Secret.fromBase32(secret), algorithm: 'SHA1', digits: 6, period: periodS }); // prettier-ignore

/** What the enrolment page shows. */
export interface Enrolment {
  secret: string;
  /** An `<svg>` element. */
  picture: string;
}

/** Second factors in the issuer's database: one-time passwords by time (RFC 6238), and recovery codes. */
export class SecondFactors {
  /** @param keys encrypt the secrets; the first is used, all are tried */
  constructor(
    private readonly pool: pg.Pool,
    private readonly keys: readonly string[],
  ) {}

  async isEnrolled(accountId: string): Promise<boolean> {
    const { rows } = await this.pool.query(
      'select 1 from totp where account_id = $1 and confirmed_at is not null',
      [accountId],
    );
    return rows.length > 0;
  }

  /** @param anew false: the secret that is shown already, after a mistyped code */
  async enrolment(accountId: string, name: string, anew: boolean): Promise<Enrolment> {
    if (anew)
      await this.pool.query(
        `insert into totp (account_id, secret) values ($1, $2)
         on conflict (account_id) do update set secret = excluded.secret where totp.confirmed_at is null`,
        [accountId, seal(this.keys, new Secret({ size: 20 }).base32, accountId)],
      );
    const secret = (await this.secretOf(accountId)).secret;
    const picture = await drawn(passwordOfTheMoment(name, secret).toString(), { type: 'svg', margin: 2, width: 220 }); // prettier-ignore
    return { secret, picture };
  }

  /** @returns ten recovery codes, told nowhere else; undefined when the code is wrong */
  async confirm(accountId: string, code: string): Promise<string[] | undefined> {
    if (!(await this.takeStep(accountId, code))) return undefined;
    const codes = Array.from({ length: recoveryCodes }, onceWord);
    await this.pool.query(
      `with gone as (delete from recovery_code where account_id = $1), confirmed as (
         update totp set confirmed_at = app_now() where account_id = $1)
       insert into recovery_code (account_id, code_hash) select $1, unnest($2::text[])`,
      [accountId, codes.map((one) => secretHash(bare(one)))],
    );
    return codes;
  }

  /** A code of the moment, or a recovery code; each is good once. */
  async isRight(accountId: string, code: string): Promise<boolean> {
    if (isMomentary(code)) return this.takeStep(accountId, code);
    const { rowCount } = await this.pool.query(
      `update recovery_code set used_at = app_now() where account_id = $1 and code_hash = $2 and used_at is null`,
      [accountId, secretHash(bare(code))],
    );
    return rowCount === 1;
  }

  /** One step of thirty seconds before and after now is taken for clocks that differ; the same step never twice. */
  private async takeStep(accountId: string, code: string): Promise<boolean> {
    const { secret, now } = await this.secretOf(accountId);
    const timestamp = now.getTime();
    const delta = passwordOfTheMoment('', secret).validate({ token: code, timestamp, window: 1 });
    if (delta === null) return false;
    const step = Math.floor(timestamp / 1000 / periodS) + delta;
    const { rowCount } = await this.pool.query(
      'update totp set last_step = $2, secret = $3 where account_id = $1 and last_step < $2',
      [accountId, step, seal(this.keys, secret, accountId)], // the newest key takes over at each use
    );
    return rowCount === 1;
  }

  private async secretOf(accountId: string): Promise<{ secret: string; now: Date }> {
    const { rows } = await this.pool.query<{ secret: string; now: Date }>(
      'select secret, app_now() as now from totp where account_id = $1',
      [accountId],
    );
    const secret = rows[0] && unseal(this.keys, rows[0].secret, accountId);
    if (!rows[0] || secret === undefined)
      throw new Error('a second factor cannot be decrypted: is an old key missing from TOTP_KEYS or COOKIE_KEYS?'); // prettier-ignore
    return { secret, now: rows[0].now };
  }
}
