export * from './event.js';
export * from './registry.js';
export * from './assignment.js';
export * from './inspection.js';
export * from './training.js';
export * from './notification.js';
export * from './identity.js';
export * from './listeners.js';
