import { readFileSync } from 'node:fs';
import { Contract, type Document } from './openapi.js';

const document: Document = {
  paths: {
    '/api/x/v1/shops/{id}': {
      get: {
        responses: {
          200: {
            headers: { ETag: { schema: { type: 'string', pattern: '^"\\d+"$' } } },
            content: { 'application/json': { schema: { $ref: '#/components/schemas/Shop' } } },
          },
          default: {},
        },
      },
      delete: { responses: { 204: {} } },
    },
  },
  components: {
    schemas: {
      Shop: {
        type: 'object',
        required: ['id', 'name', 'openedAt'],
        properties: {
          id: { type: 'string', format: 'uuid' },
          name: { type: 'string', example: 12 },
          openedAt: { type: ['string', 'null'], format: 'date-time' },
          free: { type: 'object', additionalProperties: true, properties: {} },
        },
      },
      Problem: {
        type: 'object',
        required: ['status', 'code'],
        properties: { status: { type: 'integer' }, code: { type: 'string', enum: ['not-found'] } },
      },
    },
  },
};
const contract = new Contract(document);
const shop = { id: '01a21082-3b4f-7160-8b80-78b615bb19a6', name: '甲', openedAt: null };
const path = '/api/x/v1/shops/1?a=b';
const json = { 'content-type': 'application/json; charset=utf-8', etag: '"1"' };
const judge = (body: unknown, headers: Record<string, string> = json, status = 200, method = 'GET'): string =>
  contract.judge(method, path, status, new Headers(headers), body).join('; '); // prettier-ignore

describe('an answer is judged by its document', () => {
  it('and taken when it fits', () => {
    expect(judge(shop)).toBe('');
    expect(judge({ ...shop, openedAt: '2026-11-23T09:00:00.000Z', free: { a: 1 } })).toBe('');
    expect(judge(undefined, {}, 204, 'DELETE')).toBe('');
  });

  it.each([
    ['a field too many', { ...shop, secret: 1 }, '/secret is not documented'],
    ['a field too few', { ...shop, name: undefined }, '/name is missing'],
    ['another type', { ...shop, name: 3 }, '/name must be string, and is 3'],
    ['a null', { ...shop, name: null }, '/name must be string, and is null'],
    ['another format', { ...shop, openedAt: '2026-11-23' }, '/openedAt must match format "date-time", and is "2026-11-23"'],
  ])('and refused for %s', (_what, body, sentence) => {
    expect(judge(JSON.parse(JSON.stringify(body)))).toBe(sentence);
  }); // prettier-ignore

  it('and refused for its status, type or headers', () => {
    expect(judge(shop, json, 201)).toMatch('the status is not documented (documented: 200, default)'); // prettier-ignore
    expect(judge(shop, { etag: '"1"', 'content-type': 'text/html' })).toMatch('text/html is not documented'); // prettier-ignore
    expect(judge(shop, { 'content-type': 'application/json' })).toMatch('the header ETag is documented and missing'); // prettier-ignore
    expect(judge(shop, { ...json, etag: '1' })).toMatch('header ETag: / must match pattern');
    expect(judge({ a: 1 }, json, 204, 'DELETE')).toMatch('there should be none');
  });

  it('and a refusal by the problem shape', () => {
    const type = { 'content-type': 'application/problem+json' };
    expect(judge({ status: 404, code: 'not-found' }, type, 404)).toBe('');
    expect(judge({ status: 403, code: 'not-found' }, type, 404)).toMatch('/status says 403');
    expect(judge({ status: 404, code: 'x' }, type, 404)).toMatch('(not-found), and is "x"');
    expect(judge({ status: 404, code: 'not-found' }, json, 404)).toMatch('not as application/json');
  });

  it.each([
    ['', {}],
    ['/detail must match pattern', { detail: 'Sign in first.' }],
    ['/detail must match pattern', { detail: '请先登录。' }],
    ['/errors/0/remedy must match pattern', { errors: [{ pointer: '/a', rule: 'b', remedy: 'Mend it.' }] }],
  ])('and a refusal of the services by its languages: %j', (sentence, said) => {
    const kept = JSON.parse(readFileSync('apps/registry/openapi.json', 'utf8')) as Document;
    const problem = {
      type: 'https://foodwarden.example/problems/not-found', title: '没有找到', status: 404, code: 'not-found',
      detail: '没有找到。 · Nothing is here.', traceId: 'a', errors: [], ...said,
    };
    const headers = new Headers({ 'content-type': 'application/problem+json' });
    const wrong = new Contract(kept).judge('GET', '/api/registry/v1/x', 404, headers, problem).join('; ');
    if (sentence) expect(wrong).toMatch(sentence);
    else expect(wrong).toBe('');
  }); // prettier-ignore

  it('whose examples are judged by the schema beside them', () => {
    expect(contract.badExamples()).toEqual([
      'the example of components/schemas/Shop/properties/name: / must be string, and is 12',
    ]);
  });
});
