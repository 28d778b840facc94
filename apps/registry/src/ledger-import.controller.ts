import { type Caller as DatabaseCaller, Database } from '#database';
import {
  Caller, importRoutes, ImportView, Roles, sendWorkbook, workbookResponse,
} from '#platform'; // prettier-ignore
import { workbookType } from '#sheet';
import { Controller, Get, HttpCode, Param, ParseUUIDPipe, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiProperty, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { LedgerImports } from './ledger.service.js';
import { markedSheet } from './ledger.workbook.js';
import { type Undone, undoImport } from './ledger-undo.js';

class UndoneImport extends ImportView implements Undone {
  @ApiProperty({ type: Number, description: '已关闭:本次导入新登记的主体 · establishments that it had created, closed now', example: 12 })
  closed: number;
  @ApiProperty({ type: Number, description: '已恢复:本次导入修改过的主体 · establishments that it had changed, as they were before', example: 3 })
  restored: number;
} // prettier-ignore

@ApiTags('ledger-imports')
@Controller('ledger-imports')
export class LedgerImportController extends importRoutes('台账 · a ledger', [
  'county-admin',
  'office',
]) {
  constructor(
    private readonly door: Database,
    private readonly ledgers: LedgerImports,
  ) {
    super(door, ledgers as never);
  }

  @Get(':id/findings.xlsx')
  @Roles('county-admin', 'office', 'auditor')
  @ApiOperation({
    summary: '下载标注问题的表格 · the sheet as it was sent, with what was found on each row',
    description:
      'XLSX. Rows are filled by the worst finding: red refused, grey duplicate, yellow warned, blue repaired; the last column 问题 · findings says what to do. 409 `wrong-state` while the import is under way.',
  })
  @ApiProduces(workbookType)
  @ApiResponse(workbookResponse)
  async marked(
    @Caller() caller: DatabaseCaller,
    @Param('id', ParseUUIDPipe) id: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    sendWorkbook(reply, `台账问题-${id}`, await markedSheet(this.door, this.ledgers, caller, id));
  }

  @Post(':id/undo')
  @HttpCode(200)
  @Roles('county-admin', 'office')
  @ApiOperation({
    summary: '撤销导入 · undo an import: close what it created, restore what it changed',
    description:
      'All or nothing. 409 `changed-since` names what was changed or visited since the import; 409 `wrong-state` for a dry run and for an import that has not landed. Nothing is deleted; a repeat gives the same answer.',
  })
  @ApiResponse({ status: 200, type: UndoneImport })
  undo(
    @Caller() caller: DatabaseCaller,
    @Param('id', ParseUUIDPipe) id: string,
  ): Promise<UndoneImport> {
    return this.door.within(caller, async (tx) => {
      const undone = await undoImport(tx, id);
      return { ...(await this.ledgers.one(tx, id)), ...undone };
    });
  }
}
