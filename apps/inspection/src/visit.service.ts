import { InspectionSubmitted, InspectionWithdrawn } from '#contracts';
import { type Tx } from '#database';
import {
  afterOf,
  boundsOf,
  type Bilingual,
  DomainError,
  type FieldError,
  oneOf,
  type Page,
  pageOf,
  policyOf,
} from '#platform';
import { Injectable } from '@nestjs/common';
import { type Static } from '@sinclair/typebox';
import { v7 as uuidv7 } from 'uuid';
import { CorrectiveActionService } from './corrective-action.service.js';
import { type ChecklistBody, Induction, VisitFrequency } from './inspection.policies.js';
import {
  type Inspection,
  type InspectionQuery,
  type SubmitInspection,
} from './inspection.controller.js';
import { answersNow, ObligationService, taking } from './obligation.service.js';
import { dateOf, periodOf } from './period.js';

export interface Checklist {
  code: string;
  version: number;
  body: Static<typeof ChecklistBody>;
}

interface Place {
  division: string;
  name: string;
  kind: string;
  tier: string;
  status: string;
  address: string | null;
  official_id: string;
  official_name: string;
  official_post: string;
  official_level: string;
}

/** Nobody is at two places within so little time; no source fixes it, and what is near is only to be looked at. */
const near = `interval '5 minutes'`;

export const inspectionView = `id, division, version, establishment_id as "establishmentId", establishment, official_id as "officialId",
  official_name as "officialName", official_post as "officialPost", official_level as "officialLevel", method, visited_at as "visitedAt",
  position, checklist, checklist_version as "checklistVersion", results, findings, operator, obligation_id as "obligationId", counts and withdrawn_at is null as counts,
  warning, array_remove(array[warning, case when method = 'on-site' and exists (
      select from inspection other where other.official_id = inspection.official_id and other.establishment_id <> inspection.establishment_id
        and other.method = 'on-site' and other.withdrawn_at is null and other.visited_at between inspection.visited_at - ${near} and inspection.visited_at + ${near})
    then 'another-visit-near' end], null) as warnings,
  case when withdrawn_at is not null then '督导记录已撤回,不计入 · This visit was withdrawn and counts for nothing' when obligation_id is not null then null
    when counts then format('%1$s 没有待完成的督导任务(尚未生成、已撤销或已完成),本次督导未完成任何任务 · No obligation of %1$s was due (not opened yet, withdrawn, or settled before): this visit settled none',
      to_char(visited_at at time zone 'Asia/Shanghai', 'YYYY"-Q"Q'))
    else '此督导方式不计入应完成的督导,本次督导未完成任何任务 · This method is not the visit that is due: it settled no obligation' end as notice,
  submitted_by as "submittedBy", submitted_at as "submittedAt", withdrawn_at as "withdrawnAt", withdrawn_by as "withdrawnBy",
  withdrawal_reason as "withdrawalReason"`;

/**
 * How old a visit may be that is submitted now: the longest quarter, so that papers which come late still meet the quarter
 * before. What is older is a slip of the year. No source fixes it. Not the day the establishment came to be known here:
 * a county begins with papers of visits that are older than its ledger import.
 */
const lateDays = 92;

/** A visit 督导 is submitted once, whole, by the official who answers for the establishment. */
@Injectable()
export class VisitService {
  constructor(
    private readonly obligations: ObligationService,
    private readonly actions: CorrectiveActionService,
  ) {}

  /** A keyset page in `(division, id)` order. */
  async page(tx: Tx, query: InspectionQuery): Promise<Page<Inspection>> {
    const found = await tx.query<Inspection>(
      `select ${inspectionView} from inspection where (division, id) > ($1, $2::uuid) and ($3::uuid is null or establishment_id = $3)
         and ($4::text is null or findings @> jsonb_build_array(jsonb_build_object('handling', $4::text)))
         and ($5::text is null or starts_with(division, $5)) and ($6::uuid is null or official_id = $6)
         and ($7::timestamptz is null or visited_at >= $7) and ($8::timestamptz is null or visited_at < $8)
         and ($9::boolean is null or (withdrawn_at is not null) = $9)
       order by division, id limit $10`,
      [
        ...afterOf(query), query.establishment ?? null, query.handling ?? null, query.division ?? null, query.official ?? null,
        ...boundsOf(query), query.withdrawn === undefined ? null : query.withdrawn === 'true', query.limit + 1,
      ],
    );
    return pageOf(found, query, ({ id }) => id);
  } // prettier-ignore

