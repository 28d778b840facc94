import { createHash, randomUUID } from 'node:crypto';
import { type Envelope, subjectOf } from '#contracts';
import {
  type Answer, County, eventually, freshTownship, jpeg, pdf, png, type Township,
} from '#testing'; // prettier-ignore
import { jetstream } from '@nats-io/jetstream';
import { type NatsConnection } from '@nats-io/transport-node';
import fc from 'fast-check';
import { v7 as uuidv7 } from 'uuid';
import { notification } from '../apps/notification/src/notification.definition.js';
import { assignment } from '../apps/assignment/src/assignment.definition.js';
import { training } from '../apps/training/src/training.definition.js';

interface Undertaking {
  id: string;
  division: string;
  version: number;
  officialId: string;
  officialName: string;
  state: 'open' | 'signed' | 'stale' | 'superseded';
  establishmentCount: number;
  listSha256: string;
  documentSha256: string;
  signedAt: string | null;
  signedBy: string | null;
  staleReason: string | null;
  staleAdded: number | null;
  staleRemoved: number | null;
  copy: { sha256: string; mime: string; size: number; uploadedBy: string } | null;
}
interface Whole extends Undertaking {
  establishments: { establishmentId: string; name: string; division: string; tier: string }[];
}
interface Official {
  id: string;
  name: string;
  division: string;
}

