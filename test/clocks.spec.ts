import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Service } from '#contracts';
import { eventually, Fleet, png } from '#testing';
import { importJWK, type JWK, SignJWT } from 'jose';
import { type DivisionRow, readDivisions } from './oracle/ledger.mjs';
import { addWorkingDays, type Calendar } from './oracle/working-days.mjs';
import { quarterOf } from './oracle/round.mjs';

/*
 * Each service runs twice, once ten minutes fast and once ten minutes slow, and the replicas take turns: what one of them
 * writes, the other reads. This process and PostgreSQL have the right time.
 */

const { checklists } = JSON.parse(await readFile('apps/platform/sample/checklists.json', 'utf8')) as { checklists: { kinds: string[]; items: { code: string }[] }[] }; // prettier-ignore
const items = checklists.find(({ kinds }) => kinds.includes('small-catering'))!.items;
const calendar = JSON.parse(await readFile('apps/platform/sample/calendar.json', 'utf8')) as Calendar; // prettier-ignore
const services = ['registry', 'assignment', 'inspection', 'identity'] as const;
const minutes = 60_000;
const township = '371425102';
let fleet: Fleet;
let villages: DivisionRow[];
let begun: number;

type Answer = Awaited<ReturnType<Fleet['call']>>;
const call = async (account: string, service: Service, method: string, path: string, body?: unknown, headers = {}): Promise<Answer> =>
  fleet.call(service, method, path, { token: await fleet.token(account), headers, ...(body === undefined ? {} : { body }) }); // prettier-ignore
async function done<T>(answer: Promise<Answer>): Promise<T> {
  const { status, body } = await answer;
  if (status >= 300) throw new Error(`${status} ${JSON.stringify(body)}`);
  return body as T;
}
const land = async (service: Service, path: string, lines: string[]): Promise<void> => {
  const { state, counts } = await fleet.land(service, path, await fleet.token('county'), Buffer.from(`${lines.join('\n')}\n`), 'a.csv'); // prettier-ignore
  expect([state, counts['created']]).toEqual(['done', lines.length - 1]);
};
const today = (): string =>
  new Intl.DateTimeFormat('sv-SE', { timeZone: 'Asia/Shanghai' }).format(new Date());

/** Instants of the template, which another spec may have loaded minutes ago; a seal tells those of its rows. */
const loaded = new Map<Service, Set<number>>();
const journaled = new Map<Service, number>();
// Of the last twenty minutes and the next quarter of an hour. inbox.event_at chooses a partition and nothing else: it is the time inside the id.
async function instants(service: Service): Promise<{ table: string; column: string; near: number[] }[]> {
  const columns = await fleet.rows<{ table: string; column: string }>(
    service,
    `select c.relname as table, a.attname as column from pg_attribute a join pg_class c on c.oid = a.attrelid
     where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace and a.attnum > 0 and a.atttypid = 'timestamptz'::regtype
       and c.relname || '.' || a.attname not in ('inbox.event_at', 'migration.applied_at')`,
  );
  return Promise.all(columns.map(async ({ table, column }) => {
    const near = await fleet.rows<{ at: Date }>(service, `select distinct "${column}" as at from "${table}" where "${column}" between now() - interval '20 minutes' and now() + interval '13 minutes'`);
    return { table, column, near: near.map(({ at }) => at.getTime()) };
  }));
} // prettier-ignore

beforeAll(async () => {
  begun = Date.now();
  const divisions = await readDivisions('apps/platform/sample/divisions.csv');
  villages = divisions.filter(({ parent }) => parent === township).slice(0, 3);
  fleet = await Fleet.make(services);
  for (const service of services) {
    loaded.set(service, new Set((await instants(service)).flatMap(({ near }) => near)));
    const [last] = await fleet.rows<{ id: number }>(
      service,
      'select coalesce(max(id), 0)::int as id from journal',
    );
    journaled.set(service, last!.id);
  }
  await fleet.startNats();
  await fleet.deployBus();
  // One identity: a port of its own. The others twice.
  await Promise.all([
    fleet.run('identity', -10 * minutes),
    ...(['registry', 'assignment', 'inspection'] as const).flatMap((one) => [fleet.run(one, 10 * minutes), fleet.run(one, -10 * minutes)]),
  ]); // prettier-ignore
  await fleet.enrol([
    { name: 'county', role: 'county-admin', division: '371425' },
    { name: 'county-2', role: 'county-admin', division: '371425' },
    { name: 'office', role: 'office', division: township },
  ]);
}, 120_000);
afterAll(() => fleet?.stop(), 60_000);

