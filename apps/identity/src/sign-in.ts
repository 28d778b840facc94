import { createHmac, hkdfSync, randomInt, randomUUID, timingSafeEqual } from 'node:crypto';
import { type Database } from '#database';
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { AccountService, secretHash } from './account.service.js';
import { codePage, codesPage, enrolmentPage, loginPage, passwordPage } from './login.page.js';
import { brokenRule, hashOfPassword, isOld, isPassword, passwordRules } from './password.js';
import { isMomentary, SecondFactors } from './second-factor.js';

export const signInOutcomes = ['signed-in', 'recovery-code', 'enrolled', 'program', 'wrong-password', 'wrong-code', 'locked', 'inactive', 'expired'] as const; // prettier-ignore
export type SignInOutcome = (typeof signInOutcomes)[number];

/** For how long one line says it. */
const quietFor: Partial<Record<SignInOutcome, string>> = {
  locked: '15 minutes',
  program: '1 hour',
};

interface AccountRow {
  id: string;
  name: string;
  role: string;
  division: string;
  version: number;
  active: boolean;
  password_hash: string;
  password_until: Date | null;
}

/** What a sign-in has proven so far. It goes through the page and back, signed. */
interface Proof {
  interaction: string;
  account: string;
  /** Of the account when its password was right: after any change of it the proof is good for nothing. */
  version: number;
  factor: boolean;
  until: number;
}

export type SignInAnswer =
  | { outcome: SignInOutcome | 'next'; account?: string; status: number; html: string }
  | { outcome: 'signed-in' | 'recovery-code'; account: string; version: number };

export interface SignInSettings {
  /** Who needs a second factor. */
  totpRoles: readonly string[];
  /** Encrypt the secrets of second factors; the first is used, all are tried. */
  totpKeys: readonly string[];
  /** Sign what goes through the pages; the same. */
  cookieKeys: readonly string[];
}

const proofMs = 10 * 60_000;
/** Within which what failed is written down. */
const laterMs = 3000;
const lockedText =
  '密码或验证码错误次数过多,请 15 分钟后再试,或请县管理员重置密码。Too many wrong passwords or codes: try again in 15 minutes, or ask your county admin to reset the password.';
const wrongText = '账号或密码不正确。The account or the password is wrong.';
/** For who has the right password alone; to anybody else the account is one that there is not. */
const closedText =
  '该账号已停用,如需恢复请联系县管理员。This account is closed: ask your county admin if you need it again.';
const lostText =
  '登录已过期,请重新输入账号和密码。The sign-in took too long, or the account was changed: start again.';

/**
 * Signs people in, page by page: the password; one's own in place of a one-time password; the second factor where the
 * role needs one. Nothing after the first page is shown for a name without its password, so that no answer and no time
 * tells which names there are: but for the name that was typed, the answer is the same.
 */
export class SignIns {
  private readonly accounts = new AccountService();
  private readonly factors: SecondFactors;
  private readonly writing = new Set<Promise<void>>();
  private readonly waiting = new Set<() => void>();

  constructor(
    private readonly pool: pg.Pool,
    private readonly database: Database,
    private readonly settings: SignInSettings,
    private readonly say: (line: string, details: Record<string, unknown>) => void,
  ) {
    this.factors = new SecondFactors(pool, settings.totpKeys);
  }

  /** Name and password. */
  async begin(interaction: string, name: string, password: string): Promise<SignInAnswer> {
    const guard = secretHash(name);
    const triedAt = await claimTry(this.pool, guard);
    const { account, old } = await this.find(name);
    const known = account && { account: account.id };
    if (!triedAt)
      return { outcome: 'locked', ...known, status: 429, html: loginPage(lockedText, name) };
    const right = await isPassword(password, account?.password_hash, old);
    if (!right || !account?.active)
      return {
        outcome: right && account ? 'inactive' : 'wrong-password',
        ...known,
        status: 401,
        html: loginPage(right && account ? closedText : wrongText, name),
      };
    await forgiveTry(this.pool, guard, triedAt);
    if (account.password_until && account.password_until.getTime() <= (await this.now()))
      return {
        outcome: 'expired',
        ...known,
        status: 401,
        html: loginPage('一次性密码已过期,请联系县管理员重置。The one-time password has expired: ask your county admin for another.', name),
      }; // prettier-ignore
    if (isOld(account.password_hash))
      await this.pool.query(
        'update account set password_hash = $2 where id = $1 and password_hash = $3',
        [account.id, await hashOfPassword(password), account.password_hash],
      );
    return this.advance({ interaction, account: account.id, version: account.version, factor: false, until: 0 }, account); // prettier-ignore
  }

