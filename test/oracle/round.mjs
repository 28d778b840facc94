// What must be true after each step of the round, worked out apart from the platform. Rules: domain.md §2 (who answers for
// whom), features.md A1, A2, I1, N3, and the round's own wording: D in its own village, else a neighbouring one of the
// township; C among the township's leaders, spread; B among the county's; within a cap.
import { readFirstSheet } from './workbook.mjs';

export const LEVEL_OF_TIER = { A: 'city', B: 'county', C: 'township', D: 'village' };

const LEVELS = { 市级: 'city', 县级: 'county', 乡级: 'township', 村级: 'village' };
const HEADERS = {
  姓名: 'name',
  职务: 'post',
  层级: 'level',
  行政区划代码: 'division',
  所属单位: 'unit',
  联系电话: 'phone',
};

/** The officials of a roster's first sheet, `row` counted as a person counts. */
export async function readRoster(path) {
  const officials = [];
  let columns;
  for (const { row: number, cells } of await readFirstSheet(path)) {
    if (!columns) {
      if (cells.includes('姓名')) columns = cells.map((cell) => HEADERS[cell.trim()]);
      continue;
    }
    if (cells.every((cell) => cell.trim() === '')) continue;
    const official = { row: number };
    columns.forEach((column, index) => {
      if (column) official[column] = (cells[index] ?? '').trim();
    });
    const level = LEVELS[official.level];
    if (!level) throw new Error(`${path} row ${number}: unknown level ${official.level}`);
    officials.push({ ...official, level });
  }
  return officials;
}

/** The most exact place of an establishment, whether it comes from the ledger oracle (`village`) or the API (`division`). */
const placeOf = (establishment) => establishment.division ?? establishment.village;
const townshipOf = (division) => division.slice(0, 9);
const countyOf = (division) => division.slice(0, 6);
const keyOf = (establishment) => establishment.id ?? establishment.row;
const isActive = (establishment) => (establishment.status ?? 'open') === 'open';

/** Where the officials who may answer for this establishment stand: its pool, named by level and division. */
function poolOf(establishment) {
  const level = LEVEL_OF_TIER[establishment.tier];
  const place = placeOf(establishment);
  const within = {
    city: place.slice(0, 4),
    county: countyOf(place),
    township: townshipOf(place),
    village: townshipOf(place),
  }[level];
  return { level, within, name: `${level} ${within}` };
}

function standsIn(official, pool) {
  if (official.level !== pool.level) return false;
  if (pool.level === 'city') return official.division.startsWith(pool.within);
  if (pool.level === 'village')
    return official.division.length === 12 && townshipOf(official.division) === pool.within;
  return official.division === pool.within;
}

const capFor = (cap, level) => (typeof cap === 'number' ? cap : (cap?.[level] ?? Infinity));

/** The pools of all active establishments with their officials. */
function poolsOf(establishments, officials) {
  const pools = new Map();
  for (const establishment of establishments.filter(isActive)) {
    const pool = poolOf(establishment);
    if (!pools.has(pool.name))
      pools.set(pool.name, {
        ...pool,
        establishments: [],
        officials: officials.filter((official) => standsIn(official, pool)),
      });
    pools.get(pool.name).establishments.push(establishment);
  }
  return [...pools.values()];
}

/**
 * How many can be assigned and which gaps must remain. A pool without officials leaves `no-official-at-level` for each of
 * its establishments; a pool whose officials × cap is too small leaves the rest, `cap-reached`, whichever they are.
 * `ownVillage` is the most village-level assignments that can stay in the establishment's own village.
 */
