import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { everywhere, judge, listenersIn, tables } from './chaos.mjs';
import type { ChaosRun, Fault, Operation, Row } from './chaos.mjs';
import { recount } from './indicators.mjs';
import type { CountedRows } from './indicators.mjs';

/*
 * The judge is believed because it is shown a small county where all is well, and then the same county with one thing
 * wrong, for every rule and for every row and column that it claims to look at.
 */

const listeners = listenersIn(
  readFileSync(join(import.meta.dirname, '../../docs/asyncapi.yaml'), 'utf8'),
);
const county = '371425';
const village = '371425101201';
const start = Date.parse('2026-11-25T02:00:00Z');
const at = (seconds: number): string => new Date(start + seconds * 1000).toISOString();
const services = Object.keys(tables);

let drawn = 0;
const uuid = (): string => `01a21240-0000-7000-8000-${String(++drawn).padStart(12, '0')}`;

/** A county by hand: one shop with its whole story, one closed, two of a sheet, and who answers for them. */
class Ground {
  readonly final: ChaosRun['final'] = {};
  readonly history: Operation[] = [];
  private clock = 0;

  constructor() {
    for (const service of services)
      this.final[service] = Object.fromEntries(
        Object.keys({ ...everywhere, ...tables[service] }).map((name) => [name, []]),
      );
  }

  table(service: string, name: string): Row[] {
    return this.final[service]![name]!;
  }

  tick(): number {
    return ++this.clock;
  }

  /** A fact in its journal, applied by each that listens. */
  fact(type: string, aggregate: string, sequence: number, division: string, data: Row): void {
    const service = type.split('.')[0]!;
    const journal = this.table(service, 'journal');
    const id = uuid();
    const seconds = this.tick();
    journal.push({
      id: journal.length + 1,
      event_id: id,
      type,
      division,
      aggregate_id: aggregate,
      sequence,
      recorded_at: at(seconds),
      committed_at: start + seconds * 1000,
      event: { id, type, subject: aggregate, sequence, division, source: `/services/${service}`, data },
    }); // prettier-ignore
    for (const one of listeners.get(type) ?? [])
      this.table(one, 'inbox').push({ consumer: one, event_id: id, event_at: at(seconds), applied_at: at(seconds) }); // prettier-ignore
  }

  /** An operation with its answer kept under its key. */
  operate(kind: string, sent: Row, got: Row, service: string, keyed = true): Operation {
    const n = this.history.length;
    const seconds = this.tick();
    const op: Operation = {
      client: 'c0',
      n,
      kind,
      at: start + seconds * 1000,
      until: start + seconds * 1000,
      outcome: 'acknowledged',
      status: 201,
      mark: `c0x${n}z`,
      key: `key-${n}`,
      attempts: 1,
      sent,
      got,
    };
    this.history.push(op);
    if (keyed)
      this.table(service, 'idempotency_key').push({ actor: 'a', route: kind, key: op.key, answer: got }); // prettier-ignore
    return op;
  }

  /** It is over when its facts are committed. */
  done(op: Operation): void {
    op.until = start + this.tick() * 1000;
  }
}

