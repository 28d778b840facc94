import {
  CalendarMissing, CorrectiveActionChanged, CorrectiveActionClosed, CorrectiveActionDue, CorrectiveActionNear, CorrectiveActionOverdue,
  type CorrectiveActionState, CorrectiveActionVerified, type DataOf,
} from '#contracts'; // prettier-ignore
import { type Tx } from '#database';
import { afterOf, DomainError, oneOf, type Page, pageOf, policyOf } from '#platform';
import { Injectable } from '@nestjs/common';
import { type Static } from '@sinclair/typebox';
import { v7 as uuidv7 } from 'uuid';
import { type ActionQuery } from './corrective-action.controller.js';
import { CorrectionDeadline } from './inspection.policies.js';
import { type Finding } from './inspection.controller.js';
import { answersNow } from './obligation.service.js';
import { dateOf } from './period.js';
import { type CalendarYear, deadlineOf } from './working-days.js';

export type State = 'open' | 'responded' | 'verified' | 'closed';

/** One act on a correction: who, when, what was said. They are kept in order, and never changed. */
export interface Step {
  act: 'response' | 'verification' | 'closure' | 'withdrawal';
  by: string;
  role: string;
  at: string;
  text: string | null;
  outcome: 'corrected' | 'not-corrected' | null;
}

interface Due {
  id: string;
  startOn: string;
  workingDays: number;
  dueOn: string | null;
  dueState: 'set' | 'calendar-missing';
  deadline: object;
}

export interface CorrectiveAction {
  id: string;
  division: string;
  version: number;
  number: string;
  inspectionId: string;
  establishmentId: string;
  establishmentName: string;
  officialId: string | null;
  item: string;
  keyItem: boolean;
  finding: string;
  demand: string;
  state: State;
  startOn: string;
  workingDays: number;
  dueOn: string | null;
  dueState: 'set' | 'calendar-missing';
  deadline: { missingYear: number | null };
  overdue: boolean;
  steps: Step[];
  createdAt: Date;
  changedAt: Date;
}

const actionView = `id, division, version, number, inspection_id as "inspectionId", establishment_id as "establishmentId",
  establishment_name as "establishmentName", official_id as "officialId", item, key_item as "keyItem", finding, demand, state,
  start_on::text as "startOn", working_days as "workingDays", due_on::text as "dueOn", due_state as "dueState", deadline, overdue, steps,
  created_at as "createdAt", changed_at as "changedAt"`;

/** Findings to be mended by a day 整改: demanded, answered, verified, closed. Who mends does not verify. */
@Injectable()
export class CorrectiveActionService {
  /** The deadline of a new correction, with its arithmetic. @param finding its place among those of the visit @throws DomainError `deadline-beyond-cap` */
  async prepare(tx: Tx, division: string, startOn: string, wanted: number | undefined, finding: number): Promise<Due> {
    const policy = await policyOf(tx, CorrectionDeadline, division);
    const workingDays = wanted ?? policy.body.defaultWorkingDays;
    if (workingDays > policy.body.maxWorkingDays)
      throw new DomainError('deadline-beyond-cap', `最多 ${policy.body.maxWorkingDays} 个工作日(correction-deadline 第 ${policy.version} 版)。 · At most ${policy.body.maxWorkingDays} working days (correction-deadline, version ${policy.version}).`, [
        { pointer: `/findings/${finding}/workingDays`, rule: 'deadline-beyond-cap', value: wanted, remedy: `请填写 1 至 ${policy.body.maxWorkingDays} · give 1 to ${policy.body.maxWorkingDays}` },
      ]);
    const rule = `${policy.code} 第 ${policy.version} 版:${startOn} 之后 ${workingDays} 个工作日 · ${policy.code} version ${policy.version}: ${workingDays} working days after ${startOn}`;
    return { id: uuidv7(), ...(await this.count(tx, division, startOn, workingDays, rule)) };
  } // prettier-ignore

