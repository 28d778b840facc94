// The judge of a chaos run: node test/oracle/chaos.mjs <folder>
//
// It reads what the clients wrote down (history/<client>.jsonl), the rows as they stand when all is quiet (final/<service>.json)
// and the indicators as they were answered then, and knows nothing else: no code of apps or libs. Who listens to what stands in
// docs/asyncapi.yaml, what a row means in apps/<service>/schema.sql and the pages that the rules below name. The exit code is 1
// when something is broken.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { recount } from './indicators.mjs';
import { addWorkingDays } from './working-days.mjs';

/** What `final/<service>.json` has to hold, and what no two rows of it share; a service that did not run has no file. */
export const tables = {
  registry: { establishment: ['id'], establishment_visit: ['establishment_id'], ledger_import: ['id'], ledger_import_effect: ['import_id', 'establishment_id', 'version'], division: ['division'], calendar_year: ['division', 'year'] },
  assignment: { premises: ['establishment_id'], official: ['id'], assignment: ['id'], proposal: ['id'], proposal_line: ['proposal_id', 'establishment_id'], undertaking: ['id'], undertaking_copy: ['id'], division_list: ['division'] },
  inspection: { premises: ['establishment_id'], responsibility: ['assignment_id'], qualification: ['official_id'], calendar_year: ['division', 'year'], calendar_gap: ['id'], division_list: ['division'], obligation_run: ['division', 'period'], obligation: ['id'], inspection: ['id'], evidence: ['id'], corrective_action: ['id'], reminder: ['id'] },
  training: { official: ['official_id'], certificate: ['id'], division_list: ['division'] },
  notification: { message: ['id'], delivery: ['id'], subscriber_official: ['official_id'], subscriber_account: ['account_id'], division_list: ['division'] },
  identity: { official_copy: ['official_id'], division_list: ['division'] }, // an account itself holds secrets: its facts speak for it
}; // prettier-ignore
/** What every service's file has to hold beside. */
export const everywhere = { journal: ['id'], outbox: ['journal_id'], inbox: ['event_id', 'event_at'], dead_letter: ['id'], missing_fact: ['event_id'], idempotency_key: ['actor', 'route', 'key'], account_cutoff: ['account_id'] }; // prettier-ignore
const needed = ['registry', 'assignment', 'inspection', 'notification'];

/** What makes a run count (the words are its numbers; 'well represented' is ours). */
export const enough = { acknowledged: 5000, ofEachKind: 50, killsNearCommit: 1 / 5, nearMs: 50 };
const kinds = ['register', 'correct', 'close', 'import', 'propose', 'approve', 'visit', 'response', 'verification', 'closure']; // prettier-ignore

/** Of one rule no more findings are told than this; `counts.findings` has the whole number. */
const mostTold = 50;

// ---------------------------------------------------------------------------------------------------------- what is read

/** Who listens to what, by the published document: type → services. */
export function listenersIn(asyncapi) {
  const listeners = new Map();
  for (const [, service, type] of asyncapi.matchAll(/^ {2}([a-z]+)\.receive\.(\S+):$/gm))
    listeners.set(type, [...(listeners.get(type) ?? []), service]);
  return listeners;
}

const json = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** A run's folder, as HISTORY says. */
export function readRun(folder) {
  const files = (name) => readdirSync(join(folder, name)).sort();
  const history = files('history')
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(folder, 'history', name), 'utf8').split('\n'))
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line));
  const final = {};
  for (const name of files('final'))
    if (name.endsWith('.json') && name !== 'indicators.json')
      final[name.slice(0, -5)] = json(join(folder, 'final', name));
  const indicators = files('final').includes('indicators.json')
    ? json(join(folder, 'final/indicators.json'))
    : [];
  return { run: json(join(folder, 'run.json')), history, final, indicators };
}

// --------------------------------------------------------------------------------------------------- values and their likes

const ms = (value) =>
  value === null || value === undefined
    ? null
    : typeof value === 'number'
      ? value
      : Date.parse(value);
/** A calendar date, whether it was read as one or (by a driver) as midnight of this machine. */
const day = (value) =>
  value === null || value === undefined
    ? null
    : /^\d{4}-\d{2}-\d{2}$/.test(value)
      ? value
      : new Date(value).toLocaleDateString('sv');
const isInstant = (value) =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(value);

/** Equal as values: an instant however it is written, an object in whatever order. */
function same(one, other) {
  if (one === other) return true;
  const [empty, none] = [one ?? null, other ?? null];
  if (empty === null || none === null) return empty === none;
  if (isInstant(one) && isInstant(other)) return Date.parse(one) === Date.parse(other);
  if (typeof one === 'object' && typeof other === 'object') {
    const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
    return [...keys].every((key) => same(one[key], other[key]));
  }
  if (typeof one === 'number' || typeof other === 'number') return Number(one) === Number(other);
  return false;
}
const told = (value) => JSON.stringify(value ?? null);
const columns = new Map();
/** `madeAt` → `made_at` */
function column(property) {
  if (!columns.has(property))
    columns.set(
      property,
      property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    );
  return columns.get(property);
}

function groups(all, keyOf) {
  const found = new Map();
  for (const one of all) {
    const key = keyOf(one);
    const those = found.get(key);
    if (those) those.push(one);
    else found.set(key, [one]);
  }
  return found;
}

// ----------------------------------------------------------------------------------------------------------------- the facts

/**
 * The nouns that facts tell of, and the rows they stand for. `dense`: every change of the row's version is a fact, so the
 * journal has 1..version. `first`: the types a noun begins with. `apart`: what of a fact is not a column, or follows another
 * noun (obligation: the name it is shown under follows the establishment without a step of its own; inspection: what it
 * settles, which the obligations are asked for).
 */
const nouns = {
  'registry.establishment': { table: 'establishment', first: ['registered'], only: ['registered'], dense: true },
  'registry.divisions': { table: 'division', dense: true, keyIn: ['division', 'division'], apart: ['below', 'name'], told: (row) => Number(row.version) > 0 },
  'registry.calendar': { table: 'calendar_year', dense: true },
  'assignment.official': { table: 'official', dense: true },
  'assignment.assignment': { table: 'assignment', first: ['made'], only: ['made'], dense: true },
  'assignment.undertaking': { table: 'undertaking', first: ['opened'], apart: ['state', 'establishments', 'added', 'removed', 'staleReason'] },
  'inspection.obligation': { table: 'obligation', first: ['opened'], dense: true, apart: ['establishmentName'] },
  'inspection.inspection': { table: 'inspection', dense: true, apart: ['failed', 'findings', 'obligationId'] },
  'inspection.evidence': { table: 'evidence', dense: true },
  'inspection.corrective-action': { table: 'corrective_action', first: ['due'], only: ['due'], dense: true },
  'inspection.calendar': { table: 'calendar_gap', once: true },
  'inspection.visits': { table: 'reminder', once: true, apart: ['dueOn'] },
  'training.certificate': { table: 'certificate', dense: true, apart: ['heldAt'] },
  'notification.message': { table: 'message', apart: ['readAt'] },
  'notification.delivery': { table: 'delivery', apart: ['deliveredAt', 'failedAt', 'attempts', 'cause', 'messageVersion'] },
  'identity.account': { table: 'account_cutoff', keyIn: ['accountId', 'account_id'], dense: true },
}; // prettier-ignore
/** `notification.message.delivered` tells of a delivery: its subject is one. */
const nounOf = (type) => {
  const [owner, noun, verb] = type.split('.');
  return owner === 'notification' && (verb === 'delivered' || verb === 'failed') ? 'notification.delivery' : `${owner}.${noun}`; // prettier-ignore
};
const verbOf = (type) => type.split('.')[2];

/** Everything indexed once. */
function worldOf({ run, history, final, indicators }, listeners) {
  const services = Object.keys(final);
  const table = (service, name) => final[service]?.[name] ?? [];
  const facts = services.flatMap((service) =>
    table(service, 'journal').map((row) => ({
      service,
      journal: Number(row.id),
      id: row.event_id,
      type: row.type,
      noun: nounOf(row.type),
      verb: verbOf(row.type),
      aggregate: row.aggregate_id,
      sequence: Number(row.sequence),
      division: row.division,
      recordedAt: ms(row.recorded_at),
      committedAt: ms(row.committed_at),
      event: row.event,
      data: row.event?.data ?? {},
    })),
  );
  facts.sort((one, other) => one.journal - other.journal);
  const steps = groups(facts, ({ service, aggregate }) => `${service} ${aggregate}`);
  const rows = (service, name, key = 'id') => new Map(table(service, name).map((row) => [row[key], row])); // prettier-ignore
  return {
    run,
    history,
    indicators,
    final,
    services,
    listeners,
    table,
    facts,
    /** Of one aggregate, as the journal has them. */
    stepsOf: (service, aggregate) => steps.get(`${service} ${aggregate}`) ?? [],
    steps,
    rows,
    byKey: new Map(),
    establishments: rows('registry', 'establishment'),
    inspections: rows('inspection', 'inspection'),
    actions: rows('inspection', 'corrective_action'),
    proposals: rows('assignment', 'proposal'),
    imports: rows('registry', 'ledger_import'),
    effects: groups(table('registry', 'ledger_import_effect'), (row) => row.import_id),
    keys: groups(
      services.flatMap((service) => table(service, 'idempotency_key')),
      (row) => row.key,
    ),
    inboxes: new Map(
      services.map((service) => [service, groups(table(service, 'inbox'), (row) => row.event_id)]),
    ),
    ran: (instant) => ms(instant) >= ms(run.startedAt),
  };
}

