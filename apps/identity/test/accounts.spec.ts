import { randomUUID } from 'node:crypto';
import { OfficialChanged } from '#contracts';
import { type Answer, County, eventually } from '#testing';
import { jetstream } from '@nats-io/jetstream';
import { v7 as uuidv7 } from 'uuid';
import { resetAccountStep } from '../src/account.step.js';
import { identity } from '../src/identity.definition.js';

const countyCode = '371425';
const [townA, townB] = ['371425101', '371425102'];

interface Shown {
  id: string;
  version: number;
  name: string;
  role: string;
  division: string;
  active: boolean;
  password: string | null;
  secondFactor: boolean;
}

let county: County;
let admin: string;
let auditor: string;
let serial = 0;

const call = (method: string, path: string, token: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  county.call('identity', method, `/v1${path}`, { token, headers, ...(body === undefined ? {} : { body }) }); // prettier-ignore
const ifMatch = (version: number): Record<string, string> => ({ 'if-match': `"${version}"` });
const code = (answer: Answer): unknown => [answer.status, (answer.body as { code?: string }).code];

async function open(over: Record<string, unknown> = {}): Promise<Shown> {
  const body = { name: `person-${(serial += 1)}`, displayName: '王秀英', role: 'office', division: townA, ...over }; // prettier-ignore
  const answer = await call('POST', '/accounts', admin, body);
  expect([answer.status, answer.body]).toEqual([201, expect.objectContaining(body)]);
  return answer.body as Shown;
}
const read = async (id: string): Promise<Shown> =>
  (await call('GET', `/accounts/${id}`, admin)).body as Shown;
const facts = (id: string): Promise<{ type: string; data: object }[]> =>
  county.rows('identity', `select type, event->'data' as data from journal where aggregate_id = $1 order by id`, [id]); // prettier-ignore
/** A session and a grant, as the issuer keeps them. */
const signedIn = (id: string): Promise<unknown> =>
  county.rows('identity', `insert into oidc_payload (model, id, payload) values ('Session', $1, $2), ('Grant', $1, $2), ('Interaction', $1, $3)`, [
    randomUUID(), JSON.stringify({ accountId: id }), JSON.stringify({ result: { login: { accountId: id } } }),
  ]); // prettier-ignore
const stillSignedIn = async (id: string): Promise<number> =>
  (await county.rows<{ n: number }>('identity', `select count(*)::int as n from oidc_payload where payload::text like '%' || $1 || '%'`, [id]))[0]!.n; // prettier-ignore

beforeAll(async () => {
  county = await County.start([identity]);
  admin = await county.token('county-admin', countyCode);
  auditor = await county.token('auditor', townA);
}, 60_000);
afterEach(() => county.quiet());
afterAll(() => county.stop());

describe('a county admin', () => {
  it('opens an account with a one-time password, which is good for a day and is kept nowhere', async () => {
    const made = await open();
    expect(made.password).toMatch(/^[a-z2-9]{4}(-[a-z2-9]{4}){3}$/);
    const [row] = await county.rows<{ row: string; left: number }>(
      'identity',
      `select a::text as row, extract(epoch from password_until - created_at)::int as left from account a where id = $1`,
      [made.id],
    );
    expect(row!.left).toBe(24 * 3600);
    const everywhere = await county.rows<{ text: string }>(
      'identity',
      `select (select string_agg(t::text, '') from journal t) || (select string_agg(t::text, '') from change t) || (select coalesce(string_agg(t::text, ''), '') from idempotency_key t) as text`,
    );
    expect(row!.row + everywhere[0]!.text).not.toContain(made.password);
    expect(await facts(made.id)).toEqual([
      {
        type: 'identity.account.changed.v1',
        data: { accountId: made.id, division: townA, role: 'office', official: null, active: true, version: 1 },
      },
    ]); // prettier-ignore
  });

  it('gets the same answer for a repeated key, without the word that was shown once', async () => {
    const body = { name: 'repeated', displayName: '重复', role: 'office', division: townA };
    const key = { 'idempotency-key': 'once' };
    const [first, second] = [
      await call('POST', '/accounts', admin, body, key),
      await call('POST', '/accounts', admin, body, key),
    ];
    expect(second.status).toBe(201);
    expect(second.body).toEqual({ ...(first.body as object), password: null });
    const reset = await call('POST', `/accounts/${(first.body as Shown).id}/password-reset`, admin, undefined, key); // prettier-ignore
    const again = await call('POST', `/accounts/${(first.body as Shown).id}/password-reset`, admin, undefined, key); // prettier-ignore
    expect(again.body).toEqual({ ...(reset.body as object), password: null });
  });

  it('is refused a name that is taken, a place outside his county or of the wrong kind, and an official nobody names', async () => {
    const { name } = await open();
    const body = { name, displayName: '王', role: 'office', division: townA };
    const fresh = { ...body, name: 'nobody-has-it' };
    expect(code(await call('POST', '/accounts', admin, body))).toEqual([409, 'name-taken']);
    for (const [over, expected] of [
      [{ division: '371482101' }, [403, 'out-of-scope']],
      [{ division: countyCode }, [422, 'validation-failed']],
      [{ role: 'official' }, [422, 'validation-failed']],
      [{ role: 'service', division: countyCode }, [422, 'validation-failed']],
      [{ name: 'a b' }, [422, 'validation-failed']],
    ] as const)
      expect([over, code(await call('POST', '/accounts', admin, { ...fresh, ...over }))]).toEqual([over, expected]); // prettier-ignore
  });

  it('changes an account in one step that ends what it had signed in, and leaves everybody else alone', async () => {
    const [one, other] = [await open(), await open()];
    await signedIn(one.id);
    await signedIn(other.id);
    expect(await stillSignedIn(one.id)).toBe(3);
    const moved = await call('PATCH', `/accounts/${one.id}`, admin, { division: townB, reason: '调往焦庙镇' }, ifMatch(1)); // prettier-ignore
    expect([moved.status, moved.headers.get('etag'), moved.body]).toEqual([200, '"2"', expect.objectContaining({ division: townB, version: 2 })]); // prettier-ignore
    expect([await stillSignedIn(one.id), await stillSignedIn(other.id)]).toEqual([0, 3]);
    expect((await facts(one.id)).at(-1)!.data).toMatchObject({ division: townB, version: 2 });
    const log = (await call('GET', `/changes?subject=${one.id}`, admin)).body as { items: object[] }; // prettier-ignore
    expect(log.items).toContainEqual(expect.objectContaining({ noun: 'account', field: 'division', from: townA, to: townB, why: '调往焦庙镇', version: 2 })); // prettier-ignore
    const stale = await call('PATCH', `/accounts/${one.id}`, admin, { active: false }, ifMatch(1));
    expect([...(code(stale) as unknown[]), (stale.body as { current: Shown }).current.version]).toEqual([412, 'stale-version', 2]); // prettier-ignore
    expect((stale.body as { detail: string }).detail).toBe('当前版本为 2,请重新读取后再提交。 · It is at version 2 now: read it again, then repeat.'); // prettier-ignore
    for (const nothing of [{}, { reason: '无' }])
      expect((await call('PATCH', `/accounts/${one.id}`, admin, nothing, ifMatch(2))).body).toMatchObject({ status: 422, code: 'validation-failed', errors: [{ pointer: '/', rule: 'atLeastOne' }] }); // prettier-ignore
    for (const field of ['displayName', 'role', 'division', 'active', 'reason'])
      expect([field, code(await call('PATCH', `/accounts/${one.id}`, admin, { [field]: null }, ifMatch(2)))]).toEqual([field, [422, 'validation-failed']]); // prettier-ignore
    expect(code(await call('PATCH', `/accounts/${one.id}`, admin, { active: false }))).toEqual([428, 'if-match-missing']); // prettier-ignore
  });

  it('resets a password and renews a client secret: each a step, told in the log by name alone', async () => {
    const { id } = await open();
    await signedIn(id);
    const reset = await call('POST', `/accounts/${id}/password-reset`, admin);
    expect(reset.body).toMatchObject({ accountId: id, version: 2, password: expect.stringMatching(/^\S{19}$/) as unknown }); // prettier-ignore
    expect(await stillSignedIn(id)).toBe(0);
    const renewed = await call('POST', `/accounts/${id}/client-secret`, admin);
    expect(renewed.body).toMatchObject({ clientId: id, version: 3, clientSecret: expect.stringMatching(/^\S{43}$/) as unknown }); // prettier-ignore
    const log = (await call('GET', `/changes?subject=${id}`, admin)).body as { items: { field: string; from: unknown; to: unknown }[] }; // prettier-ignore
    expect(log.items.map(({ field, from, to }) => [field, from, to])).toEqual(
      expect.arrayContaining([['password', null, null], ['clientSecret', null, null]]),
    ); // prettier-ignore
    expect((await facts(id)).map(({ data }) => (data as { version: number }).version)).toEqual([1, 2, 3]); // prettier-ignore
    // Password and secret of a closed account would open nothing.
    await call('PATCH', `/accounts/${id}`, admin, { active: false }, ifMatch(3));
    for (const route of ['password-reset', 'client-secret'])
      expect(code(await call('POST', `/accounts/${id}/${route}`, admin))).toEqual([409, 'wrong-state']); // prettier-ignore
  });

  it('changes neither his own role, place and activity nor his own second factor', async () => {
    const own = await open({ role: 'county-admin', division: countyCode });
    await open({ role: 'county-admin', division: countyCode });
    const as = await county.token('county-admin', countyCode, {}, own.id);
    for (const change of [{ role: 'auditor' }, { active: false }, { official: randomUUID() }])
      expect(code(await call('PATCH', `/accounts/${own.id}`, as, change, ifMatch(1)))).toEqual([403, 'own-act']); // prettier-ignore
    expect(code(await call('POST', `/accounts/${own.id}/second-factor-reset`, as))).toEqual([403, 'own-act']); // prettier-ignore
    expect((await call('PATCH', `/accounts/${own.id}`, as, { displayName: '李' }, ifMatch(1))).status).toBe(200); // prettier-ignore
  });

  it('opens, changes and resets no county admin with a client secret: a secret that leaked must not become another', async () => {
    const own = await open({ role: 'county-admin', division: countyCode });
    const other = await open({ role: 'county-admin', division: countyCode });
    const clerk = await open({ role: 'office', division: townA });
    const program = await county.signed({ sub: own.id, roles: ['county-admin'], division: countyCode, client_id: own.id });
    const refused = [403, 'not-allowed'];
    for (const route of ['password-reset', 'second-factor-reset'])
      expect([route, code(await call('POST', `/accounts/${other.id}/${route}`, program))]).toEqual([route, refused]);
    const made = { name: 'by-program', displayName: '李', role: 'county-admin', division: countyCode };
    expect(code(await call('POST', '/accounts', program, made))).toEqual(refused);
    // To close one takes nothing; to open it again would.
    expect((await call('PATCH', `/accounts/${other.id}`, program, { active: false }, ifMatch(1))).status).toBe(200);
    expect(code(await call('PATCH', `/accounts/${other.id}`, program, { active: true }, ifMatch(2)))).toEqual(refused);
    expect((await call('PATCH', `/accounts/${other.id}`, admin, { active: true }, ifMatch(2))).status).toBe(200);
    expect(code(await call('PATCH', `/accounts/${clerk.id}`, program, { role: 'county-admin', division: countyCode }, ifMatch(1)))).toEqual(refused);
    // Of everybody else it does all that its account may.
    expect((await call('POST', '/accounts', program, { ...made, role: 'office', division: townA })).status).toBe(201);
    expect((await call('POST', `/accounts/${clerk.id}/password-reset`, program)).status).toBe(200);
    const person = await county.signed({ sub: own.id, roles: ['county-admin'], division: countyCode, client_id: 'swagger' });
    for (const route of ['password-reset', 'second-factor-reset'])
      expect((await call('POST', `/accounts/${other.id}/${route}`, person)).status).toBe(200);
  }); // prettier-ignore

  it('who lost everything is helped by a deploy step, which the change log tells whole', async () => {
    const lost = await open({ role: 'county-admin', division: countyCode });
    const said = await resetAccountStep(county.url('identity', 'app'), lost.name);
    expect(said).toMatch(new RegExp(`^account ${lost.name} has the one-time password \\S+, good for 24 hours, and no second factor$`));
    const told = await county.every<{ field: string | null; why: string | null; version: number; to: unknown }>('identity', `/v1/changes?subject=${lost.id}`, admin);
    expect(told.filter(({ version }) => version === 2).map(({ field, why, to }) => [field, why, to]).sort()).toEqual([
      ['password', 'deploy', null], ['passwordUntil', 'deploy', expect.any(String)], ['secondFactor', 'deploy', null],
    ]);
  }); // prettier-ignore

  it('takes no secret of another county admin, with which he would approve his own proposals', async () => {
    const own = await open({ role: 'county-admin', division: countyCode });
    const other = await open({ role: 'county-admin', division: countyCode });
    const as = await county.token('county-admin', countyCode, {}, own.id);
    expect(code(await call('POST', `/accounts/${other.id}/client-secret`, as))).toEqual([403, 'not-allowed']); // prettier-ignore
    expect((await call('POST', `/accounts/${own.id}/client-secret`, as)).status).toBe(200);
    // Nor does a secret that another made outlive the account's promotion.
    const clerk = await open({ role: 'office', division: townA });
    expect((await call('POST', `/accounts/${clerk.id}/client-secret`, as)).status).toBe(200);
    const kept = (): Promise<{ hash: string }[]> => county.rows('identity', `select secret_hash as hash from client where account_id = $1`, [clerk.id]); // prettier-ignore
    const before = await kept();
    expect((await call('PATCH', `/accounts/${clerk.id}`, as, { role: 'county-admin', division: countyCode }, ifMatch(2))).status).toBe(200); // prettier-ignore
    const after = await kept();
    expect([before.length, after.length, after[0]!.hash === before[0]!.hash]).toEqual([
      1,
      1,
      false,
    ]);
  });

  it('cannot remove the last active one of a county, not even two who remove one another at once', async () => {
    const other = '371482';
    const alone = await county.token('county-admin', other);
    const two = await Promise.all(
      [1, 2].map(async (n) => (await call('POST', '/accounts', alone, { name: `last-${n}`, displayName: '王', role: 'county-admin', division: other })).body as Shown),
    ); // prettier-ignore
    const answers = await Promise.all(
      two.map(async ({ id }, at) =>
        call('PATCH', `/accounts/${two[1 - at]!.id}`, await county.token('county-admin', other, {}, id), { active: false }, ifMatch(1)),
      ),
    ); // prettier-ignore
    const told = answers.map(({ status }) => status).sort();
    expect([
      [200, 409],
      [200, 401],
    ]).toContainEqual(told); // the second is refused, or his token has ended already
    const left = await county.rows('identity', `select 1 from account where division = $1 and active`, [other]); // prettier-ignore
    expect(left).toHaveLength(1);
    const [kept] = two.filter(({ id }, at) => answers[1 - at]!.status !== 200 || id === '');
    expect(code(await call('PATCH', `/accounts/${kept!.id}`, alone, { role: 'authority' }, ifMatch(1)))).toEqual([409, 'last-admin']); // prettier-ignore
  });

  it('sees the accounts of his county by role, activity and place; an auditor those of his ground; nobody else any', async () => {
    const here = await open({ division: townA, role: 'auditor' });
    const there = await open({ division: townB, role: 'auditor' });
    await call('PATCH', `/accounts/${there.id}`, admin, { active: false }, ifMatch(1));
    const ids = async (token: string, query: string): Promise<string[]> =>
      (await county.every<Shown>('identity', `/v1/accounts?${query}`, token)).map(({ id }) => id);
    expect(await ids(admin, 'role=auditor&active=true')).toContain(here.id);
    expect(await ids(admin, 'role=auditor&active=true')).not.toContain(there.id);
    expect(await ids(admin, `division=${townB}&active=false`)).toEqual([there.id]);
    expect(await ids(auditor, 'role=auditor')).toEqual([here.id]);
    expect(code(await call('GET', `/accounts/${there.id}`, auditor))).toEqual([404, 'not-found']);
    for (const role of ['office', 'authority', 'grid-worker'] as const)
      expect((await call('GET', '/accounts', await county.token(role, townA))).status).toBe(403);
  });
});

describe('an official', () => {
  let serialOfFact = 0;
  /** As assignment says it on the bus. */
  async function say(officialId: string, division: string, active: boolean, sequence: number): Promise<void> {
    serialOfFact += 1;
    const bus = await county.bus('deploy');
    await jetstream(bus).publish(
      `evt.${OfficialChanged.type}.371425.${division.slice(6, 9)}`,
      JSON.stringify({
        specversion: '1.0', id: uuidv7(), type: OfficialChanged.type, source: '/services/assignment', subject: officialId,
        time: new Date().toISOString(), datacontenttype: 'application/json', division, sequence, actor: 'x', correlationid: `c${serialOfFact}`,
        data: { officialId, division, level: 'village', name: '王', post: '书记', active },
      }),
    );
    await bus.close();
  } // prettier-ignore

  /** One whom assignment has told of. */
  async function serving(): Promise<string> {
    const official = randomUUID();
    await say(official, `${townA}201`, true, 1);
    await eventually(
      () => county.rows('identity', 'select 1 as one from official_copy where official_id = $1', [official]),
      (rows) => rows.length > 0,
    );
    return official;
  } // prettier-ignore

  it('who moves acts where he is now, and who leaves has no account any more; late facts change nothing', async () => {
    const official = await serving();
    const { id } = await open({ role: 'official', division: townA, official });
    await say(official, `${townB}201`, true, 2);
    await eventually(() => read(id), ({ division }) => division === townB); // prettier-ignore
    await say(official, `${townB}201`, false, 4);
    await eventually(() => read(id), ({ active }) => !active); // prettier-ignore
    await say(official, `${townA}201`, true, 3); // late
    const other = await serving();
    const { id: mark } = await open({ role: 'official', division: townA, official: other });
    await say(other, `${townB}202`, true, 2);
    await eventually(() => read(mark), ({ division }) => division === townB); // prettier-ignore
    expect(await read(id)).toMatchObject({ active: false, division: townB, version: 3 });
    const again = { name: 'again', displayName: '王', role: 'official', division: townB, official };
    expect(code(await call('POST', '/accounts', admin, again))).toEqual([409, 'wrong-state']);
  });

  it('has the only kind of account that names an official, and of those that serve on its ground', async () => {
    const official = await serving();
    const wanted = { name: 'somebody', displayName: '王', role: 'official', division: townA };
    const post = async (more: object): Promise<unknown> => code(await call('POST', '/accounts', admin, { ...wanted, ...more })); // prettier-ignore
    expect(await post({ official: randomUUID() })).toEqual([422, 'officials-unknown']);
    expect(await post({ role: 'office', official })).toEqual([422, 'validation-failed']);
    const { id } = await open({ role: 'official', division: townA, official });
    const unknown = await call('PATCH', `/accounts/${id}`, admin, { official: randomUUID() }, ifMatch(1)); // prettier-ignore
    expect(code(unknown)).toEqual([422, 'officials-unknown']);
    const moved = await call('PATCH', `/accounts/${id}`, admin, { role: 'office' }, ifMatch(1));
    expect([moved.status, moved.body]).toEqual([200, expect.objectContaining({ role: 'office', official: null })]); // prettier-ignore
  });

  const refusal = ({ body }: { body: unknown }): unknown => {
    const { code: reason, errors } = body as { code: string; errors: { pointer: string; rule: string; remedy: string }[] };
    return [reason, ...errors.map(({ pointer, rule }) => `${pointer} ${rule}`)];
  }; // prettier-ignore

  it('has an account of the ground where he serves, when it is opened, moved or opened again', async () => {
    const official = await serving();
    const elsewhere = ['validation-failed', '/division place-of-official'];
    const wanted = { name: 'elsewhere', displayName: '王', role: 'official', official };
    for (const division of [townB, countyCode]) {
      const answer = await call('POST', '/accounts', admin, { ...wanted, division });
      expect([answer.status, refusal(answer)]).toEqual([422, elsewhere]);
      expect(answer.body).toMatchObject({
        errors: [{ remedy: `请填写 ${townA} · give ${townA}` }],
      });
    }
    const { id } = await open({ role: 'official', division: townA, official });
    expect(refusal(await call('PATCH', `/accounts/${id}`, admin, { division: townB }, ifMatch(1)))).toEqual(elsewhere); // prettier-ignore
    expect((await call('PATCH', `/accounts/${id}`, admin, { active: false }, ifMatch(1))).status).toBe(200); // prettier-ignore
    await say(official, `${townB}201`, true, 2);
    await eventually(
      () => county.rows<{ division: string }>('identity', 'select division from official_copy where official_id = $1', [official]),
      ([row]) => row?.division === `${townB}201`,
    ); // prettier-ignore
    expect(refusal(await call('PATCH', `/accounts/${id}`, admin, { active: true }, ifMatch(2)))).toEqual(elsewhere); // prettier-ignore
    expect((await call('PATCH', `/accounts/${id}`, admin, { active: true, division: townB }, ifMatch(2))).status).toBe(200); // prettier-ignore
  });

  it('has one account, also when two admins open one at once', async () => {
    const official = await serving();
    const wanted = (name: string): object => ({ name, displayName: '王', role: 'official', division: townA, official }); // prettier-ignore
    const both = await Promise.all(['only-1', 'only-2'].map((name) => call('POST', '/accounts', admin, wanted(name)))); // prettier-ignore
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);
    const [made, refused] = [both.find(({ status }) => status === 201)!, both.find(({ status }) => status === 409)!]; // prettier-ignore
    const { id, name } = made.body as Shown & { name: string };
    expect(refusal(refused)).toEqual(['official-has-account', '/official unique']);
    expect(refused.body).toMatchObject({ detail: expect.stringContaining(`${name}(${id})`) as unknown }); // prettier-ignore
    const { id: office } = await open({ role: 'office', division: townA });
    const second = await call('PATCH', `/accounts/${office}`, admin, { role: 'official', official }, ifMatch(1)); // prettier-ignore
    expect([second.status, code(second)]).toEqual([409, [409, 'official-has-account']]);
    // One that was ended is in nobody's way, and does not come back beside another.
    expect((await call('PATCH', `/accounts/${id}`, admin, { active: false }, ifMatch(1))).status).toBe(200); // prettier-ignore
    await open({ role: 'official', division: townA, official });
    expect(code(await call('PATCH', `/accounts/${id}`, admin, { active: true }, ifMatch(2)))).toEqual([409, 'official-has-account']); // prettier-ignore
  });
});

