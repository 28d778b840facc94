import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Service } from '#contracts';
import { type Role } from '#platform';
import { type Answer, County, eventually, png, randomFrom, rowsOf } from '#testing';
import pg from 'pg';
import { assignment } from '../apps/assignment/src/assignment.definition.js';
import { identity } from '../apps/identity/src/identity.definition.js';
import { inspection } from '../apps/inspection/src/inspection.definition.js';
import { notification } from '../apps/notification/src/notification.definition.js';
import { registry } from '../apps/registry/src/registry.definition.js';
import { training } from '../apps/training/src/training.definition.js';
import { machineColumns, unwalled } from './machines.js';

/*
 * Every route × every role × ids of the own ground, of the other township, of nobody. The routes come from the services'
 * OpenAPI documents, what a caller may see from this file's own reading of the rows, not from the platform's policies.
 */

const services = ['registry', 'assignment', 'inspection', 'training', 'notification', 'identity'] as const; // prettier-ignore
const [townA, townB, countyCode] = ['371425101', '371425102', '371425'];
const foreignCounty = '371482';
/** Words that stand in one township's rows alone. */
const secrets: Record<string, string> = { [townA]: '甲镇暗语', [townB]: '乙镇暗语' };

/** What a search of names may be asked that stands in one township's alone: characters, their initials, Latin letters. */
const pieces: Record<string, string[]> = {
  [townA]: [secrets[townA]!, '甲镇', 'jzay', 'alfakvx', 'AKVX'],
  [townB]: [secrets[townB]!, '乙镇', 'yzay', 'bravoqzj', 'OQZJ'],
};
/** What a parameter may be asked that nobody has. */
const absentValues: Record<string, string> = {
  division: '371499101', parent: '371499101', name: '无此店名',
  ...Object.fromEntries(['establishment', 'official', 'subject', 'subscription', 'account'].map((name) => [name, randomUUID()])),
}; // prettier-ignore

/** The table behind each noun that a path names by id. A noun that is not here fails the matrix. */
const nouns: Record<string, string> = {
  'registry/establishments': 'establishment',
  'registry/ledger-imports': 'ledger_import',
  'assignment/roster-imports': 'roster_import',
  'assignment/officials': 'official',
  'assignment/proposals': 'proposal',
  'assignment/assignments': 'assignment',
  'assignment/undertakings': 'undertaking',
  'registry/changes': 'change',
  'registry/personal-reads': 'personal_read',
  'assignment/changes': 'change',
  'assignment/personal-reads': 'personal_read',
  'inspection/obligation-runs': 'obligation_run',
  'inspection/obligations': 'obligation',
  'inspection/inspections': 'inspection',
  'inspection/corrective-actions': 'corrective_action',
  'inspection/evidence': 'evidence',
  'training/sessions': 'session',
  'training/certificates': 'certificate',
  'notification/messages': 'message',
  'notification/subscriptions': 'subscription',
  'notification/deliveries': 'delivery',
  'identity/accounts': 'account',
  'identity/sign-ins': 'sign_in',
  'identity/changes': 'change',
  'identity/personal-reads': 'personal_read',
  ...Object.fromEntries(
    services.map((service) => [`${service}/dead-letters`, 'dead_letter']),
  ), // prettier-ignore
};
/** Rows that belong to one official: nobody else among the officials sees them. */
const owned = new Set(['assignment.assignment', 'assignment.undertaking', 'assignment.undertaking_copy', 'inspection.responsibility', 'inspection.obligation', 'inspection.inspection', 'inspection.corrective_action', 'inspection.reminder', 'inspection.evidence', 'training.official', 'training.attendance', 'training.certificate', 'notification.message', 'notification.subscription', 'notification.delivery']); // prettier-ignore
/** Kept by the county for all below it, and to be read from below. */
const standing = new Set(['registry.division', 'registry.calendar_year', 'registry.policy', 'assignment.policy', 'assignment.division_list', 'identity.division_list', 'inspection.division_list', 'training.division_list', 'notification.division_list', 'inspection.policy', 'inspection.checklist', 'inspection.calendar_year', 'inspection.calendar_gap', 'inspection.obligation_run', 'training.policy', 'notification.policy']); // prettier-ignore
/** Lists of what happened, by the field that says when. */
const newestFirst: Record<string, string> = {
  'registry.ledger_import': 'createdAt',
  'assignment.roster_import': 'createdAt',
  'assignment.proposal': 'proposedAt',
  'inspection.obligation_run': 'createdAt',
  'notification.message': 'createdAt',
  'notification.delivery': 'createdAt',
  'identity.sign_in': 'at',
};
/** Not shown by any route as rows. */
const hidden = new Set(['journal', 'dead_letter', 'waiting_fact', 'idempotency_key']);

interface Schema {
  $ref?: string;
  type?: string;
  format?: string;
  enum?: string[];
  example?: unknown;
  items?: Schema;
  required?: string[];
  properties?: Record<string, Schema>;
}
interface Route {
  service: Service;
  method: string;
  /** Without `/api/<service>`. */
  path: string;
  noun: string;
  hasId: boolean;
  /** Of an indicator: its code stands in the path already. */
  code?: string;
  query: { name: string; schema: Schema }[];
  body?: Schema;
  upload: boolean;
}
interface Row {
  table: string;
  division: string;
  official: string | null;
  id: string;
  uuids: string[];
  /** Of an establishment, an official. */
  names: string[];
}
interface Person {
  who: string;
  role?: Role;
  division: string;
  official?: string;
  token?: string;
}

let county: County;
let routes: Route[];
let schemas: Record<Service, Record<string, Schema>>;
let rows: Row[];
let known: Set<string>;
let people: Person[];
/** Of every establishment and official. */
let names: Set<string>;
let requests = 0;
/**
 * Each run draws, by a seed that it prints: of each table two rows of either township, of cursors three, of a filter's values
 * two that must find nothing and two that may, of pairs of filters a quarter. WALLS_ALL=1 asks five rows and all else.
 */
const all = process.env['WALLS_ALL'] === '1';
const seed = Number(process.env['WALLS_SEED'] ?? Date.now() % 1_000_000);
const random = randomFrom(seed);

const call = (service: Service, method: string, path: string, token: string, body?: unknown, headers = {}): Promise<Answer> =>
  county.call(service, method, path, { token, headers, ...(body === undefined ? {} : { body }) }); // prettier-ignore
const uuids = (text: string): string[] =>
  text.match(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g) ?? [];

// ---- what is in the tables, past every policy ----

async function tablesOf(service: Service): Promise<{ name: string; official: boolean }[]> {
  return county.rows(
    service,
    `select c.relname as name, exists (select from pg_attribute where attrelid = c.oid and attname = 'official_id') as official
     from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
       and exists (select from pg_attribute where attrelid = c.oid and attname = 'division') order by 1`,
  );
}

/** @param only one table, as `service.table` */
async function everyRow(only = ''): Promise<Row[]> {
  const found: Row[] = [];
  for (const service of services.filter((one) => only.startsWith(`${one}.`) || only === ''))
    for (const { name, official } of await tablesOf(service)) {
      const table = `${service}.${name}`;
      if (hidden.has(name) || (only !== '' && only !== table)) continue;
      const some = await county.rows<{ division: string; official: string | null; text: string }>(
        service,
        `select division, ${official ? 'official_id::text' : 'null'} as official, (to_jsonb(t) - 'file')::text as text from ${name} t`,
      );
      for (const one of some) {
        const of = JSON.parse(one.text) as Record<string, string | undefined>;
        const named = [of['name'], of['official_name'], of['establishment_name']].filter((name) => name !== undefined); // prettier-ignore
        found.push({ table, division: one.division, official: one.official, id: of['id'] ?? of['official_id'] ?? '', uuids: uuids(one.text), names: named }); // prettier-ignore
      }
    }
  return found;
}

