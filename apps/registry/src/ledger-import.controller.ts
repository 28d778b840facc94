import { type Caller as DatabaseCaller, Database } from '#database';
import {
  Caller, importRoutes, ImportView, Roles, sendWorkbook, workbookResponse,
} from '#platform'; // prettier-ignore
import { workbookType } from '#sheet';
import { Controller, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiProperty, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { columns, LedgerImports, rules } from './ledger.service.js';
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
export class LedgerImportController extends importRoutes(
  { zh: '台账', en: 'a ledger' },
  ['county-admin', 'office'],
  {
    zh:
      columns.zh +
      '一行是哪个主体,按下列次序判断,以先符合的为准:许可证号、村和地址相同;信用代码和地址相同;信用代码、村和名称相同且只有一户;双方都没有信用代码的,村、名称和地址都相同。都不符合的登记为新主体;符合两户以上的拒绝(`identity-ambiguous`),并列出。已关闭的主体不参与判断。符合的按本行更新(空单元格保留原值),计入 `updated`,改了什么见 `row-updated`;同一文件中两行符合同一主体的,后一行更新前一行。没有信用代码的店换了地址,或新填了信用代码,会登记为另一户(`like-another` 指出近似的那一户):请改用 `PATCH /establishments/{id}`。表中没有的主体不会因此关闭。序号和行的次序没有意义。',
    en:
      columns.en +
      ' Which establishment a row means, the first that decides: the same licence number, village and address; the same credit code and address; the same credit code, village and name, if only one has them; where neither has a credit code the same village, name and address. None: a new establishment. Two or more: the row is refused (`identity-ambiguous`) and they are named. Closed ones do not count. The establishment that is meant takes what the row says (an empty cell keeps what was there) and counts as `updated`, what it changed is told by `row-updated`; where two rows of one file mean the same, the later one changes what the earlier one said. A shop without a credit code that moved, or has one by now, would be a new one (`like-another` names the one that it is much like): use `PATCH /establishments/{id}` for it. Nothing closes by missing from a ledger. Running number and order of the rows mean nothing.',
  },
  rules,
) {
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
      'XLSX。每行按最严重的问题着色:红色拒绝、灰色重复、黄色提示、蓝色已更正,只有说明的不着色;最后一列说明如何处理。导入进行中为 409 `wrong-state`。 · XLSX. Rows are coloured by the worst finding: red refused, grey duplicate, yellow warned, blue repaired; none where something is only noted; the last column says what to do. 409 `wrong-state` while the import is under way.',
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
