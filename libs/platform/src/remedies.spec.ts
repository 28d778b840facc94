import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsInt, MaxLength, Max, Min, validateSync } from 'class-validator'; // prettier-ignore
import { IsDivision, IsInstant, Line } from './fields.js';
import { firstBroken, remedyFor } from './remedies.js';

class Sheet {
  @Line(3)
  name: unknown = 'abcd';
  @Line(3)
  short: unknown = '';
  @Line(3)
  none: unknown = 1;
  @Min(2)
  @Max(-1)
  count: unknown = 1;
  @IsInt()
  whole: unknown = 1.5;
  @IsIn(['a', 'b'])
  kind: unknown = 'c';
  @MaxLength(2)
  word: unknown = 'abc';
  @ArrayMinSize(2)
  few: unknown = [1];
  @ArrayMaxSize(1)
  many: unknown = [1, 2];
  @IsArray()
  list: unknown = 'x';
  @IsDivision()
  division: unknown = '12';
  @IsInstant()
  at: unknown = '2026-11-23';
}

it('what a validator says is told with its limits, alike in both languages', () => {
  const told = validateSync(new Sheet()).flatMap(({ constraints }) =>
    Object.entries(constraints ?? {}).map(([rule, said]) => remedyFor(rule, said)),
  );
  expect(told.sort()).toEqual(
    [
      '最多 3 个字符 · give at most 3 characters',
      '不能为空 · it must not be empty',
      '请填写文字,JSON 中须加引号 · give a text, in JSON with quotation marks',
      '长度须为 1 至 3 个字符 · give 1 to 3 characters',
      '须为一行文字,不能只有空白,不含控制字符 · none must be one line with more than blanks and without control characters',
      '不能小于 2 · it must not be less than 2',
      '不能大于 -1 · it must not be greater than -1',
      '请填写整数 · give a whole number',
      '须为以下取值之一:a, b · it must be one of: a, b',
      '最多 2 个字符 · give at most 2 characters',
      '列表至少 2 项 · the list takes at least 2',
      '列表最多 1 项 · the list takes at most 1',
      '请填写列表 · give a list',
      '须为 6、9 或 12 位行政区划代码 · division must be a division code of 6, 9 or 12 digits',
      '须为带时区的日期时间,如 2026-11-23T09:30:00+08:00 · at must be an instant with its offset, like 2026-11-23T09:30:00+08:00',
    ].sort(),
  );
});

it('of several rules that one value breaks the first that matters is told', () => {
  const first = (...rules: string[]): string | undefined =>
    firstBroken(Object.fromEntries(rules.map((rule) => [rule, ''])))[0]?.[0];
  expect(first('matches', 'isLength', 'isString')).toBe('isString');
  expect(first('max', 'min', 'isInt')).toBe('isInt');
  expect(first('matches', 'isLength')).toBe('isLength');
  expect(first('isIso8601', 'matches')).toBe('matches');
  expect(first('unheardOf', 'isIso8601')).toBe('unheardOf');
  expect(first('isUuid', 'isArray')).toBe('isArray');
  expect(first()).toBeUndefined();
});
