import { randomUUID } from 'node:crypto';
import {
  AccountChanged,
  type Envelope,
  ObligationOpened,
  OfficialChanged,
  subjectOf,
} from '#contracts';
import { County, eventually } from '#testing';
import { jetstream } from '@nats-io/jetstream';
import { type NatsConnection } from '@nats-io/transport-node';
import { v7 as uuidv7 } from 'uuid';
import { notification } from '../src/notification.definition.js';
import { type Subscription } from '../src/subscription.service.js';
import { type Mail, type MailServerDouble, startMailServer, trustTestCertificate } from './outside.js'; // prettier-ignore

/* Nothing is sent to somebody who has left: whatever order, delay or repetition the facts of it come in. */

const [countyCode, townA, townB] = ['371425', '371425101', '371425102'];

let county: County;
let bus: NatsConnection;
let mail: MailServerDouble;
let now = new Date('2026-11-23T01:00:00Z');

beforeAll(async () => {
  trustTestCertificate();
  mail = await startMailServer();
  county = await County.start([notification], {
    env: {
      NOTIFICATION_KEYS: 'only-for-tests-only-for-tests-only-for-tests',
      SMTP_URL: `smtp://foodwarden:right@127.0.0.1:${mail.port}`,
      SMTP_FROM: 'no-reply@county.example',
      WEBHOOK_ALLOW_INWARD: '127.0.0.1/32',
    },
  });
  bus = await county.bus('deploy');
  await county.clock('notification', now.toISOString());
}, 120_000);
afterAll(async () => {
  await bus.close();
  await county.stop();
  await mail.stop();
}, 60_000);
afterEach(async () => {
  mail.refuse = undefined;
  await county.quiet();
});

const envelope = (type: string, owner: string, subject: string, division: string, sequence: number, data: object): Envelope => ({
  specversion: '1.0', id: uuidv7(), type, source: `/services/${owner}`, subject, time: now.toISOString(),
  datacontenttype: 'application/json', division, sequence, actor: 'test', correlationid: randomUUID(), data,
}); // prettier-ignore

/** One at a time, so that the order is the one that is given. */
async function happen(...facts: Envelope[]): Promise<void> {
  for (const fact of facts) {
    await jetstream(bus).publish(subjectOf(fact.type, fact.division), JSON.stringify(fact), { msgID: randomUUID() }); // prettier-ignore
    await eventually(
      () => county.rows('notification', 'select 1 from inbox where event_id = $1', [fact.id]),
      ({ length }) => length === 1,
    );
  }
}

interface Person {
  account: string;
  official: string;
  token: string;
}
async function person(division = townA): Promise<Person> {
  const [account, official] = [randomUUID(), randomUUID()];
  return { account, official, token: await county.official(official, division, account) };
}
/** What assignment says of him. */
const serves = ({ official }: Person, sequence: number, division: string, active = true): Envelope =>
  envelope(OfficialChanged.type, 'assignment', official, division, sequence, { officialId: official, division, level: 'village', name: '王', post: '书记', active }); // prettier-ignore
/** What identity says of his account. */
const acts = ({ account, official }: Person, version: number, over: object = {}, division = townA): Envelope =>
  envelope(AccountChanged.type, 'identity', account, division, version, { accountId: account, division, role: 'official', official, active: true, version, ...over }); // prettier-ignore
const visitDue = ({ official }: Person, division = `${townA}201`): Envelope => {
  const subject = randomUUID();
  return envelope(ObligationOpened.type, 'inspection', subject, division, 1, {
    obligationId: subject, division, establishmentId: randomUUID(), establishmentName: '老王饭店', period: '2026-Q4', dueOn: '2026-12-31', state: 'open', officialId: official, inspectionId: null,
  });
}; // prettier-ignore

let serial = 0;
const post = (
  path: string,
  token: string,
  body: object,
): Promise<{ status: number; body: unknown }> =>
  county.call('notification', 'POST', `/v1/subscriptions${path}`, { token, body });