describe('a token', () => {
  const known = (accountId: string): Promise<string> => county.token('county-admin', countyCode, {}, accountId); // prettier-ignore
  const reads = async (token: string): Promise<number> => (await call('GET', '/accounts?limit=1', token)).status; // prettier-ignore

  it('of a foreign issuer, without a version, is refused when it was issued before the change', async () => {
    const { id } = await open({ role: 'county-admin', division: countyCode });
    const token = await known(id);
    await call('PATCH', `/accounts/${id}`, admin, { displayName: '李' }, ifMatch(1));
    expect(await reads(token)).toBe(401);
    await eventually(async () => reads(await known(id)), (status) => status === 200); // prettier-ignore
    await call('PATCH', `/accounts/${id}`, admin, { active: false }, ifMatch(2));
    await eventually(async () => reads(await known(id)), (status) => status === 401); // prettier-ignore
  });

  it('ends by versions, which need no clock', async () => {
    const { id } = await open({ role: 'county-admin', division: countyCode });
    const of = (version: number): Promise<string> => county.signed({ sub: id, roles: ['county-admin'], division: countyCode, account_version: version }); // prettier-ignore
    expect(await reads(await of(1))).toBe(200);
    await call('PATCH', `/accounts/${id}`, admin, { displayName: '李' }, ifMatch(1));
    expect([await reads(await of(1)), await reads(await of(2)), await reads(await of(3))]).toEqual([401, 200, 200]); // prettier-ignore
  });
});
