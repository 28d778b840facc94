export * from './array.js';
export * from './id.js';
export * from './scope.js';
export * from './foundation.js';
export * from './database.js';
export * from './migrate.js';
export * from './prune.js';
