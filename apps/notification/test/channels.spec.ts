import { createHmac, randomUUID } from 'node:crypto';
import { type Envelope, ObligationOpened, subjectOf } from '#contracts';
import { Settings } from '#platform';
import { type Answer, County, eventually } from '#testing';
import { jetstream } from '@nats-io/jetstream';
import { type NatsConnection } from '@nats-io/transport-node';
import { v7 as uuidv7 } from 'uuid';
import { type Attempt, type Claimed, type Delivery } from '../src/delivery.service.js';
import { MailSender } from '../src/mail.sender.js';
import { NotificationConfig } from '../src/notification.config.js';
import { notification } from '../src/notification.definition.js';
import { keyHashOf } from '../src/secrets.js';
import { type Subscription } from '../src/subscription.service.js';
import {
  type Call, type Dns, type Mail, type MailServerDouble, type Receiver, startDns, startMailServer, startReceiver, trustTestCertificate,
} from './outside.js'; // prettier-ignore

const key = 'only-for-tests-only-for-tests-only-for-tests';
const countyCode = '371425';

let towns = 300;
/** Ground where nothing has happened yet; notification asks nobody whether it exists. */
const freshTown = (): string => `${countyCode}${towns++}`;

let county: County;
let bus: NatsConnection;
let mail: MailServerDouble;
let dns: Dns;
/** On 127.0.0.1, which the configuration allows. */
let receiver: Receiver;
/** On 127.0.0.2, at the same port: inward, whatever a name says. */
let trap: Receiver;
let now = new Date('2026-11-23T01:00:00Z');

beforeAll(async () => {
  trustTestCertificate();
  mail = await startMailServer();
  dns = await startDns();
  receiver = await startReceiver();
  trap = await startReceiver({ host: '127.0.0.2', port: receiver.port });
  county = await County.start([notification], {
    env: {
      NOTIFICATION_KEYS: key,
      SMTP_URL: `smtp://foodwarden:right@127.0.0.1:${mail.port}`,
      SMTP_FROM: 'Foodwarden 食安 <no-reply@county.example>',
      WEBHOOK_ALLOW_INWARD: '127.0.0.1/32',
      WEBHOOK_PORTS: String(receiver.port),
      WEBHOOK_DNS: dns.address,
      DELIVERY_TIMEOUT_MS: '1500',
      PUBLIC_URL: 'https://food.county.example/docs/',
    },
  });
  bus = await county.bus('deploy'); // prettier-ignore
  await county.clock('notification', now.toISOString());
}, 120_000);
afterAll(async () => {
  await bus.close();
  await county.stop();
  await Promise.all([mail, dns, receiver, trap].map((one) => one.stop()));
}, 60_000);
afterEach(async () => {
  receiver.answer = undefined;
  mail.refuse = undefined;
  await county.quiet();
});

async function advance(minutes: number): Promise<void> {
  now = new Date(now.getTime() + minutes * 60_000);
  await county.clock('notification', now.toISOString());
}

interface VisitDue {
  subject: string;
  sequence: number;
  division: string;
  officialId: string;
  establishmentName: string;
  dueOn: string;
}
/** The fact that a visit is due. */
const visitDue = (given: Partial<VisitDue>): Envelope => {
  const { subject = randomUUID(), sequence = 1, division = `${countyCode}101201`, officialId = randomUUID(), establishmentName = '老王饭店', dueOn = '2026-12-31' } = given;
  return {
    specversion: '1.0', id: uuidv7(), type: ObligationOpened.type, source: '/services/inspection', subject, time: now.toISOString(),
    datacontenttype: 'application/json', division, sequence, actor: 'test', correlationid: randomUUID(),
    data: { obligationId: subject, division, establishmentId: randomUUID(), establishmentName, period: '2026-Q4', dueOn, state: 'open', officialId, inspectionId: null },
  };
}; // prettier-ignore

/** Publishes facts as inspection does, under headers of their own, and waits until they took effect. */
async function happen(...facts: Envelope[]): Promise<void> {
  for (const fact of facts)
    await jetstream(bus).publish(subjectOf(fact.type, fact.division), JSON.stringify(fact), { msgID: randomUUID() }); // prettier-ignore
  const ids = [...new Set(facts.map(({ id }) => id))];
  await eventually(
    () => county.rows('notification', 'select 1 from inbox where event_id = any($1::uuid[])', [ids]), // prettier-ignore
    ({ length }) => length === ids.length,
  );
}

const post = (path: string, token: string, body?: unknown, headers = {}): Promise<Answer> =>
  county.call('notification', 'POST', `/v1${path}`, { token, headers, ...(body === undefined ? {} : { body }) }); // prettier-ignore
const get = (path: string, token: string): Promise<Answer> =>
  county.call('notification', 'GET', `/v1${path}`, { token });
type Made = Subscription & { secret: string | null };

async function subscribe(token: string, wanted: Record<string, unknown>): Promise<Made> {
  const answer = await post('/subscriptions', token, wanted);
  expect([answer.status, answer.body]).toEqual([201, expect.anything()]);
  return answer.body as Made;
}
const codeOf = (one: Mail): string => /\d{8}/.exec(one.text)?.[0] ?? '';
const mailsTo = (address: string): Mail[] => mail.mails.filter(({ to }) => to.includes(address));

