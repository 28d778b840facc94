import { levels } from '#contracts';
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
  Flag,
  IdFilter,
  PlaceFilter,
} from '#platform';
import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiResponse, ApiTags } from '@nestjs/swagger';

export class Certificate {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;
  @ApiProperty({ type: String, example: '371425101201' })
  division: string;
  @ApiProperty({ type: Number, example: 1 })
  version: number;
  @ApiProperty({ type: String, example: 'PX-371425-9F3A21C4B7D0' })
  number: string;
  @ApiProperty({ type: String, format: 'uuid' })
  officialId: string;
  @ApiProperty({ type: String, example: '王秀英' })
  officialName: string;
  @ApiProperty({ type: String, example: 'official-induction' })
  requirement: string;
  @ApiProperty({
    type: Number,
    description: '所达到的培训要求的版本 · version of the requirement that it meets',
    example: 1,
  })
  requirementVersion: number;
  @ApiProperty({ type: String, format: 'uuid' })
  sessionId: string;
  @ApiProperty({ type: String, format: 'date-time' })
  issuedAt: Date;
}

class CertificateQuery extends PageQuery {
  @IdFilter()
  official?: string;
}

export class Trainee {
  @ApiProperty({ type: String, format: 'uuid' })
  officialId: string;
  @ApiProperty({ type: String, example: '371425101201' })
  division: string;
  @ApiProperty({ enum: levels, example: 'village' })
  level: string;
  @ApiProperty({ type: String, example: '王秀英' })
  name: string;
  @ApiProperty({ type: String, example: '村党支部书记' })
  post: string;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description:
      '岗前培训合格的时间;null 表示尚未培训 · when the induction was certified; null: not yet',
  })
  qualifiedAt: Date | null;
}

class TraineeQuery extends PageQuery {
  @Flag(
    'true:已完成岗前培训的,false:尚未完成的 · true: those with the induction; false: those without',
  )
  qualified?: 'true' | 'false';

  @PlaceFilter()
  division?: string;
}

class CertificatePage extends PageOf(Certificate) {}
class TraineePage extends PageOf(Trainee) {}

const view = `id, division, version, number, official_id as "officialId", official_name as "officialName", requirement,
  requirement_version as "requirementVersion", session_id as "sessionId", issued_at as "issuedAt"`;

@ApiTags('certificates')
@Controller('certificates')
export class CertificateController {
  constructor(private readonly database: Database) {}

  @Get()
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({
    summary: '查询培训证书,包保干部只见本人的 · certificates; an official sees his own',
  })
  @ApiResponse({ status: 200, type: CertificatePage })
  async page(
    @Caller() caller: DatabaseCaller,
    @Query() query: CertificateQuery,
  ): Promise<Page<Certificate>> {
    const found = await this.database.within(caller, (tx) =>
      tx.query<Certificate>(
        `select ${view} from certificate where (division, id) > ($1, $2::uuid) and ($3::uuid is null or official_id = $3) order by division, id limit $4`,
        [...afterOf(query), query.official ?? null, query.limit + 1],
      ),
    );
    return pageOf(found, query, ({ id }) => id);
  }

  @Get(':id')
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查看证书 · one certificate' })
  @ApiResponse({ status: 200, type: Certificate })
  async one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Certificate> {
    return oneOf(
      await this.database.within(caller, (tx) =>
        tx.query<Certificate>(`select ${view} from certificate where id = $1`, [id]),
      ),
    );
  }
}

@ApiTags('officials')
@Controller('officials')
export class TraineeController {
  constructor(private readonly database: Database) {}

  @Get()
  @Roles('county-admin', 'office', 'official', 'auditor')
  @ApiOperation({ summary: '查询培训对象 · the officials, and who still lacks the induction' })
  @ApiResponse({ status: 200, type: TraineePage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: TraineeQuery): Promise<Page<Trainee>> {
    const found = await this.database.within(caller, (tx) =>
      tx.query<Trainee>(
        `select o.official_id as "officialId", o.division, o.level, o.name, o.post, c.issued_at as "qualifiedAt"
         from official o left join certificate c on c.official_id = o.official_id and c.requirement = 'official-induction'
         where o.active and (o.division, o.official_id) > ($1, $2::uuid) and ($3::boolean is null or (c.id is not null) = $3)
           and ($4::text is null or starts_with(o.division, $4))
         order by o.division, o.official_id limit $5`,
        [...afterOf(query), query.qualified === undefined ? null : query.qualified === 'true', query.division ?? null, query.limit + 1],
      ),
    );
    return pageOf(found, query, ({ officialId }) => officialId);
  }
} // prettier-ignore
