import { type Caller as DatabaseCaller, Database, type Scope, scopeOf, type Tx } from '#database';
import { workbookType } from '#sheet';
import { Get, Injectable, Param, Query, Res } from '@nestjs/common';
import {
  ApiOperation, ApiParam, ApiProduces, ApiProperty, ApiPropertyOptional, ApiResponse, ApiTags,
} from '@nestjs/swagger'; // prettier-ignore
import { IsIn, IsOptional } from 'class-validator';
import { type FastifyReply } from 'fastify';
import { Arrivals } from './arrivals.js';
import { Caller, type Role, Roles } from './auth.js';
import { type Column, inShanghai, listWorkbook, sendWorkbook, workbookResponse } from './download.js'; // prettier-ignore
import { Form, afterOf, IsDivision, type Page, PageOf, pageOf, PageQuery } from './fields.js';
import { DomainError } from './problem.js';

class IndicatorWords {
  @ApiProperty({ type: String, example: '包保关系落实率' })
  zh: string;
  @ApiProperty({ type: String, example: 'Establishments with a responsible official' })
  en: string;
}

/** The rows that indicators count, one a thing. SQL of the service's own; `$period`, `$from` and `$to` are the quarter asked for. */
export interface Counted {
  readonly from: string;
  readonly id: string;
  readonly division: string;
  /** What a person knows it by, and what tells it from its like. */
  readonly name: string;
  readonly detail: string;
  readonly where: string;
}

/**
 * A number that a county is scored on, as a constant. The rows and the condition below serve both the count and the list
 * that the count opens, so that these cannot differ. What it means never changes under a version.
 */
export interface Indicator {
  readonly code: string;
  readonly version: number;
  readonly title: IndicatorWords;
  readonly denominator: IndicatorWords;
  readonly numerator: IndicatorWords;
  /** What is left out of both, and what is not known. */
  readonly exclusions: IndicatorWords;
  readonly of: Counted;
  /** Which of the rows the numerator counts; unknown is no. */
  readonly counts: string;
}

/** The quarters of a service whose indicators look at one. */
export interface Periods {
  periodOf(instant: Date): string;
  daysOf(period: string): { from: string; to: string };
}

class IndicatorRowAddresses {
  @ApiProperty({ type: String, description: '分子的明细:对本系统地址 GET 此路径,带上同一令牌 · rows of the numerator: GET this path of the installation with the same token (GET /indicators/{code}/rows with part=numerator)', example: '/api/assignment/v1/indicators/assignment-rate/rows?division=371425101&part=numerator' })
  numerator: string;
  @ApiProperty({ type: String, description: '分母的明细:对本系统地址 GET 此路径,带上同一令牌 · rows of the denominator: GET this path of the installation with the same token (GET /indicators/{code}/rows with part=denominator)', example: '/api/assignment/v1/indicators/assignment-rate/rows?division=371425101&part=denominator' })
  denominator: string;
} // prettier-ignore

export class IndicatorNumber {
  @ApiProperty({ type: String, example: 'assignment-rate' })
  code: string;
  @ApiProperty({ type: Number, description: '口径的版本 · version of the definition', example: 1 })
  version: number;
  @ApiProperty({ type: IndicatorWords })
  title: IndicatorWords;
  @ApiProperty({ type: String, example: '371425101' })
  division: string;
  @ApiProperty({ type: String, nullable: true, description: '地区名称;不在您辖区,或区划尚未同步到本服务的,为 null · what the place is called; null where it is not of your ground, or has not come to this service yet', example: '表白寺镇' })
  name: string | null;
  @ApiProperty({ type: String, nullable: true, description: '季度;null 表示截至现在 · the calendar quarter; null: as it stands now', example: null })
  period: string | null;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-23T01:00:00.000Z' })
  asOf: Date;
  @ApiProperty({ type: Number, example: 118 })
  numerator: number;
  @ApiProperty({ type: Number, example: 120 })
  denominator: number;
  @ApiProperty({ type: Number, nullable: true, description: '分子 ÷ 分母,未取整;分母为 0 则为 null · numerator / denominator, not rounded; null where the denominator is 0', example: 0.9833333333333333 })
  value: number | null;
  @ApiProperty({ type: IndicatorRowAddresses, description: '各数字的明细地址:GET /indicators/{code}/rows,带上这里的 division、period 和 part(numerator 或 denominator) · where the rows behind each number are: call GET /indicators/{code}/rows with this code, the division and period given here, and part=numerator or part=denominator' })
  rows: IndicatorRowAddresses;
} // prettier-ignore

