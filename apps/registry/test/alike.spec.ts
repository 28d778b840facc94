import { county, csv, findingsOf, land, office, town } from './landing.js';

/** Rows that are new by the rules of identity, beside an establishment that they are much like. */

const uscc = '91371425MA3CM4AM88';
const titles = '主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态';
/** Rows of stalls; `@` stands for township and village. */
const stalls = (...rows: string[]): Buffer =>
  csv(rows.map((row) => row.replace('@', '@,食品摊点')), titles); // prettier-ignore
const idOf = async (name: string): Promise<string> =>
  (await county.every<{ id: string; name: string }>('registry', '/v1/establishments', office)).find((one) => one.name === name)!.id; // prettier-ignore

it.each(['', '?dryRun=true'])('names the one with the same code at another address, and the one called alike in the village%s', async (query) => {
  await land(stalls(`总店,${uscc},一号,@`, '老王(东街)饭店,,三号,@'));
  const [main, wang] = [await idOf('总店'), await idOf('老王(东街)饭店')];
  const landed = await land(stalls(`分店,${uscc},二号,@`, '老王 东街饭店,,四号,@', '老王西街饭店,,四号,@', `总店,${uscc},一号,@`), query);
  expect(landed.counts).toEqual({ rows: 4, created: 3, updated: 0, unchanged: 1, refused: 0, duplicate: 0, repaired: 0, warned: 0 });
  const like = { rule: 'like-another', severity: 'noted', column: null, repairedTo: null, remedy: expect.stringMatching(/PATCH.* · .*PATCH/) as unknown };
  expect(await findingsOf(landed)).toEqual([
    { ...like, row: 2, value: `总店, 一号 (${main})` },
    { ...like, row: 3, value: `老王(东街)饭店, 三号 (${wang})` },
  ]);
}, 60_000); // prettier-ignore

it('says nothing of another village and of a row that is the establishment itself', async () => {
  await land(stalls('老王饭店,,一号,@', '老李饭店,,一号,@'));
  const path = `/v1/establishments/${await idOf('老李饭店')}`;
  await county.call('registry', 'PATCH', path, { token: office, body: { status: 'closed' }, headers: { 'if-match': '"1"' } }); // prettier-ignore
  const elsewhere = `老王饭店,,二号,${town.name},${town.villages[1]!.name},食品摊点`;
  const landed = await land(stalls(elsewhere, '老李饭店,,二号,@', '老王饭店,,一号,@'));
  expect([landed.counts, await findingsOf(landed)]).toMatchObject([{ created: 2, unchanged: 1 }, []]); // prettier-ignore
}, 60_000);

it.each(['', '?dryRun=true'])('tells of a row that means one that was closed, which is registered anew; not of what the undo of an import closed%s', async (query) => {
  await land(stalls('老李饭店,,一号,@', '老王饭店,,二号,@'));
  const closed = await idOf('老李饭店');
  const change = { token: office, body: { status: 'closed' }, headers: { 'if-match': '"1"' } };
  await county.call('registry', 'PATCH', `/v1/establishments/${closed}`, change);
  const again = await land(stalls('老李饭店,,一号,@', '老王饭店,,二号,@'), query);
  expect([again.counts, await findingsOf(again)]).toMatchObject([
    { created: 1, unchanged: 1, warned: 0 },
    [{ row: 2, rule: 'closed-before', severity: 'noted', value: `老李饭店, 一号 (${closed})` }],
  ]);
  if (query !== '') return;
  const undone = await land(stalls('老张饭店,,三号,@'));
  const undo = await county.call('registry', 'POST', `/v1/ledger-imports/${undone.id}/undo`, { token: office, body: {} });
  expect(undo.body).toMatchObject({ closed: 1 });
  const third = await land(stalls('老张饭店,,三号,@'));
  expect([third.counts, await findingsOf(third)]).toMatchObject([{ created: 1 }, []]);
}, 60_000); // prettier-ignore

it.each(['', '?dryRun=true'])('names rows of the same file, over batches, too%s', async (query) => {
  const others = Array.from({ length: 1500 }, (_, n) => `摊${n},,${n}号,@`);
  const landed = await land(stalls(`总店,${uscc},甲号,@`, '【老王】饭店,,乙号,@', '老王饭店,,丙号,@', ...others, `分店,${uscc},丁号,@`, '老王 饭店,,戊号,@'), query);
  expect(landed.counts).toMatchObject({ rows: 1505, created: 1505, warned: 0 });
  const idIn = async (name: string): Promise<string> => (query === '' ? ` (${await idOf(name)})` : '');
  const wang = `【老王】饭店, 乙号${await idIn('【老王】饭店')}`;
  expect((await findingsOf(landed)).map(({ row, rule, value }) => [row, rule, value])).toEqual([
    [4, 'like-another', wang],
    [1505, 'like-another', `总店, 甲号${await idIn('总店')}`],
    [1506, 'like-another', wang],
  ]);
}, 60_000); // prettier-ignore
