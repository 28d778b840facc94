import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import { type Caller, Database, ground, isFault, type Tx } from '#database';
import { checkSheet, isFormulaError, readSheet, SheetError, type SheetFault, type SheetRow, type SheetShape, type SheetSummary } from '#sheet'; // prettier-ignore
import { ApiProperty } from '@nestjs/swagger';
import { v7 as uuidv7 } from 'uuid';
import { type Page, newest, type NewestQuery } from './fields.js';
import { type Job } from './jobs.js';
import { type Bilingual, DomainError, oneOf } from './problem.js';
import { type Served } from './served.js';
import { type LargeUpload } from './upload.js';

export type Outcome = 'created' | 'updated' | 'unchanged' | 'refused' | 'duplicate';

/** `noted`: only told; nothing was repaired and nothing has to be done. */
export const severities = ['repaired', 'warned', 'refused', 'duplicate', 'noted'] as const;

/** Every rule that a row can meet, with what a person does about it. */
export type RowRules = Record<
  string,
  readonly [severity: (typeof severities)[number], remedy: Bilingual]
>;

/** What was found on a row. `rule` comes from a fixed, documented list. */
export class Finding {
  @ApiProperty({ type: Number, description: '表格中的行号,从 1 数起 · the row of the sheet, counted from 1', example: 17 })
  row: number;

  @ApiProperty({ type: String, nullable: true, description: '列标题 · the title of the column', example: '统一社会信用代码' })
  column: string | null;

  @ApiProperty({ type: String, example: 'uscc-case' })
  rule: string;

  @ApiProperty({ enum: severities, example: 'repaired' })
  severity: (typeof severities)[number];

  @ApiProperty({ type: String, nullable: true, example: '91371425ma3cm4am88' })
  value: string | null;

  @ApiProperty({ type: String, nullable: true, example: '91371425MA3CM4AM88' })
  repairedTo: string | null;

  @ApiProperty({ type: String, nullable: true, example: '已改为大写 · set to upper case' })
  remedy: string | null;
} // prettier-ignore

export class ImportCounts {
  @ApiProperty({ type: Number, description: '行数 = 新建 + 更新 + 未变 + 拒绝 + 重复;合计行不计 · rows: created + updated + unchanged + refused + duplicate; a row of sums is none', example: 3936 })
  rows: number;
  @ApiProperty({ type: Number, example: 3787 })
  created: number;
  @ApiProperty({ type: Number, example: 0 })
  updated: number;
  @ApiProperty({ type: Number, example: 0 })
  unchanged: number;
  @ApiProperty({ type: Number, example: 109 })
  refused: number;
  @ApiProperty({ type: Number, example: 40 })
  duplicate: number;
  @ApiProperty({ type: Number, description: '其中自动更正过的行 · rows among these with a repair', example: 168 })
  repaired: number;
  @ApiProperty({ type: Number, description: '其中有提示的行 · rows among these with a warning', example: 49 })
  warned: number;
} // prettier-ignore

export class ImportView {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;
  @ApiProperty({ type: String, example: '371425' })
  division: string;
  @ApiProperty({ type: String, example: 'ledger.xlsx' })
  fileName: string;
  @ApiProperty({ enum: ['queued', 'running', 'done', 'failed', 'undone'], example: 'done' })
  state: string;
  @ApiProperty({ type: Boolean, description: '只试算:不写入,counts 为将会发生的情况 · a dry run: nothing is written, the counts say what would happen', example: false })
  dryRun: boolean;
  @ApiProperty({ type: Number, minimum: 0, maximum: 1, example: 1 })
  progress: number;
  @ApiProperty({ type: ImportCounts })
  counts: ImportCounts;
  @ApiProperty({ type: String, nullable: true, description: '失败原因;未失败为 null · why it failed; null if it did not', example: null })
  failure: string | null;
  @ApiProperty({ type: String, format: 'date-time' })
  createdAt: Date;
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  finishedAt: Date | null;
} // prettier-ignore

/** What became of one row. */
export interface Judged {
  row: number;
  /** null: it is none of the rows that are counted, as a row of sums. */
  outcome: Outcome | null;
  findings: Omit<Finding, 'row'>[];
}

