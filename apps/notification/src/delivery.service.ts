import { MessageDelivered, MessageFailed } from '#contracts';
import { Database, type Tx } from '#database';
import { DomainError, oneOf } from '#platform';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { type Language, type Words } from './message.templates.js';

export type Channel = 'email' | 'webhook';
export const deliveryStates = ['queued', 'delivered', 'failed', 'dead', 'cancelled'] as const;
export type DeliveryState = (typeof deliveryStates)[number];

/** What became of one attempt; `dead`: the receiver said that no later one can help. */
export interface Outcome {
  outcome: 'delivered' | 'failed' | 'dead';
  /** Of HTTP or SMTP; null: it did not come so far. */
  status: number | null;
  /** Short, and without what the receiver must not tell others. */
  reply: string | null;
}

export interface Attempt extends Outcome {
  at: string;
}

export interface Delivery {
  id: string;
  division: string;
  version: number;
  subscriptionId: string;
  channel: Channel;
  messageId: string | null;
  messageVersion: number | null;
  kind: string;
  state: DeliveryState;
  attempts: Attempt[];
  nextAt: Date | null;
  createdAt: Date;
  deliveredAt: Date | null;
}

/** A delivery on its way: what is sent, and where to. */
export interface Claimed {
  id: string;
  division: string;
  subscriptionId: string;
  channel: Channel;
  kind: string;
  language: string;
  subject: string | null;
  body: string;
  address: string | null;
  url: string | null;
  keyHash: string;
  now: Date;
  /** Its account acts elsewhere since it subscribed: it is sent nothing. */
  left: boolean;
}

/** A message that somebody has just been told, or told anew. */
export interface Told {
  id: string;
  division: string;
  version: number;
  kind: string;
  subjectId: string;
  audience: string;
  officialId: string | null;
  about: object;
  createdAt: Date;
}

export const deliveryView = `id, division, version, subscription_id as "subscriptionId", channel, message_id as "messageId",
  message_version as "messageVersion", kind, state, attempts, next_at as "nextAt", created_at as "createdAt", delivered_at as "deliveredAt"`;

/** That an account acts as the one who made subscription `s`: which official it names matters to officials alone. */
export const actsAs = (role: string, division: string, official: string): string =>
  `(s.role = ${role} and s.division = ${division} and (s.role <> 'official' or s.official_id is not distinct from ${official}))`;

/** A replica that took a delivery has this long; what it has not recorded by then is sent again, under the same id. */
const leaseMinutes = 3;
const giveUpAfterMinutes = 24 * 60;
const keptAttempts = 50;

/** 1, 2, 4 … 128 minutes, then every four hours, for a day. @returns null: give up */
export function nextAttempt(tries: number, queuedAt: Date, now: Date): Date | null {
  const next = new Date(now.getTime() + Math.min(2 ** (tries - 1), 240) * 60_000);
  return next.getTime() - queuedAt.getTime() > giveUpAfterMinutes * 60_000 ? null : next;
}

const languageOf = (language: string): Language => (language === 'en' ? 'en' : 'zh');

/** CloudEvents 1.0, structured. The id names the message and its version: whoever has seen it may drop it. */
export function cloudEventOf(told: Told, title: Words['title'], now: Date): string {
  const { id, division, version, kind, subjectId, audience, officialId, about, createdAt } = told;
  return JSON.stringify({
    specversion: '1.0',
    id: `${id}.${version}`,
    type: `notification.message.${kind}.v1`,
    source: '/services/notification',
    subject: id,
    time: now.toISOString(),
    datacontenttype: 'application/json',
    division,
    sequence: version,
    data: {
      messageId: id, version, kind, division, subjectId, audience, officialId, title, about, createdAt: createdAt.toISOString(),
    },
  }); // prettier-ignore
}

/**
 * Writes down what is to be sent of a message, once for a version and a subscription however often its facts come, in
 * the words that it has now. What was not sent of an older version is cancelled: only the newest is worth reading.
 */
export async function queueDeliveries(tx: Tx, told: Told, words: Words): Promise<void> {
  await tx.query(
    `update delivery set state = 'cancelled', next_at = null, version = version + 1
     where message_id = $1 and message_version < $2 and next_at is not null`,
    [told.id, told.version],
  );
  const subscribers = await tx.query<{ id: string; channel: Channel; language: string }>(
    `select id, channel, language from subscription
     where state = 'active' and (kinds is null or $1 = any(kinds))
       and case channel when 'webhook' then starts_with($2, division)
             else role = $3 and case when role = 'official' then official_id = $4::uuid else division = $2 end end`,
    [told.kind, told.division, told.audience, told.officialId],
  );
  if (subscribers.length === 0) return;
  const event = cloudEventOf(told, words.title, tx.now);
  const rows = subscribers.map(({ id, channel, language }) => ({
    id: uuidv7(),
    subscription: id,
    subject: channel === 'email' ? words.title[languageOf(language)] : null,
    body: channel === 'email' ? words.text[languageOf(language)] : event,
  }));
  await tx.query(
    `insert into delivery (id, division, official_id, version, subscription_id, channel, message_id, message_version, kind, state, subject, body, queued_at, next_at, created_at)
     select d.id, s.division, s.official_id, 1, s.id, s.channel, $2, $3, $4, 'queued', d.subject, d.body, $5, $5, $5
     from jsonb_to_recordset($1::jsonb) as d(id uuid, subscription uuid, subject text, body text) join subscription s on s.id = d.subscription
     on conflict on constraint delivery_once do nothing`,
    [JSON.stringify(rows), told.id, told.version, told.kind, tx.now],
  );
} // prettier-ignore

