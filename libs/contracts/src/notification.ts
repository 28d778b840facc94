import { Type } from '@sinclair/typebox';
import { defineEvent } from './event.js';

/** Somebody whom a message was meant for has read it. */
export const MessageRead = defineEvent(
  'notification.message.read.v1',
  Type.Object({
    messageId: Type.String({ format: 'uuid' }),
    division: Type.String({ pattern: '^([0-9]{6}|[0-9]{9}|[0-9]{12})$' }),
    readAt: Type.String(),
  }),
);
