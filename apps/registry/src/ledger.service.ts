import { createHash } from 'node:crypto';
import { EstablishmentChanged, EstablishmentRegistered, type Kind, kindNames } from '#contracts';
import { Database, newId, type Tx } from '#database';
import {
  type Bilingual, definePolicy, differences, type Finding, type Judged, type Outcome, type Policy, policyOf, type RowRules, type RowTaker, Served,
  SheetImports,
} from '#platform'; // prettier-ignore
import { plainText, type SheetRow, type SheetShape } from '#sheet';
import { Injectable } from '@nestjs/common';
import { type Static, Type } from '@sinclair/typebox';
import {
  Establishment,
  insertEstablishments,
  updateEstablishments,
} from './establishment.entity.js';
import {
  calledAlike,
  closedOf,
  type Identity,
  Known,
  knownOf,
  NearNames,
  takeTownships,
} from './identity.js';
import { type Effect, recordEffects } from './ledger-undo.js';
import { licenceFits, normaliseLicence, saysNone } from './licence.js';
import { keepNames, renamed } from './name-search.js';
import { decideTier, TierRule } from './tier-rule.js';
import { isUscc, normaliseUscc } from './uscc.js';

/** The box around a county in WGS84 degrees: swapped coordinates are put right only where the swap lands in it, others outside it are warned of. */
export const CountyBox = definePolicy(
  'county-box',
  Type.Object({
    south: Type.Number(),
    north: Type.Number(),
    west: Type.Number(),
    east: Type.Number(),
  }),
);

export const title = {
  name: '主体名称',
  uscc: '统一社会信用代码',
  licence: '许可证(登记证)编号',
  address: '经营场所',
  township: '所属乡镇(街道)',
  village: '所属村(社区)',
  kind: '主体业态',
  area: '经营面积(㎡)',
  diners: '就餐人数',
  latitude: '纬度(WGS84)',
  longitude: '经度(WGS84)',
} as const;
type Field = keyof typeof title;
const fields = Object.keys(title);

/** The ledger as offices send it. The running number (序号) means nothing and is not read. */
export const shape: SheetShape = {
  headers: Object.fromEntries(Object.entries(title).map(([field, text]) => [text, field])),
  required: ['name', 'uscc', 'address', 'township', 'village', 'kind'],
};

/** The kinds as the sheet takes them. */
const kindOf: Record<string, Kind> = Object.fromEntries(
  Object.entries(kindNames).map(([kind, name]) => [name, kind as Kind]),
);
const kindWords = Object.keys(kindOf).join('、');

const titles = (some: readonly string[]): string => some.map((field) => title[field as Field]).join('、'); // prettier-ignore
const optional = fields.filter((field) => !shape.required.includes(field));
const filled = titles(['name', 'township', 'village', 'kind']);
/** Which columns and kinds a ledger has, for whoever writes one. */
export const columns = {
  zh: `必须有的列:${titles(shape.required)};可以有的列:${titles(optional)}。次序不限,其他列不录入;其中${filled}的单元格不能为空;大型食品生产企业导入后用 PATCH 标记 large。主体业态填十种之一:${kindWords}(其中没有单位食堂,来源也未规定:由县里定,填学校食堂则按就餐人数分级,填餐饮服务则按面积)。`,
  en: `Columns that there must be: ${titles(shape.required)}; that there may be: ${titles(optional)}. They stand in any order, and no others are taken; the cells of ${filled} must not be empty. A large food producer is marked by PATCH (the field large) afterwards. ${title.kind} is one of ten: ${kindWords}. The canteen of a workplace is none of them, and no source says which: the county decides; as 学校食堂 its diners make the tier, as 餐饮服务 its area.`,
};