/** What is sent, by whom it is taken up, and what became of it. */
@Injectable()
export class DeliveryService {
  constructor(private readonly database: Database) {}

  async one(tx: Tx, id: string): Promise<Delivery> {
    return oneOf(await tx.query<Delivery>(`select ${deliveryView} from delivery where id = $1`, [id]));
  } // prettier-ignore

  /** Tries a dead one again, for another day. */
  async retry(tx: Tx, id: string): Promise<Delivery> {
    const { state, subscription } = oneOf(
      await tx.query<{ state: DeliveryState; subscription: string }>(
        `select d.state, s.state as subscription from delivery d join subscription s on s.id = d.subscription_id where d.id = $1 for update of d`,
        [id],
      ),
    );
    if (state !== 'dead')
      throw new DomainError('wrong-state', `状态为 ${state} 的投递不能人工重试,只有已放弃(dead)的可以,未放弃的会自动重试。 · A delivery that is ${state} is not tried again by hand: only a dead one; what is not given up is tried again by itself.`); // prettier-ignore
    if (subscription === 'ended')
      throw new DomainError(
        'wrong-state',
        '订阅已结束,无人等待该投递。 · The subscription has ended: nobody waits for it.',
      );
    await tx.query(
      `update delivery set state = 'queued', tries = 0, queued_at = $2, next_at = $2, leased_until = null, version = version + 1 where id = $1`,
      [id, tx.now],
    );
    return this.one(tx, id);
  }

  /**
   * Takes the next delivery that is due, by database time, one of a subscription at a time: a receiver that hangs holds
   * up its own messages and nobody else's.
   */
  async claim(tx: Tx): Promise<Claimed | undefined> {
    const [claimed] = await tx.query<Claimed>(
      `update delivery d set leased_until = app_now() + make_interval(mins => $1)
       from subscription s
       where s.id = d.subscription_id and d.id = (
         select c.id from delivery c
         where c.next_at <= app_now() and coalesce(c.leased_until, '-infinity') <= app_now()
           and not exists (select from delivery o where o.subscription_id = c.subscription_id and o.leased_until > app_now())
         order by c.next_at, c.id limit 1 for update skip locked)
       returning d.id, d.division, d.subscription_id as "subscriptionId", d.channel, d.kind, s.language, d.subject, d.body,
         s.address, s.url, s.key_hash as "keyHash", app_now() as now,
         s.channel = 'email' and exists (
           select from subscriber_account a where a.account_id::text = s.account and a.version > s.account_version
             and not (a.active and ${actsAs('a.role', 'a.place', 'a.official_id')})) as left`,
      [leaseMinutes],
    );
    return claimed;
  }

  /** How many wait to be sent. */
  async depth(tx: Tx): Promise<number> {
    const [row] = await tx.query<{ n: number }>(
      `select count(*)::int as n from delivery where next_at is not null`,
    );
    return row?.n ?? 0;
  }

  /**
   * Writes down what became of an attempt. One that comes late (its lease was over, or the message has changed) is kept
   * as an attempt, and turns nothing back that was delivered.
   */
  async record(claimed: Claimed, outcome: Outcome): Promise<void> {
    const caller = { id: 'service:notification', division: claimed.division, correlationId: claimed.id }; // prettier-ignore
    await this.database.within(caller, async (tx) => {
      const before = oneOf(
        await tx.query<Delivery & { tries: number; queuedAt: Date }>(
          `select ${deliveryView}, tries, queued_at as "queuedAt" from delivery where id = $1 for update`,
          [claimed.id],
        ),
      );
      const waiting = before.state === 'queued' || before.state === 'failed';
      const tries = before.tries + 1;
      const next = outcome.outcome === 'failed' ? nextAttempt(tries, before.queuedAt, tx.now) : null; // prettier-ignore
      const state =
        before.state === 'delivered' || outcome.outcome === 'delivered' ? 'delivered'
          : !waiting ? before.state
            : next ? 'failed' : 'dead'; // prettier-ignore
      const attempts = [...before.attempts, { at: tx.now.toISOString(), ...outcome }];
      const [after] = await tx.query<Delivery>(
        `update delivery set state = $2, attempts = $3, tries = $4, next_at = $5, leased_until = null,
           delivered_at = case when $2 = 'delivered' then coalesce(delivered_at, $6) end, version = version + 1
         where id = $1 returning ${deliveryView}`,
        [claimed.id, state, JSON.stringify(attempts.slice(-keptAttempts)), tries, state === 'failed' ? next : null, tx.now],
      ); // prettier-ignore
      if (!after?.messageId || !after.messageVersion || after.state === before.state) return;
      const { id, division, subscriptionId, channel, messageId, messageVersion } = after;
      const sent = { deliveryId: id, messageId, messageVersion, subscriptionId, division, channel };
      const at = tx.now.toISOString();
      if (after.state === 'delivered')
        tx.publish(MessageDelivered, after, { ...sent, deliveredAt: at });
      if (after.state === 'dead')
        tx.publish(MessageFailed, after, { ...sent, failedAt: at, attempts: tries, cause: [outcome.status, outcome.reply].filter((part) => part !== null).join(' ') }); // prettier-ignore
    });
  }
}
