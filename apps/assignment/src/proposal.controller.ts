import { tiers } from '#contracts';
import { type Caller as DatabaseCaller, Database } from '#database';
import {
  Form,
  afterOf,
  Line,
  Arrivals,
  Caller,
  type Page,
  PageOf,
  pageOf,
  PageQuery,
  Roles,
  newest,
  NewestPageOf,
  NewestQuery,
  Flag,
} from '#platform';
import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  ApiBody,
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsOptional,
  IsUUID,
  ValidateNested,
} from 'class-validator';
import {
  AssignmentService,
  type Chosen,
  type ProposalCounts as Counts,
  proposalStates,
  proposalView,
} from './assignment.service.js';

class Choice implements Chosen {
  @ApiProperty({ type: String, format: 'uuid' })
  @IsUUID()
  establishment: string;

  @ApiProperty({ type: String, format: 'uuid' })
  @IsUUID()
  official: string;
}

export class MakeProposal {
  @ApiProperty({
    type: String,
    description: '县或乡镇:6 或 9 位代码 · a county or a township: 6 or 9 digits',
    example: '371425',
  })
  @Form(
    /^(\d{6}|\d{9})$/,
    '须为 6 位县级或 9 位乡镇代码 · $property must be a county or township code of 6 or 9 digits',
  )
  division: string;

  @ApiPropertyOptional({
    type: [Choice],
    description:
      '指定由谁包保哪些主体;其余已有合适包保干部的保持不变,没有的按规则安排 · who is to answer for which establishment; the others keep a fitting official they have, and those without one get one by the rules',
  })
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(200)
  @ValidateNested({ each: true })
  @Type(() => Choice)
  choices?: Choice[];
}

class ProposalCounts implements Counts {
  @ApiProperty({ type: Number, example: 3787 })
  establishments: number;
  @ApiProperty({
    type: Number,
    description: '其中已安排包保干部的 · those among them with an official',
    example: 3787,
  })
  assigned: number;
  @ApiProperty({
    type: Number,
    description: '其中包保干部不变的 · among these: the official stays the same',
    example: 0,
  })
  kept: number;
  @ApiProperty({
    type: Number,
    description: '其中更换包保干部的 · among these: the official changes',
    example: 0,
  })
  moved: number;
  @ApiProperty({ type: Number, example: 0 })
  noOfficialAtLevel: number;
  @ApiProperty({ type: Number, example: 0 })
  capReached: number;
  @ApiProperty({
    type: Number,
    description: '其中包保干部尚未完成岗前培训的 · those whose official has not been trained yet',
    example: 3787,
  })
  untrained: number;
  @ApiProperty({
    type: Number,
    description:
      '批准时情况已变、未予安排的(assigned 中的一部分) · left out at the approval, because they had changed meanwhile: a part of `assigned`',
    example: 0,
  })
  skipped: number;
}

export class Proposal {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;
  @ApiProperty({ type: String, example: '371425' })
  division: string;
  @ApiProperty({
    type: Number,
    description: '版本,也是 ETag · its version, also the ETag',
    example: 1,
  })
  version: number;
  @ApiProperty({
    enum: proposalStates,
    description:
      'open 待批准、approved 已批准、rejected 已退回、overtaken 此后该辖区另有方案批准,不再适用 · open, approved, rejected, or overtaken: another was approved for its ground since',
    example: 'open',
  })
  state: (typeof proposalStates)[number];
  @ApiProperty({ type: ProposalCounts })
  counts: Counts;
  @ApiProperty({
    type: String,
    description: '账号编号 · id of the account',
    example: '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05',
  })
  proposedBy: string;
  @ApiProperty({ type: String, format: 'date-time' })
  proposedAt: Date;
  @ApiProperty({
    type: String,
    nullable: true,
    description: '账号编号,不会是方案的提出人 · id of the account; never the one that proposed',
    example: null,
  })
  approvedBy: string | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  approvedAt: Date | null;
  @ApiProperty({
    type: String,
    nullable: true,
    description: '退回人账号编号 · id of the account that rejected it',
    example: null,
  })
  rejectedBy: string | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  rejectedAt: Date | null;
  @ApiProperty({
    type: String,
    nullable: true,
    description: '退回原因 · why it was rejected',
    example: null,
  })
  reason: string | null;
  @ApiProperty({
    type: Boolean,
    nullable: true,
    description:
      '仍有主体或名册资料在同步途中,方案可能不全,稍后请重新生成;null 表示消息服务无响应,无法判断 · establishments or officials were still arriving here when it was made, so some may be missing: propose again in a moment; null: the message service does not answer, so nobody knows',
    example: false,
  })
  catchingUp: boolean | null;
}

