import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Envelope, listeners, type Service, subjectOf } from '#contracts';
import { eventually, Fleet, randomFrom, shuffled } from '#testing';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { type NatsConnection } from '@nats-io/transport-node';
import { v7 as uuidv7 } from 'uuid';
import { type DivisionRow, readDivisions } from './oracle/ledger.mjs';
import { quarterOf } from './oracle/round.mjs';

interface Shop {
  id: string;
  division: string;
  name: string;
  version: number;
}
interface Official {
  id: string;
  division: string;
  level: string;
}
interface Visit {
  id: string;
  findings: { correctiveActionId: string | null }[];
}
type Answer = Awaited<ReturnType<Fleet['call']>>;
type Row = Record<string, unknown>;

const owners = ['registry', 'assignment', 'inspection', 'training', 'notification'] as const;
const consumers = ['assignment', 'inspection', 'training', 'notification'] as const;
const seed = Number(process.env['FOODWARDEN_SEED'] ?? Date.now() % 1_000_000);
const say = (line: string): void => void process.stderr.write(`faults: ${line}\n`);
const today = (): string =>
  new Intl.DateTimeFormat('sv-SE', { timeZone: 'Asia/Shanghai' }).format(new Date());
const { checklists } = JSON.parse(await readFile('apps/platform/sample/checklists.json', 'utf8')) as { checklists: { kinds: string[]; items: { code: string }[] }[] }; // prettier-ignore
const items = checklists.find(({ kinds }) => kinds.includes('small-catering'))!.items;

let fleet: Fleet;
let divisions: DivisionRow[];

const call = async (account: string, service: Service, method: string, path: string, body?: unknown, headers = {}): Promise<Answer> =>
  fleet.call(service, method, path, { token: await fleet.token(account), headers, ...(body === undefined ? {} : { body }) }); // prettier-ignore
const every = async <T>(account: string, service: Service, path: string): Promise<T[]> =>
  fleet.every<T>(service, path, await fleet.token(account));
/** What must succeed for the rest to mean anything. */
async function done<T>(answer: Promise<Answer>): Promise<T> {
  const { status, body } = await answer;
  if (status >= 300) throw new Error(`${status} ${JSON.stringify(body)}`);
  return body as T;
}
const land = async (service: Service, path: string, lines: string[]): Promise<void> => {
  const { state, counts } = await fleet.land(service, path, await fleet.token('county'), Buffer.from(`${lines.join('\n')}\n`), 'a.csv'); // prettier-ignore
  expect([state, counts['created']]).toEqual(['done', lines.length - 1]);
};
const villagesOf = (township: string, count: number): DivisionRow[] =>
  divisions.filter(({ parent }) => parent === township).slice(0, count);
const roster = (villages: DivisionRow[], ...more: string[]): Promise<void> =>
  land('assignment', '/v1/roster-imports', ['姓名,职务,层级,行政区划代码', ...villages.map(({ code }) => `${code}书记,书记,村级,${code}`), ...more]); // prettier-ignore
/** So many small caterers in each village, which are D, and whatever else is given. */
const ledger = (villages: DivisionRow[], each: number, ...more: string[]): Promise<void> => {
  const township = divisions.find(({ code }) => code === villages[0]!.parent)!.name;
  return land('registry', '/v1/ledger-imports', [
    '主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态,经营面积(㎡)',
    ...villages.flatMap(({ name, code }) => Array.from({ length: each }, (_, n) => `${code}店${n},,${code}街${n}号,${township},${name},小餐饮,`)),
    ...more,
  ]);
}; // prettier-ignore
async function assign(division: string): Promise<void> {
  await fleet.quiet();
  const { id } = await done<{ id: string }>(call('county', 'assignment', 'POST', '/v1/proposals', { division })); // prettier-ignore
  await done(call('county-2', 'assignment', 'POST', `/v1/proposals/${id}/approval`));
  await fleet.quiet();
}
const visit = (establishmentId: string, correction: boolean): object => ({
  establishmentId, method: 'on-site', visitedAt: new Date(Date.now() - 60_000).toISOString(), operator: { answer: 'signed', signedBy: '王某' },
  results: items.map(({ code }, index) => ({ item: code, result: correction && index === 0 ? 'fail' : 'pass' })),
  findings: correction ? [{ item: items[0]!.code, text: '不合格', handling: 'deadline', workingDays: 3 }] : [],
}); // prettier-ignore

