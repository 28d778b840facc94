import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsISO8601, IsOptional, IsString, IsUUID, Length, Matches, Max, Min } from 'class-validator'; // prettier-ignore

import { type Bilingual, DomainError } from './problem.js';

/** A text of this form; what is wrong otherwise is said in both languages. */
export const Form = (form: RegExp, message: Bilingual): PropertyDecorator =>
  applyDecorators(IsString(), Matches(form, { message }));

/*
 * Something to be seen behind whatever blanks, no control characters (PostgreSQL takes no NUL) and no halves of a surrogate
 * pair, in ranges that mean the same with the flag `u` and without it: the document publishes them, and Swagger UI among
 * others compiles them without. Read from left to right once, whatever stands there; whether it may be empty, its length says.
 */
const controls = String.raw`\u0000-\u001f\u007f-\u009f\ud800-\udfff`;
const blanks = String.raw` \u00a0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff`;
const pair = String.raw`[\ud800-\udbff][\udc00-\udfff]`;
const textWith = (breaks: string): RegExp =>
  new RegExp(`^(?:(?:[${blanks}]${breaks})*(?:[^${controls}${blanks}]|${pair})(?:[^${controls}]|${pair}${breaks})*)?$`); // prettier-ignore

/** A text of one line. */
export const Line = (max: number, min = 1): PropertyDecorator =>
  applyDecorators(
    Length(min, max),
    Form(textWith(''), '须为一行文字,不能只有空白,不含控制字符 · $property must be one line with more than blanks and without control characters'),
  ); // prettier-ignore

/** A text that may have several lines. */
export const Prose = (max: number): PropertyDecorator =>
  applyDecorators(
    Length(1, max),
    Form(textWith(String.raw`|\r?\n|\t`), '不能只有空白,不能含控制字符 · $property must have more than blanks and no control characters'),
  ); // prettier-ignore

/** A county, township or village: 6, 9 or 12 digits. */
export const IsDivision = (): PropertyDecorator =>
  Form(
    /^(\d{6}|\d{9}|\d{12})$/,
    '须为 6、9 或 12 位行政区划代码 · $property must be a division code of 6, 9 or 12 digits',
  );

/** A query's filter: a place and all below it. Its words are those of every `division` (openapi.ts). */
export const PlaceFilter = (): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({ type: String, example: '371425101' }),
    IsOptional(),
    IsDivision(),
  );

/** A query's filter: an id. Without words of its own those of its name (openapi.ts). */
export const IdFilter = (description?: Bilingual): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({ type: String, format: 'uuid', ...(description ? { description } : {}) }),
    IsOptional(),
    IsUUID(),
  );

/** A day that there is: 30 or 31 days, February with its leap years; so that the document says all of it. */
const day =
  /^20\d\d-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))$|^20(?:[02468][048]|[13579][26])-02-29$/;

/** A query's filter: a calendar day in Asia/Shanghai. Without words of its own those of its name, `from` or `to` (openapi.ts). */
export const DayFilter = (description?: Bilingual): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({
      type: String,
      format: 'date',
      example: '2026-11-23',
      ...(description ? { description } : {}),
    }),
    IsOptional(),
    Form(day, '须为日期,如 2026-11-23 · $property must be a day that there is, like 2026-11-23'),
  );

/** A query's filter: yes or no, as the text that it is there. */
export const Flag = (description: Bilingual): PropertyDecorator =>
  applyDecorators(
    ApiPropertyOptional({ enum: ['true', 'false'], description }),
    IsOptional(),
    IsIn(['true', 'false']),
  );

/**
 * When these days begin and have ended in Asia/Shanghai, which has no summer time; null where none is named.
 * @throws DomainError where the last lies before the first
 */
export function boundsOf({ from, to }: { from?: string; to?: string }): [from: Date | null, before: Date | null] {
  if (from !== undefined && to !== undefined && to < from)
    throw new DomainError('validation-failed', `结束日期 ${to} 早于开始日期 ${from}。 · The last day, ${to}, lies before the first, ${from}.`, [
      { pointer: '/to', rule: 'to-before-from', value: to, remedy: `请填写 ${from} 或之后的日期 · give ${from} or a later day` },
    ]);
  const begin = (day: string, after = 0): Date => new Date(Date.parse(`${day}T00:00:00+08:00`) + after * 86_400_000);
  return [from === undefined ? null : begin(from), to === undefined ? null : begin(to, 1)];
} // prettier-ignore

/** An instant with its offset; of the many forms of ISO 8601 the one that every reader takes. */
export const IsInstant = (): PropertyDecorator =>
  applyDecorators(
    IsISO8601({ strict: true, strictSeparator: true }),
    Form(
      /^20\d\d-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-](0\d|1[0-4]):[0-5]\d)$/,
      '须为带时区的日期时间,如 2026-11-23T09:30:00+08:00 · $property must be an instant with its offset, like 2026-11-23T09:30:00+08:00',
    ),
  ); // prettier-ignore

const cursor = '371425101201.01934f5c-7c00-7000-8000-000000000001';