class IndicatorNumbers {
  @ApiProperty({ type: [IndicatorNumber] })
  items: IndicatorNumber[];
  @ApiProperty({ type: String, nullable: true, description: '总是 null:一次全部返回 · always null: all of them are here', example: null })
  next: null;
  @ApiProperty({ type: Boolean, nullable: true, description: '其他服务的资料仍在同步途中,数字可能还会变化,稍后请重新查询;null 表示消息服务无响应,无法判断 · facts of other services are still arriving here, so the numbers may still move: ask again in a moment; null: the message service does not answer, so nobody knows', example: false })
  catchingUp: boolean | null;
} // prettier-ignore

class IndicatorDefinition {
  @ApiProperty({ type: String, example: 'assignment-rate' })
  code: string;
  @ApiProperty({ type: Number, description: '版本,也是 ETag · its version, also the ETag', example: 1 })
  version: number;
  @ApiProperty({ type: IndicatorWords })
  title: IndicatorWords;
  @ApiProperty({ type: IndicatorWords })
  denominator: IndicatorWords;
  @ApiProperty({ type: IndicatorWords })
  numerator: IndicatorWords;
  @ApiProperty({ type: IndicatorWords })
  exclusions: IndicatorWords;
  @ApiProperty({ enum: ['sample'], description: '`sample`:本系统自拟,主管部门的公式尚不掌握 · `sample`: our own, for the formulas of the authorities are not known', example: 'sample' })
  source: 'sample';
} // prettier-ignore

class IndicatorRow {
  @ApiProperty({ type: String, format: 'uuid', example: '0199f0a2-0000-7000-8000-000000000001' })
  id: string;
  @ApiProperty({ type: String, example: '371425101201' })
  division: string;
  @ApiProperty({ type: String, description: '名称 · the name that people know it by', example: '老王饭店' })
  name: string;
  @ApiProperty({ type: String, nullable: true, description: '用以区分同名者,如法人或地址 · what tells it from others of its name', example: '王秀英' })
  detail: string | null;
  @ApiProperty({ type: Boolean, description: '是否计入分子 · whether the numerator counts it', example: true })
  inNumerator: boolean;
} // prettier-ignore
class IndicatorRowPage extends PageOf(IndicatorRow) {}

const IsPeriod = (): PropertyDecorator =>
  Form(
    /^20\d{2}-Q[1-4]$/,
    '须为季度,如 2026-Q4 · $property must be a calendar quarter like 2026-Q4',
  );
const periodWords = {
  type: String, description: '季度(北京时间);不填为本季度 · a calendar quarter in Asia/Shanghai; without it, the present one', example: '2026-Q4',
}; // prettier-ignore
const divisionWords = {
  type: String, description: '您辖区内的一个地区;不填则为整个辖区;不存在或不在您辖区的地区没有内容,计数为 0 · a place of your ground; without it, all of your ground; a place that is none, or not of your ground, holds nothing: its numbers are 0', example: '371425101',
}; // prettier-ignore

class NumbersQuery {
  @ApiPropertyOptional(divisionWords)
  @IsOptional()
  @IsDivision()
  division?: string;