function good(): ChaosRun {
  drawn = 0;
  const ground = new Ground();
  const put = (service: string, name: string, ...rows: Row[]): void =>
    void ground.table(service, name).push(...rows);

  // What the run began with: divisions, a calendar, two officials, an account, a certificate.
  const listed = { name: '齐河县', below: [{ division: '371425101', name: '表白寺镇' }] };
  put('registry', 'division', { division: county, name: '齐河县', level: 'county', version: 1, listed }); // prettier-ignore
  ground.fact('registry.divisions.listed.v1', uuid(), 1, county, { division: county, ...listed });
  for (const service of ['assignment', 'identity', 'inspection', 'training', 'notification'])
    put(service, 'division_list', { division: county, sequence: 1, ...listed });
  const [calendar, holidays] = [uuid(), [{ on: '2026-11-27', name: '假' }]];
  const year = { division: county, year: 2026, holidays, workdays: ['2026-11-28'] };
  put('registry', 'calendar_year', { id: calendar, version: 1, source: 's', ...year });
  put('inspection', 'calendar_year', { sequence: 1, ...year });
  ground.fact('registry.calendar.announced.v1', calendar, 1, county, { ...year, source: 's' });
  const officials = ['甲', '乙'].map((name) => {
    const id = uuid();
    const said = { division: village, level: 'village', name, post: '书记', active: true };
    put('assignment', 'official', { id, version: 1, qualified_at: null, ...said });
    put('training', 'official', { official_id: id, sequence: 1, ...said });
    put('identity', 'official_copy', { official_id: id, sequence: 1, division: village, active: true }); // prettier-ignore
    put('notification', 'subscriber_official', { official_id: id, sequence: 1, place: village, active: true }); // prettier-ignore
    ground.fact('assignment.official.changed.v1', id, 1, village, { officialId: id, ...said });
    return id;
  });
  const [first, second] = officials as [string, string];
  const account = uuid();
  const said = { accountId: account, division: county, role: 'county-admin', official: null, active: true, version: 1 }; // prettier-ignore
  for (const service of services)
    put(service, 'account_cutoff', { account_id: account, version: 1, active: true });
  put('notification', 'subscriber_account', { account_id: account, version: 1, active: true, role: 'county-admin', place: county, official_id: null }); // prettier-ignore
  ground.fact('identity.account.changed.v1', account, 1, county, said);
  const certificate = uuid();
  put('training', 'certificate', { id: certificate, version: 1, division: village, official_id: first, requirement: 'official-induction', issued_at: at(0) }); // prettier-ignore
  put('inspection', 'qualification', {
    official_id: first,
    division: village,
    qualified_at: at(-3600),
  });
  ground.table('assignment', 'official')[0]!['qualified_at'] = at(0);
  ground.fact('training.certificate.issued.v1', certificate, 1, village, { certificateId: certificate, division: village, officialId: first, requirement: 'official-induction', issuedAt: at(0), heldAt: at(-3600) }); // prettier-ignore
  put('inspection', 'obligation_run', { id: uuid(), division: county, period: '2026-Q4', state: 'done', opened: 0 }); // prettier-ignore
  const startedAt = start + (ground.tick() + 1) * 1000;
  ground.tick();

  /** A step of an establishment, and its copies. */
  const stepOf = (row: Row, verb: 'registered' | 'changed'): void => {
    const { id, division, version, name, kind, tier, status, address } = row;
    ground.fact(`registry.establishment.${verb}.v1`, id as string, version as number, division as string, { establishmentId: id, division, name, kind, tier, status, address }); // prettier-ignore
    for (const service of ['assignment', 'inspection']) {
      const copies = ground.table(service, 'premises');
      const copy = { establishment_id: id, division, sequence: version, name, kind, tier, status, ...(service === 'inspection' ? { address } : {}) }; // prettier-ignore
      const held = copies.find((one) => one['establishment_id'] === id);
      if (held) Object.assign(held, copy);
      else copies.push(copy);
    }
  };
  const told = (kind: string, subject: string, official: string, sequence: number, about: Row, occasion: string | null = null): void =>
    put('notification', 'message', { id: uuid(), division: village, version: 1, kind, subject_id: subject, sequence, audience: 'official', official_id: official, about, occasion, read_at: null }); // prettier-ignore
  const toldOffice = (kind: string, subject: string, sequence: number, about: Row, occasion: string | null = null): void =>
    put('notification', 'message', { id: uuid(), division: village.slice(0, 9), version: 1, kind, subject_id: subject, sequence, audience: 'office', official_id: null, about, occasion, read_at: null }); // prettier-ignore
  const obligationOf = (row: Row): Row => {
    const id = uuid();
    const due = { id, division: village, version: 1, establishment_id: row['id'], establishment_name: row['name'], tier: row['tier'], period: '2026-Q4', due_on: '2026-12-31', state: 'open', official_id: null, inspection_id: null }; // prettier-ignore
    put('inspection', 'obligation', due);
    dueFact('opened', due);
    return due;
  };
  const dueFact = (verb: string, due: Row): void =>
    ground.fact(`inspection.obligation.${verb}.v1`, due['id'] as string, due['version'] as number, village, {
      obligationId: due['id'], division: village, establishmentId: due['establishment_id'], establishmentName: due['establishment_name'],
      period: due['period'], dueOn: due['due_on'], state: due['state'], officialId: due['official_id'], inspectionId: due['inspection_id'],
    }); // prettier-ignore

  // Two are registered; one is corrected, the other closed; a sheet brings two more.
  const shops: Row[] = [];
  for (const n of [0, 1]) {
    const id = uuid();
    const wanted = { division: village, name: `店 c0x${n}z`, address: `${n}号`, kind: 'small-catering' }; // prettier-ignore
    const op = ground.operate('register', wanted, { id, version: 1 }, 'registry');
    const row: Row = { id, version: 1, uscc: null, area: null, tier: 'D', status: 'open', created_at: at(1), ...wanted }; // prettier-ignore
    put('registry', 'establishment', row);
    stepOf(row, 'registered');
    ground.done(op);
    shops.push(row);
    row['due'] = obligationOf(row);
  }
  const [shop, gone] = shops as [Row, Row];
  const correct = ground.operate('correct', { id: shop['id'], version: 1, name: '店 c0x2z', area: 20 }, { id: shop['id'], version: 2 }, 'registry', false); // prettier-ignore
  Object.assign(shop, { name: '店 c0x2z', area: 20, version: 2 });
  stepOf(shop, 'changed');
  ground.done(correct);
  const due = shop['due'] as Row;
  due['establishment_name'] = '店 c0x2z';
  const close = ground.operate('close', { id: gone['id'], version: 1, status: 'closed' }, { id: gone['id'], version: 2 }, 'registry', false); // prettier-ignore
  Object.assign(gone, { status: 'closed', version: 2 });
  stepOf(gone, 'changed');
  ground.done(close);
  const withdrawn = gone['due'] as Row;
  Object.assign(withdrawn, { state: 'withdrawn', version: 2 });
  dueFact('withdrawn', withdrawn);
  const sheet = uuid();
  const counts = { rows: 3, created: 2, updated: 0, unchanged: 0, refused: 0, duplicate: 1, repaired: 0, warned: 0 }; // prettier-ignore
  const landed = ground.operate('import', { rows: 3 }, { id: sheet, counts }, 'registry');
  put('registry', 'ledger_import', { id: sheet, dry_run: false, state: 'done', total_rows: 3, done_rows: 3, counts, created_at: at(ground.tick()) }); // prettier-ignore
  for (const n of [2, 3]) {
    const row: Row = { id: uuid(), version: 1, division: village, name: `c0x4zr${n}`, address: '街', kind: 'small-catering', uscc: null, area: null, tier: 'D', status: 'open', created_at: at(2) }; // prettier-ignore
    put('registry', 'establishment', row);
    put('registry', 'ledger_import_effect', { import_id: sheet, row: n, establishment_id: row['id'], version: 1, before: null }); // prettier-ignore
    stepOf(row, 'registered');
    obligationOf(row);
    shops.push(row);
  }
  ground.done(landed);

  const signFact = (verb: string, one: Row): void =>
    ground.fact(`assignment.undertaking.${verb}.v1`, one['id'] as string, one['version'] as number, village, {
      undertakingId: one['id'], division: village, officialId: one['official_id'], state: one['state'], establishments: 1, listSha256: 'a', documentSha256: 'b',
      signedAt: one['signed_at'], staleAt: one['stale_at'], staleReason: one['stale_reason'], added: one['stale_added'], removed: one['stale_removed'],
    }); // prettier-ignore

  // One proposal gives the shop to the first; a second gives it to the other.
  const responsible = new Map<string, Row>();
  for (const official of [first, second]) {
    const proposal = uuid();
    const shown = { establishments: 2, assigned: 1, skipped: 0 };
    const op = ground.operate('propose', { division: county }, { id: proposal, version: 1 }, 'assignment'); // prettier-ignore
    const row: Row = { id: proposal, version: 1, division: county, state: 'open', counts: shown, proposed_at: at(ground.tick()), approved_at: null }; // prettier-ignore
    put('assignment', 'proposal', row);
    put('assignment', 'proposal_line', { proposal_id: proposal, establishment_id: shop['id'], tier: 'D', official_id: official }); // prettier-ignore
    put('assignment', 'proposal_line', { proposal_id: proposal, establishment_id: shops[2]!['id'], tier: 'D', official_id: null }); // prettier-ignore
    ground.done(op);
    const approve = ground.operate('approve', { id: proposal }, { id: proposal, version: 2 }, 'assignment'); // prettier-ignore
    Object.assign(row, { state: 'approved', version: 2, approved_at: at(ground.tick()) });
    const answersFact = (verb: string, one: Row): void => {
      const { establishment_id, official_id, official_name, official_post, official_level, made_at, ended_at } = one; // prettier-ignore
      ground.fact(`assignment.assignment.${verb}.v1`, one['id'] as string, one['version'] as number, village, {
        assignmentId: one['id'], division: village, establishmentId: establishment_id, tier: one['tier'], officialId: official_id, officialName: official_name,
        officialPost: official_post, officialLevel: official_level, establishmentName: one['establishment_name'], madeAt: made_at, endedAt: ended_at, endReason: one['end_reason'],
      }); // prettier-ignore
      const copy = { assignment_id: one['id'], division: village, sequence: one['version'], establishment_id, official_id, official_name, official_post, official_level, made_at, ended_at }; // prettier-ignore
      const held = ground.table('inspection', 'responsibility').find((two) => two['assignment_id'] === one['id']); // prettier-ignore
      if (held) Object.assign(held, copy);
      else put('inspection', 'responsibility', copy);
    };
    const before = responsible.get(shop['id'] as string);
    if (before) {
      Object.assign(before, { version: 2, ended_at: at(ground.tick()), end_reason: 'reassigned' });
      answersFact('ended', before);
      const stale = ground.table('assignment', 'undertaking')[0]!;
      Object.assign(stale, { state: 'stale', version: 2, stale_at: at(ground.tick()), stale_reason: 'proposal-approved', stale_added: 0, stale_removed: 1 }); // prettier-ignore
      signFact('stale', stale);
      told('undertaking-stale', stale['id'] as string, first, 2, {
        added: 0,
        removed: 1,
        reason: 'proposal-approved',
      });
    }
    const name = official === first ? '甲' : '乙';
    const made: Row = { id: uuid(), division: village, version: 1, establishment_id: shop['id'], establishment_name: shop['name'], tier: 'D', official_id: official, official_name: name, official_post: '书记', official_level: 'village', proposal_id: proposal, made_at: at(ground.tick()), ended_at: null, end_reason: null }; // prettier-ignore
    put('assignment', 'assignment', made);
    responsible.set(shop['id'] as string, made);
    answersFact('made', made);
    told('assigned', made['id'] as string, official, 1, { establishmentId: shop['id'], tier: 'D' });
    const undertaking: Row = { id: uuid(), division: village, version: 1, official_id: official, state: 'open', establishments: [{ establishmentId: shop['id'] }], list_sha256: 'a', document_sha256: 'b', signed_at: null, stale_at: null, stale_reason: null, stale_added: null, stale_removed: null, superseded_at: null }; // prettier-ignore
    put('assignment', 'undertaking', undertaking);
    signFact('opened', undertaking);
    told('undertaking-due', undertaking['id'] as string, official, 1, {
      establishments: 1,
      documentSha256: 'b',
    });
    Object.assign(due, { official_id: official, version: (due['version'] as number) + 1 });
    dueFact('reassigned', due);
    told('visit-due', due['id'] as string, official, due['version'] as number, { period: '2026-Q4', dueOn: '2026-12-31' }); // prettier-ignore
    ground.done(approve);
  }

  // A visit with one finding, mended, looked at, struck off; and the message about it is read.
  const [visit, action] = [uuid(), uuid()];
  const op = ground.operate('visit', { establishmentId: shop['id'], findings: 1 }, { id: visit, version: 1 }, 'inspection'); // prettier-ignore
  const finding = { number: 1, item: 'i1', text: `不洁 c0x${op.n}z`, correctiveActionId: action };
  const submitted = at(ground.tick());
  put('inspection', 'inspection', { id: visit, division: village, version: 1, establishment_id: shop['id'], official_id: second, method: 'on-site', visited_at: at(0), checklist: 'k', checklist_version: 1, results: [{ item: 'i1', result: 'fail' }], findings: [finding], operator: { signedBy: `c0x${op.n}z` }, obligation_id: due['id'], counts: true, submitted_at: submitted }); // prettier-ignore
  put('registry', 'establishment_visit', { establishment_id: shop['id'], division: village, inspection_id: visit, submitted_at: submitted }); // prettier-ignore
  Object.assign(due, { state: 'settled', inspection_id: visit, version: 4 });
  dueFact('settled', due);
  const mend: Row = { id: action, division: village, version: 1, number: 'ZG-1', inspection_id: visit, establishment_id: shop['id'], establishment_name: shop['name'], official_id: second, item: 'i1', finding: finding.text, state: 'open', start_on: '2026-11-25', working_days: 3, due_on: '2026-11-30', due_state: 'set', overdue: false, steps: [] }; // prettier-ignore
  put('inspection', 'corrective_action', mend);
  const mendFact = (verb: string, more: Row = {}): void =>
    ground.fact(`inspection.corrective-action.${verb}.v1`, action, mend['version'] as number, village, {
      correctiveActionId: action, division: village, number: 'ZG-1', inspectionId: visit, establishmentId: shop['id'], establishmentName: shop['name'],
      officialId: mend['official_id'], finding: finding.text, state: mend['state'], dueOn: mend['due_on'], dueState: mend['due_state'], overdue: false, ...more,
    }); // prettier-ignore
  mendFact('due');
  ground.fact('inspection.inspection.submitted.v1', visit, 1, village, { inspectionId: visit, division: village, establishmentId: shop['id'], officialId: second, method: 'on-site', visitedAt: at(0), checklist: 'k', checklistVersion: 1, failed: 1, findings: 1, obligationId: due['id'] }); // prettier-ignore
  ground.done(op);
  const rejectedAt = at(ground.tick());
  const answeredAt = (): string => (mend['steps'] as { at: string }[]).at(-1)!.at;
  const acts = [['response', 'responded', 'changed', null], ['verification', 'open', 'changed', 'not-corrected'], ['response', 'responded', 'changed', null], ['verification', 'verified', 'verified', 'corrected'], ['closure', 'closed', 'closed', null]] as const; // prettier-ignore
  for (const [act, state, verb, outcome] of acts) {
    const version = (mend['version'] as number) + 1;
    const one = ground.operate(act, { id: action }, { id: action, version }, 'inspection');
    (mend['steps'] as Row[]).push({ act, outcome, text: `做 ${one.mark}`, at: at(ground.tick()) });
    Object.assign(mend, { state, version });
    if (state === 'responded')
      toldOffice(
        'correction-answered',
        action,
        version,
        { number: 'ZG-1', answeredAt: answeredAt() },
        answeredAt(),
      );
    mendFact(
      verb,
      outcome === 'not-corrected'
        ? { rejectedAt }
        : state === 'responded'
          ? { answeredAt: answeredAt() }
          : {},
    );
    ground.done(one);
  }
  told('correction-due', action, second, 3, { number: 'ZG-1', dueOn: '2026-11-30' });
  told(
    'correction-rejected',
    action,
    second,
    3,
    {
      number: 'ZG-1',
      dueOn: '2026-11-30',
      rejectedAt,
    },
    rejectedAt,
  );
  told('correction-verified', action, second, 5, { number: 'ZG-1' });
  for (const [division, official] of [
    [village, second],
    [village.slice(0, 9), null],
  ] as const) {
    const reminder = uuid();
    put('inspection', 'reminder', { id: reminder, division, official_id: official, period: '2026-Q4', days_before: 21, visits: 2 }); // prettier-ignore
    ground.fact('inspection.visits.reminded.v1', reminder, 1, division, { reminderId: reminder, division, officialId: official, period: '2026-Q4', dueOn: '2026-12-31', daysBefore: 21, visits: 2 }); // prettier-ignore
    const about = { period: '2026-Q4', dueOn: '2026-12-31', visits: 2 };
    if (official) told('visits-remaining', reminder, official, 1, about);
    else toldOffice('visits-remaining', reminder, 1, about);
  }
  const message = ground.table('notification', 'message')[0]!;
  Object.assign(message, { read_at: at(ground.tick()), version: 2 });
  ground.fact('notification.message.read.v1', message['id'] as string, 2, village, { messageId: message['id'], division: village, readAt: message['read_at'] }); // prettier-ignore

  for (const one of shops) delete one['due'];
  const run = { seed: 1, startedAt, endedAt: start + ground.tick() * 1000, faults: [] };
  const made = { run, history: ground.history, final: ground.final, indicators: [] as ChaosRun['indicators'] }; // prettier-ignore
  const items = Object.entries(recount(countedOf(made), county, '2026-Q4')).map(([code, numbers]) => ({ code, period: null, ...numbers })); // prettier-ignore
  made.indicators.push({ service: 'all', division: county, at: run.endedAt, body: { items } });
  return made;
}

