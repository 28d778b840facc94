import { type AccountChanged, type DataOf, type OfficialChanged } from '#contracts';
import { type Caller, Database, Repeated, type Tx } from '#database';
import { DomainError, oneOf } from '#platform';
import { Injectable } from '@nestjs/common';
import { validate as isUuid, v7 as uuidv7 } from 'uuid';
import { actsAs, type Channel } from './delivery.service.js';
import { NotificationConfig } from './notification.config.js';
import { notReached, Refused } from './outward.js';
import {
  confirmationCodeOf,
  keyHashOf,
  keyOf,
  masked,
  maskedUrl,
  sameCode,
  signingSecretOf,
} from './secrets.js';
import { WebhookSender } from './webhook.sender.js'; // prettier-ignore

export const subscriptionStates = ['unconfirmed', 'active', 'ended'] as const;

/** Its official has left his post, or serves elsewhere; its account is closed, or acts as somebody else. */
export const endReasons = ['official-left', 'official-moved', 'account-ended', 'account-changed'] as const; // prettier-ignore
export type EndReason = (typeof endReasons)[number];

export interface Subscription {
  id: string;
  division: string;
  version: number;
  channel: Channel;
  state: (typeof subscriptionStates)[number];
  role: string;
  officialId: string | null;
  address: string | null;
  url: string | null;
  language: string;
  kinds: string[] | null;
  createdAt: Date;
  confirmedAt: Date | null;
  endedAt: Date | null;
  endReason: EndReason | null;
}

export interface Wanted {
  channel: Channel;
  address?: string | undefined;
  url?: string | undefined;
  language: string;
  kinds?: string[] | undefined;
}

interface Row extends Subscription {
  /** What nobody is shown. */
  own: { account: string; keyHash: string; tries: number };
}

/** So that nobody has our mail server write to strangers. */
const mailsADay = 5;
const webhooksOfAPlace = 10;
const codeTries = 5;
const codeHours = 24;

const view = `id, division, version, channel, state, role, official_id as "officialId", address, url, language, kinds,
  created_at as "createdAt", confirmed_at as "confirmedAt", ended_at as "endedAt", end_reason as "endReason",
  json_build_object('account', account, 'keyHash', key_hash, 'tries', confirmation_tries) as own`;

/** A mail address whole for its owner alone; a webhook's URL whole for those who may change it. */
function shownTo(caller: Caller, row: Row): Subscription {
  const { own, ...shown } = row;
  return {
    ...shown,
    address: shown.address && (own.account === caller.id ? shown.address : masked(shown.address)),
    url: shown.url && (caller.role === 'auditor' ? maskedUrl(shown.url) : shown.url),
  };
}

/** Whoever subscribes and what becomes of him take turns: a fact either finds the subscription, or is found by it. */
const turn = (tx: Tx, whose: string): Promise<object[]> =>
  tx.query(`select pg_advisory_xact_lock(hashtextextended($1, 14))`, [whose]);

/** Who wants to be told by mail or webhook, and that he himself wants it. */
@Injectable()
export class SubscriptionService {
  constructor(
    private readonly database: Database,
    private readonly config: NotificationConfig,
    private readonly webhooks: WebhookSender,
  ) {}

  async page(
    tx: Tx,
    [division, id]: [string, string],
    filter: { channel: string | null; state: string | null },
    limit: number,
  ): Promise<Subscription[]> {
    const found = await tx.query<Row>(
      `select ${view} from subscription
       where (division, id) > ($1, $2::uuid) and ($3::text is null or channel = $3) and ($4::text is null or state = $4)
       order by division, id limit $5`,
      [division, id, filter.channel, filter.state, limit],
    );
    return found.map((row) => shownTo(tx.caller, row));
  }

  async one(tx: Tx, id: string): Promise<Subscription> {
    return shownTo(tx.caller, await this.row(tx, id));
  }

