import fc from 'fast-check';
import { type Candidate, type Due, propose } from './propose.js';

const village = (n: number): string => `371425101${200 + n}`;
const due = (n: number, at: number, current: string | null = null): Due => ({ id: `e${n}`, division: village(at), current }); // prettier-ignore
const loadsOf = (choices: ReturnType<typeof propose>, candidates: Candidate[]): number[] =>
  candidates.map(({ id }) => [...choices.values()].filter(({ official }) => official === id).length); // prettier-ignore

describe('a proposal', () => {
  it('leaves a village to its own official, and what is above the cap to the nearest with room', () => {
    const officials = [1, 2, 5].map((n) => ({ id: `o${n}`, division: village(n) }));
    const choices = propose('village', officials, [due(1, 1), due(2, 1), due(3, 1), due(4, 3)], 2);
    expect([...choices.values()].map(({ official, basis }) => [official, basis])).toEqual([
      ['o1', 'own-village'],
      ['o1', 'own-village'],
      ['o2', 'neighbour'],
      ['o2', 'neighbour'],
    ]);
  });

  it('says why nobody answers', () => {
    expect(propose('county', [], [due(1, 1)], 5).get('e1')).toEqual({ official: null, basis: 'no-official-at-level' }); // prettier-ignore
    const full = propose('county', [{ id: 'o', division: '371425' }], [due(1, 1), due(2, 1)], 1);
    expect(full.get('e2')).toEqual({ official: null, basis: 'cap-reached' });
  });

  it('counts what an official answers for elsewhere', () => {
    const officials = ['a', 'b'].map((id) => ({ id, division: '371425' }));
    const choices = propose('county', officials, [due(1, 1), due(2, 1)], 10, new Map([['a', 5]]));
    expect(loadsOf(choices, officials)).toEqual([0, 2]);
  });

  const pool = fc.record({
    officials: fc.uniqueArray(fc.nat(12), { minLength: 1, maxLength: 8 }),
    places: fc.array(fc.nat(12), { maxLength: 60 }),
    cap: fc.integer({ min: 1, max: 12 }),
  });

  it('spreads so that shares differ by one at most, whoever answered before', () => {
    fc.assert(
      fc.property(pool, fc.array(fc.nat(9)), ({ officials: ids, places, cap }, before) => {
        const officials = ids.map((id) => ({ id: `o${id}`, division: '371425101' }));
        const wanted = places.map((place, n) =>
          due(n, place, officials[before[n] ?? 99]?.id ?? null),
        );
        const choices = propose('township', officials, wanted, cap);
        const loads = loadsOf(choices, officials);
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
        expect(Math.max(...loads)).toBeLessThanOrEqual(cap);
        expect(loads.reduce((a, b) => a + b, 0)).toBe(Math.min(wanted.length, cap * officials.length)); // prettier-ignore
      }),
    );
  });

  it('keeps everybody when nothing has changed', () => {
    fc.assert(
      fc.property(
        pool,
        fc.constantFrom('township' as const, 'village' as const),
        ({ officials: ids, places, cap }, level) => {
          const officials = ids.map((id) => ({ id: `o${id}`, division: village(id) }));
          const wanted = places.map((place, n) => due(n, place));
          const first = propose(level, officials, wanted, cap);
          const second = propose(
            level,
            officials,
            wanted.map((one) => ({ ...one, current: first.get(one.id)?.official ?? null })),
            cap,
          );
          for (const { id } of wanted)
            expect(second.get(id)?.official).toBe(first.get(id)?.official);
        },
      ),
    );
  });
});
