// Writes the sample county's ledger and roster: `node apps/platform/sample/make-sample.mjs`. Everything is invented except
// the names and codes of the divisions, and drawn from one seed, so that a second run writes the same bytes.
import { readFile, writeFile } from 'node:fs/promises';
import ExcelJS from 'exceljs';

const SEED = 371425;
const WRITTEN_AT = new Date('2026-01-05T00:00:00Z');
const DEMO_TOWNSHIPS = ['371425101', '371425102'];

/** Mulberry32: 32 bits of state are plenty for a few thousand draws. */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
const random = randomFrom(SEED);
const between = (low, high) => low + Math.floor(random() * (high - low + 1));
const pick = (items) => items[between(0, items.length - 1)];
const chance = (share) => random() < share;
function shuffled(items) {
  const copy = [...items];
  for (let index = copy.length - 1; index > 0; index--) {
    const other = between(0, index);
    [copy[index], copy[other]] = [copy[other], copy[index]];
  }
  return copy;
}

// Divisions

const folder = new URL('./', import.meta.url);
const divisions = (await readFile(new URL('divisions.csv', folder), 'utf8'))
  .trim()
  .split(/\r?\n/)
  .slice(1)
  .map((line) => {
    const [code, name, level, parent] = line.split(',');
    return { code, name, level, parent };
  });
const county = divisions.find((division) => division.level === 'county');
const townships = divisions.filter((division) => division.level === 'township');
const villagesOf = new Map(
  townships.map((township) => [
    township.code,
    divisions.filter(
      (division) => division.level === 'village' && division.parent === township.code,
    ),
  ]),
);
const stemOf = (name) => name.replace(/(社区居民委员会|居民委员会|居委会|村民委员会|村委会)$/, '');
const spoken = (village) => {
  const stem = stemOf(village.name);
  if (village.name.includes('居')) return `${stem}社区`;
  return stem.endsWith('村') ? stem : `${stem}村`;
};

// Codes, with valid check digits (domain.md §8)

const USCC_ALPHABET = '0123456789ABCDEFGHJKLMNPQRTUWXY';
function usccFrom(head) {
  let body = head;
  while (body.length < 17) body += USCC_ALPHABET[between(0, 30)];
  let sum = 0;
  let weight = 1;
  for (const letter of body) {
    sum += USCC_ALPHABET.indexOf(letter) * weight;
    weight = (weight * 3) % 31;
  }
  return body + USCC_ALPHABET[(31 - (sum % 31)) % 31];
}
function licenceFrom(letters, thirteen) {
  let product = 10;
  for (const digit of thirteen) product = (((product + Number(digit)) % 10 || 10) * 2) % 11;
  return `${letters}${thirteen}${(11 - product) % 10}`;
}
const serials = { JY: 0, SC: 0 };
function foodLicence(kindDigit) {
  serials.JY += between(1, 40);
  return licenceFrom('JY', `${kindDigit}${county.code}${String(serials.JY).padStart(6, '0')}`);
}
function productionLicence(category) {
  serials.SC += between(1, 9);
  return licenceFrom('SC', `${category}${county.code}${String(serials.SC).padStart(4, '0')}`);
}
const anotherCheckCharacter = (code, alphabet) =>
  code.slice(0, -1) + alphabet[(alphabet.indexOf(code.at(-1)) + 1) % alphabet.length];

// Establishments

const BRAND_FIRST = [...'福顺鑫祥瑞德润百家佳惠万兴旺盛丰泰和源康乐美味香聚永恒金银宝同'];
const BRAND_SECOND = [...'源达隆发盛顺兴泰和祥缘来临客满园香聚利民佳嘉悦诚信安康华美鲜'];
const brand = () => pick(BRAND_FIRST) + pick(BRAND_SECOND);

/**
 * How many of each kind, what such places are called, and what a ledger knows of them. Shares follow real counties
 * (domain.md §2): few B, a quarter C, most D; one A, for which a county's roster has nobody.
 */