  /** @returns the subscription, and for a webhook the secret that it is signed with: now and never again */
  async subscribe(caller: Caller, wanted: Wanted): Promise<Subscription & { secret: string | null }> {
    const [key] = this.config.keys;
    if (key === undefined || (wanted.channel === 'email' && !this.config.mail))
      throw new DomainError(
        'channel-not-configured',
        wanted.channel === 'email'
          ? '本系统尚未配置邮件发送,请在 notification 的环境变量(npm start 则在启动前)中设置 SMTP_URL、SMTP_FROM,并须有 NOTIFICATION_KEYS(npm start 自带)。 · This installation sends no mail yet: set SMTP_URL and SMTP_FROM in the environment of notification (before npm start, where that runs it); NOTIFICATION_KEYS has to be set too (npm start does).'
          : '本系统尚未配置 Webhook 签名,请为 notification 设置 NOTIFICATION_KEYS。 · This installation signs no webhooks yet: set NOTIFICATION_KEYS for notification.',
      );
    if (wanted.channel === 'webhook') {
      if (caller.role !== 'county-admin' && caller.role !== 'office')
        throw new DomainError('not-allowed', 'Webhook 通知整个辖区的事项,须由食安办或县级登记。 · A webhook tells of a whole ground: an office or the county registers it.');
      await this.webhooks.check(wanted.url ?? '').catch((error: unknown) => {
        if (!(error instanceof Refused)) throw error;
        throw new DomainError('address-refused', error.detail, [
          { pointer: '/url', rule: 'outward', value: wanted.url, remedy: error.detail !== notReached ? error.detail : '请检查域名是否拼写正确、能否从本系统所在的机器解析,且只指向公网;内网的接收方须由运维设置 WEBHOOK_ALLOW_INWARD · check that the name is spelt right, is found from the machine of this system, and stands for public addresses alone; a receiver inside needs WEBHOOK_ALLOW_INWARD, set by whoever runs the system' },
        ]);
      });
    }
    const made = await this.database
      .within(caller, (tx) => this.make(tx, wanted, keyHashOf(key)))
      .catch((error: unknown) => {
        if (error instanceof Repeated) return error.answer as Subscription; // the same answer again, with the same secret
        throw error;
      });
    return { ...made, secret: wanted.channel === 'webhook' ? signingSecretOf(key, made.id) : null };
  } // prettier-ignore

  private async make(tx: Tx, wanted: Wanted, keyHash: string): Promise<Subscription> {
    const { caller, now } = tx;
    const { channel, address = null, url = null, language, kinds = null } = wanted;
    // One at a time of an account or a place, so that two at once do not both find room.
    await turn(tx, channel === 'email' ? caller.id : caller.division);
    const { officialSequence, accountVersion } = await this.standing(tx);
    const [held] = await tx.query<{ mails: number; webhooks: number; same: boolean }>(
      `select (count(*) filter (where channel = 'email' and account = $1 and created_at > $2::timestamptz - interval '1 day'))::int as mails,
              (count(*) filter (where channel = 'webhook' and division = $3 and state <> 'ended'))::int as webhooks,
              coalesce(bool_or(state <> 'ended' and (channel = 'email' and account = $1 and lower(address) = lower($4) or channel = 'webhook' and division = $3 and url = $5)), false) as same
       from subscription`,
      [caller.id, now, caller.division, address, url],
    ); // prettier-ignore
    if (held?.same)
      throw new DomainError('wrong-state', '已有相同的订阅,请先结束原订阅。 · There is such a subscription already: end that one first.'); // prettier-ignore
    if (channel === 'email' && (held?.mails ?? 0) >= mailsADay)
      throw new DomainError('too-many-subscriptions', `一天最多登记 ${mailsADay} 个邮箱地址,系统会逐一发信确认。 · At most ${mailsADay} mail addresses in a day: each of them is written to.`); // prettier-ignore
    if (channel === 'webhook' && (held?.webhooks ?? 0) >= webhooksOfAPlace)
      throw new DomainError('too-many-subscriptions', `同一地区最多 ${webhooksOfAPlace} 个 Webhook,请先结束其中一个。 · At most ${webhooksOfAPlace} webhooks of one place: end one first.`); // prettier-ignore
    const [made] = await tx.query<Row>(
      `insert into subscription (id, division, version, channel, state, account, role, official_id, address, url, language, kinds, key_hash, created_at,
                                 official_sequence, account_version)
       values ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) returning ${view}`,
      [
        uuidv7(), caller.division, channel, channel === 'email' ? 'unconfirmed' : 'active', caller.id, caller.role, caller.official ?? null,
        address, url, language, kinds, keyHash, now, officialSequence, accountVersion,
      ],
    ); // prettier-ignore
    if (!made) throw new Error('The subscription was not written.');
    if (channel === 'email') await this.sendCode(tx, made);
    return shownTo(caller, made);
  }

