import { type DataOf, DivisionsListed, type Envelope, OfficialChanged } from '#contracts';
import { type Tx } from '#database';
import { OnEvent } from '#messaging';
import { keepDivisions } from '#platform';
import { Injectable } from '@nestjs/common';
import { AccountService, groundOf } from './account.service.js';

/** Every fact that identity listens to. */
@Injectable()
export class IdentityEvents {
  constructor(private readonly accounts: AccountService) {}

  /**
   * An official who leaves loses his account, one who moves acts where he is now; a late fact meets a newer sequence. One
   * who comes back gets no account by himself: a county admin opens it again.
   */
  @OnEvent(OfficialChanged)
  async follow({ data, sequence }: Envelope<DataOf<typeof OfficialChanged>>, tx: Tx): Promise<void> {
    const { officialId, division, active } = data;
    const newest = await tx.query(
      `insert into official_copy (official_id, division, sequence, active) values ($1, $2, $3, $4)
       on conflict (official_id) do update set division = excluded.division, sequence = excluded.sequence, active = excluded.active
         where official_copy.sequence < excluded.sequence
       returning 1 as one`,
      [officialId, division, sequence, active],
    );
    if (newest.length > 0) await this.accounts.follow(tx, officialId, groundOf(division), active);
  }

  @OnEvent(DivisionsListed)
  list(event: Envelope<DataOf<typeof DivisionsListed>>, tx: Tx): Promise<void> {
    return keepDivisions(event, tx);
  }
} // prettier-ignore
