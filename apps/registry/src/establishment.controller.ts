import { type Kind, kinds, type Tier, tiers } from '#contracts';
import { type Caller as DatabaseCaller, Database } from '#database';
import { Caller, IfMatch, Roles } from '#platform';
import {
  Body,
  Controller,
  Get,
  Param,
  ParseUUIDPipe,
  Patch,
  Post,
  Query,
  Res,
} from '@nestjs/common';
import { ApiHeader, ApiProperty, ApiPropertyOptional, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  IsBoolean, IsIn, IsInt, IsNumber, IsOptional, IsString, Length, Matches, Max, MaxLength, Min,
} from 'class-validator'; // prettier-ignore
import { type FastifyReply } from 'fastify';
import { Establishment } from './establishment.entity.js';
import { EstablishmentService } from './establishment.service.js';

export class RegisterEstablishment {
  @ApiProperty({ type: String, description: 'Village code, 12 digits', example: '371425101200' })
  @Matches(/^\d{12}$/)
  division: string;

  @ApiProperty({ type: String, example: '老王饭店', maxLength: 200 })
  @IsString()
  @Length(1, 200)
  @Matches(/^[^\u0000-\u001f]*$/)
  name: string;

  @ApiPropertyOptional({ type: String, nullable: true, example: '91371425MA3CM4AM88' })
  @IsOptional()
  @IsString()
  @MaxLength(40)
  uscc?: string | null;

  @ApiProperty({ type: String, example: '表白寺镇中心街12号', maxLength: 300 })
  @IsString()
  @Length(1, 300)
  @Matches(/^[^\u0000-\u001f]*$/)
  address: string;

  @ApiProperty({ enum: kinds, example: 'catering' })
  @IsIn(kinds)
  kind: Kind;

  @ApiPropertyOptional({ type: Number, nullable: true, description: 'Square metres', example: 120 })
  @IsOptional()
  @IsNumber({ allowNaN: false, allowInfinity: false })
  @Min(0)
  @Max(10_000_000)
  area?: number | null;

  @ApiPropertyOptional({ type: Number, nullable: true, description: 'Meals a day', example: 80 })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  diners?: number | null;

  @ApiPropertyOptional({ type: Boolean, description: 'A producer marked large', example: false })
  @IsOptional()
  @IsBoolean()
  large?: boolean;
}

export class ChangeEstablishment {
  @ApiPropertyOptional({ type: String, example: '老王饭店(新店)' })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @Matches(/^[^\u0000-\u001f]*$/)
  name?: string;

  @ApiPropertyOptional({ type: String, nullable: true, example: '91371425MA3CM4AM88' })
  @IsOptional()
  @IsString()
  @MaxLength(40)
  uscc?: string | null;

  @ApiPropertyOptional({ type: Number, nullable: true, example: 520 })
  @IsOptional()
  @IsNumber({ allowNaN: false, allowInfinity: false })
  @Min(0)
  @Max(10_000_000)
  area?: number | null;

  @ApiPropertyOptional({ enum: ['open', 'suspended', 'closed'], example: 'open' })
  @IsOptional()
  @IsIn(['open', 'suspended', 'closed'])
  status?: 'open' | 'suspended' | 'closed';
}

export class EstablishmentQuery {
  @ApiPropertyOptional({ type: String, example: '371425101' })
  @IsOptional()
  @Matches(/^(\d{6}|\d{9}|\d{12})$/)
  division?: string;

  @ApiPropertyOptional({ enum: tiers })
  @IsOptional()
  @IsIn(tiers)
  tier?: Tier;

  @ApiPropertyOptional({ enum: kinds })
  @IsOptional()
  @IsIn(kinds)
  kind?: Kind;

  @ApiPropertyOptional({ type: String, description: 'Part of the name', example: '饭店' })
  @IsOptional()
  @IsString()
  @Length(1, 100)
  @Matches(/^[^\u0000-\u001f]*$/)
  name?: string;

  @ApiPropertyOptional({ type: String, example: '91371425MA3CM4AM88' })
  @IsOptional()
  @Matches(/^[^\u0000-\u001f]{1,40}$/)
  uscc?: string;

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

export class EstablishmentPage {
  @ApiProperty({ type: [Establishment] })
  items: Establishment[];

  @ApiProperty({ type: String, nullable: true })
  next: string | null;
}

@ApiTags('establishments')
@Controller('establishments')
export class EstablishmentController {
  constructor(
    private readonly database: Database,
    private readonly establishments: EstablishmentService,
  ) {}

  @Post()
  @Roles('county-admin', 'office')
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'Repeat with the same key to be safe',
  })
  @ApiResponse({ status: 201, type: Establishment })
  async register(
    @Caller() caller: DatabaseCaller,
    @Body() body: RegisterEstablishment,
  ): Promise<Establishment> {
    return this.database.within(caller, (tx) => this.establishments.register(tx, body));
  }

  @Get()
  @Roles('county-admin', 'office', 'authority', 'auditor')
  @ApiResponse({ status: 200, type: EstablishmentPage })
  async page(
    @Caller() caller: DatabaseCaller,
    @Query() query: EstablishmentQuery,
  ): Promise<EstablishmentPage> {
    return this.database.within(caller, (tx) => this.establishments.page(tx, query));
  }

  @Get(':id')
  @Roles('county-admin', 'office', 'authority', 'auditor')
  @ApiResponse({ status: 200, type: Establishment })
  async one(
    @Caller() caller: DatabaseCaller,
    @Param('id', ParseUUIDPipe) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Establishment> {
    const found = await this.database.within(caller, (tx) => this.establishments.one(tx, id));
    void reply.header('etag', `"${found.version}"`);
    return found;
  }

  @Patch(':id')
  @Roles('county-admin', 'office')
  @ApiHeader({ name: 'If-Match', required: true, description: 'The ETag last read' })
  @ApiResponse({ status: 200, type: Establishment })
  async change(
    @Caller() caller: DatabaseCaller,
    @Param('id', ParseUUIDPipe) id: string,
    @IfMatch() version: number,
    @Body() body: ChangeEstablishment,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Establishment> {
    const changed = await this.database.within(caller, (tx) =>
      this.establishments.change(tx, id, version, body),
    );
    void reply.header('etag', `"${changed.version}"`);
    return changed;
  }
}
