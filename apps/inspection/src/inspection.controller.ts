import { type Kind } from '#contracts';
import { type Caller as DatabaseCaller, Database } from '#database';
import {
  Caller,
  DayFilter,
  IsInstant,
  Line,
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
  ApiBody,
  ApiExtraModels,
  ApiOperation,
  ApiProduces,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
  OmitType,
} from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsInt,
  IsNumber,
  IsObject,
  IsOptional,
  IsUUID,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { type FastifyReply } from 'fastify';
import { type Method, methods } from './inspection.policies.js';
import { visitSheet } from './inspection.workbook.js';
import { VisitService } from './visit.service.js';

export const visitWarnings = ['official-untrained', 'another-visit-near'] as const;
const results = ['pass', 'fail', 'not-applicable'] as const;
const handlings = ['on-spot', 'deadline', 'referral'] as const;

/** A whole visit by the sample's catering checklist, with one finding. */
const exampleResults = Array.from({ length: 8 }, (_, index) => ({
  item: `catering-0${index + 1}`,
  result: index === 6 ? 'fail' : 'pass',
}));
/** What Swagger UI starts with: without a position, which nobody would notice and everybody would send. */
const exampleVisit = {
  establishmentId: '01934f5c-7c00-7000-8000-000000000001',
  method: 'on-site',
  visitedAt: '2026-11-23T09:30:00+08:00',
  checklist: 'catering',
  results: exampleResults,
  findings: [
    {
      item: 'catering-07',
      text: '餐具消毒柜未通电',
      handling: 'deadline',
      workingDays: 10,
      demand: '10个工作日内修复消毒柜并留存记录',
    },
  ],
  operator: { answer: 'signed', signedBy: '王某' },
};

export class ItemResult {
  @ApiProperty({ type: String, example: 'catering-01' })
  @Line(60)
  item: string;

  @ApiProperty({ enum: results, example: 'pass' })
  @IsIn(results)
  result: (typeof results)[number];

  @ApiPropertyOptional({ type: String, example: '证照齐全' })
  @IsOptional()
  @Prose(2000)
  note?: string;
}

export class Finding {
  @ApiProperty({
    type: String,
    description: '不合格的检查项 · an item that fails',
    example: 'catering-07',
  })
  @Line(60)
  item: string;

  @ApiProperty({ type: String, example: '餐具消毒柜未通电' })
  @Prose(2000)
  text: string;

  @ApiProperty({
    enum: handlings,
    description:
      'on-spot 当场整改、deadline 限期整改、referral 移交市场监管部门(系统不另行通知,请照常移送;市场监管账号可用 `GET /inspections?handling=referral` 查看) · on-spot: mended on the spot; deadline: to be mended by a day; referral: handed to market supervision: nobody there is told by the system, so hand it over as always; their account finds it by `GET /inspections?handling=referral`',
    example: 'deadline',
  })
  @IsIn(handlings)
  handling: (typeof handlings)[number];

  @ApiPropertyOptional({
    type: Number,
    description:
      '仅限期整改(deadline)使用:工作日数;不填按政策默认,最多见政策 correction-deadline · for `deadline` alone: working days; without it the default of the policy `correction-deadline`, which also says the most',
    minimum: 1,
    maximum: 250,
    example: 10,
  })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(250)
  workingDays?: number;

  @ApiPropertyOptional({
    type: String,
    description: '仅限期整改(deadline)使用:整改要求 · for `deadline` alone: what is asked for',
    example: '10个工作日内修复消毒柜并留存记录',
  })
  @IsOptional()
  @Prose(2000)
  demand?: string;
}

export class Position {
  @ApiProperty({ type: Number, description: '度,WGS84 坐标 · degrees, WGS84', example: 36.7934 })
  @IsNumber()
  @Min(-90)
  @Max(90)
  latitude: number;

  @ApiProperty({ type: Number, description: '度,WGS84 坐标 · degrees, WGS84', example: 116.7581 })
  @IsNumber()
  @Min(-180)
  @Max(180)
  longitude: number;

  @ApiPropertyOptional({ type: Number, example: 12 })
  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(100_000)
  accuracyMetres?: number;
}

export class OperatorAnswer {
  @ApiProperty({
    enum: ['signed', 'refused'],
    description: '经营者签字或拒签 · the operator signed, or refused to',
    example: 'signed',
  })
  @IsIn(['signed', 'refused'])
  answer: 'signed' | 'refused';

  @ApiPropertyOptional({ type: String, description: '签字人 · who signed', example: '王某' })
  @ValidateIf(
    ({ answer, signedBy }: OperatorAnswer) => answer === 'signed' || signedBy !== undefined,
  )
  @Line(100)
  signedBy?: string;

