import { type Level } from '#contracts';

/** One who may answer. */
export interface Candidate {
  id: string;
  /** Where the post is. */
  division: string;
}

/** One that must be answered for. */
export interface Due {
  id: string;
  /** The village it stands in. */
  division: string;
  /** Who answers for it now, where that one is still a candidate. */
  current: string | null;
}

/** `chosen`: by a person. */
export type Basis =
  | 'chosen'
  | 'kept'
  | 'own-village'
  | 'neighbour'
  | 'spread'
  | 'no-official-at-level'
  | 'cap-reached';

export interface Choice {
  official: string | null;
  basis: Basis;
}

/**
 * Who answers for what in one pool: the officials of one level and place, and the establishments that ask for them.
 * Village officials answer for what lies in their village, up to the cap; what is above goes to the nearest of the
 * township that is below the mean, then to the least loaded. Officials of a township, county or city get shares that
 * differ by one at most. Whoever answers already stays, where these rules let him (fewest moves).
 * @param elsewhere what a candidate answers for outside `due`
 */
export function propose(
  level: Level,
  candidates: Candidate[],
  due: Due[],
  cap: number,
  elsewhere: ReadonlyMap<string, number> = new Map(),
): Map<string, Choice> {
  const choices = new Map<string, Choice>();
  if (candidates.length === 0) {
    for (const { id } of due) choices.set(id, { official: null, basis: 'no-official-at-level' });
    return choices;
  }
  const load = new Map(candidates.map(({ id }) => [id, elsewhere.get(id) ?? 0]));
  const loadOf = (id: string): number => load.get(id) ?? 0;
  const choose = (establishment: Due, official: string, basis: Basis): void => {
    const before = choices.get(establishment.id)?.official;
    if (before) load.set(before, loadOf(before) - 1);
    load.set(official, loadOf(official) + 1);
    choices.set(establishment.id, { official, basis: establishment.current === official ? 'kept' : basis });
  }; // prettier-ignore
  const least = (among: Candidate[]): Candidate | undefined =>
    among
      .filter(({ id }) => loadOf(id) < cap)
      .reduce<Candidate | undefined>((best, one) => (best && loadOf(best.id) <= loadOf(one.id) ? best : one), undefined); // prettier-ignore
  const open = (): Due[] => due.filter(({ id }) => !choices.has(id));

  if (level === 'village') {
    const own = (one: Due): Candidate[] =>
      candidates.filter(({ division }) => division === one.division);
    for (const one of due)
      if (one.current && loadOf(one.current) < cap && own(one).some(({ id }) => id === one.current))
        choose(one, one.current, 'kept');
    for (const one of open()) {
      const chosen = least(own(one));
      if (chosen) choose(one, chosen.id, 'own-village');
    }
    for (const one of open())
      if (one.current && load.has(one.current) && loadOf(one.current) < cap)
        choose(one, one.current, 'kept');
    const total = due.length + [...elsewhere.values()].reduce((sum, count) => sum + count, 0);
    const mean = Math.min(cap, Math.ceil(total / candidates.length));
    for (const one of open()) {
      const near = candidates
        .filter(({ id }) => loadOf(id) < mean)
        .reduce<Candidate | undefined>((best, other) => (best && away(best, one) <= away(other, one) ? best : other), undefined); // prettier-ignore
      const chosen = near ?? least(candidates);
      if (chosen) choose(one, chosen.id, 'neighbour');
    }
  } else {
    for (const one of due)
      if (one.current && load.has(one.current) && loadOf(one.current) < cap)
        choose(one, one.current, 'kept');
    for (const one of open()) {
      const chosen = least(candidates);
      if (chosen) choose(one, chosen.id, 'spread');
    }
    // Shares that were kept may be uneven: move from the fullest to the emptiest until they differ by one at most.
    for (;;) {
      const [emptiest] = [...candidates].sort((a, b) => loadOf(a.id) - loadOf(b.id));
      const movable = due
        .filter(({ id }) => choices.get(id)?.official)
        .reduce<Due | undefined>((best, one) => {
          const at = (which: Due): number => loadOf(choices.get(which.id)?.official ?? '');
          return best && at(best) >= at(one) ? best : one;
        }, undefined);
      const from = movable && choices.get(movable.id)?.official;
      if (!movable || !from || !emptiest || loadOf(from) - loadOf(emptiest.id) <= 1) break;
      choose(movable, emptiest.id, 'spread');
    }
  }
  for (const { id } of open()) choices.set(id, { official: null, basis: 'cap-reached' });
  return choices;
}

/** Neighbouring villages have neighbouring codes; no map of boundaries is known to us. */
const away = (one: Candidate, due: Due): number =>
  Math.abs(Number(one.division.slice(9)) - Number(due.division.slice(9)));
