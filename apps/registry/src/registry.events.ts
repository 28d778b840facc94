import { type DataOf, type Envelope, InspectionSubmitted } from '#contracts';
import { type Tx } from '#database';
import { OnEvent } from '#messaging';
import { Injectable } from '@nestjs/common';

/** Every fact that the registry listens to. */
@Injectable()
export class RegistryEvents {
  /** The newest counts: facts of two visits may come in any order. What was visited is not taken back by an undo. */
  @OnEvent(InspectionSubmitted)
  async visited({ time, data }: Envelope<DataOf<typeof InspectionSubmitted>>, tx: Tx): Promise<void> {
    await tx.query(
      `insert into establishment_visit as v (establishment_id, division, inspection_id, submitted_at) values ($1, $2, $3, $4)
       on conflict (establishment_id) do update
         set division = excluded.division, inspection_id = excluded.inspection_id, submitted_at = excluded.submitted_at
         where v.submitted_at < excluded.submitted_at`,
      [data.establishmentId, data.division, data.inspectionId, time],
    );
  } // prettier-ignore
}