/** The query class of a keyset page: `next` of the page before is sent as `after`, which has the form `cursor`. */
export function CursorQuery(cursor: RegExp, example: string): new () => { after?: string; limit: number } {
  class Query {
    @ApiPropertyOptional({ type: String, example })
    @IsOptional()
    @Form(cursor, '请填写前一页返回的 next · $property must be the `next` of an earlier page')
    after?: string;

    @ApiPropertyOptional({ type: Number, minimum: 1, maximum: 200, default: 50 })
    @Type(() => Number)
    @IsInt()
    @Min(1)
    @Max(200)
    limit: number = 50;
  }
  return Query;
} // prettier-ignore

/** A keyset page in the order of `(division, id)`. */
export class PageQuery extends CursorQuery(
  /^\d{6,12}\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  cursor,
) {}

const newestCursor = '1795740347123456.01934f5c-7c00-7000-8000-000000000001';

/** A keyset page, the newest first. A cursor of the other order has another form: it is refused, and skips nothing. */
export class NewestQuery extends CursorQuery(
  /^\d{16}\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  newestCursor,
) {}

export interface Page<T> {
  items: T[];
  next: string | null;
}

/**
 * The answer class of a page of `Item`.
 * @param next a cursor as these pages have it, to be shown
 */
export function PageOf<T>(Item: new () => T, next = cursor): new () => Page<T> {
  class ItemPage implements Page<T> {
    @ApiProperty({ type: [Item] })
    items: T[];

    @ApiProperty({ type: String, nullable: true, description: '取下一页时作为 after 发送;null 表示已到末页 · send it as `after`; null at the end', example: next })
    next: string | null;
  } // prettier-ignore
  Object.defineProperty(ItemPage, 'name', { value: `${Item.name}Page` });
  return ItemPage;
}

/** The answer class of a page of `Item`, the newest first. */
export const NewestPageOf = <T>(Item: new () => T): new () => Page<T> => PageOf(Item, newestCursor);

/** A page of the newest as a statement reads it. */
export interface Newest {
  /** To be selected beside the columns. */
  micros: string;
  /** For `where`; `$1` and `$2` are `from`. */
  older: string;
  from: [micros: string | null, id: string];
  order: string;
  /** Cuts what was read, one row more than the limit. */
  of: <T extends { id: string; micros: string }>(found: T[]) => Page<Omit<T, 'micros'>>;
}

/** @param at the column that says when; to the microsecond, as PostgreSQL keeps it, or a page would skip its neighbours */
export function newest(at: string, { after, limit }: NewestQuery): Newest {
  const [micros = null, id = 'ffffffff-ffff-ffff-ffff-ffffffffffff'] = after?.split('.') ?? [];
  return {
    micros: `(extract(epoch from ${at}) * 1000000)::bigint::text as micros`,
    older: `(${at}, id) < (coalesce(timestamptz 'epoch' + $1::bigint * interval '1 microsecond', 'infinity'), $2::uuid)`,
    from: [micros, id],
    order: `order by ${at} desc, id desc`,
    of: (found) => {
      const last = found[limit - 1];
      return {
        items: found.slice(0, limit).map(({ micros: _, ...item }) => item),
        next: found.length > limit && last ? `${last.micros}.${last.id}` : null,
      };
    },
  };
}

/** Where a page starts: everything of `(division, id)` greater than this. */
export function afterOf(query: PageQuery): [division: string, id: string] {
  const [division = '', id = '00000000-0000-0000-0000-000000000000'] =
    query.after?.split('.') ?? [];
  return [division, id];
}

/** Cuts what was read (one row more than the limit) to a page in `(division, id)` order. */
export function pageOf<T extends { division: string }>(
  found: T[],
  query: PageQuery,
  idOf: (item: T) => string,
): Page<T> {
  const items = found.slice(0, query.limit);
  const last = items.at(-1);
  return {
    items,
    next: found.length > query.limit && last ? `${last.division}.${idOf(last)}` : null,
  };
}

/** What the fields of a class ask of one another, in the words of JSON Schema; the service judges by it itself. */
export const Together =
  (rule: { oneOf?: object[]; anyOf?: object[]; minProperties?: number }): ClassDecorator =>
  (target) => {
    Reflect.defineMetadata('swagger/apiExtension', rule, target);
  };

/** A body that names none of these fields asks for nothing: it is refused, by `validation` itself. */
export const AtLeastOneOf = (...fields: [string, ...string[]]): ClassDecorator =>
  Together({ anyOf: fields.map((field) => ({ required: [field] })) });

/** @returns the fields of which this body has to name one and does not */
export function unnamed(body: object): string[] {
  const { anyOf = [] } = (Reflect.getMetadata('swagger/apiExtension', body.constructor) ?? {}) as {
    anyOf?: { required: string[] }[];
  };
  const fields = anyOf.flatMap(({ required }) => required);
  return fields.some((field) => (body as Record<string, unknown>)[field] !== undefined)
    ? []
    : fields;
}
