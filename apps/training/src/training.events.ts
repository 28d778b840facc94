import { type DataOf, DivisionsListed, type Envelope, OfficialChanged } from '#contracts';
import { type Tx } from '#database';
import { OnEvent } from '#messaging';
import { keepDivisions } from '#platform';
import { Injectable } from '@nestjs/common';

/** Every fact that training listens to. */
@Injectable()
export class TrainingEvents {
  /** Keeps the newest state: a late or repeated fact meets a sequence that is not smaller, and changes nothing. */
  @OnEvent(OfficialChanged)
  async copy(event: Envelope<DataOf<typeof OfficialChanged>>, tx: Tx): Promise<void> {
    const { officialId, division, level, name, post, active } = event.data;
    await tx.query(
      `insert into official (official_id, division, sequence, level, name, post, active) values ($1, $2, $3, $4, $5, $6, $7)
       on conflict (official_id) do update
         set division = excluded.division, sequence = excluded.sequence, level = excluded.level, name = excluded.name,
             post = excluded.post, active = excluded.active
         where official.sequence < excluded.sequence`,
      [officialId, division, event.sequence, level, name, post, active],
    );
  }

  @OnEvent(DivisionsListed)
  list(event: Envelope<DataOf<typeof DivisionsListed>>, tx: Tx): Promise<void> {
    return keepDivisions(event, tx);
  }
}