/** Subscribes by mail and confirms with the code that came. */
async function byMail(token: string, address: string, more: Record<string, unknown> = {}): Promise<Made> {
  const made = await subscribe(token, { channel: 'email', address, ...more });
  const [sent] = await eventually(async () => mailsTo(address), ({ length }) => length > 0);
  const confirmed = await post(`/subscriptions/${made.id}/confirmation`, token, { code: codeOf(sent!) });
  expect([confirmed.status, confirmed.body]).toEqual([200, expect.objectContaining({ state: 'active' })]);
  return made;
} // prettier-ignore

const deliveriesOf = (subscription: string, token: string): Promise<Delivery[]> =>
  county.every<Delivery>('notification', `/v1/deliveries?subscription=${subscription}`, token);
/** The deliveries of messages, once they are as many as that and in that state. */
const settled = (subscription: string, token: string, ...states: string[]): Promise<Delivery[]> =>
  eventually(
    async () => (await deliveriesOf(subscription, token)).filter(({ kind }) => kind !== 'confirmation'),
    (found) => found.map(({ state }) => state).sort().join() === [...states].sort().join(),
  ); // prettier-ignore
const outcomes = ({ attempts }: Delivery): Pick<Attempt, 'outcome' | 'status' | 'reply'>[] =>
  attempts.map(({ outcome, status, reply }) => ({ outcome, status, reply }));
const address = (): string => `w${randomUUID().slice(0, 8)}@county.example`;

