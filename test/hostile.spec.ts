import { randomUUID } from 'node:crypto';
import { request as raw } from 'node:http';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Service } from '#contracts';
import { type Answer, County, eventually, hostileWorkbooks, workbookParts, zip } from '#testing';
import { assignment } from '../apps/assignment/src/assignment.definition.js';
import { identity } from '../apps/identity/src/identity.definition.js';
import { inspection } from '../apps/inspection/src/inspection.definition.js';
import { notification } from '../apps/notification/src/notification.definition.js';
import { registry } from '../apps/registry/src/registry.definition.js';
import { training } from '../apps/training/src/training.definition.js';

/*
 * What no honest client sends, to every route of every service; the issuer's pages and its token endpoint are attacked in
 * apps/identity/test/hostile.spec.ts. Each answer is a problem with its code; the bodies come
 * from the OpenAPI documents, so that a field added later is attacked by itself.
 */

const services = ['registry', 'assignment', 'inspection', 'training', 'notification', 'identity'] as const; // prettier-ignore

interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  pattern?: string;
  enum?: unknown[];
  example?: unknown;
  nullable?: boolean;
  items?: Schema;
  allOf?: Schema[];
  oneOf?: Schema[];
  required?: string[];
  properties?: Record<string, Schema>;
}
interface Route {
  service: Service;
  method: string;
  path: string;
  /** One that `{code}` of the path may be. */
  code: string | undefined;
  query: { name: string; schema: Schema }[];
  body: Schema | undefined;
  upload: boolean;
}

let county: County;
const routes: Route[] = [];
const schemas = {} as Record<Service, Record<string, Schema>>;
let admin: string;
let office: string;
let official: { id: string; token: string };
let shop: string;
const ids: Record<string, string> = {};
let wrong: string[] = [];
let sent = 0;
const bases: Partial<Record<Service, URL>> = {};

beforeAll(async () => {
  county = await County.start([registry, assignment, inspection, training, notification, identity]); // prettier-ignore
  for (const service of services) await county.clock(service, '2026-11-23T09:00:00+08:00');
  admin = await county.token('county-admin', '371425', { expires: '4h' });
  office = await county.token('office', '371425101', { expires: '4h' });
  await eventually(
    () => county.rows<{ n: number }>('assignment', 'select count(*)::int as n from division_list'),
    ([row]) => row?.n === 16,
  );
  await county.land('assignment', '/v1/roster-imports', admin, Buffer.from('姓名,职务,层级,行政区划代码\n甲,书记,村级,371425101201\n'), 'r.csv'); // prettier-ignore
  const made = await ok('registry', '/v1/establishments', office, { division: '371425101201', name: '甲店', address: '一号', kind: 'catering', area: 50 }); // prettier-ignore
  shop = made.id;
  await eventually(
    () => county.rows<{ n: number }>('assignment', 'select count(*)::int as n from premises'),
    ([row]) => row?.n === 1,
  );
  const proposal = await ok('assignment', '/v1/proposals', office, { division: '371425101' });
  await ok('assignment', `/v1/proposals/${proposal.id}/approval`, admin);
  const [one] = await county.every<{ id: string }>('assignment', '/v1/officials', admin);
  official = { id: one!.id, token: await county.issuer.sign({ sub: randomUUID(), roles: ['official'], division: '371425101', official: one!.id }, { expires: '4h' }) }; // prettier-ignore
  await eventually(
    () => county.rows<{ n: number }>('inspection', 'select count(*)::int as n from responsibility'),
    ([row]) => row?.n === 1,
  );
  const session = await ok('training', '/v1/sessions', office, { title: '一', place: '一', heldAt: '2026-11-20T14:00:00+08:00' }); // prettier-ignore
  const account = await ok('identity', '/v1/accounts', admin, { name: 'attacked', displayName: '王', role: 'office', division: '371425101' }); // prettier-ignore
  await readRoutes();
  const visit = await ok('inspection', '/v1/inspections', official.token, validBody(routeOf('POST', '/v1/inspections'))); // prettier-ignore
  expect(visit.id).toBeDefined();
  const [action] = await county.every<{ id: string }>('inspection', '/v1/corrective-actions', office); // prettier-ignore
  Object.assign(ids, {
    'registry/establishments': shop,
    'assignment/proposals': proposal.id,
    'assignment/officials': official.id,
    'inspection/corrective-actions': action!.id,
    'inspection/inspections': visit.id,
    'training/sessions': session.id,
    'identity/accounts': account.id,
  });
}, 120_000);
afterAll(() => county.stop(), 60_000);