  /** The record with its findings; settles what is due in the visit's quarter, if the policy counts the method. */
  async submit(tx: Tx, wanted: SubmitInspection): Promise<object> {
    const place = await this.place(tx, wanted.establishmentId);
    const visitedAt = new Date(wanted.visitedAt);
    if (visitedAt.getTime() > tx.now.getTime() + 5 * 60_000)
      throw new DomainError('visited-in-future', '督导时间晚于现在,请核对时钟。 · The time of the visit lies ahead: compare the clock.', [
        { pointer: '/visitedAt', rule: 'visited-in-future', value: wanted.visitedAt, remedy: '请填写实际督导时间 · Give the time of the visit.' },
      ]);
    if (visitedAt.getTime() < tx.now.getTime() - lateDays * 86_400_000)
      throw new DomainError('visited-long-ago', `督导时间在 ${lateDays} 天以前,请核对年份。 · The time of the visit is more than ${lateDays} days ago: compare the year.`, [
        { pointer: '/visitedAt', rule: 'visited-long-ago', value: wanted.visitedAt, remedy: `请填写实际督导时间;${lateDays} 天以前的督导不再补录 · Give the time of the visit; one of more than ${lateDays} days ago is not taken any more.` },
      ]);
    const [before] = await tx.query<{ id: string }>(
      `select id from inspection where establishment_id = $1 and visited_at = $2 and official_id = $3 and method = $4 and withdrawn_at is null`,
      [wanted.establishmentId, visitedAt, place.official_id, wanted.method],
    );
    if (before)
      throw new DomainError('already-submitted', `同一时间对 ${place.name} 的督导已提交,记录 ${before.id}。 · A visit to ${place.name} at this time was submitted before: ${before.id}.`, [
        { pointer: '/visitedAt', rule: 'already-submitted', value: wanted.visitedAt, remedy: '如为另一次督导,请填写其实际时间 · If it was another visit, give its own time.' },
      ]);
    const warning = await this.trained(tx, place, visitedAt);
    const checklist = await this.checklistFor(tx, place, wanted.checklist, wanted.checklistVersion);
    const items = new Map(checklist.body.items.map((item) => [item.code, item]));
    fits(wanted, items, `${checklist.code} v${checklist.version}`);
    const { body: frequency } = await policyOf(tx, VisitFrequency, place.division);
    const counts = frequency.tiers.some((one) => one.tier === place.tier && one.methodsThatCount.includes(wanted.method));
    const id = uuidv7();
    const period = periodOf(visitedAt);
    const obligationId = counts ? await this.obligations.settle(tx, wanted.establishmentId, period, id) : null;
    const findings = [];
    const actions = [];
    for (const [index, finding] of wanted.findings.entries()) {
      const action =
        finding.handling === 'deadline'
          ? await this.actions.prepare(tx, place.division, dateOf(visitedAt), finding.workingDays, index)
          : null;
      findings.push({ number: index + 1, key: items.get(finding.item)?.key ?? false, ...finding, correctiveActionId: action?.id ?? null });
      if (action) actions.push({ ...action, finding, key: items.get(finding.item)?.key ?? false });
    }
    const [kept] = await tx.query<object>(
      `insert into inspection (id, division, version, establishment_id, establishment, official_id, official_name, official_post, official_level,
         method, visited_at, position, checklist, checklist_version, results, findings, operator, obligation_id, counts, warning, submitted_by, submitted_at)
       values ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) returning ${inspectionView}`,
      [
        id, place.division, wanted.establishmentId,
        JSON.stringify({ name: place.name, kind: place.kind, tier: place.tier, address: place.address }),
        place.official_id, place.official_name, place.official_post, place.official_level, wanted.method, visitedAt,
        wanted.position ? JSON.stringify(wanted.position) : null, checklist.code, checklist.version,
        JSON.stringify(wanted.results), JSON.stringify(findings), JSON.stringify(wanted.operator), obligationId, counts, warning,
        tx.caller.id, tx.now,
      ],
    );
    for (const { finding, key, ...action } of actions)
      await this.actions.demand(tx, { ...action, division: place.division, inspectionId: id, establishmentId: wanted.establishmentId, establishmentName: place.name, officialId: place.official_id, finding, key });
    tx.publish(
      InspectionSubmitted,
      { id, division: place.division, version: 1 },
      {
        inspectionId: id, division: place.division, establishmentId: wanted.establishmentId, officialId: place.official_id,
        method: wanted.method, visitedAt: visitedAt.toISOString(), checklist: checklist.code, checklistVersion: checklist.version,
        failed: wanted.results.filter(({ result }) => result === 'fail').length, findings: wanted.findings.length, obligationId,
      },
    );
    if (!kept) throw new Error('The inspection is not there after it was written.');
    return kept;
  } // prettier-ignore

