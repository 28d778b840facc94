import { createHash, randomBytes } from 'node:crypto';
import { AccountChanged } from '#contracts';
import { type Tx } from '#database';
import {
  checkDivision,
  DomainError,
  keepCutoff,
  logChanges,
  oneOf,
  outOfScope,
  type Role,
  staleVersion,
} from '#platform';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { hashOfPassword, isOld, isPassword, onceWord } from './password.js';

/** An account as it is shown; never a secret of it. */
export interface AccountState {
  id: string;
  division: string;
  version: number;
  name: string;
  displayName: string;
  role: Role;
  official: string | null;
  active: boolean;
  passwordUntil: Date | null;
  program: boolean;
  secondFactor: boolean;
  createdAt: Date;
  changedAt: Date;
}

/** The columns of an account as it is shown. */
export const accountView = `id, division, version, name, display_name as "displayName", role, official, active,
  password_until as "passwordUntil", exists (select 1 from client where account_id = account.id) as program,
  exists (select 1 from totp where account_id = account.id and confirmed_at is not null) as "secondFactor",
  created_at as "createdAt", changed_at as "changedAt"`;

export interface NewAccount {
  name: string;
  displayName: string;
  role: Role;
  division: string;
  official?: string | null | undefined;
}

export interface AccountChange {
  displayName?: string | undefined;
  role?: Role | undefined;
  division?: string | undefined;
  official?: string | null | undefined;
  active?: boolean | undefined;
}

/** What an account of the deploy step or the demo has. */
export interface KnownAccount extends NewAccount {
  id: string;
  password: string;
  clientSecret?: string | undefined;
}

/** A word to be shown once, and until when it is good. */
export interface Once {
  account: AccountState;
  word: string;
}

/** How many digits the place of an account of this role has: a county 6, a township 9, a village 12. */
const placesOf: Record<Role, readonly number[]> = {
  'county-admin': [6],
  office: [9],
  official: [6, 9],
  'grid-worker': [12],
  authority: [6],
  auditor: [6, 9],
  service: [6],
};

const onceHours = 24;
const withheld = ['password', 'clientSecret', 'secondFactor'];

export const secretHash = (secret: string): string =>
  createHash('sha256').update(secret).digest('base64url');

/** The ground in which an official of this place acts: his township, or the county; a wider one is none of ours. */
export const groundOf = (place: string): string | undefined =>
  place.length >= 9 ? place.slice(0, 9) : place.length === 6 ? place : undefined;

/**
 * Accounts, as their county keeps them. Whatever changes one is one step: a new version, the fact, the line in the change
 * log, and the end of everything that was signed in with it.
 */
/** A secret that leaked must not become another admin: who opens or resets one, or makes one of another account, has signed in, with his second factor. */
function refuseProgram({ caller }: Tx, role: string): void {
  if (caller.program && role === 'county-admin')
    throw new DomainError(
      'not-allowed',
      '县管理员的账号须由人登录后开设、启用和重置(Swagger),不能凭程序密钥:否则一个密钥即可取得另一管理员的账号。 · A county admin’s account is opened, made and reset by a person who signed in (Swagger), not with a client secret: one secret would be enough to become another admin.',
    );
}

@Injectable()
export class AccountService {
  /** @returns the account, with a one-time password that is told nowhere else */
  async create(tx: Tx, given: NewAccount): Promise<Once> {
    refuseProgram(tx, given.role);
    this.checkPlace(tx, given);
    await checkDivision(tx, given.division);
    const id = uuidv7();
    await this.checkOfficial(tx, { ...given, id });
    const word = onceWord();
    const made = await tx.query<{ id: string }>(
      `insert into account (id, name, display_name, role, division, official, password_hash, password_until, created_at, changed_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) on conflict (name) do nothing returning id`,
      [id, given.name, given.displayName, given.role, given.division, given.official ?? null, await hashOfPassword(word), until(tx), tx.now],
    ); // prettier-ignore
    if (made.length === 0)
      throw new DomainError('name-taken', `账号名 ${given.name} 已被占用。 · Another account has the name ${given.name}.`, [
        { pointer: '/name', rule: 'unique', value: given.name, remedy: '请换一个账号名 · take another name' },
      ]); // prettier-ignore
    return { account: await this.tell(tx, null, await this.one(tx, id), null), word };
  }

