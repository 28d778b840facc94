import { kindNames } from '#contracts';
import { type Caller, type Database, type Tx } from '#database';
import { type Column, inShanghai, listWorkbook, placeNames } from '#platform';
import { type Readable } from 'node:stream';
import { type ActionFilters } from './corrective-action.controller.js';
import { type CorrectiveAction, type CorrectiveActionService, type State, type Step } from './corrective-action.service.js'; // prettier-ignore
import {
  type Finding,
  type Inspection,
  type InspectionFilters,
  type visitWarnings,
} from './inspection.controller.js';
import { type Method } from './inspection.policies.js';
import { type VisitService } from './visit.service.js';

const methodNames: Record<Method, string> = {
  'on-site': '现场督导', 'gathered-on-site': '集中现场督导', 'report-meeting': '会议听取汇报', video: '视频督导',
}; // prettier-ignore
const handlingNames: Record<Finding['handling'], string> = {
  'on-spot': '当场整改', deadline: '限期整改', referral: '移交市场监管部门',
}; // prettier-ignore
const stateNames: Record<State, string> = {
  open: '待整改', responded: '已反馈', verified: '复查通过', closed: '已销号',
}; // prettier-ignore
const outcomeNames = { corrected: '合格', 'not-corrected': '未合格' };
const warningNames: Record<(typeof visitWarnings)[number], string> = {
  'official-untrained': '包保干部未经岗前培训', 'another-visit-near': '五分钟内在别处另有督导',
}; // prettier-ignore
const yes = (so: boolean): string => (so ? '是' : '否');

/** 所属乡镇 and 所属村, as far as the names have arrived; the code stands among the ids. */
const placeOf = (names: ReadonlyMap<string, string>): Column<{ division: string }>[] => [
  ['所属乡镇(街道)', 14, ({ division }) => names.get(division.slice(0, 9))],
  ['所属村(社区)', 18, ({ division }) => names.get(division)],
];

/** Visits of the caller's ground as a workbook, one a row. */
export async function visitSheet(
  database: Database,
  caller: Caller,
  visits: VisitService,
  query: InspectionFilters,
): Promise<Readable> {
  const names = await database.within(caller, (tx) => placeNames(tx));
  const columns: Column<Inspection>[] = [
    ...placeOf(names),
    ['主体名称', 28, ({ establishment }) => establishment.name],
    ['经营场所', 36, ({ establishment }) => establishment.address],
    ['包保等级', 10, ({ establishment }) => establishment.tier],
    ['主体业态', 14, ({ establishment }) => kindNames[establishment.kind]],
    ['包保干部', 12, ({ officialName }) => officialName],
    ['职务', 18, ({ officialPost }) => officialPost],
    ['督导方式', 16, ({ method }) => methodNames[method]],
    ['督导时间(北京时间)', 20, ({ visitedAt }) => inShanghai(visitedAt)],
    ['检查表', 16, ({ checklist }) => checklist],
    ['检查表版本', 10, ({ checklistVersion }) => checklistVersion],
    ['不合格项数', 10, ({ results }) => results.filter(({ result }) => result === 'fail').length],
    ['发现的问题', 60, ({ findings }) => findings.map(findingText).join(';')],
    ['经营者签字', 24, answerText],
    ['提示', 30, ({ warnings }) => warnings.map((one) => warningNames[one]).join(';')],
    ['是否完成任务', 12, ({ obligationId }) => yes(obligationId !== null)],
    ['提交时间(服务器,北京时间)', 20, ({ submittedAt }) => inShanghai(submittedAt)],
    ['撤回时间(北京时间)', 20, ({ withdrawnAt }) => withdrawnAt && inShanghai(withdrawnAt)],
    ['撤回原因', 30, ({ withdrawalReason }) => withdrawalReason],
    ['行政区划代码', 16, ({ division }) => division],
    ['督导记录编号', 38, ({ id }) => id],
    ['主体编号', 38, ({ establishmentId }) => establishmentId],
    ['包保干部编号', 38, ({ officialId }) => officialId],
    ['督导任务编号', 38, ({ obligationId }) => obligationId],
  ];
  return listWorkbook({ sheet: '督导记录' }, columns, (page) =>
    database.within(caller, (tx) => visits.page(tx, { ...query, ...page })),
  );
}

