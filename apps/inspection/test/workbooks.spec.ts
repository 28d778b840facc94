import { randomUUID } from 'node:crypto';
import { County, rowsOf } from '#testing';
import { type CorrectiveAction } from '../src/corrective-action.service.js';
import { type Inspection } from '../src/inspection.controller.js';
import { inspection } from '../src/inspection.definition.js';
import { answeredFor, visitTo } from './premises.js';

/** As an answer shows it: instants are texts. */
type Told<T> = { [Field in keyof T]: T[Field] extends Date ? string : T[Field] };
type Row = Record<string, string>;

const [townA, townB] = ['371425101', '371425102'];
let county: County;
let admin: string;
let office: string;
let official: { id: string; token: string };
let colleague: { id: string; token: string };
let stranger: { id: string; token: string };
let visits: Told<Inspection>[];

const submit = async (by: typeof official, division: string, more: object = {}, findings = 0): Promise<Told<Inspection>> => {
  const establishmentId = await answeredFor(county, division, by.id);
  const answer = await county.call('inspection', 'POST', '/v1/inspections', { token: by.token, body: { ...visitTo(establishmentId, findings), ...more } });
  expect(answer.status).toBe(201);
  return answer.body as Told<Inspection>;
}; // prettier-ignore
/** The rows of a workbook under its titles. */
const sheet = async (path: string, token: string): Promise<Row[]> => {
  const { status, headers, bytes } = await county.download('inspection', `/v1/${path}`, token);
  expect([path, status]).toEqual([path, 200]);
  expect(headers.get('content-type')).toBe('application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'); // prettier-ignore
  const [titles = [], ...rows] = rowsOf(bytes);
  return rows.map((texts) => Object.fromEntries(titles.map((title, at) => [title, texts[at] ?? ''])));
}; // prettier-ignore
/** `2026-11-23 08:30:00` in Shanghai. */
const local = (instant: string): string =>
  new Intl.DateTimeFormat('sv-SE', { timeZone: 'Asia/Shanghai', dateStyle: 'short', timeStyle: 'medium' }).format(new Date(instant)); // prettier-ignore

beforeAll(async () => {
  county = await County.start([inspection]);
  await county.clock('inspection', '2026-11-23T09:00:00+08:00');
  await county.rows('inspection', `insert into division_list values ('371425', 1, '齐河县', '[{"division":"${townA}","name":"表白寺镇"}]'), ('${townA}', 1, '表白寺镇', '[{"division":"${townA}201","name":"刁家村委会"}]')`); // prettier-ignore
  await county.rows(
    'inspection',
    `insert into calendar_year values ('371425', 2026, 1, '[]', '[]')`,
  );
  admin = await county.token('county-admin', '371425');
  office = await county.token('office', townA);
  const made = async (division: string): Promise<typeof official> => {
    const id = randomUUID();
    return { id, token: await county.official(id, division) };
  };
  [official, colleague, stranger] = [await made(townA), await made(townA), await made(townB)];
  visits = [
    await submit(official, `${townA}201`, {}, 2),
    await submit(official, `${townA}201`, { operator: { answer: 'refused', reason: '=HYPERLINK("x")', witness: '李某' }, visitedAt: '2026-11-20T00:00:00+08:00' }),
    await submit(colleague, `${townA}202`, { method: 'video', visitedAt: '2026-11-20T23:59:59+08:00' }, 1),
    await submit(stranger, `${townB}201`, { visitedAt: '2026-11-21T00:00:00+08:00' }, 1),
  ]; // prettier-ignore
}, 60_000);
afterEach(() => county.quiet(), 15_000);
afterAll(() => county.stop(), 30_000);

