import { kinds } from '#contracts';
import { type Caller as DatabaseCaller, Database } from '#database';
import {
  Form,
  afterOf,
  Caller,
  follow,
  type Page,
  PageOf,
  pageOf,
  PageQuery,
  Roles,
  oneOf,
  newest,
  NewestPageOf,
  NewestQuery,
  Flag,
  IdFilter,
  PlaceFilter,
} from '#platform';
import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import {
  ApiOperation,
  ApiProduces,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { type FastifyReply } from 'fastify';
import { ObligationService, type ObligationRunView, runView } from './obligation.service.js';

const states = ['open', 'overdue', 'settled', 'withdrawn'] as const;
const period = '须为季度,如 2026-Q4 · $property must be a calendar quarter like 2026-Q4';

export class OpenPeriod {
  @ApiProperty({ type: String, description: '季度 · a calendar quarter', example: '2026-Q4' })
  @Form(/^20\d{2}-Q[1-4]$/, period)
  period: string;
}

export class ObligationRun implements ObligationRunView {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;
  @ApiProperty({ type: String, example: '371425' })
  division: string;
  @ApiProperty({ type: Number, example: 2 })
  version: number;
  @ApiProperty({ type: String, example: '2026-Q4' })
  period: string;
  @ApiProperty({ enum: ['queued', 'running', 'done'], example: 'done' })
  state: 'queued' | 'running' | 'done';
  @ApiProperty({
    type: Number,
    minimum: 0,
    maximum: 1,
    description:
      '进度,0 至 1:已处理的主体占全县的比例 · progress, 0 to 1: of the county’s establishments, the part that the run has come past',
    example: 1,
  })
  progress: number;
  @ApiProperty({
    type: Number,
    description: '至今生成的任务数 · obligations that the run has opened so far',
    example: 3787,
  })
  opened: number;
  @ApiProperty({
    type: String,
    description:
      '账号编号;季度初自动生成的为服务名 · id of the account, or the service itself at the start of a quarter',
    example: '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05',
  })
  requestedBy: string;
  @ApiProperty({ type: String, format: 'date-time' })
  createdAt: Date;
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  finishedAt: Date | null;
}

export class Obligation {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;
  @ApiProperty({ type: String, example: '371425101201' })
  division: string;
  @ApiProperty({ type: Number, example: 1 })
  version: number;
  @ApiProperty({ type: String, format: 'uuid' })
  establishmentId: string;
  @ApiProperty({ type: String, example: '老王饭店' })
  establishmentName: string;
  @ApiProperty({
    type: String,
    nullable: true,
    description:
      '主体现在登记的经营场所;尚未同步为 null · where the establishment is, as it is registered now; null until that has arrived',
    example: '焦庙镇中心街12号',
  })
  establishmentAddress: string | null;
  @ApiProperty({
    enum: kinds,
    nullable: true,
    description:
      '主体现在的业态,决定可用的检查表(GET /checklists);尚未同步为 null · its kind of business now, which decides the checklists (GET /checklists); null until that has arrived',
    example: 'small-catering',
  })
  establishmentKind: (typeof kinds)[number] | null;
  @ApiProperty({
    type: String,
    description:
      '主体的包保等级;任务完成后不再变化 · tier of the establishment; it stays as it is once the visit is settled',
    example: 'D',
  })
  tier: string;
  @ApiProperty({ type: String, example: '2026-Q4' })
  period: string;
  @ApiProperty({
    type: String,
    format: 'date',
    description: '最后一天(北京时间) · the last day, in Asia/Shanghai',
    example: '2026-12-31',
  })
  dueOn: string;
  @ApiProperty({ enum: states, example: 'open' })
  state: (typeof states)[number];
  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: '包保干部;null 表示尚无人包保 · the official; null: nobody answers for it yet',
  })
  officialId: string | null;
  @ApiProperty({ type: String, nullable: true, example: '王秀英' })
  officialName: string | null;
  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: '完成此任务的督导记录;未完成为 null · the visit that settled it; null: none yet',
    example: null,
  })
  inspectionId: string | null;
  @ApiProperty({ type: String, format: 'date-time' })
  openedAt: Date;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  settledAt: Date | null;
}

class ObligationQuery extends PageQuery {
  @PlaceFilter()
  division?: string;

  @IdFilter()
  official?: string;

  @Flag('true:只看本人包保的 · true: those that you answer for yourself')
  mine?: 'true' | 'false';

  @ApiPropertyOptional({
    enum: states,
    description:
      '任务状态:open 待完成、overdue 逾期、settled 已完成、withdrawn 已撤回 · open, overdue, settled by a visit, or withdrawn',
  })
  @IsOptional()
  @IsIn(states)
  state?: string;

