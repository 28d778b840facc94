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

const Sha256 = Type.String({
  pattern: '^[0-9a-f]{64}$',
  examples: ['9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
});
/** An undertaking 承诺书 after the step: what an official answers for by his signature. */
export const UndertakingState = Type.Object({
  undertakingId: Id,
  /** Of the official's post: 6 digits where he is the county's. */
  division: Type.String({ pattern: '^([0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$' }),
  officialId: Id,
  officialName: Type.String(),
  officialPost: Type.String(),
  officialLevel: AnyLevel,
  state: Type.Union([Type.Literal('open'), Type.Literal('signed'), Type.Literal('stale')]),
  establishments: Type.Integer({ minimum: 1 }),
  listSha256: Sha256,
  documentSha256: Sha256,
  openedAt: Type.String(),
  signedAt: Type.Union([Type.String(), Type.Null()]),
  staleAt: Type.Union([Type.String(), Type.Null()]),
  staleReason: Type.Union([
    Type.Literal('proposal-approved'),
    Type.Literal('establishment-closed'),
    Type.Literal('establishment-moved'),
    Type.Null(),
  ]),
  /** How many establishments the list gained and lost when it became stale. */
  added: Type.Union([Type.Integer(), Type.Null()]),
  removed: Type.Union([Type.Integer(), Type.Null()]),
});
export const UndertakingOpened = defineEvent('assignment.undertaking.opened.v1', UndertakingState);
export const UndertakingSigned = defineEvent('assignment.undertaking.signed.v1', UndertakingState);
export const UndertakingStale = defineEvent('assignment.undertaking.stale.v1', UndertakingState);
