import { type TObject, Type } from '@sinclair/typebox';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { incompatibilities } from './compatible.js';

const Id = Type.String({ format: 'uuid' });
const Village = Type.String({ pattern: '^[0-9]{12}$' });
const Address = Type.Object({ town: Type.String(), street: Type.Optional(Type.String()) });
const kind = (...names: string[]) => Type.Union(names.map((name) => Type.Literal(name)));
const Days = Type.Array(Type.Object({ on: Type.String(), name: Type.String() }));
const released = {
  id: Id,
  division: Village,
  kind: kind('sale', 'catering'),
  diners: Type.Integer({ minimum: 0 }),
  note: Type.Optional(Type.String()),
  closedBy: Type.Union([Address, Type.Null()]),
  address: Address,
  days: Days,
};
const was = Type.Object(released);
const takes = (schema: TObject, data: object): boolean =>
  new Ajv2020({ validateFormats: false }).validate(schema, data);
const data = {
  id: '019c0000-0000-7000-8000-000000000001',
  division: '371425101201',
  kind: 'sale',
  diners: 0,
  closedBy: null,
  address: { town: '表白寺镇' },
  days: [{ on: '2027-01-01', name: '元旦' }],
};
/** The released schema with some properties declared otherwise. */
const but = (changed: Partial<Record<string, TObject[string]>>): TObject =>
  Type.Object({ ...released, ...changed } as never);
const without = (name: keyof typeof released): TObject =>
  Type.Object(Object.fromEntries(Object.entries(released).filter(([key]) => key !== name)));

describe('incompatibilities', () => {
  it.each<[string, TObject, string[]]>([
    ['a property is removed', without('diners'), ['data.diners was removed']],
    ['an optional property is removed', without('note'), ['data.note was removed']],
    [
      'an optional property is made required',
      but({ note: Type.String() }),
      ['data.note is required now, and old publishers may not send it'],
    ],
    [
      'a required property is made optional',
      but({ diners: Type.Optional(released.diners) }),
      ['data.diners may be missing now, and old readers need it'],
    ],
    [
      'a required property is added',
      but({ phone: Type.String() }),
      ['data.phone is required now, and old publishers may not send it'],
    ],
    [
      'a property is renamed',
      Type.Object({ ...without('note').properties, remark: Type.Optional(Type.String()), id: Id }),
      ['data.note was removed'],
    ],
    [
      'a type is narrowed',
      but({ note: Type.Optional(Type.Literal('x')) }),
      ['data.note: const was absent and is "x"'],
    ],
    [
      'a type is another',
      but({ diners: Type.String() }),
      ['data.diners: type was "integer" and is "string"', 'data.diners: minimum was 0 and is absent'],
    ],
    [
      'a type is widened',
      but({ diners: Type.Number({ minimum: 0 }) }),
      ['data.diners: type was "integer" and is "number"'],
    ],
    [
      'null is let in',
      but({ division: Type.Union([Village, Type.Null()]) }),
      [
        'data.division: type was "string" and is absent',
        'data.division: pattern was "^[0-9]{12}$" and is absent',
        'data.division: anyOf was absent and is [{"pattern":"^[0-9]{12}$","type":"string"},{"type":"null"}]',
      ],
    ],
    ['a choice is removed', but({ kind: kind('sale') }), [
      'data.kind: anyOf was [{"const":"sale","type":"string"},{"const":"catering","type":"string"}] and is absent',
      'data.kind: const was absent and is "sale"',
      'data.kind: type was absent and is "string"',
    ]],
    [
      'a choice is exchanged',
      but({ kind: kind('sale', 'stall') }),
      ['data.kind: the choice "catering" was removed', 'data.kind: the choice "stall" is new'],
    ],
    [
      'a choice is added',
      but({ kind: kind('sale', 'catering', 'stall') }),
      ['data.kind: the choice "stall" is new'],
    ],
    [
      'a pattern is narrowed',
      but({ division: Type.String({ pattern: '^37[0-9]{10}$' }) }),
      ['data.division: pattern was "^[0-9]{12}$" and is "^37[0-9]{10}$"'],
    ],
    [
      'a pattern is dropped',
      but({ division: Type.String() }),
      ['data.division: pattern was "^[0-9]{12}$" and is absent'],
    ],
    [
      'a limit is moved',
      but({ diners: Type.Integer({ minimum: 1 }) }),
      ['data.diners: minimum was 0 and is 1'],
    ],
    [
      'a format is dropped',
      but({ id: Type.String() }),
      ['data.id: format was "uuid" and is absent'],
    ],
    [
      'something changes deep inside',
      but({
        address: Type.Object({ town: Type.Integer(), street: Type.Optional(Type.String()) }),
        days: Type.Array(Type.Object({ on: Type.String() })),
      }),
      [
        'data.address.town: type was "string" and is "integer"',
        'data.days[].name was removed',
      ],
    ],
    [
      'unknown properties are refused from now on',
      Type.Object(released, { additionalProperties: false }),
      ['data: additionalProperties was absent and is false'],
    ],
  ])('refuses the new version when %s', (_, now, sentences) => {
    expect([...incompatibilities(was, now)].sort()).toEqual([...sentences].sort());
  }); // prettier-ignore

  it('refuses even an optional property where old readers refuse what they do not know', () => {
    const closed = Type.Object(released, { additionalProperties: false });
    const now = Type.Object(
      { ...released, phone: Type.Optional(Type.String()) },
      { additionalProperties: false },
    );
    expect(incompatibilities(closed, now)).toEqual([
      "data.phone is new, and old readers refuse what they don't know there",
    ]);
    expect(takes(closed, data)).toBe(true);
    expect(takes(closed, { ...data, phone: '0534-1234567' })).toBe(false);
  });

  it('lets optional properties in at any depth, and both versions read what either publishes', () => {
    const more = Type.Object({ ...Address.properties, house: Type.Optional(Type.Integer()) });
    const now = but({
      phone: Type.Optional(Type.String()),
      address: more,
      closedBy: Type.Union([Type.Null(), more]),
      days: Type.Array(Type.Object({ ...Days.items.properties, paid: Type.Optional(Type.Boolean()) })),
    }); // prettier-ignore
    expect(incompatibilities(was, now)).toEqual([]);
    const young = {
      ...data,
      phone: '0534-1234567',
      closedBy: { town: '焦庙镇', house: 2 },
      address: { town: '焦庙镇', house: 1 },
      days: [{ on: '2027-01-01', name: '元旦', paid: true }],
    };
    expect([was, now].map((schema) => [takes(schema, data), takes(schema, young)])).toEqual([
      [true, true],
      [true, true],
    ]);
  });

  it('does not mind words, and the order of properties and choices', () => {
    const now = Type.Object(
      { ...released, kind: kind('catering', 'sale'), id: Type.String({ format: 'uuid', title: 'its id' }) },
      { $id: 'urn:x', description: 'said better', examples: [] },
    ); // prettier-ignore
    expect(incompatibilities(was, now)).toEqual([]);
    const turned = Type.Object(Object.fromEntries(Object.entries(released).reverse()));
    expect(incompatibilities(was, turned)).toEqual([]);
  });
});
