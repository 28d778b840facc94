import { type StringOptions, type TNull, type TString, type TUnion, Type } from '@sinclair/typebox';
import { defineEvent } from './event.js';

const Id = Type.String({ format: 'uuid' });
const Village = Type.String({ pattern: '^[0-9]{12}$' });
const Nullable = (options: StringOptions = {}): TUnion<[TString, TNull]> =>
  Type.Union([Type.String(options), Type.Null()]);

/** The visit due in a period 督导任务, whole. */
export const ObligationState = Type.Object({
  obligationId: Id,
  division: Village,
  establishmentId: Id,
  establishmentName: Type.String(),
  period: Type.String({ pattern: '^[0-9]{4}-Q[1-4]$' }),
  dueOn: Type.String(),
  state: Type.Union([
    Type.Literal('open'),
    Type.Literal('overdue'),
    Type.Literal('settled'),
    Type.Literal('withdrawn'),
  ]),
  officialId: Nullable({ format: 'uuid' }),
  inspectionId: Nullable({ format: 'uuid' }),
});
export const ObligationOpened = defineEvent('inspection.obligation.opened.v1', ObligationState);
/** Another official answers for it now. */
export const ObligationReassigned = defineEvent(
  'inspection.obligation.reassigned.v1',
  ObligationState,
);
export const ObligationOverdue = defineEvent('inspection.obligation.overdue.v1', ObligationState);
/** The establishment is closed or suspended: nothing is due there. */
export const ObligationWithdrawn = defineEvent(
  'inspection.obligation.withdrawn.v1',
  ObligationState,
);
export const ObligationSettled = defineEvent('inspection.obligation.settled.v1', ObligationState);

/** The visit 督导 as it was recorded. */
export const InspectionSubmitted = defineEvent(
  'inspection.inspection.submitted.v1',
  Type.Object({
    inspectionId: Id,
    division: Village,
    establishmentId: Id,
    officialId: Id,
    method: Type.String(),
    visitedAt: Type.String(),
    checklist: Type.String(),
    checklistVersion: Type.Integer(),
    failed: Type.Integer({ minimum: 0 }),
    findings: Type.Integer({ minimum: 0 }),
    obligationId: Nullable({ format: 'uuid' }),
  }),
);

/** The office says that this visit should not have been entered (the wrong establishment, say): it counts for nothing. */
export const InspectionWithdrawn = defineEvent(
  'inspection.inspection.withdrawn.v1',
  Type.Object({
    inspectionId: Id,
    division: Village,
    establishmentId: Id,
    establishmentName: Type.String(),
    officialId: Id,
    visitedAt: Type.String(),
    reason: Type.String(),
  }),
);

/** What is told of a file: the bytes are kept by inspection, under their hash. Position in WGS84. */
const KeptFile = {
  sha256: Type.String({
    pattern: '^[0-9a-f]{64}$',
    examples: ['9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
  }),
  mime: Type.String(),
  sizeBytes: Type.Integer({ minimum: 1 }),
  takenAt: Type.String(),
  position: Type.Union([
    Type.Object({
      latitude: Type.Number(),
      longitude: Type.Number(),
      accuracyMetres: Type.Optional(Type.Number()),
    }),
    Type.Null(),
  ]),
};

/** A photo or paper of a visit 证据. */
export const EvidenceAdded = defineEvent(
  'inspection.evidence.added.v1',
  Type.Object({
    evidenceId: Id,
    division: Village,
    inspectionId: Id,
    establishmentId: Id,
    officialId: Id,
    ...KeptFile,
  }),
);
/** A photo or paper of what was mended, beside a correction 整改. */
export const EvidenceAttached = defineEvent(
  'inspection.evidence.attached.v1',
  Type.Object({
    evidenceId: Id,
    division: Village,
    inspectionId: Id,
    correctiveActionId: Id,
    ...KeptFile,
  }),
);

/** A finding's correction 整改, whole. */
export const CorrectiveActionState = Type.Object({
  correctiveActionId: Id,
  division: Village,
  number: Type.String(),
  inspectionId: Id,
  establishmentId: Id,
  establishmentName: Type.String(),
  officialId: Nullable({ format: 'uuid' }),
  finding: Type.String(),
  state: Type.Union([
    Type.Literal('open'),
    Type.Literal('responded'),
    Type.Literal('verified'),
    Type.Literal('closed'),
  ]),
  dueOn: Nullable(),
  dueState: Type.Union([Type.Literal('set'), Type.Literal('calendar-missing')]),
  overdue: Type.Boolean(),
});
/** A correction is demanded, with its deadline. */
export const CorrectiveActionDue = defineEvent(
  'inspection.corrective-action.due.v1',
  CorrectiveActionState,
);
/** Something else about it changed: a response, a rejected response, a deadline that could be set at last, another official. */
export const CorrectiveActionChanged = defineEvent(
  'inspection.corrective-action.changed.v1',
  Type.Object({
    ...CorrectiveActionState.properties,
    /** While it waits to be verified: when it was answered last. */
    answeredAt: Type.Optional(Type.String()),
    /** In the fact of a rejected response alone: when it was looked at and found not corrected. */
    rejectedAt: Type.Optional(Type.String()),
  }),
);
export const CorrectiveActionOverdue = defineEvent(
  'inspection.corrective-action.overdue.v1',
  CorrectiveActionState,
);
/** Its day is near, and nobody has answered it yet: told once, as the county's policy `reminders` asks. */
export const CorrectiveActionNear = defineEvent(
  'inspection.corrective-action.near.v1',
  CorrectiveActionState,
);
export const CorrectiveActionVerified = defineEvent(
  'inspection.corrective-action.verified.v1',
  CorrectiveActionState,
);
export const CorrectiveActionClosed = defineEvent(
  'inspection.corrective-action.closed.v1',
  CorrectiveActionState,
);

/**
 * How many visits of a period are still to be made, or were not made: told once to each official (`officialId`), and of
 * all to the office of a township (`division` of 9 digits) and to the county (6).
 */
export const VisitsReminded = defineEvent(
  'inspection.visits.reminded.v1',
  Type.Object({
    reminderId: Id,
    division: Type.String({ pattern: '^([0-9]{6}|[0-9]{9}|[0-9]{12})$' }),
    officialId: Nullable({ format: 'uuid' }),
    period: Type.String({ pattern: '^[0-9]{4}-Q[1-4]$' }),
    dueOn: Type.String(),
    /** At most so many days before the last one; 0: it is over. */
    daysBefore: Type.Integer({ minimum: 0 }),
    visits: Type.Integer({ minimum: 1 }),
  }),
);

/** A deadline reaches a year whose calendar is not announced: told once for a county and year. */
export const CalendarMissing = defineEvent(
  'inspection.calendar.missing.v1',
  Type.Object({
    division: Type.String({ pattern: '^[0-9]{6}$' }),
    year: Type.Integer(),
  }),
);
