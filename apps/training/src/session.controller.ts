import { CertificateIssued } from '#contracts';
import { type Caller as DatabaseCaller, Database, type Tx } from '#database';
import {
  afterOf,
  Caller,
  DomainError,
  IsInstant,
  Line,
  type Page,
  PageOf,
  pageOf,
  PageQuery,
  type Policy,
  policyOf,
  Roles,
  oneOf,
} from '#platform';
import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiResponse, ApiTags } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsUUID } from 'class-validator';
import { v7 as uuidv7 } from 'uuid';
import { Induction } from './training.policies.js';

export class HoldSession {
  @ApiProperty({ type: String, example: '2026年第四季度包保干部岗前培训' })
  @Line(200)
  title: string;

  @ApiProperty({ type: String, example: '镇政府三楼会议室' })
  @Line(200)
  place: string;

  @ApiProperty({
    type: String,
    format: 'date-time',
    description:
      '培训时间:可以是计划中的,不晚于一年之后;以往举办的也可以登记,不早于 2019 年 · when it is or was held: planned ones up to a year ahead, and those of earlier years since 2019',
    example: '2026-11-20T14:00:00+08:00',
  })
  @IsInstant()
  heldAt: string;
}

export class RecordAttendance {
  @ApiProperty({
    type: [String],
    format: 'uuid',
    description: '到场的包保干部 · the officials who were there',
    maxItems: 2000,
  })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(2000)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  officials: string[];
}

export class Session {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;
  @ApiProperty({ type: String, example: '371425101' })
  division: string;
  @ApiProperty({ type: Number, example: 1 })
  version: number;
  @ApiProperty({ type: String, example: 'official-induction' })
  requirement: string;
  @ApiProperty({ type: String, example: '2026年第四季度包保干部岗前培训' })
  title: string;
  @ApiProperty({ type: String, example: '镇政府三楼会议室' })
  place: string;
  @ApiProperty({ type: String, format: 'date-time' })
  heldAt: Date;
  @ApiProperty({ type: Number, description: '到场人数 · how many were there', example: 56 })
  attended: number;
}

export class Attended {
  @ApiProperty({
    type: Number,
    description:
      '此次登记人数,先前已登记的不再计 · recorded now; who was recorded before is not counted again',
    example: 56,
  })
  recorded: number;
  @ApiProperty({
    type: Number,
    description: '此次发放的证书数 · certificates issued now',
    example: 56,
  })
  certified: number;
}

class SessionPage extends PageOf(Session) {}

const view = `s.id, s.division, s.version, s.requirement, s.title, s.place, s.held_at as "heldAt",
  (select count(*)::int from attendance a where a.session_id = s.id) as attended`;

/**
 * What is held later, or was held before, is a slip of the year; no source fixes either. A county begins with inductions of
 * earlier years: what it may bring along goes back to well before the responsible officials were named (2022: domain.md §1).
 */
const aheadDays = 366;
const since = new Date('2019-01-01T00:00:00+08:00');

@ApiTags('sessions')
@Controller('sessions')
export class SessionController {
  constructor(private readonly database: Database) {}

  @Post()
  @Roles('county-admin', 'office')
  @ApiOperation({
    summary: '登记一场岗前培训 · record a session of the officials’ induction',
    description: '登记后不能修改或删除:有误或重复的,不登记到场人员即不产生证书,另行登记正确的一场。 · It is neither changed nor deleted: one that is wrong or twice there gives no certificate while nobody is recorded as having been there; record the right one beside it.',
  })
  @ApiResponse({ status: 201, type: Session })
  hold(@Caller() caller: DatabaseCaller, @Body() { title, place, heldAt }: HoldSession): Promise<Session> {
    return this.database.within(caller, async (tx) => {
      refuseSlip(heldAt, tx.now);
      const requirement = await policyOf(tx, Induction, caller.division);
      const id = uuidv7();
      await tx.query(
        `insert into session (id, division, version, requirement, title, place, held_at, created_by, created_at) values ($1, $2, 1, $3, $4, $5, $6, $7, $8)`,
        [id, caller.division, requirement.code, title, place, heldAt, caller.id, tx.now],
      );
      return this.found(tx, id);
    });
  }

