import { type Level, OfficialChanged } from '#contracts';
import { Database, type Tx } from '#database';
import {
  DomainError,
  type Finding,
  type Judged,
  logChanges,
  masked,
  type Outcome,
  type RowTaker,
  Served,
  SheetImports,
  type Step,
} from '#platform';
import { type SheetRow, type SheetShape } from '#sheet';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { personName, spaceless, telephone } from './official.service.js';

const title = {
  name: '姓名',
  post: '职务',
  level: '层级',
  division: '行政区划代码',
  unit: '所属单位',
  phone: '联系电话',
} as const;
type Field = keyof typeof title;

const shape: SheetShape = {
  headers: Object.fromEntries(Object.entries(title).map(([field, text]) => [text, field])),
  required: ['name', 'post', 'level', 'division'],
};

const levelOf: Record<string, Level> = {
  市级: 'city',
  县级: 'county',
  乡级: 'township',
  村级: 'village',
};
/** As other papers write them, after NFKC. */
const levelNames: Record<string, string> = {
  区级: '县级',
  '县(市、区)级': '县级',
  镇级: '乡级',
  乡镇级: '乡级',
  街道级: '乡级',
  社区级: '村级',
  '村(社区)级': '村级',
};
const digitsOf: Record<Level, number> = { city: 4, county: 6, township: 9, village: 12 };

/** The columns and the levels, for the text of the operation. */
const fieldsThat = (needed: boolean): Field[] =>
  (Object.keys(title) as Field[]).filter((field) => shape.required.includes(field) === needed);
const zhOf = (needed: boolean): string =>
  fieldsThat(needed)
    .map((field) => title[field])
    .join('、');
const enOf = (needed: boolean): string =>
  fieldsThat(needed)
    .map((field) => `${title[field]} (${field})`)
    .join(', ');
export const columns = {
  zh: `列:${zhOf(true)}(必填),${zhOf(false)}(可不填);列的次序不限,其他列不录入;所属单位照录,不与区划代码核对,以代码为准;每行一人,职位空缺的不列。名册没有撤销:多出的逐个登记离任(POST /officials/{id}/departure)。层级写 县级(代码 6 位)、乡级(9 位)或村级(12 位)。`,
  en: `Columns: ${enOf(true)} are needed, ${enOf(false)} may be left out; in any order, and others are not taken; 所属单位 is kept as it is written and not compared with the code, which decides; one person a row, and none for a vacancy. A roster has no undo: who should not be there leaves one by one (POST /officials/{id}/departure). Levels are 县级 county (a code of 6 digits), 乡级 township (9) and 村级 village (12).`,
}; // prettier-ignore