it('goes round, keeps every instant by the database’s clock, and the order of what happened', async () => {
  const name = (await readDivisions('apps/platform/sample/divisions.csv')).find(({ code }) => code === township)!.name; // prettier-ignore
  await fleet.quiet();
  await land('assignment', '/v1/roster-imports', ['姓名,职务,层级,行政区划代码', ...villages.map(({ code }) => `${code}书记,书记,村级,${code}`)]); // prettier-ignore
  await land('registry', '/v1/ledger-imports', [
    '主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态,经营面积(㎡)',
    ...villages.flatMap((village) => [0, 1].map((n) => `${village.code}店${n},,${village.code}街${n}号,${name},${village.name},小餐饮,`)),
  ]); // prettier-ignore
  await fleet.quiet();
  const { id: proposal } = await done<{ id: string }>(call('county', 'assignment', 'POST', '/v1/proposals', { division: township })); // prettier-ignore
  await done(call('county-2', 'assignment', 'POST', `/v1/proposals/${proposal}/approval`));
  await fleet.quiet();
  await done(call('county', 'inspection', 'POST', '/v1/obligation-runs', { period: quarterOf(today()).period })); // prettier-ignore

  // The last change wins everywhere, whichever replica made it.
  const [shop] = await fleet.every<{ id: string; version: number }>('registry', '/v1/establishments', await fleet.token('county')); // prettier-ignore
  let { version } = shop!;
  for (let change = 1; change <= 6; change++)
    ({ version } = await done<{ version: number }>(call('county', 'registry', 'PATCH', `/v1/establishments/${shop!.id}`, { name: `第${change}名` }, { 'if-match': `"${version}"` }))); // prettier-ignore
  await fleet.quiet();
  for (const one of ['assignment', 'inspection'] as const)
    expect(await fleet.rows(one, 'select name, sequence from premises where establishment_id = $1', [shop!.id])).toEqual([{ name: '第6名', sequence: version }]); // prettier-ignore

  // Deadlines count from the database's day, whichever replica takes the visit, and open corrections are late by it alone.
  const officials = await fleet.every<{ id: string; division: string }>('assignment', '/v1/officials?level=village', await fleet.token('county')); // prettier-ignore
  const own = officials.find(({ division }) => division === villages[1]!.code)!;
  await fleet.enrol([{ name: 'official', role: 'official', division: township, official: own.id }]); // prettier-ignore
  const visits = (await fleet.every<{ id: string; division: string }>('registry', '/v1/establishments', await fleet.token('county'))).filter(({ division }) => division === own.division); // prettier-ignore
  for (const { id } of visits)
    await done(call('official', 'inspection', 'POST', '/v1/inspections', {
      establishmentId: id, method: 'on-site', visitedAt: new Date(Date.now() - 1000).toISOString(), operator: { answer: 'signed', signedBy: '王某' },
      results: items.map(({ code }, index) => ({ item: code, result: index === 0 ? 'fail' : 'pass' })),
      findings: [{ item: items[0]!.code, text: '不合格', handling: 'deadline', workingDays: 3 }],
    })); // prettier-ignore
  const { dueOn } = addWorkingDays(today(), 3, calendar);
  const actions = async (): Promise<object[]> => fleet.every('inspection', '/v1/corrective-actions', await fleet.token('county')); // prettier-ignore
  expect(await actions()).toEqual([0, 1].map(() => expect.objectContaining({ dueOn, overdue: false }) as object)); // prettier-ignore

  // The newest scan is the one that came last.
  const [undertaking] = await fleet.every<{ id: string }>('assignment', '/v1/undertakings', await fleet.token('office')); // prettier-ignore
  for (let copy = 1; copy <= 4; copy++) {
    const scan = png();
    const kept = await fleet.upload('assignment', `/v1/undertakings/${undertaking!.id}/copy`, await fleet.token('office'), scan, 'a.png'); // prettier-ignore
    const sha256 = createHash('sha256').update(scan).digest('hex');
    expect([copy, kept.status, (kept.body as { copy: { sha256: string } }).copy.sha256]).toEqual([copy, 200, sha256]); // prettier-ignore
  }

  // No instant that anything keeps is off.
  const ended = Date.now();
  for (const service of services) {
    const columns = await instants(service);
    expect(columns.length).toBeGreaterThan(8);
    for (const { table, column, near } of columns) {
      const before = loaded.get(service)!;
      const off = near.filter(
        (at) => !before.has(at) && (at < begun - 60_000 || at > ended + 60_000),
      );
      // What ends in some minutes: sessions, locks. All else is past.
      if (!/^(expires_at|until|next_at|taken_until)$/.test(column)) expect([service, table, column, off]).toEqual([service, table, column, []]); // prettier-ignore
    }
    const disorder = await fleet.rows(
      service,
      `select id from (select id, sequence, event->>'time' as time, lag(sequence) over w as before, lag(event->>'time') over w as earlier from journal window w as (partition by aggregate_id order by id)) as steps
       where sequence <= before or time < earlier
         or (id > $3 and time::timestamptz not between $1::timestamptz - interval '1 minute' and $2::timestamptz + interval '1 minute')`,
      [new Date(begun), new Date(ended), journaled.get(service)],
    );
    expect([service, disorder]).toEqual([service, []]);
  }
}, 120_000);

