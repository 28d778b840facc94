import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { assignment } from '../../assignment/src/assignment.definition.js';
import { identity } from '../../identity/src/identity.definition.js';
import { inspection } from '../../inspection/src/inspection.definition.js';
import { notification } from '../../notification/src/notification.definition.js';
import { readDivisionFile } from '../../registry/src/division-file.js';
import { registry } from '../../registry/src/registry.definition.js';
import { training } from '../../training/src/training.definition.js';
import { readFolder, refuseForeign, startOptionsFrom, warningOf } from './start.options.js';

const sample = resolve('apps/platform/sample');
const from = (...args: string[]): ReturnType<typeof startOptionsFrom> =>
  startOptionsFrom(args, sample);

const folders: string[] = [];
afterAll(() => {
  for (const one of folders) rmSync(one, { recursive: true });
});
function folder(files: Record<string, string | Buffer>): string {
  const made = mkdtempSync(join(tmpdir(), 'foodwarden-county-'));
  folders.push(made);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(made, name), text);
  return made;
}
const files = ['divisions.csv', 'calendar.json', 'checklists.json', 'policies.json'];
/** The sample's folder as another county's, with other files where given. */
const whole = (county: string, other: Record<string, string | Buffer> = {}): string =>
  folder({
    ...Object.fromEntries(
      files.map((name) => [
        name,
        readFileSync(join(sample, name), 'utf8').replaceAll('371425', county),
      ]),
    ),
    ...other,
  });
/** The sample's file, changed. */
const changed = (name: string, was: string | RegExp, is: string): Record<string, string> => {
  const text = readFileSync(join(sample, name), 'utf8');
  const changedText = text.replace(was, is);
  expect(changedText).not.toBe(text);
  return { [name]: changedText };
};
const definitions = [registry, assignment, inspection, training, notification, identity];
const read = (county: string, of: string): ReturnType<typeof readFolder> =>
  readFolder({ county, folder: of }, sample, definitions);
const refusal = async (county: string, of: string): Promise<string> =>
  read(county, of).then(
    () => '',
    (error: unknown) => (error as Error).message,
  );

describe('npm start', () => {
  it('is the demo on this machine when nothing is asked for', () => {
    expect(from()).toMatchObject({ county: undefined, folder: sample, host: '127.0.0.1', fresh: false }); // prettier-ignore
    expect(warningOf(from())).toBeUndefined();
  });

  it('takes a county with its own files, or the sample’s when it is that county', () => {
    const own = whole('371482');
    expect(from('--county', '371482', '--from', own, '--host', '192.0.2.10', '--port', '8090')).toEqual({
      county: '371482', folder: own, host: '192.0.2.10', port: 8090, url: undefined, fresh: false, erase: undefined, resetAdmin: false,
    }); // prettier-ignore
    expect(from('--county', '371425').folder).toBe(sample);
    expect(
      startOptionsFrom(['--county', '371482'], sample, { county: '371482' }).folder,
    ).toBeUndefined(); // loaded before
    expect(warningOf(from('--county', '371425', '--host', '192.0.2.10'))).toContain('without TLS');
  });

  it('takes the public address of a proxy, and keeps it until another is given', () => {
    const behind = ['--county', '371425', '--url', 'https://food.county.gov.cn/'];
    expect(from(...behind)).toMatchObject({ host: '127.0.0.1', url: 'https://food.county.gov.cn' });
    expect(warningOf(from(...behind))).toBeUndefined();
    expect(warningOf(from(...behind, '--host', '192.0.2.10'))).toContain('with --host 127.0.0.1');
    expect(from('--county', '371425', '--url', 'http://127.0.0.1:9000').url).toBe('http://127.0.0.1:9000');
    const there = { county: '371425', url: 'https://food.county.gov.cn' };
    expect(startOptionsFrom(['--county', '371425'], sample, there).url).toBe(there.url);
    expect(startOptionsFrom(['--county', '371425', '--url', 'none'], sample, there).url).toBeUndefined();
    expect(startOptionsFrom(['--county', '371425', '--fresh'], sample, there).url).toBeUndefined();
  }); // prettier-ignore

  it.each([
    [['--url', 'https://food.county.gov.cn'], /^--url is for real use/],
    [['--county', '371425', '--url', 'food.county.gov.cn'], /^--url food\.county\.gov\.cn is no address .*: give https/],
    [['--county', '371425', '--url', 'http://food.county.gov.cn'], /^--url .*: give https/],
    [['--county', '371425', '--url', 'https://food.county.gov.cn/app'], /without a path/],
    [['--what'], /Unknown option '--what'.*npm start takes --help, --fresh.*--erase.*FOODWARDEN_DATA/],
    [['--host', '192.0.2.10'], /^--host is for real use and the demo is for this machine alone: add --county/],
    [['--from', '.'], /^--from is for real use/],
    [['--port', 'x'], /^--port x is no port: give a number/],
    [['--county', 'Qihe'], /^--county Qihe is no county: give its statistics code of 6 digits/],
    [['--county', '371425', '--host', '0.0.0.0'], /^--host 0\.0\.0\.0 is no address that people can open: give/],
    [['--county', '371482', '--from', '/nowhere-at-all'], /lacks divisions\.csv, calendar\.json, checklists\.json, policies\.json: --from takes/],
  ] as const)('%j is refused in one sentence with a remedy', (args, words) => {
    let said = '';
    try {
      from(...args);
    } catch (error) {
      said = (error as Error).message;
    }
    expect(said).toMatch(words);
    expect(said).not.toContain('\n');
  }); // prettier-ignore
});

