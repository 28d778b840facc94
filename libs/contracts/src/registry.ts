import { Type } from '@sinclair/typebox';
import { defineEvent } from './event.js';

export const kinds = [
  'production', 'special-food', 'sale', 'catering', 'canteen', 'group-meal', 'market',
  'small-catering', 'workshop', 'stall',
] as const; // prettier-ignore
export type Kind = (typeof kinds)[number];

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
});

export const EstablishmentRegistered = defineEvent(
  'registry.establishment.registered.v1',
  EstablishmentState,
);
export const EstablishmentChanged = defineEvent(
  'registry.establishment.changed.v1',
  EstablishmentState,
);