  /** What follows a right password; `proof` is what the page brought back. */
  async proceed(interaction: string, proof: string, form: URLSearchParams): Promise<SignInAnswer> {
    const known = this.read(proof);
    const account = known && (await this.byId(known.account));
    if (known?.interaction !== interaction || account?.version !== known.version || !account.active)
      return { outcome: 'next', status: 400, html: loginPage(lostText) };
    if (account.password_until) return this.takePassword(known, account, form);
    if (!known.factor && this.settings.totpRoles.includes(account.role))
      return this.takeCode(known, account, (form.get('code') ?? '').replace(/\s/g, ''));
    return this.advance(known, account);
  }

  /**
   * Writes down who signed in or tried to. While a name is closed one line says so, however often it is tried; a program,
   * which comes for a token every five minutes, is written down once an hour and address.
   * @param agoMs how long ago it was
   */
  async note(accountId: string, outcome: SignInOutcome, address: string, agoMs = 0): Promise<void> {
    const account = await this.byId(accountId);
    if (!account) return;
    const caller = { id: account.id, division: account.division, correlationId: randomUUID() };
    await this.database.within(caller, async (tx) => {
      // Of several at once each must see what the one before wrote.
      const quiet = quietFor[outcome];
      if (quiet) await tx.query('select pg_advisory_xact_lock(7033, hashtext($1))', [account.id]);
      await tx.query(
        `insert into sign_in (id, division, account_id, outcome, address, at)
         select $1, $2, $3, $4::text, $5, $6 where $7::interval is null or not exists (
           select 1 from sign_in where account_id = $3 and outcome = $4 and (outcome = 'locked' or address = $5) and at > $6::timestamptz - $7::interval)`,
        [
          uuidv7(),
          account.division,
          account.id,
          outcome,
          address,
          new Date(tx.now.getTime() - agoMs),
          quiet ?? null,
        ],
      );
    });
  }

  /**
   * Failures, and programs, are written some time after the answer has gone: neither its time nor that of the next request tells that there
   * was something to be written. Right after it, the next request took half as long again (bench/sign-in.mjs).
   */
  noteLater(accountId: string, outcome: SignInOutcome, address: string): void {
    const begun = Date.now();
    const writing: Promise<void> = this.sometime()
      .then(() => this.note(accountId, outcome, address, Date.now() - begun))
      .catch((error: Error) => this.say('sign-in not written down', { err: error.message }))
      .finally(() => this.writing.delete(writing));
    this.writing.add(writing);
  }

  /** Resolves within `laterMs`, or at once when the process ends. */
  private sometime(): Promise<void> {
    return new Promise((done) => {
      const go = (): void => {
        clearTimeout(timer);
        this.waiting.delete(go);
        done();
      };
      const timer = setTimeout(go, randomInt(laterMs));
      this.waiting.add(go);
    });
  }

  /** Resolves when everything is written down. */
  async settled(): Promise<void> {
    for (const go of [...this.waiting]) go();
    await Promise.all(this.writing);
  }

  /** The next page, or the end. */
  private async advance(proof: Proof, account: AccountRow): Promise<SignInAnswer> {
    const next = (html: (proof: string) => string, status = 200): SignInAnswer => ({
      outcome: 'next', account: account.id, status, html: html(this.sign(proof)),
    }); // prettier-ignore
    if (account.password_until) return next((signed) => passwordPage(signed));
    if (proof.factor || !this.settings.totpRoles.includes(account.role))
      return { outcome: 'signed-in', account: account.id, version: account.version };
    if (await this.factors.isEnrolled(account.id)) return next((signed) => codePage(signed));
    const enrolment = await this.factors.enrolment(account.id, account.name, true);
    return next((signed) => enrolmentPage(signed, enrolment));
  }

  private async takePassword(proof: Proof, account: AccountRow, form: URLSearchParams): Promise<SignInAnswer> {
    const password = form.get('password') ?? '';
    const again = (trouble: string): SignInAnswer => ({
      outcome: 'next', account: account.id, status: 422, html: passwordPage(this.sign(proof), trouble),
    });
    if (password !== form.get('repeated')) return again('两次输入的密码不一致 · the two passwords differ');
    const rule = brokenRule(password, account.name);
    if (rule) return again(passwordRules[rule]);
    if (await isPassword(password, account.password_hash, isOld(account.password_hash)))
      return again('请设置与一次性密码不同的密码 · take another one than the one-time password');
    const caller = { id: account.id, division: account.division, correlationId: randomUUID() };
    const changed = await this.database.within(caller, (tx) =>
      this.accounts.choosePassword(tx, account.id, proof.version, password),
    );
    if (!changed) return { outcome: 'next', status: 400, html: loginPage(lostText) };
    return this.advance({ ...proof, version: changed.version }, { ...account, version: changed.version, password_until: null });
  } // prettier-ignore

