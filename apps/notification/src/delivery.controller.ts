import { type Caller as DatabaseCaller, Database } from '#database';
import { Caller, type Page, Roles, newest, NewestPageOf, NewestQuery, IdFilter } from '#platform';
import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  ApiOperation, ApiProperty, ApiPropertyOptional, ApiResponse, ApiTags,
} from '@nestjs/swagger'; // prettier-ignore
import { IsIn, IsOptional } from 'class-validator';
import {
  type Attempt, type Channel, type Delivery as Sent, DeliveryService, type DeliveryState, deliveryStates, deliveryView,
} from './delivery.service.js'; // prettier-ignore
import { messageKinds } from './notification.events.js';

class DeliveryAttempt implements Attempt {
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-23T01:30:00.000Z' })
  at: string;
  @ApiProperty({
    enum: ['delivered', 'failed', 'dead'],
    description:
      '结果;`dead` 表示对方明确拒收,不再重试 · what became of it; `dead`: the receiver said that no later attempt can help',
    example: 'failed',
  })
  outcome: Attempt['outcome'];
  @ApiProperty({
    type: Number,
    nullable: true,
    description:
      'HTTP 或 SMTP 状态码;null 表示未连通 · status of HTTP or SMTP; null: the receiver was not reached',
    example: 503,
  })
  status: number | null;
  @ApiProperty({ type: String, nullable: true, example: 'refused' })
  reply: string | null;
}

class Delivery implements Sent {
  @ApiProperty({ type: String, format: 'uuid', example: '01912d68-7c3a-7e7f-9d4e-0f6a3b8c2d10' })
  id: string;
  @ApiProperty({
    type: String,
    description: '订阅的辖区 · the ground of the subscription',
    example: '371425101',
  })
  division: string;
  @ApiProperty({
    type: Number,
    description: '版本,也是 ETag · its version, also the ETag',
    example: 1,
  })
  version: number;
  @ApiProperty({ type: String, format: 'uuid', example: '01912d68-7c3a-7e7f-9d4e-0f6a3b8c2d11' })
  subscriptionId: string;
  @ApiProperty({ enum: ['email', 'webhook'], example: 'webhook' })
  channel: Channel;
  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description:
      '消息编号;null 表示这是验证码邮件 · id of the message; null: it is the mail with the confirmation code',
    example: '01912d68-7c3a-7e7f-9d4e-0f6a3b8c2d12',
  })
  messageId: string | null;
  @ApiProperty({ type: Number, nullable: true, example: 1 })
  messageVersion: number | null;
  @ApiProperty({ enum: [...messageKinds, 'confirmation'], example: 'visit-due' })
  kind: string;
  @ApiProperty({
    enum: deliveryStates,
    description:
      '`failed` 到 nextAt 时重试;`dead` 只能人工重试;`cancelled` 消息已变更或订阅已终止 · `failed` is tried again at nextAt, `dead` only by hand; `cancelled`: the message has changed since, or the subscription ended',
    example: 'failed',
  })
  state: DeliveryState;
  @ApiProperty({ type: [DeliveryAttempt], description: '最近五十次尝试 · the last fifty attempts' })
  attempts: DeliveryAttempt[];
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    example: '2026-11-23T01:31:00.000Z',
  })
  nextAt: Date | null;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-23T01:30:00.000Z' })
  createdAt: Date;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  deliveredAt: Date | null;
}

class DeliveryQuery extends NewestQuery {
  @ApiPropertyOptional({
    enum: deliveryStates,
    description:
      '投递状态;dead 为已放弃的 · state of the delivery; dead: given up, no more attempts',
  })
  @IsOptional()
  @IsIn(deliveryStates)
  state?: DeliveryState;

  @IdFilter('订阅编号 · id of a subscription (GET /subscriptions)')
  subscription?: string;
}

class DeliveryPage extends NewestPageOf(Delivery) {}

@ApiTags('deliveries')
@Controller('deliveries')
export class DeliveryController {
  constructor(
    private readonly database: Database,
    private readonly deliveries: DeliveryService,
  ) {}

  @Get()
  @Roles('county-admin', 'office', 'official', 'auditor')
  @ApiOperation({ summary: '查询投递记录,最新的在前,state=dead 为已放弃的 · what was sent to whom, and what became of it, the newest first; state=dead: what was given up' })
  @ApiResponse({ status: 200, type: DeliveryPage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: DeliveryQuery): Promise<Page<Sent>> {
    const page = newest('created_at', query);
    const found = await this.database.within(caller, (tx) =>
      tx.query<Sent & { micros: string }>(
        `select ${deliveryView}, ${page.micros} from delivery
         where ${page.older} and ($3::text is null or state = $3) and ($4::uuid is null or subscription_id = $4)
         ${page.order} limit $5`,
        [...page.from, query.state ?? null, query.subscription ?? null, query.limit + 1],
      ),
    );
    return page.of(found);
  }

  @Get(':id')
  @Roles('county-admin', 'office', 'official', 'auditor')
  @ApiOperation({ summary: '查看投递 · one delivery with its attempts' })
  @ApiResponse({ status: 200, type: Delivery })
  one(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Sent> {
    return this.database.within(caller, (tx) => this.deliveries.one(tx, id));
  }

  @Post(':id/retry')
  @HttpCode(200)
  @Roles('county-admin', 'office')
  @ApiOperation({ summary: '重新投递已放弃的消息,再试一天 · try a delivery that was given up again, for another day' })
  @ApiResponse({ status: 200, type: Delivery })
  retry(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Sent> {
    return this.database.within(caller, (tx) => this.deliveries.retry(tx, id));
  }
} // prettier-ignore
