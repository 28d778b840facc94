import { readFile } from 'node:fs/promises';
import { type Service } from '#contracts';
import { type Answer, County, eventually, rowsOf } from '#testing';
import pg from 'pg';
import { assignment } from '../apps/assignment/src/assignment.definition.js';
import { inspection } from '../apps/inspection/src/inspection.definition.js';
import { notification } from '../apps/notification/src/notification.definition.js';
import { registry } from '../apps/registry/src/registry.definition.js';
import { training } from '../apps/training/src/training.definition.js';

/*
 * The numbers a county is scored on, against a small county counted by hand: township A, township B with one stall, and
 * eleven townships without anything.
 */

interface Indicator {
  code: string;
  version: number;
  title: { zh: string; en: string };
  division: string;
  name: string | null;
  period: string | null;
  asOf: string;
  numerator: number;
  denominator: number;
  value: number | null;
  rows: { numerator: string; denominator: string };
}
interface Row {
  id: string;
  division: string;
  name: string;
  detail: string | null;
  inNumerator: boolean;
}

const services = ['registry', 'assignment', 'inspection', 'training', 'notification'] as const;
const [townA, townB, countyCode] = ['371425101', '371425102', '371425'];
let county: County;
let admin: string;
let office: string;
let officeB: string;
/** By name. */
const officials: Record<string, { id: string; token: string }> = {};
const shops: Record<string, { id: string; kind: string }> = {};

const call = (service: Service, method: string, path: string, token: string, body?: unknown, headers = {}): Promise<Answer> =>
  county.call(service, method, path, { token, headers, ...(body === undefined ? {} : { body }) }); // prettier-ignore