  @ApiPropertyOptional({
    type: String,
    description: '拒签原因 · when refused: why',
    example: '负责人不在现场',
  })
  @ValidateIf(({ answer, reason }: OperatorAnswer) => answer === 'refused' || reason !== undefined)
  @Prose(1000)
  reason?: string;

  @ApiPropertyOptional({
    type: String,
    description:
      '拒签时的见证人,或录像存放处(总局令第49号第34条) · when refused: who saw it, or where the recording is kept (SAMR order 49, art. 34)',
    example: '村委会委员李某',
  })
  @ValidateIf(
    ({ answer, witness }: OperatorAnswer) => answer === 'refused' || witness !== undefined,
  )
  @Line(200)
  witness?: string;
}

export class SubmitInspection {
  @ApiProperty({
    type: String,
    format: 'uuid',
    description:
      '主体编号:本人包保的一个,见 GET /obligations?mine=true · id of the establishment: one that you answer for, see GET /obligations?mine=true',
  })
  @IsUUID()
  establishmentId: string;

  @ApiProperty({ enum: methods, example: 'on-site' })
  @IsIn(methods)
  method: Method;

  @ApiProperty({
    type: String,
    format: 'date-time',
    description:
      '实际督导时间:不晚于现在,不早于 92 天前;可早于登记或包保之日,以便补录纸质记录,由现在的包保干部提交 · when the visit was: not ahead of now, and not more than 92 days ago; it may lie before the establishment was registered or assigned, so that papers can be entered, by who answers for it now',
    example: '2026-11-23T09:30:00+08:00',
  })
  @IsInstant()
  visitedAt: string;

  @ApiPropertyOptional({
    type: String,
    description:
      '检查表代码;不填则用该业态的检查表,有几张的(GET /checklists 的 kinds)按县级优先、版本新者优先、代码字母顺序取第一张 · code of the checklist; without it the one for the kind of business, of several (`kinds` of GET /checklists) the county’s own first, then the newest version, then by the alphabet',
    example: 'catering',
  })
  @IsOptional()
  @Line(60)
  checklist?: string;

  @ApiPropertyOptional({
    type: Number,
    description:
      '所填检查表的版本;不填为最新版 · version of the checklist that was filled; without it, the newest',
    example: 1,
  })
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1_000_000)
  checklistVersion?: number;

  @ApiProperty({
    type: [ItemResult],
    description: '检查表的每一项各填一次 · each item of the checklist once',
    maxItems: 200,
    example: exampleResults,
  })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(200)
  @ValidateNested({ each: true })
  @Type(() => ItemResult)
  results: ItemResult[];

  @ApiProperty({
    type: [Finding],
    description: '每个不合格项至少一条 · at least one for each failing item',
    maxItems: 100,
  })
  @IsArray()
  @ArrayMaxSize(100)
  @ValidateNested({ each: true })
  @Type(() => Finding)
  findings: Finding[];

  @ApiPropertyOptional({
    type: Position,
    description:
      '督导人员的位置,WGS84;只存档,不与主体的位置比对 · where the official was, WGS84: kept, and not compared with where the establishment is',
  })
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => Position)
  position?: Position;

  @ApiProperty({ type: OperatorAnswer, example: { answer: 'signed', signedBy: '王某' } })
  @IsObject()
  @ValidateNested()
  @Type(() => OperatorAnswer)
  operator: OperatorAnswer;
}

class EstablishmentAtVisit {
  @ApiProperty({ type: String, example: '老王饭店' })
  name: string;
  @ApiProperty({ type: String, example: 'catering' })
  kind: Kind;
  @ApiProperty({ type: String, example: 'D' })
  tier: string;
  @ApiProperty({ type: String, nullable: true, example: '表白寺镇中心街12号' })
  address: string | null;
}

class RecordedFinding extends Finding {
  @ApiProperty({ type: Number, example: 1 })
  number: number;
  @ApiProperty({
    type: Boolean,
    description: '是否重点项 · whether the item is a key item',
    example: false,
  })
  key: boolean;
  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  correctiveActionId: string | null;
}