const KINDS = [
  {
    kind: '食品销售',
    count: 210,
    endings: ['超市', '便利店', '百货商店', '粮油店', '水果店', '副食店', '烟酒商行', '生活超市'],
    area: () => (chance(0.68) ? between(18, 96) : between(100, 460)),
    licence: () => foodLicence(1),
  },
  {
    kind: '餐饮服务',
    count: 130,
    endings: ['饭店', '酒楼', '餐厅', '羊汤馆', '火锅店', '饺子馆', '家常菜馆', '烧烤店'],
    area: () => (chance(0.5) ? between(52, 98) : between(100, 480)),
    licence: () => foodLicence(2),
  },
  {
    kind: '小餐饮',
    count: 130,
    endings: ['小吃店', '早餐店', '包子铺', '面馆', '快餐店', '米线店', '烧饼店', '麻辣烫店'],
    area: () => between(12, 49),
    withoutUscc: 0.3,
  },
  {
    kind: '食品摊点',
    count: 60,
    endings: ['煎饼摊', '烤冷面摊', '凉皮摊', '炸串摊', '豆腐脑摊', '水果摊', '糖葫芦摊', '馒头摊'],
    area: () => between(3, 12),
    withoutUscc: 1,
  },
  {
    kind: '食品小作坊',
    count: 35,
    endings: ['豆腐坊', '馒头房', '香油坊', '粉皮加工坊', '挂面坊', '熟食加工坊'],
    area: () => between(25, 140),
    withoutUscc: 0.3,
  },
  {
    kind: '学校食堂',
    count: 22,
    endings: ['小学食堂', '中学食堂', '幼儿园食堂'],
    diners: () => between(60, 480),
    licence: () => foodLicence(3),
    head: `12${county.code}MB`,
  },
  {
    kind: '食品生产',
    count: 4,
    endings: ['食品有限公司', '面粉有限公司', '调味品有限公司'],
    area: () => between(800, 5200),
    licence: () => productionLicence(pick(['101', '103', '104', '124'])),
    head: `91${county.code}MA`,
  },
  {
    kind: '集体用餐配送单位',
    count: 4,
    endings: ['餐饮配送有限公司', '营养餐配送中心'],
    licence: () => foodLicence(2),
    head: `91${county.code}MA`,
  },
  {
    kind: '集中交易市场',
    count: 3,
    endings: ['农贸市场', '集贸市场'],
    area: () => between(1500, 6000),
    head: `91${county.code}MA`,
  },
  {
    kind: '特殊食品',
    count: 2,
    endings: ['保健食品有限公司', '特膳食品有限公司'],
    area: () => between(900, 2600),
    licence: () => productionLicence('127'),
    head: `91${county.code}MA`,
  },
];

/** Invented, one point a township inside the county's box: the sample has no survey to draw on. */
const centres = new Map(
  townships.map((township) => [
    township.code,
    { latitude: 36.55 + random() * 0.35, longitude: 116.48 + random() * 0.38 },
  ]),
);

const others = townships.filter((township) => !DEMO_TOWNSHIPS.includes(township.code));
const seats = [
  ...DEMO_TOWNSHIPS.flatMap((code) => Array(200).fill(code)),
  ...others.flatMap((township, index) => Array(index < 5 ? 16 : 15).fill(township.code)),
];

const takenNames = new Set();
const takenPlaces = new Set();
function placeIn(townshipCode) {
  const township = townships.find((one) => one.code === townshipCode);
  const village = pick(villagesOf.get(townshipCode));
  let address;
  do address = `${county.name}${township.name}${spoken(village)}${between(1, 260)}号`;
  while (takenPlaces.has(address));
  takenPlaces.add(address);
  const centre = centres.get(townshipCode);
  const known = chance(0.8);
  return {
    village,
    address,
    township: township.name,
    latitude: known ? (centre.latitude + (random() - 0.5) * 0.06).toFixed(6) : '',
    longitude: known ? (centre.longitude + (random() - 0.5) * 0.06).toFixed(6) : '',
  };
}

function establishmentOf(kind, townshipCode) {
  const place = placeIn(townshipCode);
  const settlement = spoken(place.village).replace(/(社区|村)$/, '');
  const town = place.township.replace(/(街道|镇|乡)$/, '');
  let name;
  do
    name = kind.head?.startsWith('91')
      ? `齐河县${brand()}${pick(kind.endings)}`
      : `${kind.kind === '学校食堂' ? town : pick([town, settlement, settlement])}${brand()}${pick(kind.endings)}`;
  while (takenNames.has(name));
  takenNames.add(name);
  return {
    name,
    uscc: chance(kind.withoutUscc ?? 0) ? '' : usccFrom(kind.head ?? `92${county.code}MA`),
    licence: kind.licence?.() ?? '',
    address: place.address,
    township: place.township,
    village: place.village.name,
    kind: kind.kind,
    area: kind.area?.() ?? '',
    diners: kind.diners?.() ?? '',
    latitude: place.latitude,
    longitude: place.longitude,
    townshipCode,
  };
}

const kindsInTurn = shuffled(KINDS.flatMap((kind) => Array(kind.count).fill(kind)));
const landing = shuffled(seats).map((code, index) => establishmentOf(kindsInTurn[index], code));
const ofKind = (name) => landing.filter((one) => one.kind === name);

// The few big ones, set rather than drawn, so that every line of the default tier rule is met.
ofKind('集体用餐配送单位').forEach((one, index) => (one.diners = [1500, 800, 320, ''][index]));
ofKind('学校食堂')
  .slice(0, 2)
  .forEach((one, index) => (one.diners = [620, 1180][index]));