const done = async (service: Service, method: string, path: string, token: string, body?: unknown, headers = {}): Promise<{ id: string }> => {
  const answer = await call(service, method, path, token, body, headers);
  if (answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body as { id: string };
}; // prettier-ignore
const count = async (service: Service, what: string): Promise<number> =>
  (await county.rows<{ n: number }>(service, `select count(*)::int as n from ${what}`))[0]!.n;
const reaches = (service: Service, what: string, n: number): Promise<number> =>
  eventually(() => count(service, what), (found) => found === n, 30_000); // prettier-ignore
const numbers = async (service: Service, query: string, token = admin): Promise<Indicator[]> => {
  const answer = await call(service, 'GET', `/v1/indicators${query}`, token);
  expect([service, query, answer.status]).toEqual([service, query, 200]);
  expect((answer.body as { next: null }).next).toBeNull();
  return (answer.body as { items: Indicator[] }).items;
};
/** `numerator/denominator` of one code at one place. */
const of = async (service: Service, code: string, query = '', token = admin): Promise<string> => {
  const { numerator, denominator } = (await numbers(service, query, token)).find((one) => one.code === code)!; // prettier-ignore
  return `${numerator}/${denominator}`;
};
/** The rows behind a number, by its own address, page by page. */
const open = async (address: string, token: string, limit = 200): Promise<Row[]> => {
  const [, , service, ...rest] = address.split('/');
  const rows: Row[] = [];
  for (let after = ''; ;) {
    const answer = await call(service as Service, 'GET', `/${rest.join('/')}&limit=${limit}${after}`, token); // prettier-ignore
    expect([address, answer.status]).toEqual([address, 200]);
    const { items, next } = answer.body as { items: Row[]; next: string | null };
    expect(items.length).toBeLessThanOrEqual(limit);
    rows.push(...items);
    if (!next) return rows;
    after = `&after=${next}`;
  }
};

const villages = new Map((await readFile('apps/platform/sample/divisions.csv', 'utf8')).split('\n').map((line) => line.split(',').slice(0, 2) as [string, string])); // prettier-ignore

const { checklists } = JSON.parse(await readFile('apps/platform/sample/checklists.json', 'utf8')) as {
  checklists: { kinds: string[]; items: { code: string }[] }[];
}; // prettier-ignore
const visit = async (name: string, by: string, findings: { workingDays: number }[] = []): Promise<void> => {
  const { id, kind } = shops[name]!;
  const { items } = checklists.find(({ kinds }) => kinds.includes(kind))!;
  await done('inspection', 'POST', '/v1/inspections', officials[by]!.token, {
    establishmentId: id, method: 'on-site', visitedAt: '2026-11-23T08:30:00+08:00',
    results: items.map(({ code }, at) => ({ item: code, result: at < findings.length ? 'fail' : 'pass' })),
    findings: findings.map(({ workingDays }, at) => ({ item: items[at]!.code, text: '不合格', handling: 'deadline', workingDays })),
    operator: { answer: 'signed', signedBy: '王某' },
  });
}; // prettier-ignore
/** Whole way of a correction: mended, looked at, struck off. */
const close = async (id: string): Promise<void> => {
  await done('inspection', 'POST', `/v1/corrective-actions/${id}/response`, officials['甲']!.token, { text: '已整改' }); // prettier-ignore
  await done('inspection', 'POST', `/v1/corrective-actions/${id}/verification`, office, { outcome: 'corrected' }); // prettier-ignore
  await done('inspection', 'POST', `/v1/corrective-actions/${id}/closure`, office, {});
};

/** The official signs what he was shown. */
const sign = async (name: string): Promise<void> => {
  const { id, token } = officials[name]!;
  const all = await county.every<{ id: string; officialId: string; documentSha256: string }>('assignment', '/v1/undertakings', token); // prettier-ignore
  const { id: undertaking, documentSha256 } = all.find(({ officialId }) => officialId === id)!;
  await done('assignment', 'POST', `/v1/undertakings/${undertaking}/signature`, token, { signedName: name, documentSha256 }); // prettier-ignore
};

beforeAll(async () => {
  county = await County.start([registry, assignment, inspection, training, notification]);
  for (const service of services) await county.clock(service, '2026-11-23T09:00:00+08:00');
  admin = await county.token('county-admin', countyCode);
  office = await county.token('office', townA);
  officeB = await county.token('office', townB);
  for (const service of ['assignment', 'inspection', 'training', 'notification'] as const)
    await reaches(service, 'division_list', 16);
  const roster = ['甲,书记,村级,371425101201', '乙,书记,村级,371425101202', '丙,镇长,乡级,371425101', '丁,副县长,县级,371425', '戊,书记,村级,371425102201']; // prettier-ignore
  await county.land('assignment', '/v1/roster-imports', admin, Buffer.from(`姓名,职务,层级,行政区划代码\n${roster.join('\n')}\n`), 'r.csv'); // prettier-ignore
  for (const { id, name, division } of await county.every<{
    id: string;
    name: string;
    division: string;
  }>('assignment', '/v1/officials', admin))
    // prettier-ignore
    officials[name] = { id, token: await county.official(id, division.slice(0, 9)) };
  for (const [name, division, kind, more] of [
    ['甲店', '371425101201', 'small-catering', {}], // D
    ['乙店', '371425101201', 'stall', {}], // D
    ['丙坊', '371425101202', 'workshop', {}], // D
    ['丁店', '371425101202', 'catering', { area: 200 }], // C
    ['戊场', '371425101202', 'market', {}], // B
    ['己厂', '371425101202', 'group-meal', { diners: 2000 }], // A, and the city has no official
    ['庚摊', '371425101201', 'stall', {}], // D, closed before long
    ['辛摊', '371425101201', 'stall', {}], // D, suspended at once
    ['壬摊', '371425102201', 'stall', {}], // D, of township B
  ] as const) {
    const made = await done('registry', 'POST', '/v1/establishments', admin, { division, name, address: '一号', kind, ...more }); // prettier-ignore
    shops[name] = { id: made.id, kind };
  }
  await done('registry', 'PATCH', `/v1/establishments/${shops['辛摊']!.id}`, office, { status: 'suspended' }, { 'if-match': '"1"' }); // prettier-ignore
  for (const service of ['assignment', 'inspection'] as const) {
    await reaches(service, 'premises', 9);
    await reaches(service, `premises where status = 'open'`, 8);
  }
  const proposal = await done('assignment', 'POST', '/v1/proposals', admin, { division: countyCode }); // prettier-ignore
  await done('assignment', 'POST', `/v1/proposals/${proposal.id}/approval`, await county.token('county-admin', countyCode)); // prettier-ignore
  await reaches('inspection', 'responsibility', 7);
  await sign('甲');
  await done('inspection', 'POST', '/v1/obligation-runs', admin, { period: '2026-Q4' });
  await reaches('inspection', 'obligation', 8);
  await done('registry', 'PATCH', `/v1/establishments/${shops['庚摊']!.id}`, office, { status: 'closed' }, { 'if-match': '"1"' }); // prettier-ignore
  await reaches('inspection', `obligation where state = 'withdrawn'`, 1);
  await reaches('assignment', 'assignment where ended_at is not null', 1);
  await visit('甲店', '甲', [{ workingDays: 1 }, { workingDays: 20 }]);
  await visit('乙店', '甲', [{ workingDays: 20 }]);
  await county.quiet();
}, 120_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop(), 60_000);

describe('an indicator', () => {
  it('of the registry counts open establishments by tier and by kind', async () => {
    for (const [code, inA, inCounty] of [
      ['establishments-tier-a', '1/6', '1/7'],
      ['establishments-tier-b', '1/6', '1/7'],
      ['establishments-tier-c', '1/6', '1/7'],
      ['establishments-tier-d', '3/6', '4/7'],
      ['establishments-kind-stall', '1/6', '2/7'],
      ['establishments-kind-market', '1/6', '1/7'],
      ['establishments-kind-canteen', '0/6', '0/7'],
    ] as const) {
      expect([code, await of('registry', code, `?division=${townA}`)]).toEqual([code, inA]);
      expect([code, await of('registry', code)]).toEqual([code, inCounty]);
      expect([code, await of('registry', code, '', office)]).toEqual([code, inA]);
    }
    expect(await numbers('registry', '')).toHaveLength(14);
    expect(await of('registry', 'establishments-tier-d', '?division=371425101201')).toBe('2/2');
  });

  it('of assignment counts who has an official of the level that the tier asks for', async () => {
    const rate = (): Promise<string> => of('assignment', 'assignment-rate', '', office);
    expect(await rate()).toBe('5/6');
    expect(await of('assignment', 'assignment-rate')).toBe('6/7');
    // It grows into tier B: the township's official is not of the level any more.
    await done('registry', 'PATCH', `/v1/establishments/${shops['丁店']!.id}`, office, { area: 600 }, { 'if-match': '"1"' }); // prettier-ignore
    expect(await eventually(rate, (now) => now !== '5/6')).toBe('4/6');
    const [{ rows }] = (await numbers('assignment', '', office)) as [Indicator];
    const all = await open(rows.denominator, office);
    expect(Object.fromEntries(all.map(({ name, detail, inNumerator }) => [name, [detail, inNumerator]]))).toEqual({
      甲店: ['甲', true], 乙店: ['甲', true], 丙坊: ['乙', true], 丁店: ['丙', false], 戊场: ['丁', true], 己厂: [null, false],
    }); // prettier-ignore
  });

  it('of assignment counts who has signed the undertaking for the list as it is', async () => {
    const signed = async (): Promise<string[]> =>
      Promise.all([admin, office, officeB].map((token) => of('assignment', 'undertakings-signed', '', token))); // prettier-ignore
    // 甲 signed before 庚摊 closed: that was another list.
    expect(await signed()).toEqual(['0/5', '0/3', '0/1']);
    await sign('戊');
    expect(await signed()).toEqual(['1/5', '0/3', '1/1']);
    await sign('丁'); // of the county: in no township's numbers
    expect(await signed()).toEqual(['2/5', '0/3', '1/1']);
  });

  it('of inspection counts visits of the quarter, and corrections from their first day to their closure', async () => {
    const three = async (query = '', token = office): Promise<string[]> =>
      (await numbers('inspection', query, token)).map((one) => `${one.code} ${one.numerator}/${one.denominator}`); // prettier-ignore
    // The withdrawn visit is not counted; three corrections, none closed.
    expect(await three()).toEqual(['visits-done 2/6', 'corrections-closed 0/3', 'corrections-in-time 0/0']); // prettier-ignore
    expect(await of('inspection', 'visits-done')).toBe('2/7');
    expect(await three('?period=2026-Q3')).toEqual(['visits-done 0/0', 'corrections-closed 0/0', 'corrections-in-time 0/0']); // prettier-ignore
    expect(await three('?period=2026-Q4')).toEqual(await three());
    const actions = await county.every<{ id: string; dueOn: string }>('inspection', '/v1/corrective-actions', office); // prettier-ignore
    const [soon, late] = actions.sort((a, b) => (a.dueOn < b.dueOn ? -1 : 1));
    await close(late!.id);
    expect(await three()).toEqual(['visits-done 2/6', 'corrections-closed 1/3', 'corrections-in-time 1/1']); // prettier-ignore
    await county.clock('inspection', '2026-12-01T09:00:00+08:00');
    await reaches('inspection', 'corrective_action where overdue', 1);
    await close(soon!.id);
    expect(await three()).toEqual(['visits-done 2/6', 'corrections-closed 2/3', 'corrections-in-time 1/2']); // prettier-ignore
    // An official's own: 甲 answers for two of the shops, 乙 for one.
    expect(await three('', officials['甲']!.token)).toEqual(['visits-done 2/2', 'corrections-closed 2/3', 'corrections-in-time 1/2']); // prettier-ignore
    expect(await three('', officials['乙']!.token)).toEqual(['visits-done 0/1', 'corrections-closed 0/0', 'corrections-in-time 0/0']); // prettier-ignore
    const [{ period }] = (await numbers('inspection', '')) as [Indicator];
    expect(period).toBe('2026-Q4');
  });

  it('of inspection looks at the quarter of now in Asia/Shanghai', async () => {
    await county.clock('inspection', '2026-12-31T15:59:59Z');
    expect((await numbers('inspection', '')).map(({ period }) => period)).toEqual(['2026-Q4', '2026-Q4', '2026-Q4']); // prettier-ignore
    await county.clock('inspection', '2026-12-31T16:00:00Z');
    expect((await numbers('inspection', '')).map(({ period }) => period)).toEqual(['2027-Q1', '2027-Q1', '2027-Q1']); // prettier-ignore
    await eventually(() => count('inspection', `obligation where period = '2027-Q1'`), (n) => n === 7); // prettier-ignore
    expect(await of('inspection', 'visits-done', '?period=2026-Q4')).toBe('2/7');
  });

  it('of training counts active officials with the certificate', async () => {
    expect(await of('training', 'officials-trained')).toBe('0/5');
    const session = await done('training', 'POST', '/v1/sessions', office, { title: '岗前培训', place: '会议室', heldAt: '2026-11-22T14:00:00+08:00' }); // prettier-ignore
    await done('training', 'POST', `/v1/sessions/${session.id}/attendances`, office, { officials: [officials['甲']!.id] }); // prettier-ignore
    expect(await of('training', 'officials-trained')).toBe('1/5');
    expect(await of('training', 'officials-trained', '', office)).toBe('1/3');
    expect(await of('training', 'officials-trained', '', officeB)).toBe('0/1');
    // Who has left is counted no more (this release has no route by which an official leaves).
    await county.rows('training', `update official set active = false where name = '丙'`);
    expect(await of('training', 'officials-trained', '', office)).toBe('1/2');
  });

  it('of notification counts messages to officials, and those read', async () => {
    const visitDue = (period: string): string => `message where division like '${townB}%' and about->>'period' = '${period}'`; // prettier-ignore
    await reaches('notification', visitDue('2026-Q4'), 1);
    await reaches('notification', visitDue('2027-Q1'), 1);
    await county.quiet();
    // Assigned, a visit a quarter, and whatever else an official is told of.
    const told = await count('notification', `message where division like '${townB}%' and audience = 'official'`); // prettier-ignore
    expect(told).toBeGreaterThanOrEqual(3);
    expect(await of('notification', 'messages-read', '', officeB)).toBe(`0/${told}`);
    const token = officials['戊']!.token;
    const [first] = await county.every<{ id: string }>('notification', '/v1/messages', token);
    await done('notification', 'POST', `/v1/messages/${first!.id}/receipt`, token);
    for (const eyes of [officeB, token])
      expect(await of('notification', 'messages-read', '', eyes)).toBe(`1/${told}`);
    expect(await of('notification', 'messages-read', '', officials['乙']!.token)).toMatch(/^0\/[1-9]/); // prettier-ignore
  });
});

describe('each number', () => {
  it('opens exactly the rows that it counts, page by page, for everybody who sees it', async () => {
    const people: [string, string][] = [
      ['the county', admin],
      ['the office of A', office],
      ['the auditor of B', await county.token('auditor', townB)],
      ['market supervision', await county.token('authority', countyCode)],
      ['an official of A', officials['甲']!.token],
    ];
    let opened = 0;
    for (const [who, token] of people)
      for (const service of services)
        for (const query of ['', '?by=division', ...(service === 'inspection' ? ['?period=2026-Q4'] : [])]) {
          const answer = await call(service, 'GET', `/v1/indicators${query}`, token);
          if (answer.status === 403) continue;
          for (const { code, division, numerator, denominator, value, rows } of (answer.body as { items: Indicator[] }).items) {
            const what = [who, code, division];
            expect(rows.numerator).toMatch(new RegExp(`^/api/${service}/v1/indicators/${code}/rows\\?`));
            expect([what, value]).toEqual([what, denominator === 0 ? null : numerator / denominator]);
            const all = await open(rows.denominator, token, 2);
            const counted = await open(rows.numerator, token, 1);
            expect([what, counted.length, all.length]).toEqual([what, numerator, denominator]);
            expect(all.filter(({ inNumerator }) => inNumerator)).toEqual(counted);
            expect(new Set(all.map(({ id }) => id)).size).toBe(denominator);
            const keys = all.map((row) => `${row.division}.${row.id}`);
            expect(keys).toEqual([...keys].sort());
            expect(all.filter((row) => !row.division.startsWith(division) || row.name === '')).toEqual([]);
            opened += numerator > 0 ? 1 : 0;
          }
        }
    expect(opened).toBeGreaterThan(60);
  }, 120_000); // prettier-ignore

  it('says what its place is called, as far as its service knows and it is of one’s ground', async () => {
    const named = async (service: Service, query: string, token = admin): Promise<string[]> =>
      [...new Set((await numbers(service, query, token)).map(({ division, name }) => `${division} ${name}`))]; // prettier-ignore
    for (const service of services) {
      const period = service === 'inspection' ? '&period=2026-Q4' : '';
      expect([service, await named(service, `?by=division${period}`)]).toEqual([service, [`${townA} 表白寺镇`, `${townB} 焦庙镇`]]); // prettier-ignore
      expect([service, await named(service, '')]).toEqual([service, [`${countyCode} 齐河县`]]);
      expect([service, await named(service, `?by=division${period}`, office)]).toEqual([service, ['371425101201', '371425101202'].map((code) => `${code} ${villages.get(code)}`)]); // prettier-ignore
      for (const foreign of [townB, '371425999'])
        expect([service, await named(service, `?division=${foreign}`, office)]).toEqual([service, [`${foreign} null`]]); // prettier-ignore
    }
  });

  it('is told in words, and so is whose definition it is', async () => {
    for (const service of services)
      for (const { code, version, title } of await numbers(service, '')) {
        const answer = await call(service, 'GET', `/v1/indicators/${code}`, admin);
        expect(answer).toMatchObject({ status: 200, body: { code, version, title, source: 'sample' } }); // prettier-ignore
        expect(answer.headers.get('etag')).toBe(`"${version}"`);
        for (const part of ['title', 'denominator', 'numerator', 'exclusions']) {
          const words = (answer.body as Record<string, { zh: string; en: string }>)[part]!;
          expect([code, part, /\p{Script=Han}/u.test(words.zh), /[A-Za-z]/.test(words.en)]).toEqual([code, part, true, true]); // prettier-ignore
        }
      }
    const codes = (await numbers('registry', '')).map(({ code }) => code);
    for (const wrong of ['unknown', 'toString', 'assignment-rate'])
      for (const path of [`/v1/indicators/${wrong}`, `/v1/indicators/${wrong}/rows`])
        expect(await call('registry', 'GET', path, admin)).toMatchObject({
          status: 404,
          body: { code: 'not-found', errors: [{ pointer: '/code', rule: 'isIn', value: wrong, remedy: `须为以下取值之一:${codes.join('、')} · it must be one of: ${codes.join(', ')}` }] },
        }); // prettier-ignore
  });

  it('is null, and opens nothing, where there is nothing to count', async () => {
    for (const service of services)
      for (const { numerator, denominator, value, rows } of await numbers(
        service,
        '?division=371425105',
      )) {
        // prettier-ignore
        expect([numerator, denominator, value]).toEqual([0, 0, null]);
        for (const address of [rows.numerator, rows.denominator])
          expect(await open(address, admin)).toEqual([]);
      }
  });

  it('of a foreign place, and of one above, is that of a place that does not exist', async () => {
    const bare = async (service: Service, division: string): Promise<string> =>
      JSON.stringify(await numbers(service, `?division=${division}`, office)).replaceAll(division, '').replace(/"asOf":"[^"]*"/g, ''); // prettier-ignore
    for (const service of services) {
      const absent = await bare(service, '371425199');
      for (const division of [townB, `${townB}201`, countyCode, '371482', '371482101']) {
        expect(await bare(service, division)).toBe(absent.replaceAll('371425199', division));
        expect(await numbers(service, `?division=${division}&by=division`, office)).toEqual([]);
        for (const { numerator, denominator, rows } of await numbers(
          service,
          `?division=${division}`,
          office,
        )) {
          // prettier-ignore
          expect([numerator, denominator]).toEqual([0, 0]);
          expect(await open(rows.denominator, office)).toEqual([]);
        }
      }
    }
  });

  it('is shown to those who see its rows elsewhere, and to nobody else', async () => {
    const may: Record<string, readonly string[]> = {
      'county-admin': services,
      office: services,
      auditor: services,
      authority: services.filter((one) => one !== 'notification'),
      official: ['inspection', 'notification'],
      'grid-worker': [],
      service: [],
    };
    for (const [role, seen] of Object.entries(may))
      for (const service of services) {
        const token = role === 'official' ? officials['甲']!.token : await county.token(role as 'office', townA); // prettier-ignore
        const { code } = (await numbers(service, ''))[0]!;
        for (const path of ['', '.xlsx', `/${code}`, `/${code}/rows`]) {
          const { status } = await call(service, 'GET', `/v1/indicators${path}`, token);
          expect([role, service, path, status]).toEqual([role, service, path, seen.includes(service) ? 200 : 403]); // prettier-ignore
        }
      }
  });

  it('refuses what is no place, no quarter, no part', async () => {
    for (const [service, query] of [
      ['registry', '?division=3714'],
      ['registry', '?by=kind'],
      ['registry', '?period=2026-Q4'],
      ['registry', '.xlsx?period=2026-Q4'],
      ['inspection', '.xlsx?period=2026-Q5'],
      ['inspection', '?period=2026-Q5'],
      ['inspection', '/visits-done/rows?period=2026'],
      ['registry', '/establishments-tier-a/rows?part=all'],
      ['registry', '/establishments-tier-a/rows?limit=201'],
    ] as const)
      expect([query, (await call(service, 'GET', `/v1/indicators${query}`, admin)).status]).toEqual([query, 422]); // prettier-ignore
  });
});

describe('the numbers as a workbook', () => {
  it('are those of the answer, a row for each, for everybody who sees them', async () => {
    const local = (instant: string): string =>
      new Intl.DateTimeFormat('sv-SE', { timeZone: 'Asia/Shanghai', dateStyle: 'short', timeStyle: 'medium' }).format(new Date(instant));
    const people = [admin, office, await county.token('auditor', townB), officials['甲']!.token];
    let percents = 0;
    for (const service of services)
      for (const query of ['', '?by=division', `?division=${townA}201`, `?division=${townB}`, ...(service === 'inspection' ? ['?by=division&period=2026-Q4'] : [])])
        for (const token of people) {
          const answer = await call(service, 'GET', `/v1/indicators${query}`, token);
          const { status, bytes } = await county.download(service, `/v1/indicators.xlsx${query}`, token);
          expect([service, query, status]).toEqual([service, query, answer.status]);
          if (status === 403) continue;
          const [titles, ...rows] = rowsOf(bytes);
          expect(titles).toEqual(['指标', '英文名称', '行政区划代码', '地区', '分子', '分母', '百分比(%)', '季度', '截至(北京时间)', '口径', '指标代码', '口径版本', '资料仍在同步']);
          const { items } = answer.body as { items: Indicator[] };
          const told = items.map(({ code, version, title, division, name, period, asOf, numerator, denominator }) => [
            title.zh, title.en, division, name ?? '', `${numerator}`, `${denominator}`,
            denominator === 0 ? '' : `${Number(((100 * numerator) / denominator).toFixed(2))}`, period ?? '', local(asOf), code, `${version}`,
          ]);
          expect([service, query, rows.map((texts) => texts.filter((_, at) => at !== 9 && at !== 12))]).toEqual([service, query, told]);
          percents += rows.filter((texts) => texts[6]!.includes('.')).length;
        }
    expect(percents).toBeGreaterThan(10);
  }, 60_000); // prettier-ignore

  it('say what each of them counts', async () => {
    for (const service of services)
      for (const texts of rowsOf((await county.download(service, '/v1/indicators.xlsx', admin)).bytes).slice(1)) {
        const { denominator, numerator, exclusions } = (await call(service, 'GET', `/v1/indicators/${texts[10]}`, admin)).body as Record<string, { zh: string; en: string }>;
        expect(texts[9]).toBe(`分母:${denominator!.zh};分子:${numerator!.zh};不计:${exclusions!.zh} · denominator: ${denominator!.en}; numerator: ${numerator!.en}; left out: ${exclusions!.en}`);
      }
  }); // prettier-ignore
});

describe('the league table', () => {
  it('has the numbers of each township with any row, and those of each village below a township', async () => {
    for (const service of services) {
      const query = service === 'inspection' ? '&period=2026-Q4' : '';
      const table = await numbers(service, `?by=division${query}`);
      expect([...new Set(table.map(({ division }) => division))]).toEqual([townA, townB]);
      const timeless = (all: Indicator[]): object[] => all.map((one) => ({ ...one, asOf: '' }));
      for (const town of [townA, townB])
        expect(timeless(table.filter(({ division }) => division === town))).toEqual(timeless(await numbers(service, `?division=${town}${query}`))); // prettier-ignore
      const own = await numbers(service, `?by=division${query}`, office);
      expect(own.every(({ division }) => division.length === 12 && division.startsWith(townA))).toBe(true); // prettier-ignore
    }
    // Officials of the county itself are in no township.
    expect(await of('training', 'officials-trained')).toBe('1/4');
    expect((await numbers('training', '?by=division')).map(({ division, denominator }) => [division, denominator])).toEqual([[townA, 2], [townB, 1]]); // prettier-ignore
    expect(await numbers('registry', '?division=371425101201&by=division')).toEqual([]);
  });
});

it('counts numerator and denominator at one instant, whatever is written meanwhile', async () => {
  let writing = true;
  let reads = 0;
  const seen = new Set<number>();
  const reader = async (): Promise<void> => {
    while (writing) {
      const all = await numbers('registry', '?division=371425106');
      const [first] = all;
      const sum = (which: string): number =>
        all.filter(({ code }) => code.startsWith(which)).reduce((n, { numerator }) => n + numerator, 0); // prettier-ignore
      expect(new Set(all.map(({ denominator }) => denominator)).size).toBe(1);
      expect([sum('establishments-tier'), sum('establishments-kind')]).toEqual([first!.denominator, first!.denominator]); // prettier-ignore
      seen.add(first!.denominator);
      reads += 1;
    }
  };
  const writer = async (): Promise<void> => {
    for (let n = 0; n < 60; n += 1)
      await done('registry', 'POST', '/v1/establishments', admin, { division: '371425106201', name: `店${n}`, address: `${n}号`, kind: n % 2 ? 'stall' : 'market' }); // prettier-ignore
    writing = false;
  };
  await Promise.all([writer().finally(() => (writing = false)), reader(), reader()]);
  expect(reads).toBeGreaterThan(5);
  expect(seen.size).toBeGreaterThan(3);
}, 60_000);

it('says whether facts are still on their way, in every service, and counts all the same while the broker is away', async () => {
  const told = async (service: Service): Promise<unknown> =>
    ((await call(service, 'GET', '/v1/indicators', admin)).body as { catchingUp: unknown }).catchingUp;
  const sheet = async (service: Service): Promise<string | undefined> =>
    rowsOf((await county.download(service, '/v1/indicators.xlsx', admin)).bytes)[1]!.at(-1);
  for (const service of services) expect([service, await eventually(() => told(service), (said) => said === false)]).toEqual([service, false]);
  const holders = services.map((service) => new pg.Client({ connectionString: county.url(service, 'owner') }));
  try {
    // What arrives is neither applied nor set aside to be tried again.
    for (const holder of holders) {
      await holder.connect();
      await holder.query('begin; lock table inbox, waiting_fact in share row exclusive mode');
    }
    await done('registry', 'PATCH', `/v1/establishments/${shops['壬摊']!.id}`, admin, { address: '二号' }, { 'if-match': '"1"' });
    const [official] = await county.every<{ id: string; version: number }>('assignment', '/v1/officials', officeB);
    await done('assignment', 'PATCH', `/v1/officials/${official!.id}`, officeB, { post: '委员' }, { 'if-match': `"${official!.version}"` });
    await visit('丙坊', '乙');
    for (const service of services) {
      expect([service, await eventually(() => told(service), (said) => said === true)]).toEqual([service, true]);
      expect([service, await sheet(service)]).toEqual([service, '是']);
    }
  } finally {
    for (const holder of holders) await holder.end();
  }
  await county.quiet();
  for (const service of services) expect([service, await eventually(() => told(service), (said) => said === false)]).toEqual([service, false]);
  await county.nats.stop();
  for (const service of services) expect([service, await told(service), await sheet(service)]).toEqual([service, null, '无法判断']);
}, 60_000); // prettier-ignore