  /**
   * The record stays, and counts for nothing: what it settled is due again, what it demanded is closed.
   * @throws DomainError `not-found`, `wrong-state` (withdrawn before), `out-of-scope`
   */
  async withdraw(tx: Tx, id: string, reason: string): Promise<Inspection> {
    const { establishmentId, officialLevel } = await this.one(tx, id);
    if (tx.caller.role === 'office' && officialLevel !== 'village' && officialLevel !== 'township')
      throw new DomainError('not-allowed', '县级及以上包保干部的督导由县级撤回。 · The visit of an official of the county, or above it, is withdrawn by the county.');
    const [withdrawn] = await tx.query<Inspection>(
      `update inspection set withdrawn_at = $2, withdrawn_by = $3, withdrawal_reason = $4, obligation_id = null, version = version + 1
       where id = $1 and withdrawn_at is null returning ${inspectionView}`,
      [id, tx.now, tx.caller.id, reason],
    );
    if (!withdrawn) throw new DomainError('wrong-state', '该督导记录此前已撤回。 · This visit was withdrawn before.');
    await this.obligations.reopen(tx, establishmentId, id);
    await this.actions.withdraw(tx, id, reason);
    const { division, establishment, officialId, visitedAt } = withdrawn;
    tx.publish(InspectionWithdrawn, withdrawn, {
      inspectionId: id, division, establishmentId, establishmentName: establishment.name, officialId, visitedAt: visitedAt.toISOString(), reason,
    });
    return withdrawn;
  } // prettier-ignore

  /** @throws DomainError `not-found`, alike for what is absent and what is another's */
  async one(tx: Tx, id: string): Promise<Inspection> {
    return oneOf(await tx.query<Inspection>(`select ${inspectionView} from inspection where id = $1`, [id])); // prettier-ignore
  }

  /** The establishment, if the caller answers for it now; anything else is not there for him. */
  private async place(tx: Tx, establishmentId: string): Promise<Place> {
    const missing = new DomainError('not-found', '没有找到,或不是您包保的主体。 · Nothing is here, or you do not answer for it.');
    const [found] = await tx.query<{ division: string }>(`select division from premises where establishment_id = $1`, [establishmentId]);
    if (!found) throw missing;
    await taking(tx, found.division, establishmentId);
    const [place] = await tx.query<Place>(
      `select p.division, p.name, p.kind, p.tier, p.status, p.address, r.* from premises p cross join ${answersNow('p.establishment_id')} r
       where p.establishment_id = $1`,
      [establishmentId],
    );
    if (!place || place.official_id !== tx.caller.official) throw missing;
    if (place.status === 'closed')
      throw new DomainError('establishment-closed', `${place.name} 已关闭,无需督导。 · ${place.name} is closed: there is nothing to visit.`);
    return place;
  } // prettier-ignore

