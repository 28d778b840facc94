import { Type } from '@sinclair/typebox';
import { defineEvent } from './event.js';

export const kinds = [
  'production', 'special-food', 'sale', 'catering', 'canteen', 'group-meal', 'market',
  'small-catering', 'workshop', 'stall',
] as const; // prettier-ignore
export type Kind = (typeof kinds)[number];

/** The ten kinds as officials write them. */
export const kindNames: Record<Kind, string> = {
  production: '食品生产', 'special-food': '特殊食品', sale: '食品销售', catering: '餐饮服务', canteen: '学校食堂',
  'group-meal': '集体用餐配送单位', market: '集中交易市场', 'small-catering': '小餐饮', workshop: '食品小作坊', stall: '食品摊点',
}; // prettier-ignore

export const tiers = ['A', 'B', 'C', 'D'] as const;
/** Responsibility tier 包保等级: which level of government answers; A is the biggest. Never the risk grade. */
export type Tier = (typeof tiers)[number];

/** The whole public state of an establishment after the step: others keep a copy of it. */
export const EstablishmentState = Type.Object({
  establishmentId: Type.String({ format: 'uuid' }),
  division: Type.String({ pattern: '^[0-9]{12}$' }),
  name: Type.String(),
  kind: Type.Union(kinds.map((kind) => Type.Literal(kind))),
  tier: Type.Union(tiers.map((tier) => Type.Literal(tier))),
  status: Type.Union([Type.Literal('open'), Type.Literal('suspended'), Type.Literal('closed')]),
  address: Type.Optional(Type.String()),
});

export const EstablishmentRegistered = defineEvent(
  'registry.establishment.registered.v1',
  EstablishmentState,
);
export const EstablishmentChanged = defineEvent(
  'registry.establishment.changed.v1',
  EstablishmentState,
);

/** What lies directly below a county (its townships) or a township (its villages). */
export const DivisionsListed = defineEvent(
  'registry.divisions.listed.v1',
  Type.Object({
    division: Type.String({ pattern: '^([0-9]{6}|[0-9]{9})$' }),
    name: Type.String(),
    below: Type.Array(
      Type.Object({
        division: Type.String({ pattern: '^([0-9]{9}|[0-9]{12})$' }),
        name: Type.String(),
      }),
    ),
  }),
);

const Day = Type.String({ pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' });
/** The public holidays and make-up workdays of one year, as announced. */
export const CalendarAnnounced = defineEvent(
  'registry.calendar.announced.v1',
  Type.Object({
    division: Type.String({ pattern: '^[0-9]{6}$' }),
    year: Type.Integer({ minimum: 2000, maximum: 2200 }),
    holidays: Type.Array(Type.Object({ on: Day, name: Type.String() })),
    workdays: Type.Array(Day),
    source: Type.String(),
  }),
);
