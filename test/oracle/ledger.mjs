// What a ledger import must come to, worked out apart from the platform: this folder imports nothing of apps or libs, so
// that a mistake there cannot be repeated here. Rules: the ledger's column names, division codes of the county, domain.md §2
// (tiers) and §8 (codes), api.md 'Ledger import' (rules, counts, which row is which establishment).
import { readFile } from 'node:fs/promises';
import { readFirstSheet } from './workbook.mjs';

/** The county's box in WGS84 degrees: Qihe lies between 36°24′–37°01′ N and 116°23′–116°57′ E. */
export const QIHE_BOX = { south: 36.4, north: 37.0167, west: 116.3833, east: 116.95 };

const HEADERS = {
  序号: 'number',
  主体名称: 'name',
  统一社会信用代码: 'uscc',
  '许可证(登记证)编号': 'licence',
  经营场所: 'address',
  '所属乡镇(街道)': 'township',
  '所属村(社区)': 'village',
  主体业态: 'kind',
  '经营面积(㎡)': 'area',
  就餐人数: 'diners',
  '纬度(WGS84)': 'latitude',
  '经度(WGS84)': 'longitude',
};

const KINDS = {
  食品生产: 'production',
  特殊食品: 'special-food',
  食品销售: 'sale',
  餐饮服务: 'catering',
  学校食堂: 'canteen',
  集体用餐配送单位: 'group-meal',
  集中交易市场: 'market',
  小餐饮: 'small-catering',
  食品小作坊: 'workshop',
  食品摊点: 'stall',
};

const REFUSALS = new Set([
  'uscc-check-digit',
  'village-unknown',
  'village-ambiguous',
  'township-missing',
  'township-unknown',
  'name-missing',
  'kind-unknown',
  'identity-ambiguous',
]);
const REPAIRS = new Set([
  'uscc-case',
  'uscc-width',
  'village-short-name',
  'name-spaces',
  'coordinates-swapped',
  'no-number',
  'coordinates-zero',
  'number-form',
]);
const WARNINGS = new Set([
  'licence-check-digit',
  'formula-text',
  'area-missing',
  'address-missing',
  'coordinates-outside',
  'coordinate-alone',
]);

/** The key of `*.planted.json` that each rule answers to; the second premises and the repeated rows are counted apart. */
const PLANTED = {
  'name-spaces': 'name padded with spaces (repairable)',
  'uscc-case': 'uscc lower case (repairable)',
  'licence-check-digit': 'licence bad check digit (warning)',
  'coordinates-swapped': 'latitude and longitude swapped',
  'kind-unknown': 'kind unknown',
  'uscc-check-digit': 'uscc bad check digit',
  'village-short-name': 'village short name (repairable if unique in its township)',
  'village-unknown': 'village unknown',
  'township-missing': 'township blank',
  'uscc-width': 'uscc full width (repairable)',
  'name-missing': 'name blank',
  'formula-text': 'name starts with a formula',
  'row-repeated': 'row repeated exactly',
  'area-missing': 'area missing (warning)',
};
const SECOND_PREMISES = 'same operator, second premises (keep both)';

/** The rows of the first sheet under its header row, `row` counted as a person counts; blank rows and the title are none. */
export async function readLedger(path) {
  const rows = [];
  let columns;
  for (const { row: number, cells } of await readFirstSheet(path)) {
    if (!columns) {
      if (cells.some((cell) => cell.trim() === '主体名称'))
        columns = cells.map((cell) => HEADERS[cell.trim()]);
      continue;
    }
    if (cells.every((cell) => cell.trim() === '')) continue;
    const row = { row: number };
    columns.forEach((column, index) => {
      if (column) row[column] = cells[index] ?? '';
    });
    rows.push(row);
  }
  if (!columns) throw new Error(`${path}: no header row with 主体名称`);
  return rows;
}

/** The divisions of `code,name,level,parent`; no field of this file holds a comma or a quote. */
export async function readDivisions(path) {
  const [head, ...lines] = (await readFile(path, 'utf8')).trim().split(/\r?\n/);
  if (head !== 'code,name,level,parent') throw new Error(`${path}: unexpected header ${head}`);
  return lines.map((line) => {
    const [code, name, level, parent] = line.split(',');
    return { code, name, level, parent };
  });
}

const USCC_ALPHABET = '0123456789ABCDEFGHJKLMNPQRTUWXY';

/** GB 32100: weights 3^(i−1) mod 31, check = (31 − Σ mod 31) mod 31. Expects upper case, half width. */
export function usccIsValid(code) {
  if (!/^[0-9A-HJ-NPQRTUWXY]{18}$/.test(code)) return false;
  let sum = 0;
  let weight = 1;
  for (const letter of code.slice(0, 17)) {
    sum += USCC_ALPHABET.indexOf(letter) * weight;
    weight = (weight * 3) % 31;
  }
  return USCC_ALPHABET[(31 - (sum % 31)) % 31] === code[17];
}