async function ok(service: Service, path: string, token: string, body?: unknown): Promise<{ id: string }> {
  const answer = await county.call(service, 'POST', path, { token, ...(body === undefined ? {} : { body }) });
  if (answer.status > 299) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body as { id: string };
} // prettier-ignore

async function readRoutes(): Promise<void> {
  for (const service of services) {
    const document = (await county.call(service, 'GET', '/openapi.json')).body as {
      paths: Record<string, Record<string, { parameters?: { name: string; in: string; schema: Schema }[]; requestBody?: { content: Record<string, { schema: Schema }> } }>>;
      components: { schemas: Record<string, Schema> };
    }; // prettier-ignore
    schemas[service] = document.components.schemas;
    for (const [whole, methods] of Object.entries(document.paths))
      for (const [method, { parameters = [], requestBody }] of Object.entries(methods))
        routes.push({
          service, method: method.toUpperCase(), path: whole.replace(`/api/${service}`, ''),
          code: parameters.find(({ name }) => name === 'code')?.schema.enum?.[0] as string | undefined,
          query: parameters.filter((one) => one.in === 'query'), body: requestBody?.content['application/json']?.schema,
          upload: requestBody?.content['multipart/form-data'] !== undefined,
        }); // prettier-ignore
  }
}
const routeOf = (method: string, path: string): Route =>
  routes.find((one) => one.method === method && one.path === path)!;

const refOf = (schema: Schema): string | undefined =>
  schema.$ref ?? schema.allOf?.[0]?.$ref ?? schema.oneOf?.[0]?.$ref;
const fullOf = (service: Service, schema: Schema): Schema => {
  const reference = refOf(schema);
  return reference ? schemas[service][reference.split('/').at(-1)!]! : schema;
};
/** A body that the route takes. */
function validBody(route: Route): Record<string, unknown> {
  if (route.path === '/v1/inspections')
    return {
      establishmentId: shop, method: 'on-site', visitedAt: '2026-11-23T08:30:00+08:00',
      position: { latitude: 36.79, longitude: 116.75, accuracyMetres: 12 }, checklist: 'catering', checklistVersion: 1,
      results: Array.from({ length: 8 }, (_, at) => ({ item: `catering-0${at + 1}`, result: at === 6 ? 'fail' : 'pass', note: '无' })),
      findings: [{ item: 'catering-07', text: '未通电', handling: 'deadline', workingDays: 10, demand: '修复' }],
      operator: { answer: 'signed', signedBy: '王某' },
    };
  const examples = fullOf(route.service, route.body!).properties ?? {};
  const body = Object.fromEntries(Object.entries(examples).flatMap(([name, { example }]) => (example === undefined ? [] : [[name, example]])));
  if (route.path.endsWith('/attendances')) body['officials'] = [official.id];
  return body;
} // prettier-ignore
const tokenFor = (route: Route): string =>
  route.path === '/v1/inspections' || /\/(receipts?|signature)$/.test(route.path) ? official.token
    : /^\/v1\/(obligation-runs|dead-letters|accounts)/.test(route.path) || /\/(approval|rejection)$/.test(route.path) ? admin : office; // prettier-ignore
const pathOf = (route: Route, id?: string): string =>
  route.path.replace('{code}', route.code ?? '').replace('{id}', id ?? ids[`${route.service}/${route.path.split('/')[2] ?? ''}`] ?? randomUUID()); // prettier-ignore

/** A problem as api.md has it; anything else is written down. */
function judge(what: string, answer: Answer, among: number[] = []): void {
  sent += 1;
  const say = (sentence: string): void =>
    void wrong.push(`${what}: ${sentence}: ${answer.status} ${JSON.stringify(answer.body)?.slice(0, 300) ?? ''}`); // prettier-ignore
  if (answer.status < 400) {
    say('was taken');
    return;
  }
  if (answer.status > 499) {
    say('was a fault of ours');
    return;
  }
  if (among.length > 0 && !among.includes(answer.status)) {
    say(`is not one of ${among.join()}`);
    return;
  }
  if (!/^application\/problem\+json/.test(answer.headers.get('content-type') ?? '')) {
    say(`came as ${answer.headers.get('content-type')}`);
    return;
  }
  const body = answer.body as Record<string, unknown>;
  for (const name of ['type', 'title', 'status', 'detail', 'code', 'traceId', 'errors'])
    if (body[name] === undefined || body[name] === '') {
      say(`has no ${name}`);
      return;
    }
  if (body['status'] !== answer.status) say('has two statuses');
  if (!/^[0-9a-f]{32}$/.test(String(body['traceId']))) say('has no trace');
  if (body['code'] === 'validation-failed' && (body['errors'] as object[]).length === 0) say('names no field'); // prettier-ignore
  const bare = (body['errors'] as Record<string, unknown>[]).find(
    (error) =>
      !/^\//.test(String(error['pointer'])) ||
      !error['rule'] ||
      !error['remedy'] ||
      !('value' in error),
  );
  if (bare) say('has an error without pointer, rule, value, remedy');
  if (JSON.stringify(body).length > 20_000) say('is longer than anybody reads');
}

