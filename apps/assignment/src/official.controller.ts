import { type Level, levels } from '#contracts';
import { type Caller as DatabaseCaller, Database, type Tx } from '#database';
import {
  afterOf,
  AtLeastOneOf,
  Caller,
  Form,
  IfMatch,
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
  staleVersion,
  PlaceFilter,
} from '#platform';
import { Body, Controller, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiBody,
  ApiHeader,
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { OfficialService, telephone } from './official.service.js';

export class Official {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;

  @ApiProperty({
    type: String,
    description:
      '任职地区:县 6 位、乡镇 9 位、村 12 位 · where the post is: a county 6 digits, a township 9, a village 12',
    example: '371425101201',
  })
  division: string;

  @ApiProperty({
    type: Number,
    description: '版本,也是 ETag · its version, also the ETag',
    example: 1,
  })
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
      '县级和镇街可见完整号码(查阅会留痕),其他人只见 `199****0001` · the county and the office see all of it, and that they did is recorded; others see `199****0001`',
    example: '19900000001',
  })
  phone: string | null;

  @ApiProperty({ type: Boolean, example: true })
  active: boolean;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description:
      '岗前培训合格的时间;null 表示尚未培训 · when the induction was certified; null: not yet',
  })
  qualifiedAt: Date | null;
}

class OfficialQuery extends PageQuery {
  @PlaceFilter()
  division?: string;

  @ApiPropertyOptional({ enum: levels })
  @IsOptional()
  @IsIn(levels)
  level?: Level;

  @ApiPropertyOptional({
    type: String,
    description: '姓名的一部分 · part of the name',
    example: '王',
  })
  @IsOptional()
  @Line(100)
  name?: string;
}

class Departure {
  @ApiProperty({
    type: String,
    description: '原因,记入变更记录 · why: kept in the change log',
    example: '调往禹城市',
    maxLength: 200,
  })
  @Line(200)
  reason: string;
}

@AtLeastOneOf('name', 'post', 'phone')
class ChangeOfficial {
  @ApiPropertyOptional({
    type: String,
    description:
      '首尾及汉字之间的空格会去掉 · spaces around it, and between Chinese characters, are dropped',
    example: '王秀英',
    maxLength: 100,
    pattern: '\\S',
  })
  @IsOptional()
  @Line(100)
  @Form(/\S/, '不能为空白 · $property must not be blank')
  name?: string;

  @ApiPropertyOptional({ type: String, example: '村委会主任', maxLength: 100, pattern: '\\S' })
  @IsOptional()
  @Line(100)
  @Form(/\S/, '不能为空白 · $property must not be blank')
  post?: string;

  @ApiPropertyOptional({
    type: String,
    nullable: true,
    description:
      '手机号 11 位,座机连同区号,不含空格和横线;null 为删去 · a mobile number has 11 digits, a landline comes with its area code, without spaces and dashes; null takes it away',
    example: '19900000001',
  })
  @IsOptional()
  @Form(telephone, '须为 7 至 15 位电话号码,手机号 11 位 · $property must be a number of 7 to 15 digits; a mobile number has 11')
  phone?: string | null;

  @ApiPropertyOptional({
    type: String,
    description: '原因,记入变更记录 · why: kept in the change log',
    example: '姓名有误',
    maxLength: 200,
  })
  @IsOptional()
  @Line(200)
  reason?: string;
} // prettier-ignore

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

const found = async (tx: Tx, id: string): Promise<Official> =>
  oneOf(await tx.query<Official>(`select ${view} from official where ${mine} and id = $1`, [id]));

const one = async (tx: Tx, id: string, purpose: string): Promise<Official> =>
  oneOf(await shown(tx, [await found(tx, id)], purpose));

@ApiTags('officials')
@Controller('officials')
export class OfficialController {
  constructor(
    private readonly database: Database,
    private readonly officials: OfficialService,
  ) {}

  @Get()
  @Roles('county-admin', 'office', 'authority', 'auditor')
  @ApiOperation({ summary: '查询包保干部 · list the officials of your ground' })
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
  async one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Official> {
    return this.database.within(reading(caller), (tx) => one(tx, id, 'GET /officials/{id}'));
  }

  @Patch(':id')
  @Roles('county-admin', 'office')
  @ApiOperation({
    summary: '更正姓名、职务或联系电话 · correct the name, post or telephone of an official',
    description:
      '层级和行政区划代码不能在此更改:请登记离任(POST /officials/{id}/departure),再按新职务导入名单。账号、包保关系不变;尚未签署的承诺书按新的姓名、职务重新生成,已签署的承诺书以及此前的包保关系、督导任务、培训证书保留当时的姓名和职务。更正后请一并更正名单文件:仍是旧写法的行会另建一位干部(提示 `name-known`)。层级、地区、职务、姓名均相同的另有一位在任,或该干部已离任,为 409 `wrong-state`。 · Level and division are not changed here: record the departure (POST /officials/{id}/departure), then import the new post. Account and assignments stay. An undertaking that is not signed yet is made anew with the new name and post; one that is signed, and assignments, visits due and certificates from before, keep those of then. Correct the file of the roster, too: a row that still has the old words makes another official (`name-known` warns of it). 409 `wrong-state` where another of the same level, division, post and name serves, or where this official has left.',
  })
  @ApiHeader({ name: 'If-Match', required: true })
  @ApiBody({
    type: ChangeOfficial,
    // Swagger would show every field, and Execute overwrite them all.
    examples: { post: { value: { post: '村委会主任', reason: '换届' } } },
  })
  @ApiResponse({ status: 200, type: Official })
  change(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @IfMatch() version: number,
    @Body() { reason, ...given }: ChangeOfficial,
  ): Promise<Official> {
    return this.database.within(caller, async (tx) => {
      if (await this.officials.correct(tx, id, version, given, reason ?? null)) return one(tx, id, 'PATCH /officials/{id}');
      const current = await found(tx, id);
      current.phone = masked(current.phone); // a refusal undoes the note of who read the number
      throw staleVersion(current);
    });
  }

  @Post(':id/departure')
  @HttpCode(200)
  @Roles('county-admin', 'office')
  @ApiOperation({
    summary: '登记离任 · record that an official leaves his post',
    description:
      '其包保关系(重新安排前列入 GET /gaps)、承诺书、账号和订阅随之终止,履职记录保留。调往外县的在此登记离任,由外县列入名单。再次列入名单的恢复为包保干部,但不恢复原有的包保关系。重复提交得到同样的答复。 · It ends his assignments (GET /gaps lists them until a proposal fills them), his undertaking, his account and his subscriptions. What he did stays on record. Who moves to another county leaves here and comes on the roster there. A roster that names him again brings him back, without what he had. A repeat gives the same answer.',
  })
  @ApiResponse({ status: 200, type: Official })
  depart(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Body() { reason }: Departure,
  ): Promise<Official> {
    return this.database.within(caller, async (tx) => {
      await this.officials.depart(tx, id, reason);
      return one(tx, id, 'POST /officials/{id}/departure');
    });
  }
} // prettier-ignore
