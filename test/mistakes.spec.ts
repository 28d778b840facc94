import { randomUUID } from 'node:crypto';
import { type Service } from '#contracts';
import { type Answer, County, eventually, zip } from '#testing';
import { assignment } from '../apps/assignment/src/assignment.definition.js';
import { identity } from '../apps/identity/src/identity.definition.js';
import { registry } from '../apps/registry/src/registry.definition.js';

/*
 * What a newcomer does wrong in his first hour, and what he is told: the field, what is wrong with it, and what to do, the
 * same in both languages.
 */

interface Problem {
  status: number;
  code: string;
  detail: string;
  errors: { pointer: string; rule: string; value: unknown; remedy: string }[];
}

let county: County;
let office: string;
let admin: string;
let stranger: string;
beforeAll(async () => {
  county = await County.start([registry, assignment, identity]);
  admin = await county.token('county-admin', '371425');
  office = await county.token('office', '371425101');
  stranger = await county.token('office', '371425102');
}, 60_000);
afterAll(() => county.stop());

const shop = { division: '371425101201', name: '老王饭店', address: '一号', kind: 'catering' };
const ask = (method: string, path: string, body?: unknown, more: { token?: string; headers?: Record<string, string> } = {}): Promise<Answer> =>
  county.call('registry', method, path, { token: office, ...(body === undefined ? {} : { body }), ...more }); // prettier-ignore
const problem = async (...asked: Parameters<typeof ask>): Promise<Problem> =>
  (await ask(...asked)).body as Problem;

describe('a path', () => {
  it('that no route has is told as such, with a token and without', async () => {
    for (const path of ['/v1/establishment', '/v1/establishments/', `/v1/establishments/${randomUUID()}/change`, '/v2/establishments', '/v1%2festablishments']) {
      const said = await problem('GET', path);
      expect([path, said.status, said.code, said.detail]).toEqual([path, 404, 'not-found', '没有这个接口,请核对路径,接口列表见 /docs/。 · There is no such route: check the path, /docs/ lists them.']);
    }
    expect((await county.call('registry', 'GET', '/v1/nothing', {})).status).toBe(404);
  }); // prettier-ignore

  it('that takes other methods says which', async () => {
    for (const [method, path, allow] of [['PUT', '/v1/establishments', 'POST, GET'], ['DELETE', `/v1/establishments/${randomUUID()}`, 'GET, PATCH'], ['GET', `/v1/ledger-imports/${randomUUID()}/undo`, 'POST']] as const) {
      const answer = await ask(method, path);
      expect([answer.status, answer.headers.get('allow'), answer.body]).toEqual([405, allow, expect.objectContaining({ code: 'method-not-allowed', detail: expect.stringContaining(`This path does not take ${method}; it takes ${allow}.`) as unknown })]);
    }
  }); // prettier-ignore

  it('of what is another’s is answered as that of what is not there', async () => {
    const { id } = (await ask('POST', '/v1/establishments', shop)).body as { id: string };
    const told = async (method: string, path: string): Promise<unknown> => {
      const { status, body, headers } = await ask(method, path, method === 'PATCH' ? { area: 1 } : undefined, { token: stranger, headers: { 'if-match': '"1"' } }); // prettier-ignore
      return [status, headers.get('allow'), { ...(body as object), traceId: '' }];
    };
    for (const method of ['GET', 'PATCH', 'DELETE'])
      expect([method, await told(method, `/v1/establishments/${id}`)]).toEqual([method, await told(method, `/v1/establishments/${randomUUID()}`)]); // prettier-ignore
    expect((await problem('GET', `/v1/establishments/${randomUUID()}`)).detail).toMatch(/not yours/);
  }); // prettier-ignore

  it('whose id is no UUID names the id', async () => {
    for (const path of ['/v1/establishments/abc', '/v1/establishments/abc/changes', '/v1/ledger-imports/abc/findings'])
      expect([path, await problem('GET', path)]).toEqual([path, expect.objectContaining({
        status: 400, code: 'bad-request', detail: '路径中的 id 不是有效的编号(UUID)。 · The id in the path is no UUID.',
        errors: [{ pointer: '/id', rule: 'isUuid', value: 'abc', remedy: expect.stringMatching(/^请填写有效的编号.* · give a valid id/) as unknown }],
      })]);
  }); // prettier-ignore
});

