import { type Kind, type Tier } from '#contracts';

export interface TierInput {
  kind: Kind;
  /** Square metres. */
  area: number | null;
  /** Meals or diners a day. */
  diners: number | null;
  /** A producer marked large. */
  large: boolean;
}

export interface TierDecision {
  tier: Tier;
  rule: 'county-default';
  ruleVersion: 1;
  /** The line of the rule that fitted. */
  because: string;
  warning: 'area-missing' | null;
}

/**
 * The default rule of the sample county, version 1: the first line that fits decides. It is ours and no
 * authority's: official thresholds were not found, and counties refine them.
 */
export function decideTier(input: TierInput): TierDecision {
  const { kind, area, diners } = input;
  const decide = (tier: Tier, because: string, warning: TierDecision['warning'] = null): TierDecision => ({
    tier, rule: 'county-default', ruleVersion: 1, because, warning,
  }); // prettier-ignore
  switch (kind) {
    case 'stall':
    case 'workshop':
    case 'small-catering':
      return decide('D', `${kind} → D`);
    case 'group-meal':
      return diners !== null && diners > 1000
        ? decide('A', 'group-meal over 1,000 meals → A')
        : decide('B', 'group-meal up to 1,000 meals, or unknown → B');
    case 'canteen':
      return diners !== null && diners >= 500
        ? decide('B', 'canteen from 500 meals → B')
        : decide('C', 'canteen under 500 meals, or unknown → C');
    case 'production':
      return input.large
        ? decide('A', 'production marked large → A')
        : decide('B', 'production → B');
    case 'special-food':
    case 'market':
      return decide('B', `${kind} → B`);
    case 'catering':
    case 'sale':
      if (area === null) return decide('C', `${kind}, area unknown → C`, 'area-missing');
      if (area >= 500) return decide('B', `${kind} from 500 m² → B`);
      if (area < 100) return decide('D', `${kind} under 100 m² → D`);
      return decide('C', `${kind} from 100 to under 500 m² → C`);
  }
}
