import { randomUUID } from 'node:crypto';
import { assignment } from '../apps/assignment/src/assignment.definition.js';
import { registry } from '../apps/registry/src/registry.definition.js';
import { Database } from '#database';
import { County, eventually } from '#testing';
import { jetstream } from '@nats-io/jetstream';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { machineColumns, unwalled } from './machines.js';

let county: County;
const village = '371425101201';
const other = '371425102201';

beforeAll(async () => {
  county = await County.start([registry, assignment]);
}, 120_000);
afterAll(() => county.stop(), 60_000);

const premises = (id: string): Promise<{ name: string; tier: string; sequence: number }[]> =>
  county.rows(
    'assignment',
    'select name, tier, sequence from premises where establishment_id = $1',
    [id],
  );

let registered = 0;
async function register(
  token: string,
  more: Record<string, unknown> = {},
  headers = {},
): ReturnType<County['call']> {
  return county.call('registry', 'POST', '/v1/establishments', {
    token,
    headers,
    body: {
      division: village,
      name: '老王饭店',
      address: `中心街${(registered += 1)}号`,
      kind: 'catering',
      area: 120,
      ...more,
    },
  });
}

describe('one fact across two services', () => {
  it('carries a registration from HTTP through journal, relay and consumer to its copy', async () => {
    const token = await county.token('office', '371425101');
    const answer = await register(token);
    expect(answer.status).toBe(201);
    const { id, tier } = answer.body as { id: string; tier: string };
    expect(tier).toBe('C');
    expect(
      await eventually(
        () => premises(id),
        (rows) => rows.length === 1,
      ),
    ).toEqual([{ name: '老王饭店', tier: 'C', sequence: 1 }]);
    const outbox = await eventually(
      () => county.rows('registry', 'select 1 from outbox'),
      (rows) => rows.length === 0,
    );
    expect(outbox).toEqual([]);
    const gaps = await county.call('assignment', 'GET', '/v1/gaps', { token });
    expect(
      (gaps.body as { items: { establishmentId: string }[] }).items.map(
        (one) => one.establishmentId,
      ),
    ).toContain(id);
  });

  it('applies a fact once however often it comes, and ignores a late one', async () => {
    const token = await county.token('office', '371425101');
    const { id } = (await register(token)).body as { id: string };
    const changed = await county.call('registry', 'PATCH', `/v1/establishments/${id}`, {
      token,
      headers: { 'if-match': '"1"' },
      body: { area: 520 },
    });
    expect(changed.status).toBe(200);
    await eventually(
      () => premises(id),
      ([row]) => row?.sequence === 2,
    );
    const facts = await county.rows<{ event: { id: string; type: string } }>(
      'registry',
      'select event from journal where aggregate_id = $1 order by id',
      [id],
    );
    expect(facts).toHaveLength(2);
    const before = await county.rows('assignment', 'select count(*) as n from inbox');
    const bus = await county.bus('deploy');
    // Sent again with new message ids (so past the broker's own memory), the newest first.
    for (const { event } of [...facts, ...facts].reverse())
      await jetstream(bus).publish(`evt.${event.type}.371425.101`, JSON.stringify(event), {
        msgID: randomUUID(),
      });
    // A late fact that assignment has never seen, older than what it knows.
    const late = { ...facts[0]?.event, id: uuidv7() };
    await jetstream(bus).publish(
      `evt.registry.establishment.registered.v1.371425.101`,
      JSON.stringify(late),
      { msgID: late.id },
    );
    await eventually(
      () => county.rows('assignment', 'select 1 from inbox where event_id = $1', [late.id]),
      (rows) => rows.length === 1,
    );
    await bus.close();
    expect(await premises(id)).toMatchObject([{ tier: 'B', sequence: 2 }]);
    const after = await county.rows<{ n: string }>('assignment', 'select count(*) as n from inbox');
    expect(Number(after[0]?.n)).toBe(Number((before as { n: string }[])[0]?.n) + 1);
  });

  it('sets a fact that does not fit its contract aside as a dead letter, and goes on', async () => {
    const bus = await county.bus('deploy');
    await jetstream(bus).publish(
      'evt.registry.establishment.registered.v1.371425.101',
      '{"type":"registry.establishment.registered.v1"}',
    );
    await bus.close();
    const letters = await eventually(
      () =>
        county.rows<{ cause: string; division: string }>(
          'assignment',
          'select cause, division from dead_letter',
        ),
      (rows) => rows.length === 1,
    );
    expect(letters[0]).toMatchObject({ division: '371425' });
    const { id } = (await register(await county.token('office', '371425101'))).body as {
      id: string;
    };
    await eventually(
      () => premises(id),
      (rows) => rows.length === 1,
    );
  });

  it('replays a dead letter through the same inbox, once, for the county alone', async () => {
    const [known] = await county.rows<{ event: { id: string; subject: string; division: string; data: { establishmentId: string } } }>('registry', 'select event from journal where type = $1 limit 1', ['registry.establishment.registered.v1']); // prettier-ignore
    const id = uuidv7();
    const lost = { ...known!.event, id: uuidv7(), subject: id, data: { ...known!.event.data, establishmentId: id } }; // prettier-ignore
    const bury = (event: object): Promise<object[]> =>
      county.rows('assignment', `insert into dead_letter (id, division, consumer, event_id, type, cause, message) values ($1, '371425', 'assignment', $2, $3, 'test', $4) returning id`, [uuidv7(), lost.id, 'registry.establishment.registered.v1', JSON.stringify({ subject: `evt.registry.establishment.registered.v1.371425.101`, text: JSON.stringify(event) })]); // prettier-ignore
    const [letter] = (await bury(lost)) as { id: string }[];
    const path = `/v1/dead-letters/${letter!.id}/replay`;
    const stranger = await county.token('county-admin', '371482');
    expect(await county.call('assignment', 'POST', path, { token: stranger })).toMatchObject({ status: 404 }); // prettier-ignore
    const token = await county.token('county-admin', '371425');
    expect(await county.call('assignment', 'POST', path, { token })).toMatchObject({ status: 200, body: { replayed: 1, failed: [] } }); // prettier-ignore
    expect(await premises(id)).toHaveLength(1);
    expect(await county.call('assignment', 'POST', path, { token })).toMatchObject({ status: 200, body: { replayed: 0, failed: [] } }); // prettier-ignore
    await bury({ ...lost, id: uuidv7(), data: { ...lost.data, tier: 'Z' } });
    const again = await county.call('assignment', 'POST', '/v1/dead-letters/replays', { token, body: { type: 'registry.establishment.registered.v1' } }); // prettier-ignore
    expect((again.body as { failed: { cause: string }[] }).failed.some(({ cause }) => cause.startsWith('bad data: /tier'))).toBe(true); // prettier-ignore
  });

  it('sets a fact aside no more once a replay applied it, though its message comes again to who cannot read it', async () => {
    const { body } = await register(await county.token('office', '371425101'));
    const [known] = await county.rows<{ event: { data: object } }>('registry', 'select event from journal where aggregate_id = $1', [(body as { id: string }).id]); // prettier-ignore
    const establishmentId = uuidv7();
    const event = { ...known!.event, id: uuidv7(), subject: establishmentId, data: { ...known!.event.data, establishmentId, tier: 'Z' } }; // prettier-ignore
    const bus = await county.bus('registry');
    const publish = (): Promise<unknown> =>
      jetstream(bus).publish('evt.registry.establishment.registered.v1.371425.101', JSON.stringify(event), { msgID: randomUUID() }); // prettier-ignore
    const letters = (): Promise<{ id: string; open: boolean }[]> =>
      county.rows('assignment', 'select id, replayed_at is null as open from dead_letter where event_id = $1', [event.id]); // prettier-ignore
    await publish();
    const [letter] = await eventually(letters, (rows) => rows.length === 1);
    // As a newer release reads it.
    await county.rows('assignment', `update dead_letter set message = jsonb_set(message, '{text}', to_jsonb(replace(message->>'text', '"tier":"Z"', '"tier":"D"'))) where id = $1`, [letter!.id]); // prettier-ignore
    const token = await county.token('county-admin', '371425');
    expect(await county.call('assignment', 'POST', `/v1/dead-letters/${letter!.id}/replay`, { token })).toMatchObject({ body: { replayed: 1 } }); // prettier-ignore
    await publish();
    await bus.close();
    await county.quiet();
    expect(await letters()).toEqual([{ id: letter!.id, open: false }]);
  });

  it('answers a repeated replay as the first time, also two at once, and applies nothing twice', async () => {
    const token = await county.token('county-admin', '371425');
    const [fact] = await county.rows<{ event: { id: string; data: { establishmentId: string } } }>('registry', `select event from journal where type = 'registry.establishment.registered.v1' limit 1`); // prettier-ignore
    const bury = async (): Promise<string> => {
      const establishmentId = uuidv7();
      const event = { ...fact!.event, id: uuidv7(), subject: establishmentId, data: { ...fact!.event.data, establishmentId } }; // prettier-ignore
      const [row] = await county.rows<{ id: string }>('assignment', `insert into dead_letter (id, division, consumer, event_id, type, cause, message) values ($1, '371425', 'assignment', $2, $3, 'test', $4) returning id`, [uuidv7(), event.id, 'registry.establishment.registered.v1', JSON.stringify({ subject: 'evt.registry.establishment.registered.v1.371425.101', text: JSON.stringify(event) })]); // prettier-ignore
      return row!.id;
    };
    const post = (path: string, key: string, body?: object): Promise<unknown> =>
      county.call('assignment', 'POST', `/v1/dead-letters/${path}`, { token, headers: { 'idempotency-key': key }, ...(body ? { body } : {}) }).then(({ status, body: answer }) => [status, answer]); // prettier-ignore
    const taken = [200, { replayed: 1, failed: [] }];
    const one = await bury();
    expect(await post(`${one}/replay`, 'one')).toEqual(taken);
    expect(await post(`${one}/replay`, 'one')).toEqual(taken);
    expect(await post(`${one}/replay`, 'another')).toEqual([200, { replayed: 0, failed: [] }]);
    // A refusal is no answer: what was not there may come.
    const absent = uuidv7();
    expect(await post(`${absent}/replay`, 'absent')).toMatchObject([404, { code: 'not-found' }]);

    await bury();
    const since = { since: '2020-01-01T00:00:00Z', type: 'registry.establishment.registered.v1' };
    const [first, ...more] = await Promise.all([1, 2, 3].map(() => post('replays', 'all', since)));
    expect(more).toEqual([first, first]);
    await bury();
    expect(await post('replays', 'all', since)).toEqual(first);
    expect(await post('replays', 'all', { type: 'x' })).toMatchObject([422, { code: 'key-reused' }]); // prettier-ignore
    expect(await post('replays', 'new', since)).toMatchObject([200, { replayed: 1 }]);
  });

  it('keeps what was committed while NATS was away, and sends it afterwards', async () => {
    const token = await county.token('office', '371425101');
    process.kill(county.nats.pid, 'SIGSTOP');
    const { id } = (await register(token)).body as { id: string };
    expect(id).toBeDefined();
    process.kill(county.nats.pid, 'SIGCONT');
    await eventually(
      () => premises(id),
      (rows) => rows.length === 1,
      30_000,
    );
  }, 60_000);
});

