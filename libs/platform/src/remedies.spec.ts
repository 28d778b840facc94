import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, IsInt, MaxLength, Max, Min, validateSync } from 'class-validator'; // prettier-ignore
import { IsDivision, IsInstant, Line } from './fields.js';
import { remedyFor } from './remedies.js';

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

it('what a validator says is told in Chinese with its limits, beside the English', () => {
  const told = validateSync(new Sheet()).flatMap(({ constraints }) =>
    Object.entries(constraints ?? {}).map(([rule, said]) => remedyFor(rule, said)),
  );
  expect(told.sort()).toEqual(
    [
      '最多 3 个字符 · name must be shorter than or equal to 3 characters',
      '至少 1 个字符 · short must be longer than or equal to 1 characters',
      '请填写文字 · none must be a string',
      '长度须为 1 至 3 个字符 · none must be longer than or equal to 1 and shorter than or equal to 3 characters',
      '须为一行文字,不含控制字符 · none must be one line without control characters',
      '不能小于 2 · count must not be less than 2',
      '不能大于 -1 · count must not be greater than -1',
      '请填写整数 · whole must be an integer number',
      '须为以下取值之一:a, b · kind must be one of the following values: a, b',
      '最多 2 个字符 · word must be shorter than or equal to 2 characters',
      '列表至少 2 项 · few must contain at least 2 elements',
      '列表最多 1 项 · many must contain no more than 1 elements',
      '请填写列表 · list must be an array',
      '须为 6、9 或 12 位行政区划代码 · division must be a division code of 6, 9 or 12 digits',
      '须为带时区的日期时间,如 2026-11-23T09:30:00+08:00 · at must be an instant with its offset, like 2026-11-23T09:30:00+08:00',
    ].sort(),
  );
});

it('a name of the sender’s does not pass for our words', () => {
  expect(remedyFor('whitelistValidation', 'property 甲 · b should not exist')).toMatch(
    /^没有这个字段/,
  );
});
