import { type Level, levels } from '#contracts';
import { type Caller as DatabaseCaller, Database, type Tx } from '#database';
import {
  afterOf,
  Caller,
  IsDivision,
  Line,
  logPersonalRead,
  masked,
  type Page,
  PageOf,
  pageOf,
  PageQuery,
  readingPersonalData,
  Roles,
  oneOf,
} from '#platform';
import { Body, Controller, Get, HttpCode, Param, ParseUUIDPipe, Post, Query } from '@nestjs/common';
import {
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { OfficialService } from './official.service.js';

export class Official {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;

  @ApiProperty({
    type: String,
    description: 'Where the post is: 6 digits a county, 9 a township, 12 a village',
    example: '371425101201',
  })
  division: string;

  @ApiProperty({ type: Number, description: 'Also the ETag', example: 1 })
  version: number;

  @ApiProperty({ enum: levels, example: 'village' })
  level: Level;

  @ApiProperty({ type: String, example: '王秀英' })
  name: string;

  @ApiProperty({ type: String, example: '村党支部书记' })
  post: string;

  @ApiProperty({ type: String, nullable: true, example: '刁家村委会' })
  unit: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    description:
      'Whole for the county and the office, and that they read it is written down; `199****0001` for others',
    example: '19900000001',
  })
  phone: string | null;

  @ApiProperty({ type: Boolean, example: true })
  active: boolean;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When the induction was certified; null: not yet',
  })
  qualifiedAt: Date | null;
}

class OfficialQuery extends PageQuery {
  @ApiPropertyOptional({ type: String, example: '371425101' })
  @IsOptional()
  @IsDivision()
  division?: string;

  @ApiPropertyOptional({ enum: levels })
  @IsOptional()
  @IsIn(levels)
  level?: Level;

  @ApiPropertyOptional({ type: String, description: 'Part of the name', example: '王' })
  @IsOptional()
  @Line(100)
  name?: string;
}

class Departure {
  @ApiProperty({
    type: String,
    description: 'Kept in the change log',
    example: '调往禹城市',
    maxLength: 200,
  })
  @Line(200)
  reason: string;
}

class OfficialPage extends PageOf(Official) {}

const view = `id, division, version, level, name, post, unit, phone, active, qualified_at as "qualifiedAt"`;
// A township may know that the county has officials, and no more: its lists show its own ground.
const mine = `division >= app_lo() and division < app_hi()`;

/** Telephone numbers are for those who dispatch; that they were shown is written down. Everybody else sees them masked. */
const dispatches = ({ role }: DatabaseCaller): boolean =>
  role === 'county-admin' || role === 'office';
const reading = (caller: DatabaseCaller): DatabaseCaller =>
  dispatches(caller) ? readingPersonalData(caller) : caller;

async function shown(tx: Tx, officials: Official[], purpose: string): Promise<Official[]> {
  if (!dispatches(tx.caller)) return officials.map((one) => ({ ...one, phone: masked(one.phone) }));
  const subjects = officials.filter(({ phone }) => phone !== null);
  await logPersonalRead(tx, { noun: 'official', subjects, fields: ['phone'], purpose });
  return officials;
} // prettier-ignore

async function one(tx: Tx, id: string, purpose: string): Promise<Official> {
  const found = await tx.query<Official>(`select ${view} from official where ${mine} and id = $1`, [id]);
  return oneOf(await shown(tx, found, purpose));
} // prettier-ignore

@ApiTags('officials')
@Controller('officials')
export class OfficialController {
  constructor(
    private readonly database: Database,
    private readonly officials: OfficialService,
  ) {}

  @Get()
  @Roles('county-admin', 'office', 'authority', 'auditor')
  @ApiOperation({ summary: '包保干部名单 · officials of your ground' })
  @ApiResponse({ status: 200, type: OfficialPage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: OfficialQuery): Promise<Page<Official>> {
    return this.database.within(reading(caller), async (tx) => {
      const found = await tx.query<Official>(
        `select ${view} from official
         where ${mine} and (division, id) > ($1, $2::uuid)
           and ($3::text is null or starts_with(division, $3)) and ($4::text is null or level = $4)
           and ($5::text is null or strpos(name, $5) > 0)
         order by division, id limit $6`,
        [...afterOf(query), query.division ?? null, query.level ?? null, query.name ?? null, query.limit + 1],
      );
      const { items, next } = pageOf(found, query, ({ id }) => id);
      return { items: await shown(tx, items, 'GET /officials'), next };
    });
  }

  @Get(':id')
  @Roles('county-admin', 'office', 'authority', 'auditor')
  @ApiOperation({ summary: '查看包保干部 · one official' })
  @ApiResponse({ status: 200, type: Official })
  async one(@Caller() caller: DatabaseCaller, @Param('id', ParseUUIDPipe) id: string): Promise<Official> {
    return this.database.within(reading(caller), (tx) => one(tx, id, 'GET /officials/{id}'));
  }

  @Post(':id/departure')
  @HttpCode(200)
  @Roles('county-admin', 'office')
  @ApiOperation({
    summary: '登记离任 · an official leaves his post',
    description:
      'Ends his assignments (they are in GET /gaps until a proposal fills them), his undertaking, his account and what he subscribed to. What he did stays on record. Who moves to another county leaves here and comes on its roster there. A roster that names him again brings him back, without what he had. A repeat gives the same answer.',
  })
  @ApiResponse({ status: 200, type: Official })
  depart(
    @Caller() caller: DatabaseCaller,
    @Param('id', ParseUUIDPipe) id: string,
    @Body() { reason }: Departure,
  ): Promise<Official> {
    return this.database.within(caller, async (tx) => {
      await this.officials.depart(tx, id, reason);
      return one(tx, id, 'POST /officials/{id}/departure');
    });
  }
} // prettier-ignore