  private async takeCode(proof: Proof, account: AccountRow, code: string): Promise<SignInAnswer> {
    const guard = secretHash(`second factor ${account.id}`);
    const triedAt = await claimTry(this.pool, guard);
    if (!triedAt) return { outcome: 'locked', account: account.id, status: 429, html: loginPage(lockedText) };
    const enrolled = await this.factors.isEnrolled(account.id);
    const codes = enrolled ? undefined : await this.factors.confirm(account.id, code);
    const right = enrolled ? await this.factors.isRight(account.id, code) : codes !== undefined;
    if (!right) {
      const trouble = '验证码不正确或已用过,请等待下一个 · the code is wrong or was used: wait for the next one';
      const signed = this.sign(proof);
      const html = enrolled
        ? codePage(signed, trouble)
        : enrolmentPage(signed, await this.factors.enrolment(account.id, account.name, false), trouble);
      return { outcome: 'wrong-code', account: account.id, status: 401, html };
    }
    await forgiveTry(this.pool, guard, triedAt);
    const proven = { ...proof, factor: true };
    if (codes) return { outcome: 'enrolled', account: account.id, status: 200, html: codesPage(this.sign(proven), codes) };
    const answer = await this.advance(proven, account);
    return answer.outcome === 'signed-in' && !isMomentary(code) ? { ...answer, outcome: 'recovery-code' } : answer;
  } // prettier-ignore

  private async find(name: string): Promise<{ account: AccountRow | undefined; old: boolean }> {
    const { rows } = await this.pool.query<AccountRow & { old: boolean }>(
      `select exists (select 1 from account where not starts_with(password_hash, '$argon2id$')) as old, a.*
       from (select 1) as one left join account a on a.name = $1`,
      [name],
    );
    const [found] = rows;
    return { account: found?.id ? found : undefined, old: found?.old === true };
  }

  private async byId(id: string): Promise<AccountRow | undefined> {
    return (await this.pool.query<AccountRow>('select * from account where id = $1', [id])).rows[0];
  }

  private async now(): Promise<number> {
    const { rows } = await this.pool.query<{ now: Date }>('select app_now() as now');
    return rows[0]?.now.getTime() ?? this.database.now();
  }

  private sign(proof: Proof): string {
    const text = Buffer.from(JSON.stringify({ ...proof, until: this.database.now() + proofMs })).toString('base64url'); // prettier-ignore
    return `${text}.${sealOf(this.settings.cookieKeys[0] ?? '', text)}`;
  }

  private read(proof: string): Proof | undefined {
    const [text = '', given = ''] = proof.split('.');
    const right = this.settings.cookieKeys.some((key) => {
      const [one, other] = [Buffer.from(sealOf(key, text)), Buffer.from(given)];
      return one.length === other.length && timingSafeEqual(one, other);
    });
    if (!right) return undefined;
    const read = JSON.parse(Buffer.from(text, 'base64url').toString()) as Proof;
    return read.until > this.database.now() ? read : undefined;
  }
}

const sealOf = (key: string, text: string): string =>
  createHmac('sha256', Buffer.from(hkdfSync('sha256', key, '', 'foodwarden sign-in', 32)))
    .update(text)
    .digest('base64url');

/**
 * Ten failures under a name within 15 minutes close it for 15 minutes. A try counts as failed until it is known to
 * be good, so that a hundred at once, over several replicas, are no more than ten. @returns undefined when it is closed
 */
async function claimTry(pool: pg.Pool, nameHash: string): Promise<string | undefined> {
  const { rows } = await pool.query<{ tried_at: string }>(
    `insert into sign_in_guard as guard (name_hash, tried_at) values ($1, array[app_now()])
     on conflict (name_hash) do update set (tried_at, locked_until) = (
       select array_agg(one), case when count(*) >= 10 then app_now() + interval '15 minutes' end
       from unnest(guard.tried_at || app_now()) as one where one > app_now() - interval '15 minutes')
     where guard.locked_until is null or guard.locked_until <= app_now()
     returning app_now()::text as tried_at`,
    [nameHash],
  );
  return rows[0]?.tried_at;
}

/** The try was good: it counts no more. */
async function forgiveTry(pool: pg.Pool, nameHash: string, triedAt: string): Promise<void> {
  await pool.query(
    `update sign_in_guard set tried_at = array_remove(tried_at, $2::timestamptz), locked_until = null where name_hash = $1`,
    [nameHash, triedAt],
  );
}
