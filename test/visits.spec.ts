import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { County, eventually } from '#testing';
import { assignment } from '../apps/assignment/src/assignment.definition.js';
import { inspection } from '../apps/inspection/src/inspection.definition.js';
import { notification } from '../apps/notification/src/notification.definition.js';
import { registry } from '../apps/registry/src/registry.definition.js';
import { training } from '../apps/training/src/training.definition.js';
import { addWorkingDays, type Calendar } from './oracle/working-days.mjs';

interface Obligation {
  id: string;
  establishmentId: string;
  establishmentAddress: string | null;
  state: string;
  period: string;
  dueOn: string;
  officialId: string | null;
  inspectionId: string | null;
}
interface Action {
  id: string;
  state: string;
  dueOn: string | null;
  dueState: string;
  overdue: boolean;
  startOn: string;
  deadline: {
    counted: string[];
    skipped: { on: string; because: string }[];
    missingYear: number | null;
  };
  steps: { act: string; by: string; outcome: string | null }[];
}
interface Message {
  id: string;
  kind: string;
  subjectId: string;
  officialId: string | null;
  title: { zh: string };
  about: object;
  readAt: string | null;
}
interface Draft {
  results: { item: string; result: string }[];
  findings: object[];
  visitedAt: string;
  operator: object;
  checklist?: string;
}
type Answer = Awaited<ReturnType<County['call']>>;

let county: County;
let admin: string;
let office: string;
let official: { id: string; token: string };
let colleague: { id: string; token: string };
let shops: { id: string; kind: string; name: string }[];
const calendar = JSON.parse(
  await readFile('apps/platform/sample/calendar.json', 'utf8'),
) as Calendar;
const checklists = (
  JSON.parse(await readFile('apps/platform/sample/checklists.json', 'utf8')) as {
    checklists: { code: string; kinds: string[]; items: { code: string }[] }[];
  }
).checklists;

const call = (service: Parameters<County['call']>[0], method: string, path: string, token: string, body?: unknown, headers = {}): Promise<Answer> =>
  county.call(service, method, path, { token, headers, ...(body === undefined ? {} : { body }) }); // prettier-ignore

