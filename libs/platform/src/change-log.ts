import { isDeepStrictEqual } from 'node:util';
import {
  type Aggregate,
  type Caller as DatabaseCaller,
  Database,
  ground,
  type Tx,
} from '#database';
import { Controller, Get, Query } from '@nestjs/common';
import {
  ApiOperation, ApiProperty, ApiPropertyOptional, ApiResponse, ApiTags,
} from '@nestjs/swagger'; // prettier-ignore
import { IsOptional, IsUUID } from 'class-validator';
import { Caller, Roles } from './auth.js';
import { afterOf, boundsOf, DayFilter, Form, Line, type Page, PageOf, pageOf, PageQuery } from './fields.js'; // prettier-ignore

/**
 * Two ground tables of a service's migration: who changed which field of what, when and why; and who read whose personal
 * data. Both only grow: the app may insert and read; what is older than the installation keeps, a
 * deploy step takes away.
 */
export function changeLogTables(app: string): string {
  return `
create table change (
  id uuid not null default uuidv7(),
  division text collate "C" not null,
  actor text not null,
  changed_at timestamptz not null default app_now(),
  why text,
  noun text not null,
  subject_id uuid not null,
  version integer not null,
  -- Without a field: the subject was created.
  field text,
  old_value jsonb,
  new_value jsonb,
  primary key (division, id)
);
create index change_subject on change (subject_id, id);
create index change_actor on change (actor, id);
${ground('change', app, 'select, insert')}
create table personal_read (
  id uuid not null default uuidv7(),
  division text collate "C" not null,
  actor text not null,
  role text not null,
  read_at timestamptz not null default app_now(),
  noun text not null,
  subject_ids uuid[] not null,
  fields text[] not null,
  purpose text not null,
  primary key (division, id)
);
create index personal_read_actor on personal_read (actor, id);
${ground('personal_read', app, 'select, insert')}`;
}

/** One step of one subject: its fields before and after. */
export interface Step {
  /** As it is after the step; the row belongs to its division. */
  subject: Aggregate;
  /** null: it is created by this step, which is one row. */
  before: object | null;
  after: object;
}

/** What every version changes: no fields of the subject itself. */
const bookkeeping = new Set(['id', 'version', 'createdAt', 'changedAt']);

/** The fields that differ, in the order of `after`. Compared as JSON: a Date is its instant, what is undefined is null. */
export function differences(before: object, after: object): { field: string; from: unknown; to: unknown }[] {
  const was = before as Record<string, unknown>;
  return Object.entries(after).flatMap(([field, to]: [string, unknown]) => {
    const from = was[field] ?? null;
    const [one, other] = [JSON.stringify(from), JSON.stringify(to ?? null)];
    // PostgreSQL's jsonb gives an object back with its keys in another order.
    const same = one === other || isDeepStrictEqual(JSON.parse(one), JSON.parse(other));
    return same || bookkeeping.has(field) ? [] : [{ field, from, to: to ?? null }];
  });
} // prettier-ignore

/**
 * Writes down what these steps changed, in the transaction of the change: one statement for all of them.
 * @param noun the subject's table, e.g. `establishment`
 * @param why the reason given, or what caused it (an import); null when nobody said
 * @param withheld fields whose change is told without their values: passwords, secrets, telephone numbers
 */
export async function logChanges(
  tx: Tx,
  noun: string,
  steps: readonly Step[],
  why: string | null = null,
  withheld: readonly string[] = [],
): Promise<void> {
  const rows = steps.flatMap(({ subject: { id, division, version }, before, after }): object[] => {
    if (before === null) return [{ id, division, version }];
    return differences(before, after).map(({ field, from, to }) =>
      withheld.includes(field)
        ? { id, division, version, field }
        : { id, division, version, field, from, to },
    );
  });
  if (rows.length === 0) return;
  tx.send(
    'log changes',
    `insert into change (division, actor, changed_at, why, noun, subject_id, version, field, old_value, new_value)
     select r->>'division', $1, $2, $3, $4, (r->>'id')::uuid, (r->>'version')::int, r->>'field',
            nullif(r->'from', 'null'), nullif(r->'to', 'null')
     from jsonb_array_elements($5::jsonb) with ordinality as t(r, n) order by n`,
    [tx.caller.id, tx.now, why, noun, JSON.stringify(rows)],
  );
}

/**
 * A GET may write nothing; one that shows personal data writes down who read it, and nothing else:
 * `database.within(readingPersonalData(caller), …)`.
 */
export const readingPersonalData = (caller: DatabaseCaller): DatabaseCaller => ({
  ...caller,
  readOnly: false,
});