const within = (division: string, person: Person): boolean => division.startsWith(person.division);

/** The rule of the design, in this file's own words. */
function sees(person: Person, row: Row): boolean {
  if (!person.role) return false;
  if (standing.has(row.table) && person.division.startsWith(row.division)) return true;
  if (!within(row.division, person)) return false;
  if (person.role !== 'official') return true;
  return owned.has(row.table) ? row.official === person.official : standing.has(row.table);
}

/** Rows of every table by place, as one hash a place. */
async function fingerprint(): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for (const service of services)
    for (const { name } of await tablesOf(service))
      for (const one of await county.rows<{ division: string; print: string }>(
        service,
        `select division, count(*) || ' ' || md5(string_agg(md5(t::text), '' order by md5(t::text))) as print from ${name} t group by division`,
      ))
        all.set(`${service}.${name} ${one.division}`, one.print);
  return all;
}

/** Nothing is under way: no fact unsent or unapplied, no import unfinished. */
async function quiet(): Promise<void> {
  const print = async (): Promise<string> => {
    let text = '';
    for (const service of services) {
      const [busy] = await county.rows<{ n: number; done: number }>(
        service,
        `select (select count(*) from outbox)::int as n, (select count(*) from inbox)::int as done`,
      );
      text += `${busy!.n} ${busy!.done} `;
    }
    const [imports] = await county.rows<{ n: number }>('registry', `select count(*)::int as n from ledger_import where state in ('queued', 'running')`); // prettier-ignore
    const [rosters] = await county.rows<{ n: number }>('assignment', `select count(*)::int as n from roster_import where state in ('queued', 'running')`); // prettier-ignore
    return `${text}${imports!.n} ${rosters!.n}`;
  };
  const settled = (text: string): boolean =>
    text.split(' ').every((n, at) => (at < services.length * 2 && at % 2 === 1) || n === '0');
  let before = '';
  let same = 0;
  await eventually(
    async () => {
      const now = await print();
      same = now === before ? same + 1 : 0;
      before = now;
      return now;
    },
    (now) => settled(now) && same >= 8,
    60_000,
  );
}

// ---- the county with its two townships ----

beforeAll(async () => {
  county = await County.start([registry, assignment, inspection, training, notification, identity]);
  for (const service of services) await county.clock(service, '2026-11-23T09:00:00+08:00');
  const admin = await county.token('county-admin', countyCode);
  const second = await county.token('county-admin', countyCode);
  const offices = [
    [townA, await county.token('office', townA)],
    [townB, await county.token('office', townB)],
  ] as const;
  const count = async (service: Service, table: string): Promise<number> =>
    (await county.rows<{ n: number }>(service, `select count(*)::int as n from ${table}`))[0]!.n;
  for (const service of ['assignment', 'inspection', 'training', 'notification', 'identity'] as const)
    await eventually(() => count(service, 'division_list'), (n) => n === 16); // prettier-ignore
  const sample = (file: string): Promise<Buffer> => readFile(`apps/platform/sample/${file}`);
  const roster = await county.land('assignment', '/v1/roster-imports', admin, await sample('roster.xlsx')); // prettier-ignore
  const ledger = await county.land('registry', '/v1/ledger-imports', admin, await sample('ledger.xlsx')); // prettier-ignore
  expect([roster.state, ledger.state]).toEqual(['done', 'done']);
  const establishments = await count('registry', 'establishment');
  for (const service of ['assignment', 'inspection'] as const)
    await eventually(() => count(service, 'premises'), (n) => n === establishments, 60_000); // prettier-ignore
  for (const [service, table] of [['training', 'official'], ['identity', 'official_copy']] as const)
    await eventually(() => count(service, table), (n) => n === roster.counts['created'], 30_000); // prettier-ignore

  const proposal = await call('assignment', 'POST', '/v1/proposals', admin, { division: countyCode }); // prettier-ignore
  const approval = await call('assignment', 'POST', `/v1/proposals/${(proposal.body as { id: string }).id}/approval`, second); // prettier-ignore
  expect(approval.status).toBe(200);
  const assigned = await count('assignment', 'assignment');
  await eventually(() => count('inspection', 'responsibility'), (n) => n === assigned, 60_000); // prettier-ignore
  const run = await call('inspection', 'POST', '/v1/obligation-runs', admin, { period: '2026-Q4' });
  await eventually(
    async () => (await call('inspection', 'GET', `/v1/obligation-runs/${(run.body as { id: string }).id}`, admin)).body as { state: string }, // prettier-ignore
    ({ state }) => state === 'done',
    60_000,
  );

  const { checklists } = JSON.parse((await sample('checklists.json')).toString()) as {
    checklists: { kinds: string[]; items: { code: string }[] }[];
  };
  for (const [town, office] of offices) {
    const secret = secrets[town]!;
    const latin = pieces[town]![3]!;
    // Each office has its own imports, its own proposal, its own session.
    const title = '主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态\n';
    const [place] = await county.rows<{ town: string; village: string }>('registry', `select t.name as town, v.name as village from division v join division t on t.division = v.parent where v.parent = $1 order by v.division limit 1`, [town]); // prettier-ignore
    await county.land('registry', '/v1/ledger-imports', office, Buffer.from(`${title}${secret}店,,一号,${place!.town},${place!.village},食品摊点\n${secret}${latin}饭店,,三号,${place!.town},${place!.village},食品摊点\n${secret}坏,,二号,${place!.town},${place!.village},${secret}\n`), `${secret}.csv`); // prettier-ignore
    // One that was undone: its shop says again what it said before.
    const wrong = await county.land('registry', '/v1/ledger-imports', office, Buffer.from(`${title.trim()},经营面积(㎡)\n${secret}店,,一号,${place!.town},${place!.village},食品摊点,9\n`), `${secret}.csv`); // prettier-ignore
    expect(
      (await call('registry', 'POST', `/v1/ledger-imports/${wrong.id}/undo`, office)).status,
    ).toBe(200);
    await county.rows('registry', `insert into personal_read (division, actor, role, noun, subject_ids, fields, purpose) select division, 'x', 'office', 'establishment', array[id], '{name}', $2 from establishment where starts_with(division, $1) limit 1`, [town, secret]); // prettier-ignore
    await county.land('assignment', '/v1/roster-imports', office, Buffer.from(`姓名,职务,层级,行政区划代码\n${secret}人,书记,村级,${town}201\n${secret}${latin},书记,村级,${town}201\n${secret}误,书记,${secret},${town}201\n`), `${secret}.csv`); // prettier-ignore
    const own = await call('assignment', 'POST', '/v1/proposals', office, { division: town });
    expect(own.status).toBe(201);
    const visited = await county.rows<{ establishment: string; kind: string; official: string; division: string }>(
      'inspection',
      `select distinct on (r.official_id) r.establishment_id as establishment, p.kind, r.official_id as official, p.division
       from responsibility r join premises p using (establishment_id)
       where starts_with(r.division, $1) and r.official_level in ('village', 'township') order by r.official_id, 1 limit 4`,
      [town],
    ); // prettier-ignore
    expect(visited.length).toBeGreaterThanOrEqual(2);
    for (const { establishment, kind, official } of visited) {
      const { items } = checklists.find(({ kinds }) => kinds.includes(kind))!;
      const answer = await call('inspection', 'POST', '/v1/inspections', await county.official(official, town), {
        establishmentId: establishment, method: 'on-site', visitedAt: '2026-11-23T08:30:00+08:00',
        results: items.map(({ code }, at) => ({ item: code, result: at < 2 ? 'fail' : 'pass', note: secret })),
        findings: items.slice(0, 2).map(({ code }) => ({ item: code, text: secret, handling: 'deadline' })),
        operator: { answer: 'signed', signedBy: secret },
      }); // prettier-ignore
      expect(answer.status).toBe(201);
      const photo = await county.upload('inspection', `/v1/inspections/${(answer.body as { id: string }).id}/evidence`, await county.official(official, town), png(), 'x.png', {}, formOf); // prettier-ignore
      expect(photo.status).toBe(201);
    }
    // Nobody is reminded while the clock stands far from the quarter's end: one row for an official, one for the office.
    for (const official of [visited[0]!.official, null])
      await county.rows(
        'inspection',
        `insert into reminder values (gen_random_uuid(), $1, $2, '2026-Q4', 21, 1, now())`,
        [town, official],
      );
    const session = await call('training', 'POST', '/v1/sessions', office, { title: secret, place: secret, heldAt: '2026-11-20T14:00:00+08:00' }); // prettier-ignore
    const attended = await call('training', 'POST', `/v1/sessions/${(session.body as { id: string }).id}/attendances`, office, { officials: visited.map(({ official }) => official) }); // prettier-ignore
    expect(attended.body).toMatchObject({ certified: visited.length });
    expect((await call('assignment', 'GET', '/v1/officials', office)).status).toBe(200); // and is written down for it
    // One who was told and subscribed, and a webhook of the office; nothing of either is under way.
    for (const owner of [...visited.map(({ official }) => official), null]) {
      const [subscription, delivery] = [randomUUID(), randomUUID()];
      await county.rows(
        'notification',
        `insert into subscription (id, division, version, channel, state, account, role, official_id, address, url, language, key_hash, created_at)
         values ($1::uuid, $2, 1, $3, 'active', $1::uuid::text, $4, $5, $6, $7, 'zh-CN', 'none', now())`,
        owner
          ? [subscription, town, 'email', 'official', owner, `${town}@county.example`, null]
          : [subscription, town, 'webhook', 'office', null, null, `https://${town}.example/`],
      );
      await county.rows(
        'notification',
        `insert into delivery (id, division, official_id, version, subscription_id, channel, kind, state, subject, body, queued_at, created_at)
         values ($1, $2, $3, 1, $4, $5, 'confirmation', 'dead', $6, $6, now(), now())`,
        [delivery, town, owner, subscription, owner ? 'email' : 'webhook', secret],
      );
    }
    const account = await call('identity', 'POST', '/v1/accounts', admin, { name: `clerk-${town}`, displayName: secret, role: 'office', division: town }); // prettier-ignore
    const { id } = account.body as { id: string };
    expect((await call('identity', 'POST', `/v1/accounts/${id}/client-secret`, admin)).status).toBe(
      200,
    );
    await county.rows('identity', `insert into personal_read (division, actor, role, noun, subject_ids, fields, purpose) select division, 'x', 'office', 'account', array[id], '{name}', $2 from account where starts_with(division, $1) limit 1`, [town, secret]); // prettier-ignore
    await county.rows('identity', `insert into totp (account_id, secret, confirmed_at) values ($1, 'none', now())`, [id]); // prettier-ignore
    await county.rows('identity', `insert into recovery_code (account_id, code_hash) values ($1, 'none')`, [id]); // prettier-ignore
    await county.rows('identity', `insert into sign_in (id, division, account_id, outcome, address, at) values ($1, $2, $3, 'signed-in', '192.0.2.1', now())`, [randomUUID(), town, id]); // prettier-ignore
  }
  // The same scan lies with every undertaking.
  const [one] = await county.rows<{ id: string }>(
    'assignment',
    'select id from undertaking limit 1',
  );
  const scanned = await county.upload(
    'assignment',
    `/v1/undertakings/${one!.id}/copy`,
    admin,
    png(),
    'scan.png',
  );
  expect(scanned.status).toBe(200);
  await county.rows(
    'assignment',
    `insert into undertaking_copy (id, undertaking_id, division, official_id, sha256, mime, size, uploaded_at, uploaded_by)
     select gen_random_uuid(), u.id, u.division, u.official_id, c.sha256, c.mime, c.size, c.uploaded_at, c.uploaded_by
     from undertaking u, undertaking_copy c where u.id <> c.undertaking_id`,
  );
  await quiet();
  rows = await everyRow();
  known = new Set(rows.flatMap((row) => row.uuids));
  await readRoutes();
  await gather();
}, 600_000);
afterAll(() => county.stop(), 60_000);