  /**
   * @returns the warning that the record of an official carries who was not trained by the day of the visit.
   * @throws where the county's policy refuses whoever has no certificate; one that came after the visit is one
   */
  private async trained(
    tx: Tx,
    place: Place,
    visitedAt: Date,
  ): Promise<'official-untrained' | null> {
    const [qualified] = await tx.query<{ heldAt: Date | null }>(`select held_at as "heldAt" from qualification where official_id = $1`, [place.official_id]); // prettier-ignore
    if (qualified && (qualified.heldAt === null || dateOf(qualified.heldAt) <= dateOf(visitedAt)))
      return null;
    const { body, version } = await policyOf(tx, Induction, place.division);
    if (!qualified && body.refuseAtSubmission)
      throw new DomainError(
        'official-untrained',
        `本县要求首次督导前完成${body.name.zh}(official-induction 第 ${version} 版)。 · The county asks for ${body.name.zh} · ${body.name.en} before the first visit (official-induction, version ${version}).`,
      );
    return body.warnAtAssignment ? 'official-untrained' : null;
  }

  private async checklistFor(tx: Tx, place: Place, code?: string, version?: number): Promise<Checklist> {
    const fitting = await tx.query<Checklist>(
      `select code, version, body from (
         select *, version = max(version) over (partition by division, code) as newest from checklist where starts_with($1, division)) c
       where body->'kinds' ? $2 order by length(division) desc, newest desc, version desc, code`,
      [place.division, place.kind],
    );
    const found = fitting.find((one) => (code === undefined || one.code === code) && (version === undefined || one.version === version));
    if (found) return found;
    if (fitting.length === 0)
      throw new DomainError('no-checklist', `尚未加载 ${place.kind} 的检查表,请由县级加载(部署步骤 load)。 · No checklist for ${place.kind} is loaded: the county loads one (deploy step \`load\`).`);
    const there = fitting.map((one) => `${one.code} v${one.version}`).join(', ');
    const [pointer, value] = code === undefined || fitting.some((one) => one.code === code) ? ['/checklistVersion', version] : ['/checklist', code];
    throw new DomainError('no-checklist', `${place.kind} 可用的检查表:${there}。 · For ${place.kind} there is ${there}.`, [
      { pointer, rule: 'no-checklist', value: value ?? null, remedy: `该主体可用:${there};不填则用最新的 · this establishment takes ${there}; left out, it is the newest` },
    ]);
  } // prettier-ignore
}

/** Each item of the checklist has one result; each failing item a finding, and no other. */
function fits({ results, findings }: SubmitInspection, items: ReadonlyMap<string, { key: boolean }>, checklist: string): void {
  const errors: FieldError[] = [];
  const wrong = (pointer: string, rule: string, value: unknown, remedy: Bilingual): void =>
    void errors.push({ pointer, rule, value, remedy });
  const result = new Map<string, string>();
  results.forEach(({ item, result: given }, index) => {
    if (!items.has(item)) wrong(`/results/${index}/item`, 'unknown-item', item, '可用 GET /checklists 查询检查项 · GET /checklists shows the items.');
    if (result.has(item)) wrong(`/results/${index}/item`, 'item-repeated', item, '每个检查项只填一个结果 · Give each item one result.');
    result.set(item, given);
  });
  for (const code of items.keys())
    if (!result.has(code)) wrong('/results', 'item-missing', code, '每个检查项都要填结果,不适用填 not-applicable · Give each item a result; `not-applicable` is one.');
  findings.forEach(({ item, handling, workingDays, demand }, index) => {
    for (const [field, value] of Object.entries({ workingDays, demand }))
      if (handling !== 'deadline' && value !== undefined)
        wrong(`/findings/${index}/${field}`, 'deadline-alone', value, '只用于限期整改:handling 填 deadline,或去掉此项 · It belongs to `deadline`: make that the handling, or take this out.');
    if (result.get(item) !== 'fail') wrong(`/findings/${index}/item`, 'item-not-failing', item, '问题只能对应结果为 fail 的检查项 · A finding belongs to an item that fails.');
  });
  for (const [item, given] of result)
    if (given === 'fail' && !findings.some((one) => one.item === item))
      wrong('/findings', 'finding-missing', item, '请写明每个不合格项发现的问题 · Say what was found on each failing item.');
  if (errors.length > 0) throw new DomainError('checklist-differs', `已按检查表 ${checklist} 核对(用另一张的,请填写 checklist):请改正 errors 中列出的检查结果和问题。 · Compared with checklist ${checklist} (where another was used, give \`checklist\`): mend the results and findings named in errors.`, errors);
} // prettier-ignore