const countyCode = '371425';
let county: County;
let bus: NatsConnection;
let admin: string;
let second: string;
beforeAll(async () => {
  county = await County.start([assignment, notification, training]);
  bus = await county.bus('deploy');
  admin = await county.token('county-admin', countyCode);
  second = await county.token('county-admin', countyCode);
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(async () => {
  await bus?.close();
  await county?.stop();
});

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const get = async <T>(path: string, token = admin): Promise<T> => {
  const { status, body } = await county.call('assignment', 'GET', path, { token });
  if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
  return body as T;
};
const open = (body: object, token = admin): Promise<Answer> =>
  county.call('assignment', 'POST', '/v1/undertakings', { token, body });
const of = (official: Official, token = admin): Promise<Undertaking[]> =>
  county.every<Undertaking>('assignment', `/v1/undertakings?official=${official.id}`, token);
/** The one that is no history. */
async function current(official: Official): Promise<Undertaking> {
  const [one, ...more] = (await of(official)).filter(({ state }) => state !== 'superseded');
  expect(more).toEqual([]);
  return one!;
}
const as = (official: Official): Promise<string> =>
  county.official(official.id, official.division.slice(0, 9));
const sign = async (official: Official, id: string, documentSha256: string, signedName = official.name): Promise<Answer> =>
  county.call('assignment', 'POST', `/v1/undertakings/${id}/signature`, { token: await as(official), body: { signedName, documentSha256 } }); // prettier-ignore
async function signed(official: Official): Promise<Undertaking> {
  const { id, documentSha256 } = await current(official);
  const answer = await sign(official, id, documentSha256);
  expect(answer).toMatchObject({ status: 200, body: { state: 'signed' } });
  return answer.body as Undertaking;
}

/** What registry says of an establishment: a fact on its stream, as its relay sends it. */
async function say(
  id: string,
  sequence: number,
  division: string,
  what: object = {},
): Promise<void> {
  const type = sequence === 1 ? 'registry.establishment.registered.v1' : 'registry.establishment.changed.v1'; // prettier-ignore
  const fact: Envelope = {
    specversion: '1.0', id: uuidv7(), type, source: '/services/registry', subject: id, time: new Date().toISOString(),
    datacontenttype: 'application/json', division, sequence, actor: 'test', correlationid: randomUUID(),
    data: { establishmentId: id, division, name: `店${id.slice(-4)}`, kind: 'stall', tier: 'D', status: 'open', ...what },
  }; // prettier-ignore
  await jetstream(bus).publish(subjectOf(type, division), JSON.stringify(fact));
}
const applied = (): Promise<void> => county.quiet();

async function officialsOf(division: string, names: string[], level = 'village'): Promise<Official[]> {
  const made = names.map((name) => ({ id: uuidv7(), name, division }));
  await county.rows(
    'assignment',
    `insert into official (id, division, version, level, name, post, phone, created_at, changed_at)
     select id, $2, 1, $3, name, '书记', '19900000001', now(), now() from jsonb_to_recordset($1::jsonb) as t(id uuid, name text)`,
    [JSON.stringify(made), division, level],
  );
  return made;
} // prettier-ignore
async function shopsOf(division: string, count: number, tier = 'D'): Promise<string[]> {
  const made = Array.from({ length: count }, () => uuidv7());
  for (const id of made) await say(id, 1, division, { tier });
  await applied();
  return made;
}
/** A proposal in a person's words, approved: who answers for what. */
async function approve(division: string, lines: [shop: string, official: Official][], tier = 'D'): Promise<Answer> {
  const id = uuidv7();
  const counts = {
    establishments: lines.length, assigned: lines.length, kept: 0, moved: 0, noOfficialAtLevel: 0, capReached: 0, untrained: 0, skipped: 0,
  };
  await county.rows(
    'assignment',
    `with made as (insert into proposal (id, division, version, state, counts, proposed_by, proposed_at) values ($1, $2, 1, 'open', $5, 'somebody', now()))
     insert into proposal_line (proposal_id, division, establishment_id, tier, official_id, basis)
     select $1, p.division, p.establishment_id, $4, (t.line->>1)::uuid, 'spread'
     from jsonb_array_elements($3::jsonb) as t(line) join premises p on p.establishment_id = (t.line->>0)::uuid`,
    [id, division, JSON.stringify(lines.map(([shop, official]) => [shop, official.id])), tier, JSON.stringify(counts)],
  );
  const open = await county.rows('assignment', `select 1 as one from premises where status = 'open' and establishment_id = any($1)`, [lines.map(([shop]) => shop)]);
  const answer = await county.call('assignment', 'POST', `/v1/proposals/${id}/approval`, { token: second });
  expect(answer.status).toBe(open.length > 0 ? 200 : 409); // nothing is left of it
  return answer;
} // prettier-ignore

interface Ground {
  town: Township;
  village: string;
  office: string;
  first: Official;
  other: Official;
  shops: string[];
}
/** Two officials of one village; the first answers for three shops. */
async function ground(): Promise<Ground> {
  const town = freshTownship();
  const village = town.villages[0]!.code;
  const [first, other] = (await officialsOf(village, ['王秀英', '李 强'])) as [Official, Official];
  const shops = await shopsOf(village, 3);
  await approve(town.code, shops.map((shop) => [shop, first]));
  return { town, village, office: await county.token('office', town.code), first, other, shops };
} // prettier-ignore

it('is opened by the approval, read, signed by the official himself, once', async () => {
  const { town, office, first, other, shops, village } = await ground();
  const opened = await current(first);
  expect(opened).toMatchObject({ state: 'open', establishmentCount: 3, division: village, officialName: '王秀英' }); // prettier-ignore
  expect(opened.listSha256).toBe(sha256([...shops].sort().join('\n')));
  const whole = await get<Whole>(`/v1/undertakings/${opened.id}`, office);
  expect(whole.establishments.map(({ establishmentId }) => establishmentId)).toEqual([...shops].sort()); // prettier-ignore
  expect(await open({ division: town.code }, office)).toMatchObject({ status: 200, body: { officials: 1, opened: 0, kept: 1 } }); // prettier-ignore

  const answer = await fetch(`${county.base('assignment').href}/v1/undertakings/${opened.id}/document`, { headers: { authorization: `Bearer ${await as(first)}` } }); // prettier-ignore
  const page = await answer.text();
  expect(sha256(page)).toBe(opened.documentSha256);
  expect(page).toContain('村(社区)级包保干部食品安全工作承诺书');
  for (const shop of shops) expect(page).toContain(`店${shop.slice(-4)}`);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'content-disposition': `attachment; filename="undertaking-${opened.id}.html"`,
    'x-content-type-options': 'nosniff',
    'content-security-policy': expect.stringMatching(/^sandbox; default-src 'none'/) as string,
  });

  expect(await sign(first, opened.id, sha256('another'))).toMatchObject({ status: 409, body: { code: 'document-differs' } }); // prettier-ignore
  expect(await sign(first, opened.id, opened.documentSha256, '别人')).toMatchObject({ status: 422, body: { code: 'validation-failed' } }); // prettier-ignore
  expect(await sign(other, opened.id, opened.documentSha256)).toMatchObject({ status: 404 });
  const asOffice = await county.call('assignment', 'POST', `/v1/undertakings/${opened.id}/signature`, { token: office, body: { signedName: '王秀英', documentSha256: opened.documentSha256 } }); // prettier-ignore
  expect(asOffice).toMatchObject({ status: 403 });
  const done = await signed(first);
  expect(done.signedAt).not.toBeNull();
  expect(await sign(first, opened.id, opened.documentSha256, ' 王 秀英')).toMatchObject({ status: 200, body: done }); // prettier-ignore
  const facts = await county.rows<{ type: string; state: string }>('assignment', `select type, event->'data'->>'state' as state from journal where aggregate_id = $1 order by sequence`, [opened.id]); // prettier-ignore
  expect(facts).toEqual([
    { type: 'assignment.undertaking.opened.v1', state: 'open' },
    { type: 'assignment.undertaking.signed.v1', state: 'signed' },
  ]);
}, 60_000);

