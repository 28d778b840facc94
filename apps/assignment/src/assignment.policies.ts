import { levels, OfficialInduction } from '#contracts';
import { definePolicy } from '#platform';
import { Type } from '@sinclair/typebox';

/** How many establishments one official answers for at most, by level. No source fixes it: the county does. */
export const AssignmentCap = definePolicy(
  'assignment-cap',
  Type.Object({
    caps: Type.Array(
      Type.Object({
        level: Type.Union(levels.map((level) => Type.Literal(level))),
        establishments: Type.Integer({ minimum: 1 }),
        note: Type.Optional(Type.String()),
      }),
    ),
  }),
);

export const Induction = definePolicy('official-induction', OfficialInduction);