describe('a subscription by mail', () => {
  it('sends nothing but a code until the code has come back, and then each message once, however often its fact arrives', async () => {
    const town = freshTown();
    const official = randomUUID();
    const token = await county.official(official, town, 'wang');
    const to = address();
    const made = await subscribe(token, { channel: 'email', address: to });
    expect(made).toMatchObject({ state: 'unconfirmed', division: town, officialId: official, address: to, language: 'zh-CN', kinds: null, secret: null });
    const [first] = await eventually(async () => mailsTo(to), ({ length }) => length > 0);
    expect(first).toMatchObject({ secure: true, user: 'foodwarden', from: 'no-reply@county.example', to: [to] });
    expect(first!.headers.get('subject')).toEqual(['请确认您的邮箱']);

    const early = visitDue({ division: `${town}201`, officialId: official });
    await happen(early);
    expect((await post(`/subscriptions/${made.id}/confirmation`, token, { code: '00000000' })).body).toMatchObject({ code: 'code-wrong' });
    const code = codeOf(first!);
    // The code is in the mail alone.
    expect(await county.rows('notification', `select 1 from delivery where body like $1 union all select 1 from subscription s where to_jsonb(s)::text like $1`, [`%${code}%`])).toEqual([]);
    const confirmed = await post(`/subscriptions/${made.id}/confirmation`, token, { code });
    expect([confirmed.status, confirmed.body]).toMatchObject([200, { state: 'active', version: 2 }]);
    expect((await post(`/subscriptions/${made.id}/confirmation`, token, { code: '00000000' })).status).toBe(200); // it is so already

    const fact = visitDue({ division: `${town}201`, officialId: official });
    await happen(fact, fact, { ...fact, id: uuidv7() });
    const [delivery] = await settled(made.id, token, 'delivered');
    expect(delivery).toMatchObject({ channel: 'email', kind: 'visit-due', messageVersion: 1, nextAt: null });
    expect(outcomes(delivery!)).toEqual([{ outcome: 'delivered', status: 250, reply: expect.stringMatching(/^250 /) as unknown }]);
    expect(mailsTo(to)).toHaveLength(2);
    const [, sent] = mailsTo(to);
    expect(sent!.headers.get('subject')).toEqual(['请于2026-12-31前督导“老王饭店”']);
    expect(sent!.headers.get('message-id')).toEqual([`<${delivery!.id}@county.example>`]);
    expect(sent!.headers.get('auto-submitted')).toEqual(['auto-generated']);
    expect(sent!.headers.get('content-type')![0]).toMatch(/^text\/plain/);
    expect(sent!.text).toContain('请于2026-12-31前督导“老王饭店”(2026-Q4)。');
    expect(sent!.text).toContain('https://food.county.example/docs/');
    expect(sent!.text).toContain(`POST /subscriptions/${made.id}/end`);
    const facts = await county.rows<{ data: object }>('notification', `select event->'data' as data from journal where aggregate_id = $1`, [delivery!.id]);
    expect(facts).toEqual([{ data: expect.objectContaining({ deliveryId: delivery!.id, messageId: delivery!.messageId, channel: 'email', messageVersion: 1 }) as unknown }]);
  }); // prettier-ignore

  it('tells in the language and of the kinds that were chosen, and an official nothing of another', async () => {
    const town = freshTown();
    const [mine, other] = [randomUUID(), randomUUID()];
    const token = await county.official(mine, town);
    const to = address();
    const made = await byMail(token, to, { language: 'en', kinds: ['visit-due'] });
    const silent = address();
    const another = await byMail(token, silent, { kinds: ['assigned'] });
    await happen(
      visitDue({ division: `${town}201`, officialId: other }),
      visitDue({ division: `${town}201`, officialId: mine }),
    );
    await settled(made.id, token, 'delivered');
    expect(mailsTo(to).map(({ headers }) => headers.get('subject')?.[0])).toEqual(['Confirm your mail address', 'A visit to 老王饭店 is due by 2026-12-31']);
    expect(await deliveriesOf(another.id, token)).toHaveLength(1);
    const countyAdmin = await county.token('county-admin', countyCode);
    expect((await deliveriesOf(made.id, countyAdmin)).length).toBe(2);
  }); // prettier-ignore

  it('takes no header from a name', async () => {
    const official = randomUUID();
    const token = await county.official(official, `${countyCode}101`);
    const to = address();
    const made = await byMail(token, to);
    await happen(visitDue({ officialId: official, establishmentName: '老王\r\nBcc: all@county.example\r\n\r\n正文\u2028{dueOn}' })); // prettier-ignore
    await settled(made.id, token, 'delivered');
    const [, sent] = mailsTo(to);
    expect(sent!.to).toEqual([to]);
    expect(sent!.headers.has('bcc')).toBe(false);
    expect(sent!.headers.get('subject')).toEqual(['请于2026-12-31前督导“老王 Bcc: all@county.example 正文 {dueOn}”']); // prettier-ignore
  });

  it('writes to few addresses a day, and gives up a code after five tries or a day', async () => {
    const token = await county.token('office', freshTown(), {}, 'a busy office');
    const made: Made[] = [];
    for (let n = 0; n < 5; n++) made.push(await subscribe(token, { channel: 'email', address: address() })); // prettier-ignore
    expect((await post('/subscriptions', token, { channel: 'email', address: address() })).body).toMatchObject({ status: 409, code: 'too-many-subscriptions' }); // prettier-ignore
    expect((await post('/subscriptions', token, { channel: 'email', address: made[0]!.address })).body).toMatchObject({ code: 'wrong-state' }); // prettier-ignore
    const [sent] = await eventually(async () => mailsTo(made[0]!.address!), ({ length }) => length > 0); // prettier-ignore
    const tries = await Promise.all(
      Array.from({ length: 12 }, (_, n) => post(`/subscriptions/${made[0]!.id}/confirmation`, token, { code: `0000000${n % 10}` }, { 'idempotency-key': `try-${n}` })), // prettier-ignore
    );
    const codes = tries.map(({ body }) => (body as { code: string }).code).sort();
    expect(codes).toEqual([...Array<string>(5).fill('code-wrong'), ...Array<string>(7).fill('wrong-state')]); // prettier-ignore
    expect((await post(`/subscriptions/${made[0]!.id}/confirmation`, token, { code: codeOf(sent!) })).body).toMatchObject({ code: 'wrong-state' }); // prettier-ignore
    const [late] = await eventually(async () => mailsTo(made[1]!.address!), ({ length }) => length > 0); // prettier-ignore
    await advance(24 * 60 + 1);
    expect((await post(`/subscriptions/${made[1]!.id}/confirmation`, token, { code: codeOf(late!) })).body).toMatchObject({ code: 'wrong-state' }); // prettier-ignore
  });

  it('is confirmed by its owner alone, shows the address whole to him alone, and to no other official at all', async () => {
    const town = freshTown();
    const token = await county.official(randomUUID(), town);
    const to = `w${randomUUID().slice(0, 6)}@county.example`;
    const { id } = await subscribe(token, { channel: 'email', address: to });
    expect((await get(`/subscriptions/${id}`, token)).body).toMatchObject({ address: to });
    for (const role of ['auditor', 'office', 'county-admin'] as const) {
      const other = await county.token(role, role === 'office' ? town : countyCode);
      const shown = await get(`/subscriptions/${id}`, other);
      expect([role, shown.status, shown.body]).toEqual([role, 200, expect.objectContaining({ address: 'w***@county.example' })]); // prettier-ignore
      expect(JSON.stringify((await get('/subscriptions', other)).body)).not.toContain(to);
    }
    const admin = await county.token('county-admin', countyCode);
    expect((await post(`/subscriptions/${id}/confirmation`, admin, { code: '12345678' })).body).toMatchObject({ code: 'not-allowed' }); // prettier-ignore
    for (const stranger of [
      await county.official(randomUUID(), town),
      await county.token('office', freshTown()),
    ])
      // prettier-ignore
      for (const answer of [
        await get(`/subscriptions/${id}`, stranger),
        await post(`/subscriptions/${id}/confirmation`, stranger, { code: '12345678' }),
        await post(`/subscriptions/${id}/end`, stranger),
      ])
        expect(answer.status).toBe(404);
  });

  it('ends: what was queued is cancelled, and nothing more is sent', async () => {
    const official = randomUUID();
    const token = await county.official(official, `${countyCode}101`);
    const to = address();
    const made = await byMail(token, to);
    mail.refuse = { code: 451, text: 'later' };
    await happen(visitDue({ officialId: official }));
    await settled(made.id, token, 'failed');
    const ended = await post(`/subscriptions/${made.id}/end`, token);
    expect([ended.status, ended.body]).toMatchObject([200, { state: 'ended', endedAt: now.toISOString() }]); // prettier-ignore
    expect((await post(`/subscriptions/${made.id}/end`, token)).body).toMatchObject({ version: 3 });
    mail.refuse = undefined;
    await happen(visitDue({ officialId: official }));
    await advance(60);
    await settled(made.id, token, 'cancelled');
    expect(mailsTo(to)).toHaveLength(1);
  });
});