async function readRoutes(): Promise<void> {
  routes = [];
  schemas = {} as typeof schemas;
  for (const service of services) {
    const document = (await county.call(service, 'GET', '/openapi.json')).body as {
      paths: Record<string, Record<string, { parameters?: { name: string; in: string; schema: Schema }[]; requestBody?: { content: Record<string, { schema: Schema }> } }>>;
      components: { schemas: Record<string, Schema> };
    }; // prettier-ignore
    schemas[service] = document.components.schemas;
    for (const [whole, methods] of Object.entries(document.paths))
      for (const [method, { parameters = [], requestBody }] of Object.entries(methods)) {
        const path = whole.replace(`/api/${service}`, '');
        const inPath = parameters.filter((one) => one.in === 'path');
        const codes = inPath.find(({ name }) => name === 'code')?.schema.enum;
        if (inPath.length > 1 || inPath.some(({ name }) => name !== 'id' && !codes))
          throw new Error(`${method} ${whole}: the matrix fills one path parameter, {id} or a {code} of a known list.`); // prettier-ignore
        for (const { name } of parameters.filter((one) => one.in === 'header'))
          if (name !== 'If-Match' && name !== 'Idempotency-Key')
            throw new Error(`${method} ${whole}: header ${name} is unknown.`);
        const json = requestBody?.content['application/json']?.schema;
        const route: Route = {
          service, method: method.toUpperCase(), path, noun: `${service}/${path.split('/')[2] ?? ''}`, hasId: inPath.length > 0 && !codes,
          query: parameters.filter((one) => one.in === 'query'), ...(json ? { body: json } : {}),
          upload: requestBody?.content['multipart/form-data'] !== undefined,
        }; // prettier-ignore
        // A code is no id: it belongs to nobody. Each is a route of its own, walked with every foreign place.
        if (codes)
          routes.push(...codes.map((code) => ({ ...route, code, path: path.replace('{code}', code) }))); // prettier-ignore
        else routes.push(route);
      }
  }
}

async function gather(): Promise<void> {
  const officials = async (where: string): Promise<string[]> =>
    (
      await county.rows<{ id: string }>(
        'inspection',
        `select official_id as id from responsibility r where ended_at is null and ${where}
         group by official_id order by (select count(*) from inspection i where i.official_id = r.official_id) desc, count(*) desc, 1`,
      )
    ).map(({ id }) => id);
  const [a1, a2] = await officials(
    `starts_with(division, '${townA}') and official_level <> 'county'`,
  );
  const [b1] = await officials(`starts_with(division, '${townB}') and official_level <> 'county'`);
  const [countyOfficial] = await officials(`official_level = 'county'`);
  const as = async (who: string, role: Role, division: string, official?: string): Promise<Person> => ({
    who, role, division, ...(official ? { official } : {}),
    // It outlives the matrix: an expired token would be refused everywhere, and teach nothing.
    token: await county.issuer.sign({ sub: randomUUID(), roles: [role], division, ...(official ? { official } : {}) }, { expires: '6h' }),
  }); // prettier-ignore
  people = await Promise.all([
    as('county-admin', 'county-admin', countyCode),
    as('office of A', 'office', townA),
    as('office of B', 'office', townB),
    as('an official of A', 'official', townA, a1),
    as('another official of A', 'official', townA, a2),
    as('an official of B', 'official', townB, b1),
    as('an official of the county', 'official', countyCode, countyOfficial),
    as('an official of A nobody knows', 'official', townA, randomUUID()),
    as('a grid worker of A', 'grid-worker', `${townA}201`),
    as('authority', 'authority', countyCode),
    as('auditor of the county', 'auditor', countyCode),
    as('auditor of A', 'auditor', townA),
    as('auditor of B', 'auditor', townB),
    as('another county’s admin', 'county-admin', foreignCounty),
    as('another county’s office', 'office', `${foreignCounty}101`),
    as('another county’s official with an id of A', 'official', `${foreignCounty}101`, a1),
    as('another county’s auditor', 'auditor', foreignCounty),
    as('a service', 'service', countyCode),
  ]);
  people.push({ who: 'nobody', division: '-' });
  names = new Set(rows.flatMap((row) => row.names));
}