export class ProposalLine {
  @ApiProperty({ type: String, format: 'uuid' })
  establishmentId: string;
  @ApiProperty({ type: String, example: '371425101201' })
  division: string;
  @ApiProperty({ type: String, example: '老王饭店' })
  establishmentName: string;
  @ApiProperty({ enum: tiers, example: 'D' })
  tier: string;
  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  officialId: string | null;
  @ApiProperty({ type: String, nullable: true, example: '王秀英' })
  officialName: string | null;
  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description:
      '现在的包保干部,批准后由 officialId 取代;null 表示现在无人包保 · the official who answers now, whom officialId replaces upon approval; null: nobody does',
  })
  currentOfficialId: string | null;
  @ApiProperty({ type: String, nullable: true, example: '李志强' })
  currentOfficialName: string | null;
  @ApiProperty({
    enum: [
      'chosen',
      'kept',
      'own-village',
      'neighbour',
      'spread',
      'no-official-at-level',
      'cap-reached',
    ],
    example: 'own-village',
  })
  basis: string;
  @ApiProperty({ enum: ['official-untrained'], nullable: true, type: String })
  warning: string | null;
}

export class RejectProposal {
  @ApiProperty({ type: String, description: '退回原因 · why', example: '李某出差,请另行安排' })
  @Line(300)
  reason: string;
}

class ProposalPage extends NewestPageOf(Proposal) {}
class LinePage extends PageOf(ProposalLine) {}

class LineQuery extends PageQuery {
  @Flag('true:只看包保干部与现在不同的 · true: those whose official is not the one who answers now')
  changed?: 'true' | 'false';
}

@ApiTags('proposals')
@Controller('proposals')
export class ProposalController {
  constructor(
    private readonly database: Database,
    private readonly assignments: AssignmentService,
    private readonly arrivals: Arrivals,
  ) {}

  @Post()
  @Roles('county-admin', 'office')
  @ApiOperation({
    summary: '生成包保方案 · propose who answers for what',
    description:
      '不带 `choices`:D 级由本村干部包保,本村不足则由本镇邻村的包保;C 级在乡镇领导中分摊,B 级在县级领导中分摊,均不超过上限(`GET /policies`)。镇街只生成本镇 C、D 级的方案。带 `choices`:按所指定的安排(不限本村,但须符合层级、地区和上限,否则为 422 `choices-refused`,逐项指明),批准后即取代原来的包保干部;其余已有合适包保干部的不变,没有的按上述规则安排。以后不带 `choices` 的方案按规则重排,可能改动指定的安排。导入或撤销导入后,主体逐个同步到此,其间 `catchingUp` 为 true,同步完成后请重新生成。 · Without `choices`: D goes to the official of its own village, else to a neighbouring one of the township; C is spread among the township’s leaders, B among the county’s, all within the cap (`GET /policies`). An office proposes C and D of its township. With `choices`: these as they are chosen (from another village, too; level, place and cap have to fit, else 422 `choices-refused` names each), replacing upon approval whoever answers now; the others keep a fitting official they have, and those without one get one by the rules above. A later proposal without `choices` goes by the rules again and may move what was chosen. After an import or its undo the establishments arrive here one by one; while they do, `catchingUp` is true: propose again when it is over.',
  })
  @ApiBody({
    type: MakeProposal,
    // Swagger would show the choice of ids that are nobody's.
    examples: {
      rules: { value: { division: '371425' } },
      chosen: { value: { division: '371425101', choices: [{ establishment: '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05', official: '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f06' }] } },
    },
  })
  @ApiResponse({ status: 201, type: Proposal })
  async make(@Caller() caller: DatabaseCaller, @Body() body: MakeProposal): Promise<Proposal> {
    const catchingUp = await this.arrivals.underWay(); // before: what arrives meanwhile is counted, or told of
    return this.database.within(caller, (tx) => this.assignments.propose(tx, body.division, catchingUp, body.choices));
  }