/** Every rule that a row of a roster can meet, with what a person does about it. */
export const rules = {
  'name-spaces': ['repaired', '已去掉姓名首尾及汉字之间的空格 · spaces around the name, and between its Chinese characters, were dropped'],
  'level-name': ['repaired', '已按市级、县级、乡级、村级的写法登记 · written as 市级, 县级, 乡级 or 村级'],
  'name-known': ['warned', '同一乡镇(县级为本县)已有同名的在任干部(见 value),本行另建一位。如为同一人:职务或姓名有变的,将本行新建的一位登记离任(POST /officials/{id}/departure),再用 PATCH /officials/{id} 更正原来的一位;换了层级或地区的,将原来的一位登记离任。确为另一人则无需处理 · an active official of this name (see `value`) is in the township already (for the county’s: in the county); this row makes another. If both are one person: where the post or the name changed, record the departure of the one this row made (POST /officials/{id}/departure), then correct the one before with PATCH /officials/{id}; where level or place changed, record the departure of the one before. If they are two people, nothing is to be done'],
  'phone-unreadable': ['warned', '电话号码无法识别,已留空;手机号应为 11 位 · the telephone number cannot be read and was left out; a mobile number has 11 digits'],
  'official-returned': ['warned', '该干部已登记离任,按本名册恢复在任;如名册过时请重新登记离任 · he had left, and serves again by this roster; if it is an old one, enter his departure again'],
  'name-missing': ['refused', '请填写姓名;职位空缺的,删去该行 · fill in the name; where the post is vacant, take the row out'],
  'name-several': ['refused', '每行只填一人,请分行填写 · one person a row: give each a row of his own'],
  'post-missing': ['refused', '请填写职务 · fill in the post'],
  'level-unknown': ['refused', '层级应为市级、县级、乡级或村级 · use 市级, 县级, 乡级 or 村级'],
  'division-unknown': ['refused', '请填写本辖区内的区划代码:村级 12 位、乡级 9 位、县级 6 位 · give a division code of your ground: 12 digits a village, 9 a township, 6 the county'],
  'division-rounded': ['refused', 'Excel 已将代码改成科学计数,原来的数字已丢失:请先将该列设为文本,再填写完整代码 · Excel has made a rounded number of the code, and its digits are lost: make the column text first, then write the whole code'],
  'level-mismatch': ['refused', '代码位数与层级不符:县 6 位、乡 9 位、村 12 位 · a county has 6 digits, a township 9, a village 12'],
  'text-too-long': ['refused', '最多 100 字 · at most 100 characters'],
  'row-repeated': ['duplicate', '与前一行完全相同,只登记一次 · the same as an earlier row: taken once'],
} as const; // prettier-ignore

interface Said {
  name: string;
  post: string;
  level: Level;
  division: string;
  unit: string | null;
  phone: string | null;
}

interface Known extends Said {
  id: string;
  version: number;
  active: boolean;
}

interface Looked {
  row: number;
  /** null: the row is refused. */
  said: Said | null;
  findings: Found[];
  /** The row where the same stood first. */
  repeats: number | undefined;
}

interface RosterMemory {
  /** Codes of the ground. */
  divisions: Set<string>;
  seen: Map<string, number>;
  made: Map<string, Known>;
  /** Whom the rows so far made, by `namesakeKey`: post, division and id; in a dry run the row, for nobody has an id. */
  named: Map<string, string>;
}

/** Where two of one name may be one person: a township with its villages; the county's by themselves. */
const namesakeKey = ({ division, name }: Pick<Said, 'division' | 'name'>): string =>
  `${division.slice(0, 9)}\n${personName(name)}`;

const keyOf = (one: Said): string =>
  [one.division, one.level, one.post, personName(one.name)].join('\n');

/** Rows of a roster → officials. Level, place, post and name say who it is; nobody leaves by missing from a roster, who left comes back by one. */
class RosterRows implements RowTaker<RosterMemory, Looked> {
  readonly shape = shape;
  readonly example =
    '列名可参照示例 apps/platform/sample/roster.xlsx;层级写 县级、乡级或村级 · for the columns see apps/platform/sample/roster.xlsx; levels are written 县级, 乡级 or 村级';

  async memory(tx: Tx): Promise<RosterMemory> {
    return { divisions: await groundOf(tx), seen: new Map(), made: new Map(), named: new Map() };
  }

  /** A roster names places: they must all be known, or good rows would be refused. */
  async ready(tx: Tx): Promise<void> {
    const lists = await tx.query<{ division: string; below: { division: string }[] }>(
      `select division, below from division_list`,
    );
    const have = new Set(lists.map(({ division }) => division));
    const ground = tx.caller.division;
    const wanted = ground.length === 6 ? (lists.find(({ division }) => division === ground)?.below ?? [{ division: ground }]) : [{ division: ground }];
    const missing = wanted.find(({ division }) => !have.has(division));
    if (missing)
      throw new DomainError('divisions-missing', `${missing.division} 下级的区划尚未从登记服务同步过来,请稍后重试。 · The divisions below ${missing.division} have not arrived from registry yet: try again shortly.`);
  } // prettier-ignore

