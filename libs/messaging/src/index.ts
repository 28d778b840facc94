export * from './bus.js';
export * from './relay.js';
export * from './consumer.js';