  @ApiPropertyOptional({ enum: ['division'], description: 'division:按下一级地区分列,没有明细的地区不列。直属该地区本级的(如县级包保干部)不在任何一列中,各列之和因此可能小于总数 · division: the same numbers for each place one level below; a place without any row is left out. What belongs to the place itself (such as the officials of the county) is in none of them, so that together they may be less than the whole' })
  @IsOptional()
  @IsIn(['division'])
  by?: 'division';
} // prettier-ignore
class PeriodNumbersQuery extends NumbersQuery {
  @ApiPropertyOptional(periodWords)
  @IsOptional()
  @IsPeriod()
  period?: string;
}

class RowsQuery extends PageQuery {
  @ApiPropertyOptional(divisionWords)
  @IsOptional()
  @IsDivision()
  division?: string;

  @ApiPropertyOptional({
    enum: ['numerator', 'denominator'],
    default: 'denominator',
    description: '分子的行,或分母的全部行 · the rows of the numerator, or all of the denominator',
  })
  @IsIn(['numerator', 'denominator'])
  part: 'numerator' | 'denominator' = 'denominator';
}
class PeriodRowsQuery extends RowsQuery {
  @ApiPropertyOptional(periodWords)
  @IsOptional()
  @IsPeriod()
  period?: string;
}

/** What places of these codes are called, as far as a service knows: in one statement. */
export type PlaceNames = (tx: Tx, codes: string[]) => Promise<Map<string, string>>;

/** The routes of a service's indicators; the class that extends it is a controller without a path of its own. */
export interface IndicatorRoutes {
  numbers(caller: DatabaseCaller, query: PeriodNumbersQuery): Promise<IndicatorNumbers>;
  sheet(caller: DatabaseCaller, query: PeriodNumbersQuery, reply: FastifyReply): Promise<void>;
  definition(code: string): IndicatorDefinition;
  rows(caller: DatabaseCaller, code: string, query: PeriodRowsQuery): Promise<Page<IndicatorRow>>;
}

/**
 * @param may who sees them; to an official they show what is his own, where their tables are `owned`
 * @param names what the service knows its places to be called
 * @param periods for a service whose indicators look at a quarter
 */
