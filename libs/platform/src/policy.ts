import { type Caller as DatabaseCaller, Database, standing, type Tx } from '#database';
import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiResponse, ApiTags } from '@nestjs/swagger';
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Caller, Roles } from './auth.js';
import { type CountyLoad, faultsOf, FolderError, readJson } from './county-folder.js';
import { type Bilingual, DomainError } from './problem.js';

/** A number or a rule that the sources do not fix: versioned configuration of a county that shows where it comes from. */
export interface PolicyKind<T extends TSchema = TSchema> {
  readonly code: string;
  readonly body: T;
}

export function definePolicy<T extends TSchema>(code: string, body: T): PolicyKind<T> {
  return { code, body };
}

/** The table of a service's policies; every version stays. */
export function policyTable(app: string): string {
  return `
create table policy (
  division text collate "C" not null,
  code text not null,
  version integer not null check (version > 0),
  body jsonb not null,
  source text not null,
  note text,
  loaded_at timestamptz not null default now(),
  primary key (division, code, version)
);
${standing('policy', app, 'select, insert')}`;
}

export interface Policy<T extends TSchema> {
  code: string;
  version: number;
  body: Static<T>;
}

/** The newest version of the nearest place that has one, if any has. */
export async function policyIfAny<T extends TSchema>(
  tx: Tx,
  kind: PolicyKind<T>,
  division: string,
): Promise<Policy<T> | undefined> {
  const [found] = await tx.query<Policy<T>>(
    `select code, version, body from policy where code = $1 and starts_with($2, division)
     order by length(division) desc, version desc limit 1`,
    [kind.code, division],
  );
  return found;
}

/** @throws DomainError `policy-missing` where no place has one */
export async function policyOf<T extends TSchema>(
  tx: Tx,
  kind: PolicyKind<T>,
  division: string,
): Promise<Policy<T>> {
  const found = await policyIfAny(tx, kind, division);
  if (!found)
    throw new DomainError(
      'policy-missing',
      `${division} 没有政策参数 ${kind.code},请先加载本县政策参数(部署步骤 load)。 · ${division} has no policy ${kind.code}: load the county's policies first (deploy step \`load\`).`,
    );
  return found;
}

/** A county's policies of some kinds, as its file has them. */
export interface CountyPolicies {
  division: string;
  policies: { code: string; version: number; body: Record<string, unknown>; source: string; note: string | null }[];
} // prettier-ignore

const PolicyFile = Type.Object({
  division: Type.String({ pattern: '^[0-9]{6}$', description: '本县 6 位统计代码 · the county’s statistics code of 6 digits' }),
}); // prettier-ignore
const PolicyHead = Type.Object({
  version: Type.Integer({ minimum: 1 }),
  source: Type.Optional(Type.String()),
  note: Type.Optional(Type.String()),
});

/** Those of the given kinds in `policies.json`: `{ division, <any>: { code, version, source?, note?, … } }`. @throws FolderError */
export async function readPolicies(folder: string, kinds: PolicyKind[]): Promise<CountyPolicies> {
  const file = 'policies.json';
  const { division, ...entries } = (await readJson(folder, file, PolicyFile)) as { division: string } & Record<string, unknown>;
  const byCode = new Map(kinds.map((kind) => [kind.code, kind]));
  const faults: Bilingual[] = [];
  const policies: CountyPolicies['policies'] = [];
  for (const [name, entry] of Object.entries(entries)) {
    if (typeof entry !== 'object' || entry === null || !('code' in entry)) continue;
    const kind = byCode.get(String(entry.code));
    if (!kind) continue;
    const { code, version, source = 'sample', note = null, ...body } = entry as Static<typeof PolicyHead> & { code: string };
    faults.push(...faultsOf(file, `/${name}`, PolicyHead, entry), ...faultsOf(file, `/${name}`, kind.body, body));
    policies.push({ code, version, body, source, note });
  }
  if (faults.length > 0) throw new FolderError(faults);
  return { division, policies };
} // prettier-ignore

