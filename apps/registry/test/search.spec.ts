import { Database, migrate, provision } from '#database';
import { County, freshTownship, password } from '#testing';
import fc from 'fast-check';
import pg from 'pg';
import { registry } from '../src/registry.definition.js';
import { NameSearchSweep } from '../src/name-search.sweep.js';

let county: County;
beforeAll(async () => {
  county = await County.start([registry]);
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop());

interface Shop {
  id: string;
  division: string;
  name: string;
  kind: string;
  tier: string;
  uscc: string | null;
}

const found = (query: Record<string, string>, token: string): Promise<Shop[]> =>
  county.every<Shop>(
    'registry',
    `/v1/establishments?${new URLSearchParams(query).toString()}`,
    token,
  );
const namesOf = async (name: string, token: string): Promise<string[]> =>
  (await found({ name }, token)).map((one) => one.name).sort();

async function register(token: string, division: string, name: string, more: Record<string, unknown> = {}): Promise<Shop> {
  const answer = await county.call('registry', 'POST', '/v1/establishments', {
    token, body: { division, name, address: '一号', kind: 'catering', area: 120, ...more },
  });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return answer.body as Shop;
} // prettier-ignore

describe('the search by a part of a name', () => {
  it('finds one, two, three and six characters, pinyin initials, and Latin letters of either case and width', async () => {
    const { code, villages } = freshTownship();
    const office = await county.token('office', code);
    const village = villages[0]!.code;
    for (const name of ['老王饭店', '重庆小面(长清路店)', 'KFC肯德基', 'Green Tea餐厅', '𠮷野家', '王家烧饼'])
      await register(office, village, name);
    const expected: Record<string, string[]> = {
      王: ['王家烧饼', '老王饭店'],
      饭店: ['老王饭店'],
      王饭店: ['老王饭店'],
      庆小面长: [],
      '小面(长清路': ['重庆小面(长清路店)'],
      lwfd: ['老王饭店'],
      LWF: ['老王饭店'],
      cqxm: ['重庆小面(长清路店)'],
      kfc: ['KFC肯德基'],
      ＫＦＣ肯: ['KFC肯德基'],
      kdj: ['KFC肯德基'],
      kfckdj: ['KFC肯德基'],
      'green tea': ['Green Tea餐厅'],
      TEA餐: ['Green Tea餐厅'],
      𠮷: ['𠮷野家'],
      𠮷野: ['𠮷野家'],
      野: ['𠮷野家'],
      店饭: [],
      '%': [],
      _: [],
    };
    for (const [name, names] of Object.entries(expected))
      expect([name, await namesOf(name, office)]).toEqual([name, names]);
  }, 30_000); // prettier-ignore

  it('keeps to a status that is asked for, and lists all of them without', async () => {
    const { code, villages } = freshTownship();
    const office = await county.token('office', code);
    for (const [name, status] of [['甲店', 'open'], ['乙店', 'suspended'], ['丙店', 'closed']] as const) {
      const { id } = await register(office, villages[0]!.code, name);
      await county.call('registry', 'PATCH', `/v1/establishments/${id}`, { token: office, headers: { 'if-match': '"1"' }, body: { status } });
      expect((await found({ status }, office)).map((one) => one.name)).toEqual([name]);
    }
    expect((await found({ status: 'closed', name: '店' }, office)).map((one) => one.name)).toEqual(['丙店']);
    expect(await found({}, office)).toHaveLength(3);
    expect((await county.call('registry', 'GET', '/v1/establishments?status=gone', { token: office })).status).toBe(422);
  }); // prettier-ignore

  it('follows a change of name, also by an import, and lands with the import', async () => {
    const { code, name: town, villages } = freshTownship();
    const office = await county.token('office', code);
    const { id } = await register(office, villages[0]!.code, '旧名饭店');
    const answer = await county.call('registry', 'PATCH', `/v1/establishments/${id}`, { token: office, headers: { 'if-match': '"1"' }, body: { name: '新名酒楼' } }); // prettier-ignore
    expect(answer.status).toBe(200);
    expect([await namesOf('旧名', office), await namesOf('xmjl', office)]).toEqual([[], ['新名酒楼']]); // prettier-ignore
    const sheet = (name: string): Buffer =>
      Buffer.from(`主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态\n${name},91371425MA3CM4AM88,九号,${town},${villages[0]!.name},食品销售\n`); // prettier-ignore
    await county.land('registry', '/v1/ledger-imports', office, sheet('齐鲁粮油店'), 'a.csv');
    expect(await namesOf('粮油', office)).toEqual(['齐鲁粮油店']);
    const renamed = await county.land('registry', '/v1/ledger-imports', office, sheet('泰山茶庄'), 'b.csv'); // prettier-ignore
    expect(renamed.counts).toMatchObject({ updated: 1 });
    expect([await namesOf('粮油', office), await namesOf('tscz', office)]).toEqual([[], ['泰山茶庄']]); // prettier-ignore
  }, 60_000);

  it('answers what a plain scan answers, with every filter, page by page, and nothing of another township', async () => {
    const [own, other] = [freshTownship(), freshTownship()];
    const [office, neighbour] = [await county.token('office', own.code), await county.token('office', other.code)]; // prettier-ignore
    // Few letters, so that names meet; the reading of each is beyond doubt.
    const read: Record<string, string> = { 老: 'l', 王: 'w', 饭: 'f', 店: 'd', 酒: 'j', 楼: 'l', K: 'k', f: 'f', '(': '', '9': '9' }; // prettier-ignore
    const letter = fc.constantFrom(...Object.keys(read));
    const random = fc.sample(fc.array(letter, { minLength: 1, maxLength: 8 }), { numRuns: 90, seed: 7 }); // prettier-ignore
    const shops: Shop[] = [];
    for (const [n, characters] of random.entries()) {
      const [place, token] = n % 3 === 0 ? [other, neighbour] : [own, office];
      const village = place.villages[n % 2]!.code;
      const first = !shops.some(({ name }) => name === characters.join('')); // one operator has no name twice in a village
      const uscc = n % 4 === 0 && first ? { uscc: '91371425MA3CM4AM88' } : {};
      shops.push(await register(token, village, characters.join(''), { address: `${n}号`, kind: n % 2 ? 'catering' : 'stall', area: n % 5 ? 60 : 900, ...uscc })); // prettier-ignore
    }
    const fits = (shop: Shop, part: string): boolean =>
      shop.name.toLowerCase().includes(part.toLowerCase()) ||
      [...shop.name].map((one) => read[one]).join('').includes(part.toLowerCase()); // prettier-ignore
    const part = fc.oneof(
      fc.array(letter, { minLength: 1, maxLength: 3 }).map((some) => some.join('')),
      fc.array(fc.constantFrom('l', 'w', 'f', 'd', 'j', 'k', '9'), { minLength: 1, maxLength: 4 }).map((some) => some.join('')),
      fc.constantFrom(...shops.map(({ name }) => name)).chain((name) =>
        fc.nat([...name].length - 1).map((from) => [...name].slice(from, from + 6).join('')),
      ),
    ); // prettier-ignore
    const query = fc.record(
      {
        name: part,
        limit: fc.constantFrom('1', '2', '7', '50'),
        kind: fc.constantFrom('catering', 'stall'),
        tier: fc.constantFrom('B', 'C', 'D'),
        uscc: fc.constant('91371425MA3CM4AM88'),
        division: fc.constantFrom(own.code, other.code, own.villages[0]!.code, '371425'),
      },
      { requiredKeys: ['name'] },
    );
    await fc.assert(
      fc.asyncProperty(query, fc.boolean(), async ({ limit = '50', ...asked }, ofOther) => {
        const [place, token] = ofOther ? [other, neighbour] : [own, office];
        const expected = shops
          .filter(
            (shop) =>
              shop.division.startsWith(place.code) &&
              fits(shop, asked.name) &&
              (asked.kind === undefined || shop.kind === asked.kind) &&
              (asked.tier === undefined || shop.tier === asked.tier) &&
              (asked.uscc === undefined || shop.uscc === asked.uscc) &&
              (asked.division === undefined || shop.division.startsWith(asked.division)),
          )
          .map(({ division, id }) => `${division}.${id}`)
          .sort();
        const got: string[] = [];
        for (let after: string | null = ''; after !== null;) {
          const parameters = new URLSearchParams({ ...asked, limit, ...(after ? { after } : {}) });
          const answer = await county.call('registry', 'GET', `/v1/establishments?${parameters.toString()}`, { token }); // prettier-ignore
          const page = answer.body as { items: Shop[]; next: string | null };
          expect(page.items.length).toBeLessThanOrEqual(Number(limit));
          got.push(...page.items.map(({ division, id }) => `${division}.${id}`));
          after = page.next;
        }
        expect(got).toEqual(expected);
      }),
      { numRuns: 150, seed: 11 },
    );
  }, 120_000);

  it('gives the app role nothing without a scope, and nothing outside of it, whatever it asks the function', async () => {
    const [own, other] = [freshTownship(), freshTownship()];
    await register(await county.token('office', own.code), own.villages[0]!.code, '独一无二饭店');
    await register(await county.token('office', other.code), other.villages[0]!.code, '独一无二酒楼'); // prettier-ignore
    const client = new pg.Client({ connectionString: county.url('registry', 'app') });
    await client.connect();
    try {
      const ask = async (lo: string, hi: string): Promise<string[]> => {
        await client.query(`select set_config('app.lo', $1, false), set_config('app.hi', $2, false)`, [lo, hi]); // prettier-ignore
        const { rows } = await client.query<{ division: string }>(`select division from establishments_named('独一', array['独一'], '', '00000000-0000-0000-0000-000000000000', null)`); // prettier-ignore
        return rows.map(({ division }) => division.slice(0, 9));
      };
      expect(await ask('', '')).toEqual([]);
      expect(await ask(own.code, `${own.code}:`)).toEqual([own.code]);
      expect(await ask(other.code, `${other.code}:`)).toEqual([other.code]);
      expect(await ask('371499', '371499:')).toEqual([]);
      const direct = await client.query('select 1 from establishment_search');
      expect(direct.rows).toEqual([]);
    } finally {
      await client.end();
    }
  });
});

it('reads the index as the owner: neither its policy nor FORCE stands before it', async () => {
  const [{ body } = { body: '' }] = await county.rows<{ body: string }>('registry', `select prosrc as body from pg_proc where proname = 'establishments_named'`); // prettier-ignore
  const filled = body
    .replace('pieces', `array['饭店']`)
    .replace('wanted', `'饭店'`)
    .replace('after_division', `''`)
    .replace('after_id', `'00000000-0000-0000-0000-000000000000'::uuid`)
    .replace('limit most', 'limit 51');
  const client = new pg.Client({ connectionString: county.url('registry', 'owner') });
  await client.connect();
  try {
    await client.query(`set enable_seqscan = off`); // the table of a test is too small for an index to pay
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain (costs off) ${filled}`);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toMatch(
      /Bitmap Index Scan on establishment_search_grams\s+Index Cond: \(grams @>/,
    );
  } finally {
    await client.end();
  }
});

describe('names of before the search', () => {
  it('are found by their characters after the migration, and by their initials after the sweep', async () => {
    const servers = JSON.parse(process.env['TEST_SERVERS'] ?? '{}') as { postgres: string };
    const name = `registry_before_${Date.now()}`;
    await provision(servers.postgres, 'registry', { owner: password, app: password, relay: password }, name); // prettier-ignore
    const at = (base: string): string =>
      Object.assign(new URL(base), { pathname: `/${name}` }).href;
    const owner = at(county.url('registry', 'owner'));
    const before = registry.migrations.findIndex((one) => one.name === '0004-search');
    await migrate(owner, registry.migrations.slice(0, before));
    const insert = `insert into establishment (id, division, version, name, address, kind, status, tier, tier_decision, created_at, changed_at)
                    select gen_random_uuid(), '371425101201', 1, n, '一号', 'stall', 'open', 'D', '{}', now(), now() from unnest($1::text[]) n`;
    const admin = new pg.Client({ connectionString: at(servers.postgres) });
    await admin.connect();
    const database = new Database({ service: 'registry', url: at(county.url('registry', 'app')), entities: [] }); // prettier-ignore
    try {
      await admin.query(insert, [['老王饭店', 'ＫＦＣ 炸鸡']]);
      await migrate(owner, registry.migrations);
      const caller = { id: 'test', division: '371425101', correlationId: 'test' };
      await database.open();
      const ask = (wanted: string, ...pieces: string[]): Promise<number> =>
        database.within(caller, async (tx) => (await tx.query(`select id from establishments_named($1, $2, '', '00000000-0000-0000-0000-000000000000', null)`, [wanted, [...pieces, '#371425101']])).length); // prettier-ignore
      expect([await ask('饭店', '饭店'), await ask('kfc', 'kf', 'fc'), await ask('lwfd', 'lw')]).toEqual([1, 1, 0]); // prettier-ignore
      const walls = await admin.query(`select relname from pg_class where relname in ('establishment', 'establishment_search') and relforcerowsecurity`); // prettier-ignore
      expect(walls.rows).toHaveLength(2);

      // An older version of the service registers one more, and renames one.
      await admin.query(insert, [['新开酒楼']]);
      await admin.query(`update establishment set name = '老李饭店' where name = '老王饭店'`);
      const sweep = new NameSearchSweep(database);
      expect(await sweep.run()).toBe(false);
      expect([await ask('llfd', 'll'), await ask('lwfd', 'lw'), await ask('xkjl', 'xk'), await ask('kfczj', 'kf')]).toEqual([1, 0, 1, 1]); // prettier-ignore
      const spelt = await admin.query(`select 1 from establishment_search where strpos(text, E'\\n') = 0`); // prettier-ignore
      expect(spelt.rows).toEqual([]);
    } finally {
      await database.close();
      await admin.end();
    }
  }, 60_000);
});
