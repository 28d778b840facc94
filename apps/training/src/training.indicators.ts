import { type Indicator, indicatorRoutes, placeNames } from '#platform';
import { Controller } from '@nestjs/common';

export const trainingIndicators: readonly Indicator[] = [
  {
    code: 'officials-trained',
    version: 1,
    title: { zh: '包保干部培训率', en: 'Officials with the induction' },
    denominator: { zh: '在任包保干部数', en: 'Officials who are active' },
    numerator: {
      zh: '其中已取得岗前培训证书的',
      en: 'Those with the certificate of the induction',
    },
    exclusions: { zh: '已离任的干部不计', en: 'Officials who are no longer active' },
    of: {
      // Lateral with a limit, so that a page of rows looks up its own fifty and does not join the whole county first.
      from: `official o left join lateral (
        select id from certificate where official_id = o.official_id and requirement = 'official-induction' limit 1) c on true`,
      id: 'o.official_id',
      division: 'o.division',
      name: 'o.name',
      detail: 'o.post',
      where: 'o.active',
    },
    counts: 'c.id is not null',
  },
];

@Controller()
export class IndicatorController extends indicatorRoutes(
  ['county-admin', 'office', 'authority', 'auditor'],
  trainingIndicators,
  placeNames,
) {}
