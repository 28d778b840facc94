// The numbers a county is scored on, counted again from plain rows (api.md 'Indicator', domain.md §9). The definitions are
// version 1 of each, read from their words and not from anybody's SQL.

const LEVEL_OF_TIER = { A: 'city', B: 'county', C: 'township', D: 'village' };
const TIERS = ['A', 'B', 'C', 'D'];
const KINDS = ['production', 'special-food', 'sale', 'catering', 'canteen', 'group-meal', 'market', 'small-catering', 'workshop', 'stall']; // prettier-ignore

/** First and last day of a calendar quarter like `2026-Q4`. */
function quarter(period) {
  const [year, number] = period.split('-Q').map(Number);
  const last = new Date(Date.UTC(year, number * 3, 0)).toISOString().slice(0, 10);
  return { from: `${year}-${String(number * 3 - 2).padStart(2, '0')}-01`, to: last };
}

/**
 * Every indicator of one place. The rows are whole tables: each is looked at by its `division`, a place below counts.
 * @returns code → { numerator, denominator }
 */
export function recount(rows, division, period) {
  const here = (all) => all.filter((one) => one.division.startsWith(division));
  const share = (of, counts) => ({ numerator: of.filter(counts).length, denominator: of.length });
  const { from, to } = quarter(period);
  const numbers = {};

  const open = here(rows.establishments).filter(({ status }) => status === 'open');
  for (const tier of TIERS)
    numbers[`establishments-tier-${tier.toLowerCase()}`] = share(open, (one) => one.tier === tier);
  for (const kind of KINDS)
    numbers[`establishments-kind-${kind}`] = share(open, (one) => one.kind === kind);

  const now = rows.assignments.filter(({ endedAt }) => endedAt === null);
  const levelOf = new Map(rows.officials.map(({ id, level }) => [id, level]));
  const answered = new Map(now.map((one) => [one.establishmentId, levelOf.get(one.officialId)]));
  numbers['assignment-rate'] = share(
    open,
    ({ id, tier }) => answered.get(id) === LEVEL_OF_TIER[tier],
  );

  const lists = new Map();
  for (const { officialId, establishmentId } of now)
    lists.set(officialId, [...(lists.get(officialId) ?? []), establishmentId]);
  const same = (one, other) =>
    JSON.stringify([...one].sort()) === JSON.stringify([...other].sort());
  const asked = here(rows.officials).filter(({ id, active }) => active && lists.has(id));
  numbers['undertakings-signed'] = share(asked, ({ id }) =>
    rows.undertakings.some(
      (one) =>
        one.officialId === id && one.state === 'signed' && same(one.establishments, lists.get(id)),
    ),
  );

  const due = here(rows.obligations).filter(
    (one) => one.period === period && one.state !== 'withdrawn',
  );
  numbers['visits-done'] = share(due, ({ state }) => state === 'settled');
  const demanded = here(rows.actions).filter(
    ({ startOn, steps }) =>
      startOn >= from && startOn <= to && !steps.some(({ act }) => act === 'withdrawal'),
  );
  numbers['corrections-closed'] = share(demanded, ({ state }) => state === 'closed');
  numbers['corrections-in-time'] = share(
    demanded.filter(({ state }) => state === 'closed'),
    ({ overdue }) => !overdue,
  );

  const certified = new Set(rows.certificates.map(({ officialId }) => officialId));
  numbers['officials-trained'] = share(
    here(rows.officials).filter(({ active }) => active),
    ({ id }) => certified.has(id),
  );
  numbers['messages-read'] = share(
    here(rows.messages).filter(({ audience }) => audience === 'official'),
    ({ readAt }) => readAt !== null,
  );
  return numbers;
}
