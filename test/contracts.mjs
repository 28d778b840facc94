// npm run contracts: JSON Schemas, samples and docs/asyncapi.yaml from the event constants; --check compares, --release
// keeps today's schemas as those that every later one must run beside.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { difference, finish, json, read, ready, remove, write } from './kept.mjs';

const options = ready('--check', '--release');
const check = options.has('--check');
const { contracts, listeners } = await import('#contracts');
const { incompatibilities } = await import('../dist/libs/contracts/src/compatible.js');
const { Ajv2020 } = await import('ajv/dist/2020.js');
const { default: addFormats } = await import('ajv-formats');

const home = 'libs/contracts';
const command = 'npm run contracts';
const events = [...contracts.values()].sort((a, b) => (a.type < b.type ? -1 : 1));
const ajv = new Ajv2020({ allErrors: true });
addFormats.default(ajv);

/** CloudEvents 1.0, structured JSON: what is around the data of every event. */
const envelope = {
  type: 'object',
  description: 'CloudEvents 1.0, structured JSON. Readers ignore what they do not know.',
  properties: {
    specversion: { const: '1.0' },
    id: { type: 'string', format: 'uuid', description: 'UUIDv7, and the Nats-Msg-Id.' },
    type: { type: 'string' },
    source: { type: 'string', pattern: '^/services/[a-z]+$' },
    subject: { type: 'string', format: 'uuid', description: 'The aggregate.' },
    time: { type: 'string', format: 'date-time' },
    datacontenttype: { const: 'application/json' },
    division: {
      type: 'string',
      pattern: '^([0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$',
      description: 'Statistics code of the place: county 6 digits, township 9, village 12.',
    },
    sequence: { type: 'integer', minimum: 1, description: 'Version of the aggregate.' },
    actor: { type: 'string' },
    correlationid: { type: 'string' },
    causationid: { type: 'string', description: 'The event that caused this one.' },
    data: { type: 'object' },
  },
};
envelope.required = Object.keys(envelope.properties).filter((name) => name !== 'causationid');

/** JSON leaves TypeBox's symbols out. */
const schemaOf = ({ type, data }) => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: `urn:foodwarden:event:${type}`,
  title: type,
  ...JSON.parse(JSON.stringify(data)),
});

function asyncapi() {
  const document = {
    asyncapi: '3.0.0',
    info: {
      title: 'Foodwarden events',
      version: '1',
      description:
        'Every fact that a service publishes on NATS JetStream, and who listens. An operation belongs to the service in its tag. Delivery is at least once; readers drop an id or a sequence they have seen.',
    },
    defaultContentType: 'application/cloudevents+json',
    channels: {},
    operations: {},
    components: {
      parameters: {
        county: { description: 'The 6 digits of the county, or _ where the place is wider.' },
        township: { description: 'The 3 digits of the township, or _ where the place is wider.' },
      },
      messages: {},
      schemas: { envelope },
    },
  };
  for (const { type, owner } of events) {
    document.channels[type] = {
      address: `evt.${type}.{county}.{township}`,
      messages: { [type]: { $ref: `#/components/messages/${type}` } },
      parameters: {
        county: { $ref: '#/components/parameters/county' },
        township: { $ref: '#/components/parameters/township' },
      },
    };
    document.components.messages[type] = {
      name: type,
      payload: {
        allOf: [
          { $ref: '#/components/schemas/envelope' },
          {
            type: 'object',
            properties: {
              type: { const: type },
              source: { const: `/services/${owner}` },
              data: { $ref: `../${home}/schemas/${type}.json` },
            },
          },
        ],
      },
    };
    const act = (service, action) => {
      document.operations[`${service}.${action}.${type}`] = {
        action,
        channel: { $ref: `#/channels/${type}` },
        messages: [{ $ref: `#/channels/${type}/messages/${type}` }],
        tags: [{ name: service }],
      };
    };
    act(owner, 'send');
    for (const [service, heard] of Object.entries(listeners).sort())
      if (heard.some((event) => event.type === type)) act(service, 'receive');
  }
  return `# Written by ${command}.${yaml(document)}\n`;
}

