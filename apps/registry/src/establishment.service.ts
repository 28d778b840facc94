import { EstablishmentChanged, EstablishmentRegistered } from '#contracts';
import { type Tx } from '#database';
import {
  afterOf,
  DomainError,
  logChanges,
  notFound,
  outOfScope,
  type Page,
  pageOf,
  policyOf,
  staleVersion,
} from '#platform';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import {
  type ChangeEstablishment,
  type EstablishmentQuery,
  type RegisterEstablishment,
} from './establishment.controller.js';
import { Establishment, insertEstablishments } from './establishment.entity.js';
import { type Identity, knownOf, newlyMeant, remedyOfShared, takeIdentity } from './identity.js';
import { normaliseLicence, saysNone } from './licence.js';
import { asked, keepNames, renamed } from './name-search.js';
import { TierRule } from './tier-rule.js';
import { isUscc, normaliseUscc } from './uscc.js';

/** One method is one step in the caller's transaction: load, decide, save, publish. */
@Injectable()
export class EstablishmentService {
  async register(tx: Tx, wanted: RegisterEstablishment): Promise<Establishment> {
    await this.checkVillage(tx, wanted.division);
    const unknown = {
      area: null,
      diners: null,
      large: false,
      licence: null,
      latitude: null,
      longitude: null,
    };
    const establishment = Object.assign(new Establishment(), unknown, wanted, {
      id: uuidv7(),
      version: 1,
      name: wanted.name.trim(),
      address: wanted.address.trim(),
      uscc: this.checkedUscc(wanted.uscc),
      licence: this.checkedLicence(wanted.licence),
      status: 'open',
      createdAt: tx.now,
      changedAt: tx.now,
    } satisfies Partial<Establishment>);
    this.checkPlace(establishment);
    // Asked in one turn: whoever registers by the hundred waits for turns.
    const [rule] = await Promise.all([
      policyOf(tx, TierRule, establishment.division),
      this.checkAlone(tx, establishment),
    ]);
    establishment.retier(rule);
    insertEstablishments(tx, [establishment]);
    keepNames(tx, [establishment]);
    await logChanges(tx, 'establishment', [
      { subject: establishment, before: null, after: establishment },
    ]);
    tx.publish(EstablishmentRegistered, establishment, establishment.state());
    return establishment;
  }

  async change(
    tx: Tx,
    id: string,
    version: number,
    wanted: ChangeEstablishment,
  ): Promise<Establishment> {
    const establishment = await this.one(tx, id); // not locked: its version decides, and whoever waits for an import holds no row
    if (establishment.version !== version) throw staleVersion(establishment);
    const { uscc, licence, reason, ...rest } = wanted;
    if (rest.division !== undefined && rest.division !== establishment.division)
      await this.checkVillage(tx, rest.division);
    const before = { ...establishment };
    Object.assign(establishment, rest, { version: version + 1, changedAt: tx.now });
    establishment.name = establishment.name.trim();
    establishment.address = establishment.address.trim();
    if (rest.latitude !== undefined || rest.longitude !== undefined) this.checkPlace(establishment);
    if (uscc !== undefined) establishment.uscc = this.checkedUscc(uscc);
    if (licence !== undefined) establishment.licence = this.checkedLicence(licence);
    if (newlyMeant(before, establishment)) await this.checkAlone(tx, establishment);
    establishment.retier(await policyOf(tx, TierRule, establishment.division));
    const { affected } = await tx.manager.update(Establishment, { id, version }, establishment);
    if (affected !== 1)
      throw new DomainError(
        'stale-version',
        '其间已被他人修改,请重新读取后再提交。 · Somebody changed it meanwhile: read it again, then repeat.',
      );
    if (renamed(before, establishment)) keepNames(tx, [establishment]);
    const step = { subject: establishment, before, after: establishment };
    await logChanges(tx, 'establishment', [step], reason);
    tx.publish(EstablishmentChanged, establishment, establishment.state());
    return establishment;
  }

  /** @throws DomainError `not-found`, alike for what is absent and what is another's. */
  async one(tx: Tx, id: string): Promise<Establishment> {
    const found = await tx.manager.findOne(Establishment, { where: { id } });
    if (!found) throw notFound();
    return found;
  }