describe('a body', () => {
  it.each([
    ['{"name":"a"', '第 1 行第 12 个字符处有误。 · The body is not valid JSON: see line 1, character 12.'],
    ['{"a":1,\n "b" 2}', '第 2 行第 6 个字符处有误。 · The body is not valid JSON: see line 2, character 6.'],
    ['name=x', '第 1 行第 2 个字符处有误。 · The body is not valid JSON: see line 1, character 2.'],
    ['{"a":“b”}', '第 1 行第 6 个字符处有误。引号、逗号、冒号和数字须用半角'],
    ['', '请求内容是空的,请发送 JSON。 · The body is empty: send JSON.'],
    ['{"__proto__":1}', '__proto__ 或 constructor)。 · The body has a field name that is not taken'],
  ])('%j is told to be no JSON, and where', async (body, words) => {
    const answer = await fetch(new URL(`${county.base('registry').href}/v1/establishments`), {
      method: 'POST', body, headers: { authorization: `Bearer ${office}`, 'content-type': 'application/json' },
    });
    expect(await answer.json()).toMatchObject({ status: 400, code: 'bad-request', detail: expect.stringContaining(words) as unknown });
  }); // prettier-ignore

  it('has one error for each field, and what is missing is required', async () => {
    const { errors } = await problem('POST', '/v1/establishments', { name: 5, address: '', kind: 'bar', area: 'big' }); // prettier-ignore
    expect(errors.map(({ pointer, rule, remedy }) => [pointer, rule, remedy])).toEqual([
      ['/division', 'required', '必填,请补上该字段 · it is required: add this field'],
      ['/name', 'isString', '请填写文字,JSON 中须加引号 · give a text, in JSON with quotation marks'],
      ['/address', 'isLength', '不能为空 · it must not be empty'],
      ['/kind', 'isIn', expect.stringMatching(/^须为以下取值之一:production, .* · it must be one of: production, /)],
      ['/area', 'isNumber', '请填写数字 · give a number'],
    ]);
  }); // prettier-ignore

  it('and a query with a field that nobody knows are told those that are known', async () => {
    expect((await problem('POST', '/v1/establishments', { ...shop, nam: 'x' })).errors).toEqual([
      { pointer: '/nam', rule: 'whitelistValidation', value: 'x', remedy: '没有字段 nam,可用:division、name、uscc、licence、address、kind、area、diners、large、latitude、longitude · there is no field nam; there are division, name, uscc, licence, address, kind, area, diners, large, latitude, longitude' },
    ]);
    expect((await problem('GET', '/v1/establishments?nam=x')).errors).toMatchObject([
      { pointer: '/nam', rule: 'whitelistValidation', value: 'x', remedy: expect.stringMatching(/^没有字段 nam,可用:.*division.* · there is no field nam; there are .*division/) as unknown },
    ]);
  }); // prettier-ignore

  it('that is no object is told so, a list or a single value', async () => {
    for (const given of [[shop], [], 5, true])
      expect((await problem('POST', '/v1/establishments', given)).errors).toEqual([
        { pointer: '/', rule: 'isObject', value: given, remedy: expect.stringMatching(/^请发送 JSON 对象.* · send a JSON object/) as unknown },
      ]);
  }); // prettier-ignore

  it('that changes nothing is refused, and leaves the version', async () => {
    const { id } = (await ask('POST', '/v1/establishments', { ...shop, name: '小李饭店' })).body as { id: string };
    const path = `/v1/establishments/${id}`;
    for (const nothing of [{}, { reason: '无' }])
      expect((await problem('PATCH', path, nothing, { headers: { 'if-match': '"1"' } })).errors).toEqual([
        { pointer: '/', rule: 'atLeastOne', value: null, remedy: '请至少填写一个要修改的字段:division、name、uscc、licence、address、kind、area、diners、large、latitude、longitude、status · name at least one field to change: division, name, uscc, licence, address, kind, area, diners, large, latitude, longitude, status' },
      ]);
    expect((await ask('GET', path)).body).toMatchObject({ version: 1 });
    expect((await ask('PATCH', path, { area: null }, { headers: { 'if-match': '"1"' } })).status).toBe(200);
    expect(await problem('PATCH', path, { area: 1 }, { headers: { 'if-match': '2' } })).toMatchObject({ status: 428, detail: expect.stringContaining('with its quotation marks') as unknown }); // prettier-ignore
    expect((await problem('PATCH', path, { area: 1 }, { headers: { 'if-match': '"1"' } })).detail).toBe('当前版本为 2,请重新读取后再提交。 · It is at version 2 now: read it again, then repeat.');
  }); // prettier-ignore
});