/** Block YAML; a text that YAML could take for something else is a JSON string, which is YAML too. */
function yaml(value, indent = '') {
  if (typeof value !== 'object' || value === null) return ` ${scalar(value)}`;
  const deeper = `${indent}  `;
  const lines = Array.isArray(value)
    ? value.map((item) => `${indent}- ${yaml(item, deeper).trimStart()}`)
    : Object.entries(value).map(([key, item]) => `${indent}${scalar(key)}:${yaml(item, deeper)}`);
  if (lines.length === 0) return Array.isArray(value) ? ' []' : ' {}';
  return `\n${lines.join('\n')}`;
}
function scalar(value) {
  const plain =
    /^[A-Za-z](?:[\w .,;()/+-]*[\w.)])?$/.test(value) &&
    !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(value);
  return typeof value === 'string' && plain ? value : JSON.stringify(value);
}

const time = '2027-03-15T02:30:00.000Z';
/** A UUIDv7 of that time; the same for the same word. */
function idOf(word) {
  const ms = Date.parse(time).toString(16).padStart(12, '0');
  const hash = createHash('sha256').update(word).digest('hex');
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7${hash.slice(0, 3)}-8${hash.slice(3, 6)}-${hash.slice(6, 18)}`;
}

/** What a sample says, by `<noun>.<path>` or by the property's name. */
const words = {
  name: '齐河县刁家副食店',
  establishmentName: '齐河县刁家副食店',
  address: '山东省德州市齐河县表白寺镇刁家村',
  'official.name': '张三',
  officialName: '张三',
  officialPost: '刁家村党支部书记',
  post: '刁家村党支部书记',
  endReason: '干部调整',
  'divisions.name': '表白寺镇',
  'divisions.below.name': '刁家村委会',
  'calendar.holidays.name': '元旦',
  source: '国务院办公厅关于2027年部分节假日安排的通知',
  year: 2027,
  active: true,
  holidays: '2027-01-01',
  on: '2027-01-01',
  workdays: '2027-01-03',
  method: 'on-site',
  checklist: 'sale',
  number: '37142520270001',
  finding: '食品未离墙离地存放',
  requirement: 'official-before-first-visit',
};
const fallbacks = [
  '示例', '371425101201', '371425101', '371425', '3714', '2027-Q1', '2027-03-15', time, 'https://county.example',
]; // prettier-ignore

/**
 * The same data every time: the schema's own `examples`, else what the event itself says (`…closed.v1` has the state
 * `closed`), else the first word that fits.
 */
function sampleOf(schema, type, path = '') {
  const [, noun, verb] = type.split('.');
  const name = path.split('.').at(-1);
  if (schema.examples) return schema.examples[0];
  if ('const' in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf) {
    const told = schema.anyOf.find((choice) => choice.const === verb);
    return sampleOf(told ?? schema.anyOf[0], type, path);
  }
  if (schema.type === 'object')
    return Object.fromEntries(
      Object.entries(schema.properties ?? {}).map(([key, inner]) => [
        key,
        sampleOf(inner, type, path ? `${path}.${key}` : key),
      ]),
    );
  if (schema.type === 'array') return [sampleOf(schema.items, type, path)];
  if (schema.type === 'boolean') return words[name] ?? name === verb;
  if (schema.type === 'null') return null;
  const timely = name.endsWith('At') ? [time] : name.endsWith('On') ? ['2027-03-31'] : [];
  const candidates = [
    words[`${noun}.${path}`], words[name], ...timely, schema.minimum, 1, ...fallbacks, idOf(name),
  ]; // prettier-ignore
  const fit = candidates.find((one) => one !== undefined && ajv.validate(schema, one));
  if (fit === undefined)
    finish([`No sample fits ${path} of ${type}: give its schema \`examples\`.`]);
  return fit;
}

function eventOf({ type, owner, data }) {
  const sample = sampleOf(JSON.parse(JSON.stringify(data)), type);
  const [, id] = Object.entries(sample).find(([name]) => name.endsWith('Id')) ?? [];
  return {
    specversion: '1.0',
    id: idOf(type),
    type,
    source: `/services/${owner}`,
    subject: id ?? idOf(`subject of ${type}`),
    time,
    datacontenttype: 'application/json',
    division: sample.division,
    sequence: 1,
    actor: idOf('actor'),
    correlationid: createHash('sha256').update(type).digest('hex').slice(0, 32),
    data: sample,
  };
}