export function indicatorRoutes(
  may: Role[],
  indicators: readonly Indicator[],
  names: PlaceNames,
  periods?: Periods,
): new (database: Database, arrivals: Arrivals) => IndicatorRoutes {
  const codes = indicators.map(({ code }) => code);
  const sources = [...new Set(indicators.map((one) => one.of))];
  const one = (code: string): Indicator => {
    const found = indicators.find((known) => known.code === code);
    if (!found)
      throw new DomainError('not-found', '没有这个指标。 · There is no such indicator.', [
        { pointer: '/code', rule: 'isIn', value: code.slice(0, 200), remedy: `须为以下取值之一:${codes.join('、')} · it must be one of: ${codes.join(', ')}` },
      ]);
    return found;
  };
  const asked = (now: Date, given?: string): { period: string | null; from?: string; to?: string } => {
    if (!periods) return { period: null };
    const period = given ?? periods.periodOf(now);
    return { period, ...periods.daysOf(period) };
  };
  const instant = periods
    ? { zh: '按季度统计,不填 `period` 为本季度。', en: 'By the quarter; without `period`, the present one.' }
    : {
        zh: '数字截至查询时(`asOf`),没有 `period`:仅督导服务(inspection)的指标按季度统计。',
        en: 'As of now (`asOf`), and without `period`: the indicators of inspection alone go by the quarter.',
      };
  const columns: Column<IndicatorNumber>[] = [
    ['指标', 28, ({ title }) => title.zh],
    ['英文名称', 44, ({ title }) => title.en],
    ['行政区划代码', 16, ({ division }) => division],
    ['地区', 18, ({ name }) => name],
    ['分子', 10, ({ numerator }) => numerator],
    ['分母', 10, ({ denominator }) => denominator],
    ['百分比(%)', 10, ({ value }) => value && Math.round(value * 10_000) / 100],
    ['季度', 10, ({ period }) => period],
    ['截至(北京时间)', 20, ({ asOf }) => inShanghai(asOf)],
    ['口径', 120, ({ code }) => inWords(one(code))],
    ['指标代码', 26, ({ code }) => code],
    ['口径版本', 10, ({ version }) => version],
  ];
  class Numbers extends (periods ? PeriodNumbersQuery : (NumbersQuery as new () => PeriodNumbersQuery)) {}
  class Rows extends (periods ? PeriodRowsQuery : (RowsQuery as new () => PeriodRowsQuery)) {}

  // Decorated, so that Nest knows what to construct the class that extends it with.
  @Injectable()
  @ApiTags('indicators')
  class Routes implements IndicatorRoutes {
    constructor(
      private readonly database: Database,
      private readonly arrivals: Arrivals,
    ) {}

    /** Counted when asked, all in one statement: every number is of the same instant, and equal to a recount. */
    @Get('indicators')
    @Roles(...may)
    @ApiOperation({ summary: '查询考核指标,可按下级地区分列 · the numbers you are scored on, also for each place below', description: `${instant.zh} · ${instant.en}` })
    @ApiResponse({ status: 200, type: IndicatorNumbers })
    async numbers(@Caller() caller: DatabaseCaller, @Query() query: Numbers): Promise<IndicatorNumbers> {
      const catchingUp = await this.arrivals.underWay(); // before: what arrives meanwhile is counted, or told of
      const division = query.division ?? caller.division;
      // By division: the codes of the next level. What lies at the place itself (a county's own officials) has no line then.
      const width = query.by ? division.length + 3 : division.length;
      return this.database.within(caller, async (tx) => {
        const { period, ...days } = asked(tx.now, query.period);
        const found = await tx.query<{ source: number; place: string; denominator: number; numerators: number[] }>(
          ...bound(
            sources.map((source, at) =>
              `select ${at} as source, substr(${source.division}, 1, $width::int) as place, count(*)::int as denominator,
                 array[${indicators.filter(({ of }) => of === source).map(({ counts }) => `count(*) filter (where ${counts})`).join(', ')}]::int[] as numerators
               ${within(source)} group by place`,
            ).join('\nunion all\n'),
            { ...groundOf(caller, division), width, period, ...days },
          ),
        );
        const places = query.by
          ? [...new Set(found.map(({ place }) => place))].filter((place) => place.length === width).sort()
          : [division];
        const named = await names(tx, places.filter((place) => place.startsWith(caller.division)));
        const items = indicators.flatMap(({ code, version, title, of }, at) =>
          places.map((place): IndicatorNumber => {
            const counted = found.find((row) => row.source === sources.indexOf(of) && row.place === place);
            const nth = indicators.slice(0, at).filter((before) => before.of === of).length;
            const numerator = counted?.numerators[nth] ?? 0;
            const denominator = counted?.denominator ?? 0;
            const address = (part: string): string =>
              `/api/${this.database.service}/v1/indicators/${code}/rows?division=${place}${period ? `&period=${period}` : ''}&part=${part}`;
            return {
              code, version, title, division: place, name: named.get(place) ?? null, period, asOf: tx.now, numerator, denominator,
              value: denominator === 0 ? null : numerator / denominator,
              rows: { numerator: address('numerator'), denominator: address('denominator') },
            };
          }),
        );
        return { items, next: null, catchingUp };
      });
    }

    @Get('indicators.xlsx')
    @Roles(...may)
    @ApiOperation({
      summary: '导出考核指标,可按下级地区分列 · export the numbers you are scored on, also for each place below',
      description: `XLSX,每个地区的每项指标一行,查询方式同 \`GET /indicators\`。${instant.zh} · XLSX, a row for each indicator of each place, asked for as \`GET /indicators\` is. ${instant.en}`,
    })
    @ApiProduces(workbookType)
    @ApiResponse(workbookResponse)
    async sheet(@Caller() caller: DatabaseCaller, @Query() query: Numbers, @Res() reply: FastifyReply): Promise<void> {
      const numbers = await this.numbers(caller, query);
      const moving = numbers.catchingUp === null ? '无法判断' : numbers.catchingUp ? '是' : '否';
      const all: Column<IndicatorNumber>[] = [...columns, ['资料仍在同步', 12, () => moving]];
      sendWorkbook(reply, '考核指标', await listWorkbook({ sheet: '考核指标' }, all, () => Promise.resolve(numbers)));
    }

    @Get('indicators/:code')
    @Roles(...may)
    @ApiParam({ name: 'code', enum: codes, description: '指标代码 · code of the indicator' })
    @ApiOperation({ summary: '查看指标口径 · what an indicator counts, in words, and whose definition it is' })
    @ApiResponse({ status: 200, type: IndicatorDefinition })
    definition(@Param('code') code: string): IndicatorDefinition {
      const { version, title, denominator, numerator, exclusions } = one(code);
      return { code, version, title, denominator, numerator, exclusions, source: 'sample' };
    }

    @Get('indicators/:code/rows')
    @Roles(...may)
    @ApiParam({ name: 'code', enum: codes, description: '指标代码 · code of the indicator' })
    @ApiOperation({ summary: '查看指标明细 · the rows that a number counts', description: `${instant.zh} · ${instant.en}` })
    @ApiResponse({ status: 200, type: IndicatorRowPage })
    async rows(@Caller() caller: DatabaseCaller, @Param('code') code: string, @Query() query: Rows): Promise<Page<IndicatorRow>> {
      const { of, counts } = one(code);
      const [afterDivision, afterId] = afterOf(query);
      const found = await this.database.within(caller, (tx) =>
        tx.query<IndicatorRow>(
          ...bound(
            `select ${of.id} as id, ${of.division} as division, ${of.name} as name, ${of.detail} as detail, coalesce(${counts}, false) as "inNumerator"
             ${within(of)} and (${of.division}, ${of.id}) > ($afterDivision, $afterId::uuid) ${query.part === 'numerator' ? `and ${counts}` : ''}
             order by ${of.division}, ${of.id} limit $limit`,
            { ...groundOf(caller, query.division ?? caller.division), ...asked(tx.now, query.period), afterDivision, afterId, limit: query.limit + 1 },
          ),
        ),
      );
      return pageOf(found, query, ({ id }) => id);
    }
  }
  return Routes;
} // prettier-ignore