beforeAll(async () => {
  say(`seed ${seed}`);
  divisions = await readDivisions('apps/platform/sample/divisions.csv');
  fleet = await Fleet.make([...owners, 'identity']);
  await fleet.startNats();
}, 120_000);
afterAll(() => fleet?.stop(), 60_000);

it('takes no fact into a stream before everybody who listens has a place there', async () => {
  const bus = await fleet.bus('registry');
  const js = jetstream(bus, { timeout: 2_000 });
  const subject = 'evt.registry.establishment.registered.v1.371425.101';
  let acknowledged = 0;
  let going = true;
  const work = (async (): Promise<void> => {
    while (going)
      await js.publish(subject, '{"not":"a fact"}').then(
        () => void (acknowledged += 1),
        () => undefined, // no stream yet, or none that takes facts yet: a relay keeps what is not acknowledged
      );
  })();
  await fleet.deployBus();
  await eventually(async () => acknowledged, (count) => count > 100); // prettier-ignore
  going = false;
  await work;
  await bus.close();
  const deploy = await fleet.bus('deploy');
  const manager = await jetstreamManager(deploy);
  for (const consumer of ['assignment', 'inspection'])
    expect([consumer, (await manager.consumers.info('EVT_REGISTRY', `${consumer}-registry`)).num_pending]).toEqual([consumer, acknowledged]); // prettier-ignore
  await manager.streams.purge('EVT_REGISTRY');
  await deploy.close();
}, 60_000);

