export * from './apis.js';
export * from './county.js';
export * from './eventually.js';
export * from './fleet.js';
export * from './random.js';
export * from './township.js';
export * from './s3.js';
export * from './samples.js';