/** `1. catering-07(重点项):消毒柜未通电[限期整改,10 个工作日;要求:修复]` */
function findingText({ number, item, key, text, handling, workingDays, demand }: Inspection['findings'][number]): string {
  const days = workingDays === undefined ? '' : `,${workingDays} 个工作日`;
  return `${number}. ${item}${key ? '(重点项)' : ''}:${text}[${handlingNames[handling]}${days}${demand ? `;要求:${demand}` : ''}]`;
} // prettier-ignore

function answerText({ operator: { answer, signedBy, reason, witness } }: Inspection): string {
  return answer === 'signed'
    ? `签字:${signedBy ?? ''}`
    : `拒签:${reason ?? ''};见证:${witness ?? ''}`;
}

/** Corrections of the caller's ground as a workbook, one a row. */
export async function actionSheet(
  database: Database,
  caller: Caller,
  actions: CorrectiveActionService,
  query: ActionFilters,
): Promise<Readable> {
  const names = await database.within(caller, (tx) => placeNames(tx));
  const columns: Column<CorrectiveAction & { officialName: string | undefined }>[] = [
    ['整改通知书编号', 32, ({ number }) => number],
    ...placeOf(names),
    ['主体名称', 28, ({ establishmentName }) => establishmentName],
    ['包保干部', 12, ({ officialName }) => officialName],
    ['检查项', 16, ({ item }) => item],
    ['是否重点项', 10, ({ keyItem }) => yes(keyItem)],
    ['发现的问题', 40, ({ finding }) => finding],
    ['整改要求', 40, ({ demand }) => demand],
    ['状态', 10, ({ state }) => stateNames[state]],
    ['起始日', 12, ({ startOn }) => startOn],
    ['工作日数', 10, ({ workingDays }) => workingDays],
    ['整改期限', 16, ({ dueOn }) => dueOn ?? '待公布工作日历'],
    ['是否逾期', 10, ({ overdue }) => yes(overdue)],
    ['整改反馈', 40, stepsOf('response')],
    ['复查', 40, stepsOf('verification')],
    ['销号', 30, stepsOf('closure')],
    ['督导撤回', 30, stepsOf('withdrawal')],
    ['行政区划代码', 16, ({ division }) => division],
    ['整改事项编号', 38, ({ id }) => id],
    ['督导记录编号', 38, ({ inspectionId }) => inspectionId],
    ['主体编号', 38, ({ establishmentId }) => establishmentId],
    ['包保干部编号', 38, ({ officialId }) => officialId],
  ];
  return listWorkbook({ sheet: '整改事项' }, columns, (page) =>
    database.within(caller, async (tx) => {
      const { items, next } = await actions.page(tx, { ...query, ...page });
      const officials = await officialNames(tx, items);
      return { items: items.map((one) => ({ ...one, officialName: officials.get(one.officialId) })), next };
    }),
  );
} // prettier-ignore

/** `2026-11-24 10:00:00 未合格:仍未通电`, in the order of the acts. */
const stepsOf = (act: Step['act']) => ({ steps }: CorrectiveAction): string =>
  steps
    .filter((step) => step.act === act)
    .map(({ at, outcome, text }) => [inShanghai(new Date(at)), outcome && outcomeNames[outcome], text].filter(Boolean).join(' '))
    .join(';'); // prettier-ignore

/** What those are called who answer for the mending; a correction itself keeps the id alone. */
async function officialNames(tx: Tx, items: CorrectiveAction[]): Promise<Map<string | null, string>> {
  const found = await tx.query<{ id: string; name: string }>(
    `select distinct on (official_id) official_id as id, official_name as name from responsibility
     where establishment_id = any($1) and official_id = any($2) order by official_id, made_at desc`,
    [items.map(({ establishmentId }) => establishmentId), items.map(({ officialId }) => officialId)],
  );
  return new Map(found.map(({ id, name }) => [id, name]));
} // prettier-ignore
