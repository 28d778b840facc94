import { differences } from './change-log.js';

describe('the differences of two states', () => {
  it('are the fields that differ, with both values, and nothing of what every version changes', () => {
    const at = new Date('2026-11-23T01:00:00Z');
    const before = { id: 'a', version: 1, changedAt: at, name: '甲', area: 80, licence: null };
    const after = { id: 'a', version: 2, changedAt: new Date(), name: '甲', area: 520, licence: 'JY1' }; // prettier-ignore
    expect(differences(before, after)).toEqual([
      { field: 'area', from: 80, to: 520 },
      { field: 'licence', from: null, to: 'JY1' },
    ]);
  });

  it('take undefined for null, equal instants for equal, and objects by what they say', () => {
    const before = { uscc: undefined, at: new Date(0), tier: { is: 'C' } };
    expect(differences(before, { uscc: null, at: new Date(0), tier: { is: 'C' } })).toEqual([]);
    expect(differences(before, { tier: { is: 'B' } })).toEqual([
      { field: 'tier', from: { is: 'C' }, to: { is: 'B' } },
    ]);
    const kept = { decision: { tier: 'C', rule: { code: 'x', version: 1 } }, days: [1, 2] };
    const made = { decision: { rule: { version: 1, code: 'x' }, tier: 'C' }, days: [2, 1] };
    expect(differences(kept, made)).toEqual([{ field: 'days', from: [1, 2], to: [2, 1] }]);
  });
});