// ---- one request, and what its answer may hold ----

interface Eyes {
  ids: Set<string>;
  strangers: Set<string>;
}
function eyesOf(person: Person): Eyes {
  const seen = rows.filter((row) => sees(person, row));
  const ids = new Set(seen.flatMap((row) => row.uuids));
  const familiar = new Set(seen.flatMap((row) => row.names));
  const strangers = new Set([...names].filter((name) => !familiar.has(name)));
  return { ids, strangers };
}

/** What stands beside a photo. */
const formOf = { takenAt: '2026-11-23T08:31:00+08:00' };
const photo = png();

let wrong: string[] = [];
const say = (person: Person, what: string, sentence: string): void => {
  wrong.push(`${person.who}: ${what}: ${sentence}`);
};

function texts(value: unknown, into: string[] = []): string[] {
  if (typeof value === 'string') into.push(...(value.startsWith('<') ? value.split(/[<>]/) : [value]));
  else if (Array.isArray(value)) for (const one of value) texts(one, into);
  else if (typeof value === 'object' && value) for (const one of Object.values(value)) texts(one, into); // prettier-ignore
  return into;
}

/** Sends it, and looks into the whole text of the answer for what is not the caller's. */
async function send(person: Person, eyes: Eyes, route: Route, path: string, body?: unknown): Promise<Answer> {
  requests += 1;
  const what = `${route.method} ${route.service}${path}${body === undefined ? '' : ` ${JSON.stringify(body).slice(0, 200)}`}`;
  const answer = route.upload
    ? await county.upload(route.service, path, person.token ?? '', photo, 'x.png', {}, formOf)
    : route.path.endsWith('.xlsx')
      ? await opened(route.service, path, person.token)
      : await county.call(route.service, route.method, path, {
          ...(person.token ? { token: person.token } : {}),
          ...(body === undefined ? {} : { body }),
          ...(route.method === 'PATCH' ? { headers: { 'if-match': '"1"' } } : {}),
        });
  const given = `${decodeURIComponent(path)} ${JSON.stringify(body ?? '')}`;
  const text = JSON.stringify(answer.body) ?? '';
  if (answer.status >= 500) say(person, what, `answered ${answer.status} ${text}`);
  if (person.token && answer.status === 401) say(person, what, 'is not known to be signed in');
  if (!person.token && answer.status !== 401) say(person, what, `answered ${answer.status} without a token`);
  for (const id of uuids(text))
    if (known.has(id) && !eyes.ids.has(id) && !given.includes(id)) say(person, what, `tells the id ${id}`);
  for (const code of text.match(/(?<![0-9A-Za-z])3714\d{2}(?:\d{3}(?:\d{3})?)?(?![0-9A-Za-z])/g) ?? [])
    if (!within(code, person) && !person.division.startsWith(code) && !given.includes(code)) say(person, what, `tells the place ${code}`);
  for (const one of texts(answer.body))
    if (eyes.strangers.has(one) && !given.includes(one)) say(person, what, `tells the name ${one}`);
  for (const [town, secret] of Object.entries(secrets))
    if (!town.startsWith(person.division) && text.includes(secret)) say(person, what, `tells a word of ${town}`);
  return answer;
} // prettier-ignore

/** A workbook as the texts of its rows, so that what stands in it is looked at as in any answer. */
async function opened(service: Service, path: string, token = ''): Promise<Answer> {
  const { status, headers, bytes } = await county.download(service, path, token);
  if (status !== 200) {
    const refusal = { status, headers, body: JSON.parse(bytes.toString()) as unknown };
    await county.judge(service, 'GET', path, refusal);
    return refusal;
  }
  const rows = rowsOf(bytes).filter((texts) => texts.length > 0).slice(path.startsWith('/v1/establishments') ? 2 : 1);
  const number = (texts: string[]): object => ({ texts: texts.slice(0, 12), numerator: Number(texts[4]), denominator: Number(texts[5]) });
  return { status, headers, body: { items: path.startsWith('/v1/indicators') ? rows.map(number) : rows } };
} // prettier-ignore

/** The answer without what differs by nature: the time, the trace, facts on their way, and the ids and codes that were given. */
function plain({ status, headers, body }: Answer, ...given: string[]): string {
  const said = [...headers].filter(
    ([name]) => !['date', 'content-length', 'x-trace-id'].includes(name),
  );
  let text = JSON.stringify([
    said,
    typeof body === 'object' ? { ...body, traceId: '', catchingUp: null } : body,
  ]);
  for (const one of given) text = text.replaceAll(one, '<given>');
  return `${status} ${text}`;
}

/** Where two texts part, and what each says there. */
function parting(one: string, other: string): string {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  return [one, other].map((text) => text.slice(Math.max(0, at - 80), at + 160)).join(' against ');
}

async function inParallel(tasks: (() => Promise<void>)[], width = 12): Promise<void> {
  const line = tasks[Symbol.iterator]();
  await Promise.all(Array.from({ length: width }, async () => { for (const task of line) await task(); })); // prettier-ignore
}

/** Up to `n` of a list, spread over it; which ones, the draw decides. */
const some = <T>(list: T[], n: number): T[] => {
  const step = Math.max(1, Math.floor(list.length / n));
  const from = Math.floor(random() * step);
  return list.filter((_, at) => at % step === from).slice(0, n);
};
const someCursors = (cursors: string[]): string[] => (all ? cursors : some(cursors, 3));
/** One that must find nothing and one that may find something, as far as there are such. */
const eitherOf = <T extends { stranger: boolean }>(values: T[]): T[] => [
  ...values.filter(({ stranger }) => stranger).slice(0, 1),
  ...values.filter(({ stranger }) => !stranger).slice(-1),
];
/** Two of either, anew for each person and route. */
const drawnOf = <T extends { stranger: boolean }>(values: T[]): T[] =>
  all ? values : [true, false].flatMap((wanted) => some(values.filter(({ stranger }) => stranger === wanted), 2)); // prettier-ignore
const tableOf = (route: Route): string => {
  const table = nouns[route.noun];
  if (!table) throw new Error(`${route.method} ${route.path}: the matrix does not know ${route.noun}.`); // prettier-ignore
  return `${route.service}.${table}`;
};
/** Rows of both townships and of the county above. */
const picked = (table: string, n: number): Row[] => {
  const all = rows.filter((row) => row.table === table);
  return [townA, townB].flatMap((town) => some(all.filter(({ division }) => division.startsWith(town)), n))
    .concat(some(all.filter(({ division }) => division.length === 6), 2)); // prettier-ignore
};