  private async count(tx: Tx, division: string, startOn: string, workingDays: number, rule: string): Promise<Omit<Due, 'id'>> {
    const years = await tx.query<CalendarYear>(
      `select year, holidays, workdays from calendar_year where starts_with($1, division)`,
      [division],
    );
    const { dueOn, ...arithmetic } = deadlineOf(startOn, workingDays, years);
    return { startOn, workingDays, dueOn, dueState: dueOn ? 'set' : 'calendar-missing', deadline: { rule, startOn, workingDays, ...arithmetic } };
  } // prettier-ignore

  /** Writes the demand. */
  async demand(
    tx: Tx,
    wanted: Due & {
      division: string; inspectionId: string; establishmentId: string; establishmentName: string; officialId: string;
      finding: Finding; key: boolean;
    },
  ): Promise<void> {
    const { id, division, finding } = wanted;
    // The township and day, and what makes it unique: a number that can be written on paper before any server is asked.
    const number = `ZG-${division.slice(0, 9)}-${wanted.startOn.replaceAll('-', '')}-${id.slice(-8).toUpperCase()}`;
    const [made] = await tx.query<CorrectiveAction>(
      `insert into corrective_action (id, division, version, number, inspection_id, establishment_id, establishment_name, official_id, item, key_item,
         finding, demand, state, start_on, working_days, due_on, due_state, deadline, steps, created_at, changed_at)
       values ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'open', $12, $13, $14, $15, $16, '[]', $17, $17) returning ${actionView}`,
      [
        id, division, number, wanted.inspectionId, wanted.establishmentId, wanted.establishmentName, wanted.officialId, finding.item, wanted.key,
        finding.text, finding.demand ?? finding.text, wanted.startOn, wanted.workingDays, wanted.dueOn, wanted.dueState,
        JSON.stringify(wanted.deadline), tx.now,
      ],
    );
    if (!made) throw new Error('The correction is not there after it was written.');
    tx.publish(CorrectiveActionDue, made, stateOf(made));
  } // prettier-ignore

  /** Tells a county once of each year whose calendar its deadlines lack. A township may not write for its county: the sweep does. */
  async tellMissing(tx: Tx): Promise<number> {
    const gaps = await tx.query<{ id: string; division: string; year: number }>(
      `insert into calendar_gap (id, division, year, told_at)
       select uuidv7(), county, year, $1 from (
         select distinct left(division, 6) as county, (deadline->>'missingYear')::int as year from corrective_action where due_state = 'calendar-missing') m
       where not exists (select from calendar_gap g where g.division = m.county and g.year = m.year)
       on conflict do nothing returning id, division, year`,
      [tx.now],
    );
    for (const { id, division, year } of gaps)
      tx.publish(CalendarMissing, { id, division, version: 1 }, { division, year });
    return gaps.length;
  }

  /** A keyset page in `(division, id)` order. */
  async page(tx: Tx, query: ActionQuery): Promise<Page<CorrectiveAction>> {
    const found = await tx.query<CorrectiveAction>(
      `select ${actionView} from corrective_action
       where (division, id) > ($1, $2::uuid) and ($3::text is null or state = $3) and ($4::boolean is null or overdue = $4)
         and ($5::uuid is null or establishment_id = $5) and ($6::text is null or starts_with(division, $6))
       order by division, id limit $7`,
      [
        ...afterOf(query), query.state ?? null, query.overdue === undefined ? null : query.overdue === 'true',
        query.establishment ?? null, query.division ?? null, query.limit + 1,
      ],
    );
    return pageOf(found, query, ({ id }) => id);
  } // prettier-ignore

  /** @throws DomainError `not-found`, alike for what is absent and what is another's. */
  async one(tx: Tx, id: string, lock = false): Promise<CorrectiveAction> {
    return oneOf(
      await tx.query<CorrectiveAction>(
        `select ${actionView} from corrective_action where id = $1 ${lock ? 'for update' : ''}`,
        [id],
      ),
    );
  }

  /** The official or the office writes down what the operator did. */
  async respond(tx: Tx, id: string, text: string): Promise<CorrectiveAction> {
    const action = await this.one(tx, id, true);
    if (action.state !== 'open') throw wrongState(action, 'a response', 'open');
    return this.act(tx, action, 'responded', { act: 'response', text, outcome: null });
  }

