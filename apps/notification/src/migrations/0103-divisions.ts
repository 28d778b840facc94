import { type Migration } from '#database';
import { divisionTable } from '#platform';

/** What the places are called that numbers are told of. */
export const divisions: Migration = {
  name: '0103-divisions',
  sql: divisionTable('notification_app'),
};