/** ISO 7064 MOD 11,10 over the fourteen digits after JY or SC. */
export function licenceIsValid(number) {
  if (!/^(JY|SC)\d{14}$/.test(number)) return false;
  let product = 10;
  for (const digit of number.slice(2, 15))
    product = (((product + Number(digit)) % 10 || 10) * 2) % 11;
  return (11 - product) % 10 === Number(number[15]);
}

/** A cell that says that there is no number: in a word that ledgers have for it, or in strokes alone. */
function saysNoNumber(cell) {
  const bare = cell.normalize('NFKC').replace(/\s/g, '').toUpperCase();
  return (
    ['无', '暂无', '没有', '办理中', '正在办理', '未办理', 'N/A'].includes(bare) ||
    (bare !== '' && [/[-–—]/g, /[/\\]/g].some((stroke) => bare.replace(stroke, '') === ''))
  );
}

/** A village's name without the kind of its committee: 崔许村委会 → 崔许, 永泰社区居民委员会 → 永泰. */
const stemOf = (name) =>
  name.replace(/(社区居民委员会|社区居委会|居民委员会|居委会|村民委员会|村委会)$/, '');

function villagesCalled(name, township, divisions) {
  const villages = divisions.filter(
    (division) => division.level === 'village' && division.parent === township,
  );
  const exact = villages.filter((village) => village.name === name);
  if (exact.length > 0) return { villages: exact, exact: true };
  const short = villages.filter((village) => {
    const stem = stemOf(village.name);
    return [stem, `${stem}村`, `${stem}社区`].includes(name) || stem === stemOf(name);
  });
  const bare = (one) => stemOf(one).replace(/(.)(村|社区)$/, '$1');
  if (short.length > 0 && bare(name) !== name) return { villages: short, exact: false };
  return {
    villages: villages.filter((village) => bare(village.name) === bare(name)),
    exact: false,
  };
}

const numberOf = (text) => (text.trim() === '' || Number.isNaN(Number(text)) ? null : Number(text));

const inBox = (latitude, longitude, box) =>
  latitude >= box.south && latitude <= box.north && longitude >= box.west && longitude <= box.east;

/** domain.md §2, the default rule of the sample county; the first that fits. The ledger marks no producer as large. */
export function tierOf({ kind, areaSquareMetres, diners, large = false }) {
  switch (kind) {
    case 'stall':
    case 'workshop':
    case 'small-catering':
      return 'D';
    case 'group-meal':
      return diners !== null && diners > 1000 ? 'A' : 'B';
    case 'canteen':
      return diners !== null && diners >= 500 ? 'B' : 'C';
    case 'production':
      return large ? 'A' : 'B';
    case 'special-food':
    case 'market':
      return 'B';
    case 'catering':
    case 'sale':
      if (areaSquareMetres === null) return 'C';
      if (areaSquareMetres >= 500) return 'B';
      return areaSquareMetres < 100 ? 'D' : 'C';
    default:
      throw new Error(`no tier rule for kind ${kind}`);
  }
}

