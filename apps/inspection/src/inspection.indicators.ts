import { type Counted, type Indicator, indicatorRoutes, placeNames } from '#platform';
import { Controller } from '@nestjs/common';
import { daysOf, periodOf } from './period.js';

const due: Counted = {
  from: 'obligation',
  id: 'id',
  division: 'division',
  name: 'establishment_name',
  detail: 'official_name',
  where: `period = $period and state <> 'withdrawn'`,
};
const started: Counted = {
  from: 'corrective_action',
  id: 'id',
  division: 'division',
  name: 'establishment_name',
  detail: 'number',
  where: `start_on between $from::date and $to::date and not steps @> '[{"act": "withdrawal"}]'`,
};
const finished: Counted = { ...started, where: `${started.where} and state = 'closed'` };

export const inspectionIndicators: readonly Indicator[] = [
  {
    code: 'visits-done',
    version: 1,
    title: { zh: '督导任务完成率', en: 'Visits done of visits due' },
    denominator: {
      zh: '本季度督导任务数,含暂无包保干部的主体:先落实包保,再完成督导',
      en: 'Visits due in the quarter, also where nobody answers for the establishment yet: that is to be mended first',
    },
    numerator: { zh: '其中已完成的', en: 'Those that a visit has settled' },
    exclusions: { zh: '已撤销的任务不计', en: 'Visits that were withdrawn' },
    of: due,
    counts: `state = 'settled'`,
  },
  {
    code: 'corrections-closed',
    version: 1,
    title: { zh: '整改销号率', en: 'Corrections closed' },
    denominator: { zh: '本季度开始的整改数', en: 'Corrections that start in the quarter' },
    numerator: { zh: '其中已销号的', en: 'Those that are closed' },
    exclusions: { zh: '所属督导已撤回的整改不计', en: 'Those of a visit that was withdrawn' },
    of: started,
    counts: `state = 'closed'`,
  },
  {
    code: 'corrections-in-time',
    version: 1,
    title: { zh: '整改按期率', en: 'Corrections closed in time' },
    denominator: {
      zh: '本季度开始、且已销号的整改数',
      en: 'Corrections that start in the quarter and are closed',
    },
    numerator: { zh: '其中从未逾期的', en: 'Those that were never overdue' },
    exclusions: {
      zh: '尚未销号的,以及所属督导已撤回的整改不计',
      en: 'Corrections that are not closed yet, and those of a visit that was withdrawn',
    },
    of: finished,
    counts: 'not overdue',
  },
];

@Controller()
export class IndicatorController extends indicatorRoutes(
  ['county-admin', 'office', 'official', 'authority', 'auditor'],
  inspectionIndicators,
  placeNames,
  { periodOf, daysOf },
) {}