/** Village 刁家 of 371425101 has one official; its shops are D. A second official serves the next village. */
beforeAll(async () => {
  county = await County.start([registry, assignment, inspection, training, notification]);
  for (const service of [
    'registry',
    'assignment',
    'inspection',
    'training',
    'notification',
  ] as const)
    await county.clock(service, '2026-11-23T09:00:00+08:00');
  admin = await county.token('county-admin', '371425');
  office = await county.token('office', '371425101');
  await eventually(
    () => county.rows<{ n: number }>('assignment', 'select count(*)::int as n from division_list'),
    ([row]) => row?.n === 16,
  );
  await county.land('assignment', '/v1/roster-imports', admin, Buffer.from('姓名,职务,层级,行政区划代码\n甲,书记,村级,371425101201\n乙,书记,村级,371425101202\n'), 'r.csv'); // prettier-ignore
  shops = [];
  for (const [name, kind, division] of [
    ['甲店', 'small-catering', '371425101201'],
    ['乙店', 'stall', '371425101201'],
    ['丙坊', 'workshop', '371425101201'],
    ['丁店', 'small-catering', '371425101202'],
    ['戊店', 'stall', '371425101202'],
  ]) {
    const made = await call('registry', 'POST', '/v1/establishments', office, { division, name, address: '一号', kind }); // prettier-ignore
    expect(made.status).toBe(201);
    shops.push(made.body as (typeof shops)[number]);
  }
  await eventually(
    () => county.rows<{ n: number }>('assignment', 'select count(*)::int as n from premises'),
    ([row]) => row?.n === shops.length,
  );
  const proposal = await call('assignment', 'POST', '/v1/proposals', office, { division: '371425101' }); // prettier-ignore
  const approved = await call('assignment', 'POST', `/v1/proposals/${(proposal.body as { id: string }).id}/approval`, admin); // prettier-ignore
  expect(approved.status).toBe(200);
  const officials = await county.every<{ id: string; name: string }>('assignment', '/v1/officials', admin); // prettier-ignore
  const of = async (name: string): Promise<typeof official> => {
    const { id } = officials.find((one) => one.name === name)!;
    return { id, token: await county.official(id, '371425101') };
  };
  official = await of('甲');
  colleague = await of('乙');
  await eventually(
    () => county.rows<{ n: number }>('inspection', 'select count(*)::int as n from responsibility'),
    ([row]) => row?.n === shops.length,
  );
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop(), 60_000);

const shop = (name: string): string => shops.find((one) => one.name === name)!.id;
const visit = (name: string, more: Record<string, unknown> = {}, fail: string[] = []): Record<string, unknown> => {
  const { kind } = shops.find((one) => one.name === name)!;
  const { items } = checklists.find(({ kinds }) => kinds.includes(kind))!;
  return {
    establishmentId: shop(name),
    method: 'on-site',
    visitedAt: '2026-11-23T08:30:00+08:00',
    results: items.map(({ code }) => ({ item: code, result: fail.includes(code) ? 'fail' : 'pass' })),
    findings: fail.map((item) => ({ item, text: `${item}不合格`, handling: 'deadline' })),
    operator: { answer: 'signed', signedBy: '王某' },
    ...more,
  };
}; // prettier-ignore
const submit = (body: object, token = official.token, headers = {}): Promise<Answer> =>
  call('inspection', 'POST', '/v1/inspections', token, body, headers);
const obligations = (query = '', token = admin): Promise<Obligation[]> =>
  county.every<Obligation>('inspection', `/v1/obligations${query}`, token);
const messages = (token: string, query = ''): Promise<Message[]> =>
  county.every<Message>('notification', `/v1/messages${query}`, token);

describe('visits due', () => {
  it('opens one for each open establishment, once, however often it is asked', async () => {
    const first = await call('inspection', 'POST', '/v1/obligation-runs', admin, { period: '2026-Q4' }); // prettier-ignore
    expect(first.status).toBe(202);
    const path = `/v1/obligation-runs/${(first.body as { id: string }).id}`;
    expect(first.headers.get('location')).toBe(`/api/inspection${path}`);
    const done = await eventually(
      async () => (await call('inspection', 'GET', path, admin)).body as { state: string; opened: number }, // prettier-ignore
      ({ state }) => state === 'done',
    );
    expect(done.opened).toBe(5);
    const stream = await county.read('inspection', `${path}/progress`, admin);
    expect(stream).toMatch(/^data: \{.*"state":"done".*\}\n\n$/m);
    expect(await call('inspection', 'GET', `${path}/progress`, await county.token('county-admin', '371482'))).toMatchObject({ status: 404 }); // prettier-ignore
    const again = await call('inspection', 'POST', '/v1/obligation-runs', admin, { period: '2026-Q4' }); // prettier-ignore
    expect((again.body as { id: string }).id).toBe((first.body as { id: string }).id);
    const all = await obligations();
    expect(all).toHaveLength(5);
    expect(all.every(({ dueOn, period, state }) => dueOn === '2026-12-31' && period === '2026-Q4' && state === 'open')).toBe(true); // prettier-ignore
    expect(new Set(all.map(({ officialId }) => officialId))).toEqual(new Set([official.id, colleague.id])); // prettier-ignore
    const own = await obligations('?mine=true', official.token);
    expect(own.map(({ establishmentId }) => establishmentId).sort()).toEqual([shop('甲店'), shop('乙店'), shop('丙坊')].sort()); // prettier-ignore
    expect(own.map(({ establishmentAddress }) => establishmentAddress)).toEqual([
      '一号',
      '一号',
      '一号',
    ]);
    const one = await call('inspection', 'GET', `/v1/obligations/${own[0]!.id}`, official.token);
    expect(one.body).toMatchObject({ establishmentAddress: '一号', establishmentKind: expect.stringMatching(/small-catering|stall|workshop/) as unknown }); // prettier-ignore
    for (const period of ['2026-Q5', '2026', 'x'])
      expect(await call('inspection', 'POST', '/v1/obligation-runs', admin, { period })).toMatchObject({ status: 422 }); // prettier-ignore
    for (const period of ['2026-Q3', '2027-Q2'])
      expect(await call('inspection', 'POST', '/v1/obligation-runs', admin, { period })).toMatchObject({
        status: 422,
        body: { code: 'period-unknown', errors: [{ pointer: '/period', remedy: expect.stringContaining('2026-Q4、2027-Q1') as unknown }] },
      }); // prettier-ignore
  });

  it('opens one for an establishment that comes later, and withdraws it when it closes', async () => {
    const made = await call('registry', 'POST', '/v1/establishments', office, { division: '371425101201', name: '新店', address: '九号', kind: 'stall' }); // prettier-ignore
    const { id } = made.body as { id: string };
    const [opened] = await eventually(() => obligations(`?establishment=${id}`), ({ length }) => length === 1); // prettier-ignore
    expect(opened).toMatchObject({ state: 'open', officialId: null });
    await call('registry', 'PATCH', `/v1/establishments/${id}`, office, { status: 'closed' }, { 'if-match': '"1"' }); // prettier-ignore
    await eventually(() => obligations(`?establishment=${id}`), ([one]) => one?.state === 'withdrawn'); // prettier-ignore
    await call('registry', 'PATCH', `/v1/establishments/${id}`, office, { status: 'open', name: '新店(重开)' }, { 'if-match': '"2"' }); // prettier-ignore
    const [again] = await eventually(() => obligations(`?establishment=${id}`), ([one]) => one?.state === 'open'); // prettier-ignore
    expect(again).toMatchObject({ id: opened!.id, establishmentName: '新店(重开)' }); // not as it was called before it closed
    await call('registry', 'PATCH', `/v1/establishments/${id}`, office, { status: 'closed' }, { 'if-match': '"3"' }); // prettier-ignore
    await eventually(() => obligations(`?establishment=${id}`), ([one]) => one?.state === 'withdrawn'); // prettier-ignore
  });
});

describe('a visit', () => {
  it('is refused to whoever does not answer for the establishment, as if it were not there', async () => {
    expect(await submit(visit('丁店'))).toMatchObject({ status: 404, body: { code: 'not-found' } });
    expect(await submit({ ...visit('甲店'), establishmentId: randomUUID() })).toMatchObject({ status: 404 }); // prettier-ignore
    expect(await submit(visit('甲店'), office)).toMatchObject({ status: 403 });
    expect(await submit(visit('甲店'), admin)).toMatchObject({ status: 403 });
  });

  it.each([
    ['an item without a result', (body: Draft) => body.results.pop(), 'checklist-differs', 'item-missing'],
    ['an item twice', (body: Draft) => body.results.push(body.results[0]!), 'checklist-differs', 'item-repeated'],
    ['an unknown item', (body: Draft) => body.results.push({ item: 'x-1', result: 'pass' }), 'checklist-differs', 'unknown-item'],
    ['a failing item without a finding', (body: Draft) => (body.results[0]!.result = 'fail'), 'checklist-differs', 'finding-missing'],
    ['a finding on an item that passes', (body: Draft) => body.findings.push({ item: 'catering-01', text: 'x', handling: 'on-spot' }), 'checklist-differs', 'item-not-failing'],
    ['a deadline of what was mended on the spot', (body: Draft) => Object.assign(body.results[0]!, { result: 'fail' }) && body.findings.push({ item: body.results[0]!.item, text: 'x', handling: 'on-spot', workingDays: 3 }), 'checklist-differs', 'deadline-alone'],
    ['a visit that lies ahead', (body: Draft) => (body.visitedAt = '2026-11-24T09:00:00+08:00'), 'visited-in-future', 'visited-in-future'],
    ['a visit of more than 92 days ago', (body: Draft) => (body.visitedAt = '2026-08-23T08:59:59+08:00'), 'visited-long-ago', 'visited-long-ago'],
    ['a time without its offset', (body: Draft) => (body.visitedAt = '2026-11-23T09:00:00'), 'validation-failed', 'matches'],
    ['a refusal without its reason', (body: Draft) => (body.operator = { answer: 'refused', witness: '李某' }), 'validation-failed', 'required'],
    ['an unknown field deep down', (body: Draft) => Object.assign(body.operator, { mood: 'bad' }), 'validation-failed', 'whitelistValidation'],
    ['another checklist', (body: Draft) => (body.checklist = 'sale'), 'no-checklist', 'no-checklist'],
  ])('is refused with %s', async (_what, spoil, code, rule) => {
    const body = visit('甲店') as unknown as Draft;
    spoil(body);
    const answer = await submit(body);
    const problem = answer.body as { code: string; errors: { rule: string }[] };
    expect(problem.code).toBe(code);
    expect(problem.errors.map((one) => one.rule)).toContain(rule);
  }); // prettier-ignore

  it('by another checklist, or a version that there is not, is told those that there are', async () => {
    const told = async (wrong: Record<string, unknown>): Promise<unknown> =>
      ((await submit(visit('甲店', wrong))).body as { errors: unknown }).errors;
    const remedy = expect.stringMatching(/^该主体可用:catering v1;.* · this establishment takes catering v1;/) as unknown;
    expect(await told({ checklist: 'sale' })).toEqual([{ pointer: '/checklist', rule: 'no-checklist', value: 'sale', remedy }]);
    expect(await told({ checklist: 'catering', checklistVersion: 99 })).toEqual([{ pointer: '/checklistVersion', rule: 'no-checklist', value: 99, remedy }]);
  }); // prettier-ignore

  it('by a method that does not count is recorded and leaves the visit due', async () => {
    const answer = await submit(visit('甲店', { method: 'video' }));
    expect(answer).toMatchObject({
      status: 201,
      body: {
        counts: false,
        obligationId: null,
        notice: expect.stringMatching(/不计入.* · This method/) as unknown,
      },
    });
    expect((await obligations(`?establishment=${shop('甲店')}`))[0]!.state).toBe('open');
  });

  it('settles what is due, once, also when it is sent twice', async () => {
    const key = { 'idempotency-key': randomUUID() };
    const first = await submit(visit('甲店', {}, ['catering-07']), official.token, key);
    const again = await submit(visit('甲店', {}, ['catering-07']), official.token, key);
    expect([first.status, again.body]).toEqual([201, first.body]);
    const { id, warning, notice } = first.body as {
      id: string;
      warning: string;
      notice: string | null;
    };
    expect([warning, notice]).toEqual(['official-untrained', null]);
    const [settled] = await obligations(`?establishment=${shop('甲店')}`);
    expect(settled).toMatchObject({ state: 'settled', inspectionId: id });
    // Without a key as well: whoever presses twice has not been there twice.
    expect(await submit(visit('甲店', {}, ['catering-07']))).toMatchObject({
      status: 409,
      body: { code: 'already-submitted', detail: expect.stringContaining(id) as unknown, errors: [{ pointer: '/visitedAt' }] },
    }); // prettier-ignore
    const second = await submit(visit('甲店', { visitedAt: '2026-11-23T08:31:00+08:00' }));
    expect(second).toMatchObject({ status: 201, body: { counts: true, obligationId: null, notice: expect.stringMatching(/^2026-Q4 没有.* · No obligation of 2026-Q4 was due/) as unknown } }); // prettier-ignore
    const kept = await county.rows<{ n: number }>('inspection', `select count(*)::int as n from inspection where id = $1`, [id]); // prettier-ignore
    expect(kept).toEqual([{ n: 1 }]);
  });

  it('whose paper comes late is taken for its own quarter, and says that nothing was due there', async () => {
    const answer = await submit(visit('乙店', { visitedAt: '2026-08-23T09:00:00+08:00' }));
    expect(answer).toMatchObject({ status: 201, body: { counts: true, obligationId: null, notice: expect.stringContaining('2026-Q3') as unknown } });
    expect((await obligations(`?establishment=${shop('乙店')}`))[0]!.state).toBe('open');
  }); // prettier-ignore

  it('whose finding is handed to market supervision is found by its account', async () => {
    const findings = [{ item: 'catering-01', text: '无证经营', handling: 'referral' }, { item: 'catering-02', text: '地面积水', handling: 'on-spot' }];
    const handed = await submit(visit('甲店', { visitedAt: '2026-11-23T08:35:00+08:00', findings }, ['catering-01', 'catering-02']));
    const authority = await county.token('authority', '371425');
    const found = async (handling: string, token = authority): Promise<string[]> => (await county.every<{ id: string }>('inspection', `/v1/inspections?handling=${handling}`, token)).map(({ id }) => id);
    expect(await found('referral')).toEqual([(handed.body as { id: string }).id]);
    expect(await found('referral', colleague.token)).toEqual([]);
    expect(await found('on-spot')).toEqual(await found('referral'));
    expect(await found('deadline')).not.toContain((handed.body as { id: string }).id);
    expect(await call('inspection', 'GET', '/v1/inspections?handling=x', authority)).toMatchObject({ status: 422 });
  }); // prettier-ignore

  it('and what is due and wrong, are listed of one official and of one place', async () => {
    const authority = await county.token('authority', '371425');
    for (const [path, filters] of [['obligations', ['official', 'division']], ['inspections', ['official', 'division']], ['corrective-actions', ['division']]] as const) {
      const all = await county.every<Record<string, string>>('inspection', `/v1/${path}`, authority);
      expect([path, all.length > 0]).toEqual([path, true]);
      const [one] = all.filter(({ officialId }) => officialId);
      const value = { official: one!['officialId']!, division: one!['division']!.slice(0, 9) };
      for (const filter of filters) {
        const found = await county.every<Record<string, string>>('inspection', `/v1/${path}?${filter}=${value[filter]}`, authority);
        const wanted = all.filter((each) => filter === 'official' ? each['officialId'] === value.official : each['division']!.startsWith(value.division));
        expect([path, filter, found]).toEqual([path, filter, wanted]);
        expect(await county.every('inspection', `/v1/${path}?${filter}=${filter === 'official' ? randomUUID() : '371425115'}`, authority)).toEqual([]);
      }
    }
  }); // prettier-ignore

  it('keeps a refusal to sign with its reason and witness', async () => {
    const answer = await submit(visit('乙店', { operator: { answer: 'refused', reason: '不在', witness: '李某' } })); // prettier-ignore
    expect(answer).toMatchObject({ status: 201, body: { operator: { answer: 'refused', reason: '不在', witness: '李某' } } }); // prettier-ignore
  });

  it('on site within five minutes of another elsewhere is taken, and both say so', async () => {
    const at = async (name: string, visitedAt: string, more: object = {}): Promise<string> =>
      ((await submit(visit(name, { visitedAt: `2026-11-20T${visitedAt}+08:00`, ...more }))).body as { id: string }).id;
    const those = [
      await at('甲店', '10:00:00'), await at('乙店', '10:05:00'), await at('丙坊', '10:10:01'), await at('丙坊', '10:02:00', { method: 'video' }),
      await at('乙店', '10:05:01'),
    ];
    const [own, near] = ['official-untrained', 'another-visit-near'];
    const shown = await county.every<{ id: string; warning: string; warnings: string[] }>('inspection', '/v1/inspections', office);
    expect(those.map((id) => shown.find((one) => one.id === id)?.warnings)).toEqual([[own, near], [own, near], [own, near], [own], [own, near]]);
    expect(those.map((id) => shown.find((one) => one.id === id)?.warning)).toEqual(those.map(() => own));
    const alone = await at('甲店', '10:15:02');
    expect((await call('inspection', 'GET', `/v1/inspections/${alone}`, official.token)).body).toMatchObject({ warnings: [own] });
  }); // prettier-ignore
});

describe('a correction', () => {
  let action: Action;
  const act = (name: string, token: string, body: object = {}): Promise<Answer> =>
    call('inspection', 'POST', `/v1/corrective-actions/${action.id}/${name}`, token, body);

  it('has its day with the arithmetic shown, as an independent count has it', async () => {
    [action] = (await county.every<Action>('inspection', `/v1/corrective-actions?state=open&establishment=${shop('甲店')}`, official.token)) as [Action]; // prettier-ignore
    const expected = addWorkingDays('2026-11-23', 10, calendar);
    expect(action).toMatchObject({ dueOn: expected.dueOn, dueState: 'set', startOn: '2026-11-23' });
    expect(action.deadline.counted).toEqual(expected.counted);
    expect(action.deadline.skipped.map(({ on }) => on)).toEqual(expected.skipped);
  });

  it('is answered, verified by another, and closed, each in its turn', async () => {
    expect(await act('verification', office, { outcome: 'corrected' })).toMatchObject({ status: 409, body: { code: 'wrong-state' } }); // prettier-ignore
    expect(await act('closure', office)).toMatchObject({ status: 409 });
    expect(await act('response', colleague.token, { text: '别人的' })).toMatchObject({ status: 404 }); // prettier-ignore
    expect(await act('response', official.token, { text: '已修' })).toMatchObject({ status: 200, body: { state: 'responded' } }); // prettier-ignore
    expect(await act('verification', official.token, { outcome: 'corrected' })).toMatchObject({ status: 403 }); // prettier-ignore
    expect(await act('verification', office, { outcome: 'not-corrected', text: '仍未通电' })).toMatchObject({ status: 200, body: { state: 'open' } }); // prettier-ignore
    await county.clock('inspection', '2026-11-23T09:01:00+08:00');
    expect(await act('response', office, { text: '又修了' })).toMatchObject({ status: 200 });
    expect(await act('verification', office, { outcome: 'corrected' })).toMatchObject({ status: 403, body: { code: 'own-act' } }); // prettier-ignore
    const second = await county.token('office', '371425101');
    expect(await act('verification', second, { outcome: 'corrected' })).toMatchObject({ status: 200, body: { state: 'verified' } }); // prettier-ignore
    expect(await act('closure', second, { text: '销号' })).toMatchObject({ status: 200, body: { state: 'closed' } }); // prettier-ignore
    expect(await act('closure', second)).toMatchObject({ status: 200, body: { state: 'closed' } });
    const { body } = await call('inspection', 'GET', `/v1/corrective-actions/${action.id}`, office);
    expect((body as Action).steps.map((step) => [step.act, step.outcome])).toEqual([
      ['response', null],
      ['verification', 'not-corrected'],
      ['response', null],
      ['verification', 'corrected'],
      ['closure', null],
    ]);
    const other = await county.token('office', '371425102');
    expect(await call('inspection', 'GET', `/v1/corrective-actions/${action.id}`, other)).toMatchObject({ status: 404 }); // prettier-ignore
  });

  it('takes no deadline above the cap', async () => {
    const late = visit('丙坊', {}, ['production-01']);
    late['findings'] = [{ item: 'production-01', text: 'x', handling: 'deadline', workingDays: 31 }];
    expect(await submit(late)).toMatchObject({ status: 422, body: { code: 'deadline-beyond-cap' } });
  }); // prettier-ignore

  it('stays without a day where the calendar is not announced, says so once, and gets it when it is', async () => {
    const long = visit('丙坊', {}, ['production-01', 'production-02']);
    long['findings'] = ['production-01', 'production-02'].map((item) => ({ item, text: 'x', handling: 'deadline', workingDays: 30 })); // prettier-ignore
    expect((await submit(long)).status).toBe(201);
    const open = await county.every<Action>('inspection', `/v1/corrective-actions?state=open`, official.token); // prettier-ignore
    expect(open.map(({ dueOn, dueState, deadline }) => [dueOn, dueState, deadline.missingYear])).toEqual([[null, 'calendar-missing', 2027], [null, 'calendar-missing', 2027]]); // prettier-ignore
    const told = await eventually(() => messages(admin, '?mine=true'), ({ length }) => length > 0); // prettier-ignore
    expect(told.map(({ kind }) => kind)).toEqual(['calendar-missing']);
    await county.rows('inspection', `insert into calendar_year values ('371425', 2027, 1, '[{"on":"2027-01-01","name":"元旦"}]', '[]')`); // prettier-ignore
    const set = await eventually(
      () => county.every<Action>('inspection', `/v1/corrective-actions?state=open`, official.token),
      (all) => all.every(({ dueState }) => dueState === 'set'),
    );
    const with2027 = { years: [...calendar.years, { year: 2027, holidays: [{ on: '2027-01-01', name: { zh: '', en: '' } }], workdays: [] }] }; // prettier-ignore
    expect(set[0]!.dueOn).toBe(addWorkingDays('2026-11-23', 30, with2027).dueOn);
  }, 20_000);
});

describe('those concerned', () => {
  it('are told once for each fact, and say that they have read it', async () => {
    const own = await eventually(
      () => messages(official.token, '?mine=true'),
      (all) => all.filter(({ kind }) => kind === 'correction-verified').length === 1,
    );
    const rejected = own.filter(({ kind }) => kind === 'correction-rejected');
    expect(rejected).toMatchObject([
      { title: { zh: expect.stringMatching(/甲店.*未合格.*catering-07/) as unknown, en: expect.stringContaining('is not done: catering-07') as unknown }, templateVersion: null, about: { dueOn: '2026-12-07' } },
    ]); // prettier-ignore
    // Each answer is told for itself: the second is not lost behind the first.
    const answered = await eventually(
      () => messages(office, '?mine=true&kind=correction-answered'),
      ({ length }) => length === 2,
    );
    expect(
      new Set(answered.map(({ about }) => (about as { answeredAt: string }).answeredAt)).size,
    ).toBe(2);
    for (const kind of ['assigned', 'visit-due', 'correction-due'])
      expect([kind, own.filter((one) => one.kind === kind).length]).toEqual([kind, 3]);
    expect(own.every(({ officialId }) => officialId === official.id)).toBe(true);
    const first = own.at(-1); // the newest comes first, and may have been worded anew
    const receipt = (token: string): Promise<Answer> =>
      call('notification', 'POST', `/v1/messages/${first!.id}/receipt`, token);
    expect(await receipt(colleague.token)).toMatchObject({ status: 404 });
    expect(await receipt(admin)).toMatchObject({ status: 403 });
    const read = await receipt(official.token);
    expect(read).toMatchObject({ status: 200, body: { version: 2 } });
    expect((await receipt(official.token)).body).toEqual(read.body);
    expect((await messages(official.token, '?mine=true&read=true')).map(({ id }) => id)).toEqual([first!.id]); // prettier-ignore
  });

  it('say it of several at once, each once, whatever else they name', async () => {
    const receipts = (messageIds: string[], token = official.token): Promise<Answer> =>
      call('notification', 'POST', '/v1/receipts', token, { messageIds });
    const [[other], [before], unread] = await Promise.all([
      messages(colleague.token, '?mine=true'), messages(official.token, '?mine=true&read=true'), messages(official.token, '?mine=true&read=false'),
    ]);
    const ids = unread.map(({ id }) => id);
    expect(ids.length).toBeGreaterThan(6);
    const absent = randomUUID();
    const told = await receipts([ids[0]!.toUpperCase(), other!.id, before!.id, absent, ids[1]!]);
    expect([told.status, told.body]).toEqual([200, { read: 2, alreadyRead: 1, notFound: [other!.id, absent] }]);
    expect((await messages(official.token, '?mine=true&read=true')).find(({ id }) => id === before!.id)).toEqual(before);
    // The same from both ends at once: nobody waits for the other's other end.
    const all = await Promise.all(Array.from({ length: 12 }, (_, n) => receipts(n % 2 === 0 ? ids : [...ids].reverse())));
    expect(all.map(({ status }) => status)).toEqual(all.map(() => 200));
    const counts = all.map(({ body }) => body as { read: number; alreadyRead: number; notFound: string[] });
    expect(counts.map(({ read }) => read).sort((one, next) => next - one)).toEqual([ids.length - 2, ...Array.from({ length: 11 }, () => 0)]);
    expect(counts.every(({ read, alreadyRead, notFound }) => read + alreadyRead === ids.length && notFound.length === 0)).toBe(true);
    const facts = await county.rows('notification', `select 1 as one from journal where type = 'notification.message.read.v1' and aggregate_id = any($1)`, [ids]);
    expect(facts).toHaveLength(ids.length);
    expect(await messages(official.token, '?mine=true&read=false')).toEqual([]);
    // Seen by the county, and not for it.
    expect((await receipts([other!.id], admin)).body).toEqual({ read: 0, alreadyRead: 0, notFound: [other!.id] });
    expect((await receipts([other!.id], office)).body).toEqual({ read: 0, alreadyRead: 0, notFound: [other!.id] });
    expect(await receipts([other!.id], await county.token('auditor', '371425'))).toMatchObject({ status: 403 });
    for (const [wrong, rule] of [[[], 'arrayMinSize'], [[absent, absent], 'arrayUnique'], [['x'], 'isUuid'], [Array.from({ length: 501 }, () => randomUUID()), 'arrayMaxSize']] as const)
      expect(await receipts([...wrong])).toMatchObject({ status: 422, body: { errors: [{ pointer: '/messageIds', rule }] } });
  }); // prettier-ignore
});

describe('the induction', () => {
  it('is held within a year from now, and was since 2019', async () => {
    const hold = (heldAt: string): Promise<Answer> =>
      call('training', 'POST', '/v1/sessions', office, { title: '岗前培训', place: '会议室', heldAt });
    for (const heldAt of ['2027-11-24T09:00:00+08:00', '2019-01-01T00:00:00+08:00'])
      expect((await hold(heldAt)).status).toBe(201);
    for (const [heldAt, code] of [['2027-11-24T09:00:01+08:00', 'held-far-ahead'], ['2062-11-23T09:00:00+08:00', 'held-far-ahead'], ['2018-12-31T23:59:59+08:00', 'held-long-ago']])
      expect(await hold(heldAt!)).toMatchObject({ status: 422, body: { code, errors: [{ pointer: '/heldAt', rule: code, remedy: expect.stringMatching(/年.* · Give/) as unknown }] } });
  }); // prettier-ignore

  it('is certified once by attendance, and then nobody is warned', async () => {
    const held = await call('training', 'POST', '/v1/sessions', office, { title: '岗前培训', place: '会议室', heldAt: '2026-11-22T14:00:00+08:00' }); // prettier-ignore
    expect(held.status).toBe(201);
    const { id } = held.body as { id: string };
    const attend = (officials: string[]): Promise<Answer> =>
      call('training', 'POST', `/v1/sessions/${id}/attendances`, office, { officials });
    expect(await attend([official.id, randomUUID()])).toMatchObject({ status: 422, body: { code: 'officials-unknown' } }); // prettier-ignore
    expect(await attend([official.id])).toMatchObject({ status: 200, body: { recorded: 1, certified: 1 } }); // prettier-ignore
    expect(await attend([official.id])).toMatchObject({ status: 200, body: { recorded: 0, certified: 0 } }); // prettier-ignore
    expect(await county.every('training', '/v1/certificates', official.token)).toHaveLength(1);
    expect(await county.every('training', '/v1/certificates', colleague.token)).toHaveLength(0);
    const unqualified = await county.every<{ officialId: string }>('training', '/v1/officials?qualified=false', office); // prettier-ignore
    expect(unqualified.map(({ officialId }) => officialId)).toEqual([colleague.id]);
    await eventually(
      () => county.rows('inspection', 'select 1 as one from qualification where official_id = $1', [official.id]), // prettier-ignore
      ({ length }) => length === 1,
    );
    expect(await submit(visit('甲店', { visitedAt: '2026-11-23T08:32:00+08:00' }))).toMatchObject({ status: 201, body: { warning: null } }); // prettier-ignore
  });

  it('counts from the day of its session, not from the day of the certificate', async () => {
    expect(await submit(visit('甲店', { visitedAt: '2026-11-22T00:10:00+08:00' }))).toMatchObject({ status: 201, body: { warning: null, warnings: [] } }); // prettier-ignore
    expect(await submit(visit('甲店', { visitedAt: '2026-11-21T23:50:00+08:00' }))).toMatchObject({ status: 201, body: { warning: 'official-untrained', warnings: ['official-untrained'] } }); // prettier-ignore
    // A certificate told before facts said the day of the session: no visit is compared with the day it was typed in.
    const [kept] = await county.rows<{ at: Date }>('inspection', `select held_at as at from qualification where official_id = $1`, [official.id]); // prettier-ignore
    await county.rows(
      'inspection',
      `update qualification set held_at = null where official_id = $1`,
      [official.id],
    );
    expect(await submit(visit('甲店', { visitedAt: '2026-11-21T23:40:00+08:00' }))).toMatchObject({ status: 201, body: { warning: null } }); // prettier-ignore
    await county.rows('inspection', `update qualification set held_at = $2 where official_id = $1`, [official.id, kept!.at]); // prettier-ignore
  });

  it('is a condition of the visit where the county says so', async () => {
    await county.rows('inspection', `insert into policy select division, code, 2, jsonb_set(body, '{refuseAtSubmission}', 'true'), source, note from policy where code = 'official-induction'`); // prettier-ignore
    expect(await submit(visit('丁店'), colleague.token)).toMatchObject({ status: 403, body: { code: 'official-untrained' } }); // prettier-ignore
    expect(await submit(visit('甲店', { visitedAt: '2026-11-23T08:33:00+08:00' }))).toMatchObject({ status: 201 }); // prettier-ignore
    // He has the certificate by now: a paper of before is taken, and says that he had not.
    expect(await submit(visit('甲店', { visitedAt: '2026-11-20T08:33:00+08:00' }))).toMatchObject({ status: 201, body: { warning: 'official-untrained' } }); // prettier-ignore
  });
});

describe('a visit that should not have been entered', () => {
  const withdraw = (id: string, token = office): Promise<Answer> =>
    call('inspection', 'POST', `/v1/inspections/${id}/withdrawal`, token, { reason: '误记到同名的另一家店' });
  const settledBy = async (name: string): Promise<[string, string | null]> => {
    const [now] = await obligations(`?establishment=${shop(name)}&period=2026-Q4`);
    return [now!.state, now!.inspectionId];
  };

  it('is withdrawn by the office: what it settled is due again, what it demanded is closed, the official is told', async () => {
    const [, first] = await settledBy('乙店');
    const others = await county.every<{ id: string }>('inspection', `/v1/inspections?establishment=${shop('乙店')}`, office);
    // Of an official of the county, the county alone.
    const [one] = others.filter(({ id }) => id !== first);
    await county.rows('inspection', `update inspection set official_level = 'county' where id = $1`, [one!.id]);
    expect(await withdraw(one!.id)).toMatchObject({ status: 403, body: { code: 'not-allowed' } });
    expect((await withdraw(one!.id, admin)).status).toBe(200);
    for (const { id } of others) if (id !== first && id !== one!.id) expect((await withdraw(id)).status).toBe(200);
    expect(await settledBy('乙店')).toEqual(['settled', first]); // they had settled nothing
    expect(await withdraw(first!, official.token)).toMatchObject({ status: 403 });
    expect(await withdraw(first!, await county.token('office', '371425102'))).toMatchObject({ status: 404 });
    const stood = (await call('inspection', 'GET', `/v1/inspections/${first!}`, office)).body as object;
    const withdrawn = await withdraw(first!);
    expect(withdrawn).toMatchObject({ status: 200, body: { id: first, withdrawalReason: '误记到同名的另一家店', withdrawnAt: expect.any(String) as unknown } });
    // What was written stays as it was.
    expect(withdrawn.body).toEqual({
      ...stood, version: 2, counts: false, obligationId: null, withdrawnAt: (withdrawn.body as { withdrawnAt: string }).withdrawnAt, withdrawalReason: '误记到同名的另一家店',
      withdrawnBy: expect.any(String) as unknown, notice: expect.stringContaining('已撤回') as unknown,
    });
    expect(await withdraw(first!)).toMatchObject({ status: 409, body: { code: 'wrong-state' } });
    expect(await settledBy('乙店')).toEqual(['open', null]);

    // At the very time of the one that does not stand any more.
    const rate = async (): Promise<unknown> => {
      const { body } = await call('inspection', 'GET', '/v1/indicators?division=371425101&period=2026-Q4', office);
      return (body as { items: { code: string; denominator: number; numerator: number }[] }).items
        .filter(({ code }) => code !== 'visits-done').map(({ denominator, numerator }) => [denominator, numerator]);
    };
    const before = await rate();
    const [{ code }] = checklists.find(({ kinds }) => kinds.includes('stall'))!.items as [{ code: string }];
    const again = (await submit(visit('乙店', {}, [code]))).body as { id: string; obligationId: string | null };
    expect([await settledBy('乙店'), again.obligationId]).toEqual([['settled', again.id], expect.any(String)]);
    expect(await rate()).not.toEqual(before);
    expect((await withdraw(again.id)).status).toBe(200);
    const [demanded] = await county.every<Action>('inspection', `/v1/corrective-actions?establishment=${shop('乙店')}`, office);
    expect([demanded!.state, demanded!.steps]).toMatchObject(['closed', [{ act: 'withdrawal', text: '误记到同名的另一家店' }]]);
    expect(await rate()).toEqual(before);
    expect(await county.every('inspection', `/v1/inspections?establishment=${shop('乙店')}&withdrawn=true`, official.token)).toHaveLength(others.length + 1);
    const told = await eventually(() => messages(official.token, '?mine=true&kind=visit-withdrawn'), ({ length }) => length === others.length + 1);
    expect(told[0]!.title.zh).toBe('您对“乙店”的督导记录已被撤回:误记到同名的另一家店');
    expect((await submit(visit('乙店', { visitedAt: '2026-11-23T08:50:00+08:00' }))).body).toMatchObject({ obligationId: again.obligationId });
  });

  it('leaves to another visit of the quarter what it had settled', async () => {
    const [, first] = await settledBy('甲店');
    const others = await county.every<{ id: string; counts: boolean; visitedAt: string; obligationId: string | null }>('inspection', `/v1/inspections?establishment=${shop('甲店')}`, office);
    const next = others.filter(({ id, counts }) => counts && id !== first).sort((a, b) => (a.visitedAt < b.visitedAt ? -1 : 1))[0]!;
    expect(next.obligationId).toBeNull();
    const closedOf = async (): Promise<number> => {
      const { body } = await call('inspection', 'GET', '/v1/indicators?division=371425101&period=2026-Q4', office);
      return (body as { items: { code: string; numerator: number }[] }).items.find(({ code }) => code === 'corrections-closed')!.numerator;
    };
    const closed = await closedOf();
    expect((await withdraw(first!)).status).toBe(200);
    expect(await closedOf()).toBe(closed - 1);
    expect(await settledBy('甲店')).toEqual(['settled', next.id]);
    expect((await call('inspection', 'GET', `/v1/inspections/${next.id}`, office)).body).toMatchObject({ notice: null, obligationId: expect.any(String) as unknown });
    const [kept] = await county.every<Action>('inspection', `/v1/corrective-actions?establishment=${shop('甲店')}`, office);
    // What was closed before says so, and is in no rate any more.
    expect(kept!.steps.map(({ act }) => act).slice(-2)).toEqual(['closure', 'withdrawal']);
  });
}); // prettier-ignore

describe('as days pass', () => {
  const told = async (token: string, kind: string): Promise<[string, object][]> =>
    (await messages(token, `?mine=true&kind=${kind}`)).map(({ title, about }) => [title.zh, about]);
  const reminded = (visits: number): [string, object][] => [
    [expect.stringContaining(String(visits)) as string, { period: '2026-Q4', dueOn: '2026-12-31', visits }],
  ];

  it('reminds each official, the office and the county of what is still to be visited, twice and not each day', async () => {
    expect(await told(office, 'visits-remaining')).toEqual([]);
    // Not a day earlier than the county's policy has it, 21 and 7 days before.
    for (const [day, times] of [['2026-12-09', 0], ['2026-12-10', 1], ['2026-12-11', 1], ['2026-12-24', 2], ['2026-12-25', 2]] as const) {
      await county.clock('inspection', `${day}T09:00:00+08:00`);
      for (const token of [colleague.token, office, admin])
        await eventually(() => told(token, 'visits-remaining'), ({ length }) => length === times);
      const [row] = await eventually(
        () => county.rows<{ reminders: number; officials: number }>('inspection', 'select count(*)::int as reminders, count(official_id)::int as officials from reminder'),
        ([one]) => one?.reminders === 3 * times,
      );
      expect(row).toEqual({ reminders: 3 * times, officials: times });
    }
    const newest = async (token: string): Promise<[string, object][]> => (await told(token, 'visits-remaining')).slice(0, 1);
    for (const token of [colleague.token, office, admin]) expect(await newest(token)).toEqual(reminded(2));
    expect(await told(official.token, 'visits-remaining')).toEqual([]);
  }, 40_000);

  it('reminds the official of a correction whose day is near, and tells the office, too, once it is past', async () => {
    const [near] = await county.every<Action & { number: string }>('inspection', '/v1/corrective-actions?state=open', official.token);
    const day = (before: number): string => new Date(Date.parse(`${near!.dueOn}T09:00:00+08:00`) - before * 86_400_000).toISOString();
    const numbers = async (token: string, kind: string): Promise<unknown[]> => (await told(token, kind)).map(([, about]) => (about as { number: string }).number);
    expect([await told(official.token, 'correction-near'), await told(official.token, 'correction-overdue')]).toEqual([[], []]);
    expect(Date.parse(day(3))).toBeGreaterThan(Date.parse('2026-12-26'));
    await county.clock('inspection', day(3));
    expect(await eventually(() => numbers(official.token, 'correction-near'), ({ length }) => length === 2)).toContain(near!.number);
    expect(await told(office, 'correction-overdue')).toEqual([]);
    await county.clock('inspection', day(-1));
    for (const token of [official.token, office])
      expect(await eventually(() => numbers(token, 'correction-overdue'), ({ length }) => length === 2)).toContain(near!.number);
    expect(await numbers(official.token, 'correction-near')).toHaveLength(2);
    expect(await told(await county.token('office', '371425102'), 'correction-overdue')).toEqual([]);
    const { status } = await call('inspection', 'POST', `/v1/corrective-actions/${near!.id}/response`, official.token, { text: '迟了' });
    expect(status).toBe(200);
    expect(await eventually(() => numbers(office, 'correction-answered'), (all) => all.includes(near!.number))).toContain(near!.number);
    expect((await messages(office, '?mine=true')).every(({ kind }) => !['visit-due', 'assigned'].includes(kind))).toBe(true);
  }, 30_000);

  it('marks what is past its day, and opens the new quarter by itself', async () => {
    await county.clock('inspection', '2027-01-01T00:05:00+08:00');
    const late = await eventually(
      () => obligations('?state=overdue'),
      ({ length }) => length === 2,
    );
    expect(late.map(({ establishmentId }) => establishmentId).sort()).toEqual([shop('丁店'), shop('戊店')].sort()); // prettier-ignore
    const opened = await eventually(() => obligations('?period=2027-Q1'), ({ length }) => length === 5); // prettier-ignore
    expect(new Set(opened.map(({ dueOn }) => dueOn))).toEqual(new Set(['2027-03-31']));
    const runs = await county.every<{ period: string; requestedBy: string }>('inspection', '/v1/obligation-runs', admin); // prettier-ignore
    expect(runs.find(({ period }) => period === '2027-Q1')?.requestedBy).toBe('service:inspection');
    for (const token of [colleague.token, office, admin])
      expect(await eventually(() => told(token, 'visits-missed'), ({ length }) => length > 0)).toEqual(reminded(2));
  }, 20_000);
}); // prettier-ignore