/** Every rule that a row can meet (api.md, 'Ledger import'), with what a person does about it. */
export const rules = {
  'name-spaces': ['repaired', '已去掉名称首尾空格 · spaces around the name were dropped'],
  'uscc-case': ['repaired', '已改为大写 · set to upper case'],
  'uscc-width': ['repaired', '已改为半角 · set to half width'],
  'number-form': ['repaired', '编号已统一为半角、大写、不含空格 · the number is kept in half width and upper case, without spaces'],
  'village-short-name': ['repaired', '已补全村(社区)名称 · the village’s full name was put in'],
  'coordinates-swapped': ['repaired', '经纬度已对调 · latitude and longitude were swapped back'],
  'coordinates-zero': ['repaired', '坐标 0, 0 已视为未填 · the coordinates 0, 0 were taken as not given'],
  'number-unit': ['repaired', '已取其中的数值,去掉单位、千位分隔符和“约”“左右” · the number was taken without its unit, its commas, and 约 or 左右'],
  'no-number': ['repaired', '已视为空:没有编号的不必填写“无”“办理中”“/”等 · taken as empty: where there is no number, nothing need be written, neither 无 nor 办理中 nor a stroke'],
  'licence-check-digit': ['warned', '请对照证照核对编号:JY、SC 后为 14 位数字,末位为校验位 · compare the number with the licence: 14 digits follow JY or SC, the last checks the others'],
  'formula-text': ['warned', '名称以公式符号开头,已按文本保存 · kept as text, though it starts like a formula'],
  'area-missing': ['warned', '请补充经营面积,包保等级由它决定 · add the area: it decides the tier'],
  'address-missing': ['warned', '请补充经营场所:判断是否为同一主体要用它 · add the address: it tells which establishment a row means'],
  'coordinates-outside': ['warned', '坐标不在本县范围内,已照原样保存,请核对 · the coordinates lie outside the county and were kept as they are: compare them'],
  'coordinate-alone': ['warned', '经纬度须同时填写;只有其一,已留空 · latitude and longitude say a place only together: the one was left out'],
  'number-unreadable': ['warned', '该数值无法识别,已留空 · the number cannot be read and was left out'],
  'uscc-check-digit': ['refused', '须为 18 位且校验位正确,请对照营业执照核对,没有则留空 · it has 18 characters, the last of which checks the others: compare it with the business licence; leave it empty where there is none'],
  'village-unknown': ['refused', '本乡镇无此村(社区),请改正 · the township has no such village: correct it'],
  'village-ambiguous': ['refused', '有多个同名村(社区),请写全称 · several villages fit: write the full name'],
  'township-missing': ['refused', '请填写本辖区的乡镇(街道);合并单元格只有首行有值,请取消合并后逐行填写 · fill in a township of your ground; of merged cells only the first row has a value: take them apart, and fill in each row'],
  'township-unknown': ['refused', '本辖区无此乡镇(街道),请改正 · your ground has no such township: correct it'],
  'name-missing': ['refused', '请填写主体名称 · fill in the name'],
  'kind-unknown': ['refused', `请填写十种业态之一:${kindWords} · use one of the ten kinds: ${kindWords}`],
  'text-too-long': ['refused', '名称最多 200 字,场所最多 300 字 · at most 200 characters a name, 300 an address'],
  'identity-ambiguous': ['refused', '与多个主体相符,请先核实 · it fits several establishments: find out which'],
  'row-repeated': ['duplicate', '与前一行完全相同,只登记一次 · the same as an earlier row: taken once'],
  'row-updated': ['noted', '本行更改了已登记的主体 · the row changed an establishment that is there'],
  'like-another': ['noted', '另有信用代码相同、或同村名称几乎相同的主体。确为两家则无需处理;如为同一家,请关闭新登记的一户,并用 PATCH /establishments/{id} 变更原有的 · another has the same credit code, or nearly the same name in its village. If they are two, nothing is to be done; if they are one, close the new one and change the other by PATCH /establishments/{id}'],
  'closed-before': ['noted', '与一家已关闭的主体相符(见 value),已作为新主体登记。如原主体系误关:关闭本行新登记的一户,再将原主体恢复营业(PATCH status)。确已停业的:关闭本行新登记的一户,并从台账中删去本行 · an establishment that is closed fits (see `value`); this row registered a new one. If it was closed by mistake, close the new one and open the other again (PATCH status); if it has gone, close the new one and take the row out of the ledger'],
  'diners-missing': ['noted', '请补充就餐人数,包保等级由它决定;现按人数不详定级 · add the number of diners: it decides the tier, which is now the one for an unknown number'],
  'row-total': ['noted', '合计行,不作为主体登记,也不计入行数 · a row of sums: no establishment, and not counted'],
} as const satisfies RowRules; // prettier-ignore
type Rule = keyof typeof rules;

/** What a row says after repair. A blank is null, that of an address empty: it never erases what is known. */
interface Said extends Identity {
  kind: Kind;
  area: number | null;
  diners: number | null;
  latitude: number | null;
  longitude: number | null;
}

interface Ground {
  box: Policy<typeof CountyBox.body>['body'];
  rule: Policy<typeof TierRule.body>;
  townships: Map<string, string>;
  /** By township code. */
  villages: Map<string, { code: string; name: string }[]>;
}