/** Takes the rows of a sheet, batch by batch in its order. `memory` holds what later batches must know. */
export interface RowTaker<Memory, Looked> {
  shape: SheetShape;
  /** Where a person finds a sheet with the right columns. */
  example: Bilingual;
  /** Refuses an import that cannot be judged yet. */
  ready?(tx: Tx): Promise<void>;
  memory(tx: Tx): Promise<Memory>;
  /** Each row by itself, before its transaction: PostgreSQL lands the batch before meanwhile. */
  look(rows: SheetRow[], memory: Memory): Looked[];
  /**
   * In the import's transaction.
   * @param mode nothing is written in a dry run
   * @param id the import: the cause of what is written
   */
  take(tx: Tx, looked: Looked[], memory: Memory, mode: 'write' | 'dry-run', id: string): Promise<Judged[]>;
} // prettier-ignore

/** What to do about a file that cannot be taken as a whole; for its columns there is an example. */
const remedyOf: Record<Exclude<SheetFault, 'sheet-headers'>, Bilingual> = {
  'sheet-format':
    '请上传有内容的 XLSX 或 CSV,其他格式请先另存 · send an XLSX or CSV with rows in it; save any other kind as one first',
  'sheet-encoding':
    '请另存为 XLSX 或 UTF-8 的 CSV 后上传 · save it as XLSX, or as CSV in UTF-8, and send that',
  'sheet-damaged':
    '请用表格软件打开并另存为 XLSX 后上传 · open it in a spreadsheet program, save it as XLSX, and send that',
  'sheet-bomb':
    '请将表格复制到新工作簿,另存为 XLSX 后上传 · copy the sheet into a new workbook, save it as XLSX, and send that',
  'sheet-too-large': '请分成几个较小的文件上传 · send it in several smaller files',
};

/** What any sheet can meet. */
export const sheetRules = {
  'column-ignored': ['noted', '这些列不录入,其内容未采用 · these columns are not taken, nor is what stands in them'],
  'cell-error': ['warned', '单元格是公式的错误值,已视为空,请填写实际内容 · the cell shows the error of a formula and was taken as empty: fill in what is meant'],
  'sheet-ignored': ['noted', '只录入第一个含所需列的工作表;这些工作表也有这些列,但未录入,请分别另存后上传 · of a workbook the first sheet that has the columns is taken; these have them, too, and are not: send each as a file of its own'],
} as const satisfies RowRules; // prettier-ignore

/** Told of the header row, once an import. Titles are whatever a person wrote: some of each, and of some of them. */
function ignoredIn({ header, ignored, otherSheets }: SheetSummary): Judged[] {
  const told = (rule: keyof typeof sheetRules, all: string[]): Omit<Finding, 'row'>[] => {
    if (all.length === 0) return [];
    const [severity, remedy] = sheetRules[rule];
    const titles = [...new Set(all)].slice(0, 20).map((title) => [...title].slice(0, 20).join(''));
    const value = `${titles.join('、')}${new Set(all).size > titles.length ? '…' : ''}`;
    return [{ column: null, rule, severity, value, repairedTo: null, remedy }];
  };
  const findings = [...told('column-ignored', ignored), ...told('sheet-ignored', otherSheets)];
  return findings.length === 0 ? [] : [{ row: header, outcome: null, findings }];
} // prettier-ignore

/** Empties the cells that show the error of a formula. @returns what is told of them, by row */
function withoutErrors(rows: SheetRow[], { headers }: SheetShape): Map<number, Omit<Finding, 'row'>[]> {
  const [severity, remedy] = sheetRules['cell-error'];
  const told = new Map<number, Omit<Finding, 'row'>[]>();
  for (const { row, cells } of rows)
    for (const [column, field] of Object.entries(headers)) {
      const value = cells[field];
      if (value === undefined || !isFormulaError(value)) continue;
      cells[field] = '';
      told.set(row, [...(told.get(row) ?? []), { column, rule: 'cell-error', severity, value, repairedTo: null, remedy }]);
    }
  return told;
} // prettier-ignore

const faulty = (id: string): Bilingual =>
  `internal: 系统在处理某一行时出错,已处理的行保留;请将导入编号 ${id} 告知运维,排除后重新上传。 · A row brought the system into trouble; what was taken before stays. Tell whoever runs the system the number of this import, ${id}, and send the file again when it is mended.`; // prettier-ignore

/** Imports of one ground that may wait at once; each keeps a file of up to 50 MB. */
const mostWaiting = 20;

