import { ApiProperty, type OpenAPIObject } from '@nestjs/swagger';
import { getMetadataStorage } from 'class-validator';
import { type ValidationMetadata } from 'class-validator/types/metadata/ValidationMetadata.js';
import { problems } from './problem.js';

interface Parameter {
  in: string;
  name: string;
  required?: boolean;
  description?: string;
  example?: unknown;
  schema?: { example?: unknown; enum?: unknown[]; format?: string; pattern?: string };
}
interface Schema {
  description?: string;
  example?: unknown;
  format?: string;
  items?: Schema;
  properties?: Record<string, Schema>;
}
interface Answer {
  description?: string;
  headers?: Record<string, object>;
  content?: Record<string, { schema?: { $ref?: string } } | undefined>;
}
type Operation = Record<string, unknown> & {
  parameters?: object[];
  requestBody?: { content?: Record<string, { schema?: { $ref?: string } } | undefined> };
  responses?: Record<string, Answer>;
};

const id = '01934f5c-7c00-7000-8000-000000000001';

/** Chinese, and the same in English. */
const bilingual = '[\\u4e00-\\u9fff][\\s\\S]* · [\\s\\S]*[A-Za-z]';

const problem = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'traceId', 'errors'],
  properties: {
    type: {
      type: 'string',
      example: 'https://foodwarden.example/problems/validation-failed',
    },
    title: { type: 'string', description: '中文,或按 Accept-Language 用英文 · Chinese, or English by Accept-Language', example: '内容不符合要求' },
    status: { type: 'integer', example: 422 },
    detail: { type: 'string', pattern: bilingual, example: '请改正 errors 中列出的字段。 · Mend the fields named in errors.' },
    code: { type: 'string', enum: Object.keys(problems), example: 'validation-failed' },
    traceId: { type: 'string', example: '4bf92f3577b34da6a3ce929d0e0e4736' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'rule', 'remedy'],
        properties: {
          pointer: { type: 'string', description: 'JSON 指针,指向请求内容中的字段,或查询参数名 · JSON pointer into the body, or the name of the query field', example: '/division' },
          rule: { type: 'string', example: 'matches' },
          value: { description: '收到的值 · what was sent', example: '37142' },
          remedy: { type: 'string', pattern: bilingual, example: '须为 6、9 或 12 位行政区划代码 · division must be a division code of 6, 9 or 12 digits' },
        },
      },
    },
    current: { type: 'object', additionalProperties: true, description: '仅 412:当前的内容 · for 412 alone: what it is now', example: { id, version: 2, name: '老王饭店(新店)' } },
  },
}; // prettier-ignore

/** What a format looks like, where a property shows nothing of its own. */
const looks: Record<string, unknown> = {
  'date-time': '2026-11-23T01:00:00.000Z',
  date: '2026-11-23',
  uuid: id,
};

/** What a parameter of this name is in every route; a route that means more by it says so itself. */
const parameters: Record<string, { description: string; example?: unknown }> = {
  id: { description: '编号,见列表中的 id · its id, as the list shows it' },
  after: { description: '从此处继续:前一页返回的 next · where to go on: the `next` of the page before' },
  limit: { description: '每页条数,1 至 200 · how many on a page, 1 to 200', example: 50 },
  division: { description: '只看该地区及其下级:6、9 或 12 位行政区划代码;不存在或不在您辖区的地区没有内容 · this place and what lies in it: a code of 6, 9 or 12 digits; a place that is none, or not of your ground, holds nothing', example: '371425101' },
  establishment: { description: '主体编号 · id of an establishment (registry, GET /establishments)' },
  official: { description: '包保干部编号 · id of an official (assignment, GET /officials)' },
  from: { description: '从这一天起,含当天(北京时间) · from this day on, in Asia/Shanghai' },
  to: { description: '到这一天为止,含当天(北京时间) · up to this day, and with it, in Asia/Shanghai' },
  kind: { description: '主体业态 · kind of business' },
  tier: { description: '包保等级,A 最高 · responsibility tier; A is the highest' },
  level: { description: '包保干部层级 · level of the official’s post' },
  'If-Match': { description: '最近一次读到的 ETag · the ETag that was read last', example: '"1"' },
}; // prettier-ignore

/** With its example as it is typed. */
const told = (description: string | undefined, example: unknown): string =>
  `${description ?? ''}; 例 e.g. ${typeof example === 'string' ? example : JSON.stringify(example)}`;

/**
 * Swagger UI fills examples in by itself, and a list that is asked for its first page then shows nothing, an invented id is
 * nobody's: they are told in words.
 */
function inWords({ example, ...parameter }: Parameter): Parameter {
  const { example: inner, ...schema } = parameter.schema ?? {};
  const known = parameters[parameter.name];
  const description = parameter.description ?? known?.description;
  const shown = example ?? inner ?? known?.example ?? looks[schema.format ?? ''];
  if (shown === undefined || schema.enum) return { ...parameter, description, schema };
  return {
    ...parameter,
    schema,
    description: told(description, shown),
  };
}

/** In a form Swagger UI sends what it has filled in: a made-up place and time would be kept as evidence. */
function formInWords(form: Schema): void {
  for (const field of Object.values(form.properties ?? {})) {
    const { example } = field;
    if (example === undefined) continue;
    delete field.example;
    field.description = told(field.description, example);
  }
}