// -------------------------------------------------------------------------------------------------------- the run as it was kept

/** Everything that is to be judged is there. */
function* dumped({ final, services, run }) {
  for (const service of needed)
    if (!services.includes(service))
      yield {
        where: `final/${service}.json`,
        say: 'is not there: nothing of this service is known',
      };
  for (const service of services)
    for (const name of Object.keys({ ...everywhere, ...tables[service] }))
      if (!Array.isArray(final[service][name]))
        yield { where: `final/${service}.json`, say: `has no table ${name}` };
  if (!Number.isFinite(ms(run.startedAt)) || !Number.isFinite(ms(run.endedAt)))
    yield { where: 'run.json', say: 'does not say when it started and ended' };
}

/** No table holds two rows for one thing. */
function* unique(world) {
  for (const service of world.services)
    for (const [name, key] of Object.entries({ ...everywhere, ...tables[service] }))
      for (const [what, those] of groups(world.table(service, name), (row) => key.map((one) => row[one]).join(' '))) // prettier-ignore
        if (those.length > 1) yield { where: `${service}.${name} ${what}`, say: `is there ${those.length} times` }; // prettier-ignore
}

/** The clients wrote down what can be judged: one operation at a time, each with a mark and a key of its own. */
function* written({ history }) {
  for (const [client, ops] of groups(history, ({ client: name }) => name)) {
    const inOrder = [...ops].sort((one, other) => one.n - other.n);
    for (const [at, op] of inOrder.entries()) {
      const where = `${client} ${op.n}`;
      if (!kinds.includes(op.kind)) yield { where, say: `is of an unknown kind ${op.kind}` };
      if (!['acknowledged', 'refused', 'unknown'].includes(op.outcome))
        yield { where, say: `has an unknown outcome ${op.outcome}` };
      if (op.outcome === 'acknowledged' && !op.got)
        yield { where, say: 'was acknowledged with nothing' };
      if (op.until < op.at || (at > 0 && op.at < inOrder[at - 1].until))
        yield { where, say: 'began before it, or the one before it, was over' };
      if (at > 0 && inOrder[at - 1].n === op.n) yield { where, say: 'stands there twice' };
    }
  }
  for (const what of ['mark', 'key'])
    for (const [value, ops] of groups(history.filter((op) => op[what]), (op) => op[what])) // prettier-ignore
      if (ops.length > 1)
        yield { where: `${ops[0].client} ${ops[0].n}`, say: `shares its ${what} ${value} with ${ops[1].client} ${ops[1].n}` }; // prettier-ignore
}

// ------------------------------------------------------------------------------------------------------- operations and their rows

const plain = /[0-9A-Za-z]/;
/** Finds marks in texts, where they may be followed by something more; `a-1` is not found within `a-11`. */
function finderOf(marks) {
  const lengths = [...new Set([...marks].map((mark) => mark.length))].sort((a, b) => b - a);
  const firsts = new Set([...marks].map(([first]) => first));
  return (text) => {
    const found = new Set();
    for (let at = 0; at < text.length; at++) {
      if (!firsts.has(text[at]) || (at > 0 && plain.test(text[at - 1]) && plain.test(text[at]))) continue; // prettier-ignore
      for (const length of lengths) {
        const mark = text.slice(at, at + length);
        if (!marks.has(mark) || /[0-9]/.test(text[at + length] ?? '')) continue;
        found.add(mark);
        break;
      }
    }
    return found;
  };
}

/** Where the mark of each operation is found: the step of a fact that brought it, a visit, an act on a correction. */
function carriersOf(world) {
  const marks = new Set(world.history.map(({ mark }) => mark).filter(Boolean));
  const marksIn = finderOf(marks);
  const carriers = new Map();
  const carry = (mark, carrier) => {
    const those = carriers.get(mark);
    if (those) those.push(carrier);
    else carriers.set(mark, [carrier]);
  };
  const before = new Map();
  for (const fact of world.facts) {
    if (fact.noun !== 'registry.establishment') continue;
    const here = marksIn(JSON.stringify(fact.data));
    for (const mark of here)
      if (!before.get(fact.aggregate)?.has(mark))
        carry(mark, { what: 'establishment', id: fact.aggregate, sequence: fact.sequence });
    before.set(fact.aggregate, here);
  }
  for (const row of world.inspections.values())
    for (const mark of marksIn(JSON.stringify([row.findings, row.operator, row.results])))
      carry(mark, { what: 'visit', id: row.id });
  for (const row of world.actions.values())
    for (const { act, text } of row.steps)
      for (const mark of marksIn(text ?? '')) carry(mark, { what: act, id: row.id });
  return carriers;
}

/** PATCH carries no key: its repeat meets the version that its first try made, and is refused as stale. */
const keyless = (op) => op.kind === 'correct' || op.kind === 'close';
const acts = ['response', 'verification', 'closure'];
const fieldsOf = (op) => op.sent?.fields ?? op.sent ?? {};
const subjectOf = (op) => op.got?.id ?? op.sent?.id ?? op.sent?.establishmentId ?? op.sent?.proposalId ?? op.sent?.correctiveActionId; // prettier-ignore
const namedOf = (op) => `${op.kind} ${op.client} ${op.n}`;

/**
 * What became of each operation, by its key, its answer and its mark: acknowledged is there exactly once, refused left
 * nothing, unknown is there once and whole or not at all.
 */
