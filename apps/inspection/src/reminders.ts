import { VisitsReminded } from '#contracts';
import { Database, type Tx } from '#database';
import { type Job, policyIfAny } from '#platform';
import { Injectable } from '@nestjs/common';
import { CorrectiveActionService } from './corrective-action.service.js';
import { ReminderDays, VisitFrequency } from './inspection.policies.js';
import { dateOf, daysOf } from './period.js';

const batch = 500;

/** Tells who has visits or answers still to give, before the last day and after it: once a day, each reminder once for ever. */
@Injectable()
export class Reminders implements Job {
  readonly intervalMs = 2_000;
  /** The day for which nothing is left to tell. */
  private told = '';

  constructor(
    private readonly database: Database,
    private readonly actions: CorrectiveActionService,
  ) {}

  async run(): Promise<boolean> {
    const begun = await this.database.everywhere('looks whether a day has begun', async (tx) => {
      const today = dateOf(tx.now);
      if (today === this.told) return undefined;
      // What is late is counted once all of it is marked.
      const [marking] = await tx.query(`select from obligation where state = 'open' and due_on < $1 limit 1`, [today]);
      if (marking) return undefined;
      return { today, counties: await tx.query<{ division: string }>(`select distinct division from policy where code = $1`, [VisitFrequency.code]) };
    });
    if (!begun) return false;
    const { today, counties } = begun;
    for (const { division } of counties) {
      const caller = { id: 'service:inspection', division, correlationId: `reminders-${today}` };
      let told = batch;
      while (told === batch) told = await this.database.within(caller, (tx) => this.remind(tx, division, today));
    }
    this.told = today;
    return false;
  } // prettier-ignore

  private async remind(tx: Tx, county: string, today: string): Promise<number> {
    const policy = await policyIfAny(tx, ReminderDays, county);
    const days = policy?.body.correctionDaysBefore ?? null;
    const near = days === null ? 0 : await this.actions.near(tx, today, days, batch);
    const visits = await this.visits(tx, today, policy?.body.visitsDaysBefore ?? []);
    return Math.max(near, visits);
  }

  /**
   * To each official, wherever his establishments lie together; to each office and the county, also what nobody answers for.
   * What was missed longer ago than a month is no news.
   */
  private async visits(tx: Tx, today: string, daysBefore: number[]): Promise<number> {
    const made = await tx.query<{ id: string; division: string; officialId: string | null; period: string; daysBefore: number; visits: number }>(
      `with due as (
         select official_id, division, period, case when state = 'overdue' then 0
             else (select min(days) from unnest($3::int[]) as days where days >= due_on - $1::date) end as days_before
         from obligation where state = 'open' and due_on >= $1 or state = 'overdue' and due_on >= $1::date - 31
       ), of_all as (
         select official_id, case when min(division) = max(division) then min(division)
             when left(min(division), 9) = left(max(division), 9) then left(min(division), 9) else left(min(division), 6) end as division,
           period, days_before, count(*)::int as visits
         from due where official_id is not null group by official_id, period, days_before
         union all select null, left(division, 9), period, days_before, count(*)::int from due group by 2, 3, 4
         union all select null, left(division, 6), period, days_before, count(*)::int from due group by 2, 3, 4
       ), made as (
         insert into reminder (id, division, official_id, period, days_before, visits, told_at)
         select uuidv7(), division, official_id, period, days_before, visits, $2 from of_all o
         where days_before is not null and not exists (
           select from reminder r where r.period = o.period and r.days_before = o.days_before
             and case when o.official_id is null then r.official_id is null and r.division = o.division else r.official_id = o.official_id end)
         limit $4 on conflict do nothing returning id, division, official_id, period, days_before, visits)
       select id, division, official_id as "officialId", period, days_before as "daysBefore", visits from made`,
      [today, tx.now, daysBefore, batch],
    );
    for (const { id, ...reminder } of made)
      tx.publish(VisitsReminded, { id, division: reminder.division, version: 1 }, { reminderId: id, dueOn: daysOf(reminder.period).to, ...reminder });
    return made.length;
  } // prettier-ignore
}