  @ApiPropertyOptional({
    type: String,
    description: '季度 · a calendar quarter',
    example: '2026-Q4',
  })
  @IsOptional()
  @Form(/^20\d{2}-Q[1-4]$/, period)
  period?: string;

  @IdFilter()
  establishment?: string;
}

class ObligationPage extends PageOf(Obligation) {}
class RunPage extends NewestPageOf(ObligationRun) {}

const view = `id, division, version, establishment_id as "establishmentId", establishment_name as "establishmentName",
  (select address from premises p where p.establishment_id = obligation.establishment_id) as "establishmentAddress",
  (select kind from premises p where p.establishment_id = obligation.establishment_id) as "establishmentKind", tier, period,
  due_on::text as "dueOn", state, official_id as "officialId", official_name as "officialName", inspection_id as "inspectionId",
  opened_at as "openedAt", settled_at as "settledAt"`;

@ApiTags('obligations')
@Controller('obligation-runs')
export class ObligationRunController {
  constructor(
    private readonly database: Database,
    private readonly obligations: ObligationService,
  ) {}

  @Post()
  @HttpCode(202)
  @Roles('county-admin')
  @ApiOperation({
    summary: '生成一个季度的督导任务 · open the visits that are due in a quarter',
    description: '本季度或下一季度;生成后不能撤销,包保干部随即收到通知。重复提交得到同一次生成,不会重复生成任务。每季度开始时自动进行。 · This quarter or the next; it is not taken back, and the officials are told at once. Asking again gives the same run and opens nothing twice. At the start of a quarter it happens by itself.',
  })
  @ApiResponse({ status: 202, type: ObligationRun, headers: { Location: { schema: { type: 'string' } } } })
  run(@Caller() caller: DatabaseCaller, @Body() body: OpenPeriod): Promise<ObligationRun> {
    return this.database.within(caller, (tx) => this.obligations.run(tx, body.period));
  }

  @Get()
  @Roles('county-admin', 'office', 'auditor')
  @ApiOperation({ summary: '查询督导任务的历次生成,最新的在前 · list the runs that opened visits, the newest first' })
  @ApiResponse({ status: 200, type: RunPage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: NewestQuery): Promise<Page<ObligationRun>> {
    const page = newest('created_at', query);
    const found = await this.database.within(caller, (tx) =>
      tx.query<ObligationRun & { micros: string }>(
        `select ${runView}, ${page.micros} from obligation_run where ${page.older} ${page.order} limit $3`,
        [...page.from, query.limit + 1],
      ),
    );
    return page.of(found);
  }

  @Get(':id')
  @Roles('county-admin', 'office', 'auditor')
  @ApiOperation({ summary: '查看一次任务生成 · one run' })
  @ApiResponse({ status: 200, type: ObligationRun })
  async one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<ObligationRun> {
    return oneOf(await this.database.within(caller, (tx) =>
      tx.query<ObligationRun>(`select ${runView} from obligation_run where id = $1`, [id]),
    ));
  }

  @Get(':id/progress')
  @Roles('county-admin', 'office', 'auditor')
  @ApiOperation({ summary: '跟踪任务生成 · follow a run: its state as server-sent events, until it is over' })
  @ApiProduces('text/event-stream')
  @ApiResponse({ status: 200, schema: { type: 'string' } })
  async progress(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const read = (): Promise<ObligationRun> => this.one(caller, id);
    await follow(reply, await read(), read);
  }
} // prettier-ignore

@ApiTags('obligations')
@Controller('obligations')
export class ObligationController {
  constructor(private readonly database: Database) {}

  @Get()
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查询督导任务,包保干部只见本人的 · visits that are due; an official sees his own' })
  @ApiResponse({ status: 200, type: ObligationPage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: ObligationQuery): Promise<Page<Obligation>> {
    const found = await this.database.within(caller, (tx) =>
      tx.query<Obligation>(
        `select ${view} from obligation
         where (division, id) > ($1, $2::uuid) and (not $3::boolean or official_id = $4::uuid) and ($5::text is null or state = $5)
           and ($6::text is null or period = $6) and ($7::uuid is null or establishment_id = $7)
           and ($8::text is null or starts_with(division, $8)) and ($9::uuid is null or official_id = $9)
         order by division, id limit $10`,
        [
          ...afterOf(query), query.mine === 'true', caller.official ?? null, query.state ?? null, query.period ?? null,
          query.establishment ?? null, query.division ?? null, query.official ?? null, query.limit + 1,
        ],
      ),
    );
    return pageOf(found, query, ({ id }) => id);
  }

  @Get(':id')
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查看督导任务 · one visit due' })
  @ApiResponse({ status: 200, type: Obligation })
  async one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Obligation> {
    return oneOf(await this.database.within(caller, (tx) =>
      tx.query<Obligation>(`select ${view} from obligation where id = $1`, [id]),
    ));
  }
} // prettier-ignore