/** What a query parameter is filled with: own, the other township's, nobody's. `stranger` marks a value that must find nothing. */
function fillings(person: Person, eyes: Eyes, route: Route, { name, schema }: Route['query'][number]): { value: string; stranger: boolean }[] {
  const free = (...values: string[]): { value: string; stranger: boolean }[] => values.map((value) => ({ value, stranger: false }));
  if (schema.enum) return free(...schema.enum);
  const places = (codes: string[]): { value: string; stranger: boolean }[] =>
    codes.map((value) => ({ value, stranger: !within(value, person) && !person.division.startsWith(value) }));
  const ids = (table: string): { value: string; stranger: boolean }[] =>
    [...picked(table, 4).map(({ id }) => id), absentValues[name]!].map((value) => ({ value, stranger: !eyes.ids.has(value) }));
  switch (name) {
    case 'limit': return free('1', '200');
    case 'after':
      if (route.path.endsWith('/findings')) return free('1.1');
      // Of what happened: by an instant, and by the id of somebody's row of that instant.
      if (!route.path.includes('{') && newestFirst[`${route.service}.${nouns[route.noun] ?? ''}`])
        return free(...someCursors(['0000000000000000', '1795395600000000', '9999999999999999'].flatMap((micros) =>
          [...picked(tableOf(route), 1).map(({ id }) => id), '00000000-0000-0000-0000-000000000000'].map((id) => `${micros}.${id}`))));
      return free(...someCursors([countyCode, townA, `${townA}201`, townB, `${townB}201`].map((code) => `${code}.00000000-0000-0000-0000-000000000000`)));
    case 'division': return places([countyCode, townA, townB, `${townA}201`, `${townB}201`, foreignCounty, `${foreignCounty}101`]);
    case 'parent': return places([countyCode, townA, townB, foreignCounty, `${foreignCounty}101`]);
    case 'establishment': return ids('registry.establishment');
    case 'official': return ids('assignment.official');
    case 'subject': return ids({ registry: 'registry.establishment', identity: 'identity.account' }[route.service as string] ?? 'assignment.official');
    case 'noun': return free('official', 'establishment', 'ledger_import', 'account');
    case 'actor': return free(randomUUID(), 'deploy');
    case 'subscription': return ids('notification.subscription');
    case 'account': return ids('identity.account');
    case 'active': return free('true', 'false');
    case 'name':
      return [
        ...some([...names].filter((one) => eyes.strangers.has(one)), 4).map((value) => ({ value, stranger: true })),
        ...Object.entries(pieces).flatMap(([town, parts]) => parts.map((value) => ({ value, stranger: !town.startsWith(person.division) }))),
        { value: absentValues['name']!, stranger: true },
        ...free('%', '#371425102'),
      ];
    case 'uscc': return free('91371425MA3CM4AM88');
    case 'period': return free('2026-Q4', '2026-Q3');
    case 'from': return free('2026-01-01', '2026-11-23');
    case 'to': return free('2026-11-23', '2099-12-31');
    default: throw new Error(`${route.method} ${route.path}: the matrix does not know the query parameter ${name}.`);
  }
} // prettier-ignore

/** A body from the schema's examples, with `reference` for every id and place. */
function bodyOf(route: Route, schema: Schema, reference: { division: string; establishment: string; official: string; message: string }): unknown {
  const full = schema.$ref ? schemas[route.service][schema.$ref.split('/').at(-1)!]! : schema;
  const body: Record<string, unknown> = {};
  for (const [name, one] of Object.entries(full.properties ?? {})) {
    const inner = one.$ref ?? one.items?.$ref ?? (one as { allOf?: Schema[] }).allOf?.[0]?.$ref;
    if (name === 'division') body[name] = reference.division;
    else if (name === 'establishmentId' || name === 'establishment') body[name] = reference.establishment;
    else if (name === 'official') body[name] = reference.official;
    else if (name === 'officials') body[name] = [reference.official];
    else if (name === 'messageIds') body[name] = [reference.message];
    else if (name === 'officialId') body[name] = reference.official;
    else if (one.format === 'uuid') throw new Error(`${route.method} ${route.path}: the matrix does not know the field ${name}.`);
    else if (inner) {
      const part = bodyOf(route, { $ref: inner }, reference);
      body[name] = one.type === 'array' ? [part] : part;
    } else if (one.example !== undefined) body[name] = one.example;
    else if (full.required?.includes(name)) throw new Error(`${route.method} ${route.path}: the field ${name} has no example.`);
  }
  return body;
} // prettier-ignore

