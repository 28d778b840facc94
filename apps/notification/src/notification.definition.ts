import { foundation } from '#database';
import { type ServiceDefinition } from '#platform';
import { Module } from '@nestjs/common';
import { MessageController } from './message.controller.js';
import { messages } from './migrations/0002-messages.js';
import { NotificationEvents } from './notification.events.js';
import { IndicatorController } from './notification.indicators.js';

@Module({ controllers: [MessageController, IndicatorController], providers: [NotificationEvents] })
class NotificationModule {}

export const notification: ServiceDefinition = {
  service: 'notification',
  title: '消息 · Notification: who was told',
  module: NotificationModule,
  entities: [],
  migrations: [{ name: '0001-foundation', sql: foundation('notification') }, messages],
  events: [NotificationEvents],
};