function operations(world) {
  const carriers = carriersOf(world);
  const findings = [];
  /** What every step of an establishment is owed to: `<id> <version>` → operations. */
  const owed = new Map();
  const owe = (id, version, op) => owed.set(`${id} ${version}`, [...(owed.get(`${id} ${version}`) ?? []), op]); // prettier-ignore
  const made = { visit: new Set(), propose: new Set(), approve: new Set(), import: new Set() };
  const stepOwed = new Map();

  for (const op of world.history) {
    const where = namedOf(op);
    const find = (rule, say) => findings.push({ rule, where, say });
    const lost = op.outcome === 'acknowledged' ? 'acknowledged-lost' : 'unknown-half';
    const keyRows = op.key ? (world.keys.get(op.key) ?? []) : [];
    const carried = (op.mark && carriers.get(op.mark)) ?? [];
    const most = op.outcome === 'acknowledged' ? 'acknowledged-twice' : 'unknown-twice';

    if (keyless(op)) {
      // The closure of an establishment may carry no mark: it is known by its id and version.
      const id = subjectOf(op);
      const steps = carried.filter(({ what }) => what === 'establishment');
      let version = op.got?.version;
      if (op.outcome === 'acknowledged') {
        const fact = world.stepsOf('registry', id).find(({ sequence }) => sequence === version);
        if (!fact) find('acknowledged-lost', `no fact of ${id} in version ${version}`);
        else if (steps.length === 0 && op.kind === 'correct')
          find('acknowledged-lost', `its mark ${op.mark} is nowhere`);
        else if (op.kind === 'close' && fact.data.status !== 'closed')
          find('acknowledged-lost', `${id} is ${fact.data.status} in version ${version}`);
        const sentVersion = op.sent?.version;
        if (sentVersion !== undefined && version !== sentVersion + 1)
          find('fields', `If-Match ${sentVersion} was answered with version ${version}`);
        if (steps.some((one) => one.id !== id || one.sequence !== version))
          find('acknowledged-twice', `its mark is at ${told(steps)}, not only at version ${version} of ${id}`); // prettier-ignore
      } else {
        // A repeat that was refused may follow a first try that was not: then it is there, once.
        const maybe = op.outcome === 'unknown' || (op.attempts ?? 1) > 1;
        version = steps[0]?.sequence;
        if (
          version === undefined &&
          op.kind === 'close' &&
          maybe &&
          op.sent?.version !== undefined
        ) {
          const next = world.stepsOf('registry', id).find(({ sequence }) => sequence === op.sent.version + 1); // prettier-ignore
          if (next?.data.status === 'closed') version = next.sequence;
        }
        if (steps.length > 0 && !maybe) find('refused-left', `its mark is at ${told(steps)}`);
        if (steps.length > 1) find('unknown-twice', `its mark is at ${told(steps)}`);
        if (steps.some((one) => one.id !== id))
          find('unknown-half', `its mark is at ${told(steps)}, and it was sent to ${id}`);
      }
      if (version !== undefined) owe(id, version, op);
      continue;
    }

    if (op.outcome === 'refused') {
      if (keyRows.length > 0) find('refused-left', `its key is kept with an answer`);
      if (carried.length > 0) find('refused-left', `its mark is at ${told(carried)}`);
      continue;
    }
    if (op.outcome === 'acknowledged' && op.key && keyRows.length === 0)
      find('acknowledged-lost', 'its Idempotency-Key is not there');
    if (keyRows.length > 1) find(most, `its Idempotency-Key is kept ${keyRows.length} times`);
    const answer = keyRows[0]?.answer;
    if (op.outcome === 'acknowledged' && answer && op.got?.id && answer.id !== op.got.id)
      find('acknowledged-twice', `answered ${op.got.id}, and ${answer.id} is kept under its key`);
    if (op.outcome === 'unknown' && keyRows.length === 0) {
      if (carried.length > 0)
        find('unknown-half', `its key is not there, but its mark is at ${told(carried)}`);
      continue;
    }
    if (keyRows.length > 0 && !answer) find(lost, 'its key is there without an answer');
    const id = op.got?.id ?? answer?.id ?? subjectOf(op);

    if (op.kind === 'register') {
      const there = carried.filter(({ what }) => what === 'establishment');
      if (!world.establishments.has(id)) find(lost, `no establishment ${id}`);
      if (op.mark && !there.some((one) => one.id === id && one.sequence === 1))
        find(lost, `its mark is not in the first version of ${id}`);
      if (there.some((one) => one.id !== id || one.sequence !== 1))
        find(most, `its mark is at ${told(there)} too`);
      owe(id, 1, op);
    } else if (op.kind === 'import') {
      made.import.add(id);
      const row = world.imports.get(id);
      const effects = world.effects.get(id) ?? [];
      if (!row) find(lost, `no import ${id}`);
      else if (row.state !== 'done') {
        if (op.outcome === 'acknowledged' || row.state !== 'failed' || effects.length > 0)
          find(lost, `${id} is ${row.state}`);
      } else if (op.got?.counts && !same(op.got.counts, row.counts))
        find('import-counts', `answered ${told(op.got.counts)}, and ${told(row.counts)} is kept`);
      for (const effect of effects) owe(effect.establishment_id, Number(effect.version), op);
      const [here, there] = [new Set(effects.map((one) => `${one.establishment_id} ${one.version}`)), carried.map((one) => `${one.id} ${one.sequence}`)]; // prettier-ignore
      if (there.some((one) => !here.has(one)))
        find(most, `rows with its mark came without it: ${told(there.filter((one) => !here.has(one)).slice(0, 3))}`); // prettier-ignore
    } else if (op.kind === 'propose') {
      made.propose.add(id);
      const proposal = world.proposals.get(id);
      if (!proposal) find(lost, `no proposal ${id}`);
      else if (op.sent?.division && proposal.division !== op.sent.division)
        find('fields', `${id} is of ${proposal.division}, not ${op.sent.division}`);
    } else if (op.kind === 'approve') {
      const proposal = op.sent?.id ?? op.sent?.proposalId ?? id;
      if (made.approve.has(proposal)) find(most, `${proposal} was approved twice`);
      made.approve.add(proposal);
      if (world.proposals.get(proposal)?.state !== 'approved')
        find(lost, `proposal ${proposal} is not approved`);
    } else if (op.kind === 'visit') {
      made.visit.add(id);
      const row = world.inspections.get(id);
      if (!row) find(lost, `no inspection ${id}`);
      const visits = carried.filter(({ what }) => what === 'visit');
      if (row && op.mark && !visits.some((one) => one.id === id))
        find(lost, `its mark is not in inspection ${id}`);
      if (visits.some((one) => one.id !== id)) find(most, `its mark is in ${told(visits)}`);
      const { establishmentId, findings: sent } = fieldsOf(op);
      if (row && establishmentId && row.establishment_id !== establishmentId)
        find('fields', `${id} is of ${row.establishment_id}, not ${establishmentId}`);
      const count = Array.isArray(sent) ? sent.length : sent;
      if (row && typeof count === 'number' && row.findings.length !== count)
        find('fields', `${count} findings were sent, and ${row.findings.length} are kept`);
    } else if (acts.includes(op.kind)) {
      const action = world.actions.get(op.sent?.id ?? op.sent?.correctiveActionId ?? id);
      const there = carried.filter(({ what }) => what === op.kind);
      if (!action) find(lost, `no corrective action ${id}`);
      else if (op.mark && !there.some((one) => one.id === action.id))
        find(lost, `no ${op.kind} of ${action.id} carries its mark`);
      if (carried.length > 1) find(most, `its mark is at ${told(carried)}`);
      if (action) stepOwed.set(`${action.id} ${op.mark}`, op);
      const { version } = op.got ?? {};
      if (
        action &&
        version !== undefined &&
        world.stepsOf('inspection', action.id).every(({ sequence }) => sequence !== version)
      )
        // prettier-ignore
        find(lost, `no fact of ${action.id} in version ${version}`);
    }
  }
  return { findings, owed, made, stepOwed, marks: finderOf(new Set(world.history.map(({ mark }) => mark).filter(Boolean))) }; // prettier-ignore
}

/** Nothing is there that nobody asked for (what the run began with is not looked at). */
function* invented(world, { owed, made, stepOwed, marks }) {
  for (const fact of world.facts) {
    if (fact.noun !== 'registry.establishment' || !world.ran(fact.recordedAt)) continue;
    const by = owed.get(`${fact.aggregate} ${fact.sequence}`) ?? [];
    const where = `registry.establishment ${fact.aggregate}`;
    if (by.length === 0) yield { where, say: `nobody asked for version ${fact.sequence}` };
    if (by.length > 1)
      yield { where, say: `version ${fact.sequence} answers ${by.map(namedOf).join(' and ')}` };
  }
  const those = [
    ['visit', 'inspection.inspection', world.inspections, (row) => row.submitted_at],
    ['propose', 'assignment.proposal', world.proposals, (row) => row.proposed_at],
    ['import', 'registry.ledger_import', world.imports, (row) => row.created_at],
    ['approve', 'assignment.proposal', world.proposals, (row) => row.approved_at],
  ];
  for (const [kind, where, rows, at] of those)
    for (const row of rows.values())
      if (at(row) && world.ran(at(row)) && !made[kind].has(row.id))
        yield { where: `${where} ${row.id}`, say: `is there, and no ${kind} of it` };
  for (const row of world.actions.values())
    for (const step of row.steps)
      if (world.ran(step.at) && ![...marks(step.text ?? '')].some((mark) => stepOwed.has(`${row.id} ${mark}`))) // prettier-ignore
        yield { where: `inspection.corrective_action ${row.id}`, say: `nobody asked for its ${step.act} of ${step.at}` }; // prettier-ignore
}

/** What a registration may leave unsaid, and what is kept then. */
const unsaid = { uscc: null, licence: null, area: null, diners: null, large: false, latitude: null, longitude: null }; // prettier-ignore
const said = ['name', 'address', 'kind', 'division', 'status', ...Object.keys(unsaid)];
/** What was sent is what the journal says of that version, and what the row holds unless a later version said otherwise. */
function* fields(world, { owed }) {
  const alike = (name, one, other) =>
    typeof one === 'string' && typeof other === 'string' && ['uscc', 'licence', 'name', 'address'].includes(name)
      ? one.trim().toUpperCase() === other.trim().toUpperCase()
      : same(one, other); // prettier-ignore
  const last = new Map();
  for (const [step, ops] of owed) {
    const [id, version] = step.split(' ');
    for (const op of ops) {
      if (op.kind === 'import') {
        // What a row of a sheet said is not written down: from here on nothing older is known.
        const { version: known = 0 } = last.get(`${id} *`) ?? {};
        if (Number(version) > known) last.set(`${id} *`, { version: Number(version) });
        continue;
      }
      const implied = { close: { status: 'closed' }, register: { status: 'open', ...unsaid } };
      const sent = { ...implied[op.kind], ...fieldsOf(op) };
      const fact = world.stepsOf('registry', id).find(({ sequence }) => sequence === Number(version)); // prettier-ignore
      for (const name of said) {
        if (!(name in sent)) continue;
        if (fact && name in fact.data && !alike(name, sent[name], fact.data[name]))
          yield { where: namedOf(op), say: `sent ${name} ${told(sent[name])}, and version ${version} of ${id} says ${told(fact.data[name])}` }; // prettier-ignore
        const before = last.get(`${id} ${name}`);
        if (!before || before.version < Number(version))
          last.set(`${id} ${name}`, { version: Number(version), value: sent[name], op });
      }
    }
  }
  for (const [step, { version, value, op }] of last) {
    const [id, name] = step.split(' ');
    const row = world.establishments.get(id);
    if (!op || !row || version < (last.get(`${id} *`)?.version ?? 0)) continue;
    if (name in row && !alike(name, value ?? null, row[name]))
      yield { where: namedOf(op), say: `sent ${name} ${told(value)}, and ${id} has ${told(row[name])}` }; // prettier-ignore
  }
}

