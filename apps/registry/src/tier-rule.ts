import { type Kind, kindNames, kinds, tiers, type Tier } from '#contracts';
import { definePolicy, type Policy } from '#platform';
import { type Static, Type } from '@sinclair/typebox';

const Bound = Type.Object({
  fact: Type.Union([Type.Literal('areaSquareMetres'), Type.Literal('diners'), Type.Literal('large')]),
  atLeast: Type.Optional(Type.Number()),
  above: Type.Optional(Type.Number()),
  below: Type.Optional(Type.Number()),
  equals: Type.Optional(Type.Boolean()),
}); // prettier-ignore

/** The lines of a county's tier rule: the first that fits decides. */
export const TierRule = definePolicy(
  'tier-rule',
  Type.Object({
    rules: Type.Array(
      Type.Object({
        kinds: Type.Array(Type.Union(kinds.map((kind) => Type.Literal(kind)))),
        when: Type.Optional(Bound),
        tier: Type.Union(tiers.map((tier) => Type.Literal(tier))),
        warnWhenUnknown: Type.Optional(
          Type.Object({ fact: Type.String(), warning: Type.Literal('area-missing') }),
        ),
      }),
      { minItems: 1 },
    ),
  }),
);

export interface TierInput {
  kind: Kind;
  /** Square metres. */
  area: number | null;
  /** Meals or diners a day. */
  diners: number | null;
  /** A producer marked large. */
  large: boolean;
}

export interface TierDecision {
  tier: Tier;
  rule: string;
  ruleVersion: number;
  /** The line of the rule that fitted, in words of both languages. */
  because: string;
  /** Which number is missing that may decide: `diners-missing` where a line before asked for it in vain. */
  warning: 'area-missing' | 'diners-missing' | null;
}

/** Which level of government answers (responsibility tier 包保等级), and by which line of which version of the rule. */
export function decideTier(
  { code, version, body }: Policy<typeof TierRule.body>,
  input: TierInput,
): TierDecision {
  const facts: Record<string, number | boolean | null> = {
    areaSquareMetres: input.area, diners: input.diners, large: input.large,
  }; // prettier-ignore
  let dinersMissing = false;
  for (const { kinds: of, when, tier, warnWhenUnknown } of body.rules) {
    if (!of.includes(input.kind)) continue;
    if (when && !holds(when, facts[when.fact] ?? null)) {
      dinersMissing ||= when.fact === 'diners' && input.diners === null;
      continue;
    }
    const warns = warnWhenUnknown && facts[warnWhenUnknown.fact] === null;
    const unknown = warns ? warnWhenUnknown.fact : dinersMissing ? 'diners' : null;
    const why = when ? words(when, when.fact) : unknown ? `${unknown} unknown` : 'otherwise';
    const zh = when
      ? words(when, named(when.fact))
      : unknown
        ? `${named(unknown)}不详`
        : '其他情形';
    return {
      tier,
      rule: code,
      ruleVersion: version,
      because: `${kindNames[input.kind]},${zh} → ${tier} · ${input.kind}, ${why} → ${tier}`,
      warning: warns ? warnWhenUnknown.warning : dinersMissing ? 'diners-missing' : null,
    };
  }
  throw new Error(`${code} version ${version} has no line for ${input.kind}.`);
}

function holds(when: Static<typeof Bound>, fact: number | boolean | null): boolean {
  if (fact === null) return false;
  if (when.equals !== undefined) return fact === when.equals;
  if (typeof fact !== 'number') return false;
  return (
    (when.atLeast === undefined || fact >= when.atLeast) &&
    (when.above === undefined || fact > when.above) &&
    (when.below === undefined || fact < when.below)
  );
}

const factNames: Record<string, string> = {
  areaSquareMetres: '面积(平方米)',
  diners: '就餐人数',
  large: '大型',
};
const named = (fact: string): string => factNames[fact] ?? fact;

function words({ atLeast, above, below, equals }: Static<typeof Bound>, fact: string): string {
  const bounds = [
    atLeast === undefined ? '' : ` ≥ ${atLeast}`,
    above === undefined ? '' : ` > ${above}`,
    below === undefined ? '' : ` < ${below}`,
    equals === undefined ? '' : ` = ${String(equals)}`,
  ];
  return `${fact}${bounds.join('')}`;
}