describe('a county’s folder', () => {
  it('is read whole by every service that loads of it', async () => {
    const loads = await read('371482', whole('371482'));
    expect(loads.map(({ service, county }) => [service, county])).toEqual(
      ['registry', 'assignment', 'inspection', 'training', 'notification'].map((service) => [service, '371482']),
    );
  }); // prettier-ignore

  it.each([
    ['a level in Chinese', changed('divisions.csv', '表白寺镇,township', '表白寺镇,村'), [/^divisions\.csv 第 5 行 level:“村”不是层级,请写 .* · divisions\.csv, row 5, level: "村" is no level; write county, township or village\.$/]],
    ['a township that is not there', changed('divisions.csv', /$/, '371425199001,某村,village,371425199\n'), [/^divisions\.csv 第 \d+ 行 parent:文件中没有 371425199,请加上.* · .*, parent: 371425199 is not in the file; add its row/]],
    ['a code that Excel has rounded', changed('divisions.csv', /371425101201,/, '3.71425E+11,'), [/ code:“3\.71425E\+11”不是 village 的代码,请写 12 位数字.* · .*write 12 digits \(in Excel/]],
    ['a code twice', changed('divisions.csv', /$/, '371425101,表白寺镇,township,371425\n'), [/ code: 371425101 stands in row 5, too; take one/]],
    ['a village under another township', changed('divisions.csv', /(371425101201,[^,]+,village),371425101/, '$1,371425102'), [/ parent: "371425102" is not above 371425101201; write 371425101\.$/]],
    ['broken JSON', changed('policies.json', '"division": "371425",', '"division": "371425"'), [/^policies\.json 第 4 行第 3 个字符处不是有效的 JSON,.* · policies\.json, row 4, character 3: this is no JSON; look for a comma/]],
    ['Chinese quotation marks', changed('policies.json', '"establishments": 40', '"establishments": “40”'), [/^policies\.json 第 \d+ 行第 \d+ 个字符处不是有效的 JSON,该处是全角字符.* · .*what stands there is full width/]],
    ['a word for a number', changed('policies.json', '"establishments": 40', '"establishments": "forty"'), [/^policies\.json 的 \/assignment\/caps\/0\/establishments 是 "forty",请改为整数.* · policies\.json: \/assignment\/caps\/0\/establishments is "forty"; write a whole number of at least 1\.$/]],
    ['no version', changed('policies.json', /("code": "visit-frequency",\s*)"version": 1,/, '$1'), [/^policies\.json 缺少 \/visit\/version,.* lacks \/visit\/version: write a whole number/]],
    ['a tier that is none', changed('policies.json', '"tier": "A"', '"tier": "E"'), [/ \/visit\/tiers\/0\/tier is "E"; write "A" or "B" or "C" or "D"\.$/]],
    ['a policy of another county', changed('policies.json', '"division": "371425"', '"division": "371482"'), [/^policies\.json .* · policies\.json: \/division is 371482, and divisions\.csv is of county 371425; correct one of them\.$/]],
    ['a template that names what there is not', changed('policies.json', '您已成为“{establishmentName}”', '您已成为“{name}”'), [/ \/messageTemplates\/kinds\/assigned\/zh\/title is .*no names in braces but establishmentName, tier/]],
    ['a day that is none', changed('calendar.json', '"2025-01-01"', '"1 January"'), [/ \/years\/0\/holidays\/0\/on 是 "1 January",请改为日期,如 2026-10-01。 · .*; write a date like 2026-10-01\.$/]],
    ['the days of another year', changed('calendar.json', '"year": 2026', '"year": 2027'), [/^calendar\.json 的 \/years\/1\/holidays 有 \d+ 天不在 2027 年内,如 \/0\/on 的 2026-01-01.* · calendar\.json: .* that are not in 2027, like 2026-01-01/, /\/years\/1\/workdays/]],
    ['a checklist without items', changed('checklists.json', '"items"', '"itemz"'), [/^checklists\.json 缺少 \/checklists\/0\/items,/]],
    ['faults of three files', { ...changed('calendar.json', '"year": 2025', '"year": "2025"'), ...changed('policies.json', '"establishments": 40', '"establishments": 0'), ...changed('divisions.csv', '晏城街道', '') }, [/^divisions\.csv .* name: it is empty; write the name/, /^calendar\.json/, /^policies\.json/]],
    ['a text in no encoding', { 'divisions.csv': Buffer.from([0x63, 0xff, 0xff, 0x0a]) }, [/^divisions\.csv:.*UTF-8.* · divisions\.csv: .*neither UTF-8 nor GB18030/]],
  ] as [string, Record<string, string | Buffer>, RegExp[]][])('with %s is refused, each fault in one sentence', async (_what, other, words) => {
    const faults = (await refusal('371425', whole('371425', other))).split('\n');
    expect(faults).toEqual(words.map((one) => expect.stringMatching(one) as string));
    for (const fault of faults) expect(fault.split(' · ')).toHaveLength(2);
  }); // prettier-ignore

  it('may have its divisions in GB18030, as Chinese Excel saves them', async () => {
    const text = Buffer.concat([
      Buffer.from('code,name,level,parent\r\n371425,'),
      Buffer.from('c6ebbad3cfd8', 'hex'),
      Buffer.from(',county,\r\n'),
    ]);
    const [county] = await readDivisionFile(folder({ 'divisions.csv': text }));
    expect(county).toEqual({ code: '371425', name: '齐河县', level: 'county', parent: '' });
  });

  it('of another county is refused', async () => {
    expect(await refusal('371482', sample)).toMatch(/^county 371482 is not the sample's \(371425\): give --from <folder> with its divisions\.csv/);
    expect(await refusal('371482', whole('371425'))).toMatch(/divisions\.csv is of county 371425 and not of 371482: give the folder/);
  }); // prettier-ignore
});

describe('a data folder', () => {
  const demo = from();
  const county = from('--county', '371425');

  it('is taken again by its own kind, and a demo may start over', () => {
    refuseForeign(undefined, county, '.data');
    refuseForeign({ county: '371425' }, county, '.data');
    refuseForeign({}, { ...demo, fresh: true }, '.data');
    refuseForeign({ county: '371425' }, { ...county, fresh: true, erase: '371425' }, '.data');
  });

  it('is refused to another kind, and a real one is not thrown away without a further word', () => {
    const refused = (...[installed, options]: [{ county?: string }, typeof demo]): string => {
      try {
        refuseForeign(installed, options, '.data');
        return '';
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(refused({ county: '371425' }, demo)).toMatch(/^\.data holds the installation of county 371425, .*: add --county/); // prettier-ignore
    expect(refused({ county: '371425' }, { ...demo, fresh: true })).toMatch(/^\.data holds the installation/); // prettier-ignore
    expect(refused({}, county)).toMatch(/^\.data holds a demo, .*: set FOODWARDEN_DATA/);
    expect(refused({ county: '371482' }, county)).toMatch(
      /^\.data holds county 371482, not 371425/,
    );
    expect(refused({ county: '371425' }, { ...county, fresh: true })).toMatch(/throw away everything .*: if that is meant, add --erase 371425/); // prettier-ignore
    expect(refused({ county: '371425' }, { ...county, fresh: true, erase: '371482' })).toMatch(/add --erase 371425/); // prettier-ignore
  });
});