ofKind('餐饮服务')
  .slice(0, 1)
  .forEach((one) => (one.area = 860));
ofKind('食品销售')
  .slice(0, 2)
  .forEach((one, index) => (one.area = [1200, 540][index]));

// Dirt, as real ledgers have it, never two kinds on one row

const planted = {};
const untouched = new Set(
  shuffled(landing.filter((one) => one.diners === '' && !(one.area >= 500))),
);
function plant(key, count, fits, spoil) {
  const chosen = [...untouched].filter(fits).slice(0, count);
  if (chosen.length < count) throw new Error(`only ${chosen.length} rows fit "${key}"`);
  for (const one of chosen) {
    untouched.delete(one);
    spoil(one);
  }
  planted[key] = count;
  return chosen;
}
const hasUscc = (one) => one.uscc !== '';
const any = () => true;

// Second premises come first: they share the operator's code with a row that stays clean, and are among those that land.
const branches = plant(
  '_branch',
  6,
  (one) => ['食品销售', '餐饮服务'].includes(one.kind),
  () => undefined,
);
delete planted._branch;
for (const branch of branches) {
  const [main] = [...untouched].filter(
    (one) => one.kind === branch.kind && one.townshipCode === branch.townshipCode,
  );
  untouched.delete(main);
  branch.uscc = main.uscc;
  branch.name = `${main.name}(分店)`;
}
planted['same operator, second premises (keep both)'] = branches.length;

const fullWidth = (text) =>
  [...text].map((letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0)).join('');
plant('name padded with spaces (repairable)', 6, any, (one) => (one.name = ` ${one.name}\u3000`));
plant('uscc lower case (repairable)', 8, hasUscc, (one) => (one.uscc = one.uscc.toLowerCase()));
plant('uscc full width (repairable)', 6, hasUscc, (one) => (one.uscc = fullWidth(one.uscc)));
plant(
  'village short name (repairable if unique in its township)',
  10,
  any,
  (one) => (one.village = stemOf(one.village)),
);
plant(
  'latitude and longitude swapped',
  5,
  (one) => one.latitude !== '',
  (one) => ([one.latitude, one.longitude] = [one.longitude, one.latitude]),
);
plant(
  'licence bad check digit (warning)',
  6,
  (one) => one.licence !== '',
  (one) => (one.licence = anotherCheckCharacter(one.licence, '0123456789')),
);
plant('name starts with a formula', 4, any, (one) => (one.name = `=HYPERLINK("x","${one.name}")`));
plant(
  'area missing (warning)',
  5,
  (one) => ['食品销售', '餐饮服务'].includes(one.kind),
  (one) => (one.area = ''),
);

// Refused rows are extra establishments, so that the 600 all land; repeated rows are copies of clean ones.
const refused = [];
function plantRefused(key, count, spoil) {
  for (let index = 0; index < count; index++) {
    const code = chance(0.67) ? pick(DEMO_TOWNSHIPS) : pick(others).code;
    const one = establishmentOf(pick(KINDS.slice(0, 2)), code);
    spoil(one);
    refused.push(one);
  }
  planted[key] = count;
}
plantRefused(
  'uscc bad check digit',
  6,
  (one) => (one.uscc = anotherCheckCharacter(one.uscc, USCC_ALPHABET)),
);
plantRefused('village unknown', 6, (one) => (one.village = '不存在村'));
plantRefused('kind unknown', 4, (one) => (one.kind = '其他'));
plantRefused('township blank', 4, (one) => (one.township = ''));
plantRefused('name blank', 4, (one) => (one.name = ''));
const repeated = new Set(plant('row repeated exactly', 8, any, () => undefined));

const rows = shuffled([...landing.filter((one) => !branches.includes(one)), ...refused]).flatMap(
  (one) => (repeated.has(one) ? [one, one] : [one]),
);
for (const branch of branches) rows.splice(between(0, rows.length), 0, branch);

const sum = (...keys) => keys.reduce((total, key) => total + planted[key], 0);
const expected = {
  rows: rows.length,
  created: landing.length,
  updated: 0,
  unchanged: 0,
  refused: refused.length,
  duplicate: planted['row repeated exactly'],
  repaired: sum(
    'name padded with spaces (repairable)',
    'uscc lower case (repairable)',
    'uscc full width (repairable)',
    'village short name (repairable if unique in its township)',
    'latitude and longitude swapped',
  ),
  warned: sum(
    'licence bad check digit (warning)',
    'name starts with a formula',
    'area missing (warning)',
  ),
};

// Workbooks