  look(rows: SheetRow[], { seen, divisions }: RosterMemory): Looked[] {
    return rows.map(({ row, cells }) => {
      const content = JSON.stringify(Object.keys(title).map((field) => cells[field] ?? ''));
      const repeats = seen.get(content);
      if (repeats === undefined) seen.set(content, row);
      return { row, repeats, ...look(cells, divisions) };
    });
  }

  async take(tx: Tx, looked: Looked[], memory: RosterMemory, mode: 'write' | 'dry-run'): Promise<Judged[]> {
    if (mode === 'write')
      await tx.query(`select pg_advisory_xact_lock(7031, $1::int)`, [Number(tx.caller.division.slice(0, 6))]);
    const known = new Map(memory.made);
    for (const one of await tx.query<Known>(
      // Of several of one key one is active at most (two where one was kept with a space in his name); it counts, else the last who left.
      `select id, version, name, post, level, division, unit, phone, active from official where division = any($1) order by active, changed_at for update`,
      [[...new Set(looked.flatMap(({ said }) => (said ? [said.division] : [])))]],
    ))
      known.set(keyOf(one), one);
    const namesakes = await namesakesOf(tx, looked);
    const touched = new Set<Known>();
    const steps: Step[] = [];
    const judged = looked.map(({ row, said, findings, repeats }): Judged => {
      if (!said) return { row, outcome: 'refused', findings };
      if (repeats !== undefined)
        return { row, outcome: 'duplicate', findings: [...findings, told('row-repeated', null, `${repeats}`)] };
      let outcome: Outcome = 'created';
      let official = known.get(keyOf(said));
      const before = official ? { ...official } : null;
      if (official) {
        const unit = said.unit ?? official.unit;
        const phone = said.phone ?? official.phone;
        const same = unit === official.unit && phone === official.phone && official.active;
        outcome = same ? 'unchanged' : 'updated';
        if (!official.active) findings.push(told('official-returned', 'name', official.name));
        Object.assign(official, { unit, phone, active: true });
      } else {
        const namesake = namesakes.get(namesakeKey(said)) ?? memory.named.get(namesakeKey(said));
        if (namesake !== undefined) findings.push(told('name-known', 'name', namesake));
        official = { ...said, id: uuidv7(), version: 0, active: true };
        memory.named.set(namesakeKey(said), `${said.name} ${said.post} ${said.division} ${mode === 'write' ? official.id : `第${row}行 · row ${row}`}`);
        known.set(keyOf(said), official);
        if (mode === 'dry-run') memory.made.set(keyOf(said), official);
      }
      if (outcome !== 'unchanged') {
        official.version += 1;
        touched.add(official);
        const { id, division, version, level, name, post } = official;
        steps.push({ subject: { id, division, version }, before, after: { ...official } });
        if (mode === 'write')
          tx.publish(OfficialChanged, { id, division, version }, { officialId: id, division, level, name, post, active: true });
      }
      return { row, outcome, findings };
    });
    if (mode === 'write' && touched.size > 0) {
      await logChanges(tx, 'official', steps, `roster-import ${tx.caller.correlationId}`, ['phone']);
      await tx.query(
        `insert into official (id, division, version, level, name, post, unit, phone, created_at, changed_at)
         select id, division, version, level, name, post, unit, phone, $2, $2 from jsonb_to_recordset($1::jsonb)
           as t(id uuid, division text, version int, level text, name text, post text, unit text, phone text)
         on conflict (id) do update set version = excluded.version, unit = excluded.unit, phone = excluded.phone, active = true, changed_at = excluded.changed_at`,
        [JSON.stringify([...touched]), tx.now],
      );
    }
    return judged;
  } // prettier-ignore
}

