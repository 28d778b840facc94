import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  expectImport,
  expectLedgerImport,
  licenceIsValid,
  readDivisions,
  readLedger,
  tierOf,
  tiersBeforeChecks,
  usccIsValid,
} from './ledger.mjs';
import type { DivisionRow, ExpectedImport, LedgerRow } from './ledger.mjs';
import {
  checkAssignments,
  checkMessages,
  checkObligations,
  expectMessages,
  expectObligations,
  expectRound,
  LEVEL_OF_TIER,
  quarterOf,
  readRoster,
} from './round.mjs';
import type {
  AssignmentLike,
  Cap,
  EstablishmentLike,
  GapLike,
  MessageLike,
  OfficialLike,
  RosterOfficial,
} from './round.mjs';
import { addWorkingDays, dayIs } from './working-days.mjs';
import type { Calendar } from './working-days.mjs';

const root = join(import.meta.dirname, '../..');
const sample = join(root, 'apps/platform/sample');
const shared = process.env['SHARED_DATA'] ?? join(root, '../shared/data');
const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const caps: Cap = Object.fromEntries(
  (
    json(join(sample, 'policies.json')) as {
      assignment: { caps: { level: string; establishments: number }[] };
    }
  ).assignment.caps.map(({ level, establishments }) => [level, establishments]),
);

// The shared ledger is not part of the project: where it is absent, its tests are skipped and the reason is printed.
const sharedIsHere = existsSync(join(shared, 'ledger-qihe.xlsx'));
const onShared = sharedIsHere ? describe : describe.skip;
if (!sharedIsHere)
  process.stderr.write(
    `SKIPPED: the county ledger is not at ${shared}; set SHARED_DATA to its folder\n`,
  );

interface Planted {
  rows: number;
  planted: Record<string, number>;
}

/** A plain assignment by the rules, so that the checker can be shown agreeing before it is shown saying no. */
function assignByRule(establishments: EstablishmentLike[], officials: OfficialLike[], cap: Cap) {
  const load = new Map<OfficialLike, number>();
  const assignments: AssignmentLike[] = [];
  const gaps: GapLike[] = [];
  const capOf = (official: OfficialLike) =>
    typeof cap === 'number' ? cap : (cap[official.level] ?? Infinity);
  const loadOf = (official: OfficialLike) => load.get(official) ?? 0;
  const give = (one: EstablishmentLike, pool: OfficialLike[]): boolean => {
    const free = pool.filter((official) => loadOf(official) < capOf(official));
    const [least] = free.sort((a, b) => loadOf(a) - loadOf(b));
    if (!least) return false;
    load.set(least, loadOf(least) + 1);
    assignments.push({ id: assignments.length, establishment: one.row!, official: least.row! });
    return true;
  };
  const late: EstablishmentLike[] = [];
  const reach = { city: 4, county: 6, township: 9, village: 12 };
  for (const one of establishments) {
    const level = LEVEL_OF_TIER[one.tier];
    const pool = officials.filter(
      (official) =>
        official.level === level &&
        official.division.slice(0, reach[level]) === one.village!.slice(0, reach[level]),
    );
    if (give(one, pool)) continue;
    if (level === 'village') late.push(one);
    else
      gaps.push({
        establishment: one.row!,
        reason: pool.length === 0 ? 'no-official-at-level' : 'cap-reached',
      });
  }
  for (const one of late) {
    const township = one.village!.slice(0, 9);
    const pool = officials.filter(
      (official) => official.level === 'village' && official.division.startsWith(township),
    );
    if (!give(one, pool))
      gaps.push({
        establishment: one.row!,
        reason: pool.length === 0 ? 'no-official-at-level' : 'cap-reached',
      });
  }
  return { assignments, gaps };
}

