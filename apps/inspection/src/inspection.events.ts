import {
  AssignmentEnded, AssignmentMade, CalendarAnnounced, CertificateIssued, type DataOf, DivisionsListed, type Envelope,
  EstablishmentChanged, EstablishmentRegistered,
} from '#contracts'; // prettier-ignore
import { type Tx } from '#database';
import { OnEvent } from '#messaging';
import { keepDivisions } from '#platform';
import { Injectable } from '@nestjs/common';
import { CorrectiveActionService } from './corrective-action.service.js';
import { ObligationService, taking } from './obligation.service.js';

/** Every fact that inspection listens to. A late or repeated fact meets a sequence that is not smaller, and changes nothing. */
@Injectable()
export class InspectionEvents {
  constructor(
    private readonly obligations: ObligationService,
    private readonly actions: CorrectiveActionService,
  ) {}

  @OnEvent(EstablishmentRegistered, EstablishmentChanged)
  async copy(event: Envelope<DataOf<typeof EstablishmentRegistered>>, tx: Tx): Promise<void> {
    const { establishmentId, division, name, kind, tier, status, address } = event.data;
    const taken = taking(tx, division, establishmentId);
    const kept = tx.ask(
      'keep premises',
      `insert into premises (establishment_id, division, sequence, name, kind, tier, status, address, known_since)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       on conflict (establishment_id) do update
         set division = excluded.division, sequence = excluded.sequence, name = excluded.name, kind = excluded.kind,
             tier = excluded.tier, status = excluded.status, address = excluded.address
         where premises.sequence < excluded.sequence
       returning 1 as one`,
      [establishmentId, division, event.sequence, name, kind, tier, status, address ?? null, tx.now],
    );
    const [, newer] = await Promise.all([taken, kept]);
    if (newer.length === 0) return;
    await Promise.all([
      this.obligations.follow(tx, event.data),
      event.sequence > 1 ? this.actions.move(tx, establishmentId, division) : undefined,
    ]);
  } // prettier-ignore

  @OnEvent(AssignmentMade, AssignmentEnded)
  async assign(event: Envelope<DataOf<typeof AssignmentMade>>, tx: Tx): Promise<void> {
    const { assignmentId, division, establishmentId, officialId, officialName, officialPost, officialLevel, madeAt, endedAt } = event.data;
    const taken = taking(tx, division, establishmentId);
    const kept = tx.ask(
      'keep responsibility',
      `insert into responsibility (assignment_id, division, sequence, establishment_id, official_id, official_name, official_post, official_level, made_at, ended_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
       on conflict (assignment_id) do update set sequence = excluded.sequence, ended_at = excluded.ended_at
         where responsibility.sequence < excluded.sequence
       returning 1 as one`,
      [assignmentId, division, event.sequence, establishmentId, officialId, officialName, officialPost, officialLevel, madeAt, endedAt],
    );
    const [, newer] = await Promise.all([taken, kept]);
    if (newer.length === 0) return;
    await Promise.all([this.obligations.reassign(tx, establishmentId), this.actions.reassign(tx, establishmentId)]);
  } // prettier-ignore

  @OnEvent(CalendarAnnounced)
  async announce(event: Envelope<DataOf<typeof CalendarAnnounced>>, tx: Tx): Promise<void> {
    const { division, year, holidays, workdays } = event.data;
    await tx.query(
      `insert into calendar_year (division, year, sequence, holidays, workdays) values ($1, $2, $3, $4, $5)
       on conflict (division, year) do update set sequence = excluded.sequence, holidays = excluded.holidays, workdays = excluded.workdays
         where calendar_year.sequence < excluded.sequence`,
      [division, year, event.sequence, JSON.stringify(holidays), JSON.stringify(workdays)],
    );
  }

  @OnEvent(DivisionsListed)
  list(event: Envelope<DataOf<typeof DivisionsListed>>, tx: Tx): Promise<void> {
    return keepDivisions(event, tx);
  }

  @OnEvent(CertificateIssued)
  async qualify(event: Envelope<DataOf<typeof CertificateIssued>>, tx: Tx): Promise<void> {
    const { officialId, division, issuedAt, heldAt } = event.data;
    await tx.query(
      `insert into qualification (official_id, division, qualified_at, held_at) values ($1, $2, $3, $4)
       on conflict (official_id) do update set qualified_at = least(qualification.qualified_at, excluded.qualified_at),
         held_at = least(qualification.held_at, excluded.held_at)`,
      [officialId, division, issuedAt, heldAt ?? null],
    );
  }
}