/** The tables of one kind of import, e.g. `ledger_import`. The original file is kept. */
export function importTables(noun: string, app: string): string {
  return `
create table ${noun} (
  id uuid primary key,
  division text collate "C" not null,
  file_name text not null,
  file bytea not null,
  sha256 text not null,
  dry_run boolean not null,
  state text not null check (state in ('queued', 'running', 'done', 'failed', 'undone')),
  total_rows integer not null,
  done_rows integer not null default 0,
  counts jsonb not null,
  failure text,
  requested_by text not null,
  -- Who works on it now, and until when he is believed to.
  claim uuid,
  claimed_until timestamptz,
  created_at timestamptz not null,
  finished_at timestamptz
);
create index ${noun}_waiting on ${noun} (id) where state in ('queued', 'running');
create table ${noun}_finding (
  import_id uuid not null references ${noun},
  division text collate "C" not null,
  row integer not null,
  place integer not null,
  column_title text,
  rule text not null,
  severity text not null,
  value text,
  repaired_to text,
  remedy text,
  primary key (import_id, row, place)
);
${ground(noun, app, 'select, insert, update')}
${ground(`${noun}_finding`, app, 'select, insert')}`;
}

/** The parts of files, each small enough that its commit holds up nobody. `file` of the import is empty then. */
export function importParts(noun: string, app: string): string {
  return `
create table ${noun}_part (
  import_id uuid not null,
  division text collate "C" not null,
  place integer not null,
  bytes bytea not null,
  arrived_at timestamptz not null default now(),
  primary key (import_id, place)
);
alter table ${noun}_part alter column bytes set storage external;
create index ${noun}_part_arrived on ${noun}_part (arrived_at);
${ground(`${noun}_part`, app, 'select, insert, delete')}`;
}

/** For the page of the newest. */
export const newestImports = (noun: string): string =>
  `create index ${noun}_newest on ${noun} (created_at desc, id desc);`;

const view = `id, division, file_name as "fileName", state, dry_run as "dryRun", counts, failure,
  case when state in ('done', 'undone') then 1.0 when total_rows = 0 then 0.0 else done_rows::float8 / total_rows end as progress,
  created_at as "createdAt", finished_at as "finishedAt"`;

/**
 * Rows that land together when no other township is served: enough that a commit is cheap among them; and beside others:
 * few, with a pause of sixty times (IMPORT_PAUSES) their own time after each, so that fewer than one in twenty requests meets
 * them or what the relay sends of them, and the others' p95 stays within 1.2 × (bench/neighbour.mjs). The more rows, the
 * fewer meetings for the same rate. At most `most` ms: what waited for a lock worked no longer.
 */
const alone = 1000;
const beside = { rows: 100, most: 2000 };
const partBytes = 1 << 20;

const claimable = `state in ('queued', 'running') and (claimed_until is null or claimed_until < app_now())`;

const nothing: ImportCounts = {
  rows: 0, created: 0, updated: 0, unchanged: 0, refused: 0, duplicate: 0, repaired: 0, warned: 0,
}; // prettier-ignore

/**
 * Imports of sheets as long work: queued by a request, taken by whichever replica is free, landed batch by batch. Rows,
 * facts, findings, counts and the place reached commit together, so an import that is cut off goes on where it was.
 */
export class SheetImports<Memory, Looked> implements Job {
  readonly intervalMs = 300;
  private stopping = false;

  constructor(
    private readonly database: Database,
    private readonly served: Served,
    private readonly noun: string,
    private readonly taker: RowTaker<Memory, Looked>,
  ) {}

  get queue(): string {
    return this.noun;
  }

  async depth(): Promise<number> {
    const [row] = await this.database.everywhere('counts queued imports of all counties', (tx) =>
      tx.query<{ n: number }>(`select count(*)::int as n from ${this.noun} where state in ('queued', 'running')`),
    );
    return row?.n ?? 0;
  } // prettier-ignore

  async due(): Promise<boolean> {
    const found = await this.database.everywhere('looks for imports of any county', (tx) =>
      tx.query(`select 1 as one from ${this.noun} where ${claimable} limit 1`),
    );
    return found.length > 0;
  }

  stop(): void {
    this.stopping = true;
  }

