import { roles } from '#contracts';
import { type Caller as DatabaseCaller, Database, type Tx } from '#database';
import {
  AtLeastOneOf,
  Form,
  afterOf,
  Caller,
  IfMatch,
  IsDivision,
  Line,
  type Page,
  PageOf,
  pageOf,
  PageQuery,
  type Role,
  Roles,
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
import { Transform } from 'class-transformer';
import { IsBoolean, IsIn, IsOptional, IsUUID, ValidateIf } from 'class-validator';
import { AccountService, type AccountState, accountView, type Once } from './account.service.js';

const given = roles.filter((role) => role !== 'service');
const example = '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05';

/** May be left out, and is no null: IsOptional would let that pass. */
const Given = (): PropertyDecorator =>
  ValidateIf((_: object, value: unknown) => value !== undefined);

class Account implements AccountState {
  @ApiProperty({ type: String, format: 'uuid', description: '账号编号,也是程序登录的 client_id · id of the account, also the client_id of its programs', example })
  id: string;
  @ApiProperty({ type: String, example: '371425101' })
  division: string;
  @ApiProperty({ type: Number, description: '版本,也是 ETag;早先版本的令牌已失效 · its version, also the ETag; tokens of an earlier version have ended', example: 3 })
  version: number;
  @ApiProperty({ type: String, example: 'biaobaisi-wang' })
  name: string;
  @ApiProperty({ type: String, example: '王秀英' })
  displayName: string;
  @ApiProperty({ enum: roles, example: 'office' })
  role: Role;
  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: '名单中的包保干部;不是包保干部为 null · which official of the roster; null for other roles', example })
  official: string | null;
  @ApiProperty({ type: Boolean, example: true })
  active: boolean;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: '一次性密码的有效期;null 表示已设密码 · until when its one-time password is good; null: it has its own', example: '2026-11-24T01:00:00.000Z' })
  passwordUntil: Date | null;
  @ApiProperty({ type: Boolean, description: '是否有程序密钥 · whether it has a client secret', example: false })
  program: boolean;
  @ApiProperty({ type: Boolean, description: '是否已启用二次验证 · whether it has enrolled a second factor', example: false })
  secondFactor: boolean;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-23T01:00:00.000Z' })
  createdAt: Date;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-23T01:00:00.000Z' })
  changedAt: Date;
} // prettier-ignore

const shownOnce = (zh: string, en: string): string =>
  `${zh},只显示这一次;同一 Idempotency-Key 的重复请求得到 null · ${en}, shown this once; null in the repeat of a request, for it is kept nowhere`;

class NewAccountAnswer extends Account {
  @ApiProperty({ type: String, nullable: true, description: shownOnce('一次性密码', 'one-time password'), example: 'k7mq-3xwd-9fhp-2tnc' })
  password: string | null;
} // prettier-ignore

class PasswordReset {
  @ApiProperty({ type: String, format: 'uuid', example })
  accountId: string;
  @ApiProperty({ type: Number, example: 4 })
  version: number;
  @ApiProperty({ type: String, nullable: true, description: shownOnce('一次性密码', 'one-time password'), example: 'k7mq-3xwd-9fhp-2tnc' })
  password: string | null;
  @ApiProperty({ type: String, format: 'date-time', description: '须在此前登录并更换密码 · sign in before this and replace it', example: '2026-11-24T01:00:00.000Z' })
  validUntil: Date;
} // prettier-ignore

class ClientSecret {
  @ApiProperty({ type: String, format: 'uuid', example })
  clientId: string;
  @ApiProperty({ type: Number, example: 5 })
  version: number;
  @ApiProperty({ type: String, nullable: true, description: shownOnce('程序密钥', 'secret of its programs'), example: 'J8m0mB0S6l8n1yq2d4x9c3v7k5h2g1f0A9s8D7f6G5h' })
  clientSecret: string | null;
} // prettier-ignore

class CreateAccount {
  // The pattern says of ASCII all, of the other letters what a pattern without the flag `u` can.
  @ApiProperty({ type: String, description: '字母、汉字、数字和 . _ @ -,全系统唯一 · letters, digits and . _ @ -; one name for the whole installation', example: 'biaobaisi-wang', minLength: 1, maxLength: 100, pattern: '^(?:[\\w.@-]|[^\\u0000-\\u007f])+$' })
  @Form(/^[\p{L}\p{N}._@-]{1,100}$/u, '须为 1 至 100 个字母、汉字、数字或 . _ @ - · $property takes 1 to 100 letters, digits and . _ @ -')
  name: string;

