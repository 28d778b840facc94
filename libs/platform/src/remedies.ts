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
  arrayMinSize: '列表过短',
  arrayMaxSize: '列表过长',
  arrayUnique: '列表中有重复',
  notNull: '不能为空值,请去掉该字段',
  nestedValidation: '请按格式填写',
  whitelistValidation: '没有这个字段,请去掉',
};

/** The limits that a rule asks for are known from the library's words alone. */
const withLimits: [RegExp, string][] = [
  [/ longer than or equal to (\d+) and shorter than or equal to (\d+) characters$/, '长度须为 $1 至 $2 个字符'],
  [/ longer than or equal to (\d+) characters$/, '至少 $1 个字符'],
  [/ shorter than or equal to (\d+) characters$/, '最多 $1 个字符'],
  [/ must not be less than (-?[\d.]+)$/, '不能小于 $1'],
  [/ must not be greater than (-?[\d.]+)$/, '不能大于 $1'],
  [/ must be one of the following values: (.*)$/s, '须为以下取值之一:$1'],
  [/ must contain at least (\d+) elements$/, '列表至少 $1 项'],
  [/ must contain no more than (\d+) elements$/, '列表最多 $1 项'],
]; // prettier-ignore

/** `不能大于 200 · limit must not be greater than 200`; what is in both languages already (`Form`) stays as it is. */
export function remedyFor(rule: string, said: string): Bilingual {
  if (isBilingual(said)) return said;
  for (const [pattern, words] of withLimits) {
    const found = pattern.exec(said);
    if (found) return `${found[0].replace(pattern, words)} · ${said}`;
  }
  return `${chinese[rule] ?? '请改正该字段'} · ${said}`;
}

const isBilingual = (said: string): said is Bilingual => /^\p{Script=Han}[^·]* · /u.test(said);