  /** The code itself is put in when the mail is sent: it is kept nowhere. */
  private async sendCode(tx: Tx, { id, division, officialId, language }: Row): Promise<void> {
    const [subject, body] =
      language === 'en'
        ? ['Confirm your mail address', 'Somebody, probably you, wants messages of Foodwarden sent here. Code: {code}\n\nIt holds for a day. If it was not you, do nothing: nothing else will be sent.']
        : ['请确认您的邮箱', '有人(应为您本人)申请将 Foodwarden 的消息发送到此邮箱。验证码:{code}\n\n一天内有效。如非本人操作,请忽略本邮件,此后不会再收到消息。']; // prettier-ignore
    await tx.query(
      `insert into delivery (id, division, official_id, version, subscription_id, channel, kind, state, subject, body, queued_at, next_at, created_at)
       values ($1, $2, $3, 1, $4, 'email', 'confirmation', 'queued', $5, $6, $7, $7, $7)`,
      [uuidv7(), division, officialId, id, subject, body, tx.now],
    );
  }

  /** Only with the code that was sent to the address; five tries, and a day. */
  async confirm(caller: Caller, id: string, code: string): Promise<Subscription> {
    // Counted in a transaction of its own, before it is judged: a refusal takes nothing back.
    const tried = await this.database.within({ ...caller, idempotency: undefined }, async (tx) => {
      const row = await this.row(tx, id);
      if (row.own.account !== caller.id)
        throw new DomainError('not-allowed', '只有邮箱所有人本人可以确认。 · Only the one whose address it is confirms it.');
      if (row.state !== 'unconfirmed') return row;
      const [counted] = await tx.query<Row>(
        `update subscription set confirmation_tries = confirmation_tries + 1 where id = $1 and state = 'unconfirmed' returning ${view}`,
        [id],
      );
      return counted ?? row;
    });
    if (tried.state === 'ended')
      throw new DomainError('wrong-state', '订阅已结束,请重新订阅。 · It has ended: subscribe again.');
    return this.database.within(caller, async (tx) => {
      if (tried.state === 'active') return this.one(tx, id); // a repeat is not an error
      if (tried.own.tries > codeTries || tx.now.getTime() - tried.createdAt.getTime() > codeHours * 3_600_000)
        throw new DomainError('wrong-state', '验证码已失效,请结束该订阅后重新订阅。 · The code is no longer taken: end this subscription, and subscribe again.');
      const key = keyOf(this.config.keys, tried.own.keyHash);
      if (key === undefined || !sameCode(code, confirmationCodeOf(key, id)))
        throw new DomainError('code-wrong', `验证码与邮件不符,还可尝试 ${codeTries - tried.own.tries} 次。 · That is not the code of the mail; ${codeTries - tried.own.tries} more tries.`, [
          { pointer: '/code', rule: 'matches', value: null, remedy: '请填写最新邮件中的八位数字 · Copy the eight digits of the newest mail.' },
        ]);
      const [active] = await tx.query<Row>(
        `update subscription set state = 'active', confirmed_at = $2, version = version + 1 where id = $1 and state = 'unconfirmed' returning ${view}`,
        [id, tx.now],
      );
      return active ? shownTo(caller, active) : this.one(tx, id);
    });
  } // prettier-ignore

  /** Nothing is sent any more; what was sent stays on record. */
  async end(tx: Tx, id: string, reason: EndReason | null = null): Promise<Subscription> {
    const row = await this.row(tx, id, 'for update');
    if (row.state === 'ended') return shownTo(tx.caller, row); // a repeat is not an error
    await tx.query(
      `update delivery set state = 'cancelled', next_at = null, version = version + 1 where subscription_id = $1 and next_at is not null`,
      [id],
    );
    const [ended] = await tx.query<Row>(
      `update subscription set state = 'ended', ended_at = $2, ended_by = $3, end_reason = $4, version = version + 1 where id = $1 returning ${view}`,
      [id, tx.now, tx.caller.id, reason],
    );
    return shownTo(tx.caller, oneOf(ended ? [ended] : []));
  }