/** One row looked at alone: what it says after repair, and what was found on it. */
function look(row, divisions, box) {
  const findings = [];
  const find = (rule, column, value, repairedTo = null) =>
    findings.push({ row: row.row, rule, column, value, repairedTo });

  const name = row.name.trim();
  if (name === '') find('name-missing', '主体名称', row.name);
  else if (name !== row.name) find('name-spaces', '主体名称', row.name, name);
  if (/^[=+\-@]/.test(name)) find('formula-text', '主体名称', row.name);

  if (row.address.trim() === '') find('address-missing', '经营场所', row.address);

  const numberIn = (column, title) => {
    if (!saysNoNumber(row[column])) return row[column].trim();
    find('no-number', title, row[column]);
    return '';
  };
  const code = numberIn('uscc', '统一社会信用代码');
  const halfWidth = code.normalize('NFKC');
  const uscc = halfWidth.toUpperCase().replace(/\s/g, '');
  if (halfWidth !== code) find('uscc-width', '统一社会信用代码', row.uscc, uscc);
  if (/[a-z]/.test(halfWidth)) find('uscc-case', '统一社会信用代码', row.uscc, uscc);
  if (/\s/.test(code)) find('number-form', '统一社会信用代码', row.uscc, uscc);
  if (uscc !== '' && !usccIsValid(uscc)) find('uscc-check-digit', '统一社会信用代码', row.uscc);

  const number = numberIn('licence', '许可证(登记证)编号');
  const licence = number.normalize('NFKC').toUpperCase().replace(/\s/g, '');
  if (licence !== number) find('number-form', '许可证(登记证)编号', row.licence, licence);
  if (licence !== '' && !licenceIsValid(licence))
    find('licence-check-digit', '许可证(登记证)编号', row.licence);

  const kind = KINDS[row.kind.trim()] ?? null;
  if (kind === null) find('kind-unknown', '主体业态', row.kind);

  const townshipName = row.township.trim();
  const township = divisions.find(
    (division) => division.level === 'township' && division.name === townshipName,
  );
  let village;
  if (townshipName === '') find('township-missing', '所属乡镇(街道)', row.township);
  else if (!township) find('township-unknown', '所属乡镇(街道)', row.township);
  else {
    const called = villagesCalled(row.village.trim(), township.code, divisions);
    if (called.villages.length === 0) find('village-unknown', '所属村(社区)', row.village);
    else if (called.villages.length > 1) find('village-ambiguous', '所属村(社区)', row.village);
    else {
      village = called.villages[0];
      if (!called.exact) find('village-short-name', '所属村(社区)', row.village, village.name);
    }
  }

  let latitude = numberOf(row.latitude);
  let longitude = numberOf(row.longitude);
  const given = latitude !== null && longitude !== null;
  if (!given && (latitude !== null || longitude !== null)) {
    if (latitude !== null) find('coordinate-alone', '纬度(WGS84)', row.latitude);
    else find('coordinate-alone', '经度(WGS84)', row.longitude);
    latitude = longitude = null;
  }
  if (given && latitude === 0 && longitude === 0) {
    latitude = longitude = null;
    find('coordinates-zero', '纬度(WGS84)', `${row.latitude}, ${row.longitude}`);
  } else if (given && !inBox(latitude, longitude, box) && !inBox(longitude, latitude, box)) {
    find('coordinates-outside', '纬度(WGS84)', `${row.latitude}, ${row.longitude}`);
  } else if (given && !inBox(latitude, longitude, box)) {
    [latitude, longitude] = [longitude, latitude];
    find(
      'coordinates-swapped',
      '纬度(WGS84)',
      `${row.latitude}, ${row.longitude}`,
      `${latitude}, ${longitude}`,
    );
  }

  const areaSquareMetres = numberOf(row.area);
  const diners = numberOf(row.diners);
  if ((kind === 'catering' || kind === 'sale') && areaSquareMetres === null)
    find('area-missing', '经营面积(㎡)', row.area);
  if ((kind === 'canteen' || kind === 'group-meal') && diners === null)
    find('diners-missing', '就餐人数', row.diners);

  const establishment = {
    row: row.row,
    name,
    uscc: uscc || null,
    licence: licence || null,
    address: row.address.trim(),
    township: township?.code ?? null,
    village: village?.code ?? null,
    kind,
    areaSquareMetres,
    diners,
    latitude,
    longitude,
    tier: kind === null ? null : tierOf({ kind, areaSquareMetres, diners }),
  };
  return { establishment, findings };
}

const addressKeys = new Map();
/** An address without its spaces, width and case; kept, because every candidate is asked again and again. */
function addressKey(address) {
  let key = addressKeys.get(address);
  if (key === undefined) {
    key = address.normalize('NFKC').replace(/\s+/g, '').toUpperCase();
    addressKeys.set(address, key);
  }
  return key;
}

/**
 * Those already known that the row may be, by the first rule of api.md that decides. 'Place' is read as village and
 * normalised address: the number stays when premises move, so the same number at another address is another premises
 * unless a later rule says otherwise.
 */
function candidatesFor(one, known) {
  const there = known.filter((other) => other.village === one.village);
  const atAddress = (other) => addressKey(other.address) === addressKey(one.address);
  const deciding = [
    one.licence && there.filter((other) => other.licence === one.licence && atAddress(other)),
    one.uscc && known.filter((other) => other.uscc === one.uscc && atAddress(other)),
    one.uscc && there.filter((other) => other.uscc === one.uscc && other.name === one.name),
    !one.uscc &&
      there.filter((other) => !other.uscc && other.name === one.name && atAddress(other)),
  ];
  return deciding.find((candidates) => candidates && candidates.length > 0) ?? [];
}

/** Two that are new to each other, of which a person should look whether they are one. */
const isLike = (one, other) =>
  (one.uscc && one.uscc === other.uscc) ||
  (one.village === other.village && bareName(one.name) === bareName(other.name));

/** Without spaces, brackets, width and case. */
const bareName = (name) =>
  [...name.normalize('NFKC').toUpperCase()]
    .filter((letter) => !/[\s\p{Ps}\p{Pe}]/u.test(letter))
    .join('');

const FACTS = [
  'name',
  'uscc',
  'licence',
  'address',
  'village',
  'kind',
  'areaSquareMetres',
  'diners',
  'latitude',
  'longitude',
];

