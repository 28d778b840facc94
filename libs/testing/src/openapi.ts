import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** A schema of an OpenAPI 3.1 document: JSON Schema 2020-12. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  pattern?: string;
  enum?: unknown[];
  example?: unknown;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  items?: Schema;
  allOf?: Schema[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
}

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  schema: Schema;
}

interface Media {
  schema?: Schema;
  example?: unknown;
}

interface Response {
  headers?: Record<string, { required?: boolean; schema: Schema }>;
  content?: Record<string, Media>;
}

export interface Operation {
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content: Record<string, Media> };
  responses: Record<string, Response>;
  'x-roles'?: string[];
}

export interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

export interface Fault {
  /** JSON pointer to the field, also where it is missing or should not be there. */
  pointer: string;
  sentence: string;
}

// RFC 9562, as services take it; ajv's own also takes versions that nobody has defined.
const uuid =
  /^([0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|0{8}(-0{4}){3}-0{12}|f{8}(-f{4}){3}-f{12})$/i;

/** Where in the document something stands, as ajv finds it. */
const at = (...steps: string[]): string =>
  `service#/${steps.map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;

const mediaTypeOf = (headers: Headers): string =>
  (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

/** The schemas with what they leave open closed: a field that no document names is a lie, too. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.fromEntries(
    Object.entries(node).map(([name, inner]) => [name, name === 'example' ? inner : closed(inner)]),
  );
  const schema = node as Schema;
  if (schema.type === 'object' && schema.properties && schema.additionalProperties === undefined)
    copy['additionalProperties'] = false;
  return copy;
}

/** Judges a service's answers by its own OpenAPI document. */
export class Contract {
  private readonly ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: true });
  /** Longest first, so that `/replays` is found before `/{id}`. */
  private readonly routes: {
    path: string;
    pattern: RegExp;
    operations: Record<string, Operation>;
  }[];

  constructor(readonly document: Document) {
    addFormats.default(this.ajv);
    this.ajv.addFormat('uuid', uuid);
    for (const format of ['binary', 'password']) this.ajv.addFormat(format, true);
    this.ajv.addSchema(closed(document) as object, 'service');
    this.routes = Object.entries(document.paths)
      .sort(([one], [other]) => one.split('{').length - other.split('{').length)
      .map(([path, operations]) => ({
        path,
        pattern: new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
        operations,
      }));
  }

  /** What is wrong with a value, by the schema that stands there; empty when it fits. */
  faults(value: unknown, ...steps: string[]): Fault[] {
    const validate = this.ajv.getSchema(at(...steps));
    if (!validate) throw new Error(`the document has no /${steps.join('/')}`);
    if (validate(value)) return [];
    return (validate.errors ?? []).map((error) => faultOf(error, value));
  }

  private wrong(value: unknown, ...steps: string[]): string[] {
    return this.faults(value, ...steps).map(({ sentence }) => sentence);
  }

  /**
   * @param path with the prefix `/api/<service>`, and its query
   * @returns sentences that say what the answer has that its document does not, or the other way round
   */
  judge(method: string, path: string, status: number, headers: Headers, body: unknown): string[] {
    const bare = path.split('?')[0] ?? '';
    if (!bare.includes('/v1/')) return []; // health, metrics, the document itself
    const route = this.routes.find(({ pattern }) => pattern.test(bare));
    const operation = route?.operations[method.toLowerCase()];
    if (!route || !operation) {
      if ([400, 404, 405].includes(status)) return this.problem(status, headers, body);
      return [
        'there is no such operation in the document, and the answer is no problem 404 or 405',
      ];
    }
    const response = operation.responses[status];
    if (!response) {
      if (status < 400) return [`the status is not documented (documented: ${Object.keys(operation.responses).join(', ')})`]; // prettier-ignore
      return this.problem(status, headers, body);
    }
    const steps = ['paths', route.path, method.toLowerCase(), 'responses', String(status)];
    return [
      ...Object.entries(response.headers ?? {}).flatMap(([name, { required }]) => {
        const value = headers.get(name);
        if (value === null) return required === false ? [] : [`the header ${name} is documented and missing`]; // prettier-ignore
        return this.wrong(value, ...steps, 'headers', name, 'schema').map((one) => `header ${name}: ${one}`); // prettier-ignore
      }),
      ...this.body(response, steps, headers, body),
    ];
  }

  private body(response: Response, steps: string[], headers: Headers, body: unknown): string[] {
    const type = mediaTypeOf(headers);
    const content = response.content ?? {};
    const empty = body === undefined || body === '';
    if (Object.keys(content).length === 0) return empty ? [] : [`a body of ${type} is not documented: there should be none`]; // prettier-ignore
    const media = content[type];
    if (!media) return [`the content type ${type || '(none)'} is not documented (documented: ${Object.keys(content).join(', ')})`]; // prettier-ignore
    return media.schema && /json$/.test(type) ? this.wrong(body, ...steps, 'content', type, 'schema') : []; // prettier-ignore
  }

  private problem(status: number, headers: Headers, body: unknown): string[] {
    const type = mediaTypeOf(headers);
    if (type !== 'application/problem+json') return [`a refusal comes as application/problem+json, not as ${type || 'nothing'}`]; // prettier-ignore
    const wrong = this.wrong(body, 'components', 'schemas', 'Problem');
    const said = (body as { status?: unknown } | undefined)?.status;
    if (wrong.length === 0 && said !== status) wrong.push(`/status says ${String(said)}`);
    return wrong;
  }

  /** Examples that do not fit the schema beside them. */
  badExamples(): string[] {
    const wrong: string[] = [];
    const walk = (node: unknown, steps: string[]): void => {
      if (typeof node !== 'object' || node === null) return;
      if ('example' in node && ('schema' in node || !isNamed(steps)))
        wrong.push(
          ...this.wrong(node.example, ...steps, ...('schema' in node ? ['schema'] : [])).map(
            (one) => `the example of ${steps.join('/')}: ${one}`,
          ),
        );
      for (const [name, inner] of Object.entries(node))
        if (name !== 'example') walk(inner, [...steps, name]);
    };
    walk(this.document.components.schemas, ['components', 'schemas']);
    walk(this.document.paths, ['paths']);
    return wrong;
  }
}

/** Under `properties` a name is a field's, not a keyword. */
const isNamed = (steps: string[]): boolean => steps.at(-1) === 'properties';

function faultOf({ instancePath, message, params, keyword }: ErrorObject, value: unknown): Fault {
  const { additionalProperty, missingProperty, allowedValues } = params as Partial<Record<'additionalProperty' | 'missingProperty', string>> & Record<string, unknown>;
  const field = additionalProperty ?? missingProperty;
  const pointer = field === undefined ? instancePath || '/' : `${instancePath}/${field}`;
  if (additionalProperty !== undefined) return { pointer, sentence: `${pointer} is not documented` };
  if (missingProperty !== undefined) return { pointer, sentence: `${pointer} is missing` };
  const found = instancePath
    .split('/')
    .slice(1)
    .reduce<unknown>((inner, step) => (inner as Record<string, unknown> | undefined)?.[step.replaceAll('~1', '/').replaceAll('~0', '~')], value);
  const allowed = keyword === 'enum' ? ` (${(allowedValues as unknown[]).join(', ')})` : '';
  return {
    pointer,
    sentence: `${pointer} ${message ?? keyword}${allowed}, and is ${JSON.stringify(found)?.slice(0, 120) ?? 'undefined'}`,
  };
} // prettier-ignore

/** The document that a running service shows. */
export async function contractOf(base: string): Promise<Contract> {
  const answer = await fetch(`${base}/openapi.json`);
  if (!answer.ok) throw new Error(`${base}/openapi.json: ${answer.status}`);
  return new Contract((await answer.json()) as Document);
}