describe('facts delivered twice, shuffled or late', () => {
  let facts: Envelope[];
  let orderly: Record<string, string[]>;
  let subjects: string[];
  let own: { official: Row[]; proposal: Row[]; assignment: Row[]; undertaking: Row[]; run: Row[] };
  let other: Fleet;
  const buses = new Map<string, NatsConnection>();

  /** What the consumers know, without the ids and times of what each of them makes itself. */
  async function known(of: Fleet): Promise<Record<string, string[]>> {
    const lines = async (service: Service, sql: string, parameters: unknown[] = []): Promise<string[]> =>
      (await of.rows(service, sql, parameters)).map((row) => JSON.stringify(row)).sort(); // prettier-ignore
    return {
      premises: await lines('assignment', 'select * from premises'),
      lists: await lines('assignment', 'select * from division_list'),
      qualified: await lines('assignment', 'select id, qualified_at from official'),
      assignments: await lines('assignment', 'select id, official_id, ended_at is not null as ended, end_reason from assignment'),
      undertakings: await lines('assignment', 'select id, official_id, state, stale_reason from undertaking'),
      places: await lines('inspection', 'select establishment_id, division, sequence, name, kind, tier, status, address from premises'),
      responsibility: await lines('inspection', 'select assignment_id, division, establishment_id, official_id, official_name, made_at, ended_at is not null as ended from responsibility'),
      qualifications: await lines('inspection', 'select * from qualification'),
      calendars: await lines('inspection', 'select * from calendar_year'),
      // What is due and who answers. One that was opened and withdrawn is due as little as one that was never opened.
      due: await lines('inspection', `select establishment_id, period, due_on::text, official_id from obligation where state <> 'withdrawn'`),
      officials: await lines('training', 'select * from official'),
      // The other inspection opens obligations of its own and tells of them, too: not what is compared here.
      messages: await lines('notification', 'select kind, subject_id, audience, official_id from message where subject_id = any($1)', [subjects]),
    };
  } // prettier-ignore

  beforeAll(async () => {
    await Promise.all([...owners, 'identity' as const].map((service) => fleet.run(service)));
    await fleet.enrol([
      { name: 'county', role: 'county-admin', division: '371425' },
      { name: 'county-2', role: 'county-admin', division: '371425' },
      { name: 'office', role: 'office', division: '371425102' },
      { name: 'office-2', role: 'office', division: '371425102' },
    ]);
    const villages = villagesOf('371425102', 6);
    const township = divisions.find(({ code }) => code === '371425102')!.name;
    await fleet.quiet();
    await roster(villages, '甲镇长,镇长,乡级,371425102', '乙镇长,副镇长,乡级,371425102');
    await ledger(villages, 4, ...villages.slice(0, 4).map(({ name, code }) => `${code}饭店,,${code}路1号,${township},${name},餐饮服务,200`)); // prettier-ignore
    await assign('371425102');
    const { id: run } = await done<{ id: string }>(call('county', 'inspection', 'POST', '/v1/obligation-runs', { period: quarterOf(today()).period })); // prettier-ignore
    await eventually(
      async () => (await call('county', 'inspection', 'GET', `/v1/obligation-runs/${run}`)).body as { state: string }, // prettier-ignore
      ({ state }) => state === 'done',
    );
    const officials = await every<Official>('county', 'assignment', '/v1/officials?level=village');
    await fleet.enrol(officials.map(({ id, division }) => ({ name: division, role: 'official', division: division.slice(0, 9), official: id }))); // prettier-ignore
    const shops = await every<Shop>('county', 'registry', '/v1/establishments?kind=small-catering');
    const byName = new Map(shops.map((shop) => [shop.name, shop]));
    const at = (village: number, number: number): Shop =>
      byName.get(`${villages[village]!.code}店${number}`)!;
    for (const [index, { code }] of villages.entries())
      await done(call(code, 'inspection', 'POST', '/v1/inspections', visit(at(index, 0).id, index % 2 === 0))); // prettier-ignore
    const [first] = await every<{ id: string }>('office', 'inspection', '/v1/corrective-actions');
    const act = (account: string, name: string, body: object): Promise<unknown> =>
      done(call(account, 'inspection', 'POST', `/v1/corrective-actions/${first!.id}/${name}`, body)); // prettier-ignore
    await act('office', 'response', { text: '已修' });
    await act('office-2', 'verification', { outcome: 'not-corrected', text: '未修好' });
    await act('office', 'response', { text: '又修' });
    await act('office-2', 'verification', { outcome: 'corrected' });
    await act('office-2', 'closure', {});
    const { id: session } = await done<{ id: string }>(call('office', 'training', 'POST', '/v1/sessions', { title: '岗前培训', place: '会议室', heldAt: new Date(Date.now() - 3_600_000).toISOString() })); // prettier-ignore
    await done(call('office', 'training', 'POST', `/v1/sessions/${session}/attendances`, { officials: officials.slice(0, 3).map(({ id }) => id) })); // prettier-ignore
    const patch = async (shop: Shop, body: object): Promise<void> => {
      Object.assign(shop, await done(call('county', 'registry', 'PATCH', `/v1/establishments/${shop.id}`, body, { 'if-match': `"${shop.version}"` }))); // prettier-ignore
      await fleet.quiet(); // orderly: each change has arrived everywhere before the next
    };
    const [restaurant] = await every<Shop>(
      'county',
      'registry',
      '/v1/establishments?kind=catering',
    );
    await patch(restaurant!, { area: 50 });
    await assign('371425102'); // it is D now: somebody else answers for it
    await patch(at(0, 1), { status: 'closed' });
    await patch(at(1, 1), { status: 'closed' });
    await patch(at(1, 1), { status: 'open' });
    await patch(at(2, 1), { status: 'suspended' });
    await patch(at(3, 1), { status: 'suspended' });
    await patch(at(3, 1), { status: 'open' });
    await patch(at(4, 1), { name: '新名' });
    await patch(at(4, 1), { name: '更新的名' });
    const written = await Promise.all(owners.map((owner) => fleet.rows<{ event: Envelope }>(owner, 'select event from journal order by id'))); // prettier-ignore
    facts = written.flat().map(({ event }) => event).sort((a, b) => (a.id < b.id ? -1 : 1)); // prettier-ignore
    subjects = (await fleet.rows<{ id: string }>('notification', 'select distinct subject_id as id from message')).map(({ id }) => id); // prettier-ignore
    orderly = await known(fleet);
    own = {
      official: await fleet.rows('assignment', 'select * from official'),
      proposal: await fleet.rows('assignment', 'select * from proposal'),
      assignment: await fleet.rows('assignment', 'select * from assignment'),
      undertaking: await fleet.rows('assignment', 'select * from undertaking'),
      run: await fleet.rows('inspection', 'select * from obligation_run'),
    };
    other = await Fleet.make(consumers);
    await other.startNats();
    await other.deployBus();
    await Promise.all([...consumers, 'assignment' as const, 'inspection' as const].map((service) => other.run(service))); // prettier-ignore
    for (const owner of owners) buses.set(owner, await other.bus(owner));
    say(`${facts.length} facts of ${Object.keys(orderly).map((table) => `${orderly[table]!.length} ${table}`).join(', ')}`); // prettier-ignore
  }, 600_000);
  afterAll(async () => {
    for (const bus of buses.values()) await bus.close();
    await other?.stop();
  }, 60_000);

  /** Empty consumers that have what no fact brings: assignment its officials and what it decided, before any fact had its effect. */
  async function begin(): Promise<void> {
    for (const service of consumers) {
      const tables = await other.rows<{ name: string }>(
        service,
        `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
         and relname not in ('migration', 'policy', 'checklist')`,
      ); // prettier-ignore
      const empty = (): Promise<unknown> => other.rows(service, `truncate ${tables.map(({ name }) => name).join(', ')}`); // prettier-ignore
      // A job of the service may hold some of them and want others: one of the two is chosen to begin anew.
      for (let tries = 1; ; tries++)
        try {
          await empty();
          break;
        } catch (error) {
          if ((error as { code?: string }).code !== '40P01' || tries === 5) throw error;
        }
    }
    const put = (service: Service, table: string, rows: Row[]): Promise<unknown> =>
      other.rows(service, `insert into ${table} select * from jsonb_populate_recordset(null::${table}, $1)`, [JSON.stringify(rows)]); // prettier-ignore
    await put('assignment', 'official', own.official.map((row) => ({ ...row, qualified_at: null }))); // prettier-ignore
    await put('assignment', 'proposal', own.proposal);
    await put('assignment', 'assignment', own.assignment.map((row) => (row['end_reason'] === 'establishment-closed' ? { ...row, version: 1, ended_at: null, end_reason: null } : row))); // prettier-ignore
    await put('assignment', 'undertaking', own.undertaking.map((row) => (row['stale_reason'] === 'establishment-closed' ? { ...row, version: 1, state: 'open', stale_at: null, stale_reason: null, stale_added: null, stale_removed: null } : row))); // prettier-ignore
  }

  /** As their owners publish them, but each under a header of its own, so that the broker takes none for a repeat. */
  async function publish(some: Envelope[]): Promise<void> {
    for (let from = 0; from < some.length; from += 64)
      await Promise.all(
        some.slice(from, from + 64).map((event) =>
          jetstream(buses.get(event.type.split('.')[0]!)!).publish(subjectOf(event.type, event.division), JSON.stringify(event), { msgID: randomUUID() }),
        ),
      ); // prettier-ignore
  }

  async function replay(first: Envelope[], then: Envelope[], late: Envelope[]): Promise<void> {
    await begin();
    await publish(first);
    await other.rows('inspection', `insert into obligation_run select * from jsonb_populate_recordset(null::obligation_run, $1)`, [JSON.stringify(own.run.map((row) => ({ ...row, state: 'queued', opened: 0, finished_at: null, reached_division: null, reached_establishment: null })))]); // prettier-ignore
    await publish(then);
    await eventually(
      () => other.rows<{ state: string }>('inspection', 'select state from obligation_run'),
      (runs) => runs.every(({ state }) => state === 'done'),
      30_000,
    );
    await other.quiet();
    await publish(late);
    await other.quiet();
    for (const consumer of consumers) {
      const types = new Set(listeners[consumer]!.map(({ type }) => type));
      const wanted = facts.filter(({ type }) => types.has(type)).map(({ id }) => id);
      const [applied] = await other.rows<{ n: number }>(consumer, 'select count(*)::int as n from inbox where event_id = any($1)', [wanted]); // prettier-ignore
      expect([consumer, applied!.n]).toEqual([consumer, wanted.length]);
      expect([consumer, await other.rows(consumer, 'select type, cause from dead_letter')]).toEqual([consumer, []]); // prettier-ignore
    }
    expect(await known(other)).toEqual(orderly);
  }

  it('come to the orderly state when they come once, in order', async () => {
    await replay([], facts, []);
  }, 60_000);

  it.each([0, 1, 2, 3, 4].map((number) => seed + number))('come to the same with the seed %i', async (one) => {
    const random = randomFrom(one);
    const all = shuffled([...facts, ...facts], random);
    const half = Math.floor(random() * all.length);
    await replay(all.slice(0, half), all.slice(half), facts.filter(() => random() < 0.3));
  }, 60_000); // prettier-ignore

  it('come to the same from the last to the first', async () => {
    await replay([], [...facts].reverse(), facts);
  }, 60_000);

  describe('of a correction whose deadline is set after the demand', () => {
    let told: [inOrder: Row[], reversed: Row[]];

    it('write one message, whichever comes first', async () => {
      const demand = facts.find(({ type }) => type === 'inspection.corrective-action.due.v1')!;
      const tell = async (reverse: boolean): Promise<Row[]> => {
        const subject = uuidv7();
        const data = { ...(demand.data as object), correctiveActionId: subject };
        const due = { ...demand, id: uuidv7(), subject, data: { ...data, dueOn: null, dueState: 'calendar-missing' } }; // prettier-ignore
        const set = { ...demand, id: uuidv7(), type: 'inspection.corrective-action.changed.v1', subject, sequence: 2, data: { ...data, dueOn: '2027-01-11' } }; // prettier-ignore
        for (const event of reverse ? [set, due] : [due, set]) {
          await publish([event]);
          await other.quiet();
        }
        return other.rows('notification', `select kind, official_id, title_zh, about from message where subject_id = $1`, [subject]); // prettier-ignore
      };
      told = [await tell(false), await tell(true)];
      expect(told.map(({ length }) => length)).toEqual([1, 1]);
    }, 60_000);

    it('say the same in it, whichever came first', () => {
      expect(told[1]).toEqual(told[0]);
    });
  });
});

