import { type Kind, kinds, type Tier, tiers } from '#contracts';
import { type Caller as DatabaseCaller, Database } from '#database';
import {
  AtLeastOneOf, Form, Caller, type Change, ChangePage, changesOf, IfMatch, Line, type Page, PageOf, PageQuery, Roles, PlaceFilter } from '#platform'; // prettier-ignore
import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiBody, ApiHeader, ApiOperation, ApiProperty, ApiPropertyOptional, ApiResponse, ApiTags, PartialType,
} from '@nestjs/swagger'; // prettier-ignore
import { IsBoolean, IsIn, IsInt, IsNumber, IsOptional, Max, Min } from 'class-validator';
import { Establishment } from './establishment.entity.js';
import { EstablishmentService } from './establishment.service.js';

const statuses = ['open', 'suspended', 'closed'] as const;

export class RegisterEstablishment {
  @ApiProperty({
    type: String,
    description: '村级行政区划代码,12 位 · code of the village, 12 digits',
    example: '371425101201',
  })
  @Form(/^\d{12}$/, '须为 12 位村级行政区划代码 · $property must be a village code of 12 digits')
  division: string;

  @ApiProperty({ type: String, example: '老王饭店', maxLength: 200, pattern: '\\S' })
  @Line(200)
  @Form(/\S/, '不能为空白 · $property must not be blank')
  name: string;

  @ApiPropertyOptional({ type: String, nullable: true, example: '91371425MA3CM4AM88' })
  @IsOptional()
  @Line(40, 0)
  uscc?: string | null;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    description:
      '许可证(登记证)编号;位数或校验位不符的照样登记,请对照证照核对 · number of the licence; one of another length or with a wrong check digit is taken as it is: compare it with the licence',
    example: 'JY13714250000017',
  })
  @IsOptional()
  @Line(40, 0)
  licence?: string | null;

  @ApiProperty({ type: String, example: '表白寺镇中心街12号', maxLength: 300 })
  @Line(300)
  address: string;

  @ApiProperty({ enum: kinds, example: 'catering' })
  @IsIn(kinds)
  kind: Kind;

  @ApiPropertyOptional({
    type: Number,
    nullable: true,
    description: '经营面积,平方米 · area in square metres',
    example: 120,
  })
  @IsOptional()
  @IsNumber({ allowNaN: false, allowInfinity: false })
  @Min(0)
  @Max(10_000_000)
  area?: number | null;

  @ApiPropertyOptional({
    type: Number,
    nullable: true,
    description: '每日供餐人数 · meals a day',
    example: 80,
  })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  diners?: number | null;

  @ApiPropertyOptional({
    type: Boolean,
    description: '大型生产企业 · a producer that is marked large',
    example: false,
  })
  @IsOptional()
  @IsBoolean()
  large?: boolean;

  @ApiPropertyOptional({
    type: Number,
    nullable: true,
    description:
      '度,WGS84 坐标;与 `longitude` 同时填写 · degrees, WGS84; together with `longitude`',
    example: 36.79,
  })
  @IsOptional()
  @IsNumber({ allowNaN: false, allowInfinity: false })
  @Min(-90)
  @Max(90)
  latitude?: number | null;

  @ApiPropertyOptional({
    type: Number,
    nullable: true,
    description: '度,WGS84 坐标;与 `latitude` 同时填写 · degrees, WGS84; together with `latitude`',
    example: 116.76,
  })
  @IsOptional()
  @IsNumber({ allowNaN: false, allowInfinity: false })
  @Min(-180)
  @Max(180)
  longitude?: number | null;
}

@AtLeastOneOf(
  'division', 'name', 'uscc', 'licence', 'address', 'kind', 'area', 'diners', 'large', 'latitude', 'longitude', 'status',
) // prettier-ignore
export class ChangeEstablishment extends PartialType(RegisterEstablishment) {
  @ApiPropertyOptional({
    enum: statuses,
    description:
      'open 营业;suspended 停业(如季节性停业):当季未完成的督导任务撤销,重新营业时恢复(其间已有计入的督导的,由其完成),包保关系不变;closed 关闭:包保关系终止 · open; suspended (for a season, say): its open obligation is withdrawn and comes back when it opens again (settled where a visit that counts was made meanwhile), who answers for it stays; closed: nobody answers for it any more',
    example: 'open',
  })
  @IsOptional()
  @IsIn(statuses)
  status?: Establishment['status'];

  @ApiPropertyOptional({
    type: String,
    description: '原因,只记入变更记录 · why: kept in the change log alone',
    example: '门头换新',
    maxLength: 300,
  })
  @IsOptional()
  @Line(300)
  reason?: string;
}

