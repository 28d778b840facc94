import {
  CertificateIssued, type DataOf, DivisionsListed, type Envelope, EstablishmentChanged, EstablishmentRegistered,
} from '#contracts'; // prettier-ignore
import { type Tx } from '#database';
import { OnEvent } from '#messaging';
import { keepDivisions } from '#platform';
import { Injectable } from '@nestjs/common';
import { AssignmentService } from './assignment.service.js';

/** Every fact that assignment listens to. */
@Injectable()
export class AssignmentEvents {
  constructor(private readonly assignments: AssignmentService) {}

  /**
   * Keeps the newest state: a late or repeated fact meets a sequence that is not smaller. A closure, and a move to another
   * township, whose officials are others, end what was made before them even when they are late: what overtook them, a
   * reopening or the way back, brings nobody back.
   */
  @OnEvent(EstablishmentRegistered, EstablishmentChanged)
  async copy(event: Envelope<DataOf<typeof EstablishmentRegistered>>, tx: Tx): Promise<void> {
    const { establishmentId, division, name, kind, tier, status } = event.data;
    await tx.ask(
      'keep premises',
      `insert into premises (establishment_id, division, sequence, name, kind, tier, status)
       values ($1, $2, $3, $4, $5, $6, $7)
       on conflict (establishment_id) do update
         set division = excluded.division, sequence = excluded.sequence, name = excluded.name,
             kind = excluded.kind, tier = excluded.tier, status = excluded.status
         where premises.sequence < excluded.sequence`,
      [establishmentId, division, event.sequence, name, kind, tier, status],
    );
    if (status === 'closed')
      await this.assignments.end(tx, establishmentId, event.sequence, 'establishment-closed', null);
    else if (event.sequence > 1)
      await this.assignments.end(tx, establishmentId, event.sequence, 'establishment-moved', division.slice(0, 9)); // prettier-ignore
  }

  @OnEvent(DivisionsListed)
  list(event: Envelope<DataOf<typeof DivisionsListed>>, tx: Tx): Promise<void> {
    return keepDivisions(event, tx);
  }

  /** Qualified once is qualified: the earliest certificate counts, whichever comes first. */
  @OnEvent(CertificateIssued)
  async qualify(event: Envelope<DataOf<typeof CertificateIssued>>, tx: Tx): Promise<void> {
    const { officialId, issuedAt } = event.data;
    await tx.query(
      `update official set qualified_at = least(qualified_at, $2::timestamptz) where id = $1`,
      [officialId, issuedAt],
    );
  }
}