/** An answer comes after its commit: who answers first has promised what he doesn't know. */
function* early(world) {
  const slackMs = 20; // commit timestamps and the client's clock are rounded apart
  for (const op of world.history) {
    if (op.outcome !== 'acknowledged' || op.got?.version === undefined) continue;
    const service = keyless(op) || op.kind === 'register' ? 'registry' : acts.includes(op.kind) || op.kind === 'visit' ? 'inspection' : null; // prettier-ignore
    if (!service) continue;
    const fact = world.stepsOf(service, subjectOf(op)).find(({ sequence }) => sequence === op.got.version); // prettier-ignore
    if (fact?.committedAt && fact.committedAt > op.until + slackMs)
      yield { where: namedOf(op), say: `answered ${Math.round(fact.committedAt - op.until)} ms before its commit` }; // prettier-ignore
  }
}

// -------------------------------------------------------------------------------------------------------------- journals and rows

/** A fact's envelope says what its row says, and no two facts share an id. */
function* envelope({ facts }) {
  const seen = new Map();
  for (const fact of facts) {
    const where = `${fact.service}.journal ${fact.journal}`;
    const { event } = fact;
    if (seen.has(fact.id)) yield { where, say: `has the id of ${seen.get(fact.id)}` };
    seen.set(fact.id, where);
    const claims = [
      ['id', event?.id, fact.id],
      ['type', event?.type, fact.type],
      ['subject', event?.subject, fact.aggregate],
      ['sequence', event?.sequence, fact.sequence],
      ['division', event?.division, fact.division],
      ['source', event?.source, `/services/${fact.service}`],
    ];
    for (const [name, said, is] of claims)
      if (said !== is) yield { where, say: `${name} is ${told(said)} in the event, ${told(is)} in the row` }; // prettier-ignore
    if (!fact.type.startsWith(`${fact.service}.`))
      yield { where, say: `${fact.type} is another's` };
  }
}

/** Of one aggregate: as ids rise, so do sequences and the instants of commit. */
function* order({ steps }) {
  for (const [name, facts] of steps)
    for (let at = 1; at < facts.length; at++) {
      const [before, after] = [facts[at - 1], facts[at]];
      if (after.sequence <= before.sequence)
        yield { where: name, say: `sequence ${after.sequence} follows ${before.sequence} in the journal` }; // prettier-ignore
      if (before.committedAt && after.committedAt && after.committedAt < before.committedAt)
        yield { where: name, say: `sequence ${after.sequence} was committed before ${before.sequence}` }; // prettier-ignore
    }
}

/** Where each row stands: what a fact's aggregate is called in the owner's table. */
function rowOf(world, noun, fact) {
  const { table, keyIn: [property, key] = [null, 'id'] } = nouns[noun];
  const owner = noun.split('.')[0];
  if (!world.byKey.has(noun)) world.byKey.set(noun, world.rows(owner, table, key));
  return world.byKey.get(noun).get(property ? fact.data[property] : fact.aggregate);
}

/** Versions are dense, each has its fact, and the newest fact says what the row says. */
function* versions(world) {
  const toldOf = new Map();
  for (const facts of world.steps.values()) {
    const newest = facts.at(-1);
    const what = nouns[newest.noun];
    const where = `${newest.noun} ${newest.aggregate}`;
    if (!what) {
      yield { rule: 'fact-without-change', where, say: `nothing is known of ${newest.type}` };
      continue;
    }
    const row = rowOf(world, newest.noun, newest);
    if (!row) {
      yield { rule: 'fact-without-change', where, say: `${newest.type} ${newest.sequence} is told, and there is no row in ${what.table}` }; // prettier-ignore
      continue;
    }
    const seen = toldOf.get(`${newest.noun}`) ?? new Set();
    toldOf.set(newest.noun, seen.add(row));
    const version = what.once ? 1 : Number(row.version);
    if (what.first && !what.first.includes(facts[0].verb))
      yield { rule: 'fact-kind', where, say: `begins with ${facts[0].type}` };
    for (const fact of facts.slice(1))
      if (what.only?.includes(fact.verb)) yield { rule: 'fact-kind', where, say: `is ${fact.verb} again in ${fact.sequence}` }; // prettier-ignore
    if (what.dense || what.once) {
      for (const [at, { sequence }] of facts.entries())
        if (sequence !== at + 1)
          yield { rule: 'versions-dense', where, say: `sequence ${sequence} is number ${at + 1}` };
      if (newest.sequence < version)
        yield { rule: 'change-without-fact', where, say: `is at version ${version}, and the journal ends with ${newest.sequence}` }; // prettier-ignore
    }
    if (newest.sequence > version)
      yield { rule: 'fact-without-change', where, say: `is at version ${version}, and the journal has ${newest.sequence}` }; // prettier-ignore
    if ((what.dense || what.once) && newest.sequence === version)
      for (const [property, value] of Object.entries(newest.data)) {
        if (what.apart?.includes(property)) continue;
        const own = !(column(property) in row);
        const kept = property.endsWith('On') ? day(row[column(property)]) : row[column(property)];
        if (!own && !same(kept, value) && !(kept === null && value === ''))
          yield { rule: 'fact-differs', where, say: `${property} is ${told(value)} in the newest fact, ${told(kept)} in the row` }; // prettier-ignore
      }
  }
  for (const [noun, { table, told: tells = () => true }] of Object.entries(nouns)) {
    const owner = noun.split('.')[0];
    if (noun.startsWith('notification.')) continue; // told of only once read, delivered or given up: see below
    for (const row of world.table(owner, table))
      if (tells(row) && !toldOf.get(noun)?.has(row))
        yield { rule: 'change-without-fact', where: `${noun} ${row.id ?? row.division}`, say: 'is there, and no fact tells of it' }; // prettier-ignore
  }
}

/** The nouns whose versions also count what nobody is told of: each step that is told has its mark on the row, and its fact. */
function* sparse(world) {
  const verbs = (service, id) => world.stepsOf(service, id).map(({ verb }) => verb).sort().join(' '); // prettier-ignore
  const copies = groups(world.table('assignment', 'undertaking_copy'), (row) => row.undertaking_id);
  for (const row of world.table('assignment', 'undertaking')) {
    const where = `assignment.undertaking ${row.id}`;
    const wanted = ['opened', ...(row.signed_at ? ['signed'] : []), ...(row.stale_at && row.stale_reason !== 'official-left' ? ['stale'] : [])].sort().join(' '); // prettier-ignore
    if (verbs('assignment', row.id) !== wanted)
      yield { where, say: `the journal says ${verbs('assignment', row.id)}, the row ${wanted}` };
    const { data = {} } = world.stepsOf('assignment', row.id).at(-1) ?? {};
    const silent = row.stale_reason === 'official-left'; // his leaving is its own fact
    const is = { officialId: row.official_id, division: row.division, listSha256: row.list_sha256, documentSha256: row.document_sha256, establishments: row.establishments.length, signedAt: row.signed_at }; // prettier-ignore
    if (!silent) Object.assign(is, { state: row.state === 'superseded' ? 'stale' : row.state, staleAt: row.stale_at, staleReason: row.stale_reason, added: row.stale_added, removed: row.stale_removed }); // prettier-ignore
    for (const [name, value] of Object.entries(is))
      if (!same(value, data[name])) yield { where, say: `${name} is ${told(data[name])} in the newest fact, ${told(value)} in the row` }; // prettier-ignore
    const steps = 1 + [row.signed_at, row.stale_at, row.superseded_at].filter(Boolean).length + (copies.get(row.id)?.length ?? 0); // prettier-ignore
    if (Number(row.version) !== steps)
      yield { where, say: `is at version ${row.version} after ${steps} steps` };
  }
  for (const row of world.table('notification', 'message')) {
    const read = world.stepsOf('notification', row.id).filter(({ verb }) => verb === 'read');
    const last = read.at(-1);
    if (row.read_at && !same(last?.data.readAt, row.read_at))
      yield { where: `notification.message ${row.id}`, say: `was read at ${row.read_at}, and the journal says ${told(last?.data.readAt)}` }; // prettier-ignore
  }
  for (const row of world.table('notification', 'delivery')) {
    const verb = { delivered: 'delivered', dead: 'failed' }[row.state];
    const last = world.stepsOf('notification', row.id).at(-1);
    if (row.message_id && verb && last?.verb !== verb)
      yield { where: `notification.delivery ${row.id}`, say: `is ${row.state}, and the journal ends with ${told(last?.verb)}` }; // prettier-ignore
  }
}

