import { randomUUID } from 'node:crypto';
import { BadLine, County, type Cut, jpeg } from '#testing';
import { inspection } from '../src/inspection.definition.js';
import { answeredFor, visitTo } from './premises.js';

const village = '371425101201';
const cuts: Cut[] = [
  'before the request',
  'in the request',
  'after the request',
  'before the answer',
  'in the answer',
];

let county: County;
let official: { id: string; token: string };
beforeAll(async () => {
  county = await County.start([inspection]);
  await county.clock('inspection', '2026-11-23T09:00:00+08:00');
  const id = randomUUID();
  official = { id, token: await county.official(id, '371425101') };
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop(), 30_000);

interface Reply {
  status: number;
  etag: string | null;
  location: string | null;
  body: { id: string; obligationId: string | null };
}
interface Sending {
  path: string;
  /** Made anew for each sending. */
  body: () => FormData | string;
  token?: string;
  key?: string;
}

/** As a device does: the same request with the same key until there is an answer. @returns it, and how often it was sent */
async function untilAnswered(
  base: string,
  { path, body, token = official.token, key = randomUUID() }: Sending,
): Promise<{ reply: Reply; sent: number }> {
  for (let sent = 1; ; sent += 1) {
    const content = body();
    try {
      const answer = await fetch(`${base}${path}`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'idempotency-key': key,
          ...(typeof content === 'string' ? { 'content-type': 'application/json' } : {}),
        },
        body: content,
      });
      const read = (await answer.json()) as Reply['body']; // breaks off with the line
      const { headers, status } = answer;
      const reply = { status, etag: headers.get('etag'), location: headers.get('location'), body: read }; // prettier-ignore
      if (status !== 503) return { reply, sent };
    } catch (error) {
      if (sent > 20) throw error;
    }
  }
}

async function over<T>(broken: Cut[], work: (base: string) => Promise<T>): Promise<T> {
  const line = await BadLine.to(county.base('inspection'), broken);
  try {
    return await work(line.base);
  } finally {
    await line.stop();
  }
}

const visiting = (establishment: string, more: object = {}, findings = 2): Sending => ({
  path: '/v1/inspections',
  body: () => JSON.stringify({ ...visitTo(establishment, findings), ...more }),
});

/** An establishment with its visit due. */
async function due(): Promise<string> {
  const establishment = await answeredFor(county, village, official.id);
  await county.rows(
    'inspection',
    `insert into obligation (id, division, version, establishment_id, establishment_name, tier, period, due_on, state, official_id, official_name, opened_at)
     values ($1, $2, 1, $3, '老王饭店', 'D', '2026-Q4', '2026-12-31', 'open', $4, '甲', '2026-10-01T00:00:00Z')`,
    [randomUUID(), village, establishment, official.id],
  );
  return establishment;
}

/** One visit, the first answer, what was due settled by it, each correction demanded once, each fact told once. */
async function expectOnce(establishment: string, { status, etag, body }: Reply): Promise<void> {
  const of = <T extends object>(sql: string): Promise<T[]> => county.rows('inspection', sql, [establishment]); // prettier-ignore
  expect(await of('select id from inspection where establishment_id = $1')).toEqual([{ id: body.id }]); // prettier-ignore
  expect([status, etag]).toEqual([201, '"1"']);
  const kept = await county.call('inspection', 'GET', `/v1/inspections/${body.id}`, { token: official.token }); // prettier-ignore
  expect(body).toEqual(kept.body);
  expect(await of('select id, state, version, inspection_id from obligation where establishment_id = $1')).toEqual(
    [{ id: body.obligationId, state: 'settled', version: 2, inspection_id: body.id }],
  ); // prettier-ignore
  const actions = await of<{ id: string; item: string }>('select id, item from corrective_action where establishment_id = $1 order by item'); // prettier-ignore
  expect(actions.map(({ item }) => item)).toEqual(['catering-01', 'catering-02']);
  const facts = await county.rows<{ type: string }>(
    'inspection',
    `select type from journal where aggregate_id = any($1::uuid[]) order by type`,
    [[body.id, body.obligationId, ...actions.map(({ id }) => id)]],
  );
  expect(facts.map(({ type }) => type)).toEqual([
    'inspection.corrective-action.due.v1',
    'inspection.corrective-action.due.v1',
    'inspection.inspection.submitted.v1',
    'inspection.obligation.settled.v1',
  ]);
}

