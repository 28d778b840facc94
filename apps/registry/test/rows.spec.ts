import { rowsOf } from '#testing';
import { call, county, csv, findingsOf, head, land, office, town } from './landing.js';

/** What an import tells of rows that it takes, and of some that it does not. */

describe('a licence number', () => {
  it('of the wrong length is warned of like one with a wrong check digit, and taken', async () => {
    const landed = await land(csv(['1,甲店,,JY1371425000001,一号,@,食品摊点,,', '2,乙店,,JY13101140093803,二号,@,食品摊点,,', '3,丙店,,JY13101140093802,三号,@,食品摊点,,', '4,丁店,,鲁食作坊1234,四号,@,食品摊点,,'])); // prettier-ignore
    expect(landed.counts).toMatchObject({ created: 4, warned: 2 });
    expect(await findingsOf(landed)).toMatchObject([
      {
        row: 2,
        rule: 'licence-check-digit',
        value: 'JY1371425000001',
        column: '许可证(登记证)编号',
      },
      { row: 3, rule: 'licence-check-digit', value: 'JY13101140093803' },
    ]);
  }, 60_000);

  it.each(['JY1371425000001', 'JY13101140093803'])(
    'is taken as it is from a form: %s',
    async (licence) => {
      const body = { division: town.villages[0]!.code, name: '甲店', address: '一号', kind: 'stall', licence }; // prettier-ignore
      const made = await call('POST', '/v1/establishments', body);
      expect([made.status, made.body]).toMatchObject([201, { licence }]);
      const path = `/v1/establishments/${(made.body as { id: string }).id}`;
      const changed = await call('PATCH', path, { licence: `${licence}0` }, { 'if-match': '"1"' });
      expect([changed.status, changed.body]).toMatchObject([200, { licence: `${licence}0` }]);
    },
  );
});

describe('a township', () => {
  it('that the ground has not is told with the one of the same stem; a blank one is told as blank', async () => {
    const admin = await county.token('county-admin', '371425');
    const village = town.villages[0]!.name;
    const rows = ['晏城镇', '晏城街道办事处', '晏城', '历城区', ' '].map((name, n) => `${n},店${n},,,一号,${name},${village},食品摊点,,`); // prettier-ignore
    const landed = await county.land('registry', '/v1/ledger-imports', admin, csv(rows), 'x.csv');
    expect(landed.counts).toMatchObject({ rows: 5, refused: 5 });
    const unknown = '本辖区无此乡镇(街道),';
    const offered = { rule: 'township-unknown', severity: 'refused', remedy: `${unknown}是否应为 晏城街道 · your ground has no such township: is it 晏城街道?` }; // prettier-ignore
    expect(await county.every('registry', `/v1/ledger-imports/${landed.id}/findings`, admin)).toMatchObject([
      { ...offered, row: 2, value: '晏城镇' },
      { ...offered, row: 3, value: '晏城街道办事处' },
      { ...offered, row: 4, value: '晏城' },
      { row: 5, rule: 'township-unknown', value: '历城区', remedy: `${unknown}请改正 · your ground has no such township: correct it` },
      { row: 6, rule: 'township-missing', value: '' },
    ]);
  }, 60_000); // prettier-ignore
});

describe('a row of sums', () => {
  it.each(['', '?dryRun=true'])(
    'is told, and neither refused nor counted%s',
    async (query) => {
      const rows = ['1,甲店,,,一号,@,食品摊点,,', '小 计,,,,,,,,80,', ',合计:,,,,,,,80,', '总计,,,,,,,,80,', '总计,,,,,,,,80,', '合计,48家,,,,,,,,']; // prettier-ignore
      const landed = await land(csv([...rows, '2,合计,,,二号,@,食品摊点,,']), query);
      expect([landed.state, landed.counts]).toMatchObject([
        'done',
        { rows: 2, created: 2, refused: 0, duplicate: 0, warned: 0 },
      ]);
      const told = (row: number, value: string): object => ({ row, rule: 'row-total', severity: 'noted', value, column: null }); // prettier-ignore
      expect(await findingsOf(landed)).toMatchObject([told(3, '小 计'), told(4, '合计:'), told(5, '总计'), told(6, '总计'), told(7, '合计')]); // prettier-ignore
    },
    60_000,
  );
});

