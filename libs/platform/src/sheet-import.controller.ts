import { type Caller as DatabaseCaller, Database } from '#database';
import { sheetLimits } from '#sheet';
import { Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common'; // prettier-ignore
import {
  ApiBody,
  ApiConsumes,
  ApiOperation,
  ApiProduces,
  ApiPropertyOptional,
  ApiQuery,
  ApiResponse,
} from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Caller, type Role, Roles } from './auth.js';
import { CursorQuery, NewestPageOf, NewestQuery, type Page, PageOf } from './fields.js';
import { follow } from './progress.js';
import { type Bilingual } from './problem.js';
import {
  Finding,
  ImportView,
  type RowRules,
  type SheetImports,
  sheetRules,
} from './sheet-import.js';
import { withLargeUpload } from './upload.js';

class ImportQuery {
  @ApiPropertyOptional({
    enum: ['true', 'false'],
    default: 'false',
    description: 'true:只试算,不写入 · true: say what would happen and write nothing',
  })
  @IsOptional()
  @IsIn(['true', 'false'])
  dryRun: 'true' | 'false' = 'false';
}

class FindingQuery extends CursorQuery(/^\d{1,7}\.\d{1,4}$/, '17.1') {}
class ImportPage extends NewestPageOf(ImportView) {}
class FindingPage extends PageOf(Finding, '17.1') {}

/** The routes of one kind of sheet import; the class that extends it names the path. */
export interface ImportRoutes {
  queue(caller: DatabaseCaller, query: ImportQuery, request: FastifyRequest): Promise<ImportView>;
  page(caller: DatabaseCaller, query: NewestQuery): Promise<Page<ImportView>>;
  one(caller: DatabaseCaller, id: string): Promise<ImportView>;
  progress(caller: DatabaseCaller, id: string, reply: FastifyReply): Promise<void>;
  findings(caller: DatabaseCaller, id: string, query: FindingQuery): Promise<Page<Finding>>;
}

/**
 * @param sheet its name in both languages, for Swagger
 * @param rule which row is which, and what else the sender has to know
 * @param rules what may be found on a row, listed where the findings are
 */
export function importRoutes(
  { zh, en }: { zh: string; en: string },
  may: Role[],
  rule?: { zh: string; en: string },
  rules?: RowRules,
): new (database: Database, imports: SheetImports<never, never>) => ImportRoutes {
  class Routes implements ImportRoutes {
    constructor(
      private readonly database: Database,
      private readonly imports: SheetImports<never, never>,
    ) {}

    @Post()
    @HttpCode(202)
    @Roles(...may)
    @ApiOperation({
      summary: `导入${zh} · import ${en}`,
      description: `XLSX,或 UTF-8、GB18030 编码的 CSV;最大 ${sheetLimits.fileBytes / 1048576} MB、${sheetLimits.rows.toLocaleString('en')} 行。导入在后台进行:按 \`Location\` 中的地址查看 \`state\` 和 \`counts\`;有其他乡镇在使用时导入会放慢,以免影响他们。${rule?.zh ?? ''} · XLSX, or CSV in UTF-8 or GB18030; at most ${sheetLimits.fileBytes / 1048576} MB and ${sheetLimits.rows.toLocaleString('en')} rows. The import runs by itself: read its \`state\` and \`counts\` at the address in \`Location\`. While other townships are being served it goes slowly, so as not to hold them up.${rule ? ` ${rule.en}` : ''}`,
    })
    @ApiConsumes('multipart/form-data')
    @ApiBody({ schema: { type: 'object', required: ['file'], properties: { file: { type: 'string', format: 'binary' } } } })
    @ApiQuery({ name: 'dryRun', enum: ['true', 'false'], required: false })
    @ApiResponse({ status: 202, type: ImportView, headers: { Location: { schema: { type: 'string' } } } })
    async queue(
      @Caller() caller: DatabaseCaller,
      @Query() query: ImportQuery,
      @Req() request: FastifyRequest,
    ): Promise<ImportView> {
      return withLargeUpload(request, caller, sheetLimits.fileBytes, (upload) =>
        this.imports.accept(upload, query.dryRun === 'true'),
      );
    }

    @Get()
    @Roles(...may, 'auditor')
    @ApiOperation({ summary: `查询${zh}的导入,最新的在前 · imports of ${en}, the newest first` })
    @ApiResponse({ status: 200, type: ImportPage })
    page(@Caller() caller: DatabaseCaller, @Query() query: NewestQuery): Promise<Page<ImportView>> {
      return this.database.within(caller, (tx) => this.imports.page(tx, query));
    }

    @Get(':id')
    @Roles(...may, 'auditor')
    @ApiOperation({ summary: '查看导入进度与结果 · one import: its state, progress and counts' })
    @ApiResponse({ status: 200, type: ImportView })
    one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<ImportView> {
      return this.database.within(caller, (tx) => this.imports.one(tx, id));
    }

    @Get(':id/progress')
    @Roles(...may, 'auditor')
    @ApiOperation({ summary: '跟踪导入进度 · follow an import: its state as server-sent events, until it is over' })
    @ApiProduces('text/event-stream')
    @ApiResponse({ status: 200, schema: { type: 'string' } })
    async progress(
      @Caller() caller: DatabaseCaller,
      @Param('id') id: string,
      @Res() reply: FastifyReply,
    ): Promise<void> {
      const read = (): Promise<ImportView> => this.one(caller, id);
      await follow(reply, await read(), read);
    }

    @Get(':id/findings')
    @Roles(...may, 'auditor')
    @ApiOperation({ summary: '查看逐行问题 · what an import found, row by row', ...(rules ? { description: listOf(rules) } : {}) })
    @ApiResponse({ status: 200, type: FindingPage })
    findings(
      @Caller() caller: DatabaseCaller,
      @Param('id') id: string,
      @Query() query: FindingQuery,
    ): Promise<Page<Finding>> {
      return this.database.within(caller, (tx) => this.imports.findings(tx, id, query.after, query.limit));
    }
  }
  return Routes;
} // prettier-ignore

/** The rules in both languages, as Markdown. */
function listOf(rules: RowRules): Bilingual {
  const inLanguage = (at: 0 | 1, colon: string): string =>
    Object.entries<RowRules[string]>({ ...rules, ...sheetRules })
      .map(([rule, [severity, remedy]]) => `\n- \`${rule}\` (${severity})${colon}${remedy.split(' · ')[at] ?? ''}`)
      .join('');
  return `\`rule\` 的取值:${inLanguage(0, ':')}\n\n · What \`rule\` may be:${inLanguage(1, ': ')}`;
} // prettier-ignore