describe('the codes', () => {
  it('knows good and bad credit codes and licence numbers', () => {
    for (const code of ['91350100M000100Y43', '91371425MA3CM4AM88'])
      expect(usccIsValid(code)).toBe(true);
    for (const code of ['91350100M000100Y4Z', '91350100M000100Y4', '9135O100M000100Y43', ''])
      expect(usccIsValid(code)).toBe(false);
    for (const number of ['JY13101140093802', 'SC11834020305037', 'JY23506230105266'])
      expect(licenceIsValid(number)).toBe(true);
    for (const number of ['JY13101140093803', 'SC12442011202449', 'JX13101140093802'])
      expect(licenceIsValid(number)).toBe(false);
  });
});

describe('the default tier rule', () => {
  const facts = { areaSquareMetres: null, diners: null };
  it('answers at its bounds and where a fact is unknown', () => {
    const area = (areaSquareMetres: number | null) =>
      tierOf({ ...facts, kind: 'sale', areaSquareMetres });
    expect([99.9, 100, 499.9, 500, null].map(area)).toEqual(['D', 'C', 'C', 'B', 'C']);
    const meals = (diners: number | null) => tierOf({ ...facts, kind: 'group-meal', diners });
    expect([1000, 1001, null].map(meals)).toEqual(['B', 'A', 'B']);
    const canteen = (diners: number | null) => tierOf({ ...facts, kind: 'canteen', diners });
    expect([499, 500, null].map(canteen)).toEqual(['C', 'B', 'C']);
    expect(tierOf({ ...facts, kind: 'production' })).toBe('B');
    expect(tierOf({ ...facts, kind: 'production', large: true })).toBe('A');
    expect(tierOf({ ...facts, kind: 'stall', areaSquareMetres: 900 })).toBe('D');
  });
});

describe('which row is which establishment', () => {
  const divisions: DivisionRow[] = [
    { code: '371425101', name: '表白寺镇', level: 'township', parent: '371425' },
    { code: '371425101201', name: '崔许村委会', level: 'village', parent: '371425101' },
    { code: '371425101202', name: '刘言村村委会', level: 'village', parent: '371425101' },
  ];
  const base: LedgerRow = {
    row: 3,
    number: '1',
    name: '甲店',
    uscc: '91371425MA3CM4AM88',
    licence: 'JY13101140093802',
    address: '表白寺镇崔许村1号',
    township: '表白寺镇',
    village: '崔许村委会',
    kind: '食品销售',
    area: '60',
    diners: '',
    latitude: '',
    longitude: '',
  };
  const outcomes = (...rows: Partial<LedgerRow>[]) =>
    expectImport(
      rows.map((row, index) => ({ ...base, row: index + 3, number: `${index + 1}`, ...row })),
      divisions,
    ).outcomes.map(({ outcome }) => outcome);

  it('takes a row equal in all but its number once', () => {
    expect(outcomes({}, {})).toEqual(['created', 'duplicate']);
  });
  it('keeps two premises of one operator apart', () => {
    expect(outcomes({}, { name: '乙店', licence: '', address: '表白寺镇崔许村2号' })).toEqual([
      'created',
      'created',
    ]);
  });
  it('knows an establishment again by licence and place, by code and address, by code and name', () => {
    expect(outcomes({}, { uscc: '', name: '新名' })).toEqual(['created', 'updated']);
    expect(outcomes({}, { name: '新名', licence: '', address: '表白寺镇 崔许村1号' })).toEqual([
      'created',
      'updated',
    ]);
    expect(outcomes({}, { licence: '', address: '表白寺镇崔许村9号' })).toEqual([
      'created',
      'updated',
    ]);
  });
  it('refuses a row that may be two establishments', () => {
    const twins = [1, 2].map((row) => ({
      row,
      name: '丙店',
      uscc: '91371425MA3CM4AM88',
      licence: null,
      address: `表白寺镇崔许村${row}号`,
      township: '371425101',
      village: '371425101201',
      kind: 'sale' as const,
      areaSquareMetres: 60,
      diners: null,
      latitude: null,
      longitude: null,
      tier: 'D' as const,
    }));
    const row = { ...base, name: '丙店', licence: '', address: '表白寺镇崔许村3号' };
    const expected = expectImport([row], divisions, { known: twins });
    expect(expected.counts).toMatchObject({ refused: 1, created: 0 });
    expect(expected.findings.map(({ rule }) => rule)).toEqual(['identity-ambiguous']);
  });
  it('counts a refused row as refused alone', () => {
    const rows = [{ ...base, name: ' 甲店 ', kind: '其他' }];
    expect(expectImport([...rows, ...rows], divisions).counts).toMatchObject({
      refused: 2,
      duplicate: 0,
      repaired: 0,
    });
  });
  it('takes off only the name of the committee: 刘言村 is 刘言村村委会', () => {
    const [one] = expectImport([{ ...base, village: '刘言村' }], divisions).establishments;
    expect(one?.village).toBe('371425101202');
  });
});

