import {
  type ObligationState, ObligationOpened, ObligationOverdue, ObligationReassigned, ObligationSettled, ObligationWithdrawn,
} from '#contracts'; // prettier-ignore
import { type Caller, Database, type Tx } from '#database';
import { boundsOf, DomainError, type Job, policyOf } from '#platform';
import { Injectable } from '@nestjs/common';
import { type Static } from '@sinclair/typebox';
import { v7 as uuidv7 } from 'uuid';
import { VisitFrequency } from './inspection.policies.js';
import { dateOf, daysOf, nextPeriod, periodOf } from './period.js';

export interface ObligationRow {
  id: string;
  division: string;
  version: number;
  establishment_id: string;
  establishment_name: string;
  tier: string;
  period: string;
  /** `YYYY-MM-DD` */
  due_on: string;
  state: 'open' | 'overdue' | 'settled' | 'withdrawn';
  official_id: string | null;
  official_name: string | null;
  inspection_id: string | null;
}

/** Every column as a fact needs it; dates as text, so that no time zone enters. */
const columns = `id, division, version, establishment_id, establishment_name, tier, period, due_on::text as due_on, state,
  official_id, official_name, inspection_id`;

export interface ObligationRunView {
  id: string;
  division: string;
  version: number;
  period: string;
  state: 'queued' | 'running' | 'done';
  progress: number;
  opened: number;
  requestedBy: string;
  createdAt: Date;
  finishedAt: Date | null;
}

/** Its progress: of the county's open establishments, those that it has come past. */
export const runView = `id, division, version, period, state, opened, requested_by as "requestedBy", created_at as "createdAt",
  finished_at as "finishedAt", case when state = 'done' then 1.0 else (
    select coalesce(avg(((p.division, p.establishment_id) <= (reached_division, reached_establishment))::int), 0)::float8
    from premises p where p.status = 'open' and p.division < obligation_run.division || ':' and p.division > obligation_run.division) end as progress`;

/** Who answers for an establishment now: the newest assignment that has not ended. */
export const answersNow = (establishment: string): string => `lateral (
  select official_id, official_name, official_post, official_level from responsibility
  where establishment_id = ${establishment} and ended_at is null order by made_at desc, assignment_id desc limit 1)`;

/** What obligations need of an establishment. */
interface Premises {
  establishmentId: string;
  division: string;
  name: string;
  tier: string;
  status: string;
}

/** Where an establishment lies, in the order in which a run goes through them. */
interface Place {
  division: string;
  establishmentId: string;
}

/** Visits due: opened for a whole period by a run, kept in step with establishments and assignments. */
@Injectable()
export class ObligationService {
  /** The run of a period; asking again gives the one that is there. */
  async run(tx: Tx, period: string): Promise<ObligationRunView> {
    const county = tx.caller.division;
    await policyOf(tx, VisitFrequency, county);
    const now = periodOf(tx.now);
    const open = [now, nextPeriod(now)];
    if (!open.includes(period))
      throw new DomainError('period-unknown', `${period} 不是本季度或下一季度。 · ${period} is neither this quarter nor the next.`, [
        { pointer: '/period', rule: 'period-unknown', value: period, remedy: `可填 ${open.join('、')} · Give ${open.join(' or ')}.` },
      ]);
    await keepOut(tx, county);
    await tx.query(
      `insert into obligation_run (id, division, version, period, state, requested_by, created_at) values ($1, $2, 1, $3, 'queued', $4, $5)
       on conflict (division, period) do nothing`,
      [uuidv7(), county, period, tx.caller.id, tx.now],
    );
    const [run] = await tx.query<ObligationRunView>(`select ${runView} from obligation_run where division = $1 and period = $2`, [county, period]);
    if (!run) throw new Error('The run is not there after it was written.');
    return run;
  } // prettier-ignore

