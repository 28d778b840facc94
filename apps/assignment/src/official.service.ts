import { type Level, OfficialChanged } from '#contracts';
import { type Tx } from '#database';
import { DomainError, logChanges, oneOf } from '#platform';
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
  phone: string | null;
  active: boolean;
}

/** 7 to 15 digits; what begins with 1 and has 10 or 12 of them is a mobile number (11) with one too few or too many. */
export const telephone = /^(\+\d{7,15}|[02-9]\d{6,14}|1(\d{6,8}|\d{10}|\d{12,14}))$/;

/** A name as it is kept: `李 明` is 李明, and a space in another script's name stays. */
export const personName = (text: string): string =>
  text.trim().replace(/(?<=\p{Script=Han})\s+(?=\p{Script=Han})/gu, '');

/** The same in SQL, to compare with names that were kept with their spaces. */
export const spaceless = (name: string): string => `translate(${name}, E' \\u00a0\\u3000', '')`;

/** What is left out stays as it is. */
export interface Correction {
  name?: string;
  post?: string;
  phone?: string | null;
}

/** Officials leave, and are corrected, one by one; they come, and come back, by a roster. */
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
    const before = await this.lock(tx, id);
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

  /**
   * A typo, another post in the same place, or another telephone. Level and division make another official.
   * @returns false when he is at another version
   * @throws DomainError `wrong-state` when he has left, or when level, division, post and name are another's who serves
   */
  async correct(tx: Tx, id: string, version: number, given: Correction, reason: string | null): Promise<boolean> {
    const before = await this.lock(tx, id);
    if (before.version !== version) return false;
    if (!before.active)
      throw new DomainError('wrong-state', '该干部已离任,再次列入名单后才能更正。 · This official has left: a roster that names him brings him back, and then he is corrected.');
    const after = {
      ...before,
      version: version + 1,
      name: given.name === undefined ? before.name : personName(given.name),
      post: given.post?.trim() ?? before.post,
      phone: given.phone === undefined ? before.phone : given.phone,
    };
    const { division, level, name, post, phone } = after;
    const same = name === before.name && post === before.post;
    const [other] = same ? [] : await tx.query<{ id: string }>(
      `select id from official where active and level = $1 and division = $2 and post = $3 and ${spaceless('name')} = ${spaceless('$4')} and id <> $5`,
      [level, division, post, name, id],
    );
    if (other)
      throw new DomainError('wrong-state', `${division} 已有在任的${post} ${name}(${other.id})。 · ${post} ${name} serves in ${division} already (${other.id}).`, [
        {
          pointer: given.name === undefined ? '/post' : '/name', rule: 'unique', value: given.name ?? given.post,
          remedy: '如为同一人,请先将其中一位登记离任 · if both are one person, record the departure of one of them first',
        },
      ]);
    await tx.query(
      `update official set name = $2, post = $3, phone = $4, version = $5, changed_at = $6 where id = $1`,
      [id, name, post, phone, after.version, tx.now],
    );
    tx.publish(OfficialChanged, after, { officialId: id, division, level, name, post, active: true });
    await logChanges(tx, 'official', [{ subject: after, before, after }], reason, ['phone']);
    if (!same) await this.undertakings.reword(tx, id);
    return true;
  } // prettier-ignore

  /** In the county's turn: an approval that gives him something, or a roster that names him, came before or finds what we made. */
  private async lock(tx: Tx, id: string): Promise<OfficialRow> {
    await tx.query(`select pg_advisory_xact_lock(7031, $1::int)`, [Number(tx.caller.division.slice(0, 6))]); // prettier-ignore
    return oneOf(
      await tx.query<OfficialRow>(
        `select id, division, version, level, name, post, phone, active from official
         where id = $1 and division >= app_lo() and division < app_hi() for update`,
        [id],
      ),
    );
  }
}