  @Get()
  @Roles('county-admin', 'office', 'auditor')
  @ApiOperation({ summary: '查询培训 · sessions of your ground' })
  @ApiResponse({ status: 200, type: SessionPage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: PageQuery): Promise<Page<Session>> {
    const found = await this.database.within(caller, (tx) =>
      tx.query<Session>(
        `select ${view} from session s where (s.division, s.id) > ($1, $2::uuid) order by s.division, s.id limit $3`,
        [...afterOf(query), query.limit + 1],
      ),
    );
    return pageOf(found, query, ({ id }) => id);
  }

  @Get(':id')
  @Roles('county-admin', 'office', 'auditor')
  @ApiOperation({ summary: '查看培训 · one session' })
  @ApiResponse({ status: 200, type: Session })
  one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Session> {
    return this.database.within(caller, (tx) => this.found(tx, id));
  }

  @Post(':id/attendances')
  @HttpCode(200)
  @Roles('county-admin', 'office')
  @ApiOperation({
    summary: '登记到场人员并发放证书 · record who was there; each gets the certificate once',
    description: '全部登记或全部不登记:名单中有您辖区以外的干部时,按不存在拒绝,一个也不登记。登记前请核对名单:证书不能撤回。 · All of them or none: an official outside your ground is refused as unknown, and nobody is recorded. Compare the list first: a certificate is not taken back.',
  })
  @ApiResponse({ status: 200, type: Attended })
  attend(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Body() { officials }: RecordAttendance,
  ): Promise<Attended> {
    return this.database.within(caller, async (tx) => {
      const session = await this.found(tx, id);
      if (new Date(session.heldAt) > tx.now)
        throw new DomainError('wrong-state', '培训尚未举办。 · The session has not been held yet.');
      const there = await tx.query<{ id: string; division: string; name: string }>(
        `select official_id as id, division, name from official where official_id = any($1)`,
        [officials],
      );
      const known = new Set(there.map((one) => one.id));
      const unknown = officials.filter((one) => !known.has(one));
      if (unknown.length > 0)
        throw new DomainError('officials-unknown', `${officials.length} 人中有 ${unknown.length} 人不是您辖区的包保干部,未作任何登记。 · ${unknown.length} of ${officials.length} are not officials of your ground; nobody was recorded.`,
          unknown.slice(0, 20).map((value) => ({ pointer: '/officials', rule: 'unknown', value, remedy: '可用 training 的 GET /officials 查询您辖区的人员 · GET /officials of training shows those of your ground.' })));
      const recorded = await tx.query(
        `insert into attendance (session_id, official_id, division, official_name, recorded_by, recorded_at)
         select $1, official_id, division, name, $3, $4 from official where official_id = any($2) on conflict do nothing returning 1 as one`,
        [id, officials, caller.id, tx.now],
      );
      const certified = await this.certify(tx, session, officials, await policyOf(tx, Induction, session.division));
      return { recorded: recorded.length, certified };
    });
  }

  /** Attendance at the induction is what it asks for (no source says more): the certificate follows at once. */
  private async certify(tx: Tx, session: Session, officials: string[], requirement: Policy<typeof Induction.body>): Promise<number> {
    const issued = await tx.query<{ id: string; division: string; version: number; official_id: string }>(
      `insert into certificate (id, division, version, number, official_id, official_name, requirement, requirement_version, session_id, issued_at)
       select made.id, o.division, 1, 'PX-' || left(o.division, 6) || '-' || upper(right(made.id::text, 12)), o.official_id, o.name, $2, $3, $4, $5
       from official o cross join lateral (select uuidv7() as id where o.official_id is not null) made where o.official_id = any($1)
       on conflict (official_id, requirement) do nothing returning id, division, version, official_id`,
      [officials, requirement.code, requirement.version, session.id, tx.now],
    );
    for (const one of issued)
      tx.publish(CertificateIssued, one, {
        certificateId: one.id, division: one.division, officialId: one.official_id, requirement: requirement.code, issuedAt: tx.now.toISOString(),
        heldAt: session.heldAt.toISOString(),
      });
    return issued.length;
  }

  private async found(tx: Tx, id: string): Promise<Session> {
    return oneOf(await tx.query<Session>(`select ${view} from session s where s.id = $1`, [id]));
  }
} // prettier-ignore

function refuseSlip(heldAt: string, now: Date): void {
  const at = new Date(heldAt);
  if (at.getTime() > now.getTime() + aheadDays * 86_400_000)
    throw new DomainError('held-far-ahead', '培训时间在一年以后,请核对年份。 · The session lies more than a year ahead: compare the year.', [
      { pointer: '/heldAt', rule: 'held-far-ahead', value: heldAt, remedy: '请填写一年以内的培训时间 · Give a time within a year from now.' },
    ]);
  if (at < since)
    throw new DomainError('held-long-ago', '培训时间在 2019 年以前,请核对年份。 · The session was held before 2019: compare the year.', [
      { pointer: '/heldAt', rule: 'held-long-ago', value: heldAt, remedy: '请填写 2019 年以来的培训时间 · Give a time since 2019.' },
    ]);
} // prettier-ignore