describe('walls', () => {
  it('answers alike for what is absent and what is another township’s', async () => {
    const { id } = (await register(await county.token('office', '371425101'))).body as {
      id: string;
    };
    const stranger = await county.token('office', '371425102');
    const foreign = await county.call('registry', 'GET', `/v1/establishments/${id}`, {
      token: stranger,
    });
    const absent = await county.call('registry', 'GET', `/v1/establishments/${randomUUID()}`, {
      token: stranger,
    });
    const plain = (body: unknown): unknown => ({ ...(body as object), traceId: '' });
    expect(foreign.status).toBe(404);
    expect(plain(foreign.body)).toEqual(plain(absent.body));
    const patched = await county.call('registry', 'PATCH', `/v1/establishments/${id}`, {
      token: stranger,
      headers: { 'if-match': '"1"' },
      body: { name: 'x' },
    });
    expect(patched.status).toBe(404);
    for (const [service, path] of [
      ['registry', '/v1/establishments?division=371425101'],
      ['assignment', '/v1/gaps'],
    ] as const)
      expect((await county.call(service, 'GET', path, { token: stranger })).body).toEqual({
        items: [],
        next: null,
      });
    expect((await register(stranger)).body).toMatchObject({ code: 'out-of-scope', status: 403 });
    const county_ = await county.token('county-admin', '371425');
    expect(
      (await county.call('registry', 'GET', `/v1/establishments/${id}`, { token: county_ })).status,
    ).toBe(200);
  });

  it('shows the app role nothing without a scope, and refuses an insert outside it', async () => {
    const client = new pg.Client({ connectionString: county.url('registry', 'app') });
    await client.connect();
    expect((await client.query('select * from establishment')).rows).toEqual([]);
    expect((await client.query('select * from journal')).rows).toEqual([]);
    await expect(client.query('select * from journal_default')).rejects.toThrow(
      /permission denied/,
    );
    await client.query(
      `select set_config('app.lo', '371425102', false), set_config('app.hi', '371425102:', false)`,
    );
    await expect(
      client.query(
        `insert into dead_letter values (gen_random_uuid(), '371425101', 'x', null, 'x', 'x', '{}')`,
      ),
    ).rejects.toThrow(/row-level security/);
    await client.end();
  });

  it('finds in the catalog no table without forced row-level security but the machine tables', async () => {
    for (const service of ['registry', 'assignment'] as const) {
      expect(await unwalled(county, service)).toEqual(machineColumns);
      const granted = await county.rows<{ table_name: string }>(
        service,
        `select distinct table_name from information_schema.role_table_grants g join pg_class c on c.relname = g.table_name
         where c.relispartition and grantee like '%\\_app'`,
      );
      expect(granted).toEqual([]);
    }
  });

  it('lets a service’s NATS user neither publish another’s facts nor administer streams', async () => {
    const bus = await county.bus('assignment');
    await expect(
      jetstream(bus, { timeout: 1500 }).publish(
        'evt.registry.establishment.registered.v1.371425.101',
        '{}',
      ),
    ).rejects.toThrow();
    await expect(
      bus.request('$JS.API.STREAM.DELETE.EVT_REGISTRY', '', { timeout: 1500 }),
    ).rejects.toThrow();
    await bus.close();
  });
});