/** The rows as the indicators' oracle takes them; by hand, since the judge has its own. */
function countedOf({ final }: Pick<ChaosRun, 'final'>): CountedRows {
  const of = (service: string, name: string): Row[] => final[service]![name]!;
  return {
    establishments: of('registry', 'establishment'),
    officials: of('assignment', 'official'),
    assignments: of('assignment', 'assignment').map((row) => ({ ...row, establishmentId: row['establishment_id'], officialId: row['official_id'], endedAt: row['ended_at'] })),
    undertakings: of('assignment', 'undertaking').map((row) => ({ ...row, officialId: row['official_id'], establishments: (row['establishments'] as { establishmentId: string }[]).map(({ establishmentId }) => establishmentId) })),
    obligations: of('inspection', 'obligation'),
    actions: of('inspection', 'corrective_action').map((row) => ({ ...row, startOn: row['start_on'] })),
    certificates: of('training', 'certificate').map((row) => ({ ...row, officialId: row['official_id'] })),
    messages: of('notification', 'message').map((row) => ({ ...row, readAt: row['read_at'] })),
  } as unknown as CountedRows; // prettier-ignore
}

const rulesOf = (run: ChaosRun): string[] => Object.keys(judge(run, listeners).counts.findings);
const is = (run: ChaosRun, service: string, table: string, at_ = 0): Row =>
  run.final[service]![table]!.at(at_)!;

