import { type Caller as DatabaseCaller, Database } from '#database';
import {
  Caller,
  listWords,
  type Page,
  PageOf,
  PageQuery,
  Prose,
  Roles,
  Flag,
  IdFilter,
  PlaceFilter,
  sendWorkbook,
  workbookResponse,
} from '#platform';
import { workbookType } from '#sheet';
import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import {
  ApiOperation,
  ApiProduces,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
  OmitType,
} from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { type FastifyReply } from 'fastify';
import {
  type CorrectiveAction as Action,
  CorrectiveActionService,
  type State,
  type Step,
} from './corrective-action.service.js';
import { actionSheet } from './inspection.workbook.js';

const states = ['open', 'responded', 'verified', 'closed'] as const;

export class Respond {
  @ApiProperty({
    type: String,
    description: '经营者的整改情况 · what the operator did',
    example: '消毒柜已更换,记录补齐',
  })
  @Prose(4000)
  text: string;
}

export class Verify {
  @ApiProperty({ enum: ['corrected', 'not-corrected'], example: 'corrected' })
  @IsIn(['corrected', 'not-corrected'])
  outcome: 'corrected' | 'not-corrected';

  @ApiPropertyOptional({ type: String, example: '现场复查属实' })
  @IsOptional()
  @Prose(4000)
  text?: string;
}

export class Close {
  @ApiPropertyOptional({ type: String, example: '同意销号' })
  @IsOptional()
  @Prose(4000)
  text?: string;
}

class ActStep implements Step {
  @ApiProperty({ enum: ['response', 'verification', 'closure', 'withdrawal'] })
  act: Step['act'];
  @ApiProperty({
    type: String,
    description: '账号编号 · id of the account',
    example: '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05',
  })
  by: string;
  @ApiProperty({ type: String, example: 'office' })
  role: string;
  @ApiProperty({ type: String, format: 'date-time' })
  at: string;
  @ApiProperty({
    type: String,
    nullable: true,
    description: '填写的说明 · what was written',
    example: '消毒柜已更换,记录补齐',
  })
  text: string | null;
  @ApiProperty({ enum: ['corrected', 'not-corrected'], type: String, nullable: true })
  outcome: Step['outcome'];
}

class SkippedDay {
  @ApiProperty({ type: String, format: 'date', example: '2026-11-28' })
  on: string;
  @ApiProperty({ type: String, example: '周末 · weekend' })
  because: string;
}

class DeadlineArithmetic {
  @ApiProperty({
    type: String,
    example:
      'correction-deadline 第 1 版:2026-11-23 之后 10 个工作日 · correction-deadline version 1: 10 working days after 2026-11-23',
  })
  rule: string;
  @ApiProperty({
    type: String,
    format: 'date',
    description: '起始日,当天不计 · the first day, which is not counted itself',
    example: '2026-11-23',
  })
  startOn: string;
  @ApiProperty({ type: Number, example: 10 })
  workingDays: number;
  @ApiProperty({
    type: [String],
    description: '计入的工作日 · the working days that were counted',
    example: ['2026-11-24', '2026-11-25'],
  })
  counted: string[];
  @ApiProperty({ type: [SkippedDay] })
  skipped: SkippedDay[];
  @ApiProperty({
    type: Number,
    nullable: true,
    description:
      '工作日历尚未公布的年份;没有则为 null · the year whose calendar is not announced yet; null: none',
    example: null,
  })
  missingYear: number | null;
}

export class CorrectiveAction implements Action {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;
  @ApiProperty({ type: String, example: '371425101201' })
  division: string;
  @ApiProperty({
    type: Number,
    description: '版本,也是 ETag · its version, also the ETag',
    example: 1,
  })
  version: number;
  @ApiProperty({
    type: String,
    description:
      '整改通知书编号,其中的日期为督导日 · number of the written demand; the day in it is that of the visit',
    example: 'ZG-371425101-20261123-9F3A21C4',
  })
  number: string;
  @ApiProperty({ type: String, format: 'uuid' })
  inspectionId: string;
  @ApiProperty({ type: String, format: 'uuid' })
  establishmentId: string;
  @ApiProperty({
    type: String,
    description: '督导时的名称 · its name at the visit',
    example: '老王饭店',
  })
  establishmentName: string;
  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  officialId: string | null;
  @ApiProperty({ type: String, example: 'catering-07' })
  item: string;
  @ApiProperty({ type: Boolean, example: false })
  keyItem: boolean;
  @ApiProperty({ type: String, example: '餐具消毒柜未通电' })
  finding: string;
  @ApiProperty({ type: String, example: '10个工作日内修复消毒柜并留存记录' })
  demand: string;
  @ApiProperty({ enum: states, example: 'open' })
  state: State;
  @ApiProperty({ type: String, format: 'date', example: '2026-11-23' })
  startOn: string;
  @ApiProperty({ type: Number, example: 10 })
  workingDays: number;
  @ApiProperty({
    type: String,
    format: 'date',
    nullable: true,
    description:
      '整改期限(北京时间);所需工作日历公布前为 null · the last day, in Asia/Shanghai; null until the calendar it needs is announced',
    example: '2026-12-07',
  })
  dueOn: string | null;
  @ApiProperty({ enum: ['set', 'calendar-missing'], example: 'set' })
  dueState: 'set' | 'calendar-missing';
  @ApiProperty({ type: DeadlineArithmetic })
  deadline: DeadlineArithmetic;
  @ApiProperty({ type: Boolean, example: false })
  overdue: boolean;
  @ApiProperty({ type: [ActStep] })
  steps: ActStep[];
  @ApiProperty({ type: String, format: 'date-time' })
  createdAt: Date;
  @ApiProperty({ type: String, format: 'date-time' })
  changedAt: Date;
}

