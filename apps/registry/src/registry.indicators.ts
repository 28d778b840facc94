import { kindNames, kinds, tiers } from '#contracts';
import { type Counted, type Indicator, indicatorRoutes, type PlaceNames } from '#platform';
import { Controller } from '@nestjs/common';

/** 在营主体: what is open. Who is suspended or closed is in no number. */
const open: Counted = {
  from: 'establishment',
  id: 'id',
  division: 'division',
  name: 'name',
  detail: 'address',
  where: `status = 'open'`,
};
const all = {
  denominator: { zh: '在营主体数', en: 'Establishments that are open' },
  exclusions: { zh: '停业和注销的主体不计', en: 'Establishments that are suspended or closed' },
};

export const registryIndicators: readonly Indicator[] = [
  ...tiers.map((tier) => ({
    code: `establishments-tier-${tier.toLowerCase()}`,
    version: 1,
    title: { zh: `${tier}级主体占比`, en: `Establishments of responsibility tier ${tier}` },
    ...all,
    numerator: { zh: `其中包保等级为${tier}的`, en: `Those of responsibility tier ${tier}` },
    of: open,
    counts: `tier = '${tier}'`,
  })),
  ...kinds.map((kind) => ({
    code: `establishments-kind-${kind}`,
    version: 1,
    title: { zh: `${kindNames[kind]}主体占比`, en: `Establishments of the kind ${kind}` },
    ...all,
    numerator: { zh: `其中业态为${kindNames[kind]}的`, en: `Those of the kind ${kind}` },
    of: open,
    counts: `kind = '${kind}'`,
  })),
];

const names: PlaceNames = async (tx, codes) => {
  const places = await tx.query<{ division: string; name: string }>(
    `select division, name from division where division = any($1)`,
    [codes],
  );
  return new Map(places.map(({ division, name }) => [division, name]));
};

@Controller()
export class IndicatorController extends indicatorRoutes(
  ['county-admin', 'office', 'authority', 'auditor'],
  registryIndicators,
  names,
) {}