async function subscribe({ token }: Person): Promise<Subscription> {
  const answer = await post('', token, { channel: 'email', address: `p${(serial += 1)}@county.example` }); // prettier-ignore
  expect([answer.status, answer.body]).toEqual([201, expect.objectContaining({ state: 'unconfirmed', endReason: null })]); // prettier-ignore
  return answer.body as Subscription;
}
/** Whoever has left can ask no more: his county can. */
const now_ = async ({ id }: Subscription): Promise<Subscription> =>
  (await county.call('notification', 'GET', `/v1/subscriptions/${id}`, { token: await county.token('county-admin', countyCode) })).body as Subscription; // prettier-ignore
const mailsTo = (address: string): Mail[] => mail.mails.filter(({ to }) => to.includes(address));
async function confirmed(one: Person): Promise<Subscription> {
  const made = await subscribe(one);
  const [sent] = await eventually(async () => mailsTo(made.address!), ({ length }) => length > 0); // prettier-ignore
  const answer = await post(`/${made.id}/confirmation`, one.token, { code: /\d{8}/.exec(sent!.text)![0] }); // prettier-ignore
  expect(answer).toMatchObject({ status: 200, body: { state: 'active' } });
  return made;
}
const deliveries = ({ id }: Subscription): Promise<{ kind: string; state: string }[]> =>
  county.rows('notification', `select kind, state from delivery where subscription_id = $1 order by id`, [id]); // prettier-ignore

function permutations<T>(list: T[]): T[][] {
  if (list.length < 2) return [list];
  return list.flatMap((one, at) =>
    permutations([...list.slice(0, at), ...list.slice(at + 1)]).map((rest) => [one, ...rest]),
  );
}