/** Repeating it changes nothing; another body under the same version is refused. */
export async function loadPolicies(tx: Tx, { division, policies }: CountyPolicies): Promise<number> {
  for (const { code, version, body, source, note } of policies) {
    await tx.query(
      `insert into policy (division, code, version, body, source, note) values ($1, $2, $3, $4, $5, $6)
       on conflict do nothing`,
      [division, code, version, JSON.stringify(body), source, note],
    );
    await checkKept(tx, 'policy', 'policies.json', division, { code, version, body });
  }
  return policies.length;
} // prettier-ignore

/** What was loaded as a version stays as it was. @throws FolderError where the file says something else of it */
export async function checkKept(
  tx: Tx,
  table: 'policy' | 'checklist',
  file: string,
  division: string,
  { code, version, body }: { code: string; version: number; body: object },
): Promise<void> {
  const [kept] = await tx.query<{ same: boolean }>(
    `select body = $4::jsonb as same from ${table} where division = $1 and code = $2 and version = $3`,
    [division, code, version, JSON.stringify(body)],
  );
  if (!kept?.same)
    throw new FolderError([
      `${file} 中 ${code} 第 ${version} 版与已加载的内容不同,请给改动一个新的 version。 · ${file}: ${code} version ${version} is loaded with other words; give the change a new version.`,
    ]);
}

/** The deploy step `load` of a service that starts with policies alone: `policies.json` of the folder. */
export const policyLoader =
  (...kinds: PolicyKind[]) =>
  async (folder: string): Promise<CountyLoad> => {
    const policies = await readPolicies(folder, kinds);
    return {
      county: policies.division,
      write: async (tx) => `${await loadPolicies(tx, policies)} policies`,
    };
  };

class PolicyView {
  @ApiProperty({ type: String, description: '适用地区 · the place it holds for', example: '371425' })
  division: string;

  @ApiProperty({ type: String, example: 'assignment-cap' })
  code: string;

  @ApiProperty({ type: Number, example: 1 })
  version: number;

  @ApiProperty({ type: Object, additionalProperties: true, description: '参数内容,因 code 而异 · what it says; its fields depend on the code', example: { caps: [{ level: 'village', establishments: 40 }] } })
  body: object;

  @ApiProperty({ type: String, description: '来源:`law` 法规、`notice` 通知、`sample` 本系统自拟 · where it comes from: `law`, `notice`, or `sample`, which is our own', example: 'sample' })
  source: string;

  @ApiProperty({ type: String, nullable: true, description: '说明 · a remark', example: '一名村干部每季度督导不超过四十户' })
  note: string | null;
} // prettier-ignore

class PolicyList {
  @ApiProperty({ type: [PolicyView] })
  items: PolicyView[];

  @ApiProperty({ type: String, nullable: true, description: '总是 null:一县的政策参数不多,一次全部返回 · always null: a county has few policies', example: null })
  next: null;
} // prettier-ignore

@ApiTags('policies')
@Controller('policies')
export class PolicyController {
  constructor(private readonly database: Database) {}

  @Get()
  @Roles('county-admin', 'office', 'official', 'authority', 'auditor')
  @ApiOperation({ summary: '查看政策参数及其来源 · the rules and numbers that are configuration, and where they come from', description: '各版本都保留;同一 `code` 以版本号最大的为准,自加载起生效,此前已算出的(等级、期限)不变。 · Every version stays; of one `code` the highest version holds, from the moment it was loaded; what was decided before (tiers, deadlines) stays as it is.' })
  @ApiResponse({ status: 200, type: PolicyList })
  async list(@Caller() caller: DatabaseCaller): Promise<PolicyList> {
    return this.database.within(caller, async (tx) => ({
      items: await tx.query<PolicyView>(
        `select division, code, version, body, source, note from policy order by division, code, version`,
      ),
      next: null,
    }));
  }
} // prettier-ignore
