import { type Caller as DatabaseCaller, Database } from '#database';
import { Caller, type Page, Roles, newest, NewestPageOf, NewestQuery, IdFilter } from '#platform';
import { Controller, Get, Query } from '@nestjs/common';
import {
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { type SignInOutcome, signInOutcomes } from './sign-in.js';

const example = '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05';

class SignIn {
  @ApiProperty({ type: String, format: 'uuid', example })
  id: string;
  @ApiProperty({ type: String, example: '371425101' })
  division: string;
  @ApiProperty({ type: String, format: 'uuid', example })
  accountId: string;
  @ApiProperty({ enum: signInOutcomes, description: '`program`:程序凭密钥取得令牌,每个来源地址每小时至多记一次 · `program`: a program took a token with the client secret, written down once an hour and address at most', example: 'signed-in' })
  outcome: SignInOutcome;
  @ApiProperty({ type: String, description: '登录来源地址,190 天后随记录删除 · address of the client; deleted with the row after 190 days', example: '192.0.2.17' })
  address: string;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-23T01:00:00.000Z' })
  at: Date;
} // prettier-ignore

class SignInQuery extends NewestQuery {
  @IdFilter('账号编号 · id of an account (GET /accounts)')
  account?: string;

  @ApiPropertyOptional({
    enum: signInOutcomes,
    description:
      '登录结果:signed-in 已登录、recovery-code 凭恢复码登录、enrolled 启用二次验证、program 程序取得令牌,其余为失败 · outcome: signed in, by a recovery code, a second factor enrolled, a program’s token; the others are failures',
  })
  @IsOptional()
  @IsIn(signInOutcomes)
  outcome?: SignInOutcome;
}

class SignInPage extends NewestPageOf(SignIn) {}

@ApiTags('sign-ins')
@Controller('sign-ins')
export class SignInController {
  constructor(private readonly database: Database) {}

  @Get()
  @Roles('county-admin', 'auditor')
  @ApiOperation({ summary: '查询登录记录,最新的在前 · who of your ground signed in, or tried to, the newest first' })
  @ApiResponse({ status: 200, type: SignInPage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: SignInQuery): Promise<Page<SignIn>> {
    const page = newest('at', query);
    const found = await this.database.within(caller, (tx) =>
      tx.query<SignIn & { micros: string }>(
        `select id, division, account_id as "accountId", outcome, address, at, ${page.micros} from sign_in
         where ${page.older} and ($3::uuid is null or account_id = $3) and ($4::text is null or outcome = $4)
         ${page.order} limit $5`,
        [...page.from, query.account ?? null, query.outcome ?? null, query.limit + 1],
      ),
    );
    return page.of(found);
  }
} // prettier-ignore
