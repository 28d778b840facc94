import { type OpenAPIObject } from '@nestjs/swagger';
import { problems } from './problem.js';

interface Parameter {
  in: string;
  required?: boolean;
  description?: string;
  example?: unknown;
  schema?: { example?: unknown };
}
type Operation = Record<string, unknown> & {
  parameters?: object[];
  responses?: Record<string, object>;
};

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
    detail: { type: 'string', example: 'Mend the fields named in errors.' },
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
          remedy: { type: 'string', example: 'division must be a division code of 6, 9 or 12 digits' },
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

/** What holds for every operation and is said once here: the problem shape, and `Idempotency-Key` on every POST. */
export function completed(document: OpenAPIObject): OpenAPIObject {
  const components = (document.components ??= {});
  components.schemas = { ...components.schemas, Problem: problem as never };
  for (const item of Object.values(document.paths))
    for (const [method, operation] of Object.entries(item as Record<string, Operation>)) {
      operation.responses = {
        ...operation.responses,
        default: {
          description: 'A problem (RFC 9457)',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } }, // prettier-ignore
        },
      };
      operation.parameters = (operation.parameters as Parameter[] | undefined)?.map(inWords) ?? [];
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
        ]; // prettier-ignore
    }
  return document;
}
