import { type Landed } from '#testing';
import { call, county, csv, findingsOf, land, office, town } from './landing.js';

/** One establishment in several rows of a file, in one batch or in several. */

describe('an establishment that one batch makes and changes', () => {
  const uscc = '91371425MA3CM4AM88';
  const versions = ({ id }: Landed): Promise<object[]> =>
    county.rows('registry', `select row, version from ledger_import_effect where import_id = $1 order by version`, [id]); // prettier-ignore
  const called = (name: string): Promise<object[]> =>
    county.every('registry', `/v1/establishments?name=${encodeURIComponent(name)}`, office);

  it.each([
    ['credit code', uscc, ''],
    ['licence number', '', 'JY13101140093802'],
  ])(
    'is found by the name of the later row, where both have one %s',
    async (_what, code, licence) => {
      const file = csv([`1,德缘百货,${code},${licence},八号,@,食品销售,64,`, `2,德缘百货店,${code},${licence},八号,@,食品销售,70,`]); // prettier-ignore
      const landed = await land(file);
      expect([landed.state, landed.counts]).toMatchObject(['done', { created: 1, updated: 1 }]);
      expect(await called('德缘百货店')).toMatchObject([{ name: '德缘百货店', area: 70, version: 2 }]); // prettier-ignore
      expect(await versions(landed)).toEqual([{ row: 2, version: 1 }, { row: 3, version: 2 }]); // prettier-ignore
    },
    60_000,
  );

  it.each(['', '?dryRun=true'])(
    'is renamed twice, moved and called as at first, each told, and undone as one%s',
    async (query) => {
      const [, other] = town.villages;
      const place = `${town.name},${other!.name}`;
      const rows = [`1,甲店,${uscc},,八号,@,食品销售,64,`, `2,乙店,${uscc},,八号,@,食品销售,64,`, `3,丙店,${uscc},,八号,${place},食品销售,600,`, `4,甲店,${uscc},,八号,${place},食品销售,600,`, `5,甲店,${uscc},,九号,${place},食品销售,600,`]; // prettier-ignore
      const landed = await land(csv(rows), query);
      expect([landed.state, landed.counts]).toMatchObject(['done', { created: 1, updated: 4, refused: 0 }]); // prettier-ignore
      expect((await findingsOf(landed)).map(({ row, rule }) => [row, rule])).toEqual([3, 4, 5, 6].map((row) => [row, 'row-updated'])); // prettier-ignore
      if (query !== '') {
        expect(await called('店')).toEqual([]);
        return;
      }
      expect(await called('店')).toMatchObject([{ name: '甲店', division: other!.code, address: '九号', tier: 'B', version: 5 }]); // prettier-ignore
      expect([await called('乙店'), await called('丙店')]).toEqual([[], []]);
      const facts = await county.rows(
        'registry',
        `select type, event->'data'->>'name' as name from journal where event->'data'->>'establishmentId' = (select id::text from establishment where division = $1) order by id`,
        [other!.code],
      );
      expect(facts).toMatchObject(
        ['甲店', '乙店', '丙店', '甲店', '甲店'].map((name) => ({ name })),
      );
      expect((await call('POST', `/v1/ledger-imports/${landed.id}/undo`, {})).body).toMatchObject({ closed: 1, restored: 0 }); // prettier-ignore
    },
    60_000,
  );

  it('takes an establishment that is there through several names and villages, and back by undo', async () => {
    const [, other] = town.villages;
    await land(csv([`1,甲店,${uscc},,八号,@,食品销售,64,`]));
    const landed = await land(csv([`1,乙店,${uscc},,八号,@,食品销售,64,`, `2,丙店,${uscc},,八号,${town.name},${other!.name},食品销售,70,`])); // prettier-ignore
    expect([landed.state, landed.counts]).toMatchObject(['done', { created: 0, updated: 2 }]);
    expect(await called('丙店')).toMatchObject([{ division: other!.code, area: 70, version: 3 }]);
    expect((await call('POST', `/v1/ledger-imports/${landed.id}/undo`, {})).body).toMatchObject({ closed: 0, restored: 1 }); // prettier-ignore
    expect([await called('丙店'), await called('甲店')]).toMatchObject([[], [{ division: town.villages[0]!.code, area: 64, version: 4 }]]); // prettier-ignore
  }, 60_000);
});

it('is told by a dry run as by the import, also where a later batch means what an earlier one changed', async () => {
  const uscc = '91371425MA3CM4AM88';
  await land(csv([`1,甲店,${uscc},,八号,@,食品销售,64,`, '2,丁店,,,一号,@,食品销售,64,']));
  const others = Array.from({ length: 1200 }, (_, n) => `${n},摊${n},,,${n}号,@,食品摊点,,`);
  const file = csv([
    `1,乙店,${uscc},,八号,@,食品销售,70,`, '2,丁店,,,一号,@,食品销售,70,', ...others,
    `1, 乙店,${uscc},,八号,@,食品销售,70,`, `1,乙店,${uscc},,九号,@,食品销售,70,`, '2,丁店 ,,,一号,@,食品销售,70,', `1,甲店,${uscc},,九号,@,食品销售,,`,
  ]);
  const [rehearsed, landed] = [await land(file, '?dryRun=true'), await land(file)];
  expect(landed.counts).toEqual({ rows: 1206, created: 1200, updated: 4, unchanged: 2, refused: 0, duplicate: 0, repaired: 2, warned: 1 });
  expect(rehearsed.counts).toEqual(landed.counts);
  expect(await findingsOf(rehearsed)).toEqual(await findingsOf(landed));
}, 60_000); // prettier-ignore
