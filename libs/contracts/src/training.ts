import { Type } from '@sinclair/typebox';
import { defineEvent } from './event.js';

export const CertificateIssued = defineEvent(
  'training.certificate.issued.v1',
  Type.Object({
    certificateId: Type.String({ format: 'uuid' }),
    division: Type.String({ pattern: '^[0-9]{4,12}$' }),
    officialId: Type.String({ format: 'uuid' }),
    requirement: Type.String(),
    issuedAt: Type.String(),
    /** When the session was held, which may be recorded later; facts of before do not say it. */
    heldAt: Type.Optional(Type.String()),
  }),
);

/** What every official must have done before the first visit; a county edits it (domain.md: no source fixes it). */
export const OfficialInduction = Type.Object({
  appliesTo: Type.Literal('official'),
  name: Type.Object({ zh: Type.String(), en: Type.String() }),
  /** An assignment to an unqualified official carries a warning. */
  warnAtAssignment: Type.Boolean(),
  /** An unqualified official's visit is refused. */
  refuseAtSubmission: Type.Boolean(),
});