  @ApiProperty({ type: String, description: '显示用的姓名;签名、督导以包保干部名单中的姓名为准,此处不核对 · what is shown; what an official signs and visits stands under his name of the roster, with which this is not compared', example: '王秀英' })
  @Line(200)
  displayName: string;

  @ApiProperty({ enum: given, example: 'office' })
  @IsIn(given)
  role: Role;

  @ApiProperty({ type: String, description: '任职辖区:county-admin、authority 为县(6 位);office 为乡镇(9 位);official、auditor 为县或乡镇(6 或 9 位,村级包保干部用所在乡镇的);grid-worker 为村(12 位) · the ground of the account: a county (6 digits) for county-admin and authority, a township (9) for office, a county or township for official (a village’s official: his township) and auditor, a village (12) for grid-worker', example: '371425101' })
  @IsDivision()
  division: string;

  @ApiPropertyOptional({ type: String, format: 'uuid', description: '名单中的包保干部(assignment 服务 GET /officials),角色为 official 时必填;一位包保干部只有一个启用的账号,辖区为其任职的乡镇或县 · which official of the roster (assignment, GET /officials); needed for the role official; an official has one active account, and its ground is the township or county where he serves', example })
  @Given()
  @IsUUID()
  official?: string;
} // prettier-ignore

@AtLeastOneOf('displayName', 'role', 'division', 'official', 'active')
class ChangeAccount {
  @ApiPropertyOptional({ type: String, example: '王秀英' })
  @Given()
  @Line(200)
  displayName?: string;

  @ApiPropertyOptional({ enum: given, example: 'office' })
  @Given()
  @IsIn(given)
  role?: Role;

  @ApiPropertyOptional({ type: String, example: '371425101' })
  @Given()
  @IsDivision()
  division?: string;

  @ApiPropertyOptional({ type: String, format: 'uuid', nullable: true, example })
  @IsOptional()
  @IsUUID()
  official?: string | null;

  @ApiPropertyOptional({ type: Boolean, description: 'false:停用,账号的全部登录立即失效 · false ends every token and session of the account', example: true })
  @Given()
  @IsBoolean()
  active?: boolean;

  @ApiPropertyOptional({ type: String, description: '原因,记入变更记录 · why: kept in the change log', example: '调往焦庙镇' })
  @Given()
  @Line(300)
  reason?: string;
} // prettier-ignore

class AccountQuery extends PageQuery {
  @ApiPropertyOptional({ enum: roles, description: '角色 · role of the account' })
  @IsOptional()
  @IsIn(roles)
  role?: Role;

  @ApiPropertyOptional({ type: Boolean, description: 'true:启用的,false:停用的 · true: active accounts; false: those that were ended', example: true })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value))
  @IsBoolean()
  active?: boolean;

  @PlaceFilter()
  division?: string;
} // prettier-ignore

class AccountPage extends PageOf(Account) {}

/** Accounts of a county, kept by its admins. */
@ApiTags('accounts')
@Controller('accounts')
export class AccountController {
  constructor(
    private readonly database: Database,
    private readonly accounts: AccountService,
  ) {}

  @Post()
  @Roles('county-admin')
  @ApiOperation({ summary: '开设账号,返回一次性密码 · open an account; the answer shows its one-time password',
    description: '一次一个;批量开设请由程序逐个调用(各带 `Idempotency-Key`),包保干部的编号和辖区见 assignment 服务 GET /officials。一次性密码 24 小时内有效,请在分发前再开设。 · One at a time. For many let a program call it for each, with an `Idempotency-Key`; GET /officials of assignment has the officials’ ids and places. A one-time password is good for 24 hours: open the accounts shortly before they are handed out.' })
  @ApiBody({
    type: CreateAccount,
    examples: {
      office: { value: { name: 'biaobaisi-wang', displayName: '王秀英', role: 'office', division: '371425101' } },
      official: { summary: '包保干部,须填 assignment 服务 GET /officials 中的编号 · an official, with the id that GET /officials of assignment shows', value: { name: 'biaobaisi-zhao', displayName: '赵海刚', role: 'official', division: '371425101', official: example } },
    },
  })
  @ApiResponse({ status: 201, type: NewAccountAnswer })
  async create(@Caller() caller: DatabaseCaller, @Body() body: CreateAccount): Promise<NewAccountAnswer> {
    return this.once(
      caller,
      (tx) => this.accounts.create(tx, body),
      (account, password) => ({ ...account, password }),
    );
  }

