import { type Migration } from '#database';
import { newestImports } from '#platform';

/** The page of imports, the newest first. */
export const newestLedgers: Migration = {
  name: '0102-newest',
  sql: newestImports('ledger_import'),
};