  /** A keyset page in `(division, id)` order. */
  async page(tx: Tx, query: EstablishmentQuery): Promise<Page<Establishment>> {
    const [afterDivision, afterId] = afterOf(query);
    const wanted = tx.manager
      .createQueryBuilder(Establishment, 'e')
      .where('(e.division, e.id) > (:afterDivision, :afterId)', { afterDivision, afterId })
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
    if (query.status) wanted.andWhere('e.status = :status', { status: query.status });
    if (query.uscc) wanted.andWhere('e.uscc = :uscc', { uscc: normaliseUscc(query.uscc) });
    const filtered = query.division ?? query.tier ?? query.kind ?? query.status ?? query.uscc;
    if (query.name?.trim())
      wanted.andWhere(
        // As an array, so that its few rows are looked up by key: joined, the planner may walk the whole township beside them.
        `e.id = any(array(select n.id from establishments_named(:wanted, :pieces, :afterDivision, :afterId, :most) n))`,
        {
          ...asked(query.name, query.division ?? tx.caller.division),
          most: filtered === undefined ? query.limit + 1 : null, // what is filtered afterwards may come late
        },
      );
    return pageOf(await wanted.getMany(), query, ({ id }) => id);
  }

  /** By the rules of a ledger import, and where one was entered without its credit code: what one row would mean is not there twice. */
  private async checkAlone(tx: Tx, wanted: Identity): Promise<void> {
    const [, known] = await Promise.all([takeIdentity(tx, wanted), knownOf(tx, [wanted], false)]); // the look after the lock
    const { candidates, shared } = known.candidatesFor(wanted);
    const double = candidates.length === 0 ? known.butForCode(wanted) : undefined;
    if (double) candidates.push(double);
    if (candidates.length === 0) return;
    const there = candidates.slice(0, 10).map(({ id, name }) => `${name} (${id})`).join(', ');
    throw new DomainError('already-registered', `已登记:${there}。 · It is registered already: ${there}.`, [
      { pointer: `/${shared}`, rule: 'already-registered', value: wanted[shared], remedy: remedyOfShared[shared] },
    ]);
  } // prettier-ignore

  private async checkVillage(tx: Tx, division: string): Promise<void> {
    if (!division.startsWith(tx.caller.division)) throw outOfScope(tx.caller.division, division);
    const [village] = await tx.query(
      `select 1 as one from division where division = $1 and level = 'village'`,
      [division],
    );
    if (!village)
      throw new DomainError(
        'village-unknown',
        '请填写区划表中村级的 12 位代码。 · Give the 12-digit code of a village of the division table.',
        [
          {
            pointer: '/division',
            rule: 'village-unknown',
            value: division,
            remedy:
              '可用 GET /divisions?parent=<乡镇> 查询 · GET /divisions?parent=<township> lists them.',
          },
        ],
      );
  }

  private checkPlace({ latitude, longitude }: Establishment): void {
    if (latitude === 0 && longitude === 0)
      throw new DomainError('validation-failed', '坐标 0, 0 在海上,不是主体的位置。 · The coordinates 0, 0 lie in the sea.', [
        { pointer: '/latitude', rule: 'coordinates-zero', value: 0, remedy: '请填写实际坐标,没有则不填 · give where it is, or leave both out' },
      ]); // prettier-ignore
    if ((latitude === null) === (longitude === null)) return;
    throw new DomainError(
      'validation-failed',
      '经纬度须同时填写,或同时为空。 · Give latitude and longitude together, or neither.',
      [
        {
          pointer: latitude === null ? '/latitude' : '/longitude',
          rule: 'coordinate-alone',
          value: null,
          remedy:
            '请与另一个坐标同时填写,或两者均填 null · give it with the other one, or null for both',
        },
      ],
    );
  }

  private checkedUscc(given: string | null | undefined): string | null {
    if (given === null || given === undefined || given === '') return null;
    const code = normaliseUscc(given);
    if (!isUscc(code))
      throw new DomainError(
        'uscc-check-digit',
        '请对照营业执照核对代码。 · Compare the code with the licence.',
        [
          {
            pointer: '/uscc',
            rule: 'uscc-check-digit',
            value: given,
            remedy:
              '须为 18 位且校验位正确,请对照营业执照核对,没有则不填 · it has 18 characters, the last of which checks the others: compare it with the licence; leave it out where there is none',
          },
        ],
      );
    return code;
  }

  /** A wrong check digit or length is no refusal (two of fifteen real numbers fail the first); another form is. */
  private checkedLicence(given: string | null | undefined): string | null {
    if (given === null || given === undefined || given === '') return null;
    const number = normaliseLicence(given);
    if (saysNone(number) || !/^[0-9A-Z()-]{4,40}$/.test(number))
      throw new DomainError(
        'licence-form',
        '请对照证照核对编号。 · Compare the number with the licence.',
        [
          {
            pointer: '/licence',
            rule: 'licence-form',
            value: given,
            remedy:
              '请对照证照核对编号,没有则不填 · compare the number with the licence; leave it out where there is none',
          },
        ],
      );
    return number;
  }
}
