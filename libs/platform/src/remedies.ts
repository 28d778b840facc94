import { type Bilingual } from './problem.js';

/** What to do about a field that breaks a rule of class-validator, in Chinese; the library's own words stand beside it. */
const chinese: Record<string, string> = {
  isString: '请填写文字',
  isLength: '请改正长度',
  matches: '请按格式填写',
  isIn: '请从给定的取值中选择',
  isInt: '请填写整数',
  isNumber: '请填写数字',
  min: '数值过小',
  max: '数值过大',
  isBoolean: '请填写 true 或 false',
  isEmail: '请填写有效的电子邮箱地址',
  maxLength: '内容过长',
  isUuid: '请填写有效的编号(UUID)',
  isISO8601: '请填写有效的日期时间',
  isIso8601: '请填写有效的日期时间',
  isArray: '请填写列表',
  isObject: '请填写对象',
  arrayMinSize: '列表不能为空',
  arrayMaxSize: '列表过长',
  arrayUnique: '列表中有重复',
  notNull: '不能为空值,请去掉该字段',
  nestedValidation: '请按格式填写',
  whitelistValidation: '没有这个字段,请去掉',
};

/** `请填写整数 · limit must be an integer number` */
export function remedyFor(rule: string, english: string): Bilingual {
  return `${chinese[rule] ?? '请改正该字段'} · ${english}`;
}