  /**
   * Opens what a run lacks in the next `limit` establishments, and ends it after the last of them. It goes on from where it
   * was: to look each time for what is not opened yet takes the square of the establishments. What comes or moves meanwhile
   * is opened by `follow`.
   */
  async openNext(tx: Tx, { id, division: county, period }: { id: string; division: string; period: string }, limit: number): Promise<void> {
    await keepOut(tx, county);
    const [from] = await tx.query<Place>(
      `select coalesce(reached_division, division) as division, coalesce(reached_establishment, '00000000-0000-0000-0000-000000000000') as "establishmentId"
       from obligation_run where id = $1 and state = 'running'`,
      [id],
    );
    if (!from) return; // another replica has ended it
    const places = await tx.query<Place>(
      `select division, establishment_id as "establishmentId" from premises
       where status = 'open' and division < $1 || ':' and (division, establishment_id) > ($2, $3) order by division, establishment_id limit $4`,
      [county, from.division, from.establishmentId, limit],
    );
    const to = places.at(-1) ?? from;
    const opened = await tx.query<ObligationRow>(
      `insert into obligation (id, division, version, establishment_id, establishment_name, tier, period, due_on, state, official_id, official_name, opened_at)
       select uuidv7(), p.division, 1, p.establishment_id, p.name, p.tier, $1, $2, 'open', r.official_id, r.official_name, $3
       from premises p left join ${answersNow('p.establishment_id')} r on true
       where p.status = 'open' and (p.division, p.establishment_id) > ($4, $5) and (p.division, p.establishment_id) <= ($6, $7)
       order by p.division, p.establishment_id
       on conflict do nothing returning ${columns}`,
      [period, daysOf(period).to, tx.now, from.division, from.establishmentId, to.division, to.establishmentId],
    );
    for (const one of opened) tx.publish(ObligationOpened, one, stateOf(one));
    await this.settleVisited(tx, opened);
    await tx.query(
      `update obligation_run set opened = opened + $2, version = version + 1, reached_division = $3, reached_establishment = $4,
         state = case when $5 then 'done' else state end, finished_at = case when $5 then $6::timestamptz end where id = $1`,
      [id, opened.length, to.division, to.establishmentId, places.length < limit, tx.now],
    );
  } // prettier-ignore

  /** An establishment changed: what is due there follows, also to another place, for every run whose period is not over. */
  async follow(tx: Tx, { establishmentId, division, name, tier, status }: Premises): Promise<void> {
    if (status !== 'open') {
      // What was missed while it was open stays missed: a closure that is told late must not differ from one in time.
      const withdrawn = await tx.query<ObligationRow>(
        `update obligation set state = 'withdrawn', version = version + 1
         where establishment_id = $1 and state = 'open' and period >= $2 returning ${columns}`,
        [establishmentId, periodOf(tx.now)],
      );
      for (const one of withdrawn) tx.publish(ObligationWithdrawn, one, stateOf(one));
      return;
    }
    const told = tx.ask<ObligationRow & { before: string }>(
      'obligations follow',
      `update obligation set establishment_name = $2, tier = $3, division = $4, version = version + (division <> $4)::int
       where establishment_id = $1 and state in ('open', 'overdue') and (establishment_name, tier, division) is distinct from ($2, $3, $4)
       returning ${columns}, old.division as before`,
      [establishmentId, name, tier, division],
    );
    const opening = tx.ask<ObligationRow>(
      'obligations open',
      `insert into obligation as o (id, division, version, establishment_id, establishment_name, tier, period, due_on, state, official_id, official_name, opened_at)
       select uuidv7(), $2, 1, $1, $3, $4, run.period, (left(run.period, 4) || '-01-01')::date + (right(run.period, 1)::int * interval '3 months') - interval '1 day',
              'open', r.official_id, r.official_name, $5
       from obligation_run run left join ${answersNow('$1')} r on true
       where run.division = left($2, 6) and run.period >= $6
       on conflict (establishment_id, period) do update
         set state = 'open', version = o.version + 1, division = excluded.division, establishment_name = excluded.establishment_name, tier = excluded.tier,
             official_id = excluded.official_id, official_name = excluded.official_name
         where o.state = 'withdrawn'
       returning ${columns}`,
      [establishmentId, division, name, tier, tx.now, periodOf(tx.now)],
    );
    const [followed, opened] = await Promise.all([told, opening]);
    for (const one of followed)
      if (one.division !== one.before) tx.publish(ObligationReassigned, one, stateOf(one));
    for (const one of opened) tx.publish(ObligationOpened, one, stateOf(one));
    await this.settleVisited(tx, opened);
  } // prettier-ignore

