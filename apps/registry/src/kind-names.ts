import { type Kind } from '#contracts';

/** The ten kinds as officials write them. */
export const kindNames: Record<Kind, string> = {
  production: '食品生产', 'special-food': '特殊食品', sale: '食品销售', catering: '餐饮服务', canteen: '学校食堂',
  'group-meal': '集体用餐配送单位', market: '集中交易市场', 'small-catering': '小餐饮', workshop: '食品小作坊', stall: '食品摊点',
}; // prettier-ignore

export const kindOf: Record<string, Kind> = Object.fromEntries(
  Object.entries(kindNames).map(([kind, name]) => [name, kind as Kind]),
);