const tally = (items, key) => {
  const counts = {};
  for (const item of items) counts[item[key]] = (counts[item[key]] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
};

/** The expected result of importing `rows`, in order, into a registry that knows `known` (nothing, unless given). */
export function expectImport(rows, divisions, { box = QIHE_BOX, known = [] } = {}) {
  const establishments = known.map((one) => ({ ...one }));
  const byUscc = new Map();
  const counts = {
    rows: rows.length,
    created: 0,
    updated: 0,
    unchanged: 0,
    refused: 0,
    duplicate: 0,
    repaired: 0,
    warned: 0,
  };
  const findings = [];
  const outcomes = [];
  const seen = new Map();
  // Bucketed by what two rows must share to be one establishment, so that a large ledger stays quick.
  const buckets = new Map();
  const bucketKeys = (one) => [`u:${one.uscc ?? ''}`, `v:${one.village}`];
  const file = (one) => {
    for (const key of bucketKeys(one)) {
      if (!buckets.has(key)) buckets.set(key, new Set());
      buckets.get(key).add(one);
    }
  };
  establishments.forEach(file);

  for (const row of rows) {
    const { establishment, findings: found } = look(row, divisions, box);
    const { row: rowNumber, number: _number, ...content } = row;
    const key = JSON.stringify(Object.values(content));
    const first = seen.get(key);
    if (first === undefined) seen.set(key, rowNumber);

    let outcome;
    const refused = () => found.some((finding) => REFUSALS.has(finding.rule));
    if (!refused() && first !== undefined) {
      found.push({
        row: rowNumber,
        rule: 'row-repeated',
        column: null,
        value: `row ${first}`,
        repairedTo: null,
      });
      outcome = 'duplicate';
    } else if (!refused()) {
      const near = [
        ...new Set(bucketKeys(establishment).flatMap((k) => [...(buckets.get(k) ?? [])])),
      ];
      const candidates = candidatesFor(establishment, near);
      if (candidates.length > 1)
        found.push({
          row: rowNumber,
          rule: 'identity-ambiguous',
          column: null,
          value: candidates.map((one) => one.row).join(', '),
          repairedTo: null,
        });
      else if (candidates.length === 1) {
        const [same] = candidates;
        const changed = FACTS.some((fact) => same[fact] !== establishment[fact]);
        outcome = changed ? 'updated' : 'unchanged';
        // A value the ledger leaves blank is taken over like any other: the ledger is what the office says holds.
        Object.assign(same, establishment, { row: same.row });
        file(same);
      } else {
        outcome = 'created';
        const like = near.find((other) => isLike(establishment, other));
        if (like)
          found.push({
            row: rowNumber,
            rule: 'like-another',
            column: null,
            value: like.name,
            repairedTo: null,
          });
        establishments.push(establishment);
        file(establishment);
        if (establishment.uscc)
          byUscc.set(establishment.uscc, (byUscc.get(establishment.uscc) ?? 0) + 1);
      }
    }
    if (refused()) outcome = 'refused';
    counts[outcome]++;
    // A refused row counts as refused alone; a repeated row is not taken in, so nothing is repaired on it either.
    if (outcome !== 'refused' && outcome !== 'duplicate') {
      if (found.some((finding) => REPAIRS.has(finding.rule))) counts.repaired++;
      if (found.some((finding) => WARNINGS.has(finding.rule))) counts.warned++;
    }
    findings.push(...found);
    outcomes.push({ row: rowNumber, outcome });
  }

  const planted = {};
  for (const [rule, key] of Object.entries(PLANTED))
    planted[key] = findings.filter((finding) => finding.rule === rule).length;
  planted[SECOND_PREMISES] = [...byUscc.values()].reduce((sum, premises) => sum + premises - 1, 0);

  return {
    counts,
    planted,
    findings,
    outcomes,
    byTier: { A: 0, B: 0, C: 0, D: 0, ...tally(establishments, 'tier') },
    byTownship: tally(establishments, 'township'),
    byKind: tally(establishments, 'kind'),
    establishments,
  };
}

/** The tiers of every row whose kind is known, before any refusal, repetition or repair: domain.md §2's own figure. */
export function tiersBeforeChecks(rows) {
  const tiers = { A: 0, B: 0, C: 0, D: 0 };
  for (const row of rows) {
    const kind = KINDS[row.kind.trim()];
    if (kind)
      tiers[tierOf({ kind, areaSquareMetres: numberOf(row.area), diners: numberOf(row.diners) })]++;
  }
  return tiers;
}

/** Reads both files and says what the import must come to. */
export async function expectLedgerImport(ledgerPath, divisionsPath, options) {
  const [rows, divisions] = await Promise.all([
    readLedger(ledgerPath),
    readDivisions(divisionsPath),
  ]);
  return expectImport(rows, divisions, options);
}
