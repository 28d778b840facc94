export * from './file-kind.js';
export * from './file-store.js';
export * from './send-file.js';
export * from './shelf.js';
