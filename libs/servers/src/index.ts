export * from './port.js';
export * from './postgres.js';
export * from './nats.js';
export * from './certificates.js';