// -------------------------------------------------------------------------------------------------------------------- the bus

/** Each fact is applied once by each that listens, and nothing else is. */
function* inboxes(world) {
  const known = new Map(world.facts.map((fact) => [fact.id, fact]));
  for (const fact of world.facts)
    for (const service of world.listeners.get(fact.type) ?? []) {
      const inbox = world.inboxes.get(service);
      if (!inbox) continue;
      const times = inbox.get(fact.id)?.length ?? 0;
      const where = `${fact.type} ${fact.id}`;
      if (times === 0)
        yield { rule: 'fact-not-applied', where, say: `${service} has not applied version ${fact.sequence} of ${fact.aggregate}` }; // prettier-ignore
      if (times > 1) yield { rule: 'fact-applied-twice', where, say: `${service} has applied it ${times} times` }; // prettier-ignore
    }
  // Where the runner's triggers counted the transactions that wrote something for a fact: an effect that its guards made void
  // the second time leaves no other trace.
  for (const service of world.services)
    for (const { event_id: id, times } of world.table(service, 'chaos_written'))
      if (times > 1) yield { rule: 'fact-applied-twice', where: `${service} ${id}`, say: `wrote for it in ${times} transactions` }; // prettier-ignore
  for (const [service, inbox] of world.inboxes)
    for (const id of inbox.keys()) {
      const fact = known.get(id);
      if (!fact)
        yield { rule: 'applied-without-fact', where: `${service}.inbox ${id}`, say: 'no journal has this fact' }; // prettier-ignore
      else if (!world.listeners.get(fact.type)?.includes(service))
        yield { rule: 'applied-without-fact', where: `${service}.inbox ${id}`, say: `${service} does not listen to ${fact.type}` }; // prettier-ignore
    }
}

/** All is quiet: nothing waits to be sent, nothing was set aside, nothing is missed. */
function* quiet(world) {
  for (const service of world.services) {
    const waiting = world.table(service, 'outbox').length;
    if (waiting > 0) yield { rule: 'outbox-left', where: `${service}.outbox`, say: `${waiting} facts are unsent` }; // prettier-ignore
    for (const row of world.table(service, 'dead_letter'))
      yield { rule: 'dead-letter', where: `${service}.dead_letter ${row.id}`, say: `${row.type}: ${row.cause}${row.replayed_at ? ' (replayed)' : ''}` }; // prettier-ignore
    for (const row of world.table(service, 'waiting_fact'))
      yield { rule: 'fact-waiting', where: `${service}.waiting_fact ${row.event_id}`, say: `${row.type}: ${row.cause}` }; // prettier-ignore
    for (const row of world.table(service, 'missing_fact'))
      yield { rule: 'fact-missed', where: `${service}.missing_fact ${row.event_id}`, say: `${row.type} of ${row.owner} is missed since ${row.found_at}` }; // prettier-ignore
  }
}

/** Others' copies: the owner's newest state and its version. */
const copies = [
  { of: 'registry.establishment', in: 'assignment.premises', key: 'establishment_id', columns: ['division', 'name', 'kind', 'tier', 'status'] },
  { of: 'registry.establishment', in: 'inspection.premises', key: 'establishment_id', columns: ['division', 'name', 'kind', 'tier', 'status', 'address'] },
  { of: 'registry.calendar_year', by: (row) => `${row.division} ${row.year}`, in: 'inspection.calendar_year', columns: ['holidays', 'workdays'] },
  ...['assignment', 'identity', 'inspection', 'training', 'notification'].map((service) => ({ of: 'registry.division', by: (row) => row.division, which: (row) => Number(row.version) > 0, in: `${service}.division_list`, columns: ['name'] })),
  { of: 'assignment.assignment', in: 'inspection.responsibility', key: 'assignment_id', columns: ['division', 'establishment_id', 'official_id', 'official_name', 'official_post', 'official_level', 'made_at', 'ended_at'] },
  { of: 'assignment.official', in: 'training.official', key: 'official_id', columns: ['division', 'level', 'name', 'post', 'active'] },
  { of: 'assignment.official', in: 'identity.official_copy', key: 'official_id', columns: ['division', 'active'] },
  { of: 'assignment.official', in: 'notification.subscriber_official', key: 'official_id', columns: ['active', ['place', 'division']] },
  { of: 'identity.account', in: 'notification.subscriber_account', key: 'account_id', version: 'version', columns: ['active', 'role', ['place', 'division'], ['official_id', 'official']] },
  ...Object.keys(tables).map((service) => ({ of: 'identity.account', in: `${service}.account_cutoff`, key: 'account_id', version: 'version', columns: ['active'] })),
]; // prettier-ignore
function* copied(world) {
  const ran = new Set(world.services);
  for (const { of, in: at, key, by, which = () => true, version = 'sequence', columns } of copies) {
    const [[owner, table], [holder, name]] = [of.split('.'), at.split('.')];
    if (!ran.has(owner) || !ran.has(holder)) continue;
    const owned = of === 'identity.account' ? accountsOf(world) : world.table(owner, table);
    const originals = new Map(owned.filter(which).map((row) => [by ? by(row) : row.id, row]));
    const held = new Map(world.table(holder, name).map((row) => [by ? by(row) : row[key], row]));
    for (const [id, row] of originals) {
      const copy = held.get(id);
      const where = `${at} ${id}`;
      if (!copy) {
        yield { where, say: `is not there, and ${of} has it` };
        continue;
      }
      if (Number(copy[version]) !== Number(row.version))
        yield { where, say: `is at ${copy[version]}, and ${of} at ${row.version}` };
      for (const one of columns) {
        const [mine, his] = Array.isArray(one) ? one : [one, one];
        if (!same(copy[mine], row[his]) && !(copy[mine] === null && row[his] === ''))
          yield { where, say: `${mine} is ${told(copy[mine])}, and ${of} says ${told(row[his])}` };
      }
      if (row.listed && !same(copy.below, row.listed.below))
        yield { where, say: `lists other divisions than ${of}` };
    }
    for (const id of held.keys())
      if (!originals.has(id)) yield { where: `${at} ${id}`, say: `is there, and ${of} has none` };
  }
  yield* earliest(world);
}

/** Accounts as their newest facts tell of them: the rows themselves hold secrets, and are not dumped. */
function accountsOf({ steps }) {
  const newest = [...steps.values()].map((facts) => facts.at(-1));
  return newest
    .filter(({ noun }) => noun === 'identity.account')
    .map(({ aggregate, sequence, data }) => ({ ...data, id: aggregate, version: sequence }));
}

/** Copies that are a sum of many facts: the newest visit, the earliest certificate; inspection keeps when its session was held. */
function* earliest(world) {
  const visits = groups(world.inspections.values(), (row) => row.establishment_id);
  const visited = world.rows('registry', 'establishment_visit', 'establishment_id');
  for (const id of new Set([...visits.keys(), ...visited.keys()])) {
    const newest = Math.max(...(visits.get(id) ?? []).map((row) => ms(row.submitted_at)));
    const row = visited.get(id);
    const where = `registry.establishment_visit ${id}`;
    if (!row || ms(row.submitted_at) !== newest)
      yield { where, say: `says ${told(row?.submitted_at)}, and the newest visit is of ${told(newest)}` }; // prettier-ignore
    else if (
      !visits
        .get(id)
        .some(
          (visit) =>
            visit.id === row.inspection_id &&
            ms(visit.submitted_at) === newest &&
            visit.division === row.division,
        )
    )
      // prettier-ignore
      yield { where, say: `names ${row.inspection_id}, which is not the newest visit` };
  }
  if (!world.services.includes('training')) return;
  const certified = groups(world.table('training', 'certificate'), (row) => row.official_id);
  const heldAt = new Map(world.facts.filter(({ noun }) => noun === 'training.certificate').map(({ aggregate, data }) => [aggregate, data.heldAt])); // prettier-ignore
  const qualified = world.rows('inspection', 'qualification', 'official_id');
  const officials = world.rows('assignment', 'official');
  for (const id of new Set([...certified.keys(), ...qualified.keys(), ...officials.keys()])) {
    const all = certified.get(id) ?? [];
    const first = all.length > 0 ? Math.min(...all.map((row) => ms(row.issued_at))) : null;
    const held = all.length > 0 ? Math.min(...all.map((row) => ms(heldAt.get(row.id) ?? row.issued_at))) : null; // prettier-ignore
    const copy = qualified.get(id);
    if (ms(copy?.qualified_at) !== held || (copy && !all.some(({ division }) => division === copy.division))) // prettier-ignore
      yield { where: `inspection.qualification ${id}`, say: `says ${told(copy?.qualified_at)}, the first session ${told(held)}` }; // prettier-ignore
    if (officials.has(id) && ms(officials.get(id).qualified_at) !== first)
      yield { where: `assignment.official ${id}`, say: `qualified at ${told(officials.get(id).qualified_at)}, the first certificate ${told(first)}` }; // prettier-ignore
  }
}

