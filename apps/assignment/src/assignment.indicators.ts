import { levelOfTier, tiers } from '#contracts';
import { type Counted, type Indicator, indicatorRoutes, placeNames } from '#platform';
import { Controller } from '@nestjs/common';

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
/** Active officials who answer for something. One whose list changed since he signed is `stale`, and has not signed this one. */
const answering: Counted = {
  from: 'official o',
  id: 'o.id',
  division: 'o.division',
  name: 'o.name',
  detail: 'o.post',
  where:
    'o.active and exists (select from assignment a where a.official_id = o.id and a.ended_at is null)',
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
  {
    code: 'undertakings-signed',
    version: 1,
    title: { zh: '承诺书签订率', en: 'Officials who signed their undertaking' },
    denominator: {
      zh: '在任且有现行包保关系的干部数',
      en: 'Active officials with at least one current assignment',
    },
    numerator: {
      zh: '其中已按现行清单签订承诺书的',
      en: 'Those whose undertaking is signed for the list as it is now',
    },
    exclusions: {
      zh: '没有包保对象的干部不计;清单变动后未重新签订的不算已签',
      en: 'Officials who answer for nothing; one signed for an earlier list counts as not signed',
    },
    of: answering,
    counts: `exists (select from undertaking u where u.official_id = o.id and u.state = 'signed')`,
  },
];

@Controller()
export class IndicatorController extends indicatorRoutes(
  ['county-admin', 'office', 'authority', 'auditor'],
  assignmentIndicators,
  placeNames,
) {}