describe.each([
  [
    'registry',
    '/v1/ledger-imports',
    /establishments\.xlsx/,
    '主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态',
  ],
  ['assignment', '/v1/roster-imports', /roster\.xlsx/, '姓名,职务,层级,行政区划代码'],
] as const)('an upload to %s%s', (service, path, example, titles) => {
  const upload = async (bytes: Uint8Array, name: string): Promise<Problem> =>
    (await county.upload(service, path, admin, bytes, name)).body as Problem;

  it.each([
    ['a.docx', zip({ '[Content_Types].xml': '<Types/>', 'word/document.xml': '<document/>' }), /这是 Word 文件.*This is a Word file: save/],
    ['a.pdf', Buffer.from('%PDF-1.7\n%…\n'), /这是 PDF 文件.*This is a PDF: save/],
    ['a.xls', Buffer.from('d0cf11e0a1b11ae1', 'hex'), /这是旧版 Excel.*This is an old Excel/],
    ['a.png', Buffer.from('89504e470d0a1a0a', 'hex'), /这是 PNG 图片.*This is a PNG picture/],
    ['a.csv', Buffer.alloc(0), /文件是空的.*The file is empty/],
  ])('of %s says what it is and what to send', async (name, bytes, words) => {
    const said = await upload(bytes, name);
    expect(said).toMatchObject({ status: 422, code: 'sheet-format' });
    expect(said.detail).toMatch(words);
    expect(said.errors).toEqual([{ pointer: '/file', rule: 'sheet-format', value: name, remedy: '请上传有内容的 XLSX 或 CSV,其他格式请先另存 · send an XLSX or CSV with rows in it; save any other kind as one first' }]);
  }); // prettier-ignore

  it('with other columns is told where to see the right ones', async () => {
    const said = await upload(Buffer.from('some words\n'), 'a.txt');
    expect(said).toMatchObject({
      code: 'sheet-headers',
      errors: [{ pointer: '/file', rule: 'sheet-headers', value: 'a.txt' }],
    });
    expect(said.errors[0]!.remedy).toMatch(example);
    expect(said.detail).toMatch(/第 1 行有不认识的标题:“some words”。 · .* Row 1 has titles that are not known: “some words”\.$/); // prettier-ignore
  });

  it('that is the other sheet is told by its titles, not by the line above them', async () => {
    const rows = `齐河县台账\n,,\n名字,地方,电话\n甲,乙,${'1'.repeat(11)}\n`;
    expect((await upload(Buffer.from(rows), 'a.csv')).detail).toMatch(/第 3 行有不认识的标题:“名字”、“地方”、“电话”。 · /);
  }); // prettier-ignore

  it('with dryRun as a field of the form is told to put it into the query', async () => {
    const { body } = await county.upload(service, path, admin, Buffer.from(`${titles}\n`), 'a.csv', {}, { dryRun: 'true' });
    expect(body).toMatchObject({ code: 'validation-failed', errors: [{ pointer: '/dryRun', rule: 'of-query', remedy: expect.stringContaining('?dryRun=true') as unknown }] });
  }); // prettier-ignore

  it('with titles and no row is refused', async () => {
    const said = await upload(Buffer.from(`${titles}\n`), 'a.csv');
    expect(said).toMatchObject({ status: 422, code: 'sheet-empty' });
    expect(said.errors).toEqual([
      { pointer: '/file', rule: 'sheet-empty', value: 'a.csv', remedy: '请在标题行下方填写数据后上传 · fill in rows below the titles, and send it again' },
    ]);
  }); // prettier-ignore
});

it('a number where a text of digits is wanted is told to be put in quotation marks', async () => {
  expect((await problem('POST', '/v1/establishments', { ...shop, division: 371425101201 })).errors).toEqual([
    { pointer: '/division', rule: 'isString', value: 371425101201, remedy: '请填写文字,JSON 中须加引号 · give a text, in JSON with quotation marks' },
  ]);
}); // prettier-ignore