describe('over a bad line', () => {
  it.each(cuts)('a visit that breaks off %s is one visit', async (cut) => {
    const establishment = await due();
    const { reply, sent } = await over([cut], (base) => untilAnswered(base, visiting(establishment))); // prettier-ignore
    expect(sent).toBe(2);
    await expectOnce(establishment, reply);
  });

  it('a visit that breaks off in every way, again and again, is one visit', async () => {
    const establishment = await due();
    const broken = [...cuts, ...[...cuts].reverse(), ...cuts];
    const { reply, sent } = await over(broken, (base) => untilAnswered(base, visiting(establishment))); // prettier-ignore
    expect(sent).toBe(broken.length + 1);
    await expectOnce(establishment, reply);
  }, 30_000);

  it('repeats that overtake each other are one visit, with one answer for all of them', async () => {
    const establishment = await due();
    const sending = { ...visiting(establishment), key: randomUUID() };
    const all = await over(['after the request', 'before the answer', 'in the answer'], (base) =>
      Promise.all(Array.from({ length: 12 }, () => untilAnswered(base, sending))),
    );
    for (const { reply } of all) expect(reply).toEqual(all[0]!.reply);
    await expectOnce(establishment, all[0]!.reply);
  }, 30_000);

  it('a visit that is refused is refused again, and nothing of it stays', async () => {
    const establishment = await due();
    const ahead = visiting(establishment, { visitedAt: '2026-11-30T09:00:00+08:00' });
    const refused = await over(cuts, (base) => untilAnswered(base, ahead));
    expect(refused.reply).toMatchObject({ status: 422, body: { code: 'visited-in-future' } });
    const { reply } = await over(cuts, (base) => untilAnswered(base, visiting(establishment)));
    await expectOnce(establishment, reply);
  }, 30_000);

  it('another visit under the key of the first is refused, not taken for it', async () => {
    const establishment = await due();
    const key = randomUUID();
    const first = await over([], (base) =>
      untilAnswered(base, { ...visiting(establishment), key }),
    );
    const other = await over(cuts, (base) => untilAnswered(base, { ...visiting(establishment, {}, 1), key })); // prettier-ignore
    expect(other.reply).toMatchObject({ status: 422, body: { code: 'key-reused' } });
    await expectOnce(establishment, first.reply);
  }, 30_000);

  it('a photo that breaks off in every way is one piece of evidence, whole', async () => {
    const establishment = await due();
    const { reply: visit } = await over([], (base) => untilAnswered(base, visiting(establishment)));
    const photo = jpeg(jpeg());
    const form = (): FormData => {
      const body = new FormData();
      body.set('takenAt', '2026-11-23T08:31:00+08:00');
      body.set('file', new Blob([photo]), 'IMG_0001.jpg');
      return body;
    };
    const broken = [...cuts, ...cuts];
    const path = `/v1/inspections/${visit.body.id}/evidence`;
    const { reply, sent } = await over(broken, (base) => untilAnswered(base, { path, body: form }));
    expect([sent, reply.status]).toEqual([broken.length + 1, 201]);
    const rows = await county.rows('inspection', 'select id from evidence where inspection_id = $1', [visit.body.id]); // prettier-ignore
    expect(rows).toEqual([{ id: reply.body.id }]);
    const file = await fetch(`${county.base('inspection').href}/v1/evidence/${reply.body.id}/file`, { headers: { authorization: `Bearer ${official.token}` } }); // prettier-ignore
    expect(Buffer.from(await file.arrayBuffer()).equals(photo)).toBe(true);
  }, 30_000);

  it('long work that was accepted before the line broke is found by the repeat', async () => {
    const token = await county.token('county-admin', '371425');
    const asking = { path: '/v1/obligation-runs', body: () => '{"period":"2026-Q4"}', token };
    const { reply } = await over(['before the answer', 'in the answer'], (base) => untilAnswered(base, asking)); // prettier-ignore
    expect(reply).toMatchObject({ status: 202, location: `/api/inspection/v1/obligation-runs/${reply.body.id}` }); // prettier-ignore
  });
});