describe('working days', () => {
  const calendar = json(join(sample, 'calendar.json')) as Calendar;
  const due = (startOn: string, days: number) => addWorkingDays(startOn, days, calendar).dueOn;

  it('counts make-up days and leaves out holidays around the National Day of 2026', () => {
    expect(due('2026-09-18', 1)).toBe('2026-09-20');
    expect(due('2026-09-24', 1)).toBe('2026-09-28');
    expect(due('2026-09-30', 1)).toBe('2026-10-08');
    expect(due('2026-09-30', 3)).toBe('2026-10-10');
    expect(due('2026-09-30', 4)).toBe('2026-10-12');
    expect(due('2026-09-30', 10)).toBe('2026-10-20');
    expect(due('2026-09-21', 10)).toBe('2026-10-12');
    expect(due('2026-10-01', 1)).toBe('2026-10-08');
  });
  it('counts an ordinary week and the Spring Festival', () => {
    expect(due('2026-11-23', 5)).toBe('2026-11-30');
    expect(due('2026-02-13', 2)).toBe('2026-02-24');
    expect(due('2025-12-31', 1)).toBe('2026-01-04');
  });
  it('leaves a deadline open that reaches a year without a calendar', () => {
    expect(due('2026-12-25', 4)).toBe('2026-12-31');
    expect(addWorkingDays('2026-12-25', 5, calendar)).toMatchObject({
      dueOn: null,
      dueState: 'calendar-missing',
      missingYear: 2027,
      counted: ['2026-12-28', '2026-12-29', '2026-12-30', '2026-12-31'],
    });
    expect(dayIs('2027-10-01', calendar)).toBe('unknown');
  });
});