export function expectRound({ establishments, officials, cap }) {
  const byLevel = {};
  for (const level of Object.values(LEVEL_OF_TIER))
    byLevel[level] = { due: 0, assigned: 0, gaps: 0 };
  const gaps = [];
  const pools = [];
  let ownVillage = 0;
  for (const pool of poolsOf(establishments, officials)) {
    const limit = capFor(cap, pool.level);
    const due = pool.establishments.length;
    const assigned = pool.officials.length === 0 ? 0 : Math.min(due, pool.officials.length * limit);
    if (pool.officials.length === 0)
      for (const establishment of pool.establishments)
        gaps.push({ establishment: keyOf(establishment), reason: 'no-official-at-level' });
    byLevel[pool.level].due += due;
    byLevel[pool.level].assigned += assigned;
    byLevel[pool.level].gaps += due - assigned;
    if (pool.level === 'village') {
      const inVillage = new Map();
      for (const establishment of pool.establishments)
        inVillage.set(placeOf(establishment), (inVillage.get(placeOf(establishment)) ?? 0) + 1);
      for (const [village, count] of inVillage) {
        const here = pool.officials.filter((official) => official.division === village).length;
        ownVillage += here === 0 ? 0 : Math.min(count, here * limit);
      }
    }
    pools.push({
      pool: pool.name,
      level: pool.level,
      within: pool.within,
      officials: pool.officials.length,
      due,
      assigned,
      cappedOut: pool.officials.length === 0 ? 0 : due - assigned,
    });
  }
  const sum = (key) => Object.values(byLevel).reduce((total, level) => total + level[key], 0);
  return {
    due: sum('due'),
    assigned: sum('assigned'),
    gapCount: sum('gaps'),
    byLevel,
    gaps,
    ownVillage,
    pools,
  };
}

/** Every way in which assignments and gaps break the rules; an empty list means they hold. Ended assignments are ignored. */
export function checkAssignments({ establishments, officials, assignments, gaps = [], cap }) {
  const violations = [];
  const broken = (rule, establishment, official, detail) =>
    violations.push({
      rule,
      establishment: establishment ?? null,
      official: official ?? null,
      detail,
    });
  const establishmentById = new Map(establishments.map((one) => [keyOf(one), one]));
  const officialById = new Map(officials.map((one) => [one.id ?? one.row, one]));
  const current = assignments.filter((assignment) => !assignment.endedAt);
  const load = new Map();
  const answered = new Map();

  for (const { establishment: of, official: to } of current) {
    const establishment = establishmentById.get(of);
    const official = officialById.get(to);
    if (!establishment) {
      broken('unknown-establishment', of, to, 'assigned, but not among the establishments');
      continue;
    }
    if (!official) {
      broken('unknown-official', of, to, 'assigned to somebody outside the roster');
      continue;
    }
    if (!isActive(establishment)) broken('not-active', of, to, `it is ${establishment.status}`);
    if (answered.has(of)) broken('assigned-twice', of, to, `also to ${answered.get(of)}`);
    answered.set(of, to);
    load.set(to, (load.get(to) ?? 0) + 1);
    const pool = poolOf(establishment);
    if (official.level !== pool.level)
      broken('wrong-level', of, to, `tier ${establishment.tier} asks ${pool.level}`);
    else if (!standsIn(official, pool))
      broken('wrong-place', of, to, `${official.division} is outside ${pool.within}`);
  }

  for (const [to, count] of load) {
    const limit = capFor(cap, officialById.get(to).level);
    if (count > limit) broken('cap-exceeded', null, to, `${count} of at most ${limit}`);
  }

  const gapByEstablishment = new Map();
  for (const gap of gaps) {
    if (gapByEstablishment.has(gap.establishment))
      broken('gap-twice', gap.establishment, null, gap.reason);
    gapByEstablishment.set(gap.establishment, gap);
    if (answered.has(gap.establishment))
      broken('gap-and-assignment', gap.establishment, answered.get(gap.establishment), gap.reason);
    if (!gap.reason) broken('gap-without-reason', gap.establishment, null, 'a gap says why');
  }

  for (const pool of poolsOf(establishments, officials)) {
    const limit = capFor(cap, pool.level);
    const loads = pool.officials.map((official) => load.get(official.id ?? official.row) ?? 0);
    const free = loads.some((count) => count < limit);
    for (const establishment of pool.establishments) {
      const id = keyOf(establishment);
      const gap = gapByEstablishment.get(id);
      if (!answered.has(id) && !gap)
        broken(
          'nobody-answers',
          id,
          null,
          `neither assignment nor gap, tier ${establishment.tier}`,
        );
      if (!gap) continue;
      if (pool.officials.length === 0 && gap.reason !== 'no-official-at-level')
        broken('wrong-gap-reason', id, null, `${gap.reason} where nobody of the level exists`);
      if (pool.officials.length > 0 && gap.reason === 'no-official-at-level')
        broken('wrong-gap-reason', id, null, `${pool.name} has officials`);
      if (free) broken('needless-gap', id, null, `somebody of ${pool.name} is below the cap`);
    }
    // Alike caps make the least unfair split differ by one at most; village officials answer for what lies in their village.
    if (pool.level !== 'village' && loads.length > 0 && Math.max(...loads) - Math.min(...loads) > 1)
      broken(
        'not-spread',
        null,
        null,
        `${pool.name}: from ${Math.min(...loads)} to ${Math.max(...loads)}`,
      );
    if (pool.level !== 'village') continue;
    for (const establishment of pool.establishments) {
      const official = officialById.get(answered.get(keyOf(establishment)));
      if (!official || official.division === placeOf(establishment)) continue;
      const own = pool.officials.filter((one) => one.division === placeOf(establishment));
      if (own.some((one) => (load.get(one.id ?? one.row) ?? 0) < limit))
        broken(
          'outside-own-village',
          keyOf(establishment),
          official.id ?? official.row,
          `${placeOf(establishment)} has an official below the cap`,
        );
    }
  }
  return violations;
}

