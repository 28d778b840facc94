import { type Caller as DatabaseCaller, Database } from '#database';
import { Caller, listWords, Roles, sendWorkbook, workbookResponse } from '#platform';
import { workbookType } from '#sheet';
import { Controller, Get, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiResponse, ApiTags, PickType } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { EstablishmentQuery } from './establishment.controller.js';
import { EstablishmentService } from './establishment.service.js';
import { ledgerSheet } from './ledger.workbook.js';

export class LedgerQuery extends PickType(EstablishmentQuery, [
  'division',
  'tier',
  'kind',
  'name',
  'uscc',
] as const) {}

/** 台账: a view of the establishments, never a table. */
@ApiTags('establishments')
@Controller('establishments.xlsx')
export class LedgerController {
  constructor(
    private readonly database: Database,
    private readonly establishments: EstablishmentService,
  ) {}

  @Get()
  @Roles('county-admin', 'office', 'authority', 'auditor')
  @ApiOperation({
    summary: '导出台账 · export the establishments of your ground as a ledger',
    description: `XLSX,与台账同一版式,不含已关闭的主体;原样再导入时,每行都是 \`unchanged\`。${listWords.zh} · XLSX in the layout of the ledger, without those that are closed; imported again as it is, every row is \`unchanged\`. ${listWords.en}`,
  })
  @ApiProduces(workbookType)
  @ApiResponse(workbookResponse)
  async ledger(
    @Caller() caller: DatabaseCaller,
    @Query() query: LedgerQuery,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const sheet = await ledgerSheet(this.database, caller, this.establishments, query);
    sendWorkbook(reply, '食品生产经营主体台账', sheet);
  }
}