it('is made anew when his name is corrected, unless he has signed it; and the others hear the name', async () => {
  const { office, first, other, shops, town } = await ground();
  await approve(town.code, [[shops[0]!, other]]);
  const sealed = await signed(other);
  const rename = (official: Official, name: string): Promise<Answer> =>
    county.call('assignment', 'PATCH', `/v1/officials/${official.id}`, { token: office, body: { name }, headers: { 'if-match': '"1"' } }); // prettier-ignore
  expect(await rename(first, '王秀瑛')).toMatchObject({ status: 200, body: { version: 2 } });
  expect(await rename(other, '李 墙')).toMatchObject({
    status: 200,
    body: { version: 2, name: '李墙' },
  });
  const next = await current(first);
  expect(next).toMatchObject({ state: 'open', officialName: '王秀瑛', establishmentCount: 2 });
  expect((await of(first)).at(-2)).toMatchObject({ state: 'superseded', staleReason: 'official-corrected', officialName: '王秀英' }); // prettier-ignore
  expect(await sign(first, next.id, next.documentSha256, '王秀瑛')).toMatchObject({ status: 200 });
  expect(await current(other)).toMatchObject({
    id: sealed.id,
    state: 'signed',
    officialName: '李 强',
  });
  await applied();
  const heard = await county.every<{ name: string }>('training', `/v1/indicators/officials-trained/rows?division=${town.code}`, office); // prettier-ignore
  expect(heard.map(({ name }) => name).sort()).toEqual(['李墙', '王秀瑛'].sort());
}, 60_000);