describe('a mail', () => {
  it('that the server takes later is tried again after a minute, two, four', async () => {
    const official = randomUUID();
    const token = await county.official(official, `${countyCode}101`);
    const to = address();
    const made = await byMail(token, to);
    mail.refuse = { code: 451, text: 'greylisted, you' };
    await happen(visitDue({ officialId: official }));
    const [first] = await settled(made.id, token, 'failed');
    const masked = `${to[0]!}***@county.example`;
    expect(outcomes(first!)).toEqual([{ outcome: 'failed', status: 451, reply: `451 greylisted, you <${masked}>` }]); // prettier-ignore
    expect(first!.nextAt).toBe(new Date(now.getTime() + 60_000).toISOString());
    await advance(1);
    const [second] = await eventually(() => deliveriesOf(made.id, token).then((all) => all.filter(({ kind }) => kind !== 'confirmation')), ([one]) => one?.attempts.length === 2); // prettier-ignore
    expect(second!.nextAt).toBe(new Date(now.getTime() + 120_000).toISOString());
    mail.refuse = undefined;
    await advance(2);
    const [third] = await settled(made.id, token, 'delivered');
    expect(third!.attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'delivered']); // prettier-ignore
    expect(mailsTo(to).at(-1)!.headers.get('message-id')).toEqual([`<${first!.id}@county.example>`]); // prettier-ignore
  });

  it('that the server refuses for good is dead at once, and tried again by hand alone', async () => {
    const official = randomUUID();
    const token = await county.official(official, `${countyCode}101`);
    const office = await county.token('office', `${countyCode}101`);
    const to = address();
    const made = await byMail(token, to);
    mail.refuse = { code: 550, text: 'no such user' };
    await happen(visitDue({ officialId: official }));
    const [dead] = await settled(made.id, token, 'dead');
    expect(outcomes(dead!)).toEqual([{ outcome: 'dead', status: 550, reply: expect.stringMatching(/^550 no such user <w\*\*\*@county\.example>$/) as unknown }]); // prettier-ignore
    const listed = (await get('/deliveries?state=dead&limit=200', office)).body as { items: Delivery[] }; // prettier-ignore
    expect(listed.items.map(({ id }) => id)).toContain(dead!.id);
    const facts = await county.rows<{ type: string; data: object }>('notification', `select type, event->'data' as data from journal where aggregate_id = $1`, [dead!.id]); // prettier-ignore
    expect(facts).toEqual([{ type: 'notification.message.failed.v1', data: expect.objectContaining({ attempts: 1, cause: expect.stringMatching(/^550 /) as unknown }) as unknown }]); // prettier-ignore
    await advance(24 * 60);
    expect((await post(`/deliveries/${dead!.id}/retry`, token)).status).toBe(403); // his office's matter
    expect((await post(`/deliveries/${dead!.id}/retry`, await county.token('office', `${countyCode}102`))).status).toBe(404); // prettier-ignore
    mail.refuse = undefined;
    const again = await post(`/deliveries/${dead!.id}/retry`, office);
    expect([again.status, again.body]).toMatchObject([200, { state: 'queued' }]);
    await settled(made.id, token, 'delivered');
    expect((await post(`/deliveries/${dead!.id}/retry`, office)).body).toMatchObject({ status: 409, code: 'wrong-state' }); // prettier-ignore
  });

  const sending = async (url: string, to = address()): Promise<Awaited<ReturnType<MailSender['send']>>> => {
    const claimed: Claimed = {
      id: randomUUID(), division: countyCode, subscriptionId: randomUUID(), channel: 'email', kind: 'visit-due', language: 'en', subject: 'x', body: 'x',
      address: to, url: null, keyHash: keyHashOf(key), now, left: false,
    };
    return new MailSender(new NotificationConfig(new Settings({ NOTIFICATION_KEYS: key, SMTP_URL: url, SMTP_FROM: 'no-reply@county.example', DELIVERY_TIMEOUT_MS: '1500' }))).send(claimed);
  }; // prettier-ignore

  it('goes over TLS at once where the URL says smtps, and in the clear only where it says so', async () => {
    const secure = await startMailServer({ secure: true });
    const plain = await startMailServer({ authOptional: true, disabledCommands: ['AUTH', 'STARTTLS'] }); // prettier-ignore
    try {
      expect(await sending(`smtps://u:right@127.0.0.1:${secure.port}`)).toMatchObject({ outcome: 'delivered' }); // prettier-ignore
      expect(secure.mails).toMatchObject([{ secure: true, user: 'u' }]);
      // A server, or somebody before it, that offers no STARTTLS gets neither password nor mail.
      expect(await sending(`smtp://u:right@127.0.0.1:${plain.port}`)).toMatchObject({ outcome: 'failed', reply: expect.not.stringContaining('right') as unknown }); // prettier-ignore
      expect(plain.mails).toEqual([]);
      expect(await sending(`smtp://127.0.0.1:${plain.port}?tls=none`)).toMatchObject({ outcome: 'delivered' }); // prettier-ignore
      expect(plain.mails).toMatchObject([{ secure: false }]);
    } finally {
      await Promise.all([secure.stop(), plain.stop()]);
    }
  });

  it('is not buried for a wrong password, and the password is in no record', async () => {
    const refused = await sending(`smtp://u:wrong-secret@127.0.0.1:${mail.port}`);
    expect(refused).toEqual({ outcome: 'failed', status: 535, reply: 'EAUTH' });
    const anonymous = await sending(`smtp://127.0.0.1:${mail.port}`);
    expect(anonymous).toMatchObject({ outcome: 'failed', status: 530 });
    const away = await sending(`smtp://u:right@127.0.0.1:1`);
    expect(away).toMatchObject({ outcome: 'failed', status: null });
  });
});

