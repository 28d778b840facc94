import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Service } from '#contracts';
import { Database } from '#database';
import { loadInto } from '#platform';
import { type Answer, County, eventually } from '#testing';
import { assignment } from '../apps/assignment/src/assignment.definition.js';
import { identity } from '../apps/identity/src/identity.definition.js';
import { inspection } from '../apps/inspection/src/inspection.definition.js';
import { notification } from '../apps/notification/src/notification.definition.js';
import { registry } from '../apps/registry/src/registry.definition.js';
import { training } from '../apps/training/src/training.definition.js';

/*
 * Two counties share an installation, and an official of one becomes an official of the other. He leaves here, where what
 * he did stays, and comes there as one whom nobody knows.
 */

const [here, there] = ['371425', '371482'];
const definitions = [registry, assignment, inspection, training, notification, identity];
const services = definitions.map(({ service }) => service);

let county: County;
let folder: string;
const people = {} as Record<'admin' | 'second' | 'office' | 'auditor' | 'thereAdmin' | 'thereSecond' | 'thereOffice' | 'thereAuditor', string>; // prettier-ignore

beforeAll(async () => {
  // Nothing listens where the mails go: what is queued stays queued.
  county = await County.start(definitions, {
    env: { NOTIFICATION_KEYS: 'only-for-tests-only-for-tests-only-for-tests', SMTP_URL: 'smtp://127.0.0.1:1?tls=none', SMTP_FROM: 'no-reply@county.example' },
  }); // prettier-ignore
  // The neighbour: the same places under its own code.
  folder = await mkdtemp(join(tmpdir(), 'foodwarden-neighbour-'));
  for (const file of (await readdir('apps/platform/sample')).filter((one) =>
    /\.(csv|json)$/.test(one),
  ))
    // prettier-ignore
    await writeFile(
      join(folder, file),
      (await readFile(join('apps/platform/sample', file), 'utf8')).replaceAll(here, there),
    );
  for (const { service, load } of definitions)
    if (load) {
      const database = new Database({ service, url: county.url(service, 'app'), entities: [] });
      await database.open();
      await loadInto(database, await load(folder)).finally(() => database.close());
    }
  for (const service of services) await county.clock(service, '2026-11-23T09:00:00+08:00');
  for (const [name, role, division] of [
    ['admin', 'county-admin', here], ['second', 'county-admin', here], ['office', 'office', `${here}101`], ['auditor', 'auditor', here],
    ['thereAdmin', 'county-admin', there], ['thereSecond', 'county-admin', there], ['thereOffice', 'office', `${there}101`], ['thereAuditor', 'auditor', there],
  ] as const)
    people[name] = await county.token(role, division, { expires: '1h' }); // prettier-ignore
  await eventually(
    () => county.rows<{ n: number }>('assignment', 'select count(*)::int as n from division_list'),
    ([row]) => row?.n === 32,
  );
}, 120_000);
afterAll(async () => {
  await county.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const ask = (service: Service, method: string, path: string, token: string, body?: unknown): Promise<Answer> =>
  county.call(service, method, `/v1${path}`, { token, ...(body === undefined ? {} : { body }) }); // prettier-ignore
async function done<T>(service: Service, path: string, token: string, body?: unknown): Promise<T> {
  const answer = await ask(service, 'POST', path, token, body);
  if (answer.status > 299) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`); // prettier-ignore
  return answer.body as T;
}
const every = <T>(service: Service, path: string, token: string): Promise<T[]> =>
  county.every<T>(service, `/v1${path}`, token);
const count = async (service: Service, sql: string, parameters: unknown[] = []): Promise<number> =>
  (await county.rows<{ n: number }>(service, `select count(*)::int as n from ${sql}`, parameters))[0]!.n; // prettier-ignore
interface Made {
  id: string;
}

/** A roster of one, two shops in his village, and the approval that makes them his. */
async function settle(place: string, admin: string, second: string, office: string, shops: string[]): Promise<{ official: string; shops: string[] }> {
  const roster = await county.land('assignment', '/v1/roster-imports', admin, Buffer.from(`姓名,职务,层级,行政区划代码,联系电话\n王秀英,村党支部书记,村级,${place}101201,19900000001\n`), 'r.csv');
  expect(roster.counts).toMatchObject({ created: 1 });
  const [official] = (await every<Made & { active: boolean }>('assignment', '/officials', admin)).filter(({ active }) => active);
  const made: string[] = [];
  for (const name of shops)
    made.push((await done<Made>('registry', '/establishments', office, { division: `${place}101201`, name, address: '一号', kind: 'catering', area: 50 })).id);
  await eventually(() => count('assignment', 'premises where establishment_id = any($1)', [made]), (n) => n === shops.length);
  const proposal = await done<Made>('assignment', '/proposals', admin, { division: place });
  await done('assignment', `/proposals/${proposal.id}/approval`, second);
  await county.quiet();
  return { official: official!.id, shops: made };
} // prettier-ignore
/** His account, and a token of it. */
async function enter(admin: string, name: string, division: string, official: string): Promise<{ account: string; token: string }> {
  const { id } = await done<Made>('identity', '/accounts', admin, { name, displayName: '王秀英', role: 'official', division, official });
  await county.quiet();
  return { account: id, token: await county.official(official, division, id) };
} // prettier-ignore

/** What a county's own people can list, as one text. */
const lists: [Service, string[]][] = [
  ['registry', ['/establishments', '/ledger-imports', '/changes', '/personal-reads']],
  ['assignment', ['/officials', '/assignments', '/proposals', '/gaps', '/undertakings', '/roster-imports', '/changes', '/personal-reads']],
  ['inspection', ['/obligations', '/inspections', '/corrective-actions', '/obligation-runs']],
  ['training', ['/sessions', '/certificates', '/officials']],
  ['notification', ['/messages', '/subscriptions', '/deliveries']],
  ['identity', ['/accounts', '/sign-ins', '/changes']],
]; // prettier-ignore
async function everything(token: string): Promise<string> {
  let text = '';
  for (const [service, paths] of lists)
    for (const path of paths) {
      const answer = await ask(service, 'GET', `${path}?limit=1`, token);
      if (answer.status === 403 || answer.status === 404) continue;
      text += JSON.stringify(await every(service, path, token));
    }
  return text;
}
/** Rows that the move has to do with, to be compared. */
const state = async (): Promise<unknown> =>
  Promise.all(
    ([
      ['assignment', 'select id, version, active from official order by id'],
      ['assignment', 'select id, version, ended_at, end_reason from assignment order by id'],
      ['assignment', 'select id, version, state, stale_reason from undertaking order by id'],
      ['inspection', 'select id, version, state, official_id from obligation order by id'],
      ['inspection', 'select id, version, state, official_id from corrective_action order by id'],
      ['inspection', 'select assignment_id, sequence, ended_at from responsibility order by assignment_id'],
      ['training', 'select official_id, active, division from official order by official_id'],
      ['notification', 'select id, version, kind, official_id from message order by id'],
      ['notification', 'select id, state, end_reason from subscription order by id'],
      ['identity', 'select id, version, active, division from account order by id'],
    ] as [Service, string][]).map(async ([service, sql]) => [sql, await county.rows(service, sql)]),
  ); // prettier-ignore

it('moves from one county to another: nothing of the old one goes with him, and nothing of his stays undone unseen', async () => {
  const { official, shops } = await settle(here, people.admin, people.second, people.office, ['甲店', '乙店']); // prettier-ignore
  const before = await enter(people.admin, 'wang-here', `${here}101`, official);
  await done('inspection', '/obligation-runs', people.admin, { period: '2026-Q4' });
  await eventually(() => count('inspection', `obligation where official_id = $1`, [official]), (n) => n === 2); // prettier-ignore
  const visit = await done<Made>('inspection', '/inspections', before.token, {
    establishmentId: shops[0], method: 'on-site', visitedAt: '2026-11-23T08:30:00+08:00', position: { latitude: 36.79, longitude: 116.75, accuracyMetres: 12 },
    checklist: 'catering', checklistVersion: 1,
    results: Array.from({ length: 8 }, (_, at) => ({ item: `catering-0${at + 1}`, result: at === 6 ? 'fail' : 'pass', note: '无' })),
    findings: [{ item: 'catering-07', text: '消毒柜未通电', handling: 'deadline', workingDays: 10, demand: '修复' }], operator: { answer: 'signed', signedBy: '李某' },
  }); // prettier-ignore
  const session = await done<Made>('training', '/sessions', people.office, { title: '岗前培训', place: '镇政府', heldAt: '2026-11-20T14:00:00+08:00' }); // prettier-ignore
  await done('training', `/sessions/${session.id}/attendances`, people.office, { officials: [official] }); // prettier-ignore
  const [undertaking] = await every<Made & { documentSha256: string }>('assignment', '/undertakings', before.token); // prettier-ignore
  await done('assignment', `/undertakings/${undertaking!.id}/signature`, before.token, { documentSha256: undertaking!.documentSha256, signedName: '王秀英' }); // prettier-ignore
  const subscription = await done<Made>('notification', '/subscriptions', before.token, { channel: 'email', address: 'wang@county.example' }); // prettier-ignore
  await county.quiet();
  const told = await every<Made>('notification', '/messages?mine=true', before.token);
  expect(told.length).toBeGreaterThan(3);

  // ---- he leaves: said by his county, and by nobody else
  const departure = `/officials/${official}/departure`;
  for (const token of [people.thereAdmin, people.thereOffice, await county.token('office', `${here}102`)]) // prettier-ignore
    expect((await ask('assignment', 'POST', departure, token, { reason: '调离' })).status).toBe(404); // prettier-ignore
  for (const token of [before.token, people.auditor])
    expect((await ask('assignment', 'POST', departure, token, { reason: '调离' })).status).toBe(403); // prettier-ignore
  const left = await done<{ active: boolean; version: number }>('assignment', departure, people.admin, { reason: '调往邻县' }); // prettier-ignore
  expect(left).toMatchObject({ active: false, version: 2 });
  expect(await done('assignment', departure, people.office, { reason: '再次登记' })).toMatchObject({
    active: false,
    version: 2,
  }); // a repeat
  await county.quiet();

  // ---- his account is cut off, everywhere
  for (const service of services)
    await eventually(() => ask(service, 'GET', '/dead-letters', before.token), ({ status }) => status === 401); // prettier-ignore
  expect(await every('identity', '/accounts?role=official', people.admin)).toEqual([
    expect.objectContaining({ id: before.account, active: false, division: `${here}101` }),
  ]);

  // ---- what was his to do is nobody's, and is seen to be
  expect(await every('assignment', '/assignments?state=ended', people.admin)).toEqual(
    shops.map(() => expect.objectContaining({ officialId: official, endReason: 'official-left', endedAt: expect.any(String) as string }) as unknown),
  ); // prettier-ignore
  const gaps = async (token: string): Promise<unknown[]> =>
    (await every<{ name: string; reason: string }>('assignment', '/gaps', token)).map(({ name, reason }) => `${name} ${reason}`).sort(); // prettier-ignore
  expect(await gaps(people.office)).toEqual(['乙店 no-official-at-level', '甲店 no-official-at-level']); // prettier-ignore
  const due = await every<{ state: string; officialId: string | null }>('inspection', '/obligations', people.office); // prettier-ignore
  expect(due.map(({ state: of, officialId }) => [of, officialId]).sort()).toEqual([['open', null], ['settled', official]]); // prettier-ignore
  expect(await every('inspection', '/corrective-actions', people.office)).toEqual([expect.objectContaining({ state: 'open', officialId: null })]); // prettier-ignore
  expect((await ask('notification', 'GET', `/subscriptions/${subscription.id}`, people.admin)).body).toMatchObject({ state: 'ended', endReason: 'official-left' }); // prettier-ignore

  // ---- what he did stays, and he is told nothing more
  expect((await ask('inspection', 'GET', `/inspections/${visit.id}`, people.auditor)).body).toMatchObject({ officialName: '王秀英' }); // prettier-ignore
  expect((await ask('assignment', 'GET', `/undertakings/${undertaking!.id}`, people.auditor)).body).toMatchObject({ state: 'stale', staleReason: 'official-left', signedName: '王秀英', staleRemoved: 2 }); // prettier-ignore
  const log = await every<{ subjectId: string; field: string; why: string }>('assignment', '/changes', people.auditor); // prettier-ignore
  expect(log).toContainEqual(expect.objectContaining({ subjectId: official, field: 'active', from: true, to: false, why: '调往邻县' })); // prettier-ignore
  expect((await every<Made & { officialId: string }>('notification', '/messages', people.admin)).filter(({ officialId }) => officialId === official).length).toBe(told.length); // prettier-ignore

  // ---- he comes to the other county, by its roster
  const arrived = await settle(there, people.thereAdmin, people.thereSecond, people.thereOffice, ['丙店']); // prettier-ignore
  expect(arrived.official).not.toBe(official);
  const after = await enter(people.thereAdmin, 'wang-there', `${there}101`, arrived.official);
  expect(await every('assignment', '/assignments', after.token)).toEqual([expect.objectContaining({ officialId: arrived.official, endedAt: null, warning: 'official-untrained' })]); // prettier-ignore
  expect(await every('training', '/certificates', after.token)).toEqual([]); // certified there, not here

  // ---- and neither county sees the other, nor he what was his
  for (const token of [people.thereAdmin, people.thereOffice, people.thereAuditor, after.token]) {
    const text = await everything(token);
    expect(text.length).toBeGreaterThan(100);
    for (const word of [here, official, before.account, ...shops, visit.id, undertaking!.id, subscription.id, '甲店', '消毒柜', '调往邻县'])
      expect([word, text.includes(word)]).toEqual([word, false]);
  } // prettier-ignore
  for (const token of [people.admin, people.office, people.auditor]) {
    const text = await everything(token);
    expect(text).toContain('甲店');
    for (const word of [there, arrived.official, after.account, ...arrived.shops, '丙店'])
      expect([word, text.includes(word)]).toEqual([word, false]);
  }
  for (const [service, path] of [
    ['inspection', `/inspections/${visit.id}`], ['assignment', `/undertakings/${undertaking!.id}`], ['assignment', `/officials/${official}`],
    ['identity', `/accounts/${before.account}`], ['notification', `/subscriptions/${subscription.id}`],
  ] as [Service, string][])
    for (const token of [people.thereAdmin, after.token])
      expect([path, [403, 404].includes((await ask(service, 'GET', path, token)).status)]).toEqual([path, true]); // prettier-ignore

  // ---- everything that was ever said, told once more, with no memory of the first time
  const settled = await state();
  for (const service of services) {
    await county.rows(service, 'insert into outbox (journal_id, recorded_at) select id, recorded_at from journal on conflict do nothing'); // prettier-ignore
    await county.rows(service, 'delete from inbox');
  }
  await county.quiet();
  expect(await state()).toEqual(settled);

  // ---- the next one takes over what was left
  const roster = await county.land('assignment', '/v1/roster-imports', people.admin, Buffer.from(`姓名,职务,层级,行政区划代码\n赵海刚,村党支部书记,村级,${here}101201\n`), 'r.csv'); // prettier-ignore
  expect(roster.counts).toMatchObject({ created: 1 });
  expect(await gaps(people.admin)).toEqual(['乙店 not-proposed', '甲店 not-proposed']);
  const proposal = await done<Made>('assignment', '/proposals', people.admin, { division: here });
  await done('assignment', `/proposals/${proposal.id}/approval`, people.second);
  await county.quiet();
  expect(await gaps(people.admin)).toEqual([]);
  const [next] = await every<Made>('assignment', '/officials?name=赵海刚', people.admin);
  for (const path of ['/corrective-actions', '/obligations?state=open'])
    expect([path, await every('inspection', path, people.admin)]).toEqual([path, [expect.objectContaining({ officialId: next!.id })]]); // prettier-ignore
}, 180_000);

it('brings somebody back who had left, by a roster alone, and says so', async () => {
  const land = (token = people.admin): ReturnType<County['land']> =>
    county.land('assignment', '/v1/roster-imports', token, Buffer.from(`姓名,职务,层级,行政区划代码\n钱福,书记,村级,${here}102201\n`), `${randomUUID()}.csv`); // prettier-ignore
  await land();
  const [one] = await every<Made & { active: boolean }>('assignment', '/officials?name=钱福', people.admin); // prettier-ignore
  await done('assignment', `/officials/${one!.id}/departure`, people.admin, { reason: '误登记' });
  const back = await land();
  expect(back.counts).toMatchObject({ updated: 1, warned: 1 });
  expect(await every('assignment', `/roster-imports/${back.id}/findings`, people.admin)).toEqual([expect.objectContaining({ rule: 'official-returned', severity: 'warned', value: '钱福' })]); // prettier-ignore
  expect(await every('assignment', '/officials?name=钱福', people.admin)).toEqual([expect.objectContaining({ id: one!.id, active: true, version: 3 })]); // prettier-ignore
  expect((await land()).counts).toMatchObject({ unchanged: 1, warned: 0 });
});

it('gives nothing to somebody who has left between a proposal and its approval', async () => {
  const village = `${here}103201`;
  await county.land('assignment', '/v1/roster-imports', people.admin, Buffer.from(`姓名,职务,层级,行政区划代码\n孙和,书记,村级,${village}\n周全,书记,村级,${here}103202\n`), 'r.csv'); // prettier-ignore
  const [one] = await every<Made>('assignment', '/officials?name=孙和', people.admin);
  const shop = await done<Made>('registry', '/establishments', people.admin, { division: village, name: '丁店', address: '一号', kind: 'catering', area: 50 }); // prettier-ignore
  await eventually(() => count('assignment', 'premises where establishment_id = $1', [shop.id]), (n) => n === 1); // prettier-ignore
  const proposal = await done<Made>('assignment', '/proposals', people.admin, { division: `${here}103` }); // prettier-ignore
  await done('assignment', `/officials/${one!.id}/departure`, people.admin, { reason: '退休' });
  const gaps = await every<{ establishmentId: string; reason: string }>('assignment', '/gaps', people.admin); // prettier-ignore
  expect(gaps.find(({ establishmentId }) => establishmentId === shop.id)).toMatchObject({ reason: 'not-proposed' }); // prettier-ignore
  const approval = await ask(
    'assignment',
    'POST',
    `/proposals/${proposal.id}/approval`,
    people.second,
  );
  expect(approval).toMatchObject({ status: 409, body: { code: 'wrong-state' } }); // nothing else was in it
  expect((await every<{ establishmentId: string }>('assignment', '/assignments', people.admin)).filter(({ establishmentId }) => establishmentId === shop.id)).toEqual([]); // prettier-ignore
  await county.quiet();
});