describe('what becomes of a subscription', () => {
  it.each<[string, (one: Person) => Envelope[], string]>([
    ['its official has left', (one) => [serves(one, 2, `${townA}201`, false)], 'ended'],
    ['its official left and came back', (one) => [serves(one, 2, `${townA}201`, false), serves(one, 3, `${townA}201`)], 'ended'],
    ['its official serves in another township', (one) => [serves(one, 2, `${townB}201`)], 'ended'],
    ['its official went to another township and back', (one) => [serves(one, 2, `${townB}201`), serves(one, 3, `${townA}202`)], 'ended'],
    ['its official has another village of the township', (one) => [serves(one, 2, `${townA}202`), serves(one, 3, `${townA}203`)], 'unconfirmed'],
    ['its account is closed', (one) => [acts(one, 2, { active: false })], 'ended'],
    ['its account is closed and opened again', (one) => [acts(one, 2, { active: false }), acts(one, 3)], 'ended'],
    ['its account acts as an office', (one) => [acts(one, 1), acts(one, 2, { role: 'office', official: null })], 'ended'],
    ['its account is another official’s', (one) => [acts(one, 2, { official: randomUUID() }), acts(one, 3, {})], 'ended'],
    ['its account has another place', (one) => [acts(one, 2, {}, townB), acts(one, 3, { active: true }, townB)], 'ended'],
    ['its account has another password or name', (one) => [acts(one, 1), acts(one, 2), acts(one, 3)], 'unconfirmed'],
    ['its official and its account were both changed otherwise', (one) => [serves(one, 2, `${townA}202`), acts(one, 2), acts(one, 4)], 'unconfirmed'],
  ])('when %s, is the same in every order of the facts', async (_, facts, state) => {
    for (const order of permutations([0, 1, 2])) {
      const one = await person();
      const made = await subscribe(one);
      const set = facts(one);
      const given = order.flatMap((at) => set[at] ?? []);
      await happen(...given, ...given.map((fact) => ({ ...fact, id: uuidv7() }))); // and each once more
      expect([order, (await now_(made)).state]).toEqual([order, state]);
      if (set.length === 1) break;
    }
  }, 60_000); // prettier-ignore

  it('is told with its reason, and nothing of what was queued is sent', async () => {
    const one = await person();
    const made = await confirmed(one);
    mail.refuse = { code: 451, text: 'later' };
    await happen(visitDue(one));
    await eventually(() => deliveries(made), (found) => found.at(-1)?.state === 'failed'); // prettier-ignore
    await happen(serves(one, 2, `${townA}201`, false));
    expect(await now_(made)).toMatchObject({ state: 'ended', endReason: 'official-left', endedAt: now.toISOString() }); // prettier-ignore
    expect(await deliveries(made)).toEqual([{ kind: 'confirmation', state: 'delivered' }, { kind: 'visit-due', state: 'cancelled' }]); // prettier-ignore
    mail.refuse = undefined;
    await happen(visitDue(one));
    now = new Date(now.getTime() + 24 * 3_600_000);
    await county.clock('notification', now.toISOString());
    // A mail of somebody else goes out after it: the run has looked at whatever is due.
    const mark = await confirmed(await person());
    expect((await now_(mark)).state).toBe('active');
    expect(mailsTo(made.address!)).toHaveLength(1); // the code
    expect((await deliveries(made)).length).toBe(2);
  }, 60_000);

  it('ends in place of a mail, when its account was moved to another county by the deploy step', async () => {
    const one = await person();
    const made = await confirmed(one);
    await happen(acts(one, 2, {}, '371482101')); // applied in that county, where none of this is seen
    await happen(visitDue(one));
    await eventually(() => now_(made), ({ state }) => state === 'ended'); // prettier-ignore
    expect(await now_(made)).toMatchObject({ endReason: 'account-changed' });
    expect(mailsTo(made.address!)).toHaveLength(1); // the code
    expect((await deliveries(made)).map(({ state }) => state)).toEqual(['delivered', 'cancelled']);
  });

  it('is not made by somebody who has left, with a token that has not heard of it', async () => {
    const wanted = { channel: 'email', address: 'late@county.example' };
    const left = await person();
    await happen(serves(left, 2, `${townA}201`, false), serves(left, 1, `${townA}201`));
    expect(await post('', left.token, wanted)).toMatchObject({ status: 409, body: { code: 'wrong-state' } }); // prettier-ignore
    const moved = await person();
    await happen(serves(moved, 2, `${townB}201`));
    expect(await post('', moved.token, wanted)).toMatchObject({ status: 409 });
    const office = randomUUID();
    const token = await county.token('office', townA, {}, office);
    expect((await county.call('notification', 'GET', '/v1/subscriptions', { token })).status).toBe(
      200,
    ); // believed for three seconds
    await happen(acts({ account: office, official: '', token }, 1, { role: 'office', official: null, active: false })); // prettier-ignore
    expect([401, 409]).toContain((await post('', token, wanted)).status); // by the guard, or, where the token is still believed, here
  });

  it('made after somebody came back is not ended by what is told late of the time before', async () => {
    const one = await person();
    await happen(serves(one, 3, `${townA}201`), acts(one, 4));
    const made = await subscribe(one);
    await happen(serves(one, 2, `${townA}201`, false), acts(one, 3, { active: false }));
    expect((await now_(made)).state).toBe('unconfirmed');
  });

  it('by webhook is its place’s, and stays when the one who registered it is gone', async () => {
    const account = randomUUID();
    const token = await county.token('office', townB, {}, account);
    const made = await post('', token, { channel: 'webhook', url: 'https://127.0.0.1:443/x' });
    expect([made.status, made.body]).toEqual([201, expect.anything()]);
    await happen(acts({ account, official: '', token }, 2, { role: 'office', official: null, active: false }, townB)); // prettier-ignore
    expect(await now_(made.body as Subscription)).toMatchObject({ state: 'active' });
  });
});
