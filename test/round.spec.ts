import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Service } from '#contracts';
import { eventually, Fleet, randomFrom, shuffled } from '#testing';
import { type CountedRows, recount } from './oracle/indicators.mjs';
import { type ExpectedImport, expectLedgerImport } from './oracle/ledger.mjs';
import {
  type AssignmentLike, checkAssignments, checkMessages, checkObligations, expectMessages, expectRound, type Level, type MessageLike,
  quarterOf, readRoster,
} from './oracle/round.mjs'; // prettier-ignore
import { addWorkingDays, type Calendar } from './oracle/working-days.mjs';

interface Establishment {
  id: string;
  division: string;
  name: string;
  uscc: string | null;
  kind: string;
  tier: 'A' | 'B' | 'C' | 'D';
  area: number | null;
  status: string;
}
interface Finding {
  row: number;
  rule: string;
  repairedTo: string | null;
}
interface Official {
  id: string;
  division: string;
  level: Level;
  name: string;
  post: string;
  qualifiedAt: string | null;
}
interface Assignment {
  id: string;
  establishmentId: string;
  officialId: string;
  warning: string | null;
  endedAt: string | null;
}
interface Proposal {
  id: string;
  state: string;
  counts: Record<string, number>;
}
interface Obligation {
  id: string;
  establishmentId: string;
  period: string;
  dueOn: string;
  state: string;
  officialId: string | null;
  inspectionId: string | null;
}
interface Action {
  id: string;
  establishmentId: string;
  inspectionId: string;
  item: string;
  state: string;
  startOn: string;
  dueOn: string | null;
  dueState: string;
  deadline: { counted: string[]; skipped: { on: string }[]; missingYear: number | null };
}
interface Message {
  id: string;
  kind: MessageLike['kind'];
  subjectId: string;
  officialId: string | null;
  readAt: string | null;
}
interface Visit {
  id: string;
  warning: string | null;
  obligationId: string | null;
  findings: { item: string; handling: string; correctiveActionId: string | null }[];
}
type Answer = Awaited<ReturnType<Fleet['call']>>;

const services: Service[] = ['registry', 'assignment', 'inspection', 'training', 'notification', 'identity']; // prettier-ignore
const cap = { village: 40, township: 120, county: 60, city: 60 };
const folder = 'apps/platform/sample';
const shared = process.env['SHARED_DATA'] ?? '../shared/data';
const json = async <T>(path: string): Promise<T> => JSON.parse(await readFile(path, 'utf8')) as T;
const say = (line: string): void => void process.stderr.write(`round: ${line}\n`);
/** The calendar date of an instant where the county lies. */
const dateOf = (instant: Date): string =>
  new Intl.DateTimeFormat('sv-SE', { timeZone: 'Asia/Shanghai' }).format(instant);

interface Ledger {
  ledger: string;
  planted: string;
  roster: string;
  divisions: string;
}
const ledgers: Record<string, Ledger> = {
  'the sample ledger': {
    ledger: join(folder, 'ledger.xlsx'),
    planted: join(folder, 'ledger.planted.json'),
    roster: join(folder, 'roster.xlsx'),
    divisions: join(folder, 'divisions.csv'),
  },
  'the county ledger': {
    ledger: join(shared, 'ledger-qihe.xlsx'),
    planted: join(shared, 'ledger-qihe.planted.json'),
    roster: join(shared, 'officials-qihe.xlsx'),
    divisions: join(shared, 'divisions-qihe.csv'),
  },
};

