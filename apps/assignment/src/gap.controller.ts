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
  PlaceFilter,
} from '#platform';
import { Controller, Get, Query } from '@nestjs/common';
import {
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';

const reasons = [
  'no-official-at-level',
  'cap-reached',
  'awaiting-approval',
  'tier-changed',
  'not-proposed',
] as const;

export class Gap {
  @ApiProperty({ type: String, format: 'uuid' })
  establishmentId: string;

  @ApiProperty({ type: String, example: '371425101201' })
  division: string;

  @ApiProperty({ type: String, example: '老王饭店' })
  name: string;

  @ApiProperty({ enum: tiers, example: 'D' })
  tier: string;

  @ApiProperty({
    enum: levels,
    description: '该等级要求的包保干部层级 · the level of official that its tier asks for',
    example: 'village',
  })
  level: string;

  @ApiProperty({
    enum: reasons,
    description:
      '依次为:名单中没有该层级的干部、都已达上限、方案待批准、等级变化后须换层级、尚未生成方案 · in this order: nobody of the level is on the roster; all of them are at the cap; proposed and not approved yet; its tier has changed and asks for another level; not proposed yet',
  })
  reason: (typeof reasons)[number];
}

class GapQuery extends PageQuery {
  @PlaceFilter()
  division?: string;

  @ApiPropertyOptional({ enum: reasons, description: '只看此种原因的缺口 · gaps for this reason' })
  @IsOptional()
  @IsIn(reasons)
  reason?: string;
}

class GapPage extends PageOf(Gap) {}

@ApiTags('gaps')
@Controller('gaps')
export class GapController {
  constructor(private readonly database: Database) {}

  /** Worked out when asked, so that it is never late. */
  @Get()
  @Roles('county-admin', 'office', 'authority', 'auditor')
  @ApiOperation({
    summary: '查询包保缺口 · open establishments without an official of the right level, and why',
    description: '主体关闭(closed)即终止其包保关系,重新营业也不恢复:它会重新列在这里(`not-proposed`),须由新的包保方案(POST /proposals)安排并经批准。迁到另一乡镇(街道)的同样如此。暂停营业(suspended)不终止包保关系,期间不列为缺口。 · Closing an establishment ends its assignment for good, and opening it again does not bring it back: it stands here again (`not-proposed`) until a new proposal (POST /proposals) gives it an official and is approved. So it is with one that moves to another township. One that is suspended keeps its assignment and is no gap meanwhile.',
  })
  @ApiResponse({ status: 200, type: GapPage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: GapQuery): Promise<Page<Gap>> {
    const found = await this.database.within(caller, (tx) =>
      tx.query<Gap>(
        `with due as (
           select p.*, l.level,
             case l.level when 'city' then substr(p.division, 1, 4) when 'county' then substr(p.division, 1, 6) else substr(p.division, 1, 9) end as pool
           from premises p
           join (values ('A', 'city'), ('B', 'county'), ('C', 'township'), ('D', 'village')) as l(tier, level) on l.tier = p.tier
           where p.status = 'open'),
         -- once: before there are statistics the planner would sort it anew for each establishment
         served as materialized (select distinct level, case level when 'village' then substr(division, 1, 9) else division end as pool from official where active),
         gap as (
           select d.establishment_id, d.division, d.name, d.tier, d.level,
             case when s.pool is null then 'no-official-at-level'
                  when a.id is not null then 'tier-changed'
                  when line.state = 'open' and line.serves then 'awaiting-approval'
                  when line.basis = 'cap-reached' then 'cap-reached'
                  else 'not-proposed' end as reason
           from due d
           left join assignment a on a.establishment_id = d.establishment_id and a.ended_at is null
           left join served s on s.level = d.level and s.pool = d.pool
           left join lateral (
             select pl.basis, pr.state, exists (select from official o where o.id = pl.official_id and o.active) as serves
             from proposal_line pl join proposal pr on pr.id = pl.proposal_id
             where pl.establishment_id = d.establishment_id order by pr.proposed_at desc, pl.proposal_id desc limit 1) line on true
           where a.id is null or a.official_level <> d.level)
         select establishment_id as "establishmentId", division, name, tier, level, reason from gap
         where (division, establishment_id) > ($1, $2::uuid) and ($3::text is null or starts_with(division, $3)) and ($4::text is null or reason = $4)
         order by division, establishment_id limit $5`,
        [...afterOf(query), query.division ?? null, query.reason ?? null, query.limit + 1],
      ),
    );
    return pageOf(found, query, ({ establishmentId }) => establishmentId);
  }
} // prettier-ignore