/** Everything that one person can ask of one route. */
function asked(person: Person, eyes: Eyes, route: Route): (() => Promise<void>)[] {
  const tasks: (() => Promise<void>)[] = [];
  const body = (reference: Parameters<typeof bodyOf>[2]): unknown =>
    route.body ? bodyOf(route, route.body, reference) : undefined;
  const absent = { division: '371499101201'.slice(0, route.path.startsWith('/v1/proposals') ? 9 : 12), establishment: randomUUID(), official: randomUUID(), message: randomUUID() };
  const what = `${route.method} ${route.service}${route.path}`;

  if (route.hasId) {
    const table = tableOf(route);
    const nobodys = randomUUID();
    const at = (id: string): string => route.path.replace('{id}', id);
    const queries = ['', ...route.query.flatMap((one) => fillings(person, eyes, route, one).map(({ value }) => `?${one.name}=${encodeURIComponent(value)}`))];
    tasks.push(async () => {
      const basis = await send(person, eyes, route, at(nobodys), body(absent));
      const refused = basis.status === 401 || basis.status === 403;
      if (!refused && basis.status !== 404) say(person, what, `answered ${basis.status} for an id of nobody`);
      const there = picked(table, all ? 5 : 2);
      // Whoever the role refuses is refused before anything is looked at: some of it is enough to see that.
      for (const row of refused && !all ? some(there, 2) : there) {
        const mine = sees(person, row);
        if (mine && !refused && route.method !== 'GET') continue; // a real act: the other specs' matter
        for (const query of mine ? queries : queries.slice(0, 2)) {
          const answer = await send(person, eyes, route, at(row.id) + query, body(absent));
          if (!refused && mine) {
            if (answer.status !== 200) say(person, what, `answered ${answer.status} for his own ${row.id} ${query}`);
          } else if (plain(answer, row.id) !== plain(basis, nobodys))
            say(person, what, `tells ${row.id} from an id of nobody: ${parting(plain(answer, row.id), plain(basis, nobodys))}`);
        }
      }
    });
    // Own place, another's people.
    const own = rows.find((row) => row.table === table && sees(person, row));
    if (own && route.body && route.method === 'POST')
      tasks.push(async () => {
        if (!JSON.stringify(body(absent)).includes(absent.official)) return; // a real act: the other specs' matter
        const basis = await send(person, eyes, route, at(own.id), body(absent));
        for (const row of picked('assignment.official', 4).filter((one) => !within(one.division, person))) {
          const answer = await send(person, eyes, route, at(own.id), body({ ...absent, official: row.id }));
          if (plain(answer, row.id) !== plain(basis, absent.official)) say(person, what, `tells the official ${row.id} from one of nobody: ${parting(plain(answer, row.id), plain(basis, absent.official))}`);
        }
      });
    return tasks;
  }

  if (route.method === 'GET') {
    tasks.push(async () => {
      const basis = await send(person, eyes, route, route.path);
      const refused = basis.status === 401 || basis.status === 403;
      if (!refused && basis.status !== 200) say(person, what, `answered ${basis.status}`);
      const filled = route.query.map((one) => ({ name: one.name, values: fillings(person, eyes, route, one) }));
      // Of two filters together: each his own and each not, in all four ways.
      const pairs = filled.flatMap((one, n) =>
        filled.slice(n + 1).flatMap((other) =>
          eitherOf(one.values).flatMap((a) =>
            eitherOf(other.values).map((b) => ({ query: `${one.name}=${encodeURIComponent(a.value)}&${other.name}=${encodeURIComponent(b.value)}`, stranger: a.stranger || b.stranger, name: '', value: '' })))));
      const drawn = pairs.filter(() => all || random() < 0.25);
      const single = filled.flatMap(({ name, values }) => drawnOf(values).map(({ value, stranger }) => ({ query: `${name}=${encodeURIComponent(value)}`, stranger, name, value })));
      const narrow = single.filter(({ name }) => name === 'division');
      const sheet = route.path.endsWith('.xlsx');
      // What a service's indicators share is asked of one of them; every one of them is asked for places.
      const shared = routes.find(({ service, code }) => service === route.service && code)?.code;
      const queries = refused ? some(single, 4)
        : sheet ? [...narrow, ...single.filter(({ name }) => ['name', 'official', 'establishment'].includes(name))]
        : route.code === undefined || route.code === shared ? [...single, ...drawn]
        : eitherOf(narrow);
      const absents = new Map<string, string>();
      const absent = async (name: string, value: string): Promise<string> => {
        const known = absents.get(name) ?? plain(await send(person, eyes, route, `${route.path}?${name}=${encodeURIComponent(value)}`), value);
        absents.set(name, known);
        return known;
      };
      for (const { query, stranger, name, value } of queries) {
        const answer = await send(person, eyes, route, `${route.path}?${query}`);
        if (refused) {
          if (plain(answer) !== plain(basis)) say(person, what, `for ?${query}: ${parting(plain(answer), plain(basis))}`);
          continue;
        }
        const none = stranger ? absentValues[name] : undefined;
        if (none !== undefined && plain(answer, value) !== (await absent(name, none)))
          say(person, what, `tells ?${query} from one of nobody: ${parting(plain(answer, value), await absent(name, none))}`);
        const { items } = answer.body as { items?: { division?: string; code?: string; numerator?: number; denominator?: number }[] };
        // An indicator that counts nothing shows nothing but the place that was asked for.
        const found = items?.filter(({ numerator, denominator }) => numerator !== 0 || denominator !== 0) ?? [];
        if (answer.status !== 200 || !items) say(person, what, `answered ${answer.status} for ?${query}`);
        else if (stranger && found.length > 0) say(person, what, `found ${found.length} for ?${query}`);
        for (const item of found) {
          const place = item.division ?? item.code ?? person.division;
          if (!within(place, person) && !person.division.startsWith(place)) say(person, what, `shows a row of ${place} for ?${query}`);
        }
      }
    });
    return tasks;
  }

  if (route.upload) {
    const other = person.division.startsWith(townA) ? townB : townA;
    tasks.push(async () => {
      const [place] = await county.rows<{ town: string; village: string }>('registry', `select t.name as town, v.name as village from division v join division t on t.division = v.parent where v.parent = $1 limit 1`, [other]);
      const sheet = route.service === 'registry'
        ? `主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态\n越界,,一号,${place!.town},${place!.village},食品摊点\n`
        : `姓名,职务,层级,行政区划代码\n越界,书记,村级,${other}201\n`;
      requests += 1;
      const answer = await county.upload(route.service, route.path, person.token ?? 'x', Buffer.from(sheet), 'x.csv');
      if (answer.status >= 500) say(person, what, `answered ${answer.status}`);
      if (answer.status !== 202) return;
      const location = answer.headers.get('location')!.replace(`/api/${route.service}`, '');
      const done = await eventually(
        async () => (await county.call(route.service, 'GET', location, { token: person.token! })).body as { state: string; counts: { created: number; refused: number } },
        ({ state }) => state === 'done' || state === 'failed',
      );
      if (!other.startsWith(person.division) && (done.counts.created !== 0 || (done.state === 'done' && done.counts.refused !== 1))) say(person, what, `took a row of ${other}: ${JSON.stringify(done.counts)}`);
    });
    return tasks;
  }

  if (!route.body) throw new Error(`${what}: the matrix does not know what to send.`);
  tasks.push(async () => {
    const basis = await send(person, eyes, route, route.path, body(absent));
    const length = absent.division.length;
    const strangers = [`${townA}201`, `${townB}201`, `${foreignCounty}101201`].filter((code) => !within(code, person));
    const villages = strangers.length > 0 ? strangers : [absent.division];
    const shops = picked('registry.establishment', 6).filter(({ id }) => !eyes.ids.has(id));
    const tried = [
      ...villages.map((code) => ({ ...absent, division: code.slice(0, length) })),
      ...shops.map(({ id }) => ({ ...absent, establishment: id })),
      ...picked('notification.message', 6).filter(({ id }) => !eyes.ids.has(id)).map(({ id }) => ({ ...absent, message: id })),
    ];
    const names_ = JSON.stringify(body(absent));
    if (names_.includes(absent.official)) {
      const mine = picked('registry.establishment', 3).find(({ division }) => within(division, person))?.id ?? absent.establishment;
      const own = { ...absent, division: person.division, establishment: mine };
      const nobodys = await send(person, eyes, route, route.path, body(own));
      for (const row of picked('assignment.official', 4).filter((one) => !within(one.division, person))) {
        const answer = await send(person, eyes, route, route.path, body({ ...own, official: row.id }));
        if (plain(answer, row.id) !== plain(nobodys, absent.official)) say(person, what, `tells the official ${row.id} from one of nobody: ${parting(plain(answer, row.id), plain(nobodys, absent.official))}`);
      }
      if (names_.includes(absent.establishment)) {
        const none = await send(person, eyes, route, route.path, body({ ...own, establishment: absent.establishment }));
        for (const { id } of shops) {
          const answer = await send(person, eyes, route, route.path, body({ ...own, establishment: id }));
          if (plain(answer, id) !== plain(none, absent.establishment)) say(person, what, `tells the establishment ${id} from one of nobody: ${parting(plain(answer, id), plain(none, absent.establishment))}`);
        }
      }
    }
    if (!Object.values(absent).some((one) => names_.includes(one))) return; // it names nobody
    const refused = basis.status === 401 || basis.status === 403;
    for (const reference of refused && !all ? some(tried, 3) : tried) {
      const answer = await send(person, eyes, route, route.path, body(reference));
      const [told, nobodys] = [plain(answer, ...Object.values(reference)), plain(basis, ...Object.values(absent))];
      if (told !== nobodys) say(person, what, `tells ${JSON.stringify(reference)} from nobody’s: ${parting(told, nobodys)}`);
    }
  });
  return tasks;
} // prettier-ignore