interface Looked {
  row: number;
  /** A row of sums, which is no establishment. */
  total: boolean;
  /** null: the row is refused, or is a total. */
  said: Said | null;
  findings: Found[];
  /** The row where the same stood first. */
  repeats: number | undefined;
}

interface LedgerMemory {
  ground: Ground;
  /** Hash of a row's content → the row where it stood first. */
  seen: Map<string, number>;
  /** Of a dry run: what it would have made or changed, as it would stand, and the ids of what was never made. */
  rehearsed: Known;
  made: Set<string>;
  /** Those of the ground that are closed. */
  closed: Known;
  near: NearNames;
}

/** Rows of a county ledger → establishments. Which row is which establishment: api.md, 'Ledger import'. */
class LedgerRows implements RowTaker<LedgerMemory, Looked> {
  readonly shape = shape;
  readonly example =
    '列名可参照 GET /establishments.xlsx 导出的台账,或示例 apps/platform/sample/ledger.xlsx · for the columns see the ledger of GET /establishments.xlsx, or apps/platform/sample/ledger.xlsx';

  /** A county whose rules are not loaded is told at once, not by an import that never ends. */
  async ready(tx: Tx): Promise<void> {
    await groundOf(tx);
  }

  async memory(tx: Tx): Promise<LedgerMemory> {
    return {
      ground: await groundOf(tx), seen: new Map(), rehearsed: new Known(), made: new Set(), near: new NearNames(), closed: await closedOf(tx),
    }; // prettier-ignore
  }

  look(rows: SheetRow[], { seen, ground }: LedgerMemory): Looked[] {
    return rows.map(({ row, cells, total }) =>
      total !== undefined && isTotal(total, cells)
        ? {
            row,
            total: true,
            said: null,
            repeats: undefined,
            findings: [told('row-total', null, total)],
          }
        : { row, total: false, repeats: remember(seen, row, cells), ...look(cells, ground) },
    );
  }

  async take(tx: Tx, looked: Looked[], memory: LedgerMemory, mode: 'write' | 'dry-run', importId: string): Promise<Judged[]> {
    // Two imports of one county take turns batch by batch, or both would make the same establishment.
    if (mode === 'write')
      await tx.query(`select pg_advisory_xact_lock(7031, $1::int)`, [Number(tx.caller.division.slice(0, 6))]);
    const said = looked.flatMap((one) => one.said ?? []);
    if (mode === 'write') await takeTownships(tx, said);
    const known = await knownOf(tx, said, mode === 'write', memory.rehearsed);
    const keeping = mode === 'write' ? known : memory.rehearsed;
    /** With the findings of its row, and another that it is like. */
    const created = new Map<Establishment, { findings: Found[]; another: Establishment | undefined }>();
    const changed = new Set<Establishment>();
    const effects: Effect[] = [];
    const named = new Set<Establishment>();

    const judged = looked.map(({ row, total, said, findings: found, repeats }): Judged => {
      const findings = [...found];
      if (total) return { row, outcome: null, findings };
      if (!said) return { row, outcome: 'refused', findings };
      if (repeats !== undefined)
        return { row, outcome: 'duplicate', findings: [...findings, told('row-repeated', null, `${repeats}`)] };
      const { candidates } = known.candidatesFor(said);
      if (candidates.length > 1) {
        const names = candidates.map(({ id, name }) => `${name} (${id})`).join(', ');
        return { row, outcome: 'refused', findings: [...findings, told('identity-ambiguous', null, names)] };
      }
      let outcome: Outcome = 'created';
      let [establishment] = candidates;
      if (establishment) {
        outcome = says(establishment, said) ? 'unchanged' : 'updated';
      } else {
        establishment = Object.assign(new Establishment(), said, {
          id: newId(), version: 0, large: false, status: 'open', createdAt: tx.now,
        } satisfies Partial<Establishment>); // prettier-ignore
        const [gone] = memory.closed.candidatesFor(said).candidates;
        if (gone) findings.push(told('closed-before', null, `${short(gone.name)}, ${short(gone.address)} (${gone.id})`));
        created.set(establishment, { findings, another: known.withCodeOf(said) });
        if (mode === 'dry-run') memory.made.add(establishment.id);
      }
      if (outcome !== 'unchanged') {
        const before = outcome === 'updated' ? { ...establishment } : null;
        if (before && renamed(before, said)) named.add(establishment);
        Object.assign(establishment, withoutBlanks(said));
        establishment.version += 1;
        establishment.changedAt = tx.now;
        establishment.retier(memory.ground.rule);
        if (outcome === 'updated' && !created.has(establishment)) changed.add(establishment);
        keeping.add(establishment);
        effects.push({ row, before, after: { ...establishment } });
        const { id, division, version } = establishment;
        if (mode === 'write')
          tx.publish(
            outcome === 'created' ? EstablishmentRegistered : EstablishmentChanged,
            { id, division, version },
            establishment.state(),
          );
        if (before) findings.push(told('row-updated', null, changesIn(before, establishment)));
      }
      return { row, outcome, findings };
    });

    await tellAlike(tx, created, memory, looked, keeping);
    if (mode === 'write') {
      insertEstablishments(tx, [...created.keys()]);
      await updateEstablishments(tx, [...changed]);
      keepNames(tx, [...new Set([...created.keys(), ...named])]); // one may be both: made by one row, renamed by the next
      await recordEffects(tx, importId, effects);
    }
    return judged;
  } // prettier-ignore
}

