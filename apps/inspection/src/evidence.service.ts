import { EvidenceAdded } from '#contracts';
import { type Tx } from '#database';
import { FileStore } from '#files';
import { DomainError, type FileUpload, holdFile, oneOf } from '#platform';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { type Evidence, type EvidenceFields } from './evidence.controller.js';

/** 10 MB hold a photo of any phone; twenty of them, every item of the longest checklist. */
export const evidenceLimits = { bytes: 10 * 1_048_576, perVisit: 20 } as const;

export const evidenceView = `id, division, version, inspection_id as "inspectionId", official_id as "officialId", sha256, mime,
  size_bytes as "sizeBytes", taken_at as "takenAt", position, added_by as "addedBy", added_at as "addedAt",
  case when abs(extract(epoch from taken_at - (select visited_at from inspection visit where visit.id = inspection_id))) > 86400
    then 'taken-far-from-visit' end as warning`;

interface Visit {
  division: string;
  establishment_id: string;
  official_id: string;
}

/** Photos and papers of a visit, by the official who made it. They are only added: a record is not changed. */
@Injectable()
export class EvidenceService {
  constructor(private readonly files: FileStore) {}

  /** The visit, as far as the caller may see it. @throws DomainError `not-found` */
  async visitOf(tx: Tx, inspectionId: string): Promise<Visit> {
    return oneOf(
      await tx.query<Visit>(
        `select division, establishment_id, official_id from inspection where id = $1`,
        [inspectionId],
      ),
    );
  }

  /**
   * Said before the bytes are kept, so that nothing is kept for what is refused anyway.
   * @returns whether the visit has these bytes already
   */
  async mayAdd(tx: Tx, inspectionId: string, sha256: string): Promise<boolean> {
    await this.visitOf(tx, inspectionId);
    const kept = await this.of(tx, inspectionId);
    if (kept.some((one) => one.sha256 === sha256)) return true;
    refuseFull(kept.length);
    return false;
  }

  /** The row of bytes that the store holds by now. The same bytes for the same visit are the same evidence. */
  async add(tx: Tx, inspectionId: string, file: FileUpload<EvidenceFields>): Promise<Evidence> {
    const visit = await this.visitOf(tx, inspectionId);
    await tx.query(`select pg_advisory_xact_lock(hashtextextended($1, 7034))`, [inspectionId]); // one by one, so that they are counted
    const kept = await this.of(tx, inspectionId);
    const same = kept.find(({ sha256 }) => sha256 === file.sha256);
    if (same) return same;
    refuseFull(kept.length);
    await holdFile(tx, this.files, file.sha256);
    const { takenAt, latitude, longitude, accuracyMetres } = file.fields;
    const position =
      latitude === undefined || longitude === undefined ? null : { latitude, longitude, accuracyMetres };
    const added = oneOf(await tx.query<Evidence>(
      `insert into evidence (id, division, version, inspection_id, official_id, sha256, mime, size_bytes, taken_at, position, added_by, added_at)
       values ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning ${evidenceView}`,
      [
        uuidv7(), visit.division, inspectionId, visit.official_id, file.sha256, file.mime, file.bytes.length, takenAt,
        position && JSON.stringify(position), tx.caller.id, tx.now,
      ],
    ));
    tx.publish(EvidenceAdded, added, {
      evidenceId: added.id, division: added.division, inspectionId, establishmentId: visit.establishment_id, officialId: added.officialId,
      sha256: added.sha256, mime: added.mime, sizeBytes: added.sizeBytes, takenAt: added.takenAt.toISOString(), position: added.position,
    });
    return added;
  } // prettier-ignore

  private of(tx: Tx, inspectionId: string): Promise<Evidence[]> {
    return tx.query<Evidence>(`select ${evidenceView} from evidence where inspection_id = $1`, [inspectionId]); // prettier-ignore
  }
}

function refuseFull(count: number): void {
  if (count >= evidenceLimits.perVisit)
    throw new DomainError('evidence-full', `一次督导最多 ${evidenceLimits.perVisit} 份照片和材料。 · A visit takes at most ${evidenceLimits.perVisit} photos and papers.`); // prettier-ignore
}
