import {
  type DataOf,
  type Envelope,
  EstablishmentChanged,
  EstablishmentRegistered,
} from '#contracts';
import { type Tx } from '#database';
import { OnEvent } from '#messaging';
import { Injectable } from '@nestjs/common';

/** Every fact that assignment listens to. */
@Injectable()
export class AssignmentEvents {
  /** Keeps the newest state: a late or repeated fact meets a sequence that is not smaller, and changes nothing. */
  @OnEvent(EstablishmentRegistered, EstablishmentChanged)
  async copy(event: Envelope<DataOf<typeof EstablishmentRegistered>>, tx: Tx): Promise<void> {
    const { establishmentId, division, name, kind, tier, status } = event.data;
    await tx.query(
      `insert into premises (establishment_id, division, sequence, name, kind, tier, status)
       values ($1, $2, $3, $4, $5, $6, $7)
       on conflict (establishment_id) do update
         set division = excluded.division, sequence = excluded.sequence, name = excluded.name,
             kind = excluded.kind, tier = excluded.tier, status = excluded.status
         where premises.sequence < excluded.sequence`,
      [establishmentId, division, event.sequence, name, kind, tier, status],
    );
  }
}