/** Tells of each new establishment another that is much like it, which the rules of identity take for two. */
async function tellAlike(
  tx: Tx,
  created: Map<Establishment, { findings: Found[]; another: Establishment | undefined }>,
  { near, made }: LedgerMemory,
  batch: Looked[],
  here: Known,
): Promise<void> {
  if (created.size === 0) return;
  const alike = await near.before(tx, [...created.keys()], batch);
  const elsewhere = [...alike.values()].filter((id) => !here.get(id));
  const read = elsewhere.length === 0 ? [] : await tx.query<Pick<Establishment, 'id' | 'division' | 'name' | 'address'>>(
    `select id, division, name, address from establishment where id = any($1) and status <> 'closed'`,
    [elsewhere],
  );
  const there = new Map(read.map((one) => [one.id, one]));
  for (const [one, { findings, another }] of created) {
    const earlier = alike.get(one) ?? '';
    const named = here.get(earlier) ?? there.get(earlier);
    const like = another ?? (named && calledAlike(named, one) ? named : undefined);
    if (!like) continue;
    const id = made.has(like.id) ? '' : ` (${like.id})`; // what was never made has no id
    findings.push(told('like-another', null, `${short(like.name)}, ${short(like.address)}${id}`));
  }
} // prettier-ignore

/** A row that begins with 合计 and names no establishment, at most how many there are: one may be called so, but has a code or a kind then. */
function isTotal(total: string, { name = '', uscc = '', kind = '' }: Record<string, string>): boolean {
  const none = ['', total].includes(name.trim()) || /^(共\s*)?\d+\s*[家户个]?$/.test(name.trim());
  return none && uscc.trim() === '' && !kindOf[kind.trim()];
} // prettier-ignore

/** Everything but the running number, as it stands in the sheet. @returns the row where the same stood before */
function remember(
  seen: Map<string, number>,
  row: number,
  cells: Record<string, string>,
): number | undefined {
  const content = createHash('sha256')
    .update(JSON.stringify(fields.map((field) => cells[field] ?? '')))
    .digest('base64'); // the rows themselves would grow with the file
  const first = seen.get(content);
  if (first === undefined) seen.set(content, row);
  return first;
}

/** What a row says, without its blanks. */
const withoutBlanks = (said: Said): Partial<Said> =>
  Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null && value !== ''));

const says = (one: Said, said: Said): boolean =>
  Object.entries(withoutBlanks(said)).every(([field, value]) => one[field as keyof Said] === value);

async function groundOf(tx: Tx): Promise<Ground> {
  const county = tx.caller.division.slice(0, 6);
  const { body: box } = await policyOf(tx, CountyBox, county);
  const rule = await policyOf(tx, TierRule, county);
  const found = await tx.query<{ code: string; name: string; level: string; parent: string }>(
    `select division as code, name, level, parent from division`,
  );
  const villages = new Map<string, { code: string; name: string }[]>();
  for (const { code, name, level, parent } of found)
    if (level === 'village')
      villages.set(parent, [...(villages.get(parent) ?? []), { code, name }]);
  const townships = new Map(
    found.filter((one) => one.level === 'township').map((one) => [one.name, one.code]),
  );
  return { box, rule, townships, villages };
}

type Found = Omit<Finding, 'row'>;

function told(
  rule: Rule,
  field: Field | null,
  value: string,
  repairedTo: string | null = null,
  remedy: Bilingual = rules[rule][1],
): Found {
  const [severity] = rules[rule];
  return { column: field && title[field], rule, severity, value: value.slice(0, 500), repairedTo, remedy };
} // prettier-ignore

