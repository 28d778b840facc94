export * from './bus.js';
export * from './relay.js';
export * from './consumer.js';
export * from './seal.js';
export * from './watermarks.js';
export * from './reconciler.js';
export * from './journal-verify.js';