// ---------------------------------------------------------------------------------------------------------------- effects, once each

const periodOf = (date) => `${date.slice(0, 4)}-Q${Math.ceil(Number(date.slice(5, 7)) / 3)}`;
/** The day of an instant in the county (Asia/Shanghai). */
const countyDay = (instant) => new Date(ms(instant) + 8 * 3600_000).toISOString().slice(0, 10);
const lastDayOf = (period) => {
  const [, year, quarter] = /^(\d{4})-Q([1-4])$/.exec(period) ?? [];
  return year ? new Date(Date.UTC(Number(year), Number(quarter) * 3, 0)).toISOString().slice(0, 10) : null; // prettier-ignore
};

/** Who answers for each establishment now. */
function answering(world) {
  const now = world.table('assignment', 'assignment').filter(({ ended_at: ended }) => ended === null); // prettier-ignore
  return groups(now, (row) => row.establishment_id);
}

/** features.md I1: one visit is due for each open establishment and quarter that was opened; it follows who answers. */
function* obligations(world) {
  const runs = world.table('inspection', 'obligation_run');
  const today = countyDay(world.run.endedAt);
  const due = groups(world.table('inspection', 'obligation'), (row) => `${row.establishment_id} ${row.period}`); // prettier-ignore
  const answers = answering(world);
  for (const run of runs)
    if (run.state !== 'done') yield { where: `inspection.obligation_run ${run.id}`, say: `is ${run.state}` }; // prettier-ignore
  for (const one of world.establishments.values())
    for (const run of runs.filter(
      ({ division, period }) => one.division.startsWith(division) && period >= periodOf(today),
    )) {
      // prettier-ignore
      const those = due.get(`${one.id} ${run.period}`) ?? [];
      const where = `inspection.obligation of ${one.id} in ${run.period}`;
      if (those.length > 1) yield { where, say: `is there ${those.length} times` };
      if (one.status === 'open' && those.length === 0) yield { where, say: 'is not there' };
      if (one.status === 'open' && those[0]?.state === 'withdrawn')
        yield { where, say: 'is withdrawn, and the establishment is open' };
      if (one.status !== 'open' && those[0]?.state === 'open')
        yield { where, say: `is open, and the establishment ${one.status}` };
    }
  for (const row of world.table('inspection', 'obligation')) {
    const where = `inspection.obligation ${row.id}`;
    const establishment = world.establishments.get(row.establishment_id);
    if (!establishment) {
      yield { where, say: `is of ${row.establishment_id}, which is not there` };
      continue;
    }
    if (
      !runs.some(
        ({ division, period }) => row.division.startsWith(division) && period === row.period,
      )
    )
      // prettier-ignore
      yield { where, say: `is of ${row.period}, which nobody opened` };
    if (day(row.due_on) !== lastDayOf(row.period))
      yield { where, say: `is due on ${day(row.due_on)} in ${row.period}` };
    const still = row.state === 'open' || row.state === 'overdue';
    if (still && (row.establishment_name !== establishment.name || row.tier !== establishment.tier))
      yield { where, say: `names ${row.establishment_name} ${row.tier}, which is ${establishment.name} ${establishment.tier}` }; // prettier-ignore
    if (still && establishment.status === 'open' && row.division !== establishment.division)
      yield {
        where,
        say: `is of ${row.division}, and the establishment of ${establishment.division}`,
      };
    const last = world.stepsOf('inspection', row.id).at(-1);
    if (!still && row.establishment_name !== last?.data.establishmentName)
      yield { where, say: `names ${row.establishment_name}, and its last fact ${last?.data.establishmentName}` }; // prettier-ignore
    const now = answers.get(row.establishment_id)?.[0]?.official_id ?? null;
    if (still && row.official_id !== now) yield { where, say: `is ${row.official_id}'s, and ${now} answers` }; // prettier-ignore
    const visit = row.inspection_id === null ? null : world.inspections.get(row.inspection_id);
    if ((row.state === 'settled') !== (row.inspection_id !== null) || visit === undefined)
      yield { where, say: `is ${row.state} by inspection ${row.inspection_id}` };
    else if (
      visit &&
      (visit.obligation_id !== row.id ||
        visit.establishment_id !== row.establishment_id ||
        periodOf(countyDay(visit.visited_at)) !== row.period)
    )
      // prettier-ignore
      yield { where, say: `is settled by inspection ${visit.id}, which is not of it` };
  }
  const ids = world.rows('inspection', 'obligation');
  for (const visit of world.inspections.values())
    if (visit.obligation_id !== null && !visit.counts)
      yield { where: `inspection.inspection ${visit.id}`, say: `settles obligation ${visit.obligation_id}, and does not count` }; // prettier-ignore
    else if (visit.obligation_id !== null && ids.get(visit.obligation_id)?.inspection_id !== visit.id)
      yield { where: `inspection.inspection ${visit.id}`, say: `settles obligation ${visit.obligation_id}, which says otherwise` }; // prettier-ignore
}

/** features.md I6, I7: each finding that gets a deadline has one correction, its acts in their order, its day in working days. */
function* corrections(world) {
  const answers = answering(world);
  const wanted = new Map();
  for (const visit of world.inspections.values()) {
    const fact = world.stepsOf('inspection', visit.id)[0];
    const failed = visit.results.filter(({ result }) => result === 'fail').length;
    if (fact && (fact.data.failed !== failed || fact.data.findings !== visit.findings.length))
      yield { where: `inspection.inspection ${visit.id}`, say: `tells of ${fact.data.findings} findings on ${fact.data.failed} items, and has ${visit.findings.length} on ${failed}` }; // prettier-ignore
    for (const finding of visit.findings) {
      if (finding.correctiveActionId === null) continue;
      const where = `inspection.corrective_action ${finding.correctiveActionId}`;
      if (wanted.has(finding.correctiveActionId)) yield { where, say: 'is of two findings' };
      wanted.set(finding.correctiveActionId, { visit, finding });
      const action = world.actions.get(finding.correctiveActionId);
      if (!action) yield { where, say: `inspection ${visit.id} asks for it, and it is not there` };
      else if (
        action.inspection_id !== visit.id ||
        action.finding !== finding.text ||
        action.item !== finding.item
      )
        // prettier-ignore
        yield { where, say: `is not what inspection ${visit.id} found` };
    }
  }
  const years = world.table('inspection', 'calendar_year');
  const numbers = groups(world.actions.values(), ({ number }) => number);
  for (const action of world.actions.values()) {
    const where = `inspection.corrective_action ${action.id}`;
    if (!wanted.has(action.id)) yield { where, say: 'no finding asks for it' };
    if (numbers.get(action.number).length > 1)
      yield { where, say: `shares its number ${action.number}` };
    let state = 'open';
    const may = { response: ['open'], verification: ['responded'], closure: ['verified'] };
    for (const { act, outcome } of action.steps) {
      if (!may[act]?.includes(state)) yield { where, say: `has a ${act} while it is ${state}` };
      state = act === 'response' ? 'responded' : act === 'closure' ? 'closed' : outcome === 'corrected' ? 'verified' : 'open'; // prettier-ignore
    }
    if (state !== action.state) yield { where, say: `is ${action.state}, and its steps make it ${state}` }; // prettier-ignore
    const verbs = { response: 'changed', verification: 'changed', closure: 'closed' };
    const acted = action.steps.map(({ act, outcome }) => (outcome === 'corrected' ? 'verified' : verbs[act])).filter((verb) => verb !== 'changed'); // prettier-ignore
    const said = world.stepsOf('inspection', action.id).map(({ verb }) => verb).filter((verb) => verb === 'verified' || verb === 'closed'); // prettier-ignore
    if (!same(acted, said)) yield { where, say: `did ${told(acted)}, and the journal says ${told(said)}` }; // prettier-ignore
    const now = answers.get(action.establishment_id)?.[0]?.official_id ?? null;
    if (action.state !== 'closed' && action.official_id !== now)
      yield { where, say: `is ${action.official_id}'s, and ${now} answers` };
    const place = world.establishments.get(action.establishment_id)?.division;
    if (action.state !== 'closed' && action.division !== place)
      yield { where, say: `is of ${action.division}, and the establishment of ${place}` };
    const calendar = {
      years: years
        .filter(({ division }) => action.division.startsWith(division))
        .map((year) => ({ year: Number(year.year), holidays: year.holidays, workdays: year.workdays.map((on) => ({ on })) })), // prettier-ignore
    };
    const deadline = addWorkingDays(day(action.start_on), Number(action.working_days), calendar);
    if (deadline.dueOn !== day(action.due_on) || deadline.dueState !== action.due_state)
      yield { where, say: `is due on ${day(action.due_on)} (${action.due_state}), by the calendar on ${deadline.dueOn} (${deadline.dueState})` }; // prettier-ignore
    if (
      action.overdue &&
      (action.due_on === null || day(action.due_on) >= countyDay(world.run.endedAt))
    )
      // prettier-ignore
      yield { where, say: `is overdue before ${day(action.due_on)}` };
  }
}