  async change(tx: Tx, id: string, version: number, given: AccountChange, reason: string | null): Promise<AccountState> {
    // Two admins who remove one another at once: the second is refused.
    await inTurn(tx);
    const before = await this.lock(tx, id);
    if (before.version !== version)
      throw staleVersion(before);
    const after = {
      ...before,
      ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    };
    if (before.role === 'official' && after.role !== 'official' && given.official === undefined) after.official = null;
    const rights = (['role', 'division', 'official', 'active'] as const).some((field) => before[field] !== after[field]);
    if (rights && tx.caller.id === id)
      throw new DomainError('own-act', '不能修改自己的角色、辖区或启用状态,请另一位县管理员办理。 · Nobody changes his own role, place or activity: ask another county admin.');
    if (rights && after.active) refuseProgram(tx, after.role);
    if (rights) this.checkPlace(tx, after);
    if (before.division !== after.division) await checkDivision(tx, after.division);
    if (rights && (after.active || before.role !== after.role || before.official !== after.official))
      await this.checkOfficial(tx, after);
    if (before.active && before.role === 'county-admin' && (!after.active || after.role !== 'county-admin' || after.division !== before.division))
      await this.keepAnAdmin(tx, before);
    if (!rights && before.displayName === after.displayName) return before;
    // Whoever made the secret of the account as it was would approve with it what he proposed.
    if (before.role !== 'county-admin' && after.role === 'county-admin')
      await tx.query('update client set secret_hash = $2 where account_id = $1', [id, secretHash(randomBytes(32).toString('base64url'))]);
    return this.step(
      tx,
      before,
      reason,
      'display_name = $3, role = $4, division = $5, official = $6, active = $7',
      [after.displayName, after.role, after.division, after.official, after.active],
    );
  } // prettier-ignore

  /** A one-time password for somebody who lost his own; what he had is good for nothing from now on. */
  async resetPassword(tx: Tx, id: string, why: string | null = null, ...dropped: 'secondFactor'[]): Promise<Once> {
    const before = await this.lock(tx, id);
    refuseProgram(tx, before.role);
    if (!before.active)
      throw new DomainError('wrong-state', '该账号已停用,请先启用(active: true)再重置密码。 · The account is closed, and its password opens nothing: open it first (active: true).'); // prettier-ignore
    const word = onceWord();
    // Who forgot it has often tried too often.
    await tx.query('delete from sign_in_guard where name_hash = any($1)', [[before.name, `second factor ${id}`].map(secretHash)]);
    const account = await this.step(
      tx, before, why, 'password_hash = $3, password_until = $4', [await hashOfPassword(word), until(tx)], 'password', ...dropped,
    );
    return { account, word };
  } // prettier-ignore

  /**
   * The secret of the account's programs, a new one; the one before is good for nothing from now on. A county admin's is
   * his own alone: with another's he would approve his own proposals.
   */
  async renewClientSecret(tx: Tx, id: string): Promise<Once> {
    const before = await this.lock(tx, id);
    if (before.role === 'county-admin' && tx.caller.id !== id)
      throw new DomainError(
        'not-allowed',
        '县管理员的程序密钥只能由其本人办理:持有他人密钥即可批准自己的方案。 · A county admin’s secret is made by himself alone: with another’s one could approve one’s own proposals.',
      );
    if (!before.active)
      throw new DomainError('wrong-state', '该账号已停用,请先启用(active: true)再更换程序密钥。 · The account is closed, and its secret opens nothing: open it first (active: true).'); // prettier-ignore
    const word = randomBytes(32).toString('base64url');
    await this.keepClient(tx, id, word);
    return {
      account: await this.step(tx, before, null, 'active = active', [], 'clientSecret'),
      word,
    };
  }

