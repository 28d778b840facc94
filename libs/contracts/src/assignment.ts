import { Type } from '@sinclair/typebox';
import { defineEvent } from './event.js';
import { tiers } from './registry.js';

/** 层级: the level of government an official serves at. */
export const levels = ['city', 'county', 'township', 'village'] as const;
export type Level = (typeof levels)[number];

/** Which level answers for which tier (domain.md §2). */
export const levelOfTier = { A: 'city', B: 'county', C: 'township', D: 'village' } as const;

const Id = Type.String({ format: 'uuid' });
const AnyLevel = Type.Union(levels.map((level) => Type.Literal(level)));

/** The public state of an official 包保干部 after the step. */
export const OfficialChanged = defineEvent(
  'assignment.official.changed.v1',
  Type.Object({
    officialId: Id,
    division: Type.String({ pattern: '^([0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$' }),
    level: AnyLevel,
    name: Type.String(),
    post: Type.String(),
    active: Type.Boolean(),
  }),
);

/** Who answers for an establishment 包保关系, with what others need to know of the official. */
export const AssignmentState = Type.Object({
  assignmentId: Id,
  division: Type.String({ pattern: '^[0-9]{12}$' }),
  establishmentId: Id,
  tier: Type.Union(tiers.map((tier) => Type.Literal(tier))),
  officialId: Id,
  officialName: Type.String(),
  officialPost: Type.String(),
  officialLevel: AnyLevel,
  establishmentName: Type.String(),
  madeAt: Type.String(),
  endedAt: Type.Union([Type.String(), Type.Null()]),
  endReason: Type.Union([Type.String(), Type.Null()]),
});
export const AssignmentMade = defineEvent('assignment.assignment.made.v1', AssignmentState);
export const AssignmentEnded = defineEvent('assignment.assignment.ended.v1', AssignmentState);
