import { Type } from '@sinclair/typebox';
import { defineEvent } from './event.js';

const Id = Type.String({ format: 'uuid' });
const Place = Type.String({ pattern: '^([0-9]{6}|[0-9]{9}|[0-9]{12})$' });

/** Somebody whom a message was meant for has read it. */
export const MessageRead = defineEvent(
  'notification.message.read.v1',
  Type.Object({
    messageId: Id,
    division: Place,
    readAt: Type.String(),
  }),
);

const Sent = {
  deliveryId: Id,
  messageId: Id,
  messageVersion: Type.Integer({ minimum: 1 }),
  subscriptionId: Id,
  division: Place,
  channel: Type.Union([Type.Literal('email'), Type.Literal('webhook')]),
};

/** The mail server or the receiver's program has taken a message; whether somebody reads it is another fact. */
export const MessageDelivered = defineEvent(
  'notification.message.delivered.v1',
  Type.Object({ ...Sent, deliveredAt: Type.String() }),
);

/** A message was given up for one subscriber: a dead letter until somebody has it tried again. */
export const MessageFailed = defineEvent(
  'notification.message.failed.v1',
  Type.Object({
    ...Sent,
    failedAt: Type.String(),
    attempts: Type.Integer({ minimum: 1 }),
    cause: Type.String(),
  }),
);
