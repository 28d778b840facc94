import { type Bilingual, FolderError, readBytes } from '#platform';
import { readSheet, SheetError, type SheetRow } from '#sheet';

const digits = { county: 6, township: 9, village: 12 };
type DivisionLevel = keyof typeof digits;
const isLevel = (text: string): text is DivisionLevel => Object.hasOwn(digits, text);

export interface ListedDivision {
  code: string;
  name: string;
  level: DivisionLevel;
  /** Code of the place above; empty for the county. */
  parent: string;
}

const file = 'divisions.csv';
const columns = ['code', 'name', 'level', 'parent'];

/** `divisions.csv` of a county's folder, in UTF-8 or, as Chinese Excel saves it, GB18030. @throws FolderError */
export async function readDivisionFile(folder: string): Promise<ListedDivision[]> {
  const bytes = await readBytes(folder, file);
  const rows: SheetRow[] = [];
  try {
    const shape = {
      headers: Object.fromEntries(columns.map((column) => [column, column])),
      required: columns,
    };
    for await (const batch of readSheet(bytes, shape)) rows.push(...batch);
  } catch (error) {
    if (!(error instanceof SheetError)) throw error;
    const [zh = '', en = ''] = error.detail.split(' · ');
    throw new FolderError([`${file}:${zh} · ${file}: ${en}`]);
  }
  for (const { cells } of rows)
    for (const column of columns) cells[column] = (cells[column] ?? '').trim();
  const faults = faultsOf(rows);
  if (faults.length > 0) throw new FolderError(faults);
  return rows.flatMap(({ cells: { code = '', name = '', level = '', parent = '' } }) =>
    isLevel(level) ? [{ code, name, level, parent }] : [],
  );
}

function faultsOf(rows: SheetRow[]): Bilingual[] {
  const faults: Bilingual[] = [];
  const codes = new Set(rows.map(({ cells }) => cells['code']));
  const firstRows = new Map<string, number>();
  for (const { row, cells } of rows) {
    const { code = '', name, level = '', parent = '' } = cells;
    const fault = (field: string, zh: string, en: string): void =>
      void faults.push(`${file} 第 ${row} 行 ${field}:${zh}。 · ${file}, row ${row}, ${field}: ${en}.`);
    const first = firstRows.get(code);
    firstRows.set(code, first ?? row);
    if (!name) fault('name', '为空,请填写名称', 'it is empty; write the name');
    if (!isLevel(level)) {
      fault('level', `“${level}”不是层级,请写 county、township 或 village`, `"${level}" is no level; write county, township or village`);
      continue;
    }
    const long = digits[level];
    if (!new RegExp(`^[0-9]{${long}}$`).test(code)) {
      fault('code', `“${code}”不是 ${level} 的代码,请写 ${long} 位数字(在 Excel 中先把该列设为文本)`, `"${code}" is no code of a ${level}; write ${long} digits (in Excel make the column text first)`);
      continue;
    }
    if (first !== undefined)
      fault('code', `${code} 已在第 ${first} 行出现,请删去其中一行`, `${code} stands in row ${first}, too; take one of the two out`);
    const above = level === 'county' ? '' : code.slice(0, long - 3);
    if (parent !== above)
      fault('parent', `“${parent}”不是 ${code} 的上级,请${above ? `写 ${above}` : '留空'}`, `"${parent}" is not above ${code}; ${above ? `write ${above}` : 'leave it empty'}`);
    else if (above && !codes.has(above))
      fault('parent', `文件中没有 ${above},请加上它的一行,或改正代码`, `${above} is not in the file; add its row, or correct the code`);
  }
  const counties = rows.filter(({ cells }) => cells['level'] === 'county');
  if (counties.length !== 1)
    faults.push(`${file} 有 ${counties.length} 个 county,请只保留一行 level 为 county 的县。 · ${file} has ${counties.length} rows of level county; give it the one county.`);
  return faults;
} // prettier-ignore
