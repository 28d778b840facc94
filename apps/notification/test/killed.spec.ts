import { randomUUID } from 'node:crypto';
import { ObligationOpened, subjectOf } from '#contracts';
import { eventually, Fleet } from '#testing';
import { jetstream } from '@nats-io/jetstream';
import { v7 as uuidv7 } from 'uuid';
import { keyHashOf, signatureOf, signingSecretOf } from '../src/secrets.js';
import { type MailServerDouble, type Receiver, startMailServer, startReceiver } from './outside.js';

const key = 'only-for-tests-only-for-tests-only-for-tests';
const village = '371425101201';

let mail: MailServerDouble;
let receiver: Receiver;
let fleet: Fleet;

beforeAll(async () => {
  mail = await startMailServer({ authOptional: true });
  receiver = await startReceiver({ secure: false });
  fleet = await Fleet.make(['notification'], {
    NOTIFICATION_KEYS: `another-key-that-is-newer-than-the-subscription,${key}`,
    SMTP_URL: `smtp://127.0.0.1:${mail.port}?tls=none`,
    SMTP_FROM: 'no-reply@county.example',
    WEBHOOK_ALLOW_INWARD: '127.0.0.1/32',
    WEBHOOK_ALLOW_HTTP: 'true',
    WEBHOOK_PORTS: String(receiver.port),
  });
  await fleet.startNats();
  await fleet.deployBus();
}, 120_000);
afterAll(async () => {
  await fleet.stop();
  await Promise.all([mail.stop(), receiver.stop()]);
}, 60_000);

describe('notification, killed between sending and recording', () => {
  it('sends again under the same id when the lease is over: at least once, and the receiver can tell', async () => {
    const official = randomUUID();
    const [byMail, byWebhook] = [randomUUID(), randomUUID()];
    await fleet.clock('notification', '2026-11-23T09:00:00+08:00');
    await fleet.rows(
      'notification',
      `insert into subscription (id, division, version, channel, state, account, role, official_id, address, url, language, key_hash, created_at) values
         ($1, '371425101', 1, 'email', 'active', 'wang', 'official', $3, 'wang@county.example', null, 'en', $4, now()),
         ($2, '371425101', 1, 'webhook', 'active', 'office', 'office', null, null, $5, 'zh-CN', $4, now())`,
      [byMail, byWebhook, official, keyHashOf(key), `http://127.0.0.1:${receiver.port}/in`],
    );
    // Both have it, and the process dies before either has answered.
    let kill: (() => void) | undefined;
    const killed = new Promise<void>((done) => (kill = done));
    let here = 0;
    const arrived = (): void => {
      here += 1;
      if (here === 2) void fleet.kill('notification', 'SIGKILL').then(() => kill?.());
    };
    mail.before = async () => {
      arrived();
      await killed;
    };
    receiver.answer = () => arrived();
    await fleet.run('notification');

    const subject = randomUUID();
    const data = { obligationId: subject, division: village, establishmentId: randomUUID(), establishmentName: '老王饭店', period: '2026-Q4', dueOn: '2026-12-31', state: 'open', officialId: official, inspectionId: null }; // prettier-ignore
    const fact = { specversion: '1.0', id: uuidv7(), type: ObligationOpened.type, source: '/services/inspection', subject, time: '2026-11-23T01:00:00Z', datacontenttype: 'application/json', division: village, sequence: 1, actor: 'test', correlationid: randomUUID(), data }; // prettier-ignore
    const bus = await fleet.bus('inspection');
    await jetstream(bus).publish(subjectOf(fact.type, village), JSON.stringify(fact), { msgID: fact.id }); // prettier-ignore
    await bus.close();
    await killed;
    expect(await fleet.rows('notification', `select 1 from delivery where state <> 'queued' or attempts <> '[]'`)).toEqual([]); // prettier-ignore

    mail.before = undefined;
    receiver.answer = undefined;
    await fleet.run('notification');
    await fleet.clock('notification', '2026-11-23T09:03:01+08:00');
    const states = await eventually(
      () => fleet.rows<{ id: string; state: string; attempts: unknown[]; message: string }>('notification', 'select id, state, attempts, message_id as message from delivery order by channel'), // prettier-ignore
      (rows) => rows.every(({ state }) => state === 'delivered'),
    );
    expect(states.map(({ attempts }) => attempts.length)).toEqual([1, 1]);
    expect(mail.mails.map(({ headers }) => headers.get('message-id'))).toEqual([
      [`<${states[0]!.id}@county.example>`],
      [`<${states[0]!.id}@county.example>`],
    ]);
    expect(receiver.calls.map(({ body }) => (JSON.parse(body) as { id: string }).id)).toEqual([
      `${states[1]!.message}.1`,
      `${states[1]!.message}.1`,
    ]);
    // Signed with the key that the subscription was made with, though a newer one stands before it.
    for (const { headers, body } of receiver.calls)
      expect(headers['foodwarden-signature']).toBe(
        signatureOf(signingSecretOf(key, byWebhook), String(headers['foodwarden-timestamp']), body),
      );
  }, 60_000);

  it('tells whoever runs it once that the mail server is away', async () => {
    await mail.stop();
    const told = (): number =>
      fleet.log.split('"msg":"DeliveryRun: the mail server takes nothing (ESOCKET)').length - 1;
    for (const attempts of [1, 2]) {
      await fleet.rows('notification', `update delivery set state = 'queued', tries = 0, attempts = case when $1 = 1 then '[]' else attempts end, next_at = app_now(), leased_until = null, delivered_at = null where channel = 'email'`, [attempts]); // prettier-ignore
      await eventually(
        () => fleet.rows<{ n: number }>('notification', `select jsonb_array_length(attempts) as n from delivery where channel = 'email'`), // prettier-ignore
        ([delivery]) => delivery?.n === attempts,
      );
      await eventually(() => Promise.resolve(told()), (n) => n === 1); // prettier-ignore
    }
  }, 60_000);
});