  /** The office looks again. Nobody verifies what he answered for himself; what is not mended stays open with its day. */
  async verify(tx: Tx, id: string, outcome: 'corrected' | 'not-corrected', text: string | null): Promise<CorrectiveAction> {
    const action = await this.one(tx, id, true);
    if (action.state !== 'responded') throw wrongState(action, 'a verification', 'responded');
    if (action.steps.findLast(({ act }) => act === 'response')?.by === tx.caller.id)
      throw new DomainError('own-act', '您提交的整改须由他人复查:请用本乡镇食安办的另一账号,没有则请县级管理员开设(identity,POST /accounts)。 · Somebody else verifies what you responded: another account of the township’s office, which a county admin opens if there is none (identity, POST /accounts).');
    return this.act(tx, action, outcome === 'corrected' ? 'verified' : 'open', { act: 'verification', text, outcome });
  } // prettier-ignore

  /** Struck off the list 销号. */
  async close(tx: Tx, id: string, text: string | null): Promise<CorrectiveAction> {
    const action = await this.one(tx, id, true);
    if (action.state === 'closed') return action; // a repeat is not an error
    if (action.state !== 'verified') throw wrongState(action, 'a closure', 'verified');
    return this.act(tx, action, 'closed', { act: 'closure', text, outcome: null });
  }

  /** The visit was withdrawn: what it demanded is closed with its reason, and what was closed before says so. */
  async withdraw(tx: Tx, inspectionId: string, reason: string): Promise<void> {
    const demanded = await tx.query<CorrectiveAction>(
      `select ${actionView} from corrective_action where inspection_id = $1 order by id for update`,
      [inspectionId],
    );
    for (const action of demanded) await this.act(tx, action, 'closed', { act: 'withdrawal', text: reason, outcome: null });
  } // prettier-ignore

  private async act(tx: Tx, { id }: CorrectiveAction, state: State, step: Pick<Step, 'act' | 'text' | 'outcome'>): Promise<CorrectiveAction> {
    const whole: Step = { ...step, by: tx.caller.id, role: tx.caller.role ?? 'service', at: tx.now.toISOString() };
    const changed = oneOf(await tx.query<CorrectiveAction>(
      `update corrective_action set state = $2, steps = steps || $3::jsonb, version = version + 1, changed_at = $4 where id = $1 returning ${actionView}`,
      [id, state, JSON.stringify([whole]), tx.now],
    ));
    const fact = state === 'verified' ? CorrectiveActionVerified : state === 'closed' ? CorrectiveActionClosed : CorrectiveActionChanged;
    tx.publish(fact, changed, { ...changeOf(changed), ...(step.outcome === 'not-corrected' && { rejectedAt: whole.at }) });
    return changed;
  } // prettier-ignore

  /** The establishment has moved: the office of the place verifies what is not closed yet. */
  async move(tx: Tx, establishmentId: string, division: string): Promise<void> {
    const moved = await tx.ask<CorrectiveAction>(
      'corrections move',
      `update corrective_action set division = $2, version = version + 1, changed_at = $3
       where establishment_id = $1 and state <> 'closed' and division <> $2 returning ${actionView}`,
      [establishmentId, division, tx.now],
    );
    for (const one of moved) tx.publish(CorrectiveActionChanged, one, changeOf(one));
    await this.takeEvidence(tx, moved);
  }

  /** Another official answers for the establishment, or nobody does: what is not closed goes with it. */
  async reassign(tx: Tx, establishmentId: string): Promise<void> {
    const changed = await tx.ask<CorrectiveAction>(
      'corrections reassign',
      `update corrective_action set official_id = now.official, version = version + 1, changed_at = $2
       from (select r.official_id as official from (values (1)) as one left join ${answersNow('$1')} r on true) now
       where establishment_id = $1 and state <> 'closed' and official_id is distinct from now.official returning ${actionView}`,
      [establishmentId, tx.now],
    );
    for (const one of changed) tx.publish(CorrectiveActionChanged, one, changeOf(one));
    await this.takeEvidence(tx, changed);
  }