describe('the visits as a workbook', () => {
  it('say what the list says, a row for each, in its order', async () => {
    const listed = await county.every<Told<Inspection>>('inspection', '/v1/inspections', admin);
    const rows = await sheet('inspections.xlsx', admin);
    expect(listed.map(({ id }) => id).sort()).toEqual(visits.map(({ id }) => id).sort());
    expect(rows.map((row) => row['督导记录编号'])).toEqual(listed.map(({ id }) => id));
    for (const [at, one] of listed.entries())
      expect(rows[at]).toMatchObject({
        主体名称: one.establishment.name, 经营场所: one.establishment.address, 包保等级: one.establishment.tier, 主体业态: '小餐饮',
        包保干部: one.officialName, 职务: one.officialPost, 督导方式: one.method === 'video' ? '视频督导' : '现场督导',
        '督导时间(北京时间)': local(one.visitedAt), 检查表: one.checklist, 检查表版本: `${one.checklistVersion}`,
        不合格项数: `${one.results.filter(({ result }) => result === 'fail').length}`, 提示: '包保干部未经岗前培训', 是否完成任务: '否',
        '提交时间(服务器,北京时间)': local(one.submittedAt), 行政区划代码: one.division, 主体编号: one.establishmentId, 包保干部编号: one.officialId, 督导任务编号: '',
      });
    const { items } = (await county.call('inspection', 'GET', `/v1/inspections?official=${official.id}&from=2026-11-23`, { token: admin })).body as { items: Told<Inspection>[] };
    const [first, second] = items[0]!.findings;
    expect(rows.find((row) => row['督导记录编号'] === items[0]!.id)).toMatchObject({
      '所属乡镇(街道)': '表白寺镇', '所属村(社区)': '刁家村委会', 经营者签字: '签字:王某',
      发现的问题: `1. ${first!.item}${first!.key ? '(重点项)' : ''}:${first!.item}不合格[限期整改];2. ${second!.item}${second!.key ? '(重点项)' : ''}:${second!.item}不合格[限期整改]`,
    });
  }); // prettier-ignore

  it('say of a visit that it settled what was due', async () => {
    const establishmentId = await answeredFor(county, `${townA}203`, official.id);
    await county.rows('inspection', `insert into obligation (id, division, version, establishment_id, establishment_name, tier, period, due_on, state, official_id, opened_at) values ($1, '${townA}203', 1, $2, '店', 'D', '2026-Q4', '2026-12-31', 'open', $3, now())`, [randomUUID(), establishmentId, official.id]);
    const made = await county.call('inspection', 'POST', '/v1/inspections', { token: official.token, body: visitTo(establishmentId) });
    const { obligationId } = made.body as Inspection;
    expect(await sheet(`inspections.xlsx?establishment=${establishmentId}`, office)).toMatchObject([{ 是否完成任务: '是', 督导任务编号: obligationId, '所属村(社区)': '' }]);
  }); // prettier-ignore

  it('take no text for a formula, however it came', async () => {
    const answers = (await sheet('inspections.xlsx', admin)).map((row) => row['经营者签字']);
    expect(answers).toContain('拒签:=HYPERLINK("x");见证:李某');
    const establishmentId = await answeredFor(county, `${townA}204`, official.id);
    await county.rows('inspection', `update premises set name = '=1+1', address = '@一号' where establishment_id = $1`, [establishmentId]); // prettier-ignore
    await county.call('inspection', 'POST', '/v1/inspections', { token: official.token, body: visitTo(establishmentId) }); // prettier-ignore
    const rows = await sheet(`inspections.xlsx?establishment=${establishmentId}`, official.token);
    expect(rows).toMatchObject([{ 主体名称: "'=1+1", 经营场所: "'@一号" }]);
    for (const row of await sheet('inspections.xlsx', admin))
      expect(Object.values(row).filter((text) => /^[=+\-@\t\r]/.test(text))).toEqual([]);
  });

  it('are those of a day, an official, a place and a handling that are asked for', async () => {
    const ids = async (query: string, token = admin): Promise<(string | undefined)[]> => {
      const rows = await sheet(`inspections.xlsx${query}`, token);
      const listed = await county.every<{ id: string }>('inspection', `/v1/inspections${query}`, token);
      expect([query, rows.map((row) => row['督导记录编号'])]).toEqual([query, listed.map(({ id }) => id)]);
      return listed.map(({ id }) => id).filter((id) => visits.some((one) => one.id === id)).sort();
    };
    const of = (...at: number[]): string[] => at.map((n) => visits[n]!.id).sort();
    expect(await ids('?from=2026-11-20&to=2026-11-20')).toEqual(of(1, 2));
    expect(await ids('?from=2026-11-21')).toEqual(of(0, 3));
    expect(await ids('?to=2026-11-20')).toEqual(of(1, 2));
    expect(await ids(`?official=${official.id}&to=2026-11-22`)).toEqual(of(1));
    expect(await ids(`?division=${townB}`)).toEqual(of(3));
    expect(await ids('?handling=deadline')).toEqual(of(0, 2, 3));
    expect(await ids('?handling=referral')).toEqual([]);
    for (const query of ['from=2026-02-29', 'from=2026-11-21&to=2026-11-20', 'from=2026-11-31', 'to=2026-11-23T00:00:00Z', 'to=20261123', 'limit=5'])
      for (const path of ['inspections', 'inspections.xlsx'].slice(query === 'limit=5' ? 1 : 0))
        expect([query, await county.call('inspection', 'GET', `/v1/${path}?${query}`, { token: admin })]).toMatchObject([query, { status: 422 }]);
    expect(await ids('?from=2028-02-29')).toEqual([]);
  }); // prettier-ignore

  it('are those of one’s own ground, and an official’s own', async () => {
    const ids = async (token: string): Promise<(string | undefined)[]> =>
      (await sheet('inspections.xlsx', token)).map((row) => row['督导记录编号']).filter((id) => visits.some((one) => one.id === id)).sort(); // prettier-ignore
    const of = (...at: number[]): string[] => at.map((n) => visits[n]!.id).sort();
    expect(await ids(office)).toEqual(of(0, 1, 2));
    expect(await ids(await county.token('office', townB))).toEqual(of(3));
    expect(await ids(official.token)).toEqual(of(0, 1));
    expect(await ids(colleague.token)).toEqual(of(2));
    expect(await ids(await county.token('authority', '371425'))).toEqual(of(0, 1, 2, 3));
    expect(await ids(await county.token('county-admin', '371482'))).toEqual([]);
    for (const path of ['inspections.xlsx', 'corrective-actions.xlsx'])
      expect(await county.call('inspection', 'GET', `/v1/${path}`, { token: await county.token('grid-worker', `${townA}201`) })).toMatchObject({ status: 403 }); // prettier-ignore
  });
});

