import { randomUUID } from 'node:crypto';
import { County } from '#testing';
import { inspection } from '../src/inspection.definition.js';
import { answeredFor, checklists, visitTo } from './premises.js';

const village = '371425101201';
let county: County;
let official: { id: string; token: string };
beforeAll(async () => {
  county = await County.start([inspection]);
  await county.clock('inspection', '2026-11-23T09:00:00+08:00');
  const id = randomUUID();
  official = { id, token: await county.official(id, '371425101') };
}, 60_000);
afterAll(() => county.stop(), 30_000);

const submit = async (kind: string, more: object = {}): ReturnType<County['call']> => {
  const establishmentId = await answeredFor(county, village, official.id, kind);
  return county.call('inspection', 'POST', '/v1/inspections', {
    token: official.token,
    body: { ...visitTo(establishmentId, 0, kind), ...more },
  });
};
const results = (code: string): object[] =>
  checklists.find((one) => one.code === code)!.items.map((item) => ({ item: item.code, result: 'pass' })); // prettier-ignore

describe('the checklists of the sample', () => {
  it.each([
    ['production', 'production', 12],
    ['workshop', 'production', 12],
    ['special-food', 'special-food', 15],
    ['sale', 'sale', 17],
    ['stall', 'sale', 17],
    ['catering', 'catering', 8],
    ['small-catering', 'catering', 8],
    ['canteen', 'catering', 8],
    ['group-meal', 'catering', 8],
    ['market', 'market', 4],
  ])('have one for %s: %s', async (kind, checklist, items) => {
    const answer = await submit(kind);
    expect(answer).toMatchObject({ status: 201, body: { checklist } });
    expect((answer.body as { results: unknown[] }).results).toHaveLength(items);
  });

  it('have one for who sells special food, when it is named', async () => {
    const answer = await submit('special-food', { checklist: 'special-food-sale', results: results('special-food-sale') }); // prettier-ignore
    expect(answer).toMatchObject({ status: 201, body: { checklist: 'special-food-sale' } });
  });

  it('say of every item where it comes from', () => {
    for (const { code, items } of checklists)
      for (const { source } of items)
        expect([code, source]).toEqual([code, expect.stringMatching(/^(SAMR order 49 \(2021\), art\. \d\d|sample$)/)]); // prettier-ignore
  });
});

it('takes an older version of a list only when it is named, also where that one still has the kind', async () => {
  await county.rows(
    'inspection',
    `insert into checklist (division, code, version, body)
     select division, 'a-list', v.version, jsonb_set(body, '{kinds}', v.kinds) from checklist,
       (values (1, '["market"]'::jsonb), (2, '["stall"]'::jsonb)) v(version, kinds) where code = 'sale'`,
  );
  expect(await submit('market')).toMatchObject({ status: 201, body: { checklist: 'market', checklistVersion: 1 } }); // prettier-ignore
  const old = await submit('market', { checklist: 'a-list', checklistVersion: 1, results: results('sale') }); // prettier-ignore
  expect(old).toMatchObject({ status: 201, body: { checklist: 'a-list', checklistVersion: 1 } });
});

it('refuses a visit of a kind that a county has loaded no list for', async () => {
  await county.rows('inspection', `delete from checklist where code in ('market', 'a-list')`);
  expect(await submit('market')).toMatchObject({ status: 409, body: { code: 'no-checklist' } });
});
