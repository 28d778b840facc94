import { type EventContract, type Service } from './event.js';
import { EstablishmentChanged, EstablishmentRegistered } from './registry.js';

/**
 * Who listens to what. One deploy step makes a durable consumer for each pair of service and stream before the
 * first publish (interest retention drops what nobody waits for); a service refuses to start when its handlers
 * and this table differ.
 */
export const listeners: Partial<Record<Service, readonly EventContract[]>> = {
  assignment: [EstablishmentRegistered, EstablishmentChanged],
};

export const publishers: readonly Service[] = [
  'registry', 'assignment', 'inspection', 'training', 'notification', 'identity',
]; // prettier-ignore