  /** @throws DomainError with the sheet's fault when the file cannot be taken as a whole. */
  async accept({ caller, path, fileName, sha256 }: LargeUpload, dryRun: boolean): Promise<ImportView> {
    const sheet = await checkSheet(path, this.taker.shape).catch((error: unknown) => {
      if (!(error instanceof SheetError)) throw error;
      const { code, detail } = error;
      throw new DomainError(code, detail, [
        { pointer: '/file', rule: code, value: fileName, remedy: code === 'sheet-headers' ? this.taker.example : remedyOf[code] },
      ]);
    });
    if (sheet.rows === 0)
      throw new DomainError('sheet-empty', '文件只有标题,没有数据行。 · The file has titles and no rows.', [
        { pointer: '/file', rule: 'sheet-empty', value: fileName, remedy: '请在标题行下方填写数据后上传 · fill in rows below the titles, and send it again' },
      ]);
    const id = uuidv7();
    const keeping = { ...caller, idempotency: undefined }; // the key stands for the whole
    try {
      await this.keepFile(keeping, id, path);
      return await this.queueUp(caller, id, { fileName, sha256, sheet, dryRun });
    } catch (error) {
      await this.database.within(keeping, (tx) =>
        tx.query(`delete from ${this.noun}_part where import_id = $1`, [id]),
      ); // asked before, or refused
      throw error;
    }
  } // prettier-ignore

  private async keepFile(caller: Caller, id: string, path: string): Promise<void> {
    let place = 0;
    for await (const bytes of createReadStream(path, { highWaterMark: partBytes }) as AsyncIterable<Buffer>) {
      await this.database.within(caller, (tx) =>
        tx.query(`insert into ${this.noun}_part (import_id, division, place, bytes) values ($1, $2, $3, $4)`, [
          id, caller.division, place, bytes,
        ]),
      );
      place += 1;
    }
  } // prettier-ignore

  private async queueUp(
    caller: Caller,
    id: string,
    { fileName, sha256, sheet, dryRun }: { fileName: string; sha256: string; sheet: SheetSummary; dryRun: boolean },
  ): Promise<ImportView> {
    return this.database.within(caller, async (tx) => {
      await this.taker.ready?.(tx);
      const [waiting] = await tx.query<{ n: number }>(
        `select count(*)::int as n from ${this.noun} where state in ('queued', 'running') and division = $1`,
        [caller.division],
      );
      if ((waiting?.n ?? 0) >= mostWaiting)
        throw new DomainError('too-many-requests', `${caller.division} 已有 ${mostWaiting} 个导入在排队,请等待完成后再试。 · ${mostWaiting} imports of ${caller.division} wait already: let them land first.`);
      await tx.query(
        `insert into ${this.noun} (id, division, file_name, file, sha256, dry_run, state, total_rows, counts, requested_by, created_at)
         values ($1, $2, $3, '', $4, $5, 'queued', $6, $7, $8, $9)`,
        [id, caller.division, fileName, sha256, dryRun, sheet.rows, JSON.stringify(nothing), caller.id, tx.now],
      );
      this.keepFindings(tx, id, ignoredIn(sheet));
      return this.one(tx, id);
    });
  } // prettier-ignore

  async one(tx: Tx, id: string): Promise<ImportView> {
    return oneOf(
      await tx.query<ImportView>(`select ${view} from ${this.noun} where id = $1`, [id]),
    );
  }

  async page(tx: Tx, query: NewestQuery): Promise<Page<ImportView>> {
    const page = newest('created_at', query);
    const found = await tx.query<ImportView & { micros: string }>(
      `select ${view}, ${page.micros} from ${this.noun} where ${page.older} ${page.order} limit $3`,
      [...page.from, query.limit + 1],
    );
    return page.of(found);
  }

  /** Findings in the order of the sheet; `after` is `<row>.<place>`. */
  async findings(tx: Tx, id: string, after: string | undefined, limit: number): Promise<Page<Finding>> {
    await this.one(tx, id);
    const [row = '0', place = '0'] = after?.split('.') ?? [];
    const found = await tx.query<Finding & { place: number }>(
      `select row, place, column_title as "column", rule, severity, value, repaired_to as "repairedTo", remedy
       from ${this.noun}_finding where import_id = $1 and (row, place) > ($2, $3) order by row, place limit $4`,
      [id, Number(row), Number(place), limit + 1],
    );
    const last = found[limit - 1];
    return {
      items: found.slice(0, limit).map(({ place: _, ...finding }) => finding),
      next: found.length > limit && last ? `${last.row}.${last.place}` : null,
    };
  } // prettier-ignore

