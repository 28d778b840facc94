import { MessageRead } from '#contracts';
import { type Caller as DatabaseCaller, Database, type Tx } from '#database';
import {
  Caller,
  DomainError,
  type Page,
  Roles,
  oneOf,
  newest,
  NewestPageOf,
  NewestQuery,
  Flag,
} from '#platform';
import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsIn, IsOptional, IsUUID } from 'class-validator'; // prettier-ignore
import { messageKinds } from './notification.events.js';

class TwoLanguages {
  @ApiProperty({ type: String, example: '请于2026-12-31前督导“老王饭店”' })
  zh: string;
  @ApiProperty({ type: String, example: 'A visit to 老王饭店 is due by 2026-12-31' })
  en: string;
}

export class Message {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;
  @ApiProperty({ type: String, example: '371425101201' })
  division: string;
  @ApiProperty({
    type: Number,
    description: '版本,也是 ETag · its version, also the ETag',
    example: 1,
  })
  version: number;
  @ApiProperty({ enum: messageKinds, example: 'visit-due' })
  kind: string;
  @ApiProperty({
    type: String,
    format: 'uuid',
    description:
      '所涉的包保关系、承诺书、督导任务或整改事项;visits-remaining、visits-missed 为提醒本身 · the assignment, undertaking, obligation or corrective action it is about; of visits-remaining and visits-missed, the reminder itself',
  })
  subjectId: string;
  @ApiProperty({
    enum: ['official', 'office', 'county-admin'],
    description: '发给谁 · whom it is for',
    example: 'official',
  })
  audience: string;
  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  officialId: string | null;
  @ApiProperty({ type: TwoLanguages })
  title: TwoLanguages;
  @ApiProperty({
    type: Object,
    additionalProperties: true,
    example: { establishmentName: '老王饭店', dueOn: '2026-12-31' },
  })
  about: object;
  @ApiProperty({
    type: Number,
    nullable: true,
    description:
      '所用本县模板(GET /policies)的版本;null 表示系统自带的文字 · version of the county’s templates (GET /policies) it was worded with; null: built-in words',
    example: 1,
  })
  templateVersion: number | null;
  @ApiProperty({ type: String, format: 'date-time' })
  createdAt: Date;
  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: '第一次读的时间;null 表示未读 · when it was read first; null: not yet',
    example: null,
  })
  readAt: Date | null;
}

class MessageQuery extends NewestQuery {
  @Flag('true:只看发给本人的 · true: those that are for you')
  mine?: 'true' | 'false';

  @ApiPropertyOptional({ enum: messageKinds, description: '消息种类 · kind of message' })
  @IsOptional()
  @IsIn(messageKinds)
  kind?: string;

  @Flag('true:已读的,false:未读的 · true: read; false: not read yet')
  read?: 'true' | 'false';
}

class MessagePage extends NewestPageOf(Message) {}

class ReadMessages {
  @ApiProperty({ type: [String], format: 'uuid', description: '已读的消息的编号,一次最多 500 条 · ids of the messages that were read, at most 500 at once', example: ['01912d68-7c3a-7e7f-9d4e-0f6a3b8c2d12'] })
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(500)
  @ArrayUnique()
  @IsUUID(undefined, { each: true })
  messageIds: string[];
} // prettier-ignore

class Receipts {
  @ApiProperty({ type: Number, description: '此次登记已读的条数 · how many are read by this call', example: 1 })
  read: number;
  @ApiProperty({ type: Number, description: '先前已读的条数,仍为第一次的时间 · how many were read before; they keep their time', example: 0 })
  alreadyRead: number;
  @ApiProperty({ type: [String], format: 'uuid', description: '不存在或不是发给本人的 · those that are not there, or not for you', example: [] })
  notFound: string[];
} // prettier-ignore

const view = `id, division, version, kind, subject_id as "subjectId", audience, official_id as "officialId",
  jsonb_build_object('zh', title_zh, 'en', title_en) as title, about, template_version as "templateVersion", created_at as "createdAt", read_at as "readAt"`;
/** For an official by who he is, for a role by role and place. */
const mine = (
  caller: DatabaseCaller,
): [official: string | null, audience: string, division: string] => [
  caller.official ?? null,
  caller.official ? 'official' : (caller.role ?? ''),
  caller.division,
];

