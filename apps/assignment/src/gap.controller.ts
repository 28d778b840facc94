import { type Caller as DatabaseCaller, Database } from '#database';
import { Caller, Roles } from '#platform';
import { Controller, Get, Query } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, Matches, Max, Min } from 'class-validator';

export class GapQuery {
  @ApiPropertyOptional({ type: String, description: 'The cursor `next` of the page before' })
  @IsOptional()
  @Matches(/^\d{12}\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)
  after?: string;

  @ApiPropertyOptional({ type: Number, minimum: 1, maximum: 200, default: 50 })
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(200)
  limit: number = 50;
}

export class Gap {
  @ApiProperty({ type: String, format: 'uuid' })
  establishmentId: string;

  @ApiProperty({ type: String, example: '371425101201' })
  division: string;

  @ApiProperty({ type: String, example: '老王饭店' })
  name: string;

  @ApiProperty({ enum: ['A', 'B', 'C', 'D'] })
  tier: string;

  @ApiProperty({ enum: ['not-assigned'] })
  reason: 'not-assigned';
}

export class GapPage {
  @ApiProperty({ type: [Gap] })
  items: Gap[];

  @ApiProperty({ type: String, nullable: true })
  next: string | null;
}

@ApiTags('gaps')
@Controller('gaps')
export class GapController {
  constructor(private readonly database: Database) {}

  /** Active establishments without an official of the right level. Officials are not kept yet, so that is all of them. */
  @Get()
  @Roles('county-admin', 'office', 'authority', 'auditor')
  @ApiResponse({ status: 200, type: GapPage })
  async page(@Caller() caller: DatabaseCaller, @Query() query: GapQuery): Promise<GapPage> {
    const [division = '', id = '00000000-0000-0000-0000-000000000000'] =
      query.after?.split('.') ?? [];
    const found = await this.database.within(caller, (tx) =>
      tx.query<Gap>(
        `select establishment_id as "establishmentId", division, name, tier, 'not-assigned' as reason
         from premises where status = 'open' and (division, establishment_id) > ($1, $2::uuid)
         order by division, establishment_id limit $3`,
        [division, id, query.limit + 1],
      ),
    );
    const items = found.slice(0, query.limit);
    const last = items.at(-1);
    return {
      items,
      next: found.length > query.limit && last ? `${last.division}.${last.establishmentId}` : null,
    };
  }
}