/** `分母:…;分子:…;不计:… · denominator: …; numerator: …; left out: …` */
const inWords = ({ denominator, numerator, exclusions }: Indicator): string =>
  `分母:${denominator.zh};分子:${numerator.zh};不计:${exclusions.zh} · denominator: ${denominator.en}; numerator: ${numerator.en}; left out: ${exclusions.en}`;

/** The one place that says which rows are counted. */
const within = ({ from, where, division }: Counted): string =>
  `from ${from} where ${where} and ${division} >= $lo and ${division} < $hi`;

/** What is not wholly of the caller's ground holds nothing, be it another's, above his own or no place at all. */
const groundOf = (caller: DatabaseCaller, division: string): Scope =>
  division.startsWith(caller.division) ? scopeOf(division) : { lo: division, hi: division };

/** Gives the parameters that the text names, like `$period`, the numbers that PostgreSQL knows; those it does not name are left out. */
function bound(sql: string, values: Record<string, unknown>): [sql: string, parameters: unknown[]] {
  const names: string[] = [];
  const text = sql.replace(/\$([a-z]+)\b/gi, (_, name: string) => {
    if (!(name in values)) throw new Error(`The statement names $${name}, which nobody gave.`);
    if (!names.includes(name)) names.push(name);
    return `$${names.indexOf(name) + 1}`;
  });
  return [text, names.map((name) => values[name])];
}
