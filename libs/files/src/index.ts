export * from './file-kind.js';
export * from './file-store.js';
export { type S3Config } from './s3-store.js';
export * from './send-file.js';
export * from './shelf.js';
