import { Database } from '#database';
import { type Job } from '#platform';
import { Injectable } from '@nestjs/common';
import { CorrectiveActionService } from './corrective-action.service.js';
import { ObligationService } from './obligation.service.js';

/** What the passing of days changes: visits and corrections fall overdue, and deadlines are counted once a calendar is there. */
@Injectable()
export class DeadlineSweep implements Job {
  readonly intervalMs = 2_000;

  constructor(
    private readonly database: Database,
    private readonly obligations: ObligationService,
    private readonly actions: CorrectiveActionService,
  ) {}

  run(): Promise<boolean> {
    return this.database.everywhere('marks what is past its day in every county', async (tx) => {
      const done = [
        await this.obligations.overdue(tx, 200),
        await this.actions.overdue(tx, 200),
        await this.actions.settleCalendars(tx, 200),
        await this.actions.tellMissing(tx),
      ];
      return done.some((count) => count > 0);
    });
  }
}
