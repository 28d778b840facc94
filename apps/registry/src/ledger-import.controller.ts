import { type Caller as DatabaseCaller, Database } from '#database';
import {
  Caller, importRoutes, ImportView, Roles, sendWorkbook, workbookResponse,
} from '#platform'; // prettier-ignore
import { workbookType } from '#sheet';
import { Controller, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
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
export class LedgerImportController extends importRoutes({ zh: '台账', en: 'a ledger' }, [
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
    summary:
      '下载标注问题的表格 · download the sheet as it was sent, with what was found on each row',
    description:
      'XLSX。每行按最严重的问题着色:红色拒绝、灰色重复、黄色提示、蓝色已更正;最后一列说明如何处理。导入进行中为 409 `wrong-state`。 · XLSX. Rows are coloured by the worst finding: red refused, grey duplicate, yellow warned, blue repaired; the last column says what to do. 409 `wrong-state` while the import is under way.',
  })
  @ApiProduces(workbookType)
  @ApiResponse(workbookResponse)
  async marked(
    @Caller() caller: DatabaseCaller,
    @Param('id') id: string,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    sendWorkbook(reply, `台账问题-${id}`, await markedSheet(this.door, this.ledgers, caller, id));
  }

  @Post(':id/undo')
  @HttpCode(200)
  @Roles('county-admin', 'office')
  @ApiOperation({
    summary:
      '撤销导入:关闭其新建的,恢复其更改的 · undo an import: close what it created, restore what it changed',
    description:
      '全部撤销或全不撤销。409 `changed-since` 列出导入后有变更或督导的主体;试算和未完成的导入为 409 `wrong-state`。不删除任何数据,重复提交得到同样的答复。 · All or nothing. 409 `changed-since` names what was changed or visited since the import; 409 `wrong-state` for a dry run and for an import that is not done. Nothing is deleted; a repeat gives the same answer.',
  })
  @ApiResponse({ status: 200, type: UndoneImport })
  undo(@Caller() caller: DatabaseCaller, @Param('id') id: string): Promise<UndoneImport> {
    return this.door.within(caller, async (tx) => {
      const undone = await undoImport(tx, id);
      return { ...(await this.ledgers.one(tx, id)), ...undone };
    });
  }
}
