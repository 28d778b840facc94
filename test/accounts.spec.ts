import { randomUUID } from 'node:crypto';
import { type Service } from '#contracts';
import { type Answer, eventually, Fleet } from '#testing';

/* A change of an account ends its tokens everywhere, also where another replica got the fact. */

const services: readonly Service[] = ['registry', 'assignment', 'inspection', 'training', 'notification', 'identity']; // prettier-ignore
/** A list of each service that a county admin may read. */
const lists: Record<string, string> = Object.fromEntries(services.map((service) => [service, '/v1/dead-letters'])); // prettier-ignore

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.make(services);
  await fleet.startNats();
  await fleet.deployBus();
  for (const service of services) await fleet.run(service);
  await fleet.run('registry');
  await fleet.enrol([
    { name: 'chief', role: 'county-admin', division: '371425' },
    { name: 'watched', role: 'county-admin', division: '371425' },
  ]);
}, 180_000);
afterAll(() => fleet.stop(), 30_000);

interface Shown {
  id: string;
  version: number;
}
const ask = (method: string, path: string, body?: unknown, headers = {}): Promise<Answer> =>
  fleet.token('chief').then((token) => fleet.call('identity', method, path, { token, headers, ...(body === undefined ? {} : { body }) })); // prettier-ignore
const watched = async (): Promise<Shown> =>
  ((await ask('GET', '/v1/accounts?role=county-admin')).body as { items: (Shown & { name: string })[] }).items.find(({ name }) => name === 'watched')!; // prettier-ignore
/** Every replica twice, for they take turns. */
const statuses = async (token: string): Promise<Record<string, number[]>> =>
  Object.fromEntries(
    await Promise.all(
      services.map(async (service): Promise<[string, number[]]> => {
        const those = fleet.running(service).length;
        const found: number[] = [];
        for (let n = 0; n < those * 2; n++)
          found.push((await fleet.call(service, 'GET', lists[service]!, { token })).status);
        return [service, [...new Set(found)]];
      }),
    ),
  );
const everywhere = (status: number): Record<string, number[]> =>
  Object.fromEntries(services.map((service) => [service, [status]]));

describe('a change of an account', () => {
  it('ends its tokens in every service and every replica within five seconds, and a new sign-in works', async () => {
    const token = await fleet.token('watched');
    expect(await statuses(token)).toEqual(everywhere(200)); // and every replica believes it now
    const { id, version } = await watched();
    const changed = await ask('PATCH', `/v1/accounts/${id}`, { displayName: '改名' }, { 'if-match': `"${version}"` }); // prettier-ignore
    expect(changed.status).toBe(200);
    const told = await eventually(() => statuses(token), (found) => Object.values(found).every((one) => one.join() === '401'), 5_000); // prettier-ignore
    expect(told).toEqual(everywhere(401));
    expect(await statuses(await fleet.freshToken('watched'))).toEqual(everywhere(200));
  }, 60_000);

  it('that is told twice, and late, changes nothing', async () => {
    const { id, version } = await watched();
    const renewed = await ask('PATCH', `/v1/accounts/${id}`, { displayName: '又改名' }, { 'if-match': `"${version}"` }); // prettier-ignore
    const token = await fleet.freshToken('watched');
    await fleet.quiet();
    // Everything that identity ever said, once more, with no memory of the first time: as after a loss of the broker's memory.
    await fleet.rows('identity', 'insert into outbox (journal_id, recorded_at) select id, recorded_at from journal on conflict do nothing'); // prettier-ignore
    for (const service of services)
      if (service !== 'identity') await fleet.rows(service, 'delete from inbox');
    await fleet.quiet();
    for (const service of services) {
      const [row] = await fleet.rows<{ version: number }>(service, 'select version from account_cutoff where account_id = $1', [id]); // prettier-ignore
      expect([service, row]).toEqual([service, { version: (renewed.body as Shown).version }]);
    }
    expect(await statuses(token)).toEqual(everywhere(200));
  }, 60_000);

  it('that closes it leaves no way in', async () => {
    const token = await fleet.freshToken('watched');
    expect(await statuses(token)).toEqual(everywhere(200));
    const { id, version } = await watched();
    await ask('PATCH', `/v1/accounts/${id}`, { active: false, reason: '离任' }, { 'if-match': `"${version}"` }); // prettier-ignore
    await eventually(() => statuses(token), (found) => Object.values(found).every((one) => one.join() === '401'), 5_000); // prettier-ignore
    await expect(fleet.freshToken('watched')).rejects.toThrow('401');
  }, 60_000);

  it('holds when the fact reached the database and this replica was born later', async () => {
    const [account] = [{ name: `late-${randomUUID().slice(0, 4)}`, role: 'county-admin' as const, division: '371425' }]; // prettier-ignore
    await fleet.enrol([account]);
    const token = await fleet.token(account.name);
    const page = (await ask('GET', '/v1/accounts?role=county-admin')).body as { items: (Shown & { name: string })[] }; // prettier-ignore
    const { id, version } = page.items.find(({ name }) => name === account.name)!;
    await ask('PATCH', `/v1/accounts/${id}`, { active: false }, { 'if-match': `"${version}"` });
    await fleet.quiet();
    await fleet.kill('registry', 'SIGTERM');
    await fleet.run('registry');
    expect((await fleet.call('registry', 'GET', lists['registry']!, { token })).status).toBe(401);
  }, 60_000);
});