  @Get()
  @Roles('county-admin', 'auditor')
  @ApiOperation({ summary: '查询账号 · list the accounts of your ground' })
  @ApiResponse({ status: 200, type: AccountPage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: AccountQuery): Promise<Page<AccountState>> {
    const found = await this.database.within(caller, (tx) =>
      tx.query<AccountState>(
        `select ${accountView} from account
         where (division, id) > ($1, $2::uuid) and ($3::text is null or role = $3) and ($4::boolean is null or active = $4)
           and ($5::text is null or starts_with(division, $5))
         order by division, id limit $6`,
        [...afterOf(query), query.role ?? null, query.active ?? null, query.division ?? null, query.limit + 1],
      ),
    );
    return pageOf(found, query, ({ id }) => id);
  }

  @Get(':id')
  @Roles('county-admin', 'auditor')
  @ApiOperation({ summary: '查看账号 · one account' })
  @ApiResponse({ status: 200, type: Account })
  async one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<AccountState> {
    return this.database.within(caller, (tx) => this.accounts.one(tx, id));
  }

  @Patch(':id')
  @Roles('county-admin')
  @ApiOperation({ summary: '变更账号,五秒内令其原有登录失效 · change an account; its sign-ins so far end within five seconds' })
  @ApiHeader({ name: 'If-Match', required: true })
  @ApiBody({
    type: ChangeAccount,
    examples: {
      renamed: { value: { displayName: '王秀英', reason: '更正姓名' } },
      leaves: { value: { active: false, reason: '调离' } },
      moves: { value: { division: '371425102', reason: '调往焦庙镇' } },
    },
  })
  @ApiResponse({ status: 200, type: Account })
  async change(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @IfMatch() version: number,
    @Body() body: ChangeAccount,
  ): Promise<AccountState> {
    const { reason = null, ...changes } = body;
    return this.database.within(caller, (tx) => this.accounts.change(tx, id, version, changes, reason));
  }

  @Post(':id/password-reset')
  @HttpCode(200)
  @Roles('county-admin')
  @ApiOperation({ summary: '重置密码,返回 24 小时内有效的一次性密码 · reset the password; the answer shows a one-time password, good for 24 hours', description: '因密码错误次数过多被锁定的账号(15 分钟)同时解锁。程序密钥不变。县管理员的须由另一位县管理员登录后办理,不能凭程序密钥。 · It also opens an account that too many wrong passwords closed (for 15 minutes). The secret of its programs stays. A county admin’s is reset by another one who has signed in, not with a client secret.' })
  @ApiResponse({ status: 200, type: PasswordReset })
  async resetPassword(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<PasswordReset> {
    return this.once(
      caller,
      (tx) => this.accounts.resetPassword(tx, id),
      ({ id: accountId, version, passwordUntil }, password) =>
        ({ accountId, version, password, validUntil: passwordUntil ?? new Date(0) }),
    );
  }

  @Post(':id/client-secret')
  @HttpCode(200)
  @Roles('county-admin')
  @ApiOperation({ summary: '更换程序密钥;程序只凭密钥登录,不经二次验证 · renew the secret of the account’s programs; they sign in with it alone, without a second factor', description: '县管理员的只能由其本人办理;成为县管理员时,原有的密钥失效。与账号的其他变更一样,该账号已签发的令牌五秒内失效:本人请重新登录。 · A county admin’s is made by himself alone; who becomes one loses the secret he had. As with any change of an account, its tokens end within five seconds: sign in again, if it is yours.' })
  @ApiResponse({ status: 200, type: ClientSecret })
  async renewClientSecret(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<ClientSecret> {
    return this.once(
      caller,
      (tx) => this.accounts.renewClientSecret(tx, id),
      ({ id: clientId, version }, clientSecret) => ({ clientId, version, clientSecret }),
    );
  }

  @Post(':id/second-factor-reset')
  @HttpCode(200)
  @Roles('county-admin')
  @ApiOperation({ summary: '重置二次验证,如手机遗失 · reset the second factor, e.g. after the telephone was lost; it is enrolled anew at the next sign-in', description: '须由另一位县管理员登录后办理,不能凭程序密钥。 · By another county admin who has signed in, not with a client secret.' })
  @ApiResponse({ status: 200, type: Account })
  async resetSecondFactor(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<AccountState> {
    return this.database.within(caller, (tx) => this.accounts.resetSecondFactor(tx, id));
  }

  /** The word leaves by this answer alone: what is kept for a repeat of the request is the answer without it. */
  private async once<Answer>(
    caller: DatabaseCaller,
    work: (tx: Tx) => Promise<Once>,
    answerOf: (account: AccountState, word: string | null) => Answer,
  ): Promise<Answer> {
    const made: Once[] = [];
    await this.database.within(caller, async (tx) => {
      const one = await work(tx);
      made.push(one);
      return answerOf(one.account, null);
    });
    const [{ account, word }] = made as [Once];
    return answerOf(account, word);
  }
} // prettier-ignore
