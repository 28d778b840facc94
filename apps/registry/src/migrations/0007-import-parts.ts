import { type Migration } from '#database';
import { importParts } from '#platform';

/** Files of imports in parts: a large one stands in nobody's memory whole, and its commits hold nobody up. */
export const ledgerParts: Migration = {
  name: '0007-import-parts',
  sql: importParts('ledger_import', 'registry_app'),
};
