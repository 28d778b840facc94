import { type Kind, kinds } from '#contracts';
import { type Caller as DatabaseCaller, Database } from '#database';
import { Caller, Roles } from '#platform';
import { Controller, Get, Query } from '@nestjs/common';
import {
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';

class TwoLanguages {
  @ApiProperty({ type: String, example: '餐饮具清洗消毒' })
  zh: string;
  @ApiProperty({ type: String, example: 'Washing and disinfection of tableware' })
  en: string;
}

class ChecklistItem {
  @ApiProperty({ type: String, example: 'catering-07' })
  code: string;
  @ApiProperty({ type: TwoLanguages })
  text: TwoLanguages;
  @ApiProperty({
    type: Boolean,
    description: '是否重点项 · whether it is a key item',
    example: false,
  })
  key: boolean;
  @ApiProperty({ type: String, example: 'SAMR order 49 (2021), art. 20' })
  source: string;
}

class Checklist {
  @ApiProperty({ type: String, example: '371425' })
  division: string;
  @ApiProperty({ type: String, example: 'catering' })
  code: string;
  @ApiProperty({ type: Number, example: 1 })
  version: number;
  @ApiProperty({ type: TwoLanguages })
  name: TwoLanguages;
  @ApiProperty({ enum: kinds, isArray: true, example: ['catering'] })
  kinds: Kind[];
  @ApiProperty({ type: [ChecklistItem] })
  items: ChecklistItem[];
}

class ChecklistList {
  @ApiProperty({ type: [Checklist] })
  items: Checklist[];
  @ApiProperty({
    type: String,
    nullable: true,
    description: '总是 null:数量不多,一次全部返回 · always null: there are few',
    example: null,
  })
  next: null;
}

class ChecklistQuery {
  @ApiPropertyOptional({ enum: kinds })
  @IsOptional()
  @IsIn(kinds)
  kind?: Kind;
}

@ApiTags('checklists')
@Controller('checklists')
export class ChecklistController {
  constructor(private readonly database: Database) {}

  @Get()
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查询检查表及其各版本 · checklists by kind of business, every version' })
  @ApiResponse({ status: 200, type: ChecklistList })
  async list(@Caller() caller: DatabaseCaller, @Query() query: ChecklistQuery): Promise<ChecklistList> {
    return this.database.within(caller, async (tx) => ({
      items: await tx.query<Checklist>(
        `select division, code, version, body->'name' as name, body->'kinds' as kinds, body->'items' as items from checklist
         where $1::text is null or body->'kinds' ? $1 order by code, version`,
        [query.kind ?? null],
      ),
      next: null,
    }));
  }
} // prettier-ignore
