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

const Wording = Type.Object({
  title: Type.String({ minLength: 1 }),
  opening: Type.String({ minLength: 1 }),
  duties: Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }),
  /** What he accepts by signing. */
  statement: Type.String({ minLength: 1 }),
});

/** The words of the undertaking 承诺书, by level. */
export const UndertakingText = definePolicy(
  'undertaking-text',
  Type.Object({
    levels: Type.Object({ city: Wording, county: Wording, township: Wording, village: Wording }),
  }),
);