  /** What is opened where a visit of its period was made already (a county begins in the middle of a quarter) is settled by it. */
  private async settleVisited(tx: Tx, opened: ObligationRow[]): Promise<void> {
    for (const period of new Set(opened.map((one) => one.period))) {
      const visits = await tx.query<{ id: string; establishment_id: string }>(
        `select distinct on (establishment_id) establishment_id, id from inspection
         where establishment_id = any($1) and counts and withdrawn_at is null
           and visited_at >= $2 and visited_at < $3
         order by establishment_id, visited_at, id`,
        [opened.filter((one) => one.period === period).map((one) => one.establishment_id), ...boundsOf(daysOf(period))],
      );
      for (const visit of visits) {
        const settled = await this.settle(tx, visit.establishment_id, period, visit.id);
        if (settled) await tx.query(`update inspection set obligation_id = $2 where id = $1`, [visit.id, settled]);
      }
    }
  } // prettier-ignore

  /** Another official answers, or nobody does: what is still due goes to him. */
  async reassign(tx: Tx, establishmentId: string): Promise<void> {
    const changed = await tx.ask<ObligationRow>(
      'obligations reassign',
      `update obligation o set official_id = now.official_id, official_name = now.official_name, version = version + 1
       from (select r.official_id, r.official_name from (values (1)) as one left join ${answersNow('$1')} r on true) now
       where o.establishment_id = $1 and o.state in ('open', 'overdue') and o.official_id is distinct from now.official_id
       returning ${columns.replace(/official_id, official_name/, 'o.official_id, o.official_name')}`,
      [establishmentId],
    );
    for (const one of changed) tx.publish(ObligationReassigned, one, stateOf(one));
  }

  /** The visit of the period is done. @returns the obligation it settled, if one was due */
  async settle(tx: Tx, establishmentId: string, period: string, inspectionId: string): Promise<string | null> {
    const [settled] = await tx.query<ObligationRow>(
      `update obligation set state = 'settled', inspection_id = $3, settled_at = $4, version = version + 1
       where establishment_id = $1 and period = $2 and state in ('open', 'overdue') returning ${columns}`,
      [establishmentId, period, inspectionId, tx.now],
    );
    if (!settled) return null;
    tx.publish(ObligationSettled, settled, stateOf(settled));
    return settled.id;
  } // prettier-ignore

  /**
   * The visit that settled it was withdrawn: it is due again, where and to whom it is now, or settled by another visit of
   * the period. @throws DomainError `out-of-scope` where the establishment is not on the caller's ground any more
   */
  async reopen(tx: Tx, establishmentId: string, inspectionId: string): Promise<void> {
    const [there] = await tx.query<{ division: string }>(`select division from premises where establishment_id = $1`, [establishmentId]);
    if (there) await taking(tx, there.division, establishmentId);
    const [place] = await tx.query<{ division: string; name: string; tier: string; status: string; official_id: string | null; official_name: string | null }>(
      `select p.division, p.name, p.tier, p.status, r.official_id, r.official_name
       from premises p left join ${answersNow('p.establishment_id')} r on true where p.establishment_id = $1`,
      [establishmentId],
    );
    if (!place)
      throw new DomainError('out-of-scope', '该主体已迁出本辖区,请由县级撤回。 · The establishment has moved to another township: the county withdraws the visit.');
    const [open] = await tx.query<ObligationRow>(
      `update obligation set inspection_id = null, settled_at = null, version = version + 1, division = $2, establishment_name = $3, tier = $4,
         official_id = $5, official_name = $6,
         state = case when $7 <> 'open' and period >= $8 then 'withdrawn' when due_on < $9 then 'overdue' else 'open' end
       where inspection_id = $1 returning ${columns}`,
      [
        inspectionId, place.division, place.name, place.tier, place.official_id, place.official_name, place.status, periodOf(tx.now), dateOf(tx.now),
      ],
    );
    if (!open) return;
    tx.publish(open.state === 'open' ? ObligationOpened : open.state === 'overdue' ? ObligationOverdue : ObligationWithdrawn, open, stateOf(open));
    await this.settleVisited(tx, [open]);
  } // prettier-ignore