/** Zip entries carry the time of writing; set to one instant, so that unchanged content is an unchanged file. */
function withFixedTimes(zip) {
  const time = WRITTEN_AT.getUTCHours() << 11;
  const date =
    ((WRITTEN_AT.getUTCFullYear() - 1980) << 9) |
    ((WRITTEN_AT.getUTCMonth() + 1) << 5) |
    WRITTEN_AT.getUTCDate();
  let entry = zip.readUInt32LE(zip.length - 6);
  while (zip.readUInt32LE(entry) === 0x02014b50) {
    const local = zip.readUInt32LE(entry + 42);
    for (const at of [entry + 12, local + 10]) {
      zip.writeUInt16LE(time, at);
      zip.writeUInt16LE(date, at + 2);
    }
    entry +=
      46 +
      zip.readUInt16LE(entry + 28) +
      zip.readUInt16LE(entry + 30) +
      zip.readUInt16LE(entry + 32);
  }
  return zip;
}
async function writeWorkbook(name, fill) {
  const workbook = new ExcelJS.Workbook();
  workbook.creator = 'Foodwarden sample';
  workbook.lastModifiedBy = workbook.creator;
  workbook.created = WRITTEN_AT;
  workbook.modified = WRITTEN_AT;
  fill(workbook);
  const bytes = Buffer.from(await workbook.xlsx.writeBuffer());
  await writeFile(new URL(name, folder), withFixedTimes(bytes));
}

const LEDGER_HEADERS = [
  '序号',
  '主体名称',
  '统一社会信用代码',
  '许可证(登记证)编号',
  '经营场所',
  '所属乡镇(街道)',
  '所属村(社区)',
  '主体业态',
  '经营面积(㎡)',
  '就餐人数',
  '纬度(WGS84)',
  '经度(WGS84)',
];
await writeWorkbook('ledger.xlsx', (workbook) => {
  const sheet = workbook.addWorksheet('主体台账');
  sheet.addRow(['齐河县食品生产经营主体台账(示例数据)']);
  sheet.mergeCells(1, 1, 1, LEDGER_HEADERS.length);
  sheet.addRow(LEDGER_HEADERS);
  rows.forEach((one, index) => {
    // Offices leave a line between the parts they paste together.
    if (index > 0 && index % 150 === 0) sheet.addRow([]);
    sheet.addRow([
      index + 1,
      one.name,
      one.uscc,
      one.licence,
      one.address,
      one.township,
      one.village,
      one.kind,
      one.area,
      one.diners,
      one.latitude,
      one.longitude,
    ]);
  });
  const notes = workbook.addWorksheet('填表说明');
  notes.addRow(['本表为示例数据,主体、代码、许可证编号、坐标均为虚构,仅行政区划为真实名称']);
  notes.addRow(['每户一行;村(社区)须填写全称']);
  notes.addRow(['餐饮、销售填经营面积;食堂、集体用餐配送单位填就餐人数']);
});
await writeFile(
  new URL('ledger.planted.json', folder),
  `${JSON.stringify({ rows: rows.length, planted, expected }, null, 2)}\n`,
);

// Roster

const SURNAMES = [
  ...'王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕',
];
const GIVEN_FIRST = [...'建国志文晓春海明玉秀永立庆学洪振广德世宝'];
const GIVEN_SECOND = [...'军华强平波峰丽敏杰涛霞芳勇刚林东辉燕红梅云'];
const takenPeople = new Set();
function person() {
  let name;
  do name = pick(SURNAMES) + pick(GIVEN_FIRST) + pick(GIVEN_SECOND);
  while (takenPeople.has(name));
  takenPeople.add(name);
  return name;
}
const roster = [];
const appoint = (post, level, division) =>
  roster.push([
    person(),
    post,
    level,
    division.code,
    division.name,
    `1990000${String(roster.length + 1).padStart(4, '0')}`,
  ]);
for (let index = 1; index <= 12; index++) appoint(`县级领导${index}`, '县级', county);
for (const township of townships)
  for (let index = 1; index <= 10; index++) appoint(`班子成员${index}`, '乡级', township);
for (const township of townships) {
  const everyVillage = DEMO_TOWNSHIPS.includes(township.code);
  villagesOf.get(township.code).forEach((village, index) => {
    if (everyVillage || index % 3 === 0) appoint('村(社区)书记', '村级', village);
  });
}
await writeWorkbook('roster.xlsx', (workbook) => {
  const sheet = workbook.addWorksheet('包保干部名册');
  sheet.addRow(['姓名', '职务', '层级', '行政区划代码', '所属单位', '联系电话']);
  for (const official of roster) sheet.addRow(official);
});

console.log(
  `ledger.xlsx ${rows.length} rows, ${landing.length} establishments; roster.xlsx ${roster.length} officials`,
);