/** features.md A1, A2: who answers is what was approved, one an establishment, and nobody for what is closed. */
function* assignments(world) {
  const all = world.table('assignment', 'assignment');
  const lines = groups(world.table('assignment', 'proposal_line'), (row) => row.proposal_id);
  const of = new Map([...lines.values()].flat().map((row) => [`${row.proposal_id} ${row.establishment_id}`, row])); // prettier-ignore
  for (const [key, those] of groups(all, (row) => `${row.proposal_id} ${row.establishment_id}`))
    if (those.length > 1) yield { where: `assignment.assignment of ${key}`, say: `was made ${those.length} times` }; // prettier-ignore
  for (const [id, those] of answering(world)) {
    if (those.length > 1) yield { where: `assignment.assignment of ${id}`, say: `${those.length} officials answer at once` }; // prettier-ignore
    const { status, division } = world.establishments.get(id) ?? {};
    if (division?.slice(0, 9) !== those[0].division.slice(0, 9))
      yield { where: `assignment.assignment ${those[0].id}`, say: `is of ${those[0].division}, and the establishment of ${division}` }; // prettier-ignore
    if (status === undefined || status === 'closed')
      yield { where: `assignment.assignment ${those[0].id}`, say: `somebody answers for ${id}, which is ${status ?? 'not there'}` }; // prettier-ignore
  }
  for (const row of all) {
    const where = `assignment.assignment ${row.id}`;
    const line = of.get(`${row.proposal_id} ${row.establishment_id}`);
    if (world.proposals.get(row.proposal_id)?.state !== 'approved')
      yield { where, say: `is of proposal ${row.proposal_id}, which is not approved` };
    else if (line?.official_id !== row.official_id || line.tier !== row.tier)
      yield { where, say: `gives ${row.establishment_id} (${row.tier}) to ${row.official_id}, and the proposal said ${told(line)}` }; // prettier-ignore
    if ((row.ended_at === null) !== (row.end_reason === null))
      yield { where, say: `ended at ${row.ended_at} because of ${row.end_reason}` };
  }
  const same_ = groups(all, (row) => `${row.establishment_id} ${row.official_id} ${row.tier}`);
  const madeBy = groups(all, (row) => row.proposal_id);
  for (const proposal of world.proposals.values()) {
    const where = `assignment.proposal ${proposal.id}`;
    const mine = lines.get(proposal.id) ?? [];
    for (const { establishment_id: id } of mine)
      if (!world.establishments.has(id)) yield { where, say: `has a line for ${id}, which is not there` }; // prettier-ignore
    const given = mine.filter(({ official_id: official }) => official !== null);
    if (mine.length !== proposal.counts.establishments || given.length !== proposal.counts.assigned)
      yield { where, say: `counts ${proposal.counts.assigned} of ${proposal.counts.establishments}, and has ${given.length} of ${mine.length}` }; // prettier-ignore
    if (proposal.state !== 'approved') continue;
    const made = madeBy.get(proposal.id)?.length ?? 0;
    const kept = given.filter((line) => (same_.get(`${line.establishment_id} ${line.official_id} ${line.tier}`) ?? []).some((row) => row.proposal_id !== proposal.id)).length; // prettier-ignore
    const skipped = Number(proposal.counts.skipped);
    if (made + skipped > given.length || made + skipped + kept < given.length)
      yield { where, say: `gives ${given.length}: ${made} were made, ${skipped} skipped, at most ${kept} kept` }; // prettier-ignore
    if (Number(proposal.version) !== 2)
      yield { where, say: `is at version ${proposal.version} after one approval` };
  }
}

/** features.md A6: one undertaking an official at a time, for the list he answers for now. */
function* undertakings(world) {
  const lists = groups([...answering(world).values()].flat(), (row) => row.official_id);
  const now = world.table('assignment', 'undertaking').filter(({ state }) => state === 'open' || state === 'signed'); // prettier-ignore
  for (const [official, those] of groups(now, (row) => row.official_id)) {
    const where = `assignment.undertaking of ${official}`;
    if (those.length > 1) yield { where, say: `${those.length} are in force` };
    const list = (lists.get(official) ?? []).map((row) => row.establishment_id).sort();
    const named = those[0].establishments.map(({ establishmentId }) => establishmentId).sort();
    if (!same(list, named)) yield { where, say: `names ${named.length}, and he answers for ${list.length}, not the same` }; // prettier-ignore
  }
}

/** features.md N3: one message a fact and person, in the words of the newest fact. */
const tellings = [
  [/^assignment\.assignment\.made\./, 'assigned', ({ data }) => data.officialId],
  [/^inspection\.obligation\.(opened|reassigned)\./, 'visit-due', ({ data }) => data.officialId],
  [/^inspection\.corrective-action\.(due|changed)\./, 'correction-due', ({ data }) => (data.state === 'open' ? data.officialId : null)],
  [/^inspection\.corrective-action\.changed\./, 'correction-rejected', ({ data }) => (data.rejectedAt ? data.officialId : null), ({ data }) => data.rejectedAt],
  [/^inspection\.corrective-action\.verified\./, 'correction-verified', ({ data }) => data.officialId],
  [/^inspection\.corrective-action\.changed\./, 'correction-answered', ({ data }) => (data.state === 'responded' ? 'office' : null), ({ data }) => data.answeredAt ?? 'nobody knows when'],
  [/^inspection\.inspection\.withdrawn\./, 'visit-withdrawn', ({ data }) => data.officialId],
  [/^inspection\.corrective-action\.near\./, 'correction-near', ({ data }) => data.officialId],
  [/^inspection\.corrective-action\.overdue\./, 'correction-overdue', ({ data }) => data.officialId],
  [/^inspection\.corrective-action\.overdue\./, 'correction-overdue', () => 'office'],
  [/^inspection\.visits\.reminded\./, 'visits-remaining', ({ data }) => (data.daysBefore === 0 ? null : (data.officialId ?? roleAt(data.division)))],
  [/^inspection\.visits\.reminded\./, 'visits-missed', ({ data }) => (data.daysBefore === 0 ? (data.officialId ?? roleAt(data.division)) : null)],
  [/^assignment\.undertaking\.stale\./, 'undertaking-renewal', ({ data }) => (data.staleReason === 'proposal-approved' || data.division.length < 6 ? null : roleAt(data.division))],
  [/^inspection\.calendar\.missing\./, 'calendar-missing', () => 'county-admin'],
  [/^assignment\.undertaking\.opened\./, 'undertaking-due', ({ data }) => data.officialId],
  [/^assignment\.undertaking\.stale\./, 'undertaking-stale', ({ data }) => data.officialId],
]; // prettier-ignore
/** Of a place as a whole the county is told, or the office of its township. */
const roleAt = (division) => (division.length === 6 ? 'county-admin' : 'office');
function* messages(world) {
  const wanted = new Map();
  for (const fact of world.facts)
    for (const [type, kind, whom, when] of tellings) {
      const to = type.test(fact.type) ? (whom(fact) ?? null) : null;
      if (to === null) continue;
      const key = `${kind} ${fact.aggregate} ${to} ${when?.(fact) ?? ''}`;
      if (!(wanted.get(key)?.sequence > fact.sequence)) wanted.set(key, fact);
    }
  const there = groups(world.table('notification', 'message'), (row) => `${row.kind} ${row.subject_id} ${row.official_id ?? row.audience} ${row.occasion ?? ''}`); // prettier-ignore
  for (const [key, fact] of wanted) {
    const rows = there.get(key) ?? [];
    const where = `notification.message ${key}`;
    if (rows.length === 0) yield { where, say: `nobody is told of ${fact.type} ${fact.sequence}` };
    if (rows.length > 1) yield { where, say: `is told ${rows.length} times` };
    if (rows.length === 0) continue;
    if (Number(rows[0].sequence) !== fact.sequence)
      yield { where, say: `tells of version ${rows[0].sequence}, and the newest is ${fact.sequence}` }; // prettier-ignore
    const place =
      rows[0].audience === 'office' ? fact.data.division.slice(0, 9) : fact.data.division;
    if (rows[0].division !== place)
      yield { where, say: `is of ${rows[0].division}, and belongs to ${place}` };
    const about = Object.entries(rows[0].about);
    if (about.length === 0) yield { where, say: 'says nothing' };
    for (const [name, value] of about) {
      const meant = fact.data[name === 'reason' ? 'staleReason' : name];
      if (!same(meant, value)) yield { where, say: `says ${name} ${told(value)}, the fact ${told(meant)}` }; // prettier-ignore
    }
  }
  for (const key of there.keys())
    if (!wanted.has(key))
      yield { where: `notification.message ${key}`, say: 'no fact asks for it' };
  const sent = world.table('notification', 'delivery').filter(({ message_id: of }) => of !== null);
  for (const [key, rows] of groups(sent, (row) => `${row.subscription_id} ${row.message_id} ${row.message_version}`)) // prettier-ignore
    if (rows.length > 1) yield { where: `notification.delivery ${key}`, say: `is sent ${rows.length} times` }; // prettier-ignore
}