  @Get()
  @Roles('county-admin', 'office', 'auditor')
  @ApiOperation({ summary: '查询包保方案,最新的在前 · proposals of your ground, the newest first' })
  @ApiResponse({ status: 200, type: ProposalPage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: NewestQuery): Promise<Page<Proposal>> {
    const page = newest('proposed_at', query);
    const found = await this.database.within(caller, (tx) =>
      tx.query<Proposal & { micros: string }>(
        `select ${proposalView}, ${page.micros} from proposal where ${page.older} ${page.order} limit $3`,
        [...page.from, query.limit + 1],
      ),
    );
    return page.of(found);
  }

  @Get(':id')
  @Roles('county-admin', 'office', 'auditor')
  @ApiOperation({ summary: '查看包保方案 · one proposal and its counts' })
  @ApiResponse({ status: 200, type: Proposal })
  one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Proposal> {
    return this.database.within(caller, (tx) => this.assignments.one(tx, id));
  }

  @Get(':id/lines')
  @Roles('county-admin', 'office', 'auditor')
  @ApiOperation({
    summary: '查看方案明细:每户的包保干部、现在的包保干部和依据 · the lines of a proposal: each establishment, its official, who answers now, and why this one',
    description: '批准前请看 `changed=true`:只列变动的。 · Look at `changed=true` before approving: what changes, alone.',
  })
  @ApiResponse({ status: 200, type: LinePage })
  async lines(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Query() query: LineQuery,
  ): Promise<Page<ProposalLine>> {
    const found = await this.database.within(caller, async (tx) => {
      await this.assignments.one(tx, id);
      return tx.query<ProposalLine>(
        `select l.establishment_id as "establishmentId", l.division, coalesce(p.name, '') as "establishmentName", l.tier,
                l.official_id as "officialId", l.official_name as "officialName", a.official_id as "currentOfficialId",
                a.official_name as "currentOfficialName", l.basis, l.warning
         from proposal_line l left join premises p on p.establishment_id = l.establishment_id
           left join assignment a on a.establishment_id = l.establishment_id and a.ended_at is null
         where l.proposal_id = $1 and (l.division, l.establishment_id) > ($2, $3::uuid)
           and ($5::boolean is null or (a.official_id is distinct from l.official_id) = $5)
         order by l.division, l.establishment_id limit $4`,
        [id, ...afterOf(query), query.limit + 1, query.changed === undefined ? null : query.changed === 'true'],
      );
    });
    return pageOf(found, query, ({ establishmentId }) => establishmentId);
  }

  @Post(':id/approval')
  @HttpCode(200)
  @Roles('county-admin')
  @ApiOperation({
    summary: '批准包保方案,使其生效 · approve a proposal and put it into force',
    description: '不能批准自己生成的方案:403 `own-act`。 · Nobody approves a proposal of his own: 403 `own-act`.',
  })
  @ApiResponse({ status: 200, type: Proposal })
  approve(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
  ): Promise<Proposal> {
    return this.database.within(caller, (tx) => this.assignments.approve(tx, id));
  }

  @Post(':id/rejection')
  @HttpCode(200)
  @Roles('county-admin')
  @ApiOperation({
    summary: '退回包保方案,注明原因 · reject a proposal, with the reason',
    description: '自己生成的也可退回。乡镇不另收消息:在 `GET /proposals` 中看到原因。 · One’s own, too. The office gets no message: it reads the reason in `GET /proposals`.',
  })
  @ApiResponse({ status: 200, type: Proposal })
  reject(@Caller() caller: DatabaseCaller, @Param('id') id: string, @Body() body: RejectProposal): Promise<Proposal> {
    return this.database.within(caller, (tx) => this.assignments.reject(tx, id, body.reason));
  }
} // prettier-ignore
