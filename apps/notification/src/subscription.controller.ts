import { type Caller as DatabaseCaller, Database } from '#database';
import { Form,
  afterOf, Caller, DomainError, Line, type Page, PageOf, pageOf, PageQuery, Roles, Together,
} from '#platform'; // prettier-ignore
import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  ApiBody, ApiOperation, ApiProperty, ApiPropertyOptional, ApiResponse, ApiTags,
} from '@nestjs/swagger'; // prettier-ignore
import { ArrayMinSize, ArrayUnique, IsArray, IsEmail, IsIn, IsOptional, MaxLength } from 'class-validator'; // prettier-ignore
import { type Channel } from './delivery.service.js';
import { messageKinds } from './notification.events.js';
import {
  type EndReason,
  endReasons,
  type Subscription as Subscribed,
  SubscriptionService,
  subscriptionStates,
} from './subscription.service.js';

const channels = ['email', 'webhook'] as const;
const mailLanguages = ['zh-CN', 'en'] as const;

@Together({
  oneOf: [
    { properties: { channel: { enum: ['email'] }, url: false }, required: ['address'] },
    { properties: { channel: { enum: ['webhook'] }, address: false }, required: ['url'] },
  ],
})
class Subscribe {
  @ApiProperty({ enum: channels, example: 'email' })
  @IsIn(channels)
  channel: Channel;

  @ApiPropertyOptional({ type: String, format: 'email', description: '邮箱,用于 `email`;先向其发送验证码 · for `email`: the address; a code is sent there first', example: 'wang.xiuying@county.example' })
  @IsOptional()
  @IsEmail({ allow_ip_domain: false, allow_utf8_local_part: false })
  @MaxLength(254)
  @Form(/^[\x21-\x7e]+$/, '只能含 ASCII 字符 · $property must be ASCII')
  address?: string;

  @ApiPropertyOptional({ type: String, description: '用于 `webhook`:公网 https 地址 · for `webhook`: https, at a public address', example: 'https://grid.county.example/foodwarden' })
  @IsOptional()
  @Line(2000)
  url?: string;

  @ApiPropertyOptional({ enum: mailLanguages, default: 'zh-CN', description: '邮件的语言;webhook 含两种语言 · language of the mails; a webhook has both', example: 'zh-CN' })
  @IsOptional()
  @IsIn(mailLanguages)
  language?: (typeof mailLanguages)[number];

  @ApiPropertyOptional({ enum: messageKinds, isArray: true, description: '消息种类;不填为与您有关的全部 · kinds of messages; without it, every kind that is for you', example: ['visit-due'] })
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayUnique()
  @IsIn(messageKinds, { each: true })
  kinds?: string[];
} // prettier-ignore

class Confirm {
  @ApiProperty({
    type: String,
    description: '邮件中的八位数字 · the eight digits of the mail',
    example: '04271993',
  })
  @Form(/^\d{8}$/, '须为邮件中的八位数字 · $property must be the eight digits of the mail')
  code: string;
}

class Subscription implements Subscribed {
  @ApiProperty({ type: String, format: 'uuid', example: '01912d68-7c3a-7e7f-9d4e-0f6a3b8c2d10' })
  id: string;
  @ApiProperty({ type: String, description: '订阅人的辖区 · the ground of the subscriber', example: '371425101' })
  division: string;
  @ApiProperty({ type: Number, description: '版本,也是 ETag · its version, also the ETag', example: 1 })
  version: number;
  @ApiProperty({ enum: channels, example: 'email' })
  channel: Channel;
  @ApiProperty({ enum: subscriptionStates, example: 'unconfirmed' })
  state: Subscribed['state'];
  @ApiProperty({ enum: ['official', 'office', 'county-admin'], description: '订阅人的角色 · the role of the subscriber', example: 'official' })
  role: string;
  @ApiProperty({ type: String, format: 'uuid', nullable: true, example: null })
  officialId: string | null;
  @ApiProperty({ type: String, nullable: true, description: '本人可见完整地址,其他人只见部分 · the subscriber sees all of it, others a part', example: 'w***@county.example' })
  address: string | null;
  @ApiProperty({ type: String, nullable: true, description: '审计人员看不到路径部分 · an auditor sees it without its path', example: null })
  url: string | null;
  @ApiProperty({ enum: mailLanguages, example: 'zh-CN' })
  language: string;
  @ApiProperty({ type: [String], enum: messageKinds, nullable: true, description: '消息种类;null 表示全部 · kinds of messages; null: every kind', example: ['visit-due'] })
  kinds: string[] | null;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-23T01:30:00.000Z' })
  createdAt: Date;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  confirmedAt: Date | null;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  endedAt: Date | null;
  @ApiProperty({ enum: endReasons, type: String, nullable: true, description: '自动终止的原因:订阅人离任、调动,或账号停用、变更 · why it ended by itself: the official left or moved, or the account was ended or changed', example: null })
  endReason: EndReason | null;
} // prettier-ignore