/** api.md 'Ledger import': the counts add up, and are the rows that came of it. */
function* imports(world) {
  for (const row of world.imports.values()) {
    const where = `registry.ledger_import ${row.id}`;
    const effects = world.effects.get(row.id) ?? [];
    const { rows, created, updated, unchanged, refused, duplicate } = row.counts;
    const came = effects.filter(({ before }) => before === null);
    if (row.dry_run && effects.length > 0) yield { where, say: 'was a dry run, and left rows' };
    if (row.dry_run || row.state !== 'done') continue;
    if (rows !== created + updated + unchanged + refused + duplicate || Number(row.done_rows) !== rows || Number(row.total_rows) !== rows) // prettier-ignore
      yield { where, say: `counts ${told(row.counts)} of ${row.done_rows} of ${row.total_rows} rows` }; // prettier-ignore
    if (came.length !== created || effects.length - came.length !== updated)
      yield { where, say: `counts ${created} created and ${updated} updated, and made ${came.length} and changed ${effects.length - came.length}` }; // prettier-ignore
    for (const effect of effects) {
      const fact = world.stepsOf('registry', effect.establishment_id).find(({ sequence }) => sequence === Number(effect.version)); // prettier-ignore
      if (!fact || (fact.sequence === 1) !== (effect.before === null))
        yield { where, say: `row ${effect.row} made version ${effect.version} of ${effect.establishment_id}, and the journal says ${told(fact?.type)}` }; // prettier-ignore
    }
  }
}

/** Every number that was answered is what the rows count (indicators.mjs). */
function* indicators(world) {
  const rows = {
    establishments: world.table('registry', 'establishment'),
    officials: world.table('assignment', 'official'),
    assignments: world.table('assignment', 'assignment').map((row) => ({ division: row.division, establishmentId: row.establishment_id, officialId: row.official_id, endedAt: row.ended_at })),
    undertakings: world.table('assignment', 'undertaking').map((row) => ({ division: row.division, officialId: row.official_id, state: row.state, establishments: row.establishments.map((one) => one.establishmentId) })),
    obligations: world.table('inspection', 'obligation'),
    actions: world.table('inspection', 'corrective_action').map((row) => ({ ...row, startOn: day(row.start_on) })),
    certificates: world.table('training', 'certificate').map((row) => ({ division: row.division, officialId: row.official_id })),
    messages: world.table('notification', 'message').map((row) => ({ division: row.division, audience: row.audience, readAt: row.read_at })),
  }; // prettier-ignore
  if (world.indicators.length === 0)
    yield { where: 'final/indicators.json', say: 'holds no answer' };
  const counted = new Map();
  for (const { service, division, at, body } of world.indicators) {
    if (!Array.isArray(body?.items)) {
      yield {
        where: `${service} ${division}`,
        say: `was asked at ${at} and answered ${told(body)}`,
      };
      continue;
    }
    for (const { code, period, numerator, denominator } of body.items) {
      const quarter = period ?? periodOf(countyDay(world.run.endedAt));
      const key = `${division} ${quarter}`;
      if (!counted.has(key)) counted.set(key, recount(rows, division, quarter));
      const own = counted.get(key)[code];
      if (own?.numerator !== numerator || own.denominator !== denominator)
        yield { where: `${service} ${code} of ${division}`, say: `answered ${numerator}/${denominator}, and the rows are ${own?.numerator}/${own?.denominator}` }; // prettier-ignore
    }
  }
}

// --------------------------------------------------------------------------------------------------------------------- verdict

/** Milliseconds from an instant to the nearest of these, which are sorted. */
function nearest(sorted, instant) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < instant) low = middle + 1;
    else high = middle;
  }
  const away = [sorted[low - 1], sorted[low]].filter((one) => one !== undefined);
  return Math.min(...away.map((one) => Math.abs(one - instant)));
}

function countsOf(world) {
  const outcomes = { acknowledged: 0, refused: 0, unknown: 0 };
  const byKind = Object.fromEntries(kinds.map((kind) => [kind, 0]));
  for (const { outcome, kind } of world.history) {
    outcomes[outcome] += 1;
    if (outcome === 'acknowledged') byKind[kind] += 1;
  }
  const commits = world.facts.map((fact) => fact.committedAt).filter(Number.isFinite).sort((a, b) => a - b); // prettier-ignore
  const faults = world.run.faults ?? [];
  const kills = faults.filter(({ kind }) => kind === 'kill');
  const recovered = faults.map(({ recoveryMs }) => recoveryMs).filter(Number.isFinite);
  return {
    operations: world.history.length,
    ...outcomes,
    acknowledgedOf: byKind,
    facts: world.facts.length,
    applied: world.services.reduce((sum, service) => sum + world.table(service, 'inbox').length, 0),
    faults: faults.length,
    faultsOf: Object.fromEntries([...groups(faults, ({ kind }) => kind)].map(([kind, those]) => [kind, those.length])), // prettier-ignore
    kills: kills.length,
    killsNearCommit: kills.filter(({ at }) => nearest(commits, ms(at)) <= enough.nearMs).length,
    slowestRecoveryMs: recovered.length > 0 ? Math.max(...recovered) : null,
  };
}

/** @param listeners type → the services that listen to it */
export function judge(given, listeners) {
  const world = worldOf(given, listeners);
  const findings = [];
  const broken = {};
  const take = (rule, all) => {
    for (const one of all) {
      const name = one.rule ?? rule;
      broken[name] = (broken[name] ?? 0) + 1;
      if (broken[name] <= mostTold) findings.push({ rule: name, where: one.where, say: one.say });
    }
  };
  take('dump', dumped(world));
  const complete = findings.length === 0;
  if (complete) {
    take('history', written(world));
    take('row-twice', unique(world));
    const done = operations(world);
    take('operations', done.findings);
    take('invented', invented(world, done));
    take('fields', fields(world, done));
    take('acknowledged-early', early(world));
    take('envelope', envelope(world));
    take('order', order(world));
    take('versions', versions(world));
    take('sparse', sparse(world));
    take('inbox', inboxes(world));
    take('quiet', quiet(world));
    take('copy', copied(world));
    take('obligation', obligations(world));
    take('correction', corrections(world));
    take('assignment', assignments(world));
    take('undertaking', undertakings(world));
    take('message', messages(world));
    take('import-counts', imports(world));
    take('indicator', indicators(world));
  }
  const counts = complete ? countsOf(world) : {};
  const not = complete ? [] : ['the folder is not complete'];
  if (complete) {
    if (counts.acknowledged < enough.acknowledged)
      not.push(`${counts.acknowledged} operations were acknowledged, not ${enough.acknowledged}`);
    for (const [kind, times] of Object.entries(counts.acknowledgedOf))
      if (times < enough.ofEachKind) not.push(`${kind}: ${times} acknowledged, not ${enough.ofEachKind}`); // prettier-ignore
    if (counts.kills === 0) not.push('nothing was killed');
    else if (counts.killsNearCommit < counts.kills * enough.killsNearCommit)
      not.push(`${counts.killsNearCommit} of ${counts.kills} kills came within ${enough.nearMs} ms of a commit, not one in five`); // prettier-ignore
  }
  return {
    verdict: findings.length === 0 ? 'ok' : 'broken',
    findings,
    counts: { ...counts, findings: broken },
    counted: not.length === 0,
    notCountedBecause: not,
  };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const folder = process.argv[2];
  if (!folder) {
    process.stderr.write('node test/oracle/chaos.mjs <folder>\n');
    process.exit(2);
  }
  const asyncapi = readFileSync(join(import.meta.dirname, '../../docs/asyncapi.yaml'), 'utf8');
  const verdict = judge(readRun(folder), listenersIn(asyncapi));
  process.stdout.write(`${JSON.stringify(verdict, null, 2)}\n`);
  process.exitCode = verdict.verdict === 'ok' ? 0 : 1;
}
