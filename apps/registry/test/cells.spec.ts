import { kindNames } from '#contracts';
import { title } from '../src/ledger.service.js';
import { call, county, csv, findingsOf, head, land, office, town } from './landing.js';

/** Cells that say nothing: empty ones, and what people write in place of nothing. */

describe('a word or a stroke in place of a number', () => {
  const words = [
    '无',
    '暂无',
    '没有',
    '办理中',
    '正在办理',
    '未办理',
    '-',
    '—',
    '－',
    '/',
    '\\',
    'N/A',
    'n/a',
    ' 无 ',
    '--',
  ];

  it('is taken as empty and told, so that the stalls of a market stay apart', async () => {
    const rows = words.flatMap((word, n) => [
      `,摊${n},,${word},大集,@,食品摊点,,`,
      `,店${n},${word},,大集,@,食品摊点,,`,
    ]);
    const landed = await land(csv(rows));
    expect(landed.counts).toMatchObject({
      created: rows.length,
      repaired: rows.length,
      refused: 0,
      warned: 0,
    });
    const found = await findingsOf(landed);
    expect(found.map(({ rule, column, value }) => [rule, column, value])).toEqual(
      words.flatMap((word) =>
        ['许可证(登记证)编号', '统一社会信用代码'].map((column) => [
          'no-number',
          column,
          word.trim(),
        ]),
      ),
    );
    expect(found[0]).toMatchObject({
      severity: 'repaired',
      repairedTo: null,
      remedy: expect.stringContaining('已视为空') as unknown,
    });
    const shops = await county.every<object>('registry', '/v1/establishments', office);
    expect(shops).toEqual(
      rows.map(() => expect.objectContaining({ uscc: null, licence: null }) as unknown),
    );
  }, 60_000);

  it('erases nothing that is known', async () => {
    await land(csv(['1,甲店,91371425MA3CM4AM88,JY13101140093802,一号,@,食品摊点,,']));
    const landed = await land(csv(['1,甲店,91371425MA3CM4AM88,无,一号,@,食品摊点,,']));
    expect(landed.counts).toMatchObject({ unchanged: 1, repaired: 1 });
  }, 60_000);

  it('is no licence of a form, nor a code', async () => {
    const body = { division: town.villages[0]!.code, name: '甲店', address: '一号', kind: 'stall' };
    for (const [field, code] of [
      ['licence', 'licence-form'],
      ['uscc', 'uscc-check-digit'],
    ] as const)
      for (const given of words.flatMap((word) => [word, word.repeat(4)])) {
        const answer = await call('POST', '/v1/establishments', { ...body, [field]: given });
        expect([answer.status, answer.body]).toMatchObject([
          422,
          {
            code,
            errors: [
              { pointer: `/${field}`, remedy: expect.stringContaining('没有则不填') as unknown },
            ],
          },
        ]);
      }
  });
});

it('says of a wrong credit code that it is left empty where there is none', async () => {
  const landed = await land(csv(['1,甲店,无证,,一号,@,食品摊点,,', '2,乙店,9137,,二号,@,食品摊点,,']));
  expect(landed.counts).toMatchObject({ refused: 2 });
  const told = { rule: 'uscc-check-digit', severity: 'refused', remedy: expect.stringMatching(/没有则留空 · .*leave it empty where there is none/) as unknown };
  expect(await findingsOf(landed)).toMatchObject([{ ...told, value: '无证' }, { ...told, value: '9137' }]);
}, 60_000); // prettier-ignore

it('tells where the diners are missing that decide the tier, and counts no warning', async () => {
  const landed = await land(csv(['1,甲,,,一号,@,学校食堂,,', '2,乙,,,二号,@,集体用餐配送单位,,', '3,丙,,,三号,@,学校食堂,,600', '4,丁,,,四号,@,食品摊点,,', '5,戊,,,五号,@,餐饮服务,,']));
  expect(landed.counts).toMatchObject({ created: 5, warned: 1 });
  const missing = { rule: 'diners-missing', severity: 'noted', column: '就餐人数', value: '', remedy: expect.stringContaining('请补充就餐人数') as unknown };
  expect(await findingsOf(landed)).toMatchObject([{ ...missing, row: 2 }, { ...missing, row: 3 }, { row: 6, rule: 'area-missing', severity: 'warned' }]);
  const body = { division: town.villages[0]!.code, name: '己', address: '六号', kind: 'canteen' };
  expect((await call('POST', '/v1/establishments', body)).body).toMatchObject({ tier: 'C', tierDecision: { warning: 'diners-missing' } });
}, 60_000); // prettier-ignore