/** The shape of a sample: every path that has a value. */
function pathsOf(value, at = '') {
  if (typeof value !== 'object' || value === null) return [at];
  if (Array.isArray(value)) return value.flatMap((item) => pathsOf(item, `${at}[]`));
  return Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, `${at}.${key}`));
}

/** Names in a kept folder, without `.json`. */
const namesIn = (folder) =>
  existsSync(folder) ? readdirSync(folder).map((name) => name.replace(/\.json$/, '')) : [];
const samplesOf = (type) =>
  namesIn(join(home, 'samples', type)).map((n) => {
    const path = `${home}/samples/${type}/${n}.json`;
    return { n: Number(n), path, event: JSON.parse(read(path)) };
  });

const sentences = [];
const released = namesIn(`${home}/released`);
for (const type of released) {
  const contract = contracts.get(type);
  const before = JSON.parse(read(`${home}/released/${type}.json`));
  const found = contract ? incompatibilities(before, schemaOf(contract)) : ['it is gone'];
  if (found.length > 0)
    sentences.push(
      `${type} is released and may only gain optional properties, but ${found.join('; ')}: leave it as it was and declare v2 instead.`,
    );
}
// Nothing is written over a broken promise, least of all a new release.
if (!check && sentences.length > 0) finish(sentences);

const files = new Map(
  events.map((one) => [`${home}/schemas/${one.type}.json`, json(schemaOf(one))]),
);
files.set('docs/asyncapi.yaml', asyncapi());
for (const [path, text] of files) {
  if (check) sentences.push(...difference(path, text, command));
  else write(path, text);
}
for (const type of namesIn(`${home}/schemas`).filter((name) => !contracts.has(name))) {
  const path = `${home}/schemas/${type}.json`;
  if (check) sentences.push(`${path} belongs to no event: run ${command}.`);
  else remove(path);
}

const envelopeFits = ajv.compile(envelope);
let count = 0;
for (const contract of events) {
  const { type, owner } = contract;
  const samples = samplesOf(type);
  const dataFits = ajv.compile(schemaOf(contract));
  const fresh = eventOf(contract);
  const shape = pathsOf(fresh.data);
  const covered = samples.some(({ event }) => {
    const known = new Set(pathsOf(event.data));
    return shape.every((path) => known.has(path));
  });
  if (!covered && check)
    sentences.push(`${home}/samples/${type} has no sample of today's shape: run ${command}.`);
  else if (!covered) {
    const n = Math.max(0, ...samples.map((sample) => sample.n)) + 1;
    const path = `${home}/samples/${type}/${n}.json`;
    write(path, json(fresh));
    samples.push({ n, path, event: fresh });
  }
  for (const { path, event } of samples) {
    count += 1;
    const wrong = [];
    if (!envelopeFits(event)) wrong.push(ajv.errorsText(envelopeFits.errors, { dataVar: 'event' }));
    if (event.type !== type) wrong.push(`its type is ${event.type}`);
    if (event.source !== `/services/${owner}`) wrong.push(`its source is ${event.source}`);
    if (!dataFits(event.data)) wrong.push(ajv.errorsText(dataFits.errors, { dataVar: 'data' }));
    if (wrong.length > 0)
      sentences.push(
        `${path} no longer fits ${type} (${wrong.join('; ')}): what was published must be read for ever; delete the sample only if it never was.`,
      );
  }
}
for (const type of namesIn(`${home}/samples`).filter((name) => !contracts.has(name)))
  sentences.push(
    `${home}/samples/${type} belongs to no event: what was published stays declared; delete the folder only if it never was.`,
  );

if (options.has('--release') && sentences.length === 0) {
  for (const one of events) write(`${home}/released/${one.type}.json`, json(schemaOf(one)));
  finish([], `contracts: ${events.length} events released`);
}
const promise = released.length > 0 ? `${released.length} released` : 'nothing released yet';
finish(sentences, `contracts: ${events.length} events, ${count} samples; ${promise}`);