describe('a number with its unit', () => {
  it('is taken where it is one plain number, and told as a repair', async () => {
    const areas = [
      ['100平米', 100], ['100㎡', 100], ['100m²', 100], ['100 平方米', 100], ['约100', 100], ['大约 100.5平方米左右', 100.5], ['100平方', 100],
      ['１００', 100], ['１００．５㎡', 100.5], ['1,200', 1200], ['1,500㎡', 1500], ['1,234,567.5平米', 1_234_567.5],
    ] as const;
    const diners = [['约300人', 300], ['300人', 300], ['300 人左右', 300], ['300人次', 300], ['300名', 300], ['300左右', 300], ['约1,300人', 1300], ['１，３００', 1300]] as const;
    const rows = [...areas.map(([text]) => `"${text}",`), ...diners.map(([text]) => `,"${text}"`)].map((cells, n) => `${n},店${n},,,${n}号,@,食品摊点,${cells}`);
    const landed = await land(csv(rows));
    const all = [...areas, ...diners];
    expect(landed.counts).toMatchObject({ created: all.length, repaired: all.length, warned: 0 });
    const found = await findingsOf(landed);
    expect(found.map(({ rule, value, repairedTo }) => [rule, value, repairedTo])).toEqual(all.map(([text, number]) => ['number-unit', text, `${number}`]));
    const shops = await county.every<{ name: string; area: number | null; diners: number | null }>('registry', '/v1/establishments', office);
    const taken = new Map(shops.map(({ name, area, diners }) => [name, area ?? diners]));
    expect(all.map((_, n) => taken.get(`店${n}`))).toEqual(all.map(([, number]) => number));
    expect((await land(csv(rows))).counts).toMatchObject({ unchanged: all.length });
  }, 60_000); // prettier-ignore

  it('is left out and told, as it was, where it is a range, has its commas elsewhere, or another unit', async () => {
    const areas = [
      '100-200',
      '100-200平米',
      '"1,20平米"',
      '"12,00平米"',
      '",200平米"',
      '100亩',
      '平米',
      '-5平米',
      '10平米20',
      '10²平米',
    ];
    const diners = ['300平米', '300.5人', '约100至200人'];
    const rows = [...areas.map((text) => `${text},`), ...diners.map((text) => `,${text}`)].map((cells, n) => `${n},店${n},,,${n}号,@,食品摊点,${cells}`); // prettier-ignore
    const landed = await land(csv(rows));
    expect(landed.counts).toMatchObject({ created: 13, repaired: 0, warned: 13 });
    expect((await findingsOf(landed)).map(({ rule, value }) => [rule, value])).toEqual(
      [...areas, ...diners].map((text) => ['number-unreadable', text.replaceAll('"', '')]),
    );
  }, 60_000);
});

describe('columns that are not taken', () => {
  it.each(['', '?dryRun=true'])('are named once an import, at the header row%s', async (query) => {
    const titles = `${head},法定代表人,联系电话,问题 · findings`;
    const rows = Array.from({ length: 1200 }, (_, n) => `${n},店${n},,,${n}号,@,食品摊点,,,某某,1,x`);
    const landed = await land(Buffer.from(`某镇台账\n${csv(rows, titles).toString()}`), query);
    expect(landed.counts).toMatchObject({ rows: 1200, created: 1200, warned: 0, repaired: 0, refused: 0 });
    expect(await findingsOf(landed)).toEqual([
      { row: 2, column: null, rule: 'column-ignored', severity: 'noted', value: '法定代表人、联系电话', repairedTo: null,
        remedy: '这些列不录入,其内容未采用 · these columns are not taken, nor is what stands in them' },
    ]);
  }, 60_000); // prettier-ignore

  it('are named some of them, each cut, where they are many and long', async () => {
    const many = Array.from({ length: 40 }, (_, n) => `${n}${'长'.repeat(100)}`);
    const landed = await land(csv(['1,甲店,,,一号,@,食品摊点,,'], [head, ...many].join()));
    const [told, ...others] = await findingsOf(landed);
    expect([told!.rule, told!.value!.length, told!.value!.endsWith('…'), others]).toEqual([
      'column-ignored',
      20 * 20 + 20,
      true,
      [],
    ]);
  }, 60_000);
});

