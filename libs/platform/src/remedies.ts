import { type Bilingual } from './problem.js';

/** What to do about a field that breaks a rule of class-validator; none of the library's own words are passed on. */
const remedies: Record<string, Bilingual> = {
  required: '必填,请补上该字段 · it is required: add this field',
  notNull: '不能为空值,请去掉该字段 · it must not be null: leave this field out',
  isString: '请填写文字,JSON 中须加引号 · give a text, in JSON with quotation marks',
  isInt: '请填写整数 · give a whole number',
  isNumber: '请填写数字 · give a number',
  isBoolean: '请填写 true 或 false · give true or false',
  isArray: '请填写列表 · give a list',
  isObject: '请填写对象 · give an object',
  isUuid: '请填写有效的编号(UUID),如 0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05 · give a valid id (UUID), like 0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05',
  isEmail: '请填写有效的电子邮箱地址,如 wang@county.example · give a valid e-mail address, like wang@county.example',
  isIso8601: '没有这样的日期时间,请核对 · there is no such date and time: check it',
  arrayUnique: '列表中有重复,请去掉 · the list repeats something: take it out',
  nestedValidation: '请填写对象 · give an object',
}; // prettier-ignore

/** The limits that a rule asks for are known from the library's words alone. */
const withLimits: [RegExp, Bilingual][] = [
  [/ longer than or equal to (\d+) and shorter than or equal to (\d+) characters$/, '长度须为 $1 至 $2 个字符 · give $1 to $2 characters'],
  [/ longer than or equal to 1 characters$/, '不能为空 · it must not be empty'],
  [/ longer than or equal to (\d+) characters$/, '至少 $1 个字符 · give at least $1 characters'],
  [/ shorter than or equal to (\d+) characters$/, '最多 $1 个字符 · give at most $1 characters'],
  [/ must not be less than (-?[\d.]+)$/, '不能小于 $1 · it must not be less than $1'],
  [/ must not be greater than (-?[\d.]+)$/, '不能大于 $1 · it must not be greater than $1'],
  [/ must be one of the following values: (.*)$/s, '须为以下取值之一:$1 · it must be one of: $1'],
  [/ must contain at least (\d+) elements$/, '列表至少 $1 项 · the list takes at least $1'],
  [/ must contain no more than (\d+) elements$/, '列表最多 $1 项 · the list takes at most $1'],
]; // prettier-ignore

/** `不能大于 200 · it must not be greater than 200`; what is in both languages already (`Form`) stays as it is. */
export function remedyFor(rule: string, said: string): Bilingual {
  if (isBilingual(said)) return said;
  for (const [pattern, words] of withLimits) {
    const found = pattern.exec(said);
    if (found) return found[0].replace(pattern, words) as Bilingual;
  }
  return remedies[rule] ?? '请改正该字段 · correct this field';
}

/** @param known the names that may be asked for; empty: they are not known here */
export function unknownField(name: string, known: string[] = []): Bilingual {
  const shown = name.slice(0, 100);
  return known.length === 0
    ? `没有字段 ${shown},请去掉 · there is no field ${shown}: leave it out`
    : `没有字段 ${shown},可用:${known.join('、')} · there is no field ${shown}; there are ${known.join(', ')}`;
}

/**
 * A list before what is in it; kinds of value before their limits, limits before forms; a date that is none in any form is
 * asked for its form.
 */
const ranks = [
  /^isArray$/,
  /^(whitelistValidation|required|is(?!Length|Iso8601))/,
  /^(isLength|min|max|array)/i,
  /^matches/,
];

/** The rule that matters first, of those that one value breaks; none of none. */
export function firstBroken(constraints: Record<string, string>): [rule: string, said: string][] {
  const rankOf = (rule: string): number => ranks.findIndex((rank) => rank.test(rule)) >>> 0; // -1 comes last
  return Object.entries(constraints)
    .sort(([one], [other]) => rankOf(one) - rankOf(other))
    .slice(0, 1);
}

const isBilingual = (said: string): said is Bilingual => /^\p{Script=Han}[^·]* · /u.test(said);