describe('the HTTP surface', () => {
  it('gives the first answer again for the same key, and refuses another body', async () => {
    const sub = randomUUID();
    const token = await county.token('office', '371425101', {}, sub);
    const key = { 'idempotency-key': randomUUID() };
    const first = await register(token, { address: '九号' }, key);
    const again = await register(token, { address: '九号' }, key);
    expect(again.status).toBe(201);
    expect(again.body).toEqual(first.body);
    expect((await register(token, { name: '另一家' }, key)).body).toMatchObject({
      code: 'key-reused',
      status: 422,
    });
  });

  it('refuses missing, expired and foreign tokens and other audiences', async () => {
    const tokens = [
      undefined,
      'x.y.z',
      await county.token('office', '371425101', { expires: '-1m' }),
      await county.token('office', '371425101', { audience: 'urn:else' }),
      await county.token('office', '371425101', { issuer: 'http://127.0.0.1:1' }),
    ];
    for (const token of tokens)
      expect(
        (await county.call('registry', 'GET', '/v1/establishments', token ? { token } : {})).body,
      ).toMatchObject({ status: 401, code: 'not-signed-in' });
    const auditor = await county.token('auditor', '371425');
    expect((await register(auditor)).body).toMatchObject({ status: 403, code: 'not-allowed' });
  });

  it.each([
    [{ division: '12' }, 422, 'validation-failed', '/division'],
    [{ unknown: 1 }, 422, 'validation-failed', '/unknown'],
    [{ area: 'big' }, 422, 'validation-failed', '/area'],
    [{ name: '' }, 422, 'validation-failed', '/name'],
    [{ name: 'a\u0000b' }, 422, 'validation-failed', '/name'],
    [{ kind: 'bar' }, 422, 'validation-failed', '/kind'],
    [{ division: '371425101999' }, 422, 'village-unknown', '/division'],
    [{ uscc: '91350100M000100Y4Z' }, 422, 'uscc-check-digit', '/uscc'],
  ])('names field, reason and remedy for %j', async (more, status, code, pointer) => {
    const answer = await register(await county.token('office', '371425101'), more);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.body).toMatchObject({ status, code });
    const [error] = (answer.body as { errors: { pointer: string; remedy: string }[] }).errors;
    expect(error).toMatchObject({ pointer });
    expect(error?.remedy).not.toBe('');
  });

  it('answers broken JSON, a huge body and bad queries with a problem, in the language asked for', async () => {
    const token = await county.token('office', '371425101');
    const broken = await county.call('registry', 'POST', '/v1/establishments', {
      token,
      body: '{"a":',
    });
    expect(broken.body).toMatchObject({ status: 400, code: 'bad-request', title: '请求无法识别' });
    const huge = await county.call('registry', 'POST', '/v1/establishments', {
      token,
      body: { name: 'x'.repeat(1_100_000) },
      headers: { 'accept-language': 'en' },
    });
    expect(huge.body).toMatchObject({
      status: 413,
      code: 'body-too-large',
      title: 'The body is too large',
    });
    for (const query of ['limit=0', 'limit=201', 'limit=x', 'division=abc', 'after=x', 'foo=1'])
      expect(
        (await county.call('registry', 'GET', `/v1/establishments?${query}`, { token })).body,
      ).toMatchObject({ status: 422 });
  });

  it('wants If-Match, and shows the current row when it is stale', async () => {
    const token = await county.token('office', '371425101');
    const { id } = (await register(token)).body as { id: string };
    const path = `/v1/establishments/${id}`;
    expect(
      (await county.call('registry', 'PATCH', path, { token, body: { area: 1 } })).status,
    ).toBe(428);
    const stale = await county.call('registry', 'PATCH', path, {
      token,
      body: { area: 1 },
      headers: { 'if-match': '"9"' },
    });
    expect(stale.body).toMatchObject({
      status: 412,
      code: 'stale-version',
      current: { id, version: 1 },
    });
  });

  it('pages through everything once, in order', async () => {
    const token = await county.token('office', '371425102');
    const made = new Set<string>();
    for (let n = 0; n < 7; n++)
      made.add(
        ((await register(token, { division: other, name: `店${n}` })).body as { id: string }).id,
      );
    const seen: string[] = [];
    let next: string | null = '';
    while (next !== null) {
      const answer = await county.call(
        'registry',
        'GET',
        `/v1/establishments?limit=3${next ? `&after=${next}` : ''}`,
        { token },
      );
      const page = answer.body as { items: { id: string }[]; next: string | null };
      seen.push(...page.items.map((one) => one.id));
      next = page.next;
    }
    expect(seen).toHaveLength(made.size);
    expect(new Set(seen)).toEqual(made);
  });

  it('tells its health, its metrics and its OpenAPI 3.1 document without a token', async () => {
    expect((await county.call('registry', 'GET', '/health/ready')).body).toMatchObject({
      status: 'ok',
      database: 'up',
      nats: 'up',
    });
    const document = (await county.call('registry', 'GET', '/openapi.json')).body as {
      openapi: string;
      paths: object;
    };
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toContain('/api/registry/v1/establishments');
  });
});

describe('the unit of work', () => {
  it('lets nothing be written where a request only reads', async () => {
    const database = new Database({
      service: 'registry',
      url: county.url('registry', 'app'),
      entities: [],
    });
    await database.open();
    const work = database.within(
      { id: 'test', division: '371425', correlationId: 'x', readOnly: true },
      (tx) => tx.query(`update establishment set name = 'x'`),
    );
    await expect(work).rejects.toThrow(/read-only/);
    await database.close();
  });

  it('refuses to call a swallowed error a commit', async () => {
    const database = new Database({
      service: 'registry',
      url: county.url('registry', 'app'),
      entities: [],
    });
    await database.open();
    const work = database.within(
      { id: 'test', division: '371425', correlationId: 'x' },
      async (tx) => {
        await tx.query('select 1/0').catch(() => undefined); // the swallowed error is the point of the test
      },
    );
    await expect(work).rejects.toThrow(/ROLLBACK/);
    await database.close();
  });
});