it('warns of a row without an address, and keeps the address that is known', async () => {
  const uscc = '91371425MA3CM4AM88';
  const missing = { column: '经营场所', rule: 'address-missing', severity: 'warned', value: '', remedy: expect.stringContaining('请补充经营场所') as unknown };
  const landed = await land(csv([`1,甲店,${uscc},,一号,@,食品摊点,5,`, '2,乙店,,, ,@,食品摊点,,']));
  expect(landed.counts).toMatchObject({ created: 2, warned: 1 });
  expect(await findingsOf(landed)).toMatchObject([{ ...missing, row: 3 }]);
  const later = await land(csv([`1,甲店,${uscc},,,@,食品摊点,5,`, `2,甲店,${uscc},,,@,食品摊点,6,`]));
  expect(later.counts).toMatchObject({ unchanged: 1, updated: 1, warned: 2 });
  const [shop] = await county.every<object>('registry', `/v1/establishments?uscc=${uscc}`, office);
  expect(shop).toMatchObject({ address: '一号', area: 6 });
}, 60_000); // prettier-ignore

it('asks for the village where the cell is empty, and for another where it is unknown', async () => {
  const landed = await land(csv(['', '无此村'].map((village, n) => `${n},店${n},,,${n}号,${town.name},${village},食品摊点,,`)));
  const refused = { rule: 'village-unknown', severity: 'refused' };
  expect(await findingsOf(landed)).toMatchObject([
    { ...refused, value: '', remedy: '请填写所属村(社区);合并单元格须取消合并后逐行填写 · fill in the village; take merged cells apart, and fill in each row' },
    { ...refused, value: '无此村', remedy: '本乡镇无此村(社区),请改正 · the township has no such village: correct it' },
  ]);
}, 60_000); // prettier-ignore

it('knows a village by its name, whatever of 村, 社区 and 委员会 stands behind it here or there', async () => {
  const { code, name } = town;
  const there = ['营子村', '南街社区', '北街村民委员会', '东街村', '东街社区居民委员会'];
  for (const [n, village] of there.entries())
    await county.rows('registry', `insert into division (division, name, level, parent) values ($1, $2, 'village', $3)`, [`${code}9${n}1`, village, code]);
  const said = [
    ['营子', 0], ['营子村委会', 0], ['营子村民委员会', 0], ['南街', 1], ['南街社区居委会', 1], ['北街', 2], ['北街村', 2], ['东街村', 3], ['东街社区', 4], ['东街', null],
  ] as const;
  const landed = await land(csv(said.map(([village], n) => `${n},店${n},,,${n}号,${name},${village},食品摊点,,`)));
  const found = await findingsOf(landed);
  expect(found.map(({ rule, value, repairedTo }) => [rule, value, repairedTo])).toEqual(
    said.filter(([village]) => village !== '东街村').map(([village, at]) => at === null ? ['village-ambiguous', village, null] : ['village-short-name', village, there[at]]),
  );
  expect(landed.counts).toMatchObject({ created: 9, refused: 1 });
}, 60_000); // prettier-ignore