describe('a webhook', () => {
  /** Registers one for a fresh township, at a name of its own. */
  async function hook(name: string, more: Record<string, unknown> = {}): Promise<{ town: string; office: string; made: Made; calls: () => Call[] }> {
    const town = freshTown();
    const office = await county.token('office', town);
    if (!dns.names.has(name)) dns.names.set(name, () => ['127.0.0.1']);
    const path = `/${randomUUID()}`;
    const made = await subscribe(office, { channel: 'webhook', url: `https://${name}:${receiver.port}${path}`, ...more });
    return { town, office, made, calls: () => receiver.calls.filter((call) => call.path === path) };
  } // prettier-ignore

  it('sends every message of its ground as a signed CloudEvent, once, and nothing of other ground', async () => {
    const { town, office, made, calls } = await hook('hooks.example', { kinds: ['visit-due'] });
    expect(made).toMatchObject({ state: 'active', secret: expect.stringMatching(/^whsec_[\w-]{43}$/) as unknown }); // prettier-ignore
    const official = randomUUID();
    const fact = visitDue({ division: `${town}201`, officialId: official });
    await happen(visitDue({ division: `${freshTown()}201` }), fact, fact, { ...fact, id: uuidv7() }); // prettier-ignore
    const [delivery] = await settled(made.id, office, 'delivered');
    expect(outcomes(delivery!)).toEqual([{ outcome: 'delivered', status: 200, reply: null }]);
    expect(calls()).toHaveLength(1);
    const [{ headers, body }] = calls() as [Call];
    expect(headers).toMatchObject({ host: `hooks.example:${receiver.port}`, 'content-type': 'application/cloudevents+json; charset=utf-8' }); // prettier-ignore
    const timestamp = String(headers['foodwarden-timestamp']);
    expect(Number(timestamp) * 1000).toBe(now.getTime());
    const expected = createHmac('sha256', made.secret!).update(`${timestamp}.${body}`).digest('hex'); // prettier-ignore
    expect(headers['foodwarden-signature']).toBe(`v1=${expected}`);
    expect(JSON.parse(body)).toEqual({
      specversion: '1.0', id: `${delivery!.messageId}.1`, type: 'notification.message.visit-due.v1', source: '/services/notification',
      subject: delivery!.messageId, time: now.toISOString(), datacontenttype: 'application/json', division: `${town}201`, sequence: 1,
      data: {
        messageId: delivery!.messageId, version: 1, kind: 'visit-due', division: `${town}201`, subjectId: fact.subject, audience: 'official', officialId: official,
        title: { zh: '请于2026-12-31前督导“老王饭店”', en: 'A visit to 老王饭店 is due by 2026-12-31' },
        about: expect.objectContaining({ establishmentName: '老王饭店', dueOn: '2026-12-31' }) as unknown, createdAt: now.toISOString(),
      },
    }); // prettier-ignore
  });

  it('shows its secret once, again to a repeat with the same key, and keeps it nowhere', async () => {
    const office = await county.token('office', freshTown());
    const body = { channel: 'webhook', url: `https://hooks.example:${receiver.port}/once` };
    const [one, two] = [
      await post('/subscriptions', office, body, { 'idempotency-key': 'k1' }),
      await post('/subscriptions', office, body, { 'idempotency-key': 'k1' }),
    ];
    expect(two).toMatchObject({ status: 201, body: one.body as object });
    const { id, secret } = one.body as Made;
    expect((await get(`/subscriptions/${id}`, office)).body).not.toHaveProperty('secret');
    for (const table of ['subscription', 'idempotency_key', 'delivery', 'journal'])
      expect(await county.rows('notification', `select 1 from ${table} t where to_jsonb(t)::text like $1`, [`%${secret!.slice(6)}%`])).toEqual([]); // prettier-ignore
    const auditor = await county.token('auditor', countyCode);
    expect((await get(`/subscriptions/${id}`, auditor)).body).toMatchObject({ url: `https://hooks.example:${receiver.port}/…` }); // prettier-ignore
  });

  it('is for an office or the county, and for ten of a place', async () => {
    const town = freshTown();
    const body = (n: number): object => ({ channel: 'webhook', url: `https://hooks.example:${receiver.port}/${n}` }); // prettier-ignore
    const official = await post('/subscriptions', await county.official(randomUUID(), town), body(0)); // prettier-ignore
    expect(official.body).toMatchObject({ status: 403, code: 'not-allowed' });
    const office = await county.token('office', town);
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => post('/subscriptions', office, body(n)))); // prettier-ignore
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(10);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(2);
  });

  it('is tried again after a minute when it answers 500, drops the connection, redirects or hangs, under the same id', async () => {
    const { town, office, made, calls } = await hook('busy.example');
    const target = await startReceiver();
    const waysToFail: ((response: Parameters<NonNullable<Receiver['answer']>>[1]) => void)[] = [
      (response) => response.writeHead(500).end(),
      (response) => response.destroy(),
      (response) => response.writeHead(307, { location: `https://127.0.0.1:${target.port}/` }).end(),
      () => undefined,
    ];
    await happen(visitDue({ division: `${town}201` }));
    await settled(made.id, office, 'delivered');
    let way = 0;
    receiver.answer = (call, response) => {
      if (call.path !== calls()[0]?.path) response.end();
      else (waysToFail[way++] ?? ((last) => last.end()))(response);
    };
    await happen(visitDue({ division: `${town}201` }));
    const last = (): Promise<Delivery | undefined> =>
      deliveriesOf(made.id, office).then((all) => all.find(({ attempts, state }) => state !== 'delivered' || attempts.length > 1));
    for (const [at, expected] of [
      { status: 500, reply: 'refused' }, { status: null, reply: 'ECONNRESET' }, { status: 307, reply: 'redirect-not-followed' }, { status: null, reply: 'timeout' },
    ].entries()) {
      const found = await eventually(last, (one) => one?.attempts.length === at + 1);
      expect(outcomes(found!).at(-1)).toEqual({ outcome: 'failed', ...expected });
      expect(found!.nextAt).toBe(new Date(now.getTime() + 2 ** at * 60_000).toISOString());
      await advance(2 ** at);
    }
    await settled(made.id, office, 'delivered', 'delivered');
    expect(target.connections).toBe(0);
    await target.stop();
    const tried = calls().slice(1);
    expect(tried).toHaveLength(5);
    expect(new Set(tried.map(({ body }) => body)).size).toBe(1);
    expect(new Set(tried.map(({ headers }) => headers['foodwarden-signature'])).size).toBe(5);
  }, 40_000); // prettier-ignore

  it('that never stops answering is cut off, and took the message', async () => {
    const { town, office, made } = await hook('hooks.example');
    let sent = 0;
    let cut: (() => void) | undefined;
    const closed = new Promise<void>((done) => (cut = done));
    receiver.answer = (_call, response) => {
      response.on('close', () => cut?.());
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(16_384))) sent += 16_384;
      };
      response.on('drain', more);
      more();
    };
    await happen(visitDue({ division: `${town}201` }));
    await settled(made.id, office, 'delivered');
    await closed;
    expect(sent).toBeLessThan(50_000_000);
  });

  it('that hangs holds up nobody else', async () => {
    const [slow, quick] = [await hook('slow.example'), await hook('hooks.example')];
    receiver.answer = (call, response) => {
      if (!slow.calls().includes(call)) response.end();
    };
    await happen(...Array.from({ length: 12 }, () => visitDue({ division: `${slow.town}201` })));
    await happen(visitDue({ division: `${quick.town}201` }));
    await settled(quick.made.id, quick.office, 'delivered');
    expect(slow.calls().length).toBeLessThan(4);
    expect((await deliveriesOf(slow.made.id, slow.office)).filter(({ state }) => state === 'queued').length).toBeGreaterThan(5); // prettier-ignore
    const metrics = await county.read('notification', '/metrics');
    expect(Number(/^foodwarden_queue_depth\{queue="delivery"\} (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(5); // prettier-ignore
    expect((await post(`/subscriptions/${slow.made.id}/end`, slow.office)).status).toBe(200);
  });

  it('that says 410 is dead at once; one that fails for a day is given up, and a dead letter until somebody retries it', async () => {
    const gone = await hook('gone.example');
    receiver.answer = (_call, response) => response.writeHead(410).end();
    await happen(visitDue({ division: `${gone.town}201` }));
    const [dead] = await settled(gone.made.id, gone.office, 'dead');
    expect(outcomes(dead!)).toEqual([{ outcome: 'dead', status: 410, reply: 'gone' }]);

    const busy = await hook('busy.example');
    receiver.answer = (_call, response) => response.writeHead(503).end();
    await happen(visitDue({ division: `${busy.town}201` }));
    const begun = now.getTime();
    let tries = 0;
    for (;;) {
      tries += 1;
      const [one] = await eventually(() => deliveriesOf(busy.made.id, busy.office), ([found]) => found?.attempts.length === tries);
      if (one!.state === 'dead') break;
      await advance((new Date(one!.nextAt!).getTime() - now.getTime()) / 60_000);
    }
    expect([tries, (now.getTime() - begun) / 3_600_000 <= 24]).toEqual([13, true]);
    receiver.answer = undefined;
    const [letter] = await deliveriesOf(busy.made.id, busy.office);
    const facts = await county.rows<{ type: string }>('notification', 'select type from journal where aggregate_id = $1', [letter!.id]);
    expect(facts).toEqual([{ type: 'notification.message.failed.v1' }]);
    expect((await post(`/deliveries/${letter!.id}/retry`, await county.token('county-admin', countyCode))).status).toBe(200);
    await settled(busy.made.id, busy.office, 'delivered');
  }, 60_000); // prettier-ignore

  it('sends the newest version alone: what is queued of an older one is cancelled, in whatever order the facts come', async () => {
    const { town, office, made, calls } = await hook('busy.example');
    receiver.answer = (_call, response) => response.writeHead(500).end();
    const first = visitDue({ division: `${town}201` });
    await happen(first);
    await settled(made.id, office, 'failed');
    receiver.answer = undefined;
    const data = { ...(first.data as object), dueOn: '2027-01-15' };
    await happen({ ...first, id: uuidv7(), sequence: 2, data });
    await happen({ ...first, id: uuidv7() }); // late
    await advance(1);
    await settled(made.id, office, 'cancelled', 'delivered');
    const ids = calls().map(({ body }) => (JSON.parse(body) as { id: string }).id.split('.')[1]);
    expect(ids).toEqual(['1', '2']);
  });
});

describe('the guard of webhooks', () => {
  it('refuses inward addresses and odd spellings when they are registered, in one sentence for what it found', async () => {
    const office = await county.token('office', freshTown());
    dns.names.set('inward.example', () => ['10.0.0.7']);
    dns.names.set('both.example', () => ['127.0.0.1', '127.0.0.2']);
    const said = new Map<string, string>();
    for (const host of ['127.0.0.2', '0x7f.0.0.1', '2130706433', '[::1]', '[::ffff:127.0.0.1]', 'localhost', 'inward.example', 'both.example', 'unknown.example', 'hooks.example.', 'me:you@hooks.example']) {
      const answer = await post('/subscriptions', office, { channel: 'webhook', url: `https://${host}:${receiver.port}/` });
      expect([host, answer.status, answer.body]).toEqual([host, 422, expect.objectContaining({ code: 'address-refused', errors: [expect.objectContaining({ pointer: '/url' })] })]);
      said.set(host, (answer.body as { detail: string }).detail);
    }
    expect(said.get('inward.example')).toBe(said.get('unknown.example'));
    for (const url of [`http://hooks.example:${receiver.port}/`, 'https://hooks.example/', 'https://hooks.example:22/'])
      expect([url, (await post('/subscriptions', office, { channel: 'webhook', url })).status]).toEqual([url, 422]);
    const remedyFor = async (url: string): Promise<string> => {
      const { body } = await post('/subscriptions', office, { channel: 'webhook', url });
      return (body as { errors: { remedy: string }[] }).errors[0]!.remedy;
    };
    expect(await remedyFor('www.qihe.gov.cn/hook')).toMatch(/须以 https:\/\/ 开头.*WEBHOOK_ALLOW_HTTP/);
    expect(await remedyFor('https://hooks.example:22/')).toMatch(/端口须为.*WEBHOOK_PORTS/);
    expect(await remedyFor(`https://unknown.example:${receiver.port}/`)).toContain('WEBHOOK_ALLOW_INWARD');
    expect(trap.connections).toBe(0);
  }); // prettier-ignore

  it('never connects inward, whatever a name says the second time', async () => {
    const town = freshTown();
    const office = await county.token('office', town);
    let answers = 0;
    dns.names.set('rebound.example', () => [answers++ === 0 ? '127.0.0.1' : '127.0.0.2']);
    const rebound = await subscribe(office, { channel: 'webhook', url: `https://rebound.example:${receiver.port}/` }); // prettier-ignore
    await happen(visitDue({ division: `${town}201` }));
    const [refused] = await settled(rebound.id, office, 'failed');
    expect(outcomes(refused!)).toEqual([{ outcome: 'failed', status: null, reply: 'address-refused: 主机名无法由本系统解析,或不只指向公网地址(两者不作区分)。 · Its host is not found by this system, or does not stand for public addresses alone; which of the two is not told.' }]); // prettier-ignore
    await post(`/subscriptions/${rebound.id}/end`, office);

    // Public to the check, inward a moment later: the check's own answer is what is connected to.
    let flips = 0;
    dns.names.set('flip.example', () => [flips++ % 2 === 0 ? '127.0.0.1' : '127.0.0.2']);
    const flip = await subscribe(office, { channel: 'webhook', url: `https://flip.example:${receiver.port}/flip` }); // prettier-ignore
    flips = 0;
    dns.asked.length = 0;
    await happen(visitDue({ division: `${town}201` }));
    await settled(flip.id, office, 'delivered');
    expect(dns.asked.filter((name) => name === 'flip.example')).toHaveLength(1);
    expect(receiver.calls.filter(({ path }) => path === '/flip')).toMatchObject([{ localAddress: '127.0.0.1' }]); // prettier-ignore
    expect(trap.connections).toBe(0);
  });

  it('takes the certificate of the name, and no other', async () => {
    const town = freshTown();
    const office = await county.token('office', town);
    dns.names.set('stranger.example', () => ['127.0.0.1']); // not in the certificate
    const made = await subscribe(office, { channel: 'webhook', url: `https://stranger.example:${receiver.port}/s` }); // prettier-ignore
    await happen(visitDue({ division: `${town}201` }));
    const [one] = await settled(made.id, office, 'failed');
    expect(outcomes(one!)).toEqual([{ outcome: 'failed', status: null, reply: 'ERR_TLS_CERT_ALTNAME_INVALID' }]); // prettier-ignore
    expect(receiver.calls.filter(({ path }) => path === '/s')).toEqual([]);
  });
});

describe('templates', () => {
  it('word messages; a message keeps the words it was made with, and a county without any gets the built-in ones', async () => {
    const town = freshTown();
    const official = randomUUID();
    const token = await county.official(official, town);
    const messages = async (): Promise<{ title: { zh: string }; templateVersion: number | null }[]> =>
      county.every('notification', '/v1/messages', token);
    await happen(visitDue({ division: `${town}201`, officialId: official }));
    const policies = (await get('/policies', token)).body as { items: { code: string; version: number; source: string; body: { kinds: object } }[] };
    const sample = policies.items.find(({ code }) => code === 'message-templates')!;
    expect(sample).toMatchObject({ version: 4, source: 'sample' });
    const body = { kinds: { ...sample.body.kinds, 'visit-due': { zh: { title: '督导提醒:{establishmentName}' }, en: { title: 'Visit {establishmentName}' } } } };
    await county.rows('notification', `insert into policy (division, code, version, body, source) values ($1, 'message-templates', 5, $2, 'sample')`, [countyCode, JSON.stringify(body)]);
    await happen(visitDue({ division: `${town}201`, officialId: official }));
    expect((await messages()).map(({ title, templateVersion }) => [title.zh, templateVersion]).sort()).toEqual([
      ['督导提醒:老王饭店', 5], ['请于2026-12-31前督导“老王饭店”', 4],
    ]);
    const elsewhere = randomUUID();
    await happen(visitDue({ division: '371482101201', officialId: elsewhere }));
    const [foreign] = await county.every<{ title: { zh: string }; templateVersion: number | null }>('notification', '/v1/messages', await county.official(elsewhere, '371482101'));
    expect(foreign).toMatchObject({ title: { zh: '请于2026-12-31前督导“老王饭店”' }, templateVersion: null });
  }); // prettier-ignore
});

describe('the settings of notification', () => {
  const reading = (env: NodeJS.ProcessEnv): NotificationConfig => new NotificationConfig(new Settings(env)); // prettier-ignore

  it('may all be missing, or none', () => {
    for (const env of [{}, { SMTP_URL: 'none', SMTP_FROM: 'none', NOTIFICATION_KEYS: 'none', PUBLIC_URL: 'none', WEBHOOK_ALLOW_INWARD: 'none', WEBHOOK_DNS: 'none' }])
      expect(reading(env)).toEqual({ keys: [], mail: undefined, publicUrl: undefined, allowInward: [], allowHttp: false, ports: [443, 8443], dns: undefined, timeoutMs: 10_000 });
  }); // prettier-ignore

  it('name whatever is wrong, and no secret', () => {
    const env = { NOTIFICATION_KEYS: 'short', SMTP_URL: 'http://u:geheim@mail', SMTP_FROM: 'a\nb', WEBHOOK_ALLOW_INWARD: '10.0.0.0', WEBHOOK_ALLOW_HTTP: 'yes', WEBHOOK_PORTS: '0', WEBHOOK_DNS: 'dns', DELIVERY_TIMEOUT_MS: '1', PUBLIC_URL: 'county' }; // prettier-ignore
    let message = '';
    try {
      reading(env);
    } catch (error) {
      message = (error as Error).message;
    }
    for (const name of Object.keys(env)) expect(message).toContain(name);
    expect(message).not.toMatch(/geheim|short/);
    expect(() => reading({ SMTP_URL: 'smtps://mail.example' })).toThrow(/both of SMTP_URL and SMTP_FROM/); // prettier-ignore
    expect(() => reading({ SMTP_URL: 'smtps://mail.example?tls=none', SMTP_FROM: 'a@b' })).toThrow(/SMTP_URL/); // prettier-ignore
  });
});