export class EstablishmentQuery extends PageQuery {
  @PlaceFilter()
  division?: string;

  @ApiPropertyOptional({ enum: tiers })
  @IsOptional()
  @IsIn(tiers)
  tier?: Tier;

  @ApiPropertyOptional({ enum: kinds })
  @IsOptional()
  @IsIn(kinds)
  kind?: Kind;

  @ApiPropertyOptional({
    enum: statuses,
    description:
      '状态:营业、停业、关闭;不填则全部 · open, suspended or closed; all of them without it',
  })
  @IsOptional()
  @IsIn(statuses)
  status?: Establishment['status'];

  @ApiPropertyOptional({
    type: String,
    description:
      '名称或拼音首字母的一部分,如 饭店、lwfd,不分大小写和全半角 · part of the name, or of its pinyin initials: 饭店, lwfd; case and width do not matter',
    example: '饭店',
  })
  @IsOptional()
  @Line(100)
  name?: string;

  @ApiPropertyOptional({
    type: String,
    description: '统一社会信用代码 · unified social credit code',
    example: '91371425MA3CM4AM88',
  })
  @IsOptional()
  @Line(40)
  uscc?: string;
}

class EstablishmentPage extends PageOf(Establishment) {}

@ApiTags('establishments')
@Controller('establishments')
export class EstablishmentController {
  constructor(
    private readonly database: Database,
    private readonly establishments: EstablishmentService,
  ) {}

  @Post()
  @Roles('county-admin', 'office')
  @ApiOperation({
    summary: '登记主体,并确定包保等级 · register an establishment; its tier is decided at once',
    description:
      '按台账导入的规则(见 POST /ledger-imports)已有同一主体且未关闭的,或村、名称和地址都相同而只有一方填了信用代码的,为 409 `already-registered`,并列出该主体。 · 409 `already-registered`, naming the one that is there, where by the rules of a ledger import (POST /ledger-imports) it is an establishment that is not closed, or where village, name and address are the same and one of the two has no credit code.',
  })
  @ApiResponse({ status: 201, type: Establishment })
  async register(
    @Caller() caller: DatabaseCaller,
    @Body() body: RegisterEstablishment,
  ): Promise<Establishment> {
    return this.database.within(caller, (tx) => this.establishments.register(tx, body));
  }

  @Get()
  @ApiOperation({ summary: '查询主体 · list the establishments of your ground' })
  @Roles('county-admin', 'office', 'authority', 'auditor')
  @ApiResponse({ status: 200, type: EstablishmentPage })
  async page(
    @Caller() caller: DatabaseCaller,
    @Query() query: EstablishmentQuery,
  ): Promise<Page<Establishment>> {
    return this.database.within(caller, (tx) => this.establishments.page(tx, query));
  }

  @Get(':id')
  @ApiOperation({
    summary: '查看主体及其等级依据 · one establishment, with the explanation of its tier',
  })
  @Roles('county-admin', 'office', 'authority', 'auditor')
  @ApiResponse({ status: 200, type: Establishment })
  async one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Establishment> {
    return this.database.within(caller, (tx) => this.establishments.one(tx, id));
  }

  @Get(':id/changes')
  @ApiOperation({ summary: '主体变更记录 · who changed which of its fields, when and why' })
  @Roles('county-admin', 'office', 'auditor')
  @ApiResponse({ status: 200, type: ChangePage })
  async changes(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Query() query: PageQuery,
  ): Promise<Page<Change>> {
    return this.database.within(caller, async (tx) => {
      await this.establishments.one(tx, id);
      return changesOf(tx, { ...query, subject: id });
    });
  }

  @Patch(':id')
  @ApiOperation({
    summary: '变更主体,并重新确定包保等级 · change an establishment; its tier is decided anew',
    description:
      '变更后(或重新开业后)与另一家未关闭的主体成为同一主体的,为 409 `already-registered`,规则同登记。 · 409 `already-registered` where the change, or its opening again, would make it the same as another that is not closed, by the rules of registering.',
  })
  @Roles('county-admin', 'office')
  @ApiHeader({
    name: 'If-Match',
    required: true,
  })
  @ApiBody({
    type: ChangeEstablishment,
    // Swagger would show every field, and Execute overwrite them all.
    examples: { area: { value: { area: 130, reason: '重新丈量' } } },
  })
  @ApiResponse({ status: 200, type: Establishment })
  async change(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @IfMatch() version: number,
    @Body() body: ChangeEstablishment,
  ): Promise<Establishment> {
    return this.database.within(caller, (tx) => this.establishments.change(tx, id, version, body));
  }
}