async function inParallel(tasks: (() => Promise<void>)[], width = 10): Promise<void> {
  const line = tasks[Symbol.iterator]();
  await Promise.all(Array.from({ length: width }, async () => { for (const task of line) await task(); })); // prettier-ignore
}

/** Sends bytes as they are; an answer that cannot be read is an answer too. */
function post(route: Route, path: string, token: string | undefined, body: string | Buffer | undefined, headers: Record<string, string>, method = route.method): Promise<Answer> {
  const base = (bases[route.service] ??= county.base(route.service));
  return new Promise((done, failed) => {
    const asking = raw(
      { host: base.hostname, port: base.port, path: `${base.pathname}${path}`, method, agent: false, headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) } },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (some: string) => (text += some)).on('end', () => {
          let parsed: unknown = text;
          try { parsed = JSON.parse(text); } catch { /* told as text */ }
          const headers = new Headers();
          for (const [name, value] of Object.entries(answer.headers)) headers.set(name, String(value));
          const said: Answer = { status: answer.statusCode ?? 0, headers, body: parsed };
          county.judge(route.service, method, path, said).then(() => done(said), failed);
        });
      },
    );
    asking.on('error', failed);
    asking.end(body);
  });
} // prettier-ignore

// ---- bodies ----

interface Place {
  path: (string | number)[];
  schema: Schema;
  required: boolean;
}
/** Every field of a body, with its schema, also deep down. */
function places(service: Service, schema: Schema, value: unknown, path: (string | number)[] = [], into: Place[] = []): Place[] {
  const full = fullOf(service, schema);
  for (const [name, one] of Object.entries(full.properties ?? {})) {
    const here = [...path, name];
    into.push({ path: here, schema: one, required: full.required?.includes(name) ?? false });
    const inner = (value as Record<string, unknown> | undefined)?.[name];
    if (refOf(one) && inner) places(service, one, inner, here, into);
    const element = (inner as unknown[] | undefined)?.[0];
    if (one.type === 'array' && one.items && refOf(one.items) && element) places(service, one.items, element, [...here, 0], into);
  }
  return into;
} // prettier-ignore
function put(body: unknown, path: (string | number)[], value: unknown): unknown {
  const copy = structuredClone(body) as Record<string, unknown>;
  let at: Record<string | number, unknown> = copy;
  for (const step of path.slice(0, -1)) at = at[step] as Record<string, unknown>;
  const last = path.at(-1)!;
  if (value === undefined) Reflect.deleteProperty(at, last);
  else at[last] = value;
  return copy;
}
const deep = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);

/** What no field of this schema may be. */
function badValues({ type: types, format, pattern, enum: one, example, items, ...schema }: Schema, field: string): [string, unknown][] {
  const type = [types].flat().find((one) => one !== 'null');
  const any: [string, unknown][] = [
    ['1,000 levels', deep(1000)],
    ['an array in an array', [[]]],
    ['an object with odd names', { toString: 1, hasOwnProperty: null, then: 'x' }],
  ];
  if (refOf(schema) || type === 'object')
    return [...any, ['a text', 'x'], ['a number', 1], ['a boolean', true], ['an array', [{}]], ['an empty array', []], ['nothing in it', {}]];
  if (type === 'array')
    return [...any, ['a text', 'x'], ['a number', 1], ['an object', { 0: {} }], ['a boolean', false], ['nulls', [null]], ['numbers', [1]], ['10,000 of them', Array.from({ length: 10_000 }, () => (items?.format === 'uuid' ? randomUUID() : {}))]];
  if (type === 'number' || type === 'integer')
    return [...any, ['a text', '12'], ['NaN', 'NaN'], ['a boolean', true], ['an object', {}], ['an array', [1]], ['negative', -100_000], ['huge', 1e300], ['above 2^53', 2 ** 60]];
  if (type === 'boolean') return [...any, ['a text', 'true'], ['a number', 1], ['an array', [true]]];
  const texts: [string, unknown][] = [
    ...any, ['a number', 12], ['a boolean', true], ['an object', {}], ['an array', ['x']], ['too long', '长'.repeat(5000)], ['NUL', '甲\u0000乙'],
    ['half a surrogate pair', '甲\ud800'], ['the other half', '\udc00甲'], ['a control character', '甲\u0007乙'],
  ];
  if (field !== 'uscc' && field !== 'licence') texts.push(['empty', '']);
  // A pattern that asks for more than blanks names them.
  if (pattern?.includes('\\u3000')) texts.push(['blanks', ' \u3000 ']);
  if (one) return [...texts, ['another word', 'toString'], ['spaces', ` ${String(example ?? one[0])} `]];
  if (format === 'uuid') return [...texts, ['half a uuid', randomUUID().slice(0, 20)], ['a uuid with braces', `{${randomUUID()}}`], ['a list', `${randomUUID()},${randomUUID()}`]];
  if (format === 'date-time')
    return [...texts, ...['2026-02-30T09:00:00+08:00', '2026-11-23', '2026-11-23T25:00:00+08:00', '2026-11-23T09:00:00+99:99', '2026-W47-1T09:00:00+08:00', '2026-327T09:00:00+08:00', '2026-13-01T09:00:00Z', '2026-11-23T09:61:00Z', '2099-99-99T99:99:99Z', '2026-11-23 09:00:00+08:00', 'infinity', 'now', '-infinity', '2026T09:00:00Z', '2026-11T09Z', '1763859600'].map((text): [string, unknown] => [text, text])];
  if (field === 'division') return [...texts, ['11 digits', '37142510120'], ['full width', '３７１４２５１０１２０１'], ['letters', '37142510120x'], ['a newline', '371425101201\n']];
  if (field === 'period') return [...texts, ['Q5', '2026-Q5'], ['a newline', '2026-Q4\n'], ['lower case', '2026-q4']];
  return texts;
} // prettier-ignore

