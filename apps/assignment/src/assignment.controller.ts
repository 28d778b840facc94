import { levels, tiers } from '#contracts';
import { type Caller as DatabaseCaller, Database } from '#database';
import {
  afterOf,
  Caller,
  type Page,
  PageOf,
  pageOf,
  PageQuery,
  Roles,
  oneOf,
  IdFilter,
} from '#platform';
import { Controller, Get, Param, Query } from '@nestjs/common';
import {
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';

export class Assignment {
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
  @ApiProperty({ type: String, format: 'uuid' })
  establishmentId: string;
  @ApiProperty({
    type: String,
    description:
      '现在的名称;已结束的为建立时的名称 · its name now; of one that ended, the name when it was made',
    example: '老王饭店',
  })
  establishmentName: string;
  @ApiProperty({ enum: tiers, example: 'D' })
  tier: string;
  @ApiProperty({ type: String, format: 'uuid' })
  officialId: string;
  @ApiProperty({ type: String, example: '王秀英' })
  officialName: string;
  @ApiProperty({ type: String, example: '村党支部书记' })
  officialPost: string;
  @ApiProperty({ enum: levels, example: 'village' })
  officialLevel: string;
  @ApiProperty({
    enum: ['official-untrained'],
    nullable: true,
    type: String,
    description:
      '建立时的提示:`official-untrained` 包保干部尚未培训 · a warning from when it was made: `official-untrained`, the official had not been trained',
  })
  warning: string | null;
  @ApiProperty({ type: String, format: 'date-time' })
  madeAt: Date;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: '终止时间;null 表示现行 · when it ended; null: in force',
    example: null,
  })
  endedAt: Date | null;
  @ApiProperty({
    enum: ['reassigned', 'establishment-closed', 'establishment-moved', 'official-left'],
    nullable: true,
    type: String,
  })
  endReason: string | null;
}

class AssignmentQuery extends PageQuery {
  @IdFilter()
  official?: string;

  @IdFilter()
  establishment?: string;

  @ApiPropertyOptional({
    enum: ['current', 'ended', 'all'],
    default: 'current',
    description: '现行的、已终止的,或全部 · in force, ended, or all',
  })
  @IsOptional()
  @IsIn(['current', 'ended', 'all'])
  state: 'current' | 'ended' | 'all' = 'current';
}

class AssignmentPage extends PageOf(Assignment) {}

const view = `id, division, version, establishment_id as "establishmentId",
  coalesce((select p.name from premises p where p.establishment_id = assignment.establishment_id and assignment.ended_at is null), establishment_name) as "establishmentName", tier,
  official_id as "officialId", official_name as "officialName", official_post as "officialPost", official_level as "officialLevel",
  warning, made_at as "madeAt", ended_at as "endedAt", end_reason as "endReason"`;

@ApiTags('assignments')
@Controller('assignments')
export class AssignmentController {
  constructor(private readonly database: Database) {}

  @Get()
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查询包保关系,包保干部只见本人的 · who answers for which establishment; an official sees his own' })
  @ApiResponse({ status: 200, type: AssignmentPage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: AssignmentQuery): Promise<Page<Assignment>> {
    const found = await this.database.within(caller, (tx) =>
      tx.query<Assignment>(
        `select ${view} from assignment
         where (division, id) > ($1, $2::uuid) and ($3::uuid is null or official_id = $3) and ($4::uuid is null or establishment_id = $4)
           and ($5 = 'all' or (ended_at is null) = ($5 = 'current'))
         order by division, id limit $6`,
        [...afterOf(query), query.official ?? null, query.establishment ?? null, query.state, query.limit + 1],
      ),
    );
    return pageOf(found, query, ({ id }) => id);
  }

  @Get(':id')
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查看包保关系 · one assignment' })
  @ApiResponse({ status: 200, type: Assignment })
  async one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Assignment> {
    return oneOf(await this.database.within(caller, (tx) =>
      tx.query<Assignment>(`select ${view} from assignment where id = $1`, [id]),
    ));
  }
} // prettier-ignore