describe('the sample county', () => {
  let expected: ExpectedImport;
  let officials: RosterOfficial[];
  beforeAll(async () => {
    expected = await expectLedgerImport(join(sample, 'ledger.xlsx'), join(sample, 'divisions.csv'));
    officials = await readRoster(join(sample, 'roster.xlsx'));
  });

  it('imports to the counts its generator planted', () => {
    const planted = json(join(sample, 'ledger.planted.json')) as Planted & { expected: unknown };
    expect(expected.planted).toEqual(planted.planted);
    expect(expected.counts).toEqual(planted.expected);
  });
  it('holds 600 establishments of all ten kinds, 200 in each of two townships', () => {
    expect(expected.establishments).toHaveLength(600);
    expect(Object.keys(expected.byKind)).toHaveLength(10);
    expect(expected.byTownship).toMatchObject({ '371425101': 200, '371425102': 200 });
    expect(expected.byTier).toEqual({ A: 1, B: 17, C: 159, D: 423 });
  });
  it('has a checklist for each kind, and two for special food, made or sold', () => {
    const { checklists } = json(join(sample, 'checklists.json')) as {
      checklists: { code: string; kinds: string[]; items: unknown[] }[];
    };
    expect(Object.fromEntries(checklists.map(({ code, items }) => [code, items.length]))).toEqual({
      catering: 8,
      sale: 17,
      production: 12,
      'special-food': 15,
      'special-food-sale': 19,
      market: 4,
    });
    expect(checklists.flatMap(({ kinds }) => kinds).sort()).toEqual(
      [...Object.keys(expected.byKind), 'special-food'].sort(),
    );
  });
  it('can assign all but the one A, which is a gap', () => {
    const round = expectRound({ establishments: expected.establishments, officials, cap: caps });
    expect(round).toMatchObject({ due: 600, assigned: 599, gapCount: 1 });
    expect(round.gaps).toEqual([
      {
        establishment: expected.establishments.find(({ tier }) => tier === 'A')?.row,
        reason: 'no-official-at-level',
      },
    ]);
  });

  describe('the checker of assignments', () => {
    const check = (change: (round: ReturnType<typeof assignByRule>) => void, cap: Cap = caps) => {
      const round = assignByRule(expected.establishments, officials, caps);
      change(round);
      const violations = checkAssignments({
        establishments: expected.establishments,
        officials,
        ...round,
        cap,
      });
      return [...new Set(violations.map(({ rule }) => rule))].sort();
    };
    const tierOfRow = (row: unknown) =>
      expected.establishments.find((one) => one.row === row)?.tier;
    const villageOf = (row: unknown) =>
      expected.establishments.find((one) => one.row === row)?.village ?? '';
    const officialWhere = (test: (official: RosterOfficial) => boolean) =>
      officials.find(test)?.row ?? -1;

    it('agrees with a round that keeps the rules', () => {
      expect(check(() => undefined)).toEqual([]);
    });
    it('finds an establishment that nobody answers for', () => {
      expect(check(({ gaps }) => gaps.pop())).toEqual(['nobody-answers']);
    });
    it('finds a wrong level', () => {
      expect(
        check(({ assignments }) => {
          const one = assignments.find(({ establishment }) => tierOfRow(establishment) === 'D')!;
          one.official = officialWhere(({ level }) => level === 'county');
        }),
      ).toContain('wrong-level');
    });
    it('finds an official of another township', () => {
      expect(
        check(({ assignments }) => {
          const one = assignments.find(({ establishment }) => tierOfRow(establishment) === 'C')!;
          const own = villageOf(one.establishment).slice(0, 9);
          one.official = officialWhere(
            ({ level, division }) => level === 'township' && division !== own,
          );
        }),
      ).toContain('wrong-place');
    });
    it('finds a small one outside its own village though somebody is free there', () => {
      expect(
        check(({ assignments }) => {
          const one = assignments.find(
            ({ establishment }) =>
              tierOfRow(establishment) === 'D' && villageOf(establishment).startsWith('371425101'),
          )!;
          one.official = officialWhere(
            ({ level, division }) =>
              level === 'village' &&
              division.startsWith('371425101') &&
              division !== villageOf(one.establishment),
          );
        }),
      ).toEqual(['outside-own-village']);
    });
    it('finds leaders who carry unlike loads', () => {
      expect(
        check(({ assignments }) => {
          const mine = assignments.filter(
            ({ establishment }) =>
              tierOfRow(establishment) === 'C' && villageOf(establishment).startsWith('371425102'),
          );
          for (const one of mine) one.official = mine[0]!.official;
        }),
      ).toEqual(['not-spread']);
    });
    it('finds a load above the cap, and a gap where somebody is free', () => {
      expect(check(() => undefined, { village: 1 })).toEqual(['cap-exceeded']);
      expect(
        check(({ assignments, gaps }) => {
          const one = assignments.find(({ establishment }) => tierOfRow(establishment) === 'D')!;
          assignments.splice(assignments.indexOf(one), 1);
          gaps.push({ establishment: one.establishment, reason: 'no-official-at-level' });
        }),
      ).toEqual(['needless-gap', 'wrong-gap-reason']);
    });
    it('finds two officials for one, and a gap beside an assignment', () => {
      expect(
        check(({ assignments, gaps }) => {
          assignments.push({ ...assignments[0]!, id: 'again' });
          gaps.push({ establishment: assignments[1]!.establishment, reason: 'cap-reached' });
        }),
      ).toEqual(expect.arrayContaining(['assigned-twice', 'gap-and-assignment']));
    });
  });

  it('has one visit due for each establishment in the quarter', () => {
    expect(quarterOf('2026-11-23')).toEqual({
      period: '2026-Q4',
      from: '2026-10-01',
      to: '2026-12-31',
    });
    const date = '2026-11-23';
    const { establishments } = expected;
    const obligations = expectObligations({ establishments, date });
    expect(obligations).toHaveLength(600);
    expect(checkObligations({ establishments, obligations, date })).toEqual([]);
    const [first, second, ...rest] = obligations;
    const broken = [second!, second!, ...rest, { establishment: 'other', period: '2026-Q4' }];
    expect(
      checkObligations({ establishments, obligations: broken, date }).map(({ rule }) => rule),
    ).toEqual(['no-obligation', 'obligation-twice', 'needless-obligation']);
    expect(first?.dueOn).toBe('2026-12-31');
  });
  it('tells each person of each fact once', () => {
    const { assignments } = assignByRule(expected.establishments, officials, caps);
    const [one] = assignments;
    const messages: MessageLike[] = expectMessages({
      assignments: assignments.map((assignment) => ({ ...assignment, id: assignment.id! })),
      obligations: expectObligations({
        establishments: expected.establishments,
        date: '2026-11-23',
      }).map((obligation, index) => ({ ...obligation, id: index })),
      correctiveActions: [
        { id: 'first', establishment: one!.establishment },
        { id: 'second', establishment: one!.establishment, verifiedAt: '2026-11-23T08:00:00Z' },
      ],
    });
    expect(messages).toHaveLength(599 + 599 + 2 + 1);
    expect(checkMessages({ expected: messages, messages })).toEqual([]);
    const [first, second, ...rest] = messages;
    expect(
      checkMessages({ expected: messages, messages: [second!, second!, ...rest] }).map(
        ({ rule, subject }) => [rule, String(subject)],
      ),
    ).toEqual([
      ['not-told', String(first!.subject)],
      ['told-twice', String(second!.subject)],
    ]);
  });
});

