import { existsSync, readdirSync, readFileSync } from 'node:fs';

/*
 * What holds for every document that a service shows, said over those that are kept (`npm run schema` writes them, `npm run
 * check` compares them with the code).
 */

interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  example?: unknown;
  enum?: unknown[];
  items?: Schema;
  allOf?: Schema[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
}
interface Operation {
  summary?: string;
  parameters?: { name: string; description?: string; schema: Schema }[];
  responses: Record<string, { content?: Record<string, { schema?: Schema }> }>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

const documents = readdirSync('apps')
  .map((service) => `apps/${service}/openapi.json`)
  .filter((path) => existsSync(path))
  .map((path) => [path, JSON.parse(readFileSync(path, 'utf8')) as Document] as const);

/** Every object of a document with where it stands; examples are data. */
function* nodes(node: unknown, at: string): Generator<[at: string, node: Record<string, unknown>]> {
  if (typeof node !== 'object' || node === null) return;
  yield [at, node as Record<string, unknown>];
  for (const [name, inner] of Object.entries(node))
    if (!['example', 'examples'].includes(name) || at.endsWith('/properties'))
      yield* nodes(inner, `${at}/${name}`);
}
const all = documents.flatMap(([path, document]) => [...nodes(document, path)]);
const operations = documents.flatMap(([, { paths }]) =>
  Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
  ),
);

/** Once each, in this order: Chinese, ` · `, English. */
const bilingual = /^(?=[^·]*[\u4e00-\u9fff])[^·]+ · [^·]*[A-Za-z][^·]*$/;

it('is there for six services', () => {
  expect(documents.length).toBe(6);
});

it('publishes no pattern that means something else without the flag u', () => {
  const samples = [
    '', 'p', 'lwfs', 'C', '{', '}', '{}', '\\', '-', '老王', '𠮷', '𠮷野家 1', '👩‍👩‍👧', 'a\tb', 'a\nb', '\u0000', '\u007f', '\u0085',
    '\ud842', '\udfb7', 'a\ud842', '\udfb7a', '371425101201', '2026-Q4', '91371425MA3CM4AM88', 'a@b.example', '"12"',
  ]; // prettier-ignore
  const patterns = all.flatMap(([, { pattern }]) => (typeof pattern === 'string' ? [pattern] : []));
  expect(patterns.length).toBeGreaterThan(100);
  for (const pattern of new Set(patterns))
    for (const sample of samples)
      expect([pattern, sample, new RegExp(pattern).test(sample)]).toEqual([
        pattern,
        sample,
        new RegExp(pattern, 'u').test(sample),
      ]);
});

it('lets every filter by name be asked for what a person types', () => {
  const names = operations
    .flatMap(({ operation }) => operation.parameters ?? [])
    .filter(({ name }) => ['name', 'uscc', 'actor'].includes(name))
    .map(({ schema }) => new RegExp((schema as { pattern: string }).pattern));
  expect(names.length).toBeGreaterThan(5);
  for (const form of names) {
    for (const typed of ['lwfs', 'Caps {p}', '老王', '𠮷', '91371425MA3CM4AM88'])
      expect(form.test(typed)).toBe(true);
    for (const odd of ['a\u0000', 'a\nb', '\u0085', '\ud842', '\udfb7'])
      expect(form.test(odd)).toBe(false);
  }
});

/** Its own example (of a form in words), a list of values, or another schema that has them; a file is chosen by the person. */
const shown = (schema: Schema): boolean =>
  / 例 e\.g\. \S/.test(schema.description ?? '') ||
  schema.example !== undefined ||
  schema.enum !== undefined ||
  schema.$ref !== undefined ||
  schema.format === 'binary' ||
  schema.properties !== undefined ||
  (schema.items !== undefined && shown(schema.items)) ||
  [...(schema.allOf ?? []), ...(schema.anyOf ?? [])].some(shown);

it('fills nothing into a form by itself: it would be kept as evidence', () => {
  const forms = all.filter(([at]) => /Form$/.test(at));
  expect(forms.length).toBeGreaterThan(0);
  for (const [at, { properties }] of forms)
    for (const [name, { example }] of Object.entries((properties ?? {}) as Record<string, Schema>))
      expect([at, name, example]).toEqual([at, name, undefined]);
});

it('shows an example of every property', () => {
  const bare = all.flatMap(([at, { properties }]) =>
    Object.entries((properties ?? {}) as Record<string, Schema>)
      // An alternative of Together only says which fields belong together.
      .filter(([, schema]) => !/\/(oneOf|anyOf)\/\d+$/.test(at) && !shown(schema))
      .map(([name]) => `${at}/${name}`),
  );
  expect(bare).toEqual([]);
});

it('describes every parameter in both languages, with an example in words or its values', () => {
  const bare = operations.flatMap(({ name, operation }) =>
    (operation.parameters ?? [])
      .filter(({ description = '', schema }) => {
        const said = schema.enum !== undefined || schema.type === 'boolean' || description.includes('例 e.g. '); // prettier-ignore
        return !bilingual.test(description) || !said || schema.example !== undefined;
      })
      .map((parameter) => `${name} ${parameter.name}: ${parameter.description ?? 'nothing'}`),
  );
  expect(bare).toEqual([]);
});

it('says every summary and description once in Chinese and once in English', () => {
  const odd = all.flatMap(([at, node]) =>
    at.endsWith('/properties') // a field may be called so
      ? []
      : ['summary', 'description'].flatMap((word) => {
          const text = node[word];
          return typeof text !== 'string' || text === '' || bilingual.test(text) ? [] : [`${at}: ${text}`];
        }),
  ); // prettier-ignore
  expect(odd).toEqual([]);
  for (const { operation } of operations) expect(operation.summary).toMatch(bilingual);
});

it('keeps code out of summaries, where Swagger UI shows it as it is written', () => {
  expect(operations.filter(({ operation }) => operation.summary?.includes('`'))).toEqual([]);
});

it('gives a workbook no schema, which Swagger UI would take for XML without a root', () => {
  const sheets = operations.flatMap(({ operation }) =>
    Object.values(operation.responses).flatMap(({ content = {} }) =>
      Object.entries(content).filter(([type]) => type.includes('xml')),
    ),
  );
  expect(sheets.length).toBeGreaterThan(1);
  for (const [, media] of sheets) expect(media.schema).toBeUndefined();
});