export class Inspection {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;
  @ApiProperty({ type: String, example: '371425101201' })
  division: string;
  @ApiProperty({
    type: Number,
    description:
      '1;撤回后为 2:内容不可更改 · 1, and 2 once it was withdrawn: what was written is not changed',
    example: 1,
  })
  version: number;
  @ApiProperty({ type: String, format: 'uuid' })
  establishmentId: string;
  @ApiProperty({
    type: EstablishmentAtVisit,
    description: '督导时的主体信息 · the establishment as it was at the visit',
  })
  establishment: EstablishmentAtVisit;
  @ApiProperty({ type: String, format: 'uuid' })
  officialId: string;
  @ApiProperty({ type: String, example: '王秀英' })
  officialName: string;
  @ApiProperty({ type: String, example: '村党支部书记' })
  officialPost: string;
  @ApiProperty({ type: String, example: 'village' })
  officialLevel: string;
  @ApiProperty({ enum: methods })
  method: Method;
  @ApiProperty({ type: String, format: 'date-time' })
  visitedAt: Date;
  @ApiProperty({ type: Position, nullable: true })
  position: Position | null;
  @ApiProperty({ type: String, example: 'catering' })
  checklist: string;
  @ApiProperty({ type: Number, example: 1 })
  checklistVersion: number;
  @ApiProperty({ type: [ItemResult] })
  results: ItemResult[];
  @ApiProperty({ type: [RecordedFinding] })
  findings: RecordedFinding[];
  @ApiProperty({ type: OperatorAnswer })
  operator: OperatorAnswer;
  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description:
      '由此次督导完成的任务(GET /obligations);null:没有待完成的任务(当季任务尚未生成或已经完成;此后生成的,由当季最早一次计入的督导完成),或督导方式不计入,见 counts · the obligation (GET /obligations) that this visit settled; null: none was due (the quarter’s obligation is not opened yet, or settled already; one that is opened later is settled by the first visit of its quarter that counts), or the method does not count, see counts',
  })
  obligationId: string | null;
  @ApiProperty({
    type: Boolean,
    description:
      '该督导方式按政策(GET /policies,visit-frequency)是否计入该等级应完成的督导;撤回后为 false。只说明方式:即使为 true,当季没有待完成的任务时 obligationId 仍为 null · whether the policy (GET /policies, visit-frequency) takes this method as the visit that the tier asks for; false once it was withdrawn. It speaks of the method alone: it is true with obligationId null where no obligation of the quarter was due',
    example: true,
  })
  counts: boolean;
  @ApiProperty({
    enum: ['official-untrained'],
    type: String,
    nullable: true,
    description:
      '提交时:督导当日(北京时间)该干部尚未完成岗前培训(以培训举办的日期为准);null:没有提示。其他提示见 warnings · as it was submitted: the official had not been trained by the day of the visit, in Asia/Shanghai, which goes by the day of the session; null: nothing to say. What else there is stands in warnings',
  })
  warning: string | null;
  @ApiProperty({
    enum: visitWarnings,
    isArray: true,
    description:
      '全部提示,供复核,不影响记录:warning 中的一项,以及 another-visit-near(同一干部五分钟内在另一主体另有一次现场督导,以您可见的记录为准;五分钟由本系统自定,没有依据规定) · everything to be looked at; none of it changes what the record counts for: that of warning, and another-visit-near: within five minutes the same official was on site at another establishment, as far as you see both records; the five minutes are ours, no source fixes them',
    example: [],
  })
  warnings: (typeof visitWarnings)[number][];
  @ApiProperty({
    type: String,
    nullable: true,
    description:
      '未完成任何任务时说明原因(见 obligationId、counts);null:已完成一项任务 · where the visit settled no obligation, why (see obligationId and counts); null: it settled one',
    example: null,
  })
  notice: string | null;
  @ApiProperty({
    type: String,
    description: '账号编号 · id of the account',
    example: '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05',
  })
  submittedBy: string;
  @ApiProperty({ type: String, format: 'date-time', description: '服务器时间 · the server’s time' })
  submittedAt: Date;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: '撤回时间;null:有效 · when it was withdrawn; null: it stands',
    example: null,
  })
  withdrawnAt: Date | null;
  @ApiProperty({
    type: String,
    nullable: true,
    description: '撤回人的账号编号 · id of the account that withdrew it',
    example: null,
  })
  withdrawnBy: string | null;
  @ApiProperty({
    type: String,
    nullable: true,
    description: '撤回原因 · why it was withdrawn',
    example: null,
  })
  withdrawalReason: string | null;
}

export class Withdraw {
  @ApiProperty({
    type: String,
    description: '撤回原因 · why it is withdrawn',
    example: '误记到同名的另一家店',
  })
  @Prose(1000)
  reason: string;
}

export class InspectionQuery extends PageQuery {
  @PlaceFilter()
  division?: string;

  @IdFilter('督导该次的包保干部编号 · id of the official who made the visit')
  official?: string;

  @IdFilter()
  establishment?: string;

  @ApiPropertyOptional({
    enum: handlings,
    description:
      '只看有问题按此方式处理的 · those with a finding that is handled so: on-spot, deadline or referral',
  })
  @IsOptional()
  @IsIn(handlings)
  handling?: (typeof handlings)[number];

  @Flag(
    'true:只看已撤回的,false:只看有效的 · true: those that were withdrawn; false: those that stand',
  )
  withdrawn?: 'true' | 'false';

  @DayFilter(
    '督导时间不早于该日(北京时间) · visits of this day or later, by `visitedAt` in Asia/Shanghai',
  )
  from?: string;