/** A value as a finding tells it. */
function short(value: unknown): string {
  const text = [...(typeof value === 'string' ? value : JSON.stringify(value))];
  return text.length > 60 ? `${text.slice(0, 60).join('')}…` : text.join('');
}

/** `经营面积(㎡): 80 → 900; 包保等级: C → B`: values as the change log has them, the long ones cut. */
function changesIn(before: object, after: object): string {
  const names: Record<string, string> = { ...title, division: title.village, tier: '包保等级' };
  const shown = (field: string, value: unknown): string =>
    value === null ? '—' : field === 'kind' ? kindNames[value as Kind] : short(value);
  return differences(before, after)
    .flatMap(({ field, from, to }) => (names[field] ? [`${names[field]}: ${shown(field, from)} → ${shown(field, to)}`] : []))
    .join('; ');
} // prettier-ignore

/** The units that people write behind a number of a column. */
const unitOf: Partial<Record<Field, string>> = {
  area: '平方米|平方|平米|平|㎡|[mM][²2]',
  diners: '人次|人|名',
};

/** The number of `约1,200平米`: one number, with a unit, 约, 左右, commas between thousands, full-width digits; of anything else null. */
function bareNumber(value: string, unit: string | undefined): string | null {
  if (unit === undefined || !/[^\d.]/.test(value)) return null; // most are a number alone
  const narrow = value.replaceAll(/[\uff0c\uff0e\uff10-\uff19]/g, (one) => String.fromCharCode(one.charCodeAt(0) - 0xfee0));
  const found = new RegExp(`^(?:大?约)?\\s*(\\d{1,3}(?:,\\d{3})+(?:\\.\\d+)?|\\d+(?:\\.\\d+)?)\\s*(?:${unit})?\\s*(?:左右)?$`).exec(narrow);
  return found?.[1]?.replaceAll(',', '') ?? null;
} // prettier-ignore

type Find = (...what: Parameters<typeof told>) => void;

/** One row looked at alone: what it says, unless it must be refused, and what was found on it. */
function look(cells: Record<string, string>, ground: Ground): { said: Said | null; findings: Found[] } {
  const findings: Found[] = [];
  const find: Find = (...what) => void findings.push(told(...what));
  /** As it was before an export of ours made it harmless. */
  const written = (field: Field): string => plainText(cells[field] ?? '');
  const text = (field: Field): string => written(field).replace(/\p{Cc}+/gu, ' ');

  const name = text('name').trim();
  if (name === '') find('name-missing', 'name', text('name'));
  else if (name !== written('name')) find('name-spaces', 'name', text('name'), name);
  if (/^[=+\-@]/.test(name)) find('formula-text', 'name', name);
  if ([...name].length > 200) find('text-too-long', 'name', name);
  const address = text('address').trim();
  if (address === '') find('address-missing', 'address', address);
  if ([...address].length > 300) find('text-too-long', 'address', address);

  /** A number as it is written; where a word or a stroke says that there is none, nothing. */
  const numbered = (field: 'uscc' | 'licence'): string => {
    const written = text(field).trim();
    if (!saysNone(normaliseLicence(written))) return written;
    find('no-number', field, written);
    return '';
  };
  const given = numbered('uscc');
  const uscc = normaliseUscc(given);
  if (given.normalize('NFKC') !== given) find('uscc-width', 'uscc', given, uscc);
  if (/[a-z]/.test(given.normalize('NFKC'))) find('uscc-case', 'uscc', given, uscc);
  if (/\s/.test(given)) find('number-form', 'uscc', given, uscc);
  if (uscc !== '' && !isUscc(uscc)) find('uscc-check-digit', 'uscc', given);

  const number = numbered('licence');
  const licence = normaliseLicence(number);
  if (licence !== number) find('number-form', 'licence', number, licence);
  if (licence !== '' && !licenceFits(licence)) find('licence-check-digit', 'licence', text('licence'));
  if (licence.length > 40) find('text-too-long', 'licence', licence);

  const kind = kindOf[text('kind').trim()];
  if (!kind) find('kind-unknown', 'kind', text('kind'));

  const village = villageOf(text('township').trim(), text('village').trim(), ground, find);
  const measure = (field: Field, least: number, most: number, whole = false): number | null => {
    const value = text(field).trim();
    if (value === '') return null;
    const inside = bareNumber(value, unitOf[field]);
    const read = Number(inside ?? value);
    if (read >= least && read <= most && (!whole || Number.isInteger(read))) {
      if (inside !== null) find('number-unit', field, value, `${read}`);
      return read;
    }
    find('number-unreadable', field, value);
    return null;
  };
  const area = measure('area', 0, 10_000_000);
  const diners = measure('diners', 0, 1_000_000, true);
  let [latitude, longitude] = [measure('latitude', -180, 180), measure('longitude', -180, 180)];
  if (latitude === null || longitude === null) {
    const alone = latitude !== null ? 'latitude' : longitude !== null ? 'longitude' : undefined;
    if (alone) find('coordinate-alone', alone, text(alone));
    [latitude, longitude] = [null, null]; // beside what is known already it would be another place
  } else if (!inBox(latitude, longitude, ground.box)) {
    const written = `${latitude}, ${longitude}`;
    if (inBox(longitude, latitude, ground.box)) {
      [latitude, longitude] = [longitude, latitude];
      find('coordinates-swapped', 'latitude', written, `${latitude}, ${longitude}`);
    } else if (latitude === 0 && longitude === 0) {
      [latitude, longitude] = [null, null];
      find('coordinates-zero', 'latitude', written);
    } else find('coordinates-outside', 'latitude', written);
  }

  const missing = kind && decideTier(ground.rule, { kind, area, diners, large: false }).warning;
  if (missing) {
    const field = missing === 'area-missing' ? 'area' : 'diners';
    find(missing, field, text(field));
  }
  const refused = findings.some(({ severity }) => severity === 'refused');
  if (refused || !kind || !village) return { said: null, findings };
  return {
    said: { division: village, name, uscc: uscc || null, licence: licence || null, address, kind, area, diners, latitude, longitude },
    findings,
  };
} // prettier-ignore