it('refuses every broken field of every body, with its pointer, rule and remedy', async () => {
  wrong = [];
  sent = 0;
  const before = await counts();
  const tasks: (() => Promise<void>)[] = [];
  for (const route of routes.filter(({ body }) => body)) {
    const valid = validBody(route);
    const token = tokenFor(route);
    const headers = {
      'content-type': 'application/json',
      ...(route.method === 'PATCH' ? { 'if-match': '"1"' } : {}),
    };
    const ask = (what: string, body: unknown, among: number[] = [422]): void =>
      void tasks.push(async () => {
        const text = typeof body === 'string' ? body : JSON.stringify(body);
        judge(`${route.method} ${route.service}${route.path}: ${what}`, await post(route, pathOf(route), token, text, headers), among); // prettier-ignore
      });
    const fields = places(route.service, route.body!, valid);
    expect(fields.length).toBeGreaterThan(0);
    for (const { path, schema, required } of fields) {
      const at = path.join('/');
      for (const [what, value] of badValues(schema, String(path.at(-1)))) ask(`${at} is ${what}`, put(valid, path, value)); // prettier-ignore
      if (required) {
        ask(`${at} is missing`, put(valid, path, undefined));
        ask(`${at} is null`, put(valid, path, null));
      }
      // Nested objects take no unknown field either.
      if (typeof path.at(-1) === 'string' && path.length > 1) ask(`${at} has an unknown neighbour`, put(valid, [...path.slice(0, -1), 'unknown'], 1)); // prettier-ignore
    }
    for (const name of [
      'unknown',
      'id',
      'version',
      'createdBy',
      'toString',
      'hasOwnProperty',
      'constructor',
      'prototype',
    ])
      // prettier-ignore
      ask(`an unknown field ${name}`, { ...valid, [name]: 'x' });
    ask('__proto__', `{"__proto__":{"admin":true},${JSON.stringify(valid).slice(1)}`, [400, 422]);
    ask('a constructor with a prototype', `{"constructor":{"prototype":{"admin":true}},${JSON.stringify(valid).slice(1)}`, [400, 422]); // prettier-ignore
    for (const [what, text] of [
      ['a cut body', JSON.stringify(valid).slice(0, -3)], ['no JSON', 'name=x'], ['nothing', ''], ['spaces', '   '], ['two bodies', '{}{}'],
      ['NaN', '{"a":NaN}'], ['a comment', '{/**/}'], ['null', 'null'], ['a number', '12'], ['a text', '"x"'], ['an array', '[]'],
      ['an array of bodies', JSON.stringify([valid])], ['true', 'true'], ['100,000 levels', '['.repeat(100_000)], ['an unknown list', `{"unknown":${JSON.stringify(deep(1000))}}`],
    ] as const) ask(`the body is ${what}`, text, [400, 422]); // prettier-ignore
    const send = (what: string, more: Record<string, string>, body: string | Buffer, among: number[]): void =>
      void tasks.push(async () => judge(`${route.method} ${route.service}${route.path}: ${what}`, await post(route, pathOf(route), token, body, { ...headers, ...more }), among)); // prettier-ignore
    send('1.1 MB', {}, JSON.stringify({ ...valid, unknown: 'x'.repeat(1_100_000) }), [413]);
    send('bytes that are no UTF-8', {}, Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]), [400, 422]); // prettier-ignore
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/xml',
      'x',
      'application/octet-stream',
      'multipart/form-data',
      'multipart/form-data; boundary=x',
    ])
      // prettier-ignore
      send(`as ${type}`, { 'content-type': type }, JSON.stringify(valid), [415]);
    send('as a form', { 'content-type': 'application/x-www-form-urlencoded' }, new URLSearchParams(Object.entries(valid).map(([name, value]): [string, string] => [name, String(value)])).toString(), [415]); // prettier-ignore
  }
  await inParallel(tasks);
  process.stderr.write(`hostile: ${sent} broken bodies\n`);
  expect(wrong.slice(0, 40)).toEqual([]);
  expect(sent).toBeGreaterThan(700);
  expect(await counts()).toEqual(before);
}, 300_000);