/** The calendar quarter a date lies in: `2026-11-23` → `2026-Q4`, from 1 October to 31 December. */
export function quarterOf(date) {
  const year = Number(date.slice(0, 4));
  const quarter = Math.ceil(Number(date.slice(5, 7)) / 3);
  const last = new Date(Date.UTC(year, quarter * 3, 0)).toISOString().slice(0, 10);
  return {
    period: `${year}-Q${quarter}`,
    from: `${year}-${String(quarter * 3 - 2).padStart(2, '0')}-01`,
    to: last,
  };
}

/** One visit due in the quarter for each active establishment, whoever answers for it and even if nobody does yet. */
export function expectObligations({ establishments, date }) {
  const { period, to } = quarterOf(date);
  return establishments
    .filter(isActive)
    .map((one) => ({ establishment: keyOf(one), period, dueOn: to }));
}

/** Missing, repeated and needless obligations of one quarter. */
export function checkObligations({ establishments, obligations, date }) {
  const { period } = quarterOf(date);
  const violations = [];
  const found = new Map();
  for (const obligation of obligations.filter((one) => one.period === period))
    found.set(obligation.establishment, (found.get(obligation.establishment) ?? 0) + 1);
  for (const { establishment } of expectObligations({ establishments, date })) {
    const count = found.get(establishment) ?? 0;
    if (count !== 1)
      violations.push({
        rule: count === 0 ? 'no-obligation' : 'obligation-twice',
        establishment,
        detail: `${count} for ${period}`,
      });
    found.delete(establishment);
  }
  for (const establishment of found.keys())
    violations.push({ rule: 'needless-obligation', establishment, detail: period });
  return violations;
}

/**
 * The messages that must exist, one per fact and person: the responsible official hears of each assignment made to him,
 * each visit due, each correction due and each correction verified at an establishment he answers for. A gap's visit has
 * no official to tell.
 */
export function expectMessages({ assignments, obligations = [], correctiveActions = [] }) {
  const current = assignments.filter((assignment) => !assignment.endedAt);
  const officialOf = new Map(current.map((one) => [one.establishment, one.official]));
  const told = (kind, items) =>
    items
      .filter((item) => officialOf.has(item.establishment))
      .map((item) => ({ kind, subject: item.id, official: officialOf.get(item.establishment) }));
  return [
    ...told('assigned', current),
    ...told('visit-due', obligations),
    ...told('correction-due', correctiveActions),
    ...told(
      'correction-verified',
      correctiveActions.filter((action) => action.verifiedAt),
    ),
  ];
}

/** Messages that are missing, or that reached one person twice about one fact. More recipients than expected are allowed. */
export function checkMessages({ expected, messages }) {
  const keyed = (message) => `${message.kind} ${message.subject} ${message.official}`;
  const found = new Map();
  for (const message of messages) found.set(keyed(message), (found.get(keyed(message)) ?? 0) + 1);
  const violations = [];
  for (const message of expected)
    if (!found.has(keyed(message))) violations.push({ rule: 'not-told', ...message });
  for (const [key, count] of found) {
    const [kind, subject, official] = key.split(' ');
    if (count > 1) violations.push({ rule: 'told-twice', kind, subject, official, times: count });
  }
  return violations;
}