/** The whole round over separate processes, through HTTP alone; each step is judged by the oracle before the next. */
for (const [name, files] of Object.entries(ledgers)) {
  // The county ledger is not part of the project: where it is absent its round is skipped, and says so.
  const here = [files.ledger, files.planted, files.roster, files.divisions].every(existsSync);
  if (!here) process.stderr.write(`SKIPPED: the round on ${name}; set SHARED_DATA to its folder\n`);
  (here ? describe : describe.skip)(`the round on ${name}`, () => {
    let fleet: Fleet;
    let expected: ExpectedImport;
    let establishments: Establishment[];
    let officials: Official[];
    let assignments: Assignment[];
    let visitor: Official;
    let visited: Establishment[];
    let begun = 0;

    const call = async (account: string, service: Service, method: string, path: string, body?: unknown, headers = {}): Promise<Answer> =>
      fleet.call(service, method, path, { token: await fleet.token(account), headers, ...(body === undefined ? {} : { body }) }); // prettier-ignore
    const every = async <T>(account: string, service: Service, path: string): Promise<T[]> =>
      fleet.every<T>(service, path, await fleet.token(account));
    const current = async (): Promise<(AssignmentLike & { id: string })[]> =>
      (await every<Assignment>('county', 'assignment', '/v1/assignments')).map(({ id, establishmentId, officialId, endedAt }) => ({
        id, establishment: establishmentId, official: officialId, endedAt,
      })); // prettier-ignore
    const gaps = async (): Promise<{ establishment: string; reason: string }[]> =>
      (await every<{ establishmentId: string; reason: string }>('county', 'assignment', '/v1/gaps')).map(({ establishmentId, reason }) => ({
        establishment: establishmentId, reason,
      })); // prettier-ignore
    const township = (): string => visitor.division.slice(0, 9);

    beforeAll(async () => {
      begun = Date.now();
      const seed = Number(process.env['FOODWARDEN_SEED'] ?? Date.now() % 1_000_000);
      fleet = await Fleet.make(services);
      // Any start order will do: several processes of two services, all of them before there is any NATS.
      const order = shuffled([...services, 'assignment', 'inspection'] as const, randomFrom(seed));
      say(`${name}: seed ${seed}, started as ${order.join(', ')}, nats`);
      for (const service of order) await fleet.run(service);
      await fleet.startNats();
      await fleet.deployBus();
      await fleet.enrol([
        { name: 'county', role: 'county-admin', division: '371425' },
        { name: 'county-2', role: 'county-admin', division: '371425' },
      ]);
    }, 180_000);
    afterAll(() => fleet?.stop(), 60_000);
    beforeEach(() => void (begun ||= Date.now()));
    afterEach(() => {
      say(`${name}: ${((Date.now() - begun) / 1000).toFixed(1)} s ${expect.getState().currentTestName?.replace(/^the round on the \w+ ledger /, '') ?? ''}`); // prettier-ignore
      begun = 0;
    });

    it('is ready though NATS came last, and loses no fact of the time before', async () => {
      for (const service of services)
        for (const { port } of fleet.running(service)) {
          const ready = async (): Promise<number> =>
            (await fetch(`http://127.0.0.1:${port}${service === 'identity' ? '' : '/api'}/${service}/health/ready`)).status; // prettier-ignore
          expect([service, await eventually(ready, (status) => status === 200, 30_000)]).toEqual([service, 200]); // prettier-ignore
        }
      expect(['assignment', 'inspection', 'registry'].map((one) => fleet.running(one as Service).length)).toEqual([2, 2, 1]); // prettier-ignore
      const lists = await eventually(
        () => fleet.rows<{ n: number }>('assignment', 'select count(*)::int as n from division_list'), // prettier-ignore
        ([row]) => row?.n === 16,
        30_000,
      );
      expect(lists).toEqual([{ n: 16 }]);
    }, 60_000);

    it('lands the ledger', async () => {
      expected = await expectLedgerImport(files.ledger, files.divisions);
      const { planted } = await json<{ planted: Record<string, number> }>(files.planted);
      expect(expected.planted).toMatchObject(planted);
      const landed = await fleet.land('registry', '/v1/ledger-imports', await fleet.token('county'), await readFile(files.ledger)); // prettier-ignore
      expect([landed.state, landed.failure, landed.counts]).toEqual([
        'done',
        null,
        expected.counts,
      ]);
      const findings = await every<Finding>('county', 'registry', `/v1/ledger-imports/${landed.id}/findings`); // prettier-ignore
      // How a pair of coordinates is written down is nobody's promise.
      const told = ({ row, rule, repairedTo }: Finding): string => `${row} ${rule} ${rule === 'coordinates-swapped' ? '' : (repairedTo ?? '')}`; // prettier-ignore
      expect(findings.map(told).sort()).toEqual(expected.findings.map(told).sort());
      establishments = await every<Establishment>('county', 'registry', '/v1/establishments');
      const count = (of: (one: Establishment) => string): Record<string, number> => {
        const counts: Record<string, number> = {};
        for (const one of establishments) counts[of(one)] = (counts[of(one)] ?? 0) + 1;
        return counts;
      };
      expect({ A: 0, B: 0, C: 0, D: 0, ...count(({ tier }) => tier) }).toEqual(expected.byTier);
      expect(count(({ division }) => division.slice(0, 9))).toEqual(expected.byTownship);
      expect(count(({ kind }) => kind)).toEqual(expected.byKind);
      const line = (one: { name: string; uscc: string | null; kind: string; tier: string }, village: string, area: number | null): string =>
        [village, one.name, one.uscc, one.kind, one.tier, area].join('|'); // prettier-ignore
      expect(establishments.map((one) => line(one, one.division, one.area)).sort()).toEqual(
        expected.establishments.map((one) => line(one, one.village, one.areaSquareMetres)).sort(),
      );
    }, 120_000);

    it('lands the roster', async () => {
      const roster = await readRoster(files.roster);
      const landed = await fleet.land('assignment', '/v1/roster-imports', await fleet.token('county'), await readFile(files.roster)); // prettier-ignore
      expect([landed.state, landed.counts]).toMatchObject(['done', { rows: roster.length, created: roster.length, refused: 0 }]); // prettier-ignore
      officials = await every<Official>('county', 'assignment', '/v1/officials');
      const key = (one: Omit<Official, 'id' | 'qualifiedAt'>): string => [one.division, one.level, one.post, one.name].join('|'); // prettier-ignore
      expect(officials.map(key).sort()).toEqual(roster.map(key).sort());
    }, 120_000);

    it('names somebody who answers for each establishment, with the word of a second person', async () => {
      await eventually(gaps, ({ length }) => length === establishments.length, 60_000);
      const made = await call('county', 'assignment', 'POST', '/v1/proposals', { division: '371425' }); // prettier-ignore
      expect(made.status).toBe(201);
      const { id, counts } = made.body as Proposal;
      expect(counts['untrained']).toBe(counts['assigned']);
      expect(await call('county', 'assignment', 'POST', `/v1/proposals/${id}/approval`)).toMatchObject({ status: 403, body: { code: 'own-act' } }); // prettier-ignore
      expect(await call('county-2', 'assignment', 'POST', `/v1/proposals/${id}/approval`)).toMatchObject({ status: 200, body: { state: 'approved' } }); // prettier-ignore
      const [made_, left] = [await current(), await gaps()];
      expect(checkAssignments({ establishments, officials, assignments: made_, gaps: left, cap })).toEqual([]); // prettier-ignore
      const round = expectRound({ establishments, officials, cap });
      expect([made_.length, left.length]).toEqual([round.assigned, round.gapCount]);
      const own = new Map(officials.map((one) => [one.id, one.division]));
      const at = new Map(establishments.map((one) => [one.id, one.division]));
      expect(made_.filter((one) => own.get(one.official as string) === at.get(one.establishment as string))).toHaveLength(round.ownVillage); // prettier-ignore
      assignments = await every<Assignment>('county', 'assignment', '/v1/assignments');
    }, 120_000);

    it('opens the visits due in this quarter, each with who answers', async () => {
      const date = dateOf(new Date());
      const { period, to } = quarterOf(date);
      const run = await call('county', 'inspection', 'POST', '/v1/obligation-runs', { period });
      expect(run.status).toBe(202);
      const read = (): Promise<Obligation[]> => every<Obligation>('county', 'inspection', `/v1/obligations?period=${period}`); // prettier-ignore
      const path = run.headers.get('location')?.replace('/api/inspection', '') ?? '';
      await eventually(
        async () => (await call('county', 'inspection', 'GET', path)).body as { state: string },
        ({ state }) => state === 'done',
        60_000,
      );
      const answers = new Map(assignments.map((one) => [one.establishmentId, one.officialId]));
      const judge = (all: Obligation[]): object[] => [
        ...checkObligations({ establishments, obligations: all.map(({ id, establishmentId, period: of }) => ({ id, establishment: establishmentId, period: of })), date }),
        ...all.filter(({ establishmentId, officialId }) => officialId !== (answers.get(establishmentId) ?? null)),
        ...all.filter(({ dueOn, state }) => dueOn !== to || state !== 'open'),
      ]; // prettier-ignore
      expect(judge(await eventually(read, (all) => judge(all).length === 0, 60_000))).toEqual([]);
    }, 120_000);

    let actions: Action[];
    const act = (
      account: string,
      { id }: Action,
      name: string,
      body: object = {},
    ): Promise<Answer> =>
      call(account, 'inspection', 'POST', `/v1/corrective-actions/${id}/${name}`, body);
    const draft = async (
      one: Establishment,
      visitedAt: Date,
      findings: object[],
    ): Promise<object> => {
      const { checklists } = await json<{ checklists: { kinds: string[]; items: { code: string }[] }[] }>(join(folder, 'checklists.json')); // prettier-ignore
      const { items } = checklists.find(({ kinds }) => kinds.includes(one.kind))!;
      const failing = items.slice(0, findings.length).map(({ code }) => code);
      return {
        establishmentId: one.id, method: 'on-site', visitedAt: visitedAt.toISOString(), operator: { answer: 'signed', signedBy: '王某' },
        results: items.map(({ code }) => ({ item: code, result: failing.includes(code) ? 'fail' : 'pass' })),
        findings: findings.map((finding, index) => ({ item: failing[index], text: `第${index + 1}项不合格`, ...finding })),
      }; // prettier-ignore
    };

    it('takes a visit with findings of all three handlings, and counts the deadlines', async () => {
      const loads = new Map<string, Establishment[]>();
      for (const { officialId, establishmentId } of assignments)
        loads.set(officialId, [...(loads.get(officialId) ?? []), establishments.find(({ id }) => id === establishmentId)!]); // prettier-ignore
      visitor = officials.find(({ id, level }) => level === 'village' && (loads.get(id)?.length ?? 0) >= 3)!; // prettier-ignore
      visited = loads.get(visitor.id)!;
      await fleet.enrol([
        { name: 'official', role: 'official', division: township(), official: visitor.id },
        { name: 'office', role: 'office', division: township() },
        { name: 'office-2', role: 'office', division: township() },
      ]);
      const now = new Date(Date.now() - 60_000);
      const body = await draft(visited[0]!, now, [{ handling: 'on-spot' }, { handling: 'deadline' }, { handling: 'referral' }]); // prettier-ignore
      const key = { 'idempotency-key': 'the-first-visit' };
      const first = await call('official', 'inspection', 'POST', '/v1/inspections', body, key);
      expect(first).toMatchObject({ status: 201, body: { warning: 'official-untrained', counts: true } }); // prettier-ignore
      const again = await call('official', 'inspection', 'POST', '/v1/inspections', body, key);
      expect([again.status, again.body]).toEqual([201, first.body]);
      const visit = first.body as Visit;
      expect(visit.findings.map(({ handling, correctiveActionId }) => [handling, correctiveActionId !== null])).toEqual([['on-spot', false], ['deadline', true], ['referral', false]]); // prettier-ignore
      const [due] = await every<Obligation>('county', 'inspection', `/v1/obligations?establishment=${visited[0]!.id}`); // prettier-ignore
      expect(due).toMatchObject({ id: visit.obligationId, state: 'settled', inspectionId: visit.id }); // prettier-ignore
      const long = await call('official', 'inspection', 'POST', '/v1/inspections', await draft(visited[1]!, now, [{ handling: 'deadline', workingDays: 30 }])); // prettier-ignore
      expect(long.status).toBe(201);
      actions = await every<Action>('office', 'inspection', '/v1/corrective-actions');
      expect(actions.map(({ inspectionId }) => inspectionId).sort()).toEqual([visit.id, (long.body as Visit).id].sort()); // prettier-ignore
      const calendar = await json<Calendar>(join(folder, 'calendar.json'));
      for (const one of actions) {
        const { dueOn, dueState, counted, skipped, missingYear } = addWorkingDays(dateOf(now), one.inspectionId === visit.id ? 10 : 30, calendar); // prettier-ignore
        expect(one).toMatchObject({ startOn: dateOf(now), dueOn, dueState, deadline: { counted, missingYear } }); // prettier-ignore
        expect(one.deadline.skipped.map(({ on }) => on)).toEqual(skipped);
      }
      actions.sort((one) => (one.inspectionId === visit.id ? -1 : 1));
    }, 120_000);

    it('sees the correction through to its closure, verified by somebody else', async () => {
      const [action] = actions as [Action, Action];
      expect(await act('office', action, 'response', { text: '已修复' })).toMatchObject({ status: 200, body: { state: 'responded' } }); // prettier-ignore
      expect(await act('office', action, 'verification', { outcome: 'corrected' })).toMatchObject({ status: 403, body: { code: 'own-act' } }); // prettier-ignore
      expect(await act('office-2', action, 'closure')).toMatchObject({ status: 409 });
      expect(await act('office-2', action, 'verification', { outcome: 'corrected' })).toMatchObject({ status: 200, body: { state: 'verified' } }); // prettier-ignore
      expect(await act('office-2', action, 'closure')).toMatchObject({ status: 200, body: { state: 'closed' } }); // prettier-ignore
    }, 60_000);

    it('certifies the induction, and the warning is gone', async () => {
      const known = (): Promise<{ officialId: string }[]> => every('office', 'training', '/v1/officials'); // prettier-ignore
      const there = (await eventually(known, (all) => all.some(({ officialId }) => officialId === visitor.id), 30_000)).slice(0, 2000).map(({ officialId }) => officialId); // prettier-ignore
      const held = await call('office', 'training', 'POST', '/v1/sessions', { title: '岗前培训', place: '会议室', heldAt: new Date(Date.now() - 3_600_000).toISOString() }); // prettier-ignore
      expect(held.status).toBe(201);
      const attended = await call('office', 'training', 'POST', `/v1/sessions/${(held.body as { id: string }).id}/attendances`, { officials: there }); // prettier-ignore
      expect(attended).toMatchObject({ status: 200, body: { recorded: there.length, certified: there.length } }); // prettier-ignore
      const certificates = await every<{ officialId: string }>('office', 'training', '/v1/certificates'); // prettier-ignore
      expect(certificates.map(({ officialId }) => officialId).sort()).toEqual([...there].sort());
      await eventually(
        () => every<Official>('county', 'assignment', `/v1/officials?division=${township()}`),
        (all) => all.filter(({ qualifiedAt }) => qualifiedAt !== null).length === there.length,
        30_000,
      );
      const proposed = await call('county', 'assignment', 'POST', '/v1/proposals', { division: '371425' }); // prettier-ignore
      const { counts } = proposed.body as Proposal;
      const trained = assignments.filter(({ officialId }) => there.includes(officialId)).length;
      expect([counts['kept'], counts['untrained']]).toEqual([assignments.length, assignments.length - trained]); // prettier-ignore
      await fleet.quiet();
      const visit = await call('official', 'inspection', 'POST', '/v1/inspections', await draft(visited[2]!, new Date(Date.now() - 60_000), [])); // prettier-ignore
      expect(visit).toMatchObject({ status: 201, body: { warning: null } });
    }, 120_000);

    it('tells everybody concerned once, and keeps that they have read it', async () => {
      await fleet.quiet();
      for (const service of services.filter((one) => one !== 'identity'))
        expect([service, (await fleet.metric(service, 'foodwarden_outbox_depth')).some((depth) => depth > 0)]).toEqual([service, false]); // prettier-ignore
      const all = await every<Message>('county', 'notification', '/v1/messages');
      const messages = all.flatMap(({ kind, subjectId, officialId }) => (officialId ? [{ kind, subject: subjectId, official: officialId }] : [])); // prettier-ignore
      const wanted = expectMessages({
        assignments: await current(),
        obligations: (await every<Obligation>('county', 'inspection', '/v1/obligations')).map(({ id, establishmentId, period }) => ({ id, establishment: establishmentId, period })),
        correctiveActions: (await every<Action>('county', 'inspection', '/v1/corrective-actions')).map(({ id, establishmentId, state }) => ({
          id, establishment: establishmentId, verifiedAt: state === 'closed' ? 'yes' : null,
        })),
      }); // prettier-ignore
      expect(checkMessages({ expected: wanted, messages })).toEqual([]);
      const undertakings = await every<{ id: string; officialId: string; state: string }>('county', 'assignment', '/v1/undertakings'); // prettier-ignore
      const undertakers = new Set(undertakings.map(({ officialId }) => officialId));
      expect(undertakers.size).toBe(undertakings.length); // nobody changed, so each has one
      expect(messages).toHaveLength(wanted.length + undertakings.length); // and nobody else was told
      const toSign = messages.filter(({ kind }) => kind === 'undertaking-due').map(({ subject }) => subject); // prettier-ignore
      expect(toSign.sort()).toEqual(undertakings.map(({ id }) => id).sort());
      const [, long] = actions as [Action, Action];
      const roles = long.dueState === 'set' ? [] : ['calendar-missing']; // told by the sweep, a moment later
      await eventually(
        async () => (await every<Message>('county', 'notification', '/v1/messages?mine=true')).map(({ kind }) => kind),
        (kinds) => JSON.stringify(kinds) === JSON.stringify(roles),
      ); // prettier-ignore
      const mine = await every<Message>('official', 'notification', '/v1/messages?mine=true');
      expect(mine.every(({ officialId }) => officialId === visitor.id)).toBe(true);
      const path = `/v1/messages/${mine[0]!.id}/receipt`;
      expect(await call('county', 'notification', 'POST', path)).toMatchObject({ status: 403 });
      const read = await call('official', 'notification', 'POST', path);
      expect([read.status, (read.body as Message).readAt]).toEqual([200, expect.any(String)]);
      expect((await every<Message>('official', 'notification', '/v1/messages?mine=true&read=true')).map(({ id }) => id)).toEqual([mine[0]!.id]); // prettier-ignore
    }, 120_000);

    it('scores the county, its townships and a village as a recount of the rows does, and opens the rows', async () => {
      await fleet.quiet();
      const period = quarterOf(dateOf(new Date())).period;
      const rows: CountedRows = {
        establishments: await fleet.rows('registry', `select id, division, status, tier, kind from establishment`),
        officials: await fleet.rows('assignment', `select id, division, level, active from official`),
        assignments: await fleet.rows('assignment', `select division, establishment_id as "establishmentId", official_id as "officialId", ended_at as "endedAt" from assignment`),
        undertakings: await fleet.rows('assignment', `select division, official_id as "officialId", state,
          array(select one->>'establishmentId' from jsonb_array_elements(establishments) one) as establishments from undertaking`),
        obligations: await fleet.rows('inspection', `select division, period, state from obligation`),
        actions: await fleet.rows('inspection', `select division, start_on::text as "startOn", state, overdue, steps from corrective_action`),
        certificates: await fleet.rows('training', `select division, official_id as "officialId" from certificate`),
        messages: await fleet.rows('notification', `select division, audience, read_at as "readAt" from message`),
      };
      for (const division of ['371425', township(), '371425102', visited[0]!.division]) {
        const shown: Record<string, object> = {};
        for (const service of services.filter((one) => one !== 'identity')) {
          const { items } = (await call('county', service, 'GET', `/v1/indicators?division=${division}`)).body as {
            items: { code: string; numerator: number; denominator: number; rows: Record<'numerator' | 'denominator', string> }[];
          };
          for (const { code, numerator, denominator, rows: addresses } of items) {
            shown[code] = { numerator, denominator };
            for (const [part, count] of [['numerator', numerator], ['denominator', denominator]] as const)
              if (division.length > 6) // the county's rows are some thousand a number
                expect([code, (await every('county', service, addresses[part].replace(`/api/${service}`, ''))).length]).toEqual([code, count]);
          }
        }
        expect([division, shown]).toEqual([division, recount(rows, division, period)]);
      }
    }, 120_000); // prettier-ignore

    it('has set no fact aside', async () => {
      await fleet.quiet();
      for (const service of services.filter((one) => one !== 'identity'))
        expect([service, await fleet.rows(service, 'select type, cause from dead_letter')]).toEqual([service, []]); // prettier-ignore
    }, 60_000);
  });
}