/** A village without the kind of its committee: 崔许村委会 → 崔许. The kind alone is no name. */
const stemOf = (name: string): string =>
  name.replace(/(?<=.)(社区居民委员会|居民委员会|居委会|村民委员会|村委会)$/, '');

/** And without what it is: 营子村委会, 营子村 and 营子 are one. */
const bareVillage = (name: string): string => stemOf(name).replace(/(?<=.)(村|社区)$/, '');

/** A township without its kind: 晏城街道办事处 → 晏城. */
const townOf = (name: string): string => name.replace(/(?<=.)(街道办事处|街道|街|镇|乡)$/, '');

function villageOf(
  township: string,
  name: string,
  { townships, villages }: Ground,
  find: Find,
): string | null {
  const code = townships.get(township);
  if (!code) {
    const like = [...townships.keys()].filter((one) => townOf(one) === townOf(township));
    if (township === '') find('township-missing', 'township', township);
    else if (like.length === 0) find('township-unknown', 'township', township);
    else
      find(
        'township-unknown',
        'township',
        township,
        null,
        `本辖区无此乡镇(街道),是否应为 ${like.join('、')} · your ground has no such township: is it ${like.join('、')}?`,
      );
    return null;
  }
  const there = villages.get(code) ?? [];
  const exact = there.filter((one) => one.name === name);
  const stem = stemOf(name);
  const bare = bareVillage(name);
  const called = exact.length > 0 ? exact : there.filter((one) => bareVillage(one.name) === bare);
  // 东街社区 is the 社区 of that name, where there is a 东街村 as well; 东街 may be either.
  const near = called.filter((one) => {
    const base = stemOf(one.name);
    return base === stem || name === `${base}村` || name === `${base}社区`;
  });
  const fits = exact.length > 0 || name === bare || near.length === 0 ? called : near;
  const [village, second] = fits;
  if (name === '')
    find(
      'village-unknown',
      'village',
      name,
      null,
      '请填写所属村(社区);合并单元格须取消合并后逐行填写 · fill in the village; take merged cells apart, and fill in each row',
    );
  else if (!village) find('village-unknown', 'village', name);
  else if (second) find('village-ambiguous', 'village', name);
  else {
    if (exact.length === 0) find('village-short-name', 'village', name, village.name);
    return village.code;
  }
  return null;
}

const inBox = (latitude: number, longitude: number, box: Static<typeof CountyBox.body>): boolean =>
  latitude >= box.south && latitude <= box.north && longitude >= box.west && longitude <= box.east;

/** Imports of county ledgers, and the job that lands them. */
@Injectable()
export class LedgerImports extends SheetImports<LedgerMemory, Looked> {
  constructor(database: Database, served: Served) {
    super(database, served, 'ledger_import', new LedgerRows());
  }
}
