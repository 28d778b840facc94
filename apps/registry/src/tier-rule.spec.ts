import { readFileSync } from 'node:fs';
import { Value } from '@sinclair/typebox/value';
import { decideTier, type TierInput, TierRule } from './tier-rule.js';

// The default rule as it is shipped, not as a copy of it stands here.
const { tierRule } = JSON.parse(readFileSync('apps/platform/sample/policies.json', 'utf8')) as {
  tierRule: { code: string; version: number; rules: unknown[] };
};
const rule = {
  code: tierRule.code,
  version: tierRule.version,
  body: Value.Decode(TierRule.body, { rules: tierRule.rules }),
};

const of = (input: Partial<TierInput>): string =>
  decideTier(rule, { kind: 'catering', area: null, diners: null, large: false, ...input }).tier;

describe('the default tier rule', () => {
  it.each([
    [{ kind: 'stall', area: 900 }, 'D'],
    [{ kind: 'workshop' }, 'D'],
    [{ kind: 'small-catering' }, 'D'],
    [{ kind: 'group-meal', diners: 1001 }, 'A'],
    [{ kind: 'group-meal', diners: 1000 }, 'B'],
    [{ kind: 'group-meal' }, 'B'],
    [{ kind: 'canteen', diners: 500 }, 'B'],
    [{ kind: 'canteen', diners: 499 }, 'C'],
    [{ kind: 'production', large: true }, 'A'],
    [{ kind: 'production' }, 'B'],
    [{ kind: 'special-food' }, 'B'],
    [{ kind: 'market' }, 'B'],
    [{ kind: 'catering', area: 500 }, 'B'],
    [{ kind: 'catering', area: 499.9 }, 'C'],
    [{ kind: 'sale', area: 100 }, 'C'],
    [{ kind: 'sale', area: 99.9 }, 'D'],
  ] as [Partial<TierInput>, string][])('%j is %s', (input, tier) => {
    expect(of(input)).toBe(tier);
  });

  it('warns when the area that decides is missing', () => {
    expect(
      decideTier(rule, { kind: 'sale', area: null, diners: null, large: false }),
    ).toMatchObject({
      tier: 'C',
      warning: 'area-missing',
    });
  });
});