it('finds nothing where all is well', () => {
  const { verdict, findings, counted } = judge(good(), listeners);
  expect(findings).toEqual([]);
  expect([verdict, counted]).toEqual(['ok', false]);
});

/** One thing wrong, and the rule that has to name it. */
type Damage = [rule: string, what: string, harm: (run: ChaosRun) => void];
const opOf = (run: ChaosRun, kind: string): Operation =>
  run.history.find((op) => op.kind === kind)!;
const drop = (run: ChaosRun, service: string, table: string, gone: (row: Row) => boolean): void =>
  void (run.final[service]![table] = run.final[service]![table]!.filter((row) => !gone(row)));
const copyOf = (run: ChaosRun, service: string, table: string, changed: Row = {}): void =>
  void run.final[service]![table]!.push({ ...is(run, service, table), ...changed });
const outcome = (run: ChaosRun, kind: string, to: Operation['outcome']): Operation =>
  Object.assign(opOf(run, kind), { outcome: to });
/** An establishment with all that came of it is as if it had never been. */
const vanish = (run: ChaosRun, id: unknown): void => {
  for (const [service, all] of Object.entries(run.final))
    for (const [table, rows] of Object.entries(all))
      run.final[service]![table] = rows.filter(
        (row) => !JSON.stringify(row).includes(id as string),
      );
};
const factsOf = (run: ChaosRun, service: string, part: string): Row[] =>
  run.final[service]!['journal']!.filter(({ type }) => (type as string).includes(part));
