import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { refuseForeign, startOptionsFrom, warningOf } from './start.options.js';

const sample = resolve('apps/platform/sample');
const from = (...args: string[]): ReturnType<typeof startOptionsFrom> =>
  startOptionsFrom(args, sample);

const folders: string[] = [];
afterAll(() => {
  for (const one of folders) rmSync(one, { recursive: true });
});
function folder(files: Record<string, string>): string {
  const made = mkdtempSync(join(tmpdir(), 'foodwarden-county-'));
  folders.push(made);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(made, name), text);
  return made;
}
const whole = (county: string, division = county): string =>
  folder({
    'divisions.csv': `code,name,level,parent\n${county},某县,county,\n`,
    'calendar.json': '{}',
    'checklists.json': '{}',
    'policies.json': JSON.stringify({ division }),
  });

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
    [['--county', '371482'], /^county 371482 is not the sample's \(371425\): give --from <folder> with its divisions\.csv/],
    [['--county', '371482', '--from', '/nowhere-at-all'], /lacks divisions\.csv, calendar\.json, checklists\.json, policies\.json: --from takes/],
    [['--county', '371482', '--from', whole('371425')], /divisions\.csv is of county 371425 and not of 371482: give the folder/],
    [['--county', '371482', '--from', whole('371482', '371425')], /policies\.json is of 371425 and not of 371482: set its division/],
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
