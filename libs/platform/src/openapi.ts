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
  schema?: { example?: unknown; format?: string; pattern?: string };
}
interface Answer {
  description?: string;
  headers?: Record<string, object>;
  content?: Record<string, { schema?: { $ref?: string } } | undefined>;
}
type Operation = Record<string, unknown> & {
  parameters?: object[];
  responses?: Record<string, Answer>;
};

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
    title: { type: 'string', description: 'zh-CN, or English by Accept-Language', example: '内容不符合要求' },
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
          pointer: { type: 'string', description: 'JSON pointer into the body, or the name of the query field', example: '/division' },
          rule: { type: 'string', example: 'matches' },
          value: {},
          remedy: { type: 'string', pattern: bilingual, example: '须为 6、9 或 12 位行政区划代码 · division must be a division code of 6, 9 or 12 digits' },
        },
      },
    },
    current: { description: 'For 412: the representation as it is now' },
  },
}; // prettier-ignore

/**
 * Swagger UI fills the examples of filters in by itself, and a list that is asked for its first page then shows nothing:
 * they are told in words.
 */
function inWords(parameter: Parameter): Parameter {
  const { example, ...rest } = parameter;
  const { example: inner, ...schema } = parameter.schema ?? {};
  const shown = example ?? inner;
  if (parameter.in !== 'query' || parameter.required || shown === undefined) return parameter;
  const words = parameter.description ? `${parameter.description}; ` : '';
  return { ...rest, schema, description: `${words}e.g. ${JSON.stringify(shown)}` };
}

/** What a rule of class-validator says in the words of JSON Schema. */
function words({ name = '', constraints }: ValidationMetadata): object {
  const [first, second] = (constraints as unknown[] | undefined) ?? [];
  switch (name) {
    case 'matches':
      return first instanceof RegExp && !first.flags.includes('i') ? { pattern: first.source } : {};
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

/** What holds for every operation and is said once here: problems, ETags, ids, and `Idempotency-Key` on every POST. */
export function completed(document: OpenAPIObject): OpenAPIObject {
  const components = (document.components ??= {});
  components.schemas = { ...components.schemas, Problem: problem as never };
  const versioned = (reference = ''): boolean =>
    'version' in
    ((components.schemas?.[reference.split('/').at(-1) ?? ''] as { properties?: object } | undefined)?.properties ?? {});
  for (const item of Object.values(document.paths))
    for (const [method, operation] of Object.entries(item as Record<string, Operation>)) {
      for (const answer of Object.values(operation.responses ?? {}))
        if (versioned(answer.content?.['application/json']?.schema?.$ref))
          answer.headers = {
            ...answer.headers,
            ETag: { description: 'Its version: send it as If-Match', schema: { type: 'string', pattern: '^"\\d+"$' } },
          };
      operation.responses = {
        ...operation.responses,
        default: {
          description: 'A problem (RFC 9457)',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      };
      operation.parameters = (operation.parameters as Parameter[] | undefined)?.map(inWords) ?? [];
      for (const { in: place, name, schema } of operation.parameters as Parameter[])
        if (place === 'path' && name === 'id' && schema) schema.format = 'uuid';
        else if (name === 'If-Match' && schema) schema.pattern = '^(W/)?"\\d+"$';
      if (!('x-roles' in operation)) operation['security'] = []; // @Public
      if (method === 'post')
        operation.parameters = [
          ...operation.parameters,
          {
            name: 'Idempotency-Key',
            in: 'header',
            required: false,
            description: 'Repeat with the same key and body to get the first answer again; kept 24 h',
            schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,200}$' },
          },
        ];
    }
  return document;
} // prettier-ignore