@ApiTags('messages')
@Controller()
export class MessageController {
  constructor(private readonly database: Database) {}

  @Get('messages')
  @Roles('county-admin', 'office', 'official', 'auditor')
  @ApiOperation({
    summary: '查询消息,最新的在前,包保干部只见本人的 · who was told what in your ground, the newest first; an official sees his own',
    description: '读后请登记已读:一条用 `POST /messages/{id}/receipt`,多条用 `POST /receipts`。 · Say what you have read: of one message by `POST /messages/{id}/receipt`, of several by `POST /receipts`.',
  })
  @ApiResponse({ status: 200, type: MessagePage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: MessageQuery): Promise<Page<Message>> {
    const page = newest('created_at', query);
    const found = await this.database.within(caller, (tx) =>
      tx.query<Message & { micros: string }>(
        `select ${view}, ${page.micros} from message
         where ${page.older}
           and (not $3::boolean or (audience = $5 and case when audience = 'official' then official_id = $4::uuid else division = $6 end))
           and ($7::text is null or kind = $7) and ($8::boolean is null or (read_at is not null) = $8)
         ${page.order} limit $9`,
        [
          ...page.from, query.mine === 'true', ...mine(caller), query.kind ?? null,
          query.read === undefined ? null : query.read === 'true', query.limit + 1,
        ],
      ),
    );
    return page.of(found);
  }

  @Post('messages/:id/receipt')
  @HttpCode(200)
  @Roles('county-admin', 'office', 'official')
  @ApiOperation({ summary: '登记已读,以第一次为准 · say that you have read a message; the first time counts' })
  @ApiResponse({ status: 200, type: Message })
  receipt(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Message> {
    return this.database.within(caller, async (tx) => {
      const { found, read } = await receive(tx, [id]);
      const { mine: forMe, ...whole } = oneOf(found);
      if (!forMe) throw new DomainError('not-allowed', '只有接收人本人可以标记已读。 · Only the one whom it is for can say that he has read it.');
      return read[0] ?? whole;
    });
  }

  @Post('receipts')
  @HttpCode(200)
  @Roles('county-admin', 'office', 'official')
  @ApiOperation({
    summary: '一次登记多条消息已读,以第一次为准 · say that you have read several messages; the first time of each counts',
    description: '不存在的和不是发给本人的列在 `notFound`,不影响其他消息。 · What is not there or not for you stands in `notFound`, and the others are read all the same.',
  })
  @ApiResponse({ status: 200, type: Receipts })
  receipts(@Caller() caller: DatabaseCaller, @Body() { messageIds }: ReadMessages): Promise<Receipts> {
    return this.database.within(caller, async (tx) => {
      const { found, read } = await receive(tx, messageIds);
      const own = new Set(found.filter((one) => one.mine).map(({ id }) => id));
      return { read: read.length, alreadyRead: own.size - read.length, notFound: messageIds.filter((id) => !own.has(id.toLowerCase())) };
    });
  }
} // prettier-ignore

/**
 * Those of these messages that the caller may see, and those that he has read by this: his own that were unread. Locked in
 * the order of their ids, so that two calls wait for one another and neither stops the other.
 */
async function receive(tx: Tx, ids: string[]): Promise<{ found: (Message & { mine: boolean })[]; read: Message[] }> {
  const found = await tx.query<Message & { mine: boolean }>(
    `select ${view}, audience = $3 and case when audience = 'official' then official_id = $2::uuid else division = $4 end as mine
     from message where id = any($1::uuid[]) order by id for update`,
    [ids, ...mine(tx.caller)],
  );
  const unread = found.filter((one) => one.mine && !one.readAt).map(({ id }) => id);
  const read = await tx.query<Message>(
    `update message set read_at = $2, read_by = $3, version = version + 1 where id = any($1::uuid[]) returning ${view}`,
    [unread, tx.now, tx.caller.id],
  );
  for (const one of read) tx.publish(MessageRead, one, { messageId: one.id, division: one.division, readAt: tx.now.toISOString() });
  return { found, read };
} // prettier-ignore