class NewSubscription extends Subscription {
  @ApiProperty({
    type: String, nullable: true, example: null,
    description: 'webhook 的密钥,只显示这一次:Foodwarden-Signature 为 `v1=` 加 HMAC-SHA-256(十六进制),以此文本为密钥,内容为 Foodwarden-Timestamp(秒)、一个点和请求内容 · key of a webhook, shown this once: Foodwarden-Signature is `v1=` and the HMAC-SHA-256 in hex, with this text as its key, of Foodwarden-Timestamp (seconds), a dot, and the body',
  })
  secret: string | null;
} // prettier-ignore

class SubscriptionQuery extends PageQuery {
  @ApiPropertyOptional({
    enum: channels,
    description: '渠道:email 邮件、webhook · by mail or by webhook',
  })
  @IsOptional()
  @IsIn(channels)
  channel?: Channel;

  @ApiPropertyOptional({
    enum: subscriptionStates,
    description:
      '订阅状态:unconfirmed 邮箱待确认、active 有效、ended 已终止 · unconfirmed: the address is not confirmed yet; active; ended',
  })
  @IsOptional()
  @IsIn(subscriptionStates)
  state?: Subscribed['state'];
}

class SubscriptionPage extends PageOf(Subscription) {}

@ApiTags('subscriptions')
@Controller('subscriptions')
export class SubscriptionController {
  constructor(
    private readonly database: Database,
    private readonly subscriptions: SubscriptionService,
  ) {}

  @Get()
  @Roles('county-admin', 'office', 'official', 'auditor')
  @ApiOperation({ summary: '查询订阅,包保干部只见本人的 · who is told by mail or webhook in your ground; an official sees his own' })
  @ApiResponse({ status: 200, type: SubscriptionPage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: SubscriptionQuery): Promise<Page<Subscribed>> {
    const filter = { channel: query.channel ?? null, state: query.state ?? null };
    const found = await this.database.within(caller, (tx) =>
      this.subscriptions.page(tx, afterOf(query), filter, query.limit + 1),
    );
    return pageOf(found, query, ({ id }) => id);
  }

  @Get(':id')
  @Roles('county-admin', 'office', 'official', 'auditor')
  @ApiOperation({ summary: '查看订阅 · one subscription' })
  @ApiResponse({ status: 200, type: Subscription })
  one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Subscribed> {
    return this.database.within(caller, (tx) => this.subscriptions.one(tx, id));
  }

  @Post()
  @Roles('county-admin', 'office', 'official')
  @ApiOperation({
    summary: '订阅消息 · be told by mail or webhook',
    description: '邮件订阅须用邮件中的验证码确认后生效,只送发给本人的消息,食安办的为发给本乡镇的。镇街和县级还可为其辖区订阅签名的 webhook(CloudEvents 1.0)。 · By mail, once a code proves that the address is yours, come the messages for yourself, to an office those for its township; an office or the county also subscribes to a signed webhook (CloudEvents 1.0) for its ground.',
  })
  @ApiBody({
    type: Subscribe,
    examples: {
      email: { value: { channel: 'email', address: 'wang.xiuying@county.example', language: 'zh-CN', kinds: ['visit-due'] } },
      webhook: { value: { channel: 'webhook', url: 'https://grid.county.example/foodwarden', kinds: ['visit-due'] } },
    },
  })
  @ApiResponse({ status: 201, type: NewSubscription })
  subscribe(@Caller() caller: DatabaseCaller, @Body() body: Subscribe): Promise<Subscribed & { secret: string | null }> {
    const { channel, address, url, language = 'zh-CN', kinds } = body;
    const [needed, other] = channel === 'email' ? (['address', 'url'] as const) : (['url', 'address'] as const);
    if (body[needed] === undefined || body[other] !== undefined)
      throw new DomainError('validation-failed', `${channel} 订阅须填写 ${needed},不能填写 ${other}。 · A subscription by ${channel} has ${needed}, and no ${other}.`, [
        body[needed] === undefined
          ? { pointer: `/${needed}`, rule: 'required', value: null, remedy: `请填写 ${needed} · give ${needed}` }
          : { pointer: `/${other}`, rule: 'whitelistValidation', value: body[other], remedy: `请去掉 ${other} · leave ${other} out` },
      ]);
    return this.subscriptions.subscribe(caller, { channel, address, url, language, kinds });
  }

  @Post(':id/confirmation')
  @HttpCode(200)
  @Roles('county-admin', 'office', 'official')
  @ApiOperation({ summary: '用邮件中的验证码确认邮箱 · confirm the address with the code of the mail; five tries, within a day' })
  @ApiResponse({ status: 200, type: Subscription })
  confirm(@Caller() caller: DatabaseCaller, @Param('id') id: string, @Body() body: Confirm): Promise<Subscribed> {
    return this.subscriptions.confirm(caller, id, body.code);
  }

  @Post(':id/end')
  @HttpCode(200)
  @Roles('county-admin', 'office', 'official')
  @ApiOperation({ summary: '退订,已发送的记录保留 · end a subscription: nothing more is sent, what was sent stays on record' })
  @ApiResponse({ status: 200, type: Subscription })
  end(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Subscribed> {
    return this.database.within(caller, (tx) => this.subscriptions.end(tx, id));
  }
} // prettier-ignore
