import { type EventContract, type Service } from './event.js';
import {
  AssignmentEnded,
  AssignmentMade,
  OfficialChanged,
  UndertakingOpened,
  UndertakingStale,
} from './assignment.js';
import {
  CalendarMissing,
  CorrectiveActionChanged,
  CorrectiveActionDue,
  CorrectiveActionVerified,
  InspectionSubmitted,
  ObligationOpened,
  ObligationReassigned,
} from './inspection.js';
import {
  CalendarAnnounced,
  DivisionsListed,
  EstablishmentChanged,
  EstablishmentRegistered,
} from './registry.js';
import { CertificateIssued } from './training.js';

/**
 * Who listens to what. One deploy step makes a durable consumer for each pair of service and stream before the
 * first publish (interest retention drops what nobody waits for); a service refuses to start when its handlers
 * and this table differ.
 */
export const listeners: Partial<Record<Service, readonly EventContract[]>> = {
  registry: [InspectionSubmitted],
  assignment: [EstablishmentRegistered, EstablishmentChanged, DivisionsListed, CertificateIssued],
  inspection: [
    EstablishmentRegistered,
    EstablishmentChanged,
    CalendarAnnounced,
    AssignmentMade,
    AssignmentEnded,
    CertificateIssued,
  ],
  training: [OfficialChanged],
  notification: [
    AssignmentMade,
    UndertakingOpened,
    UndertakingStale,
    ObligationOpened,
    ObligationReassigned,
    CorrectiveActionDue,
    CorrectiveActionChanged,
    CorrectiveActionVerified,
    CalendarMissing,
  ],
};

export const publishers: readonly Service[] = [
  'registry', 'assignment', 'inspection', 'training', 'notification', 'identity',
]; // prettier-ignore