it('is stale by a reassignment, for him who lost and him who gained, and the next one is there to sign', async () => {
  const { town, first, other, shops } = await ground();
  const before = await signed(first);
  await approve(town.code, [[shops[0]!, other]]);
  const [old, next] = await of(first);
  expect(old).toMatchObject({ id: before.id, state: 'superseded', staleReason: 'proposal-approved', staleAdded: 0, staleRemoved: 1, signedAt: before.signedAt }); // prettier-ignore
  expect(next).toMatchObject({ state: 'open', establishmentCount: 2 });
  expect(await current(other)).toMatchObject({ state: 'open', establishmentCount: 1 });
  expect(await sign(first, before.id, before.documentSha256)).toMatchObject({ status: 409, body: { code: 'wrong-state' } }); // prettier-ignore
  // What changes nothing for him leaves his signature alone.
  const again = await signed(first);
  await approve(town.code, [[shops[0]!, other], [shops[1]!, first]]); // prettier-ignore
  expect(await current(first)).toEqual(again);
  // Nobody answers for nothing: stale, and no new one.
  await approve(town.code, [[shops[1]!, other], [shops[2]!, other]]); // prettier-ignore
  expect(await current(first)).toMatchObject({ id: again.id, state: 'stale', staleRemoved: 2 });
  await county.quiet();
}, 60_000);

it('is stale by a closure however often and late it is told, and by a new establishment', async () => {
  const { town, village, office, first, shops } = await ground();
  const before = await signed(first);
  await say(shops[0]!, 3, village, { name: '改了名' }); // a list is which establishments: a new name changes nothing
  await applied();
  expect(await current(first)).toEqual(before);
  // The reopening (3) has overtaken the closure (2): late, and twice.
  await say(shops[0]!, 2, village, { status: 'closed' });
  await say(shops[0]!, 2, village, { status: 'closed' });
  await applied();
  const stale = await current(first);
  expect(stale).toMatchObject({ id: before.id, version: before.version + 1, state: 'stale', staleReason: 'establishment-closed', staleAdded: 0, staleRemoved: 1 }); // prettier-ignore
  await say(shops[1]!, 2, village, { status: 'closed' });
  await applied();
  expect(await current(first)).toEqual(stale); // stale once
  expect(await sign(first, before.id, before.documentSha256)).toMatchObject({ status: 409, body: { code: 'wrong-state' } }); // prettier-ignore

  const opened = await open({ officialId: first.id }, office);
  expect(opened).toMatchObject({ status: 200, body: { officials: 1, opened: 1, kept: 0 } });
  expect(await open({ division: village, officialId: first.id }, office)).toMatchObject({ body: { opened: 0, kept: 1 } }); // prettier-ignore
  const next = await signed(first);
  expect(next.establishmentCount).toBe(1);
  const [late] = await shopsOf(village, 1);
  await approve(town.code, [[late!, first]]);
  expect(await of(first)).toMatchObject([
    { state: 'superseded' },
    { id: next.id, state: 'superseded', staleReason: 'proposal-approved', staleAdded: 1 },
    { state: 'open', establishmentCount: 2 },
  ]);

  // Told once: each that was opened, each that became stale.
  await county.quiet();
  const told = await county.rows<{ kind: string; subject: string; times: number }>(
    'notification',
    `select kind, subject_id as subject, count(*)::int as times from message where official_id = $1 and kind like 'undertaking-%' group by 1, 2 order by 2, 1`,
    [first.id],
  );
  const [one, two, three] = await of(first);
  expect(told).toEqual([
    { kind: 'undertaking-due', subject: one!.id, times: 1 },
    { kind: 'undertaking-stale', subject: one!.id, times: 1 },
    { kind: 'undertaking-due', subject: two!.id, times: 1 },
    { kind: 'undertaking-stale', subject: two!.id, times: 1 },
    { kind: 'undertaking-due', subject: three!.id, times: 1 },
  ]);
  // The office is asked to make the next one where nobody else does: after an approval it is there.
  const asked = await county.every<{ subjectId: string; title: { zh: string }; audience: string; division: string }>('notification', '/v1/messages?kind=undertaking-renewal&mine=true', office); // prettier-ignore
  expect(asked).toMatchObject([{ subjectId: one!.id, audience: 'office', division: town.code, title: { zh: expect.stringContaining('请为其生成新承诺书') as unknown } }]); // prettier-ignore
  const own = await county.every<{ kind: string; title: { zh: string; en: string } }>('notification', '/v1/messages?kind=undertaking-due', await as(first)); // prettier-ignore
  expect(own.map(({ title }) => title.zh)).toEqual(['请签署承诺书(包保主体2户)', '请签署承诺书(包保主体1户)', '请签署承诺书(包保主体3户)']); // prettier-ignore
  expect(own[1]!.title.en).toBe('Please sign your undertaking (establishments: 1)');
}, 60_000);