/** Rows of each table that a request could have written. */
async function counts(): Promise<Record<string, number>> {
  const all: Record<string, number> = {};
  for (const [service, tables] of Object.entries({ registry: ['establishment'], assignment: ['proposal', 'assignment', 'official'], inspection: ['inspection', 'obligation_run', 'corrective_action'], training: ['session', 'attendance', 'certificate'], identity: ['account'] })) // prettier-ignore
    for (const table of tables)
      all[table] = (await county.rows<{ n: number }>(service as Service, `select count(*)::int as n from ${table}`))[0]!.n; // prettier-ignore
  return all;
}

// ---- headers, queries, tokens ----

it('refuses bad values in every query, path and header', async () => {
  wrong = [];
  sent = 0;
  const tasks: (() => Promise<void>)[] = [];
  const ask = (what: string, among: number[], send: () => Promise<Answer>): void =>
    void tasks.push(async () => judge(what, await send(), among));
  for (const route of routes.filter(({ method }) => method === 'GET')) {
    const nested = route.path.includes('{id}');
    const id = ids[`${route.service}/${route.path.split('/')[2] ?? ''}`];
    const token = admin;
    const what = `GET ${route.service}${route.path}`;
    if (route.path.includes('{id}')) {
      for (const bad of ['x', '1', '0', '-1', 'null', 'undefined', '%00', '%ff', '%zz', '%', '%ED%A0%80', "'", '..%2f..', '{id}', `${randomUUID()}x`, `${randomUUID()}%20`, 'a'.repeat(90), 'a'.repeat(5000)]) // prettier-ignore
        ask(`${what} with ${bad.slice(0, 40)}`, [400, 404, 414, 422], () => post(route, pathOf(route, bad), token, undefined, {})); // prettier-ignore
    }
    if (route.code)
      for (const bad of ['x', '%00', '%ff', 'toString', '__proto__', '{code}', `${route.code}%20`, route.code.toUpperCase(), 'a'.repeat(90), 'a'.repeat(5000)]) // prettier-ignore
        ask(`${what} with ${bad.slice(0, 40)}`, [400, 404, 414], () => post(route, route.path.replace('{code}', bad), token, undefined, {})); // prettier-ignore
    if (!nested || id) {
      for (const { name, schema } of route.query) {
        const values = ['%00', '%ED%A0%80x%00', '', 'x'.repeat(3000), '%0a'];
        if (schema.enum) values.push('x', 'TRUE', '1');
        if (schema.format === 'uuid') values.push('1', `${randomUUID()}'`, 'null');
        if (name === 'limit') values.push('0', '-1', '201', '1.5', 'NaN', 'Infinity', '1e9', '0x10000', '%20', 'x'); // prettier-ignore
        if (name === 'after') values.push('x', '371425', '0.0', '99999999.99999', `371425.${randomUUID()}'`, '371425.x'); // prettier-ignore
        if (['division', 'parent'].includes(name)) values.push('37142', '3714251012011', 'x', '%EF%BC%93'); // prettier-ignore
        if (name === 'period') values.push('2026', '2026-Q5');
        if (schema.format === 'date')
          values.push('2026', '2026-02-30', '2026-11-23T09:00:00Z', '20261123', '1999-12-31');
        for (const value of values)
          ask(`${what}?${name}=${value.slice(0, 30)}`, [400, 422], () => post(route, `${pathOf(route)}?${name}=${value}`, token, undefined, {})); // prettier-ignore
        ask(`${what}?${name} twice`, [422], () => post(route, `${pathOf(route)}?${name}=1&${name}=1`, token, undefined, {})); // prettier-ignore
      }
      // A misspelt filter is told, also where there is none to misspell.
      if (id || !route.path.includes('{'))
        for (const name of ['unknown', '__proto__', 'constructor', 'limit[]', 'limit[$gt]', 'toString'])
          ask(`${what}?${name}`, [400, 422], () => post(route, `${pathOf(route)}?${name}=x`, token, undefined, {})); // prettier-ignore
    }
    const good = pathOf(route, randomUUID());
    for (const [who, bad] of [
      ['a token of rubbish', 'x.y.z'], ['an unsigned token', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.'],
      ['an expired token', await county.token('county-admin', '371425', { expires: '-1m' })],
      ['another issuer’s token', await county.token('county-admin', '371425', { issuer: 'https://other.example' })],
      ['a token for another audience', await county.token('county-admin', '371425', { audience: 'urn:other' })],
    ] as const) ask(`${what} with ${who}`, [401], () => post(route, good, bad, undefined, {})); // prettier-ignore
    for (const [who, header] of [['no scheme', admin], ['basic', 'Basic eDp5'], ['two tokens', `Bearer ${admin} ${admin}`], ['nothing', 'Bearer '], ['40 KB', `Bearer ${'x'.repeat(9_000)}`]] as const) // prettier-ignore
      ask(`${what} with ${who}`, [401], () => post(route, good, undefined, undefined, { authorization: header })); // prettier-ignore
    ask(`${what} with a role nobody has`, [403], async () => post(route, good, await county.token('mayor' as never, '371425'), undefined, {})); // prettier-ignore
    for (const division of ['', '37', '371425x', "371425' or true", '9'.repeat(13)])
      ask(`${what} of the division ${division}`, [403], async () => post(route, good, await county.token('county-admin', division), undefined, {})); // prettier-ignore
    ask(`${what} of an official without an id`, [403], async () => post(route, good, await county.official('x', '371425101'), undefined, {})); // prettier-ignore
  }
  for (const route of routes.filter(({ body }) => body)) {
    const token = tokenFor(route);
    const body = JSON.stringify(validBody(route));
    const what = `${route.method} ${route.service}${route.path}`;
    const headers = { 'content-type': 'application/json' };
    if (route.method === 'PATCH')
      for (const match of ['', '1', '*', '"x"', '"-1"', '"1", "2"', '"1"x', '"999999999999999999999999"', `"${'9'.repeat(400)}"`]) // prettier-ignore
        ask(`${what} If-Match ${match}`, [412, 428], () => post(route, pathOf(route), token, body, { ...headers, 'if-match': match })); // prettier-ignore
    else
      for (const key of ['a b', 'x'.repeat(201), 'x'.repeat(4000), 'é', '\t', ''])
        ask(`${what} Idempotency-Key ${key.slice(0, 10)}`, [400], () => post(route, pathOf(route), token, body, { ...headers, 'idempotency-key': key })); // prettier-ignore
    ask(`${what} with a bad token`, [401], () => post(route, pathOf(route), 'x.y.z', body, headers)); // prettier-ignore
    ask(`${what} with another method`, [404, 405], () => post(route, pathOf(route), token, body, headers, 'PUT')); // prettier-ignore
    if (!route.path.endsWith('/replays')) // an empty body is whole there: every filter may be left out
      ask(`${what} of nobody`, [400, 404, 422, 428], () => post(route, pathOf(route, 'x'), token, '{}', headers)); // prettier-ignore
  }
  // Headers that mean nothing to us change nothing: the answer is as without them.
  for (const headers of [{ 'accept-language': '*;q=x,,;' }, { 'accept-language': 'x'.repeat(4000) }, { traceparent: 'rubbish' }, { traceparent: `00-${'0'.repeat(32)}-x-01` }, { accept: 'image/png' }] as Record<string, string>[]) // prettier-ignore
    ask(`with ${JSON.stringify(headers).slice(0, 60)}`, [404], () => post(routeOf('GET', '/v1/establishments/{id}'), `/v1/establishments/${randomUUID()}`, admin, undefined, headers)); // prettier-ignore
  for (const path of ['/v1/nothing', '/v2/establishments', '/v1/establishments/', '/v1//establishments', '/%', '/v1/establishments/%2e%2e', '/v1/%00']) // prettier-ignore
    ask(`GET ${path}`, [400, 404], () => post(routeOf('GET', '/v1/establishments'), path, admin, undefined, {})); // prettier-ignore
  await inParallel(tasks);
  process.stderr.write(`hostile: ${sent} bad queries, paths, headers and tokens\n`);
  expect(wrong.slice(0, 40)).toEqual([]);
  expect(sent).toBeGreaterThan(700);
}, 300_000);

// ---- uploads ----

const ledgerTitle = [
  '主体名称',
  '统一社会信用代码',
  '经营场所',
  '所属乡镇(街道)',
  '所属村(社区)',
  '主体业态',
];
const sheets = [
  { service: 'registry', path: '/v1/ledger-imports', title: ledgerTitle, row: (name: string) => [name, '', '一号', '表白寺镇', '刁家村委会', '食品摊点'], table: 'establishment' },
  { service: 'assignment', path: '/v1/roster-imports', title: ['姓名', '职务', '层级', '行政区划代码'], row: (name: string) => [name, '委员', '村级', '371425101202'], table: 'official' },
] as const; // prettier-ignore

describe.each(sheets)('an upload to $service$path', ({ service, path, title, row, table }) => {
  const csv = (names: string[]): Buffer =>
    Buffer.from([title, ...names.map(row)].map((cells) => `${cells.join(',')}\n`).join(''));
  const bad = (): [string, Buffer, string][] => [
    ['51 MB', Buffer.alloc(51 * 1024 * 1024, 0x61), 'file-too-large'],
    ['a broken encoding', Buffer.concat([csv(['甲']), Buffer.from([0xff, 0xff, 0xff])]), 'sheet-encoding'],
    ['wrong headers', Buffer.from('名字,地址\n甲,乙\n'), 'sheet-headers'],
    ['250,000 rows', csv(Array.from({ length: 250_000 }, (_, n) => `行${n}`)), 'sheet-too-large'],
    ['nothing', Buffer.alloc(0), 'sheet-format'],
    ['one byte', Buffer.from('%'), 'sheet-headers'],
    ['two bytes of an archive', Buffer.from('PK'), 'sheet-damaged'],
    ['a picture', Buffer.from('89504e470d0a1a0a0000', 'hex'), 'sheet-format'],
    ['a page', Buffer.from('<!doctype html><script>alert(1)</script>'), 'sheet-headers'],
    ...hostileWorkbooks(title, row('甲')).flatMap(([what, bytes, code]): [string, Buffer, string][] => (code ? [[what, bytes, code]] : [])),
  ]; // prettier-ignore
  const there = async (): Promise<string[]> =>
    (await county.rows<{ name: string }>(service, `select name from ${table} order by name collate "C"`)).map(({ name }) => name); // prettier-ignore

  it('is refused with its code, and costs a good one that lands meanwhile no row', async () => {
    wrong = [];
    // First: while they are made no timer runs, and fetch would take a connection that has been idle for 72 s in the instant the service closes it.
    const files = bad();
    const before = await there();
    const good = Array.from({ length: 700 }, (_, n) => `好${n}`);
    const held = await atRest();
    const refusing = (async () => {
      for (let at = 0; at < files.length; at += 5)
        await Promise.all(
          files.slice(at, at + 5).map(async ([what, bytes, code]) => {
            const answer = await county.upload(service, path, office, bytes, 'x.xlsx').catch((cause: unknown) => {
              throw new Error(`${what} had no answer`, { cause });
            }); // prettier-ignore
            judge(what, answer, [413, 422]);
            expect([what, (answer.body as { code: string }).code]).toEqual([what, code]);
          }),
        );
    })();
    const [landed] = await Promise.all([county.land(service, path, office, csv(good), 'good.csv'), refusing]); // prettier-ignore
    expect(wrong).toEqual([]);
    expect(landed).toMatchObject({
      state: 'done',
      counts: { rows: 700, created: 700, refused: 0 },
    });
    expect(await there()).toEqual([...before, ...good].sort(byBytes));
    // Of all that nothing stays in memory.
    files.length = 0;
    await eventually(
      async () => memory() - held,
      (more) => more < 50_000_000,
    );
  }, 240_000);

  it('takes formulas as texts', async () => {
    const parts = workbookParts([title, row('算'), row('=1+1'), row("=cmd|' /C calc'!A0")]);
    const name = 'xl/worksheets/sheet1.xml';
    const sheet = String(parts[name]).replace('<c t="inlineStr"><is><t>算</t></is></c>', '<c><f>1+1</f><v>2</v></c>'); // prettier-ignore
    const landed = await county.land(service, path, office, zip({ ...parts, [name]: sheet }));
    expect(landed).toMatchObject({ state: 'done', counts: { rows: 3, created: 3 } });
    expect(await there()).toEqual(expect.arrayContaining(['2', '=1+1', "=cmd|' /C calc'!A0"]));
  }, 60_000);

  it('is one file in the field file, and nothing else', async () => {
    wrong = [];
    const route = routeOf('POST', path);
    const file = (name: string, text = csv(['多']).toString()): string =>
      `--x\r\ncontent-disposition: form-data; name="${name}"; filename="a.csv"\r\n\r\n${text}\r\n`;
    const field = '--x\r\ncontent-disposition: form-data; name="file"\r\n\r\nx\r\n';
    const end = '--x--\r\n';
    const type = { 'content-type': 'multipart/form-data; boundary=x' };
    for (const [what, body, headers, among] of [
      ['two files', file('file') + file('file') + end, type, [422]], ['three files', file('file').repeat(3) + end, type, [422]],
      ['another field', file('data') + end, type, [422]], ['a field beside it', file('file') + field + end, type, [422]],
      ['a field before it', field + file('file') + end, type, [422]], ['only a field', field + end, type, [422]], ['nothing', end, type, [422, 400]],
      ['no end', file('file'), type, [400]], ['no boundary', file('file') + end, { 'content-type': 'multipart/form-data' }, [400, 415]],
      ['another boundary', file('file') + end, { 'content-type': 'multipart/form-data; boundary=y' }, [400, 422]],
      ['__proto__', file('__proto__') + end, type, [400, 422]], ['a broken head', '--x\r\nrubbish\r\n\r\nx\r\n--x--', type, [400, 422]],
      ['JSON', '{}', { 'content-type': 'application/json' }, [415]], ['a form', 'file=x', { 'content-type': 'application/x-www-form-urlencoded' }, [415]],
      ['10,000 fields', field.repeat(10_000) + end, type, [422]], ['10,000 files', file('file', 'x').repeat(10_000) + end, type, [422]],
      ['a head of 100 KB', `--x\r\ncontent-disposition: form-data; name="file"; filename="${'x'.repeat(100_000)}"\r\n\r\nx\r\n${end}`, type, [400, 422]],
      ['a boundary of 1,000 letters', file('file') + end, { 'content-type': `multipart/form-data; boundary=${'x'.repeat(1000)}` }, [400, 422]],
      ['packed', file('file') + end, { ...type, 'content-encoding': 'gzip' }, [415]],
      ['no type', file('file') + end, {}, [415]], ['a bad key', file('file') + end, { ...type, 'idempotency-key': 'a b' }, [400]],
    ] as [string, string, Record<string, string>, number[]][])
      judge(what, await post(route, path, office, body, headers), among);
    judge('a bad query', await post(route, `${path}?dryRun=maybe`, office, file('file') + end, type), [422]);
    judge('no token', await post(route, path, undefined, file('file') + end, type), [401]);
    expect(wrong).toEqual([]);
    expect(await there()).not.toContain('多');
  }); // prettier-ignore

  it('is whole: who announces more than he sends, or stops in the middle, leaves nothing', async () => {
    const { port, hostname } = county.base(service);
    const body = `--x\r\ncontent-disposition: form-data; name="file"; filename="a.csv"\r\n\r\n${csv(['断']).toString()}`;
    const bytes = Buffer.byteLength(body);
    for (const length of [bytes + 1000, bytes - 20, bytes])
      await new Promise<void>((done) => {
        const socket = connect(Number(port), hostname, () => {
          socket.write(
            `POST /api/${service}${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${office}\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: ${length}\r\n\r\n${body}`,
          );
          socket.end();
        });
        socket.resume();
        socket.on('error', () => undefined); // the server hangs up first
        socket.on('close', () => done());
      });
    const good = await county.land(service, path, office, csv([`续${table}`]), 'good.csv');
    expect(good).toMatchObject({ state: 'done', counts: { rows: 1, created: 1 } });
    expect(await there()).not.toContain('断');
  }, 60_000); // prettier-ignore

  it('keeps of its name what can be shown, and no folder', async () => {
    for (const [name, kept] of [['../../../etc/passwd', 'passwd'], ['C:\\temp\\a.csv', 'a.csv'], ['甲\u0007乙.csv', '甲乙.csv'], ['x'.repeat(250), 'x'.repeat(200)]] as const) {
      const answer = await county.upload(service, path, office, csv([`名${name.length}`]), name);
      expect([name, answer.status, (answer.body as { fileName: string }).fileName]).toEqual([name, 202, kept]);
    }
  }); // prettier-ignore
});

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/** What is held after everything that can be thrown away has been. */
function memory(): number {
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

/** The same when nothing more goes: what holds bytes of uploads lets go of them a moment after it is thrown away itself. */
async function atRest(): Promise<number> {
  let before = Infinity;
  return eventually(
    async () => memory(),
    (now) => {
      const still = before - now < 1_000_000;
      before = now;
      return still;
    },
  );
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
