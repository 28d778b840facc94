import { OfficialInduction } from '#contracts';
import { definePolicy } from '#platform';

export const Induction = definePolicy('official-induction', OfficialInduction);