it('takes the scan of what was signed by hand, by its content, from the official or his office', async () => {
  const { office, first, other, town, village } = await ground();
  const { id } = await signed(first);
  const put = (token: string, file: Uint8Array, name: string, headers = {}): Promise<Answer> =>
    county.upload('assignment', `/v1/undertakings/${id}/copy`, token, file, name, headers);
  const own = await as(first);
  expect((await county.call('assignment', 'GET', `/v1/undertakings/${id}/copy`, { token: own })).status).toBe(404); // prettier-ignore

  expect(await put(own, Buffer.from('<script>alert(1)</script>'), 'scan.pdf')).toMatchObject({ status: 422, body: { code: 'file-kind' } }); // prettier-ignore
  expect(await put(own, Buffer.concat([Buffer.from('RIFF\x1a\0\0\0WEBPVP8L'), Buffer.alloc(14)]), 'scan.jpg')).toMatchObject({ status: 422, body: { code: 'file-kind' } }); // prettier-ignore
  expect(await put(own, png(10 * 1024 * 1024 + 1), 'scan.png')).toMatchObject({ status: 413, body: { code: 'file-too-large' } }); // prettier-ignore
  expect(await county.call('assignment', 'POST', `/v1/undertakings/${id}/copy`, { token: own, body: {} })).toMatchObject({ status: 415 }); // prettier-ignore
  expect((await current(first)).copy).toBeNull();

  const scan = png();
  const key = { 'idempotency-key': randomUUID() };
  const kept = await put(own, scan, 'really-a-png.pdf', key);
  const hash = createHash('sha256').update(scan).digest('hex');
  expect(kept).toMatchObject({ status: 200, body: { state: 'signed', version: 3, copy: { sha256: hash, mime: 'image/png', size: scan.length } } }); // prettier-ignore
  expect(await put(own, scan, 'again.png')).toMatchObject({ status: 200, body: kept.body as object }); // prettier-ignore
  expect(await put(own, scan, 'the same.png', key)).toMatchObject({ status: 200, body: kept.body as object }); // prettier-ignore
  expect(await put(own, jpeg(), 'other.jpg', key)).toMatchObject({ status: 422, body: { code: 'key-reused' } }); // prettier-ignore
  const answer = await fetch(`${county.base('assignment').href}/v1/undertakings/${id}/copy`, { headers: { authorization: `Bearer ${office}` } }); // prettier-ignore
  expect(Buffer.from(await answer.arrayBuffer()).equals(scan)).toBe(true);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'image/png',
    'content-disposition': `attachment; filename="undertaking-${id}.png"`,
    'x-content-type-options': 'nosniff',
    'content-security-policy': expect.stringContaining('sandbox') as string,
  });

  const better = pdf();
  expect(await put(office, better, 'scan.pdf')).toMatchObject({ status: 200, body: { version: 4, copy: { mime: 'application/pdf' } } }); // prettier-ignore
  const rows = await county.rows<{ sha256: string }>('assignment', `select sha256 from undertaking_copy where undertaking_id = $1 order by id`, [id]); // prettier-ignore
  expect(rows.map(({ sha256: one }) => one)).toEqual([hash, createHash('sha256').update(better).digest('hex')]); // prettier-ignore
  for (const token of [await as(other), await county.token('office', freshTownship().code)])
    expect(await put(token, pdf(), 'scan.pdf')).toMatchObject({ status: 404 });
  expect(await put(await county.token('auditor', town.code), pdf(), 'scan.pdf')).toMatchObject({ status: 403 }); // prettier-ignore
  const [late] = await shopsOf(village, 1);
  await approve(town.code, [[late!, first]]);
  expect(await put(own, pdf(), 'late.pdf')).toMatchObject({ status: 409, body: { code: 'wrong-state' } }); // prettier-ignore
}, 60_000);