/** Gives what has no example that of its format, so that nobody is shown a month 77. */
function exemplify(node: unknown): void {
  if (typeof node !== 'object' || node === null) return;
  const schema = node as Schema;
  for (const inner of Object.values(schema.properties ?? {})) {
    const shown = looks[inner.format ?? ''];
    if (shown !== undefined && inner.example === undefined) inner.example = shown;
    exemplify(inner);
  }
  if (schema.items?.format && schema.example === undefined)
    schema.items.example ??= looks[schema.items.format];
}

/** What a rule of class-validator says in the words of JSON Schema. */
function words({ name = '', constraints }: ValidationMetadata): object {
  const [first, second] = (constraints as unknown[] | undefined) ?? [];
  switch (name) {
    case 'matches':
      // A source that needs its flags says something else, or nothing, to whoever compiles it without them.
      return first instanceof RegExp && first.flags === '' ? { pattern: first.source } : {};
    case 'isLength':
      return { minLength: first, maxLength: second };
    case 'minLength':
    case 'maxLength':
      return { [name]: first };
    case 'min':
      return { minimum: first };
    case 'max':
      return { maximum: first };
    case 'isInt':
      return { type: 'integer' };
    case 'isUuid':
      return { format: 'uuid' };
    case 'isIso8601':
      return { format: 'date-time' };
    case 'arrayMinSize':
      return { minItems: first };
    case 'arrayMaxSize':
      return { maxItems: first };
    case 'arrayUnique':
      return { uniqueItems: true };
    default:
      return {};
  }
}

/** A pattern that has to hold beside others, anywhere in the text or where it says itself. */
const ahead = (pattern: unknown): string =>
  String(pattern).startsWith('^')
    ? `(?=${String(pattern)})`
    : `(?=[\\s\\S]*(?:${String(pattern)}))`;

/**
 * The rules that judge a request are the ones the document shows: lengths, bounds, patterns and formats come from the
 * validators, so that neither has to be written twice. Called before the document is made.
 */
export function describeRules(): void {
  // The storage gives rules class by class; which classes there are only the map itself says.
  const all = getMetadataStorage()['validationMetadatas'] as Map<unknown, ValidationMetadata[]>;
  for (const [target, rules] of all) {
    if (typeof target !== 'function') continue;
    const shape = target.prototype as object;
    const fields = new Map<string, Record<string, unknown>>();
    for (const rule of rules) {
      const { propertyName: field } = rule;
      if (!Reflect.hasMetadata('swagger/apiModelProperties', shape, field)) continue;
      const said = fields.get(field) ?? {};
      const more: Record<string, unknown> = { ...words(rule) };
      if (said['pattern'] && more['pattern'])
        more['pattern'] = `^${ahead(said['pattern'])}${ahead(more['pattern'])}`;
      fields.set(field, { ...said, ...more });
    }
    for (const [field, said] of fields) ApiProperty(said)(shape, field);
  }
}

/** Swagger UI shows no extension: who may use an operation stands in its text as well. */
function withRoles(description: string | undefined, roles: string[]): string {
  const [zh = '', en = ''] = description?.split(' · ') ?? [];
  const named = roles.map((role) => `\`${role}\``);
  return `可用角色:${named.join('、')}。${zh} · For ${named.join(', ')}. ${en}`.trimEnd();
}

/** What holds for every operation and is said once here: roles, problems, ETags, ids, and `Idempotency-Key` on every POST. */
export function completed(document: OpenAPIObject): OpenAPIObject {
  const components = (document.components ??= {});
  components.schemas = { ...components.schemas, Problem: problem as never };
  for (const schema of Object.values(components.schemas)) exemplify(schema);
  const versioned = (reference = ''): boolean =>
    'version' in
    ((components.schemas?.[reference.split('/').at(-1) ?? ''] as { properties?: object } | undefined)?.properties ?? {});
  for (const item of Object.values(document.paths))
    for (const [method, operation] of Object.entries(item as Record<string, Operation>)) {
      for (const answer of Object.values(operation.responses ?? {}))
        if (versioned(answer.content?.['application/json']?.schema?.$ref))
          answer.headers = {
            ...answer.headers,
            ETag: { description: '版本,变更时作为 If-Match 发送 · its version: send it as If-Match', schema: { type: 'string', pattern: '^"\\d+"$' } },
          };
      operation.responses = {
        ...operation.responses,
        default: {
          description: '问题说明(RFC 9457) · a problem (RFC 9457)',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      };
      for (const { in: place, name, schema } of (operation.parameters ?? []) as Parameter[])
        if (place === 'path' && name === 'id' && schema) schema.format = 'uuid';
        else if (name === 'If-Match' && schema) schema.pattern = '^(W/)?"\\d+"$';
      operation.parameters = (operation.parameters as Parameter[] | undefined)?.map(inWords) ?? [];
      const form = operation.requestBody?.content?.['multipart/form-data']?.schema?.$ref;
      const fields = components.schemas[form?.split('/').at(-1) ?? ''] as Schema | undefined;
      if (fields) formInWords(fields);
      const roles = operation['x-roles'] as string[] | undefined;
      if (!roles) operation['security'] = []; // @Public
      else operation['description'] = withRoles(operation['description'] as string | undefined, roles);
      if (method === 'post')
        operation.parameters = [
          ...operation.parameters,
          {
            name: 'Idempotency-Key',
            in: 'header',
            required: false,
            description: '可选,自拟;24 小时内以同一键值和内容重发,得到第一次的答复 · optional, any text of your own: with the same key and body you get the first answer again, for 24 hours; 例 e.g. visit-2026-11-23-001',
            schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,200}$' },
          },
        ];
    }
  return document;
} // prettier-ignore
