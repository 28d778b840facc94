import { kindNames } from '#contracts';
import { type Caller, Database, type Tx } from '#database';
import { type Column, DomainError, type Finding, listWorkbook } from '#platform';
import { findingsTitle, readTexts, SheetError, workbook, type WorkbookRow } from '#sheet';
import { type Readable } from 'node:stream';
import { type LedgerQuery } from './ledger.controller.js';
import { type Establishment } from './establishment.entity.js';
import { EstablishmentService } from './establishment.service.js';
import { type LedgerImports, shape, title } from './ledger.service.js';

const batch = 500;

const fillOf = { refused: 'red', duplicate: 'grey', warned: 'yellow', repaired: 'blue' } as const;
const worst = Object.keys(fillOf) as (keyof typeof fillOf)[];
const said = {
  refused: '未录入',
  duplicate: '重复',
  warned: '请核对',
  repaired: '已修正',
  noted: '说明',
} as const;

/**
 * The sheet of an import as it was sent, each row with a finding filled by its worst severity, and what was found and
 * what to do about it in a last column. Sent in again, that column is not read.
 * @throws DomainError 404; 409 while the import is under way; 422 when the file cannot be read at all
 */
export async function markedSheet(
  database: Database,
  imports: LedgerImports,
  caller: Caller,
  id: string,
): Promise<Readable> {
  const { state } = await database.within(caller, (tx) => imports.one(tx, id));
  if (state === 'queued' || state === 'running')
    throw new DomainError('wrong-state', '导入仍在进行,问题尚未全部列出。 · The import is under way: its findings are not all known.');
  const file = await imports.fileOf(caller, id);
  const { width, rows } = await readTexts(file.path, shape, batch).catch(async (error: unknown) => {
    await file.forget();
    throw error instanceof SheetError ? new DomainError(error.code, error.detail) : error;
  });
  const columnWidths = [...Array<number>(width).fill(16), 80];
  return workbook({ sheet: '主体台账', columnWidths }, marked()).once('close', () => void file.forget());

  async function* marked(): AsyncGenerator<WorkbookRow[]> {
    for await (const some of rows) {
      const found = await database.within(caller, (tx) => findingsOf(tx, id, some[0]?.row ?? 0, some.at(-1)?.row ?? 0));
      yield some.map(({ row, texts, header }) => {
        const findings = found.get(row) ?? [];
        const fill = worst.find((one) => findings.some(({ severity }) => severity === one));
        const last = header ? findingsTitle : findings.map(inWords).join('; ');
        const cells = Array.from({ length: width }, (_, at) => texts[at] ?? '');
        return { row, cells: [...cells, last], ...(fill ? { fill: fillOf[fill] } : {}) };
      });
    }
  }
} // prettier-ignore

async function findingsOf(tx: Tx, id: string, from: number, to: number): Promise<Map<number, Finding[]>> {
  const found = await tx.query<Finding>(
    `select row, column_title as "column", rule, severity, value, repaired_to as "repairedTo", remedy
     from ledger_import_finding where import_id = $1 and row between $2 and $3 order by row, place`,
    [id, from, to],
  );
  const byRow = new Map<number, Finding[]>();
  for (const one of found) byRow.set(one.row, [...(byRow.get(one.row) ?? []), one]);
  return byRow;
} // prettier-ignore

/** `[未录入] 统一社会信用代码: 请对照… · compare… (uscc-check-digit: 9137…)` */
function inWords({ column, rule, severity, value, repairedTo, remedy }: Finding): string {
  const was = value === null || value === '' ? '' : `: ${value}`;
  const is = repairedTo === null ? '' : ` → ${repairedTo}`;
  return `[${said[severity]}] ${column ? `${column}: ` : ''}${remedy ?? ''} (${rule}${was}${is})`;
}

/**
 * Establishments as a ledger in the officials' own layout, those that are over left out, read from the database page by
 * page while it is sent. Imported again, every row is `unchanged`.
 */
export async function ledgerSheet(
  database: Database,
  caller: Caller,
  establishments: EstablishmentService,
  query: LedgerQuery,
): Promise<Readable> {
  const places = await database.within(caller, (tx) =>
    tx.query<{ division: string; name: string }>(`select division, name from division`),
  );
  const names = new Map(places.map(({ division, name }) => [division, name]));
  const columns: Column<Establishment>[] = [
    ['序号', 6, (_, number) => number],
    [title.name, 28, ({ name }) => name],
    [title.uscc, 22, ({ uscc }) => uscc],
    [title.licence, 22, ({ licence }) => licence],
    [title.address, 36, ({ address }) => address],
    [title.township, 14, ({ division }) => names.get(division.slice(0, 9))],
    [title.village, 18, ({ division }) => names.get(division)],
    [title.kind, 12, ({ kind }) => kindNames[kind]],
    [title.area, 12, ({ area }) => area],
    [title.diners, 10, ({ diners }) => diners],
    [title.latitude, 12, ({ latitude }) => latitude?.toString()],
    [title.longitude, 12, ({ longitude }) => longitude?.toString()],
  ];
  const heading = `${names.get(query.division ?? caller.division) ?? ''}食品生产经营主体台账`;
  return listWorkbook({ sheet: '主体台账', heading }, columns, async (page) => {
    const { items, next } = await database.within(caller, (tx) =>
      establishments.page(tx, { ...query, ...page }),
    );
    return { items: items.filter(({ status }) => status !== 'closed'), next };
  });
}
