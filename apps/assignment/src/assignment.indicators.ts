import { levelOfTier, tiers } from '#contracts';
import { Database } from '#database';
import { type Counted, type Indicator, indicatorRoutes } from '#platform';
import { Controller } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';

/**
 * Open establishments, each with who answers for it now, if anybody does. Lateral with a limit, so that a page of rows
 * looks up its own fifty and does not join the whole county first.
 */
const open: Counted = {
  from: `premises p left join lateral (
    select official_name, official_level from assignment where establishment_id = p.establishment_id and ended_at is null limit 1) a on true`,
  id: 'p.establishment_id',
  division: 'p.division',
  name: 'p.name',
  detail: 'a.official_name',
  where: `p.status = 'open'`,
};
const levelAsked = `case p.tier ${tiers.map((tier) => `when '${tier}' then '${levelOfTier[tier]}'`).join(' ')} end`;

export const assignmentIndicators: readonly Indicator[] = [
  {
    code: 'assignment-rate',
    version: 1,
    title: { zh: '包保关系落实率', en: 'Establishments with a responsible official' },
    denominator: { zh: '在营主体数', en: 'Establishments that are open' },
    numerator: {
      zh: '其中有现行包保关系、且包保干部层级与包保等级相符的(A市、B县、C乡、D村)',
      en: 'Those with a current assignment to an official of the level that their tier asks for (A city, B county, C township, D village)',
    },
    exclusions: {
      zh: '停业和注销的主体不计;已提出未批准的方案不计',
      en: 'Establishments that are suspended or closed; what is proposed and not approved counts for nothing',
    },
    of: open,
    counts: `a.official_level = ${levelAsked}`,
  },
];

@ApiTags('indicators')
@Controller('indicators')
export class IndicatorController extends indicatorRoutes(
  ['county-admin', 'office', 'authority', 'auditor'],
  assignmentIndicators,
) {
  constructor(database: Database) {
    super(database);
  }
}