  @DayFilter(
    '督导时间不晚于该日(北京时间,含当天) · visits of this day or earlier, by `visitedAt` in Asia/Shanghai',
  )
  to?: string;
}
export class InspectionFilters extends OmitType(InspectionQuery, ['after', 'limit'] as const) {}

class InspectionPage extends PageOf(Inspection) {}

@ApiTags('inspections')
@ApiExtraModels(ItemResult, Finding)
@Controller('inspections')
export class InspectionController {
  constructor(
    private readonly database: Database,
    private readonly visits: VisitService,
  ) {}

  @Post()
  @Roles('official')
  @ApiOperation({
    summary: '提交督导记录 · submit the record of a visit',
    description:
      '由包保该主体的干部提交。所用方式按政策计入的,完成当季任务。请带 `Idempotency-Key`:重发得到第一次的答复。提交后的记录是证据,不能修改或删除:有误的(如记到别家主体),请食安办撤回(`POST /inspections/{id}/withdrawal`)后重新提交;误记的个别整改照常答复、复查、销号,并写明原因。 · By the official who answers for the establishment. It settles the obligation of the visit’s quarter if the policy counts the method. Send an `Idempotency-Key`: a repeat gets the first answer again. A record that was submitted is evidence and is neither changed nor deleted: where it is wrong (entered for another establishment, say), the office withdraws it (`POST /inspections/{id}/withdrawal`), and the right one is submitted. A single action that should not be there is answered, verified and closed as any other, with the reason.',
  })
  @ApiBody({ type: SubmitInspection, examples: { visit: { value: exampleVisit } } })
  @ApiResponse({ status: 201, type: Inspection })
  submit(@Caller() caller: DatabaseCaller, @Body() body: SubmitInspection): Promise<object> {
    return this.database.within(caller, (tx) => this.visits.submit(tx, body));
  }

  @Get()
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查询督导记录,包保干部只见本人的 · visits of your ground; an official sees his own' })
  @ApiResponse({ status: 200, type: InspectionPage })
  page(@Caller() caller: DatabaseCaller, @Query() query: InspectionQuery): Promise<Page<Inspection>> {
    return this.database.within(caller, (tx) => this.visits.page(tx, query));
  }

  @Post(':id/withdrawal')
  @HttpCode(200)
  @Roles('county-admin', 'office')
  @ApiOperation({
    summary: '撤回误记的督导记录 · withdraw a visit that should not have been entered',
    description: '由食安办办理(县级及以上干部的,以及主体已迁出的,由县级办理),须写明原因;包保干部收到消息 `visit-withdrawn`。记录和照片照原样保留,注明撤回的人、时间和原因;它完成的任务重新到期(同季另有计入的督导则由其完成),它提出的整改随之销号(步骤 `withdrawal`;此前已销号的也不再计入整改率)。撤回不能再撤回:请重新提交。 · By the office, with the reason (for officials of the county or above, and where the establishment has moved away, by the county); the official is told (message `visit-withdrawn`). The record and its photos stay as they are, with who withdrew it, when and why. What it settled is due again (or settled by another visit of the quarter that counts), and what it demanded is closed with it (step `withdrawal`; what was closed before leaves the rates of corrections, too). A withdrawal is not taken back: submit the visit anew.',
  })
  @ApiResponse({ status: 200, type: Inspection })
  withdraw(@Caller() caller: DatabaseCaller, @Param('id') id: string, @Body() { reason }: Withdraw): Promise<Inspection> {
    return this.database.within(caller, (tx) => this.visits.withdraw(tx, id, reason));
  }

  @Get(':id')
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查看督导记录 · one visit, as it was filled' })
  @ApiResponse({ status: 200, type: Inspection })
  async one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Inspection> {
    return this.database.within(caller, (tx) => this.visits.one(tx, id));
  }
} // prettier-ignore

@ApiTags('inspections')
@Controller('inspections.xlsx')
export class InspectionSheetController {
  constructor(
    private readonly database: Database,
    private readonly visits: VisitService,
  ) {}

  @Get()
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({
    summary: '导出督导记录,包保干部只有本人的 · export the visits of your ground; an official gets his own',
    description: `XLSX,每次督导一行,时间为北京时间,筛选同 \`GET /inspections\`。${listWords.zh} · XLSX, a row for each visit, times in Asia/Shanghai, with the filters of \`GET /inspections\`. ${listWords.en}`,
  })
  @ApiProduces(workbookType)
  @ApiResponse(workbookResponse)
  async sheet(
    @Caller() caller: DatabaseCaller,
    @Query() query: InspectionFilters,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    sendWorkbook(reply, '督导记录', await visitSheet(this.database, caller, this.visits, query));
  }
} // prettier-ignore
