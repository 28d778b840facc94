import { type Caller as DatabaseCaller, Database } from '#database';
import { Applier, type DeadLetter } from '#messaging';
import { Body, Controller, Get, HttpCode, Param, ParseUUIDPipe, Post, Query } from '@nestjs/common';
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
  @ApiProperty({ type: String, format: 'date-time', nullable: true })
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

  @ApiPropertyOptional({ type: String, format: 'date-time', description: 'Set aside at or after' })
  @IsOptional()
  @IsInstant()
  since?: string;

  @ApiPropertyOptional({ type: String, format: 'date-time', description: 'Set aside before' })
  @IsOptional()
  @IsInstant()
  until?: string;
}

class ReplayFailure {
  @ApiProperty({ type: String, format: 'uuid' })
  id: string;
  @ApiProperty({ type: String })
  cause: string;
}

class Replayed {
  @ApiProperty({ type: Number, example: 3 })
  replayed: number;
  @ApiProperty({ type: [ReplayFailure], description: 'They failed again, and stay' })
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
  @ApiOperation({ summary: '未能处理的事件 · facts that were set aside, with the cause' })
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
  @ApiOperation({ summary: '重新处理 · apply them again, by type, division or time; a thousand at most' })
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
  @ApiOperation({ summary: '重新处理一个事件 · apply one again' })
  @ApiResponse({ status: 200, type: Replayed })
  replayOne(
    @Caller() caller: DatabaseCaller,
    @Param('id', ParseUUIDPipe) id: string,
  ): Promise<Replayed> {
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
