import { kinds, OfficialInduction, tiers } from '#contracts';
import { definePolicy } from '#platform';
import { Type } from '@sinclair/typebox';

export const methods = ['on-site', 'gathered-on-site', 'report-meeting', 'video'] as const;
export type Method = (typeof methods)[number];
const AnyMethod = Type.Union(methods.map((method) => Type.Literal(method)));

/** How often each tier is visited, and which methods count (domain.md §3). */
export const VisitFrequency = definePolicy(
  'visit-frequency',
  Type.Object({
    tiers: Type.Array(
      Type.Object({
        tier: Type.Union(tiers.map((tier) => Type.Literal(tier))),
        every: Type.Literal('calendar-quarter'),
        visits: Type.Literal(1),
        methodsThatCount: Type.Array(AnyMethod, { minItems: 1 }),
        methodsRecordedOnly: Type.Array(AnyMethod),
      }),
    ),
  }),
);

/** How many working days a correction may take (no source fixes it: domain.md §4). */
export const CorrectionDeadline = definePolicy(
  'correction-deadline',
  Type.Object({
    defaultWorkingDays: Type.Integer({ minimum: 1 }),
    maxWorkingDays: Type.Integer({ minimum: 1 }),
  }),
);

/** How many calendar days before the last one who is still to act is reminded (no source fixes it). Without it nobody is before; what is late is told all the same. */
export const ReminderDays = definePolicy(
  'reminders',
  Type.Object({
    visitsDaysBefore: Type.Array(Type.Integer({ minimum: 1, maximum: 90 }), { maxItems: 5 }),
    correctionDaysBefore: Type.Union([Type.Integer({ minimum: 1, maximum: 90 }), Type.Null()]),
  }),
);

export const Induction = definePolicy('official-induction', OfficialInduction);

/** What is looked at in a visit 检查表; a filled record keeps its own version. */
export const ChecklistBody = Type.Object({
  name: Type.Object({ zh: Type.String(), en: Type.String() }),
  kinds: Type.Array(Type.Union(kinds.map((kind) => Type.Literal(kind))), { minItems: 1 }),
  items: Type.Array(
    Type.Object({
      code: Type.String({ minLength: 1 }),
      text: Type.Object({ zh: Type.String(), en: Type.String() }),
      key: Type.Boolean(),
      source: Type.String(),
    }),
    { minItems: 1 },
  ),
  keySource: Type.Optional(Type.String()),
  keyNote: Type.Optional(Type.String()),
  note: Type.Optional(Type.String()),
});
