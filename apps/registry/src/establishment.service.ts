import { EstablishmentChanged, EstablishmentRegistered } from '#contracts';
import { type Tx } from '#database';
import { DomainError } from '#platform';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import {
  type ChangeEstablishment,
  type EstablishmentQuery,
  type RegisterEstablishment,
} from './establishment.controller.js';
import { Establishment } from './establishment.entity.js';
import { isUscc, normaliseUscc } from './uscc.js';

/** One method is one step in the caller's transaction: load, decide, save, publish. */
@Injectable()
export class EstablishmentService {
  async register(tx: Tx, wanted: RegisterEstablishment): Promise<Establishment> {
    await this.checkVillage(tx, wanted.division);
    const unknown = { area: null, diners: null, large: false };
    const establishment = Object.assign(new Establishment(), unknown, wanted, {
      id: uuidv7(),
      version: 1,
      uscc: this.checkedUscc(wanted.uscc),
      status: 'open',
      createdAt: tx.now,
      changedAt: tx.now,
    } satisfies Partial<Establishment>);
    establishment.retier();
    await tx.manager.insert(Establishment, establishment);
    tx.publish(EstablishmentRegistered, establishment, establishment.state());
    return establishment;
  }

  async change(
    tx: Tx,
    id: string,
    version: number,
    wanted: ChangeEstablishment,
  ): Promise<Establishment> {
    const establishment = await this.one(tx, id, true);
    if (establishment.version !== version)
      throw new DomainError(
        'stale-version',
        `It is at version ${establishment.version} now.`,
        [],
        establishment,
      );
    if (wanted.uscc !== undefined) wanted.uscc = this.checkedUscc(wanted.uscc);
    Object.assign(establishment, wanted, { version: version + 1, changedAt: tx.now });
    establishment.retier();
    const { affected } = await tx.manager.update(Establishment, { id, version }, establishment);
    if (affected !== 1) throw new DomainError('stale-version', 'Somebody changed it meanwhile.');
    tx.publish(EstablishmentChanged, establishment, establishment.state());
    return establishment;
  }

  /** @throws DomainError `not-found`, alike for what is absent and what is another's. */
  async one(tx: Tx, id: string, lock = false): Promise<Establishment> {
    const found = await tx.manager.findOne(Establishment, {
      where: { id },
      ...(lock ? { lock: { mode: 'pessimistic_write' as const } } : {}),
    });
    if (!found) throw new DomainError('not-found', 'Nothing is here, or it is not yours.');
    return found;
  }

  /** A keyset page in `(division, id)` order. */
  async page(
    tx: Tx,
    query: EstablishmentQuery,
  ): Promise<{ items: Establishment[]; next: string | null }> {
    const wanted = tx.manager
      .createQueryBuilder(Establishment, 'e')
      .orderBy('e.division')
      .addOrderBy('e.id')
      .limit(query.limit + 1);
    if (query.division)
      wanted.andWhere('e.division >= :lo and e.division < :hi', {
        lo: query.division,
        hi: `${query.division}:`,
      });
    if (query.tier) wanted.andWhere('e.tier = :tier', { tier: query.tier });
    if (query.kind) wanted.andWhere('e.kind = :kind', { kind: query.kind });
    if (query.uscc) wanted.andWhere('e.uscc = :uscc', { uscc: normaliseUscc(query.uscc) });
    if (query.name) wanted.andWhere('strpos(e.name, :name) > 0', { name: query.name });
    if (query.after) {
      const [division = '', id = ''] = query.after.split('.');
      wanted.andWhere('(e.division, e.id) > (:afterDivision, :afterId)', {
        afterDivision: division,
        afterId: id,
      });
    }
    const found = await wanted.getMany();
    const items = found.slice(0, query.limit);
    const last = items.at(-1);
    return {
      items,
      next: found.length > query.limit && last ? `${last.division}.${last.id}` : null,
    };
  }

  private async checkVillage(tx: Tx, division: string): Promise<void> {
    if (!division.startsWith(tx.caller.division))
      throw new DomainError('out-of-scope', `Your ground is ${tx.caller.division}.`);
    const [village] = await tx.query(
      `select 1 as one from division where division = $1 and level = 'village'`,
      [division],
    );
    if (!village)
      throw new DomainError(
        'village-unknown',
        'Give the 12-digit code of a village of the division table.',
        [
          {
            pointer: '/division',
            rule: 'village-unknown',
            value: division,
            remedy: 'GET /divisions?parent=<township> lists them.',
          },
        ],
      );
  }

  private checkedUscc(given: string | null | undefined): string | null {
    if (given === null || given === undefined || given === '') return null;
    const code = normaliseUscc(given);
    if (!isUscc(code))
      throw new DomainError('uscc-check-digit', 'Compare the code with the licence.', [
        {
          pointer: '/uscc',
          rule: 'uscc-check-digit',
          value: given,
          remedy: 'Compare the code with the licence.',
        },
      ]);
    return code;
  }
}