export class ActionQuery extends PageQuery {
  @PlaceFilter()
  division?: string;

  @ApiPropertyOptional({
    enum: states,
    description:
      '整改状态:open 待整改、responded 已反馈、verified 复查通过、closed 已销号 · open, responded, verified, or closed',
  })
  @IsOptional()
  @IsIn(states)
  state?: State;

  @Flag('true:只看逾期的,false:只看未逾期的 · true: past their day; false: not yet')
  overdue?: 'true' | 'false';

  @IdFilter()
  establishment?: string;
}

export class ActionFilters extends OmitType(ActionQuery, ['after', 'limit'] as const) {}

class ActionPage extends PageOf(CorrectiveAction) {}

@ApiTags('corrective-actions')
@Controller('corrective-actions')
export class CorrectiveActionController {
  constructor(
    private readonly database: Database,
    private readonly actions: CorrectiveActionService,
  ) {}

  @Get()
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查询整改事项,包保干部只见所包保主体的 · corrections; an official sees those of the establishments he answers for' })
  @ApiResponse({ status: 200, type: ActionPage })
  page(@Caller() caller: DatabaseCaller, @Query() query: ActionQuery): Promise<Page<Action>> {
    return this.database.within(caller, (tx) => this.actions.page(tx, query));
  }

  @Get(':id')
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查看整改事项 · one correction: how its deadline was counted, and its steps', description: '督导记录和督导时的照片归督导人,接手的干部看不到(404):问题和要求见 `finding`、`demand`,照片请向食安办索取。 · The visit and its photos are the one’s who made it: an official who takes over does not see them (404). What is wrong and what is asked for stand in `finding` and `demand`; ask the office for photos.' })
  @ApiResponse({ status: 200, type: CorrectiveAction })
  one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Action> {
    return this.database.within(caller, (tx) => this.actions.one(tx, id));
  }

  @Post(':id/response')
  @HttpCode(200)
  @Roles('official', 'office')
  @ApiOperation({
    summary: '登记整改反馈 · record what the operator did',
    description: '乡镇食安办收到消息 `correction-answered`;待复查的见 `GET /corrective-actions?state=responded`。反馈人不能复查:食安办只有一个账号的,请由包保干部反馈。 · The office is told (message `correction-answered`); what waits for its verification is in `GET /corrective-actions?state=responded`. Whoever responds may not verify: where the office has one account, let the official respond.',
  })
  @ApiResponse({ status: 200, type: CorrectiveAction })
  respond(@Caller() caller: DatabaseCaller, @Param('id') id: string, @Body() body: Respond): Promise<Action> {
    return this.database.within(caller, (tx) => this.actions.respond(tx, id, body.text));
  }

  @Post(':id/verification')
  @HttpCode(200)
  @Roles('office')
  @ApiOperation({
    summary: '登记整改复查 · record the verification of a correction',
    description: '登记过整改反馈的人不能复查。`not-corrected` 使其重新待整改,期限不变,并通知包保干部(消息 `correction-rejected`),请在 `text` 中写明原因:他在 `steps` 中看到。 · Whoever recorded the response may not verify it. `not-corrected` opens the correction again, with the deadline it had, and the official is told (message `correction-rejected`): write why into `text`, he reads it in `steps`.',
  })
  @ApiResponse({ status: 200, type: CorrectiveAction })
  verify(@Caller() caller: DatabaseCaller, @Param('id') id: string, @Body() body: Verify): Promise<Action> {
    return this.database.within(caller, (tx) => this.actions.verify(tx, id, body.outcome, body.text ?? null));
  }

  @Post(':id/closure')
  @HttpCode(200)
  @Roles('office')
  @ApiOperation({ summary: '整改销号,须先复查通过 · close a correction once it is verified' })
  @ApiResponse({ status: 200, type: CorrectiveAction })
  close(@Caller() caller: DatabaseCaller, @Param('id') id: string, @Body() body: Close): Promise<Action> {
    return this.database.within(caller, (tx) => this.actions.close(tx, id, body.text ?? null));
  }
} // prettier-ignore

@ApiTags('corrective-actions')
@Controller('corrective-actions.xlsx')
export class CorrectiveActionSheetController {
  constructor(
    private readonly database: Database,
    private readonly actions: CorrectiveActionService,
  ) {}

  @Get()
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({
    summary: '导出整改事项,包保干部只有所包保主体的 · export the corrections; an official gets those of the establishments he answers for',
    description: `XLSX,每项整改一行,时间为北京时间,筛选同 \`GET /corrective-actions\`。${listWords.zh} · XLSX, a row for each correction, times in Asia/Shanghai, with the filters of \`GET /corrective-actions\`. ${listWords.en}`,
  })
  @ApiProduces(workbookType)
  @ApiResponse(workbookResponse)
  async sheet(
    @Caller() caller: DatabaseCaller,
    @Query() query: ActionFilters,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    sendWorkbook(reply, '整改事项', await actionSheet(this.database, caller, this.actions, query));
  }
} // prettier-ignore