  /**
   * Takes the oldest import that nobody works on of the ground that was served longest ago, so that nobody's ten files
   * make another wait for all of them, and says so as long as it lives. A worker that dies is followed by another after
   * half a minute; one that was only slow finds its claim gone, and stops.
   */
  async run(): Promise<boolean> {
    const claim = uuidv7();
    const claimed = await this.database.everywhere('claims a queued import of any county', (tx) =>
      tx.query<{ id: string; division: string; requested_by: string }>(
        `update ${this.noun} set state = 'running', claim = $1, claimed_until = app_now() + interval '30 seconds'
         where id = (select id from ${this.noun} waiting where ${claimable}
                     order by (select max(finished_at) from ${this.noun} served where served.division = waiting.division) nulls first, id
                     limit 1 for update skip locked)
         returning id, division, requested_by`,
        [claim],
      ),
    );
    const [work] = claimed;
    if (!work) return false;
    const caller: Caller = {
      id: work.requested_by,
      division: work.division,
      correlationId: work.id,
    };
    const alive = setInterval(() => {
      void this.database
        .within(caller, (tx) =>
          tx.query(
            `update ${this.noun} set claimed_until = app_now() + interval '30 seconds' where id = $1 and claim = $2`,
            [work.id, claim],
          ),
        )
        .catch(() => undefined); // the database is away: the claim runs out
    }, 10_000);
    try {
      await this.land(caller, work.id, claim);
    } catch (error) {
      if (error instanceof ClaimLost) return true;
      // A broken rule stays broken, and so does a fault of ours; after anything else the claim runs out, and the import goes on.
      const rule = error instanceof SheetError || error instanceof DomainError;
      if (!rule && !isFault(error)) throw error;
      const failure = rule ? `${error.code}: ${error.message}` : faulty(work.id);
      await this.database.within(caller, (tx) =>
        tx.query(
          `update ${this.noun} set state = 'failed', failure = $2, finished_at = $3 where id = $1 and claim = $4`,
          [work.id, failure, tx.now, claim],
        ),
      );
      if (!rule) throw error; // told in the log
    } finally {
      clearInterval(alive);
    }
    await this.database.everywhere('forgets parts of uploads that broke off', (tx) =>
      tx.query(
        `delete from ${this.noun}_part part where arrived_at < now() - interval '1 day'
         and not exists (select from ${this.noun} whole where whole.id = part.import_id)`,
      ),
    );
    return true;
  }

  private async land(caller: Caller, id: string, claim: string): Promise<void> {
    const [work] = await this.database.within(caller, (tx) =>
      tx.query<{ dryRun: boolean; done: number; counts: ImportCounts }>(
        `select dry_run as "dryRun", done_rows as done, counts from ${this.noun} where id = $1`,
        [id],
      ),
    );
    if (!work) return;
    const file = await this.fileOf(caller, id);
    try {
      await this.landRows(caller, id, claim, file.path, work);
    } finally {
      await file.forget();
    }
  }

  private async landRows(
    caller: Caller,
    id: string,
    claim: string,
    path: string,
    work: { dryRun: boolean; done: number; counts: ImportCounts },
  ): Promise<void> {
    const memory = await this.database.within(caller, (tx) => this.taker.memory(tx));
    // A dry run leaves no rows behind that a second worker could go on from: it starts over.
    let done = work.dryRun ? 0 : work.done;
    let counts = work.dryRun ? nothing : work.counts;
    const batches = this.lookedAt(caller.division, path, memory, done);
    let next = batches.next();
    let rest = 0;
    try {
      for (;;) {
        const { value: batch } = await next;
        if (!batch) break;
        if (this.served.othersThan(caller.division)) await pause(Math.min(rest, beside.most));
        const { looked, errors } = batch;
        const started = performance.now();
        counts = await this.database.within(caller, async (tx) => {
          await this.hold(tx, id, claim);
          const taken = await this.taker.take(tx, looked, memory, work.dryRun ? 'dry-run' : 'write', id);
          const judged = taken.map((one) => ({ ...one, findings: [...(errors.get(one.row) ?? []), ...one.findings] }));
          const sum = add(counts, judged);
          this.keepFindings(tx, id, judged);
          tx.send('import progress', `update ${this.noun} set done_rows = $2, counts = $3 where id = $1`, [
            id, done + looked.length, JSON.stringify(sum),
          ]);
          next = turn().then(() => batches.next()); // once the statements are on their way
          next.catch(() => undefined); // told when it is its turn, unless this batch fails first
          return sum;
        });
        done += looked.length;
        if (this.stopping) {
          await this.letGo(caller, id, claim);
          return;
        }
        rest = (performance.now() - started) * this.served.pauses;
      }
    } finally {
      await next.catch(() => undefined);
      await batches.return(undefined); // its reader is a thread
    }
    await this.database.within(caller, async (tx) => {
      await this.hold(tx, id, claim);
      await tx.query(`update ${this.noun} set state = 'done', finished_at = $2 where id = $1`, [id, tx.now]);
    });
  } // prettier-ignore