describe('the walls between townships', () => {
  it('have rows of both townships on either side, in every table', async () => {
    const empty: string[] = [];
    const ofNobody = new Set(['journal', 'dead_letter', 'waiting_fact', 'idempotency_key', 'calendar_gap', 'qualification']);
    const ofTheCounty = new Set([...standing].map((one) => one.split('.')[1]).filter((one) => one !== 'division'));
    for (const service of services)
      for (const { name } of await tablesOf(service)) {
        if (ofNobody.has(name)) continue;
        for (const place of ofTheCounty.has(name) && name !== 'division_list' ? [countyCode] : [townA, townB])
          if (!rows.some((row) => row.table === `${service}.${name}` && row.division.startsWith(place)))
            empty.push(`${service}.${name} has no row of ${place}`);
      }
    expect(empty).toEqual([]);
  }, 120_000); // prettier-ignore

  it('hold for every route × every role × foreign ids, and writes through them change nothing', async () => {
    wrong = [];
    const started = performance.now();
    let before = await fingerprint();
    for (const person of people) {
      const eyes = eyesOf(person);
      await inParallel(routes.flatMap((route) => asked(person, eyes, route)));
      await quiet();
      const after = await fingerprint();
      const mayWrite = person.role === 'county-admin' || person.role === 'office';
      for (const key of new Set([...before.keys(), ...after.keys()])) {
        const [table, division] = key.split(' ') as [string, string];
        if (mayWrite && within(division, person)) continue;
        if (before.get(key) !== after.get(key)) say(person, table, `rows of ${division} changed`);
      }
      before = after;
    }
    const seconds = Math.round((performance.now() - started) / 1000);
    process.stderr.write(`walls: ${requests} requests of ${people.length} people to ${routes.length} routes in ${seconds} s, WALLS_SEED=${seed}\n`); // prettier-ignore
    expect(wrong.slice(0, 40)).toEqual([]);
    expect(requests).toBeGreaterThanOrEqual(10_000);
  }, 2_400_000);

  it('show each caller all that is his and nothing else, page by page; an official what is assigned to him alone', async () => {
    // Evidence is listed by its visit, not by itself.
    const lists = Object.entries(nouns).filter(([noun]) => noun !== 'inspection/evidence').map(([noun, table]) => {
      const [service, path] = noun.split('/') as [Service, string];
      return { service, path: `/v1/${path}${table === 'assignment' ? '?state=all' : ''}`, table: `${service}.${table}`, key: 'id' };
    });
    lists.push({ service: 'training', path: '/v1/officials', table: 'training.official', key: 'officialId' });
    const before = await everyRow();
    let exact = 0;
    for (const person of people.filter(({ token }) => token))
      for (const { service, path, table, key } of lists) {
        const probe = await county.call(service, 'GET', path, { token: person.token! });
        if (probe.status === 403) continue;
        // Reading officials is itself written down: what this person has just read is there by now.
        const now = table.endsWith('.personal_read') ? await everyRow(table) : before;
        const items = await county.every<Record<string, string>>(service, path, person.token!);
        const at = newestFirst[table];
        if (at) expect([path, items.map((item) => item[at])]).toEqual([path, items.map((item) => item[at]).sort().reverse()]);
        const found = items.map((item) => item[key]);
        const expected = now.filter((row) => row.table === table && sees(person, row)).map(({ id }) => id);
        expect([person.who, path, found.sort()]).toEqual([person.who, path, expected.sort()]);
        exact += expected.length > 0 ? 1 : 0;
      }
    expect(exact).toBeGreaterThan(60);
    const [official] = people.filter(({ who }) => who === 'an official of A');
    for (const table of ['assignment.assignment', 'inspection.obligation', 'inspection.inspection', 'inspection.corrective_action', 'notification.message', 'training.certificate', 'assignment.undertaking'])
      expect([table, before.filter((row) => row.table === table && sees(official!, row)).length > 0]).toEqual([table, true]);
  }, 600_000); // prettier-ignore
});

// ---- what the catalogs say ----

/** Walled by role and not by place. Of the issuer: before anybody has signed in, no place is known. */
const byRole: Record<string, string> = {
  oidc_payload: 'sessions, grants and codes of oidc-provider by random id; of no place',
  signing_key: 'the issuer’s own keys',
  sign_in_guard: 'hashes of names that were tried, known or not',
  address_guard:
    'counts of requests by address, for an hour; of no place, for nobody has signed in yet',
  subscriber_official: 'where an official serves now, by id: asked from where he served before',
  subscriber_account: 'what an account acts as now, by id: asked from where it acted before',
};
/** Of the issuer: shows its rows also without a scope. */
const beforeSignIn: Record<string, string> = {
  account: 'who signs in is looked up by name, before his place is known',
  client: 'walled through its account',
};

/**
 * Policies for another role than the app. Each has its reason; whoever reads by one has no way to hand a row to the app
 * but the definers below.
 */
const pruned = (service: Service, ...tables: string[]): [string, string, string[]][] =>
  tables.flatMap((table) => ['prune_deletes', 'prune_reads'].map((policy): [string, string, string[]] => [table, policy, [`${service}_owner`]])); // prettier-ignore
const othersPolicies: Record<string, [table: string, policy: string, roles: string[]][]> = {
  // The deploy step `prune` takes away what is older than the installation keeps: no service runs as the owner.
  assignment: pruned('assignment', 'change', 'personal_read'),
  identity: pruned('identity', 'change', 'personal_read'),
  notification: pruned('notification', 'delivery'),
  registry: [
    ...pruned('registry', 'change', 'personal_read'),
    // The search function runs as the owner: a wall on the table would switch its index off, so the function has the range.
    ['establishment_search', 'search_reads', ['registry_owner']],
  ],
};
/** Functions that run as the owner, each with its reason: the caller's range must be written out in them. */
const definers: Record<string, Record<string, string>> = {
  registry: {
    'establishments_named(text,text[],text,uuid,integer)':
      'ids by a part of the name; `@>` is not leakproof, so a wall in front of it switches its index off (ADR 11)',
  },
};

interface Catalogued {
  database: Service;
  /** As superuser. */
  all: <T extends object>(sql: string) => Promise<T[]>;
  url: string;
}

