import { type Indicator, indicatorRoutes, placeNames } from '#platform';
import { Controller } from '@nestjs/common';

export const notificationIndicators: readonly Indicator[] = [
  {
    code: 'messages-read',
    version: 1,
    title: { zh: '消息阅读率', en: 'Messages read' },
    denominator: { zh: '发给包保干部的消息数', en: 'Messages to officials' },
    numerator: { zh: '其中已读的', en: 'Those that were read' },
    exclusions: {
      zh: '发给县级管理员的消息不计;内容更新后的消息重新计为未读',
      en: 'Messages to county admins; a message whose words changed since is unread again',
    },
    of: {
      from: 'message',
      id: 'id',
      division: 'division',
      name: 'title_zh',
      detail: 'title_en',
      where: `audience = 'official'`,
    },
    counts: 'read_at is not null',
  },
];

/** The roles that see messages: their titles are among the rows. */
@Controller()
export class IndicatorController extends indicatorRoutes(
  ['county-admin', 'office', 'official', 'auditor'],
  notificationIndicators,
  placeNames,
) {}