it('lies on the ground of the post: an office neither opens nor sees the county’s, nor another township’s', async () => {
  const { town, village, office, first } = await ground();
  const [leader] = (await officialsOf(countyCode, [`县长${town.code}`], 'county')) as [Official];
  const [market] = await shopsOf(village, 1, 'B');
  await approve(countyCode, [[market!, leader]], 'B');
  const whose = await current(leader);
  expect(whose).toMatchObject({ division: countyCode, state: 'open' });
  expect(await open({ officialId: leader.id }, office)).toMatchObject({ status: 404 });
  expect(await open({ officialId: randomUUID() }, office)).toMatchObject({ status: 404 });
  expect(await open({ division: countyCode }, office)).toMatchObject({ status: 403, body: { code: 'out-of-scope' } }); // prettier-ignore
  expect(await open({}, office)).toMatchObject({
    status: 422,
    body: { code: 'validation-failed' },
  });
  const foreign = await county.token('office', freshTownship().code);
  const { id } = await current(first);
  for (const [path, token] of [
    [whose.id, office],
    [id, foreign],
    [id, await as(leader)],
    [whose.id, await as(first)],
    [randomUUID(), office],
  ] as const)
    for (const part of ['', '/document', '/copy'])
      expect([part, (await county.call('assignment', 'GET', `/v1/undertakings/${path}${part}`, { token })).status]).toEqual([part, 404]); // prettier-ignore
  expect(await county.every('assignment', '/v1/undertakings', foreign)).toEqual([]);
  expect((await county.every<Undertaking>('assignment', '/v1/undertakings', await as(first))).map((one) => one.id)).toEqual([id]); // prettier-ignore
  expect((await county.every<Undertaking>('assignment', '/v1/undertakings?state=open', office)).map((one) => one.id)).toEqual([id]); // prettier-ignore
  expect(await sign({ ...leader }, whose.id, whose.documentSha256)).toMatchObject({ status: 200 });
}, 60_000);

it('shows names as text, whatever they hold', async () => {
  const { town, village, other } = await ground();
  const id = uuidv7();
  await say(id, 1, village, { name: `<script>alert("1")</script>&'` });
  await applied();
  await approve(town.code, [[id, other]]);
  const page = await county.read('assignment', `/v1/undertakings/${(await current(other)).id}/document`, admin); // prettier-ignore
  expect(page).toContain('&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;&#38;&#39;');
  expect(page).not.toContain('<script');
}, 60_000);

it('goes on without the county’s words: an approval holds, and opening says what is missing', async () => {
  const { town, village, office, first, shops } = await ground();
  await signed(first);
  await county.rows('assignment', `update policy set code = 'kept aside' where code = 'undertaking-text'`); // prettier-ignore
  try {
    const [late] = await shopsOf(village, 1);
    await approve(town.code, [[late!, first]]);
    expect(await current(first)).toMatchObject({ state: 'stale', staleAdded: 1 });
    expect(await open({ division: town.code }, office)).toMatchObject({ status: 409, body: { code: 'policy-missing' } }); // prettier-ignore
  } finally {
    await county.rows('assignment', `update policy set code = 'undertaking-text' where code = 'kept aside'`); // prettier-ignore
  }
  expect(await open({ division: town.code }, office)).toMatchObject({ body: { opened: 1 } });
  expect(await current(first)).toMatchObject({ state: 'open', establishmentCount: shops.length + 1 }); // prettier-ignore
}, 60_000);