export interface PersonalRead {
  /** Whose data: the table of the subjects, e.g. `official`. */
  noun: string;
  subjects: readonly { id: string; division: string }[];
  /** Which personal fields were shown, e.g. `['phone']`. */
  fields: readonly string[];
  /** What for, or the route that showed it: `GET /officials/{id}`. */
  purpose: string;
}

/**
 * Writes down that the caller was shown personal data; nothing when there is no subject. One row a township of the
 * subjects, so that each sees who read its own people.
 */
export async function logPersonalRead(tx: Tx, { noun, subjects, fields, purpose }: PersonalRead): Promise<void> {
  const ground = tx.caller.division;
  const places = new Map<string, string[]>();
  for (const { id, division } of subjects) {
    const place = division.startsWith(ground) ? division.slice(0, Math.max(9, ground.length)) : ground;
    places.set(place, [...(places.get(place) ?? []), id]);
  }
  if (places.size === 0) return;
  const rows = [...places].map(([division, ids]) => ({ division, ids }));
  await tx.query(
    `insert into personal_read (division, actor, role, read_at, noun, subject_ids, fields, purpose)
     select r->>'division', $1, $2, $3, $4, array(select jsonb_array_elements_text(r->'ids'))::uuid[], $5, $6
     from jsonb_array_elements($7::jsonb) r`,
    [tx.caller.id, tx.caller.role ?? 'service', tx.now, noun, fields, purpose, JSON.stringify(rows)],
  );
} // prettier-ignore

/** One field of one step as everyone reads it. */
export class Change {
  @ApiProperty({ type: String, format: 'uuid', example: '01934f5c-7c00-7000-8000-000000000001' })
  id: string;
  @ApiProperty({ type: String, example: '371425101201' })
  division: string;
  @ApiProperty({ type: String, description: '操作人:账号编号,即令牌中的 sub;是谁的账号,县级用 identity 的 GET /accounts/{id} 查询 · who: the id of the account, `sub` of its token; whose it is the county sees by GET /accounts/{id} of identity', example: '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05' })
  actor: string;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-23T01:00:00.000Z' })
  changedAt: Date;
  @ApiProperty({ type: String, nullable: true, description: '填写的原因,或由什么引起 · the reason that was given, or what caused it', example: '门头换新' })
  why: string | null;
  @ApiProperty({ type: String, example: 'establishment' })
  noun: string;
  @ApiProperty({ type: String, format: 'uuid', example: '01934f5c-7c00-7000-8000-000000000002' })
  subjectId: string;
  @ApiProperty({ type: Number, description: '此次变更后的版本 · the version that this change made', example: 2 })
  version: number;
  @ApiProperty({ type: String, nullable: true, description: '字段;null 表示新建 · the field; null: it was created', example: 'name' })
  field: string | null;
  @ApiProperty({ ...anyValue(), description: '变更前的值(JSON);原先没有或不予显示则为 null · the value before, as JSON; null where there was none, or where it is withheld', example: '老王饭店' })
  from: unknown;
  @ApiProperty({ ...anyValue(), description: '变更后的值(JSON);没有或不予显示则为 null · the value after, as JSON; null where there is none, or where it is withheld', example: '老王饭店(新店)' })
  to: unknown;
} // prettier-ignore

/** A value of a field: a text, number, truth value, list or object. */
function anyValue(): object {
  return {
    nullable: true,
    oneOf: [
      { type: 'string' }, { type: 'number' }, { type: 'boolean' },
      { type: 'array', items: {} }, { type: 'object', additionalProperties: true },
    ],
  }; // prettier-ignore
}

export class ChangePage extends PageOf(Change) {}

class PersonalReadView {
  @ApiProperty({ type: String, format: 'uuid', example: '01934f5c-7c00-7000-8000-000000000003' })
  id: string;
  @ApiProperty({ type: String, description: '被查阅人所在乡镇,或查阅人的辖区 · the township of the people who were looked up, or the ground of the reader', example: '371425101' })
  division: string;
  @ApiProperty({ type: String, description: '操作人:账号编号,即令牌中的 sub;是谁的账号,县级用 identity 的 GET /accounts/{id} 查询 · who: the id of the account, `sub` of its token; whose it is the county sees by GET /accounts/{id} of identity', example: '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05' })
  actor: string;
  @ApiProperty({ type: String, description: '当时的角色 · the role the reader acted in', example: 'office' })
  role: string;
  @ApiProperty({ type: String, format: 'date-time', example: '2026-11-23T01:00:00.000Z' })
  readAt: Date;
  @ApiProperty({ type: String, example: 'official' })
  noun: string;
  @ApiProperty({ type: [String], format: 'uuid', example: ['01934f5c-7c00-7000-8000-000000000004'] })
  subjectIds: string[];
  @ApiProperty({ type: [String], example: ['phone'] })
  fields: string[];
  @ApiProperty({ type: String, description: '用途,或所用接口 · what for, or by which route', example: 'GET /officials/{id}' })
  purpose: string;
} // prettier-ignore