describe('a division code of the right form that is no place', () => {
  const account = { name: 'nobody', displayName: '王秀英', role: 'office' };
  const post = async (
    service: Service,
    path: string,
    body: unknown,
    token = admin,
  ): Promise<Problem> =>
    (await county.call(service, 'POST', path, { token, body })).body as Problem;

  beforeAll(async () => {
    for (const service of ['assignment', 'identity'] as const)
      await eventually(() => county.rows<{ n: number }>(service, 'select count(*)::int as n from division_list'), ([row]) => row?.n === 16); // prettier-ignore
  });

  it.each([
    ['assignment', '/v1/proposals', { division: '371425999' }, '371425'],
    ['assignment', '/v1/undertakings', { division: '371425999' }, '371425'],
    ['assignment', '/v1/undertakings', { division: '371425999201' }, '371425'],
    ['assignment', '/v1/undertakings', { division: '371425101999' }, '371425101'],
    ['identity', '/v1/accounts', { ...account, division: '371425999' }, '371425'],
    ['identity', '/v1/accounts', { ...account, role: 'grid-worker', division: '371425101999' }, '371425101'],
  ] as const)('is refused by %s%s for %j', async (service, path, body, parent) => {
    expect(await post(service, path, body)).toMatchObject({
      status: 422, code: 'division-unknown', detail: `区划表中没有 ${body.division}。 · The division table has no ${body.division}.`,
      errors: [{ pointer: '/division', rule: 'division-unknown', value: body.division, remedy: expect.stringMatching(`GET /divisions\\?parent=${parent} .* · GET /divisions\\?parent=${parent} of registry`) as unknown }],
    });
  }); // prettier-ignore

  it('is refused for an establishment, and as the new place of an account', async () => {
    expect(await post('registry', '/v1/establishments', { ...shop, division: '371425101999' })).toMatchObject({ code: 'village-unknown', errors: [{ pointer: '/division' }] });
    const { id } = (await county.call('identity', 'POST', '/v1/accounts', { token: admin, body: { ...account, division: '371425101' } })).body as { id: string };
    const move = (body: object, version: number): Promise<Answer> => county.call('identity', 'PATCH', `/v1/accounts/${id}`, { token: admin, body, headers: { 'if-match': `"${version}"` } });
    expect((await move({ division: '371425999' }, 1)).body).toMatchObject({ code: 'division-unknown', errors: [{ pointer: '/division', value: '371425999' }] });
    expect((await move({ division: '371425102' }, 1)).status).toBe(200);
    // An account of a place that is gone can be closed.
    await county.rows('identity', `update account set division = '371425997' where id = $1`, [id]);
    expect((await move({ active: false }, 2)).status).toBe(200);
  }); // prettier-ignore

  it('of another’s ground is told no better than one of another county', async () => {
    for (const division of ['371425102', '371425998', '371499101'])
      expect(await post('assignment', '/v1/proposals', { division }, office)).toMatchObject({
        status: 403, code: 'out-of-scope',
        errors: [{ pointer: '/division', rule: 'out-of-scope', value: division, remedy: '请填写 371425101 或其下级的代码 · give 371425101, or the code of a place in it' }],
      });
  }); // prettier-ignore

  it('is taken where its county’s list has not arrived', async () => {
    const elsewhere = await county.token('county-admin', '371499');
    const answer = await county.call('identity', 'POST', '/v1/accounts', { token: elsewhere, body: { ...account, name: 'early', division: '371499101' } }); // prettier-ignore
    expect(answer.status).toBe(201);
  });

  it('holds nothing where lists and indicators are asked for it, as another’s', async () => {
    for (const [service, path] of [['registry', 'establishments'], ['assignment', 'officials'], ['assignment', 'undertakings'], ['assignment', 'gaps'], ['identity', 'accounts']] as const)
      for (const [token, division] of [[admin, '371425999'], [admin, '371499101'], ...(service === 'identity' ? [] : ([[office, '371425102']] as const))])
        expect([path, division, (await county.call(service, 'GET', `/v1/${path}?division=${division}`, { token })).body]).toEqual([path, division, { items: [], next: null }]);
    const { items } = (await county.call('registry', 'GET', '/v1/indicators?division=371425999', { token: admin })).body as { items: { denominator: number }[] };
    expect(items.map(({ denominator }) => denominator)).toEqual(items.map(() => 0));
  }); // prettier-ignore
});

describe('a list of what happened', () => {
  it('shows the newest first, each row once, also those of one microsecond; a cursor of another order is refused', async () => {
    const upload = async (): Promise<string> => ((await county.upload('registry', '/v1/ledger-imports?dryRun=true', admin, Buffer.from('主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态\n甲,,一号,表白寺镇,无此村,餐饮服务\n'), 'a.csv')).body as { id: string }).id;
    const made = [];
    for (let n = 0; n < 5; n++) made.push(await upload());
    await county.rows('registry', `update ledger_import set created_at = '2026-11-23T01:00:00.123456Z' where id = any($1)`, [made.slice(1, 3)]);
    await county.rows('registry', `update ledger_import set created_at = '2026-11-23T01:00:00.123455Z' where id = $1`, [made[0]]);
    interface Imports { items: { id: string }[]; next: string | null }
    const read = async (query: string): Promise<Imports> =>
      (await ask('GET', `/v1/ledger-imports?${query}`, undefined, { token: admin })).body as Imports;
    const found: string[] = [];
    let next: string | null = '';
    while (next !== null) {
      const page: Imports = await read(`limit=1${next && `&after=${next}`}`);
      found.push(...page.items.map(({ id }) => id));
      next = page.next;
    }
    const last = made.slice(1, 3).sort().reverse();
    expect(found.slice(-5)).toEqual([made[4], made[3], ...last, made[0]]);
    expect(new Set(found).size).toBe(found.length);
    expect((await problem('GET', `/v1/ledger-imports?after=371425.${made[0]!}`, undefined, { token: admin })).errors).toEqual([
      { pointer: '/after', rule: 'matches', value: `371425.${made[0]!}`, remedy: expect.stringMatching(/^请填写前一页返回的 next · /) as unknown },
    ]);
  }); // prettier-ignore
});