  /** The rows after those that have landed, a batch at a time. */
  private async *lookedAt(division: string, path: string, memory: Memory, landed: number): AsyncGenerator<{ looked: Looked[]; errors: ReturnType<typeof withoutErrors> }, undefined> {
    for await (const rows of readSheet(path, this.taker.shape, alone)) {
      const errors = withoutErrors(rows, this.taker.shape);
      this.taker.look(rows.splice(0, landed), memory); // the later ones may repeat them
      landed = Math.max(0, landed - alone);
      while (rows.length > 0) yield { looked: this.taker.look(rows.splice(0, this.served.othersThan(division) ? beside.rows : alone), memory), errors };
    }
    return undefined;
  } // prettier-ignore

  /** Another goes on with it at once. */
  private async letGo(caller: Caller, id: string, claim: string): Promise<void> {
    await this.database.within(caller, (tx) =>
      tx.query(`update ${this.noun} set claim = null, claimed_until = null where id = $1 and claim = $2`, [id, claim]),
    );
  } // prettier-ignore

  /**
   * The file as it was sent, on disk and never whole in memory, until it is forgotten.
   * @throws DomainError 404
   */
  async fileOf(caller: Caller, id: string): Promise<{ path: string; forget: () => Promise<void> }> {
    const { kept, bytes } = oneOf(
      await this.database.within(caller, (tx) =>
        tx.query<{ kept: number; bytes: number }>(
          `select (select count(*)::int from ${this.noun}_part where import_id = id) as kept, octet_length(file) as bytes from ${this.noun} where id = $1`,
          [id],
        ),
      ),
    );
    const folder = await mkdtemp(join(tmpdir(), 'foodwarden-import-'));
    const forget = (): Promise<void> => rm(folder, { recursive: true, force: true });
    const path = join(folder, 'file');
    try {
      const file = await open(path, 'wx', 0o600);
      try {
        // What came before there were parts stands in one piece.
        const part = kept > 0
          ? `select bytes from ${this.noun}_part where import_id = $1 and place = $2`
          : `select substring(file from $2::int * ${partBytes} + 1 for ${partBytes}) as bytes from ${this.noun} where id = $1`;
        for (let place = 0; place < (kept || Math.ceil(bytes / partBytes)); place++) {
          const [row] = await this.database.within(caller, (tx) => tx.query<{ bytes: Buffer }>(part, [id, place]));
          if (row) await file.write(row.bytes);
        }
      } finally {
        await file.close();
      }
    } catch (error) {
      await forget();
      throw error;
    }
    return { path, forget };
  } // prettier-ignore

  /** Locks the import for this batch. @throws ClaimLost when another works on it now */
  private async hold(tx: Tx, id: string, claim: string): Promise<void> {
    const held = await tx.query(
      `select 1 as one from ${this.noun} where id = $1 and claim = $2 and state = 'running' for update`,
      [id, claim],
    );
    if (held.length === 0) throw new ClaimLost(`${this.noun} ${id} is another's by now.`);
  }

  private keepFindings(tx: Tx, id: string, judged: Judged[]): void {
    const rows = judged.flatMap(({ row, findings }) =>
      findings.map((finding, place) => ({
        ...finding,
        value: finding.value?.replace(/\p{Cs}/gu, '') ?? null, // half a character that was cut: jsonb takes none
        row,
        place: place + 1,
      })),
    );
    if (rows.length === 0) return;
    tx.send(
      'import findings',
      `insert into ${this.noun}_finding (import_id, division, row, place, column_title, rule, severity, value, repaired_to, remedy)
       select $1, $2, row, place, "column", rule, severity, value, "repairedTo", remedy
       from jsonb_to_recordset($3::jsonb) as t(row int, place int, "column" text, rule text, severity text, value text, "repairedTo" text, remedy text)
       on conflict do nothing`,
      [id, tx.caller.division, JSON.stringify(rows)],
    ); // a dry run that starts over finds its own findings again
  }
}

class ClaimLost extends Error {}

function add(counts: ImportCounts, judged: Judged[]): ImportCounts {
  const sum = { ...counts };
  for (const { outcome, findings } of judged) {
    if (outcome === null) continue;
    sum.rows += 1;
    sum[outcome] += 1;
    if (outcome === 'refused' || outcome === 'duplicate') continue;
    if (findings.some((one) => one.severity === 'repaired')) sum.repaired += 1;
    if (findings.some((one) => one.severity === 'warned')) sum.warned += 1;
  }
  return sum;
}