describe('the corrections as a workbook', () => {
  it('say what the list says, with every act in its words', async () => {
    const [action] = await county.every<Told<CorrectiveAction>>('inspection', '/v1/corrective-actions', colleague.token); // prettier-ignore
    const act = async (name: string, token: string, body: object): Promise<void> => {
      const answer = await county.call('inspection', 'POST', `/v1/corrective-actions/${action!.id}/${name}`, { token, body }); // prettier-ignore
      expect(answer.status).toBe(200);
    };
    await act('response', colleague.token, { text: '=已修' });
    await county.clock('inspection', '2026-11-24T10:00:00+08:00');
    await act('verification', office, { outcome: 'not-corrected', text: '仍未通电' });
    await act('response', colleague.token, { text: '又修了' });
    await act('verification', office, { outcome: 'corrected' });
    await act('closure', office, {});
    const listed = await county.every<Told<CorrectiveAction>>('inspection', '/v1/corrective-actions', admin); // prettier-ignore
    const rows = await sheet('corrective-actions.xlsx', admin);
    expect(rows.length).toBe(4);
    for (const [at, one] of listed.entries())
      expect(rows[at]).toMatchObject({
        整改通知书编号: one.number, 主体名称: one.establishmentName, 包保干部: '甲', 检查项: one.item, 是否重点项: one.keyItem ? '是' : '否',
        发现的问题: one.finding, 整改要求: one.demand, 状态: one.state === 'closed' ? '已销号' : '待整改', 起始日: one.startOn,
        工作日数: `${one.workingDays}`, 整改期限: one.dueOn, 是否逾期: '否', 行政区划代码: one.division, 整改事项编号: one.id,
        督导记录编号: one.inspectionId, 主体编号: one.establishmentId, 包保干部编号: one.officialId,
      });
    expect(rows.find((row) => row['整改事项编号'] === action!.id)).toMatchObject({
      整改反馈: '2026-11-23 09:00:00 =已修;2026-11-24 10:00:00 又修了', 复查: '2026-11-24 10:00:00 未合格 仍未通电;2026-11-24 10:00:00 合格', 销号: '2026-11-24 10:00:00',
    });
  }); // prettier-ignore

  it('are those that are asked for, of one’s own ground, and an official’s own', async () => {
    const count = async (query: string, token = admin): Promise<number> => {
      const rows = await sheet(`corrective-actions.xlsx${query}`, token);
      const listed = await county.every<{ id: string }>('inspection', `/v1/corrective-actions${query}`, token); // prettier-ignore
      expect(rows.map((row) => row['整改事项编号'])).toEqual(listed.map(({ id }) => id));
      return rows.length;
    };
    for (const [query, token, n] of [
      ['', office, 3],
      ['', official.token, 2],
      ['', colleague.token, 1],
      ['', stranger.token, 1],
      ['?state=closed', admin, 1],
      ['?overdue=true', admin, 0],
      [`?division=${townB}`, admin, 1],
      [`?division=${townB}`, office, 0],
      [`?establishment=${visits[0]!.establishmentId}`, admin, 2],
    ] as const)
      expect([query, await count(query, token)]).toEqual([query, n]);
  });

  it('that wait for a calendar say so, and what is overdue too', async () => {
    const [action] = await county.every<{ id: string }>('inspection', '/v1/corrective-actions', stranger.token); // prettier-ignore
    await county.rows('inspection', `update corrective_action set due_on = null, due_state = 'calendar-missing', deadline = jsonb_set(deadline, '{missingYear}', '2031'), overdue = true where id = $1`, [action!.id]); // prettier-ignore
    expect(await sheet('corrective-actions.xlsx?overdue=true', admin)).toMatchObject([{ 整改期限: '待公布工作日历', 是否逾期: '是' }]); // prettier-ignore
  });
});

it('goes on page by page, each row once', async () => {
  await county.rows(
    'inspection',
    `insert into inspection select gen_random_uuid(), '371425103201', version, establishment_id, establishment, official_id, official_name, official_post, official_level, method,
       visited_at, position, checklist, checklist_version, results, findings, operator, obligation_id, counts, warning, submitted_by, submitted_at
     from inspection, generate_series(1, 1201) where id = $1`,
    [visits[0]!.id],
  );
  const rows = await sheet('inspections.xlsx?division=371425103', admin);
  expect([rows.length, new Set(rows.map((row) => row['督导记录编号'])).size]).toEqual([1201, 1201]);
});