describe('the catalogs of all six databases', () => {
  let six: Catalogued[];
  const superuser = (JSON.parse(process.env['TEST_SERVERS'] ?? '{}') as { postgres: string })
    .postgres;
  const as = (role: string, database: string): string => {
    const url = new URL(superuser);
    if (role) [url.username, url.password] = [role, 'only-for-tests'];
    url.pathname = `/${database}`;
    return url.href;
  };
  async function ask<T extends object>(url: string, ...statements: string[]): Promise<T[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      let found: T[] = [];
      for (const sql of statements) found = (await client.query<T>(sql)).rows;
      return found;
    } finally {
      await client.end();
    }
  }

  beforeAll(() => {
    six = services
      .map((service) => ({ service, name: county.databases.get(service)! }))
      .map(({ service, name }) => ({ database: service, url: as(`${service}_app`, name), all: (sql) => ask(as('', name), sql) })); // prettier-ignore
  });

  it('have forced row-level security on every table but the named ones, and no right on a partition', async () => {
    for (const { database, all } of six) {
      const open = await unwalled(county, database);
      expect([database, open]).toEqual([database, machineColumns]);
      const wide = await all(
        `select c.relname, r.rolname, a.privilege_type from pg_class c, aclexplode(c.relacl) a left join pg_roles r on r.oid = a.grantee
         where a.grantee <> c.relowner and c.relkind in ('r', 'p', 'v', 'm') and c.relnamespace = 'public'::regnamespace
           and (c.relispartition or a.grantee = 0 or a.is_grantable or c.relkind in ('v', 'm')
                or a.privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE') or r.rolname not in ('${database}_app', '${database}_relay'))`,
      );
      expect([database, wide]).toEqual([database, []]);
    }
  }, 120_000);

  it('have one policy for each command that the app may use, by place, the same for reading and writing', async () => {
    const letters = { r: 'SELECT', a: 'INSERT', w: 'UPDATE', d: 'DELETE' } as const;
    for (const { database, all } of six) {
      const granted = await all<{ name: string; command: string }>(
        `select c.relname as name, a.privilege_type as command from pg_class c, aclexplode(c.relacl) a join pg_roles r on r.oid = a.grantee
         where r.rolname = '${database}_app' and c.relkind in ('r', 'p') and c.relrowsecurity order by 1, 2`,
      );
      const policies = await all<{ name: string; policy: string; cmd: 'r' | 'a' | 'w' | 'd' | '*'; permissive: boolean; roles: string[]; reads: string | null; writes: string | null }>(
        `select c.relname as name, polname as policy, polcmd as cmd, polpermissive as permissive, polroles::regrole[]::text[] as roles,
                pg_get_expr(polqual, polrelid) as reads, pg_get_expr(polwithcheck, polrelid) as writes
         from pg_policy p join pg_class c on c.oid = p.polrelid`,
      ); // prettier-ignore
      for (const { name, command } of granted) {
        const serving = policies.filter((one) => one.name === name && one.roles.includes(`${database}_app`) && (one.cmd === '*' || letters[one.cmd] === command)); // prettier-ignore
        expect([database, name, command, serving.length]).toEqual([database, name, command, 1]);
        const [{ cmd, reads, writes }] = serving as [(typeof policies)[number]];
        const free = name in byRole;
        if (!free) {
          expect([name, cmd === '*']).toEqual([name, false]);
          for (const rule of [reads, writes]) if (rule !== null) expect(rule).toMatch(/division|account/); // prettier-ignore
        }
        if (cmd === 'w') expect([name, writes]).toEqual([name, reads]);
      }
      const others = policies.filter(({ roles }) => roles.join() !== `${database}_app`);
      expect(others.every(({ cmd, policy }) => cmd === (policy === 'prune_deletes' ? 'd' : 'r'))).toBe(true); // prettier-ignore
      expect(others.map(({ name, policy, roles }) => [name, policy, roles]).sort()).toEqual(
        [
          ...(othersPolicies[database] ?? []),
          ['journal', 'relay_reads', [`${database}_relay`]],
        ].sort(),
      );
    }
  }, 120_000);

  it('give the app roles nothing of their own, no way past the walls and no way to another role', async () => {
    for (const { database, all, url } of six) {
      const roles = ['app', 'relay'].map((role) => `'${database}_${role}'`).join();
      const able = await all(
        `select rolname from pg_roles where rolname in (${roles}, '${database}_owner')
           and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)`,
      );
      const belongs = await all(
        `select 1 from pg_auth_members where member::regrole::text in (${roles})`,
      );
      const owns = await all(
        `select classid::regclass, objid from pg_shdepend where deptype = 'o' and refclassid = 'pg_authid'::regclass
           and refobjid::regrole::text in (${roles})`,
      );
      const makes = await all<{ may: boolean }>(
        `select bool_or(has_schema_privilege(r, 'public', 'CREATE')) as may from unnest(array[${roles}]) r`,
      );
      const asOwner = await all<{ name: string; owner: string; config: string[]; body: string; may: string[] }>(
        `select oid::regprocedure::text as name, proowner::regrole::text as owner, proconfig as config, prosrc as body,
                (select array_agg(grantee::regrole::text order by 1) from aclexplode(proacl)
                 where grantee <> proowner) as may
         from pg_proc where prosecdef and pronamespace = 'public'::regnamespace`,
      ); // prettier-ignore
      expect([database, able, belongs, owns, makes, asOwner.map(({ name }) => name)]).toEqual([database, [], [], [], [{ may: false }], Object.keys(definers[database] ?? {})]); // prettier-ignore
      for (const { owner, config, body, may } of asOwner) {
        expect([owner, config, may]).toEqual([`${database}_owner`, ['search_path=pg_catalog, pg_temp'], [`${database}_app`]]); // prettier-ignore
        expect(body).toMatch(/division >= public\.app_lo\(\)[^;]*division < public\.app_hi\(\)/);
      }
      const others = six.flatMap((one) => [`${one.database}_owner`, `${one.database}_app`]);
      for (const role of [...others, `${database}_relay`, 'postgres'])
        if (role !== `${database}_app`)
          await expect(ask(url, `set role ${role}`)).rejects.toThrow(/permission denied/);
      const [table] = await all<{ name: string }>(
        `select relname as name from pg_class where relrowsecurity order by 1 limit 1`,
      );
      await expect(ask(url, `alter table ${table!.name} disable row level security`)).rejects.toThrow(/must be owner/); // prettier-ignore
      await expect(ask(url, 'set row_security = off', `select * from ${table!.name}`)).rejects.toThrow(/row-level security/); // prettier-ignore
    }
  }, 120_000);

  it('let the search, which runs as the owner, find names of the caller’s own ground alone', async () => {
    const { url } = six.find(({ database }) => database === 'registry')!;
    const count = (part: string): string =>
      `select count(*)::int as n from establishments_named('${part.toLowerCase()}', '{}', '', '00000000-0000-0000-0000-000000000000', 1000)`;
    const scoped = (lo: string, hi: string): string => `select set_config('app.lo', '${lo}', false), set_config('app.hi', '${hi}', false)`;
    for (const [town, parts] of Object.entries(pieces))
      for (const part of parts) {
        const found = async (...scope: string[]): Promise<boolean> => (await ask<{ n: number }>(url, ...scope, count(part)))[0]!.n > 0;
        const by = { nobody: await found(), 'an empty scope': await found(scoped('', '')) } as Record<string, boolean>;
        for (const place of [townA, townB, countyCode, foreignCounty]) by[place] = await found(scoped(place, `${place}:`));
        const rule = Object.fromEntries([townA, townB, countyCode, foreignCounty].map((place) => [place, town.startsWith(place)]));
        expect([part, by]).toEqual([part, { nobody: false, 'an empty scope': false, ...rule }]);
      }
  }, 120_000); // prettier-ignore

  it('show the app role no row without a scope, and with one its own alone, of tables that have rows', async () => {
    for (const { database, all, url } of six) {
      const tables = await all<{ name: string }>(
        `select c.relname as name from pg_class c where relkind in ('r', 'p') and relrowsecurity
           and exists (select from pg_attribute where attrelid = c.oid and attname = 'division') order by 1`,
      );
      let full = 0;
      for (const { name } of tables) {
        const count = `select count(*)::int as n from ${name}`;
        const [there] = await all<{ n: number; a: number }>(
          `select count(*)::int as n, (count(*) filter (where starts_with(division, '${townA}') or (starts_with('${townA}', division))))::int as a from ${name}`,
        );
        if (there!.n > 0) full += 1;
        const scoped = (division: string): string =>
          `select set_config('app.lo', '${division}', false), set_config('app.hi', '${division}:', false)`;
        if (database !== 'identity' || !(name in beforeSignIn)) {
          expect([database, name, await ask(url, count)]).toEqual([database, name, [{ n: 0 }]]);
          const empty = `select set_config('app.lo', '', false), set_config('app.hi', '', false)`;
          expect([database, name, await ask(url, empty, count)]).toEqual([database, name, [{ n: 0 }]]); // prettier-ignore
        }
        const [seen] = await ask<{ n: number; strangers: number }>(
          url,
          scoped(townA),
          `select count(*)::int as n, (count(*) filter (where not starts_with(division, '${townA}') and not starts_with('${townA}', division)))::int as strangers from ${name}`,
        );
        expect([database, name, seen!.strangers]).toEqual([database, name, 0]);
        expect(seen!.n).toBeLessThanOrEqual(there!.a);
        expect([database, name, await ask(url, scoped('371499'), count)]).toEqual([database, name, [{ n: 0 }]]); // prettier-ignore
      }
      expect([database, full]).toEqual([database, full > 0 ? full : 'no table with rows']); // prettier-ignore
    }
    const identityUrl = six.at(-1)!.url;
    // No column of theirs says a place: they are walled through their account.
    for (const table of ['client', 'totp', 'recovery_code'])
      for (const [town, n] of [[townA, 1], [townB, 1], ['371499', 0]] as const) {
        const seen = await ask<{ n: number }>(identityUrl, `select set_config('app.lo', '${town}', false), set_config('app.hi', '${town}:', false)`, `select count(*)::int as n from ${table}`);
        expect([table, town, seen]).toEqual([table, town, [{ n }]]);
      }
  }, 120_000); // prettier-ignore
});