  /** What assignment says of an official ends what he subscribed to before he left, or moved to other ground. */
  async followOfficial(
    tx: Tx,
    { officialId, division, active }: DataOf<typeof OfficialChanged>,
    sequence: number,
  ): Promise<void> {
    await turn(tx, officialId);
    await tx.query(
      `insert into subscriber_official (official_id, place, sequence, active) values ($1, $2, $3, $4)
       on conflict (official_id) do update set place = excluded.place, sequence = excluded.sequence, active = excluded.active
         where subscriber_official.sequence < excluded.sequence`,
      [officialId, division, sequence, active],
    );
    const those = await tx.query<{ id: string }>(
      `select id from subscription where official_id = $1 and state <> 'ended' and official_sequence < $2
         and not ($3 and starts_with($4, division)) order by id`,
      [officialId, sequence, active, division],
    );
    for (const { id } of those) await this.end(tx, id, active ? 'official-moved' : 'official-left');
  }

  /**
   * What identity says of an account ends the mails of one that is closed or acts as somebody else. A webhook stays: it is
   * its place's, whose office ends it.
   */
  async followAccount(tx: Tx, { accountId, version, active, role, division, official }: DataOf<typeof AccountChanged>): Promise<void> {
    await turn(tx, accountId);
    await tx.query(
      `insert into subscriber_account (account_id, version, active, role, place, official_id) values ($1, $2, $3, $4, $5, $6)
       on conflict (account_id) do update set version = excluded.version, active = excluded.active, role = excluded.role,
           place = excluded.place, official_id = excluded.official_id
         where subscriber_account.version < excluded.version`,
      [accountId, version, active, role, division, official],
    );
    const those = await tx.query<{ id: string }>(
      `select s.id from subscription s where s.account = $1::text and s.channel = 'email' and s.state <> 'ended' and s.account_version < $2
         and not ($3 and ${actsAs('$4', '$5', '$6::uuid')}) order by s.id`,
      [accountId, version, active, role, division, official],
    );
    for (const { id } of those) await this.end(tx, id, active ? 'account-changed' : 'account-ended');
  } // prettier-ignore

  /**
   * Ends what its account, now of another county, has left behind: the fact of that was applied there, and met nothing here.
   */
  async endLeft(subscription: string, division: string): Promise<void> {
    const caller = { id: 'service:notification', division, correlationId: subscription };
    await this.database.within(caller, (tx) => this.end(tx, subscription, 'account-changed'));
  }

  /**
   * The newest that is known of the caller. His token may be some seconds older than what has become of him.
   * @throws DomainError when he has left, or acts as somebody else now
   */
  private async standing(tx: Tx): Promise<{ officialSequence: number; accountVersion: number }> {
    const { id, role, division, official = null } = tx.caller;
    if (official) await turn(tx, official);
    const [known] = await tx.query<{
      officialSequence: number; accountVersion: number; serves: boolean; acts: boolean;
    }>(
      `select coalesce(o.sequence, 0) as "officialSequence", coalesce(a.version, 0) as "accountVersion",
         o.official_id is null or o.active and starts_with(o.place, s.division) as serves,
         a.account_id is null or a.active and ${actsAs('a.role', 'a.place', 'a.official_id')} as acts
       from (select $2::text as role, $3::text collate "C" as division, $4::uuid as official_id) s
       left join subscriber_official o on o.official_id = s.official_id left join subscriber_account a on a.account_id = $1::uuid`,
      [isUuid(id) ? id : null, role, division, official],
    ); // prettier-ignore
    if (!known?.acts || !known.serves)
      throw new DomainError('wrong-state', '账号或其包保干部已离任或调整,请重新登录或联系县管理员 · the account or its official has left or moved: sign in again, or ask your county admin'); // prettier-ignore
    return known;
  }

  private async row(tx: Tx, id: string, lock: '' | 'for update' = ''): Promise<Row> {
    return oneOf(await tx.query<Row>(`select ${view} from subscription where id = $1 ${lock}`, [id])); // prettier-ignore
  }
}
