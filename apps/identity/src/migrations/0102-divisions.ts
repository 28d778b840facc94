import { type Migration } from '#database';
import { divisionTable } from '#platform';

/** Which divisions there are, so that nobody gets an account of a place that is none. */
export const divisions: Migration = { name: '0102-divisions', sql: divisionTable('identity_app') };
