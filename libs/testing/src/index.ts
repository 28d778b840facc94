export * from './county.js';
export * from './eventually.js';
