export * from './config.js';
export * from './problem.js';
export * from './auth.js';
export * from './http.js';
export * from './bootstrap.js';