it('gives tokens their five minutes, and takes none after them', async () => {
  for (const clockMs of [-10 * minutes, 10 * minutes]) {
    await fleet.kill('identity', 'SIGTERM');
    await fleet.run('identity', clockMs);
    const { iat = 0, exp = 0 } = JSON.parse(Buffer.from((await fleet.freshToken('county')).split('.')[1]!, 'base64url').toString()) as { iat?: number; exp?: number }; // prettier-ignore
    expect(exp - iat).toBe(300);
    expect(Math.abs(iat - Date.now() / 1000)).toBeLessThan(60);
    expect((await call('county', 'registry', 'GET', '/v1/policies')).status).toBe(200);
  }
  const [key] = await fleet.rows<{ jwk: JWK }>('identity', 'select jwk from signing_key');
  const signing = await importJWK(key!.jwk, 'ES256');
  const token = (seconds: number): Promise<string> =>
    new SignJWT({ sub: randomUUID(), roles: ['county-admin'], division: '371425' })
      .setProtectedHeader({ alg: 'ES256', kid: key!.jwk.kid! })
      .setIssuer(fleet.issuer)
      .setAudience('urn:foodwarden')
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
      .sign(signing);
  const asked = async (seconds: number): Promise<number[]> => {
    const given = await token(seconds);
    const statuses: number[] = [];
    // Twice each: both replicas answer.
    for (const service of ['registry', 'assignment', 'inspection'] as const)
      statuses.push((await fleet.call(service, 'GET', '/v1/policies', { token: given })).status, (await fleet.call(service, 'GET', '/v1/policies', { token: given })).status); // prettier-ignore
    return statuses;
  };
  expect(await asked(60)).toEqual(Array.from({ length: 6 }, () => 200));
  expect(await asked(-30)).toEqual(Array.from({ length: 6 }, () => 401));
}, 60_000);

it('says whose clock is off, and by how much', async () => {
  for (const service of ['registry', 'inspection'] as const) {
    const told = await Promise.all(
      fleet.running(service).map(async ({ port }) => ((await (await fetch(`http://127.0.0.1:${port}/api/${service}/health/ready`)).json()) as { clock: string }).clock),
    ); // prettier-ignore
    expect(told.sort()).toEqual([
      expect.stringMatching(/ahead of its database's.*校正/),
      expect.stringMatching(/behind its database's.*校正/),
    ]);
    const ahead = await eventually(() => fleet.metric(service, 'foodwarden_clock_ahead_seconds'), (found) => found.length === 2); // prettier-ignore
    expect(ahead.map((seconds) => Math.round(seconds / 60)).sort((a, b) => a - b)).toEqual([-10, 10]); // prettier-ignore
  }
}, 60_000);