/** Who serves already under the name of one of these rows in its township, by `namesakeKey`: name, post, division and id of each. */
async function namesakesOf(tx: Tx, looked: Looked[]): Promise<Map<string, string>> {
  const known = await tx.query<Pick<Known, 'id' | 'name' | 'post' | 'division'>>(
    `select id, name, post, division from official
     where active and division >= app_lo() and division < app_hi() and ${spaceless('name')} in (select ${spaceless('n')} from unnest($1::text[]) n)
     order by division, id`,
    [[...new Set(looked.flatMap(({ said }) => (said ? [said.name] : [])))]],
  );
  const namesakes = new Map<string, string>();
  for (const { id, name, post, division } of known) {
    const [key, before] = [namesakeKey({ division, name }), namesakes.get(namesakeKey({ division, name }))];
    namesakes.set(key, `${before === undefined ? '' : `${before}; `}${name} ${post} ${division} ${id}`);
  }
  return namesakes;
} // prettier-ignore

async function groundOf(tx: Tx): Promise<Set<string>> {
  const lists = await tx.query<{ division: string; below: { division: string }[] }>(
    `select division, below from division_list`,
  );
  const ground = tx.caller.division;
  return new Set(
    lists
      .flatMap(({ division, below }) => [division, ...below.map((one) => one.division)])
      .filter((division) => division.startsWith(ground)),
  );
}

type Found = Omit<Finding, 'row'>;

function told(rule: keyof typeof rules, field: Field | null, value: string, repairedTo: string | null = null): Found {
  const [severity, remedy] = rules[rule];
  return { column: field && title[field], rule, severity, value: value.slice(0, 500), repairedTo, remedy };
} // prettier-ignore

/** One row looked at alone: what it says, unless it must be refused, and what was found on it. */
function look(cells: Record<string, string>, divisions: Set<string>): { said: Said | null; findings: Found[] } {
  const findings: Found[] = [];
  const find = (rule: keyof typeof rules, field: Field, value: string, repairedTo: string | null = null): void =>
    void findings.push(told(rule, field, value, repairedTo));
  const text = (field: Field): string => (cells[field] ?? '').replace(/\p{Cc}+/gu, ' ').trim();
  for (const field of ['name', 'post', 'unit'] as const)
    if ([...text(field)].length > 100) find('text-too-long', field, text(field));
  const name = personName(text('name'));
  if (name === '' || /^(空缺|暂缺|缺|待定|待补|无|暂无|[-—/\\]+)$/.test(name)) find('name-missing', 'name', name);
  else if (/[、,,;;]|(?<=\p{Script=Han})\s*\/\s*(?=\p{Script=Han})/u.test(name)) find('name-several', 'name', name);
  else if (name !== cells['name']) find('name-spaces', 'name', cells['name'] ?? '', name);
  const post = text('post');
  if (post === '') find('post-missing', 'post', post);
  const written = text('level').normalize('NFKC');
  const level = levelOf[levelNames[written] ?? written];
  if (levelNames[written]) find('level-name', 'level', text('level'), levelNames[written]);
  if (!level) find('level-unknown', 'level', text('level'));
  const division = text('division').normalize('NFKC');
  if (/^\d(\.\d+)?E\+?\d+$/i.test(division)) find('division-rounded', 'division', text('division'));
  else if (!divisions.has(division)) find('division-unknown', 'division', text('division'));
  else if (level && division.length !== digitsOf[level]) find('level-mismatch', 'division', division);
  let phone: string | null = text('phone').normalize('NFKC').replace(/[\s-]/g, '') || null;
  if (phone !== null && !telephone.test(phone)) {
    find('phone-unreadable', 'phone', masked(text('phone')) ?? ''); // auditors read findings, too
    phone = null;
  }
  if (!level || findings.some(({ severity }) => severity === 'refused')) return { said: null, findings };
  return { said: { name, post, level, division, unit: text('unit') || null, phone }, findings };
} // prettier-ignore

/** Imports of rosters of officials, and the job that lands them. */
@Injectable()
export class RosterImports extends SheetImports<RosterMemory, Looked> {
  constructor(database: Database, served: Served) {
    super(database, served, 'roster_import', new RosterRows());
  }
}
