import { type EventContract, type Service } from './event.js';
import {
  AssignmentEnded,
  AssignmentMade,
  OfficialChanged,
  UndertakingOpened,
  UndertakingStale,
} from './assignment.js';
import { AccountChanged } from './identity.js';
import {
  CalendarMissing,
  CorrectiveActionChanged,
  CorrectiveActionDue,
  CorrectiveActionNear,
  CorrectiveActionOverdue,
  CorrectiveActionVerified,
  InspectionSubmitted,
  InspectionWithdrawn,
  ObligationOpened,
  ObligationReassigned,
  VisitsReminded,
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
 * and this table differ. Every service hears of accounts, so that a change of one ends its tokens there (libs/platform
 * has the handler); identity writes the same down in the step itself.
 */
export const listeners: Partial<Record<Service, readonly EventContract[]>> = {
  registry: [InspectionSubmitted, AccountChanged],
  assignment: [
    EstablishmentRegistered,
    EstablishmentChanged,
    DivisionsListed,
    CertificateIssued,
    AccountChanged,
  ],
  inspection: [
    EstablishmentRegistered,
    EstablishmentChanged,
    CalendarAnnounced,
    DivisionsListed,
    AssignmentMade,
    AssignmentEnded,
    CertificateIssued,
    AccountChanged,
  ],
  training: [OfficialChanged, DivisionsListed, AccountChanged],
  notification: [
    AssignmentMade,
    OfficialChanged,
    UndertakingOpened,
    UndertakingStale,
    ObligationOpened,
    ObligationReassigned,
    CorrectiveActionDue,
    CorrectiveActionChanged,
    CorrectiveActionVerified,
    CorrectiveActionNear,
    CorrectiveActionOverdue,
    VisitsReminded,
    InspectionWithdrawn,
    CalendarMissing,
    DivisionsListed,
    AccountChanged,
  ],
  identity: [OfficialChanged, DivisionsListed],
};

export const publishers: readonly Service[] = [
  'registry', 'assignment', 'inspection', 'training', 'notification', 'identity',
]; // prettier-ignore