  /** What is past its day. @returns how many */
  async overdue(tx: Tx, limit: number): Promise<number> {
    const late = await tx.query<ObligationRow>(
      `update obligation set state = 'overdue', version = version + 1 where id in (
         select id from obligation where state = 'open' and due_on < $1 order by due_on limit $2 for update skip locked)
       returning ${columns}`,
      [dateOf(tx.now), limit],
    );
    for (const one of late) tx.publish(ObligationOverdue, one, stateOf(one));
    return late.length;
  }
}

/** Alone in a county: no establishment or assignment arrives while a batch is opened, so none is missed. */
async function keepOut(tx: Tx, county: string): Promise<void> {
  await tx.query('select pg_advisory_xact_lock(7032, $1::int)', [Number(county)]);
}

/** One establishment's state is changed by one transaction at a time, and not while its county is being opened. */
export async function taking(tx: Tx, division: string, establishmentId: string): Promise<void> {
  await tx.ask(
    'taking',
    `select pg_advisory_xact_lock_shared(7032, $1::int), pg_advisory_xact_lock(hashtextextended($2, 7033))`,
    [Number(division.slice(0, 6)), establishmentId],
  );
}

function stateOf(one: ObligationRow): Static<typeof ObligationState> {
  return {
    obligationId: one.id, division: one.division, establishmentId: one.establishment_id, establishmentName: one.establishment_name,
    period: one.period, dueOn: one.due_on, state: one.state, officialId: one.official_id, inspectionId: one.inspection_id,
  }; // prettier-ignore
}

/** Lands queued runs, and queues the run of a quarter by itself once it has begun. */
@Injectable()
export class ObligationRuns implements Job {
  readonly intervalMs = 500;
  readonly queue = 'obligation_run';

  constructor(
    private readonly database: Database,
    private readonly obligations: ObligationService,
  ) {}

  async depth(): Promise<number> {
    const [row] = await this.database.everywhere('counts queued runs of all counties', (tx) =>
      tx.query<{ n: number }>(`select count(*)::int as n from obligation_run where state <> 'done'`),
    );
    return row?.n ?? 0;
  } // prettier-ignore

  async run(): Promise<boolean> {
    const [work] = await this.database.everywhere('looks for runs of any county', (tx) =>
      tx.query<{ id: string; division: string; period: string; state: string; requested_by: string }>(
        `select id, division, period, state, requested_by from obligation_run where state <> 'done' order by id limit 1`,
      ),
    );
    if (!work) return this.begin();
    const caller: Caller = { id: work.requested_by, division: work.division, correlationId: work.id };
    if (work.state === 'queued')
      await this.database.within(caller, (tx) =>
        tx.query(`update obligation_run set state = 'running', version = version + 1 where id = $1 and state = 'queued'`, [work.id]),
      );
    await this.database.within(caller, (tx) => this.obligations.openNext(tx, work, 500));
    return true;
  } // prettier-ignore

  /** A county that was here before the quarter began gets its run without being asked. */
  private async begin(): Promise<boolean> {
    const [due] = await this.database.everywhere('looks for a quarter that has begun', (tx) =>
      tx.query<{ division: string; period: string }>(
        `select p.division, $1 as period from (select distinct division from policy where code = $2) p
         where exists (select from premises where division >= p.division and division < p.division || ':' and known_since < ($3::date - interval '8 hours') at time zone 'UTC')
           and not exists (select from obligation_run where division = p.division and period = $1) limit 1`,
        [periodOf(tx.now), VisitFrequency.code, daysOf(periodOf(tx.now)).from],
      ),
    );
    if (!due) return false;
    await this.database.within(
      { id: 'service:inspection', division: due.division, correlationId: `quarter-${due.period}` },
      (tx) => this.obligations.run(tx, due.period),
    );
    return true;
  } // prettier-ignore
}
