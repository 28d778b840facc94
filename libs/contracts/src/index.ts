export * from './event.js';
export * from './registry.js';
export * from './listeners.js';
