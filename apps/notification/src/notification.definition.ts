import { foundationOf, retention, retries } from '#database';
import { PolicyController, policyLoader, type ServiceDefinition, Settings } from '#platform';
import { Module } from '@nestjs/common';
import { DeliveryController } from './delivery.controller.js';
import { DeliveryRun } from './delivery.run.js';
import { DeliveryService } from './delivery.service.js';
import { MailSender } from './mail.sender.js';
import { MessageController } from './message.controller.js';
import { MessageTemplates } from './message.templates.js';
import { messages } from './migrations/0002-messages.js';
import { channels } from './migrations/0003-channels.js';
import { leavers } from './migrations/0004-leavers.js';
import { newestFirst } from './migrations/0102-newest.js';
import { divisions } from './migrations/0103-divisions.js';
import { offices } from './migrations/0104-offices.js';
import { NotificationConfig } from './notification.config.js';
import { NotificationEvents } from './notification.events.js';
import { IndicatorController } from './notification.indicators.js';
import { SubscriberEvents } from './subscriber.events.js';
import { SubscriptionController } from './subscription.controller.js';
import { SubscriptionService } from './subscription.service.js';
import { WebhookSender } from './webhook.sender.js';

@Module({
  controllers: [
    MessageController,
    SubscriptionController,
    DeliveryController,
    PolicyController,
    IndicatorController,
  ],
  providers: [
    {
      provide: NotificationConfig,
      useFactory: (settings: Settings) => new NotificationConfig(settings),
      inject: [Settings],
    },
    NotificationEvents,
    SubscriberEvents,
    SubscriptionService,
    DeliveryService,
    DeliveryRun,
    MailSender,
    WebhookSender,
  ],
})
class NotificationModule {}

export const notification: ServiceDefinition = {
  service: 'notification',
  title: '消息 · Notification: who was told',
  module: NotificationModule,
  entities: [],
  migrations: [
    ...foundationOf('notification'),
    messages,
    channels,
    leavers,
    retention('notification', ['delivery']),
    retries('notification'),
    newestFirst,
    divisions,
    offices,
  ],
  events: [NotificationEvents, SubscriberEvents],
  jobs: [DeliveryRun],
  load: policyLoader(MessageTemplates),
};