  /** For somebody who lost his telephone: he enrols anew at the next sign-in. */
  async resetSecondFactor(tx: Tx, id: string): Promise<AccountState> {
    const before = await this.lock(tx, id);
    refuseProgram(tx, before.role);
    if (tx.caller.id === id)
      throw new DomainError('own-act', '不能重置自己的二次验证,请另一位县管理员办理。 · Nobody resets his own second factor: ask another county admin.'); // prettier-ignore
    await this.dropSecondFactor(tx, id);
    return this.step(tx, before, null, 'active = active', [], 'secondFactor');
  }

  /** The deploy step for an account that nobody else can help: a one-time password, and no second factor any more. */
  async rescue(tx: Tx, name: string): Promise<Once> {
    const [found] = await tx.query<{ id: string }>(`select id from account where name = $1`, [
      name,
    ]);
    if (!found)
      throw new DomainError('not-found', `没有账号 ${name}。 · There is no account ${name}.`);
    await this.dropSecondFactor(tx, found.id);
    return this.resetPassword(tx, found.id, 'deploy', 'secondFactor');
  }

  /** The account's own password, in place of a one-time one. @returns undefined when the account changed meanwhile */
  async choosePassword(tx: Tx, id: string, version: number, password: string): Promise<AccountState | undefined> {
    const before = await this.lock(tx, id);
    if (before.version !== version || !before.active) return undefined;
    return this.step(tx, before, null, 'password_hash = $3, password_until = null', [await hashOfPassword(password)], 'password');
  } // prettier-ignore

  /** What assignment says of an official: who left has no account any more, who moved acts where he is now. */
  async follow(tx: Tx, official: string, ground: string | undefined, active: boolean): Promise<void> {
    const those = await tx.query<{ id: string }>(
      `select id from account where official = $1 and role = 'official' and active order by id`,
      [official],
    );
    for (const { id } of those) {
      const before = await this.lock(tx, id);
      if (!active) await this.step(tx, before, 'official-left', 'active = false');
      else if (ground && ground !== before.division)
        await this.step(tx, before, 'official-moved', 'division = $3', [ground]);
    }
  } // prettier-ignore

  /** The deploy step, and the demo: the account as it is given. A repeat changes nothing and ends nobody's session. */
  async put(tx: Tx, given: KnownAccount): Promise<'added' | 'changed' | 'unchanged'> {
    const [kept] = await tx.query<{ hash: string }>(
      `select password_hash as hash from account where id = $1 for update`,
      [given.id],
    );
    if (!kept) {
      const made = await tx.query(
        `insert into account (id, name, display_name, role, division, official, password_hash, created_at, changed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8) on conflict (name) do nothing returning id`,
        [given.id, given.name, given.displayName, given.role, given.division, given.official ?? null, await hashOfPassword(given.password), tx.now],
      ); // prettier-ignore
      if (made.length === 0)
        throw new DomainError('name-taken', `账号名 ${given.name} 已被占用,如要更新请提供其编号。 · Another account has the name ${given.name}: give its id to renew it.`); // prettier-ignore
      if (given.clientSecret) await this.keepClient(tx, given.id, given.clientSecret);
      await this.tell(tx, null, await this.one(tx, given.id), null);
      return 'added';
    }
    const before = await this.one(tx, given.id);
    const { name, displayName, role, division, official = null, password, clientSecret } = given;
    const sameWords = [
      [before.name, name], [before.displayName, displayName], [before.role, role], [before.division, division], [before.official, official],
    ].every(([one, other]) => one === other); // prettier-ignore
    const samePassword = before.passwordUntil === null && (await isPassword(password, kept.hash, isOld(kept.hash))); // prettier-ignore
    const sameSecret = !clientSecret || (await this.hasSecret(tx, given.id, clientSecret));
    if (sameWords && samePassword && sameSecret && before.active) return 'unchanged';
    if (clientSecret) await this.keepClient(tx, given.id, clientSecret);
    await this.step(
      tx,
      before,
      'deploy',
      'name = $3, display_name = $4, role = $5, division = $6, official = $7, password_hash = $8, password_until = null, active = true',
      [
        name,
        displayName,
        role,
        division,
        official,
        samePassword ? kept.hash : await hashOfPassword(password),
      ],
      ...(samePassword ? [] : ['password']),
      ...(sameSecret ? [] : ['clientSecret']),
    );
    return 'changed';
  }