const inboxOf = (run: ChaosRun, service: string, fact: Row): Row[] =>
  run.final[service]!['inbox']!.filter((row) => row['event_id'] === fact['event_id']);

const damages: Damage[] = [
  ['dump', 'a table was not dumped', (run) => delete run.final['inspection']!['inbox']],
  ['dump', 'a service was not dumped', (run) => delete run.final['notification']],
  ['history', 'two operations at once', (run) => void (run.history[3]!.at = run.history[1]!.at)],
  ['history', 'one key twice', (run) => void (run.history[1]!.key = run.history[0]!.key)],
  // operations
  ['acknowledged-lost', 'a registration that was acknowledged is gone with all its traces', (run) => vanish(run, opOf(run, 'register').got!['id'])],
  ['acknowledged-lost', 'its key is not there', (run) => drop(run, 'registry', 'idempotency_key', ({ route }) => route === 'register')],
  ['acknowledged-lost', 'an import is not done', (run) => void (is(run, 'registry', 'ledger_import')['state'] = 'running')],
  ['acknowledged-lost', 'a proposal is gone', (run) => drop(run, 'assignment', 'proposal', () => true)],
  ['acknowledged-lost', 'an approval was forgotten', (run) => void (is(run, 'assignment', 'proposal')['state'] = 'open')],
  ['acknowledged-lost', 'a visit is gone', (run) => drop(run, 'inspection', 'inspection', () => true)],
  ['acknowledged-lost', 'a response is gone', (run) => void (is(run, 'inspection', 'corrective_action')['steps'] as Row[]).shift()],
  ['acknowledged-lost', 'a correction’s version is gone', (run) => drop(run, 'registry', 'journal', ({ sequence, type }) => sequence === 2 && (type as string).includes('changed'))],
  ['acknowledged-twice', 'the key is kept for two rows', (run) => copyOf(run, 'registry', 'idempotency_key')],
  ['acknowledged-twice', 'a retry registered it again', (run) => {
    copyOf(run, 'registry', 'establishment', { id: 'again' });
    const fact = factsOf(run, 'registry', 'registered')[0]!;
    const event = structuredClone(fact['event']) as Row;
    run.final['registry']!['journal']!.push({ ...fact, id: 99, event_id: 'e', aggregate_id: 'again', event: { ...event, id: 'e', subject: 'again', data: { ...(event['data'] as Row), name: `店 ${run.history[0]!.mark}` } } });
  }],
  ['acknowledged-twice', 'a response was written down twice', (run) => {
    const steps = is(run, 'inspection', 'corrective_action')['steps'] as Row[];
    steps.push({ ...steps[0] });
  }],
  ['refused-left', 'a refused registration is there', (run) => void outcome(run, 'register', 'refused')],
  ['refused-left', 'a refused correction is there', (run) => void outcome(run, 'correct', 'refused')],
  ['unknown-half', 'a row is there without its key', (run) => {
    const { key } = outcome(run, 'register', 'unknown');
    drop(run, 'registry', 'idempotency_key', (row) => row['key'] === key);
  }],
  ['unknown-half', 'a key is there without its row', (run) => {
    outcome(run, 'visit', 'unknown');
    drop(run, 'inspection', 'inspection', () => true);
  }],
  ['unknown-twice', 'an unknown one is there twice', (run) => {
    outcome(run, 'propose', 'unknown');
    copyOf(run, 'assignment', 'idempotency_key');
  }],
  ['invented', 'an establishment that nobody registered', (run) => void run.history.splice(0, 1)],
  ['invented', 'a proposal that nobody asked for', (run) => copyOf(run, 'assignment', 'proposal', { id: 'none' })],
  ['invented', 'an act that nobody did', (run) => void (run.history = run.history.filter(({ kind }) => kind !== 'closure'))],
  ['invented', 'an approval that nobody gave', (run) => void (run.history = run.history.filter(({ kind }) => kind !== 'approve'))],
  ['fields', 'another name than was sent', (run) => void (opOf(run, 'correct').sent!['name'] = '店 c0x2z 乙')],
  ['fields', 'another area than was sent', (run) => void (is(run, 'registry', 'establishment')['area'] = 21)],
  ['fields', 'one finding too few', (run) => void (opOf(run, 'visit').sent!['findings'] = 2)],
  ['acknowledged-early', 'answered before the commit', (run) => void (factsOf(run, 'registry', 'registered')[0]!['committed_at'] = opOf(run, 'register').until + 500)],
  // journals and rows
  ['envelope', 'two facts with one id', (run) => {
    const [one, other] = run.final['registry']!['journal']!;
    other!['event_id'] = one!['event_id'];
  }],
  ['envelope', 'an event that says another version', (run) => void ((is(run, 'registry', 'journal')['event'] as Row)['sequence'] = 7)],
  ['row-twice', 'two rows for one thing', (run) => copyOf(run, 'inspection', 'premises')],
  ['order', 'a later version first', (run) => {
    const [one, other] = [factsOf(run, 'registry', 'registered')[0]!, factsOf(run, 'registry', 'establishment.changed')[0]!];
    [one['id'], other['id']] = [other['id'], one['id']];
  }],
  ['order', 'committed the other way round', (run) => void (factsOf(run, 'registry', 'establishment.changed')[0]!['committed_at'] = start)],
  ['versions-dense', 'a step is left out', (run) => drop(run, 'inspection', 'journal', ({ type, sequence }) => (type as string).includes('corrective') && sequence === 2)],
  ['change-without-fact', 'a change that nobody was told of', (run) => void (is(run, 'registry', 'establishment')['version'] = 3)],
  ['change-without-fact', 'a row that nobody was told of', (run) => copyOf(run, 'inspection', 'obligation', { id: 'none' })],
  ['fact-without-change', 'a fact of a change that is not there', (run) => void (is(run, 'registry', 'establishment')['version'] = 1)],
  ['fact-without-change', 'a fact of a row that is not there', (run) => drop(run, 'registry', 'establishment', ({ name }) => name === 'c0x4zr2')],
  ['fact-differs', 'a row that is not what was told', (run) => void (is(run, 'inspection', 'obligation')['state'] = 'open')],
  ['fact-kind', 'a noun that begins in its middle', (run) => void (factsOf(run, 'registry', 'registered')[0]!['type'] = 'registry.establishment.changed.v1')],
  ['sparse', 'a stale undertaking that nobody was told of', (run) => drop(run, 'assignment', 'journal', ({ type }) => (type as string).includes('stale'))],
  ['sparse', 'a read message that nobody was told of', (run) => drop(run, 'notification', 'journal', () => true)],
  // the bus
  ['fact-not-applied', 'a fact that one listener missed', (run) => {
    const fact = factsOf(run, 'assignment', 'made')[0]!;
    drop(run, 'inspection', 'inbox', (row) => row['event_id'] === fact['event_id']);
  }],
  ['fact-applied-twice', 'a fact that was written for in two transactions', (run) => void (run.final['assignment']!['chaos_written'] = [{ event_id: 'e', times: 2 }])],
  ['fact-applied-twice', 'a fact that one listener took twice', (run) => {
    const [row] = inboxOf(run, 'assignment', factsOf(run, 'registry', 'registered')[0]!);
    run.final['assignment']!['inbox']!.push({ ...row, event_at: at(9999) });
  }],
  ['applied-without-fact', 'a fact that no journal has', (run) => copyOf(run, 'assignment', 'inbox', { event_id: 'none' })],
  ['applied-without-fact', 'a fact that is none of its business', (run) => copyOf(run, 'training', 'inbox', { event_id: factsOf(run, 'registry', 'registered')[0]!['event_id'] })],
  ['outbox-left', 'a fact that was not sent', (run) => void run.final['registry']!['outbox']!.push({ journal_id: 1 })],
  ['dead-letter', 'a fact that was set aside', (run) => void run.final['assignment']!['dead_letter']!.push({ id: 'd', type: 't', cause: 'c', replayed_at: null })],
  ['fact-waiting', 'a fact that failed and waits to be tried again', (run) => void (run.final['assignment']!['waiting_fact'] = [{ event_id: 'e', type: 't', cause: 'c' }])],
  ['fact-missed', 'a fact that is known to be missed', (run) => void run.final['assignment']!['missing_fact']!.push({ event_id: 'e', owner: 'registry', type: 't' })],
  ['copy', 'an old copy', (run) => void (is(run, 'assignment', 'premises')['sequence'] = 1)],
  ['copy', 'a copy of nothing', (run) => copyOf(run, 'inspection', 'premises', { establishment_id: 'none' })],
  ['copy', 'an account that a service does not know is closed', (run) => void (is(run, 'training', 'account_cutoff')['active'] = false)],
  ['copy', 'not the newest visit', (run) => void (is(run, 'registry', 'establishment_visit')['submitted_at'] = at(-1))],
  ['copy', 'a certificate that did not arrive', (run) => drop(run, 'inspection', 'qualification', () => true)],
  // effects
  ['obligation', 'one visit is due twice', (run) => copyOf(run, 'inspection', 'obligation', { id: 'twice' })],
  ['obligation', 'no visit is due where one is', (run) => drop(run, 'inspection', 'obligation', ({ establishment_name: name }) => name === 'c0x4zr3')],
  ['obligation', 'a visit is due at what is closed', (run) => void (is(run, 'inspection', 'obligation', 1)['state'] = 'open')],
  ['obligation', 'settled by a visit to somewhere else', (run) => void (is(run, 'inspection', 'inspection')['obligation_id'] = null)],
  ['obligation', 'due on another day', (run) => void (is(run, 'inspection', 'obligation')['due_on'] = '2026-12-30')],
  ['correction', 'a correction that no finding asks for', (run) => copyOf(run, 'inspection', 'corrective_action', { id: 'none' })],
  ['correction', 'a finding without its correction', (run) => drop(run, 'inspection', 'corrective_action', () => true)],
  ['correction', 'a deadline that the calendar does not give', (run) => void (is(run, 'inspection', 'corrective_action')['due_on'] = '2026-12-01')],
  ['correction', 'closed before it was verified', (run) => void (is(run, 'inspection', 'corrective_action')['steps'] as Row[]).splice(1, 1)],
  ['assignment', 'two answer at once', (run) => Object.assign(is(run, 'assignment', 'assignment'), { ended_at: null, end_reason: null })],
  ['assignment', 'somebody else than was approved', (run) => void (is(run, 'assignment', 'assignment', 1)['official_id'] = 'other')],
  ['assignment', 'a line of the proposal that was not put into force', (run) => drop(run, 'assignment', 'assignment', ({ ended_at: ended }) => ended === null)],
  ['undertaking', 'for another list than he answers for', (run) => void (is(run, 'assignment', 'undertaking', 1)['establishments'] = [])],
  ['message', 'somebody is told twice', (run) => copyOf(run, 'notification', 'message', { id: 'twice' })],
  ['message', 'nobody is told of what is not mended', (run) => drop(run, 'notification', 'message', ({ kind }) => kind === 'correction-rejected')],
  ['message', 'somebody is not told', (run) => drop(run, 'notification', 'message', ({ kind }) => kind === 'correction-verified')],
  ['message', 'an office is not told that an answer waits', (run) => drop(run, 'notification', 'message', ({ kind }) => kind === 'correction-answered')],
  ['message', 'an office is not reminded', (run) => drop(run, 'notification', 'message', ({ kind, audience }) => kind === 'visits-remaining' && audience === 'office')],
  ['message', 'somebody is told of nothing', (run) => copyOf(run, 'notification', 'message', { id: 'other', subject_id: 'none' })],
  ['message', 'somebody is told the old day', (run) => Object.assign(run.final['notification']!['message']!.find(({ kind }) => kind === 'visit-due')!, { about: { dueOn: '2026-09-30' } })],
  ['message', 'sent twice to one subscriber', (run) => {
    const sent = { id: 'd', subscription_id: 's', message_id: 'm', message_version: 1, state: 'queued' };
    run.final['notification']!['delivery']!.push(sent, { ...sent, id: 'e' });
  }],
  ['import-counts', 'other counts than were answered', (run) => void (opOf(run, 'import').got!['counts'] = { rows: 4 })],
  ['import-counts', 'a row that was counted and did not come', (run) => void run.final['registry']!['ledger_import_effect']!.pop()],
  ['indicator', 'a number that is not its rows', (run) => void ((run.indicators[0]!.body as { items: Row[] }).items[0]!['numerator'] = 17)],
]; // prettier-ignore