it('never lets an opening pass a closure: what is open names what he answers for', async () => {
  const { town, village, office, first, shops } = await ground();
  await say(shops[0]!, 2, village, { status: 'closed' });
  await Promise.all([
    ...shops.slice(1).map((shop) => say(shop, 2, village, { status: 'closed' })),
    ...Array.from({ length: 6 }, () => open({ division: town.code }, office)),
  ]);
  await applied();
  expect(await current(first)).toMatchObject({ state: 'stale' });
  expect(await open({ division: town.code }, office)).toMatchObject({ body: { officials: 0, opened: 0 } }); // prettier-ignore
}, 60_000);

it('is stale exactly when its list is not what he answers for, after any sequence of acts', async () => {
  const town = freshTownship();
  const village = town.villages[0]!.code;
  const officials = await officialsOf(village, ['甲', '乙', '丙']);
  const shops = await shopsOf(village, 5);
  const sequences = new Map(shops.map((shop) => [shop, 1]));
  const act = fc.oneof(
    { weight: 4, arbitrary: fc.record({ approve: fc.array(fc.tuple(fc.nat(4), fc.nat(2)), { minLength: 1, maxLength: 4 }) }) },
    { weight: 3, arbitrary: fc.record({ toggle: fc.nat(4) }) },
    { weight: 3, arbitrary: fc.record({ sign: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ open: fc.constant(true) }) },
  ); // prettier-ignore
  let stale = 0;
  let kept = 0;
  async function judge(): Promise<void> {
    const answers = await county.rows<{ official: string; shop: string }>('assignment', `select official_id as official, establishment_id as shop from assignment where ended_at is null`); // prettier-ignore
    const rows = await county.rows<{ official: string; state: string; list: { establishmentId: string }[] }>('assignment', `select official_id as official, state, establishments as list from undertaking where state <> 'superseded' and official_id = any($1)`, [officials.map(({ id }) => id)]); // prettier-ignore
    expect(new Set(rows.map(({ official }) => official)).size).toBe(rows.length);
    for (const { official, state, list } of rows) {
      const now = answers.filter((one) => one.official === official).map(({ shop }) => shop).sort(); // prettier-ignore
      const same = JSON.stringify(list.map(({ establishmentId }) => establishmentId).sort()) === JSON.stringify(now); // prettier-ignore
      expect([official, state === 'stale']).toEqual([official, !same]);
      if (same) kept += 1;
      else stale += 1;
    }
  }
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 3, maxLength: 7 }), async (acts) => {
      for (const one of acts) {
        if ('approve' in one) {
          const lines = new Map(one.approve.map(([shop, official]) => [shops[shop]!, officials[official]!])); // prettier-ignore
          await approve(town.code, [...lines]);
        } else if ('toggle' in one) {
          const shop = shops[one.toggle]!;
          const sequence = sequences.get(shop)! + 1;
          sequences.set(shop, sequence);
          await say(shop, sequence, village, { status: sequence % 2 === 0 ? 'closed' : 'open' });
          await eventually(
            () => county.rows<{ n: number }>('assignment', `select sequence as n from premises where establishment_id = $1`, [shop]), // prettier-ignore
            ([row]) => row?.n === sequence,
          );
        } else if ('sign' in one) {
          const due = (await of(officials[one.sign]!)).find(({ state }) => state === 'open');
          if (due) expect(await sign(officials[one.sign]!, due.id, due.documentSha256)).toMatchObject({ status: 200 }); // prettier-ignore
        } else expect(await open({ division: town.code })).toMatchObject({ status: 200 });
        await judge();
      }
    }),
    { numRuns: 25 },
  );
  expect(Math.min(stale, kept)).toBeGreaterThan(10);
  const facts = await county.rows<{ n: number }>(
    'assignment',
    `select count(*)::int as n from journal where type = 'assignment.undertaking.stale.v1' group by aggregate_id having count(*) > 1`,
  );
  expect(facts).toEqual([]);
}, 120_000);