class PersonalReadPage extends PageOf(PersonalReadView) {}

class LogQuery extends PageQuery {
  @ApiPropertyOptional({ type: String, format: 'uuid', description: '被变更或被查阅的对象的编号 · id of what was changed or read', example: '01934f5c-7c00-7000-8000-000000000002' })
  @IsOptional()
  @IsUUID()
  subject?: string;

  @ApiPropertyOptional({ type: String, description: '对象的种类 · kind of the subject', example: 'establishment' })
  @IsOptional()
  @Form(/^[a-z]{1,40}(_[a-z]{1,40}){0,4}$/, '须为英文表名,如 establishment · $property must be a word like establishment')
  noun?: string;

  @ApiPropertyOptional({ type: String, description: '操作人:账号编号,即令牌中的 sub;是谁的账号,县级用 identity 的 GET /accounts/{id} 查询 · who: the id of the account, `sub` of its token; whose it is the county sees by GET /accounts/{id} of identity', example: '0193a4f2-5c1e-7a3b-9d2f-6b8c1e4a7f05' })
  @IsOptional()
  @Line(200)
  actor?: string;

  @DayFilter()
  from?: string;

  @DayFilter()
  to?: string;
} // prettier-ignore

/** A page of the change log of what the caller may see, oldest first within a place. */
export async function changesOf(
  tx: Tx,
  query: PageQuery & { subject?: string; noun?: string; actor?: string; from?: string; to?: string },
): Promise<Page<Change>> {
  const found = await tx.query<Change>(
    `select id, division, actor, changed_at as "changedAt", why, noun, subject_id as "subjectId", version, field,
            old_value as "from", new_value as "to"
     from change
     where (division, id) > ($1, $2::uuid) and ($4::uuid is null or subject_id = $4) and ($5::text is null or noun = $5)
       and ($6::text is null or actor = $6) and ($7::timestamptz is null or changed_at >= $7) and ($8::timestamptz is null or changed_at < $8)
     order by division, id limit $3`,
    [...afterOf(query), query.limit + 1, query.subject ?? null, query.noun ?? null, query.actor ?? null, ...boundsOf(query)],
  );
  return pageOf(found, query, ({ id }) => id);
} // prettier-ignore

const kept =
  '保留期限由部署设置 CHANGE_LOG_KEEP_MONTHS 决定,未设置则永久保留 · kept for ever, unless the installation sets CHANGE_LOG_KEEP_MONTHS';

/** What was changed and whose personal data was read, as a service with `changeLogTables` shows it. */
@ApiTags('changes')
@Controller()
export class ChangeController {
  constructor(private readonly database: Database) {}

  @Get('changes')
  @Roles('county-admin', 'office', 'auditor')
  @ApiOperation({ summary: '查询变更记录,按地区排列,同一地区内按时间 · who changed what, when and why, field by field: place by place, in each by time', description: kept })
  @ApiResponse({ status: 200, type: ChangePage })
  changes(@Caller() caller: DatabaseCaller, @Query() query: LogQuery): Promise<Page<Change>> {
    return this.database.within(caller, (tx) => changesOf(tx, query));
  }

  @Get('personal-reads')
  @Roles('county-admin', 'office', 'auditor')
  @ApiOperation({ summary: '查询个人信息查阅记录 · who was shown whose personal data, when and what for', description: kept })
  @ApiResponse({ status: 200, type: PersonalReadPage })
  async reads(@Caller() caller: DatabaseCaller, @Query() query: LogQuery): Promise<Page<PersonalReadView>> {
    const found = await this.database.within(caller, (tx) =>
      tx.query<PersonalReadView>(
        `select id, division, actor, role, read_at as "readAt", noun, subject_ids as "subjectIds", fields, purpose
         from personal_read
         where (division, id) > ($1, $2::uuid) and ($4::uuid is null or $4 = any(subject_ids))
           and ($5::text is null or noun = $5) and ($6::text is null or actor = $6)
           and ($7::timestamptz is null or read_at >= $7) and ($8::timestamptz is null or read_at < $8)
         order by division, id limit $3`,
        [...afterOf(query), query.limit + 1, query.subject ?? null, query.noun ?? null, query.actor ?? null, ...boundsOf(query)],
      ),
    );
    return pageOf(found, query, ({ id }) => id);
  }
} // prettier-ignore