it.each(damages)('says `%s` of: %s', (rule, _what, harm) => {
  const run = good();
  harm(run);
  expect(rulesOf(run)).toContain(rule);
});

it('has a damage for each rule that it can name', () => {
  const source = readFileSync(join(import.meta.dirname, 'chaos.mjs'), 'utf8');
  const named = [...source.matchAll(/rule: '([a-z-]+)'|find\(\s*'([a-z-]+)'|take\('([a-z-]+)'/g)].map(([, a, b, c]) => a ?? b ?? c); // prettier-ignore
  const only = new Set(['operations', 'versions', 'inbox', 'quiet']); // names of several rules
  const rules = new Set(named.filter((name) => !only.has(name!)));
  expect(rules.size).toBeGreaterThan(25);
  expect(new Set(damages.map(([rule]) => rule))).toEqual(new Set([...rules, 'acknowledged-lost', 'acknowledged-twice', 'unknown-half', 'unknown-twice'])); // prettier-ignore
});

/** Columns that say nothing the judge could compare: who acted, when it was noted, what nobody else was told. */
const unjudged: Record<string, string[]> = {
  '*': ['actor', 'route', 'consumer', 'event_at', 'applied_at', 'recorded_at', 'created_at', 'source'],
  journal: ['id', 'committed_at'], // what they must not say is among the damages
  division: ['level'],
  ledger_import: ['dry_run'],
  ledger_import_effect: ['row'],
  proposal: ['proposed_at', 'approved_at'],
  proposal_line: ['tier'], // judged where it is put into force
  obligation: ['tier'], // judged while it is due
  obligation_run: ['id', 'opened'],
  inspection: ['operator'],
  message: ['id', 'version'],
}; // prettier-ignore
const ofSheet = (row: Row): boolean => String(row['name']).startsWith('c0x4zr'); // what a sheet said is not in the history

it('finds each row that is gone, is there twice or holds something else', () => {
  const whole = good();
  expect(rulesOf(whole)).toEqual([]);
  const missed: string[] = [];
  let tried = 0;
  const other = (value: unknown): unknown =>
    typeof value === 'number' ? value + 1
      : typeof value === 'boolean' ? !value
        : typeof value === 'string' ? (/^\d{4}-\d\d-\d\d/.test(value) ? value.replace('2026', '2024') : `${value}!`)
          : Array.isArray(value) ? (value.length > 0 ? [] : [{ other: true }])
            : value === null ? 'other' : { other: true }; // prettier-ignore
  const looks = (name: string, harm: (rows: Row[]) => void): void => {
    const [service, table] = name.split('.') as [string, string];
    const run = { ...whole, final: { ...whole.final, [service]: { ...whole.final[service], [table]: structuredClone(whole.final[service]![table]!) } } }; // prettier-ignore
    harm(run.final[service]![table]!);
    tried += 1;
    try {
      if (rulesOf(run).length === 0) missed.push(`${name}: ${harm.name}`);
    } catch (error) {
      missed.push(`${name}: ${(error as Error).message}`);
    }
  };
  for (const [service, all] of Object.entries(whole.final))
    for (const [table, rows] of Object.entries(all))
      for (const [index, row] of rows.entries()) {
        const name = `${service}.${table}`;
        const named = (what: string, harm: (rows: Row[]) => void): void =>
          looks(name, Object.defineProperty(harm, 'name', { value: `${what} in row ${index}` }));
        named('gone', (those) => void those.splice(index, 1));
        named('twice', (those) => void those.push({ ...those[index] }));
        if (table in everywhere ? index % 6 > 0 : index > 0 && index < rows.length - 1) continue; // like the others
        for (const [column, value] of Object.entries(row))
          if (
            ![
              ...unjudged['*']!,
              ...(unjudged[table] ?? []),
              ...(ofSheet(row) ? ['uscc', 'area'] : []),
            ].includes(column)
          )
            named(`other ${column}`, (those) => void (those[index]![column] = other(value)));
      }
  expect(missed).toEqual([]);
  expect(tried).toBeGreaterThan(400);
});

it('counts a run only when it was long, broad and cruel enough', () => {
  const run = good();
  const [op] = run.history;
  const kinds = [...new Set(run.history.map(({ kind }) => kind))];
  run.history = Array.from({ length: 5000 }, (_, n) => ({
    ...op!,
    n,
    kind: kinds[n % kinds.length]!,
  }));
  const commit = is(run, 'registry', 'journal')['committed_at'] as number;
  const kill = (away: number): Fault => ({ kind: 'kill', target: 'registry', at: commit + away });
  run.run.faults = [kill(-50), kill(-9000), kill(-9000), kill(-9000), kill(-9000)];
  expect(judge(run, listeners).notCountedBecause).toEqual([]);
  run.run.faults[0]!.at -= 1;
  expect(judge(run, listeners).notCountedBecause).toEqual([
    expect.stringContaining('0 of 5 kills'),
  ]);
  run.run.faults = [];
  run.history = run.history.filter(({ kind }) => kind !== 'approve');
  expect(judge(run, listeners).notCountedBecause).toEqual([
    expect.stringContaining('operations were acknowledged'), expect.stringContaining('approve: 0'), 'nothing was killed',
  ]); // prettier-ignore
});

it('lets an unknown operation be there whole, or not at all', () => {
  const there = good();
  outcome(there, 'register', 'unknown');
  outcome(there, 'correct', 'unknown');
  outcome(there, 'visit', 'unknown');
  for (const op of there.history) if (op.outcome === 'unknown') delete op.got;
  expect(judge(there, listeners).findings).toEqual([]);
  const absent = good();
  absent.history.push({ ...opOf(absent, 'register'), n: 99, at: start + 9e6, until: start + 9e6, outcome: 'unknown', key: 'k', mark: 'c0x99z', got: {} }); // prettier-ignore
  expect(judge(absent, listeners).findings).toEqual([]);
});
