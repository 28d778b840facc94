import { type Caller as DatabaseCaller, Database } from '#database';
import { Applier, type DeadLetter } from '#messaging';
import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  ApiOperation, ApiProperty, ApiPropertyOptional, ApiResponse, ApiTags,
} from '@nestjs/swagger'; // prettier-ignore
import { IsOptional } from 'class-validator';
import { Caller, Roles } from './auth.js';
import {
  afterOf,
  IsDivision,
  IsInstant,
  Line,
  type Page,
  PageOf,
  pageOf,
  PageQuery,
} from './fields.js';
import { oneOf } from './problem.js';

class DeadLetterView implements DeadLetter {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;
  @ApiProperty({ type: String, example: '371425' })
  division: string;
  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  eventId: string | null;
  @ApiProperty({ type: String, example: 'registry.establishment.changed.v1' })
  type: string;
  @ApiProperty({ type: String, example: 'bad data: /tier Expected union value' })
  cause: string;
  @ApiProperty({ type: String, format: 'date-time' })
  failedAt: Date;
  @ApiProperty({ type: String, format: 'date-time', nullable: true, example: null })
  replayedAt: Date | null;
}

class DeadLetterPage extends PageOf(DeadLetterView) {}

class Replay {
  @ApiPropertyOptional({ type: String, example: 'registry.establishment.changed.v1' })
  @IsOptional()
  @Line(120)
  type?: string;

  @ApiPropertyOptional({ type: String, example: '371425' })
  @IsOptional()
  @IsDivision()
  division?: string;

  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    description: '只处理此时刻及以后搁置的 · those set aside at this instant or later',
    example: '2026-11-23T00:00:00+08:00',
  })
  @IsOptional()
  @IsInstant()
  since?: string;

  @ApiPropertyOptional({
    type: String,
    format: 'date-time',
    description: '只处理此时刻以前搁置的 · those set aside before this instant',
    example: '2026-11-24T00:00:00+08:00',
  })
  @IsOptional()
  @IsInstant()
  until?: string;
}

class ReplayFailure {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;
  @ApiProperty({
    type: String,
    description: '再次失败的原因 · why it failed again',
    example: 'bad data: /tier Expected union value',
  })
  cause: string;
}

class Replayed {
  @ApiProperty({ type: Number, example: 3 })
  replayed: number;
  @ApiProperty({
    type: [ReplayFailure],
    description: '再次失败、仍然搁置的 · those that failed again and stay set aside',
  })
  failed: ReplayFailure[];
}

/** Facts that could not be applied: seen and tried again by the county, through the same inbox. */
@ApiTags('dead-letters')
@Controller('dead-letters')
export class DeadLetterController {
  constructor(
    private readonly database: Database,
    private readonly applier: Applier,
  ) {}

  @Get()
  @Roles('county-admin', 'auditor')
  @ApiOperation({
    summary:
      '查询未能处理的事件 · events that could not be applied and were set aside, with the cause',
  })
  @ApiResponse({ status: 200, type: DeadLetterPage })
  async page(
    @Caller() caller: DatabaseCaller,
    @Query() query: PageQuery,
  ): Promise<Page<DeadLetter>> {
    const found = await this.database.within(caller, (tx) =>
      tx.query<DeadLetter>(
        `select id, division, event_id as "eventId", type, cause, failed_at as "failedAt", replayed_at as "replayedAt"
         from dead_letter where (division, id) > ($1, $2::uuid) order by division, id limit $3`,
        [...afterOf(query), query.limit + 1],
      ),
    );
    return pageOf(found, query, ({ id }) => id);
  }

  @Post('replays')
  @HttpCode(200)
  @Roles('county-admin')
  @ApiOperation({ summary: '按类型、地区或时间重新处理事件,最多一千个 · apply events that were set aside again, by type, division or time; a thousand at most' })
  @ApiResponse({ status: 200, type: Replayed })
  replay(@Caller() caller: DatabaseCaller, @Body() body: Replay): Promise<Replayed> {
    return this.database.once(caller, () =>
      this.applier.replay(caller.division, {
        type: body.type,
        division: body.division,
        since: body.since ? new Date(body.since) : undefined,
        until: body.until ? new Date(body.until) : undefined,
      }),
    );
  } // prettier-ignore

  @Post(':id/replay')
  @HttpCode(200)
  @Roles('county-admin')
  @ApiOperation({ summary: '重新处理一个事件 · apply one event that was set aside again' })
  @ApiResponse({ status: 200, type: Replayed })
  replayOne(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<Replayed> {
    return this.database.once(caller, async () => {
      // The key is no looking's: a repeat would be answered with what was only looked at.
      const looking = { ...caller, readOnly: true, idempotency: undefined };
      oneOf(
        await this.database.within(looking, (tx) =>
          tx.query(`select 1 as one from dead_letter where id = $1`, [id]),
        ),
      );
      return this.applier.replay(caller.division, { id });
    });
  }
}
