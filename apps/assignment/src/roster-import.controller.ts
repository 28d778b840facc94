import { Database } from '#database';
import { importRoutes } from '#platform';
import { Controller } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { columns, RosterImports, rules } from './roster.service.js';

@ApiTags('roster-imports')
@Controller('roster-imports')
export class RosterImportController extends importRoutes(
  { zh: '包保干部名单', en: 'a roster of officials' },
  ['county-admin', 'office'],
  {
    zh: `${columns.zh}层级、行政区划代码、职务、姓名四项全部相同的才是同一位干部:所属单位、联系电话按本表更新,已离任的恢复在任。任何一项不同即新建一位,原来的一位不变,也不离任;同一乡镇(县级为本县)已有同名在任干部的,新建时提示 \`name-known\`。可先用 \`dryRun\` 查看提示。更正姓名、职务用 \`PATCH /officials/{id}\`(并更正名单文件);换了层级或地区的,登记离任(\`POST /officials/{id}/departure\`)后再导入。名单中没有的人不会因此离任。`,
    en: `${columns.en} A row is an official we have where level, division, post and name are all the same: his unit and telephone are renewed, and if he had left he serves again. Where one of the four differs the row makes another official, and the one before neither changes nor leaves; where an active official of the same name is in the same township (for the county’s own: in the county) already, \`name-known\` warns of it. A \`dryRun\` shows the warnings first. Correct a name or a post with \`PATCH /officials/{id}\` (and in the file); for another level or place record the departure (\`POST /officials/{id}/departure\`), then import. Nobody leaves by missing from a roster.`,
  },
  rules,
) {
  constructor(database: Database, imports: RosterImports) {
    super(database, imports as never);
  }
}
