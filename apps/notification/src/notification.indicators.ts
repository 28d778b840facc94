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
      zh: '发给食安办和县级管理员的消息不计;内容更新后的消息重新计为未读。没有账号的包保干部的消息计入,算未读:由此可见通知不到的人',
      en: 'Messages to offices and county admins; a message whose words changed since is unread again. Those to officials without an account count, as unread: they show who cannot be reached',
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