onShared('the county ledger', () => {
  let rows: LedgerRow[];
  let expected: ExpectedImport;
  beforeAll(async () => {
    rows = await readLedger(join(shared, 'ledger-qihe.xlsx'));
    expected = expectImport(rows, await readDivisions(join(shared, 'divisions-qihe.csv')));
  });

  it('holds each kind of planted dirt exactly as often as it was planted', () => {
    const { planted, rows: count } = json(join(shared, 'ledger-qihe.planted.json')) as Planted;
    expect(rows).toHaveLength(count);
    expect(expected.planted).toEqual({ ...planted, 'area missing (warning)': 0 });
  });
  it('comes to the expected counts', () => {
    expect(expected.counts).toEqual({
      rows: 3936,
      created: 3787,
      updated: 0,
      unchanged: 0,
      refused: 109,
      duplicate: 40,
      repaired: 168,
      warned: 49,
    });
    expect(expected.byTier).toEqual({ A: 0, B: 87, C: 1504, D: 2196 });
  });
  it('has the tiers stated for it before refusals and repairs', () => {
    expect(tiersBeforeChecks(rows)).toEqual({ A: 0, B: 92, C: 1565, D: 2265 });
  });
  it('changes nothing when it is imported again', async () => {
    const divisions = await readDivisions(join(shared, 'divisions-qihe.csv'));
    const again = expectImport(rows, divisions, { known: expected.establishments });
    expect(again.counts).toMatchObject({ created: 0, updated: 0, unchanged: 3787 });
  });
  it('can be assigned whole, with those above a village cap going to a neighbour', async () => {
    const officials = await readRoster(join(shared, 'officials-qihe.xlsx'));
    const { establishments } = expected;
    const round = expectRound({ establishments, officials, cap: caps });
    expect(round).toMatchObject({ due: 3787, assigned: 3787, gapCount: 0, gaps: [] });
    expect(round.ownVillage).toBe(2196 - 56);
    const made = assignByRule(establishments, officials, caps);
    expect(checkAssignments({ establishments, officials, ...made, cap: caps })).toEqual([]);
  });
});
