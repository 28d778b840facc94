import { decideTier, type TierInput } from './tier-rule.js';

const of = (input: Partial<TierInput>): string =>
  decideTier({ kind: 'catering', area: null, diners: null, large: false, ...input }).tier;

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
    expect(decideTier({ kind: 'sale', area: null, diners: null, large: false })).toMatchObject({
      tier: 'C',
      warning: 'area-missing',
    });
  });
});
