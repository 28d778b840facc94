import { type Level, OfficialChanged } from '#contracts';
import { type Tx } from '#database';
import { logChanges, oneOf } from '#platform';
import { Injectable } from '@nestjs/common';
import { AssignmentService } from './assignment.service.js';
import { UndertakingService } from './undertaking.service.js';

interface OfficialRow {
  id: string;
  division: string;
  version: number;
  level: Level;
  name: string;
  post: string;
  active: boolean;
}

/** Officials leave by name; they come, and come back, by a roster. */
@Injectable()
export class OfficialService {
  constructor(
    private readonly assignments: AssignmentService,
    private readonly undertakings: UndertakingService,
  ) {}

  /**
   * 离任: he answers for nothing any more, and what he answered for is a gap until somebody else does. What he did stays.
   * An official is of one county for ever: who moves to another leaves here, and comes there by its roster, as another.
   */
  async depart(tx: Tx, id: string, reason: string): Promise<void> {
    // An approval that gives him something either came before, or finds him gone.
    await tx.query(`select pg_advisory_xact_lock(7031, $1::int)`, [Number(tx.caller.division.slice(0, 6))]); // prettier-ignore
    const before = oneOf(
      await tx.query<OfficialRow>(
        `select id, division, version, level, name, post, active from official
         where id = $1 and division >= app_lo() and division < app_hi() for update`,
        [id],
      ),
    );
    if (!before.active) return; // a repeat is not an error
    const after = { ...before, active: false, version: before.version + 1 };
    await tx.query(
      `update official set active = false, version = $2, changed_at = $3 where id = $1`,
      [id, after.version, tx.now],
    );
    const { division, level, name, post } = after;
    tx.publish(OfficialChanged, after, { officialId: id, division, level, name, post, active: false }); // prettier-ignore
    await logChanges(tx, 'official', [{ subject: after, before, after }], reason);
    await this.assignments.release(tx, id);
    await this.undertakings.void(tx, id);
  }
}
