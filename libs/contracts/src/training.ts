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
  }),
);