  /** What shows that it was mended is seen by whom the correction is seen by. */
  private async takeEvidence(tx: Tx, actions: CorrectiveAction[]): Promise<void> {
    if (actions.length === 0) return;
    await tx.query(
      `update evidence e set division = a.division, official_id = a.official_id from corrective_action a
       where a.id = e.corrective_action_id and a.id = any($1)`,
      [actions.map(({ id }) => id)],
    );
  }

  /** Reminds of what is not answered and has at most `days` left; not of what was demanded within them. @returns how many */
  async near(tx: Tx, today: string, days: number, limit: number): Promise<number> {
    const near = await tx.query<CorrectiveAction>(
      `update corrective_action set reminded_at = $3, version = version + 1, changed_at = $3 where id in (
         select id from corrective_action where state = 'open' and not overdue and reminded_at is null and due_on between $1 and $1::date + $2::int
           and (created_at at time zone 'Asia/Shanghai')::date < due_on - $2::int order by due_on limit $4 for update skip locked)
       returning ${actionView}`,
      [today, days, tx.now, limit],
    );
    for (const one of near) tx.publish(CorrectiveActionNear, one, stateOf(one));
    return near.length;
  } // prettier-ignore

  /** Marks what is past its day. @returns how many */
  async overdue(tx: Tx, limit: number): Promise<number> {
    const late = await tx.query<CorrectiveAction>(
      `update corrective_action set overdue = true, version = version + 1, changed_at = $3 where id in (
         select id from corrective_action where state in ('open', 'responded') and not overdue and due_on < $1 order by due_on limit $2 for update skip locked)
       returning ${actionView}`,
      [dateOf(tx.now), limit, tx.now],
    );
    for (const one of late) tx.publish(CorrectiveActionOverdue, one, stateOf(one));
    return late.length;
  }

  /** Counts anew what waited for a calendar that is here now. @returns how many got their day */
  async settleCalendars(tx: Tx, limit: number): Promise<number> {
    const waiting = await tx.query<CorrectiveAction & { deadline: { rule: string } }>(
      `select ${actionView} from corrective_action a where due_state = 'calendar-missing'
         and exists (select from calendar_year c where starts_with(a.division, c.division) and c.year = (a.deadline->>'missingYear')::int)
       order by id limit $1 for update skip locked`,
      [limit],
    );
    for (const action of waiting) {
      const due = await this.count(tx, action.division, action.startOn, action.workingDays, action.deadline.rule);
      const [changed] = await tx.query<CorrectiveAction>(
        `update corrective_action set due_on = $2, due_state = $3, deadline = $4, version = version + 1, changed_at = $5 where id = $1 returning ${actionView}`,
        [action.id, due.dueOn, due.dueState, JSON.stringify(due.deadline), tx.now],
      );
      if (changed) tx.publish(CorrectiveActionChanged, changed, changeOf(changed));
    }
    return waiting.length;
  } // prettier-ignore
}

function wrongState({ state, number }: CorrectiveAction, act: string, needs: State): DomainError {
  return new DomainError(
    'wrong-state',
    `${number} 当前状态为 ${state},此操作要求状态为 ${needs}。 · ${number} is ${state}: ${act} needs it ${needs}.`,
  );
}

function changeOf(one: CorrectiveAction): DataOf<typeof CorrectiveActionChanged> {
  const answered = one.steps.findLast(({ act }) => act === 'response');
  return {
    ...stateOf(one),
    ...(one.state === 'responded' && answered && { answeredAt: answered.at }),
  };
}

function stateOf(one: CorrectiveAction): Static<typeof CorrectiveActionState> {
  const { id: correctiveActionId, division, number, inspectionId, establishmentId, establishmentName, officialId, finding, state, dueOn, dueState, overdue } = one;
  return { correctiveActionId, division, number, inspectionId, establishmentId, establishmentName, officialId, finding, state, dueOn, dueState, overdue };
} // prettier-ignore
