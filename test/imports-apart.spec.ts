import { readFileSync } from 'node:fs';
import { eventually, Fleet, freshTownship, type Landed, type Replica } from '#testing';

/* Imports land in a process of their own, which lives no longer than its service. */

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.make(['registry', 'identity']);
  await fleet.run('identity');
  await fleet.enrol([
    { name: 'office', role: 'office', division: township.code },
    { name: 'neighbour', role: 'office', division: other.code },
  ]);
}, 60_000);
afterAll(() => fleet.stop(), 30_000);

const township = freshTownship();
const other = freshTownship();
const rows = 8_000;

const csv = (mark: string, { rows }: { rows: number }): Buffer => {
  const { name, villages } = township;
  const lines = Array.from({ length: rows }, (_, n) => `${mark}${n},,${n}号,${name},${villages[n % villages.length]!.name},食品摊点`); // prettier-ignore
  return Buffer.from(`主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态\n${lines.join('\n')}\n`);
}; // prettier-ignore

/** The processes that a process started and that still live. */
function childrenOf({ child: { pid } }: Replica): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe.each(['SIGKILL', 'SIGTERM'] as const)('an import whose service gets %s', (signal) => {
  it('ends its process, and goes on with the next service where it was', async () => {
    const registry = await fleet.run('registry');
    const office = await fleet.token('office');
    expect(childrenOf(registry)).toEqual([]); // no work, no process
    const { body } = await fleet.upload('registry', '/v1/ledger-imports', office, csv(signal, { rows }), 'long.csv'); // prettier-ignore
    const { id } = body as Landed;
    const doneRows = async (): Promise<number> =>
      (await fleet.rows<{ done: number }>('registry', 'select done_rows as done from ledger_import where id = $1', [id]))[0]!.done; // prettier-ignore
    await eventually(doneRows, (done) => done > 0, 30_000);
    const [apart] = childrenOf(registry);
    expect(apart).toBeGreaterThan(0);
    await fleet.kill(registry, signal);
    await eventually(async () => alive(apart!), (lives) => !lives, 30_000); // prettier-ignore
    const reached = await doneRows();
    expect(reached).toBeLessThan(rows);
    const [claim] = await fleet.rows<{ open: boolean }>('registry', `select claimed_until is null as open from ledger_import where id = $1`, [id]); // prettier-ignore
    expect(claim!.open).toBe(true); // given back

    await fleet.run('registry');
    const landed = await eventually(
      async () => (await fleet.call('registry', 'GET', `/v1/ledger-imports/${id}`, { token: office })).body as Landed, // prettier-ignore
      ({ state }) => state === 'done',
      90_000,
    );
    expect(landed.counts).toMatchObject({ rows, created: rows });
    const [kept] = await fleet.rows<{ shops: number; facts: number }>('registry', `select (select count(*)::int from establishment where starts_with(name, $1)) as shops, (select count(*)::int from journal where starts_with(event->'data'->>'name', $1)) as facts`, [signal]); // prettier-ignore
    expect(kept).toEqual({ shops: rows, facts: rows });
    await fleet.kill('registry', 'SIGTERM');
  }, 150_000);
});

it('goes in large strides beside its own township, and in small ones while another is served', async () => {
  const registry = await fleet.run('registry');
  const office = await fleet.token('office');
  const stridesBeside = async (who: string): Promise<number> => {
    const { status } = await fleet.call('registry', 'GET', '/v1/establishments', { token: await fleet.token(who) }); // prettier-ignore
    expect(status).toBe(200);
    const { body } = await fleet.upload('registry', '/v1/ledger-imports', office, csv(who, { rows: 600 }), 'strides.csv'); // prettier-ignore
    const { id } = body as Landed;
    await eventually(
      async () => (await fleet.call('registry', 'GET', `/v1/ledger-imports/${id}`, { token: office })).body as Landed, // prettier-ignore
      ({ state }) => state === 'done',
      60_000,
    );
    // Each stride is a transaction, and its facts carry its time.
    const [strides] = await fleet.rows<{ n: number }>('registry', `select count(distinct event->>'time')::int as n from journal where event->>'correlationid' = $1`, [id]); // prettier-ignore
    return strides!.n;
  };
  expect(await stridesBeside('office')).toBe(1);
  expect(await stridesBeside('neighbour')).toBe(6);
  await fleet.kill(registry, 'SIGTERM');
}, 150_000);