describe('a row that changes an establishment', () => {
  const first = ['1,甲店,,JY13101140093802,一号,@,餐饮服务,80,', '2,乙店,,,二号,@,食品摊点,10,'];
  const second = ['1,甲店,,JY13101140093802, 一号,@,餐饮服务,900,30', '2,乙店,,,二号,@,食品摊点,10,', '3,丙店,,,三号,@,食品摊点,,', '4,乙店,,,二号,@,食品摊点,12,', '5,乙店,,,二号,@,食品摊点,13,']; // prettier-ignore
  const noted = (row: number, value: string): object => ({
    row, column: null, rule: 'row-updated', severity: 'noted', value, repairedTo: null,
    remedy: '本行更改了已登记的主体 · the row changed an establishment that is there',
  }); // prettier-ignore

  it.each(['', '?dryRun=true'])('is told with what it changes, from what to what; others are not%s', async (query) => {
    await land(csv(first));
    const before = await county.every('registry', '/v1/establishments', office);
    const landed = await land(csv(second), query);
    expect(landed.counts).toMatchObject({ created: 1, updated: 3, unchanged: 1, warned: 0, repaired: 0 });
    expect(await findingsOf(landed)).toEqual([
      noted(2, '经营面积(㎡): 80 → 900; 就餐人数: — → 30; 包保等级: D → B'),
      noted(5, '经营面积(㎡): 10 → 12'),
      noted(6, '经营面积(㎡): 12 → 13'),
    ]);
    const { bytes } = await county.download('registry', `/v1/ledger-imports/${landed.id}/findings.xlsx`, office);
    expect(rowsOf(bytes).map((cells) => cells.at(-1))).toEqual([
      '问题 · findings',
      '[说明] 本行更改了已登记的主体 · the row changed an establishment that is there (row-updated: 经营面积(㎡): 80 → 900; 就餐人数: — → 30; 包保等级: D → B)',
      '10', '食品摊点', // the last cells of rows of which nothing is told
      expect.stringContaining('10 → 12'), expect.stringContaining('12 → 13'),
    ]);
    if (query !== '') expect(await county.every('registry', '/v1/establishments', office)).toEqual(before);
    else expect((await call('POST', `/v1/ledger-imports/${landed.id}/undo`, {})).body).toMatchObject({ closed: 1, restored: 2 });
  }, 60_000); // prettier-ignore

  it('tells a move, a kind and a position, and cuts what is long', async () => {
    const [here, there] = town.villages;
    const titles = `${head},纬度(WGS84),经度(WGS84)`;
    const uscc = '91371425MA3CM4AM88';
    const long = '𠮷'.repeat(150);
    await land(csv([`1,甲店,${uscc},,一号,${town.name},${here!.name},食品摊点,,,36.79,116.76`, `2,乙店,,JY13101140093802,一号,@,食品摊点,,,,`], titles)); // prettier-ignore
    const landed = await land(csv([`1,甲店,${uscc},,一号,${town.name},${there!.name},小餐饮,,,36.8,116.76`, `2,${long},,JY13101140093802,一号,@,食品摊点,,,,`], titles)); // prettier-ignore
    expect((await findingsOf(landed)).map(({ value }) => value)).toEqual([
      `所属村(社区): ${here!.code} → ${there!.code}; 主体业态: 食品摊点 → 小餐饮; 纬度(WGS84): 36.79 → 36.8`,
      `主体名称: 乙店 → ${'𠮷'.repeat(60)}…`,
    ]);
  }, 60_000);

  it('does not break the import where a value is cut inside a character', async () => {
    const landed = await land(csv([`1,甲${'𠮷'.repeat(300)},,,一号,@,食品摊点,,`]));
    expect([landed.state, landed.counts]).toMatchObject(['done', { rows: 1, refused: 1 }]);
    expect(await findingsOf(landed)).toMatchObject([{ rule: 'text-too-long', value: `甲${'𠮷'.repeat(249)}` }]); // prettier-ignore
  }, 60_000);
});
