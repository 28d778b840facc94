import { type Caller as DatabaseCaller, Database } from '#database';
import { Form, Caller, Roles } from '#platform';
import { Controller, Get, Query } from '@nestjs/common';
import {
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import { IsOptional } from 'class-validator';

export class DivisionQuery {
  @ApiPropertyOptional({
    type: String,
    description:
      '上级地区代码;不填则从您辖区的最上级开始 · code of the place above; without it, the top of your ground',
    example: '371425101',
  })
  @IsOptional()
  @Form(
    /^(\d{6}|\d{9})$/,
    '须为 6 位县级或 9 位乡镇代码 · $property must be a county or township code of 6 or 9 digits',
  )
  parent?: string;
}

export class Division {
  @ApiProperty({ type: String, example: '371425101' })
  code: string;

  @ApiProperty({ type: String, example: '表白寺镇' })
  name: string;

  @ApiProperty({ enum: ['county', 'township', 'village'] })
  level: string;

  @ApiProperty({ type: String, example: '371425' })
  parent: string;
}

export class DivisionList {
  @ApiProperty({ type: [Division] })
  items: Division[];

  @ApiProperty({
    type: String,
    nullable: true,
    description:
      '总是 null:一级地区最多几百个,一次全部返回 · always null: a level has some hundred divisions at most',
    example: null,
  })
  next: null;
}

@ApiTags('divisions')
@Controller('divisions')
export class DivisionController {
  constructor(private readonly database: Database) {}

  @Get()
  @ApiOperation({ summary: '查询下一级行政区划 · the divisions directly below a place' })
  @Roles('county-admin', 'office', 'official', 'grid-worker', 'authority', 'auditor')
  @ApiResponse({ status: 200, type: DivisionList })
  async list(
    @Caller() caller: DatabaseCaller,
    @Query() query: DivisionQuery,
  ): Promise<DivisionList> {
    return this.database.within(caller, async (tx) => ({
      items: await tx.query<Division>(
        query.parent
          ? `select division as code, name, level, parent from division where parent = $1 order by division`
          : `select division as code, name, level, parent from division where division = $1`,
        [query.parent ?? caller.division],
      ),
      next: null,
    }));
  }
}