describe('inspection killed while visits are submitted, and NATS stopped for a minute meanwhile', () => {
  interface Sent {
    shop: string;
    official: Official;
    correction: boolean;
    /** One that gives up when the connection breaks, and never learns what became of it. */
    patient: boolean;
    key: string;
    acknowledged?: Visit;
    unexpected?: Answer;
  }
  const history: Sent[] = [];
  const period = quarterOf(today()).period;
  const random = randomFrom(seed);
  let kills = 0;
  let withoutNatsMs = 0;

  /** The timetable of the load and of the faults: nothing is waited for by it. */
  const at = (instant: number): Promise<void> =>
    new Promise((go) => setTimeout(go, Math.max(0, instant - Date.now())));

  async function submit(sent: Sent): Promise<void> {
    const body = visit(sent.shop, sent.correction);
    for (;;) {
      try {
        const answer = await call(sent.official.division, 'inspection', 'POST', '/v1/inspections', body, { 'idempotency-key': sent.key }); // prettier-ignore
        if (answer.status === 201) sent.acknowledged = answer.body as Visit;
        else if (answer.status !== 503) sent.unexpected = answer;
        if (answer.status !== 503) return;
      } catch {
        if (!sent.patient) return;
      }
      await at(Date.now() + 100 + random() * 200);
    }
  }

  beforeAll(async () => {
    const villages = villagesOf('371425101', 30);
    await roster(villages);
    await ledger(villages, 11);
    await assign('371425101');
    const officials = await every<Official>('county', 'assignment', '/v1/officials?level=village&division=371425101'); // prettier-ignore
    await fleet.enrol(officials.map(({ id, division }) => ({ name: division, role: 'official', division: '371425101', official: id }))); // prettier-ignore
    const shops = await every<Shop>('county', 'registry', '/v1/establishments?division=371425101');
    for (const { id, division } of shops) {
      const official = officials.find((one) => one.division === division)!;
      history.push({ shop: id, official, correction: history.length % 2 === 0, patient: random() < 0.9, key: randomUUID() }); // prettier-ignore
    }
    await fleet.run('inspection');

    const start = Date.now();
    const load = shuffled(history, random).map(async (sent) => {
      await at(start + random() * 66_000);
      await submit(sent);
    });
    const faults = (async (): Promise<void> => {
      const instants = Array.from({ length: 7 }, () => random() * 55_000).sort((a, b) => a - b);
      for (const [index, instant] of instants.entries()) {
        await at(start + 1_000 + instant);
        const there = fleet.running('inspection');
        const victims = index % 3 === 0 ? there : there.slice(0, 1);
        await Promise.all(victims.map((one) => fleet.kill(one, 'SIGKILL')));
        kills += victims.length;
        await Promise.all(victims.map(() => fleet.run('inspection')));
      }
    })();
    const outage = (async (): Promise<void> => {
      await at(start + 3_000);
      await fleet.stopNats();
      const stopped = Date.now();
      await at(stopped + 60_000);
      await fleet.startNats();
      withoutNatsMs = Date.now() - stopped;
    })();
    await Promise.all([...load, faults, outage]);
    await fleet.quiet(60_000);
    const acknowledged = history.filter((one) => one.acknowledged).length;
    say(`${history.length} visits, ${acknowledged} acknowledged, ${kills} kills, ${withoutNatsMs} ms without NATS, quiet after ${Date.now() - start} ms`); // prettier-ignore
  }, 600_000);

  it('happened as told', () => {
    expect(history.length).toBeGreaterThanOrEqual(300);
    expect(kills).toBeGreaterThanOrEqual(5);
    expect(withoutNatsMs).toBeGreaterThanOrEqual(60_000);
    expect(history.flatMap(({ unexpected }) => (unexpected ? [unexpected.body] : []))).toEqual([]);
    expect(history.filter(({ patient, acknowledged }) => patient && !acknowledged)).toEqual([]);
  });

  it('keeps every acknowledged visit once, and none twice', async () => {
    const kept = await fleet.rows<{ id: string; shop: string; official: string }>('inspection', `select id, establishment_id as shop, official_id as official from inspection where division like '371425101%'`); // prettier-ignore
    for (const { shop, official, acknowledged } of history) {
      const here = kept.filter((one) => one.shop === shop);
      if (acknowledged)
        expect(here).toEqual([{ id: acknowledged.id, shop, official: official.id }]);
      else expect(here.length).toBeLessThanOrEqual(1);
    }
    const submitted = await fleet.rows<{ id: string }>('inspection', `select event->'data'->>'inspectionId' as id from journal where type = 'inspection.inspection.submitted.v1' and division like '371425101%'`); // prettier-ignore
    expect(submitted.map(({ id }) => id).sort()).toEqual(kept.map(({ id }) => id).sort());
  });

  it('settled what was due by it', async () => {
    const due = await fleet.rows<{ shop: string; state: string; by: string | null }>('inspection', `select establishment_id as shop, state, inspection_id as by from obligation where period = $1 and division like '371425101%'`, [period]); // prettier-ignore
    for (const { shop, acknowledged } of history) {
      const here = due.filter((one) => one.shop === shop);
      if (acknowledged) expect(here).toEqual([{ shop, state: 'settled', by: acknowledged.id }]);
      else expect(here).toHaveLength(1);
    }
  });

  it('made its corrections once, and told the official of each once', async () => {
    const actions = await fleet.rows<{ id: string; visit: string; shop: string; official: string }>('inspection', `select id, inspection_id as visit, establishment_id as shop, official_id as official from corrective_action where division like '371425101%'`); // prettier-ignore
    for (const { shop, official, correction, acknowledged } of history) {
      const here = actions.filter((one) => one.shop === shop);
      const [finding] = acknowledged?.findings ?? [];
      if (acknowledged)
        expect(here).toEqual(correction ? [{ id: finding?.correctiveActionId, visit: acknowledged.id, shop, official: official.id }] : []); // prettier-ignore
      else expect(here.length).toBeLessThanOrEqual(correction ? 1 : 0);
    }
    const told = await fleet.rows<{ id: string; official: string }>('notification', `select subject_id as id, official_id as official from message where kind = 'correction-due' and division like '371425101%'`); // prettier-ignore
    const pair = ({ id, official }: { id: string; official: string }): string =>
      `${id} ${official}`;
    expect(told.map(pair).sort()).toEqual(actions.map(pair).sort());
  });

  it('leaves nothing unsent and nothing set aside', async () => {
    for (const service of owners)
      expect([
        service,
        await fleet.rows(service, 'select journal_id from outbox'),
        await fleet.rows(service, 'select type, cause from dead_letter'),
      ]).toEqual([service, [], []]);
  });

  it('answers again', async () => {
    const [{ shop, official }] = history as [Sent];
    expect((await call('county', 'inspection', 'GET', '/v1/inspections?limit=1')).status).toBe(200);
    expect(await call(official.division, 'inspection', 'POST', '/v1/inspections', visit(shop, false))).toMatchObject({ status: 201 }); // prettier-ignore
  });
});