it('takes the coordinates 0, 0 and one without the other as not given, and warns of those outside the county', async () => {
  const titles = `${head},纬度(WGS84),经度(WGS84)`;
  const pairs = ['0,0', '0.0,0', '39.9,116.4', '36.79,116.76', ',', '36.79,', '东经,116.76'];
  const landed = await land(csv(pairs.map((pair, n) => `${n},店${n},,,${n}号,@,食品摊点,,,${pair}`), titles));
  expect(landed.counts).toMatchObject({ created: 7, repaired: 2, warned: 3 });
  const zero = { rule: 'coordinates-zero', severity: 'repaired', value: '0, 0', repairedTo: null };
  expect(await findingsOf(landed)).toMatchObject([
    { ...zero, row: 2 }, { ...zero, row: 3 }, { row: 4, rule: 'coordinates-outside', severity: 'warned', value: '39.9, 116.4' },
    { row: 7, rule: 'coordinate-alone', severity: 'warned', column: title.latitude, value: '36.79' },
    { row: 8, rule: 'number-unreadable' }, { row: 8, rule: 'coordinate-alone', column: title.longitude, value: '116.76' },
  ]);
  const shops = await county.every<{ id: string; name: string; latitude: number | null; longitude: number | null }>('registry', '/v1/establishments', office);
  const places = new Map(shops.map(({ name, latitude, longitude }) => [name, [latitude, longitude]]));
  expect(pairs.map((_, n) => places.get(`店${n}`))).toEqual([[null, null], [null, null], [39.9, 116.4], [36.79, 116.76], ...Array<null[]>(3).fill([null, null])]);
  // Beside the place that is known it would be another.
  await land(csv([`3,店3,,,3号,@,食品摊点,,,,117.9`], titles));
  const known = shops.find(({ name }) => name === '店3')!;
  expect((await county.call('registry', 'GET', `/v1/establishments/${known.id}`, { token: office })).body).toMatchObject({ latitude: 36.79, longitude: 116.76 });
}, 60_000); // prettier-ignore

it('are taken as empty, and told, where they show the error of a formula; spaces in a number are told, too', async () => {
  const rows = ['1,#N/A,,,一号,@,食品摊点,,', '2,甲店,#REF!,#N/A,#VALUE!,@,食品销售,#DIV/0!,', '3,乙店,9137 1425MA3CM4AM88,jy1310114 0093802,二号,@,食品销售,80,', '4,#N/A饭店,,,三号,@,食品摊点,,'];
  const landed = await land(csv(rows));
  expect(landed.counts).toMatchObject({ created: 3, refused: 1, repaired: 1, warned: 1 });
  const error = (row: number, field: keyof typeof title, value: string): object => ({ row, column: title[field], rule: 'cell-error', severity: 'warned', value, repairedTo: null });
  expect(await findingsOf(landed)).toMatchObject([
    error(2, 'name', '#N/A'), { row: 2, rule: 'name-missing' },
    ...(['uscc', 'licence', 'address', 'area'] as const).map((field, n) => error(3, field, ['#REF!', '#N/A', '#VALUE!', '#DIV/0!'][n]!)),
    { row: 3, rule: 'address-missing' }, { row: 3, rule: 'area-missing' },
    { row: 4, rule: 'number-form', column: title.uscc, repairedTo: '91371425MA3CM4AM88' }, { row: 4, rule: 'number-form', column: title.licence, repairedTo: 'JY13101140093802' },
  ]);
  const shops = await county.every('registry', '/v1/establishments', office);
  expect(shops).toContainEqual(expect.objectContaining({ name: '甲店', uscc: null, licence: null, address: '' }));
}, 60_000); // prettier-ignore

it('may be empty where the document does not forbid it: it names every column and kind, in both languages', async () => {
  const document = (await county.call('registry', 'GET', '/openapi.json')).body as { paths: Record<string, { post: { description: string } }> };
  const [zh, en] = document.paths['/api/registry/v1/ledger-imports']!.post.description.split(' · ');
  for (const word of [...Object.values(title), ...Object.values(kindNames)]) expect([zh, en]).toEqual([expect.stringContaining(word), expect.stringContaining(word)]);
  const [, listed] = /其中(.*?)的单元格不能为空/.exec(zh!)!;
  const full = { [title.name]: '甲店', [title.uscc]: '', [title.address]: '', [title.township]: town.name, [title.village]: town.villages[0]!.name, [title.kind]: '食品摊点' };
  for (const empty of Object.keys(full)) {
    const landed = await land(csv([Object.values({ ...full, [empty]: '' }).join()], Object.keys(full).join()), '?dryRun=true');
    expect([empty, landed.counts]).toMatchObject([empty, { refused: listed!.split('、').includes(empty) ? 1 : 0 }]);
  }
}, 60_000); // prettier-ignore
