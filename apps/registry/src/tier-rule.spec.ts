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

  it.each([
    ['canteen', 'C', '学校食堂,就餐人数不详 → C · canteen, diners unknown → C'],
    ['group-meal', 'B', '集体用餐配送单位,就餐人数不详 → B · group-meal, diners unknown → B'],
  ] as const)('warns of a %s when the diners that decide are missing', (kind, tier, because) => {
    const unknown = { kind, area: null, large: false };
    const warned = { tier, because, warning: 'diners-missing' };
    expect(decideTier(rule, { ...unknown, diners: null })).toMatchObject(warned);
    expect(decideTier(rule, { ...unknown, diners: 0 })).toMatchObject({ tier, warning: null });
  });

  it('asks nobody for diners whose tier they do not decide', () => {
    for (const kind of ['stall', 'production', 'special-food', 'market'] as const)
      expect(decideTier(rule, { kind, area: null, diners: null, large: false }).warning).toBeNull();
  });
});