  async one(tx: Tx, id: string): Promise<AccountState> {
    return oneOf(
      await tx.query<AccountState>(`select ${accountView} from account where id = $1`, [id]),
    );
  }

  private async lock(tx: Tx, id: string): Promise<AccountState> {
    await tx.query(`select 1 as one from account where id = $1 for update`, [id]);
    return this.one(tx, id);
  }

  /** @param secrets which of them this step changed: told in the change log by name alone */
  private async step(
    tx: Tx,
    before: AccountState,
    why: string | null,
    assignments: string,
    values: unknown[] = [],
    ...secrets: string[]
  ): Promise<AccountState> {
    await tx.query(
      `update account set ${assignments}, version = version + 1, changed_at = $2 where id = $1`,
      [before.id, tx.now, ...values],
    );
    return this.tell(tx, before, await this.one(tx, before.id), why, secrets);
  }

  /** The fact, the change log, and the end of what was signed in. */
  private async tell(
    tx: Tx,
    before: AccountState | null,
    after: AccountState,
    why: string | null,
    secrets: string[] = [],
  ): Promise<AccountState> {
    const { id: accountId, division, role, official, active, version } = after;
    const fact = { accountId, division, role, official, active, version };
    tx.publish(AccountChanged, after, fact);
    await keepCutoff(tx, fact, tx.now);
    const marked = (value: string): Record<string, string> =>
      Object.fromEntries(secrets.map((name) => [name, value]));
    await logChanges(
      tx,
      'account',
      [
        {
          subject: after,
          before: before && { ...before, ...marked('before') },
          after: { ...after, ...marked('after') },
        },
      ],
      why,
      withheld,
    );
    if (before)
      await tx.query(
        `delete from oidc_payload where payload ? 'accountId' and payload ->> 'accountId' = $1
           or model = 'Interaction' and payload #>> '{result,login,accountId}' = $1`,
        [accountId],
      );
    return after;
  }

  private async dropSecondFactor(tx: Tx, id: string): Promise<void> {
    await tx.query(`delete from recovery_code where account_id = $1`, [id]);
    await tx.query(`delete from totp where account_id = $1`, [id]);
  }

  private async keepClient(tx: Tx, id: string, secret: string): Promise<void> {
    await tx.query(
      `insert into client (client_id, account_id, secret_hash) values ($1::text, $1::uuid, $2)
       on conflict (client_id) do update set secret_hash = excluded.secret_hash`,
      [id, secretHash(secret)],
    );
  }

  private async hasSecret(tx: Tx, id: string, secret: string): Promise<boolean> {
    const found = await tx.query(
      `select 1 as one from client where client_id = $1 and secret_hash = $2`,
      [id, secretHash(secret)],
    );
    return found.length > 0;
  }

  /** Whoever the account is for must have a place in the caller's ground, of the kind its role has. */
  private checkPlace(tx: Tx, { role, division }: NewAccount): void {
    if (!division.startsWith(tx.caller.division)) throw outOfScope(tx.caller.division, division);
    const wanted = placesOf[role];
    if (!wanted.includes(division.length))
      throw new DomainError('validation-failed', '地区与角色不相符。 · The place does not fit the role.', [
        { pointer: '/division', rule: 'place-of-role', value: division, remedy: `该角色的区划代码应为 ${wanted.join(' 或 ')} 位 · the place of this role has ${wanted.join(' or ')} digits` },
      ]); // prettier-ignore
  }

