import { EvidenceAdded, EvidenceAttached } from '#contracts';
import { type Tx } from '#database';
import { FileStore } from '#files';
import { DomainError, type FileUpload, holdFile, oneOf } from '#platform';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { type Evidence, type EvidenceFields } from './evidence.controller.js';

/** 10 MB hold a photo of any phone; twenty of them, every item of the longest checklist. */
export const evidenceLimits = { bytes: 10 * 1_048_576, perVisit: 20 } as const;

export const evidenceView = `id, division, version, inspection_id as "inspectionId", corrective_action_id as "correctiveActionId", official_id as "officialId", sha256, mime,
  size_bytes as "sizeBytes", taken_at as "takenAt", position, added_by as "addedBy", added_at as "addedAt",
  case when corrective_action_id is null
      and abs(extract(epoch from taken_at - (select visited_at from inspection visit where visit.id = inspection_id))) > 86400
    then 'taken-far-from-visit' end as warning`;

/** What evidence is of: a visit, or the correction of what was found there. */
export interface Shown {
  division: string;
  inspectionId: string;
  correctiveActionId: string | null;
  establishmentId: string;
  /** Whose it is, and whose the evidence is: nobody answers for some corrections. */
  officialId: string | null;
  /** The visit was withdrawn, or the correction is closed. */
  ended: boolean;
}

/** Photos and papers of a visit, and of what was mended after it. They are only added: a record is not changed. */
@Injectable()
export class EvidenceService {
  constructor(private readonly files: FileStore) {}

  /** A visit, as far as the caller may see it. @throws DomainError `not-found` */
  async visit(tx: Tx, id: string): Promise<Shown> {
    return oneOf(
      await tx.query<Shown>(
        `select division, id as "inspectionId", null::uuid as "correctiveActionId", establishment_id as "establishmentId",
           official_id as "officialId", withdrawn_at is not null as ended
         from inspection where id = $1`,
        [id],
      ),
    );
  }

  /** A correction, as far as the caller may see it. @throws DomainError `not-found` */
  async correction(tx: Tx, id: string): Promise<Shown> {
    return oneOf(
      await tx.query<Shown>(
        `select division, inspection_id as "inspectionId", id as "correctiveActionId", establishment_id as "establishmentId",
           official_id as "officialId", state = 'closed' as ended from corrective_action where id = $1 ${tx.caller.readOnly ? '' : 'for share'}`,
        [id],
      ),
    );
  }

  /**
   * Said before the bytes are kept, so that nothing is kept for what is refused anyway.
   * @returns whether it has these bytes already
   */
  async mayAdd(tx: Tx, shown: Shown, sha256: string): Promise<boolean> {
    refuseEnded(shown);
    const kept = await this.of(tx, shown);
    if (kept.some((one) => one.sha256 === sha256)) return true;
    refuseFull(kept.length);
    return false;
  }

  /** The row of bytes that the store holds by now. The same bytes for the same visit or correction are the same evidence. */
  async add(tx: Tx, shown: Shown, file: FileUpload<EvidenceFields>): Promise<Evidence> {
    const { inspectionId, correctiveActionId } = shown;
    refuseEnded(shown);
    await tx.query(`select pg_advisory_xact_lock(hashtextextended($1, 7034))`, [correctiveActionId ?? inspectionId]); // one by one, so that they are counted
    const kept = await this.of(tx, shown);
    const same = kept.find(({ sha256 }) => sha256 === file.sha256);
    if (same) return same;
    refuseFull(kept.length);
    await holdFile(tx, this.files, file.sha256);
    const { takenAt, latitude, longitude, accuracyMetres } = file.fields;
    const position =
      latitude === undefined || longitude === undefined ? null : { latitude, longitude, accuracyMetres };
    const added = oneOf(await tx.query<Evidence>(
      `insert into evidence (id, division, version, inspection_id, corrective_action_id, official_id, sha256, mime, size_bytes, taken_at, position, added_by, added_at)
       values ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning ${evidenceView}`,
      [
        uuidv7(), shown.division, inspectionId, correctiveActionId, shown.officialId, file.sha256, file.mime, file.bytes.length, takenAt,
        position && JSON.stringify(position), tx.caller.id, tx.now,
      ],
    ));
    const { sha256, mime, sizeBytes, position: where } = added;
    const told = {
      evidenceId: added.id, division: added.division, inspectionId, sha256, mime, sizeBytes, takenAt: added.takenAt.toISOString(), position: where,
    };
    if (correctiveActionId) tx.publish(EvidenceAttached, added, { ...told, correctiveActionId });
    else if (added.officialId)
      tx.publish(EvidenceAdded, added, { ...told, establishmentId: shown.establishmentId, officialId: added.officialId });
    return added;
  } // prettier-ignore

  /** All of a visit, or all of a correction: they are few. */
  of(tx: Tx, { inspectionId, correctiveActionId }: Shown): Promise<Evidence[]> {
    return tx.query<Evidence>(
      `select ${evidenceView} from evidence where inspection_id = $1 and corrective_action_id is not distinct from $2 order by division, id`,
      [inspectionId, correctiveActionId],
    );
  }
}

function refuseEnded({ ended }: Shown): void {
  if (ended)
    throw new DomainError('wrong-state', '督导已撤回或整改已销号,不再接收照片和材料。 · The visit was withdrawn, or the correction is closed: it takes no more photos and papers.'); // prettier-ignore
}

function refuseFull(count: number): void {
  if (count >= evidenceLimits.perVisit)
    throw new DomainError('evidence-full', `一次督导或一项整改最多 ${evidenceLimits.perVisit} 份照片和材料。 · A visit or a correction takes at most ${evidenceLimits.perVisit} photos and papers.`); // prettier-ignore
}