  /** An official's account, and no other, is one of the officials that assignment has told of: his only one, and where he serves. */
  private async checkOfficial(
    tx: Tx,
    { id, role, division, official }: Omit<NewAccount, 'name' | 'displayName'> & { id: string },
  ): Promise<void> {
    if (role === 'official' && !official)
      throw new DomainError('validation-failed', '包保干部的账号须注明是哪位包保干部。 · An official’s account says which official it is.', [
        { pointer: '/official', rule: 'required', value: null, remedy: '请填写包保干部编号,见 assignment 的 GET /officials · give the id of the official: GET /officials of assignment shows it' },
      ]); // prettier-ignore
    if (!official) return;
    if (role !== 'official')
      throw new DomainError('validation-failed', '只有包保干部的账号对应一位包保干部。 · Only an official’s account is that of an official.', [
        { pointer: '/official', rule: 'official-of-role', value: official, remedy: '请去掉 official,或将角色改为 official · leave official out, or make the role official' },
      ]); // prettier-ignore
    const [known] = await tx.query<{ division: string; active: boolean }>(
      `select division, active from official_copy where official_id = $1`,
      [official],
    );
    if (!known)
      throw new DomainError('officials-unknown', '本辖区没有这位包保干部,或其资料尚未同步过来。 · There is no such official on your ground, or the fact is still on its way.', [
        { pointer: '/official', rule: 'unknown', value: official, remedy: '请用 assignment 的 GET /officials 核对编号,刚导入名册的请稍后再试 · compare the id with GET /officials of assignment; after a roster import try again in a moment' },
      ]); // prettier-ignore
    if (!known.active)
      throw new DomainError('wrong-state', '该包保干部已离任,请查看 assignment 的 GET /officials。 · This official has left; see GET /officials of assignment.'); // prettier-ignore
    const ground = groundOf(known.division);
    if (ground && ground !== division)
      throw new DomainError('validation-failed', `该包保干部任职于 ${known.division},账号的辖区应为 ${ground}。 · This official serves at ${known.division}: the ground of his account is ${ground}.`, [
        { pointer: '/division', rule: 'place-of-official', value: division, remedy: `请填写 ${ground} · give ${ground}` },
      ]); // prettier-ignore
    await inTurn(tx);
    const [other] = await tx.query<{ id: string; name: string }>(
      `select id, name from account where official = $1 and active and id <> $2 order by id limit 1`,
      [official, id],
    );
    if (other)
      throw new DomainError('official-has-account', `该包保干部已有账号 ${other.name}(${other.id})。 · This official has the account ${other.name} (${other.id}).`, [
        { pointer: '/official', rule: 'unique', value: official, remedy: '请使用该账号,忘记密码的可重置;要换新的,先停用该账号(PATCH,active: false) · use that account, and reset its password where it is lost; for a new one, end that one first (PATCH, active: false)' },
      ]); // prettier-ignore
  }

  /** @throws DomainError `last-admin` */
  private async keepAnAdmin(tx: Tx, leaving: AccountState): Promise<void> {
    const admins = await tx.query<{ id: string }>(
      `select id from account where role = 'county-admin' and active and division = $1`,
      [leaving.division],
    );
    if (!admins.some(({ id }) => id !== leaving.id))
      throw new DomainError(
        'last-admin',
        '请先设立另一位县管理员。 · Make another county admin first.',
      );
  }
}

/** Changes of one county's accounts that look at its other accounts take turns. */
async function inTurn(tx: Tx): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock(7034, $1::int)`, [Number(tx.caller.division.slice(0, 6))]); // prettier-ignore
}

const until = (tx: Tx): Date => new Date(tx.now.getTime() + onceHours * 3_600_000);
