import { createHash } from 'node:crypto';
import {
  type Level,
  UndertakingOpened,
  UndertakingSigned,
  UndertakingStale,
  type UndertakingState,
} from '#contracts';
import { type Tx } from '#database';
import { checkDivision, DomainError, oneOf, placeNames, type Policy, policyOf } from '#platform';
import { Injectable } from '@nestjs/common';
import { type Static } from '@sinclair/typebox';
import { v7 as uuidv7 } from 'uuid';
import { UndertakingText } from './assignment.policies.js';
import { documentOf, type Listed, type Undertaker } from './undertaking.document.js';

/**
 * To be signed · signed for the list as it is · the list has changed since · a newer one took its place. One that is
 * open or signed always names exactly the establishments that the official answers for now.
 */
export const undertakingStates = ['open', 'signed', 'stale', 'superseded'] as const;

export const staleReasons = ['proposal-approved', 'establishment-closed', 'establishment-moved', 'official-left', 'official-corrected'] as const; // prettier-ignore
type StaleReason = (typeof staleReasons)[number];
/** Of the others the official hears by themselves. */
type Told = Exclude<StaleReason, 'official-left' | 'official-corrected'>;

export const copyKinds = ['application/pdf', 'image/jpeg', 'image/png'] as const;

/** The scan of what was signed by hand. */
export interface UndertakingCopy {
  sha256: string;
  mime: (typeof copyKinds)[number];
  size: number;
  uploadedAt: string;
  uploadedBy: string;
}

export interface UndertakingView {
  id: string;
  division: string;
  version: number;
  officialId: string;
  officialName: string;
  officialPost: string;
  officialLevel: Level;
  state: (typeof undertakingStates)[number];
  establishmentCount: number;
  listSha256: string;
  textVersion: number;
  statement: string;
  documentSha256: string;
  openedAt: Date;
  openedBy: string;
  signedAt: Date | null;
  signedBy: string | null;
  signedName: string | null;
  staleAt: Date | null;
  staleReason: StaleReason | null;
  staleAdded: number | null;
  staleRemoved: number | null;
  supersededAt: Date | null;
  copy: UndertakingCopy | null;
}

export const undertakingView = `id, division, version, official_id as "officialId", official_name as "officialName", official_post as "officialPost",
  official_level as "officialLevel", state, jsonb_array_length(establishments) as "establishmentCount", list_sha256 as "listSha256",
  text_version as "textVersion", statement, document_sha256 as "documentSha256", opened_at as "openedAt", opened_by as "openedBy",
  signed_at as "signedAt", signed_by as "signedBy", signed_name as "signedName", stale_at as "staleAt", stale_reason as "staleReason",
  stale_added as "staleAdded", stale_removed as "staleRemoved", superseded_at as "supersededAt",
  (select jsonb_build_object('sha256', c.sha256, 'mime', c.mime, 'size', c.size, 'uploadedBy', c.uploaded_by,
                             'uploadedAt', to_char(c.uploaded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
   from undertaking_copy c where c.undertaking_id = undertaking.id order by c.uploaded_at desc, c.id desc limit 1) as copy`;

/** SHA-256 of the ids of `a`'s establishments, sorted, one a line. A list is which establishments: their names are for reading. */
const listHash = `encode(sha256(convert_to(coalesce(string_agg(a.establishment_id::text, E'\\n' order by a.establishment_id), ''), 'UTF8')), 'hex')`;

export interface OpenedUndertakings {
  officials: number;
  opened: number;
  kept: number;
}

/** 承诺书: what each official signs for the establishments he answers for, and signs again when they change. */
@Injectable()
export class UndertakingService {
  /** One for each official of the place who answers for something and has none for exactly that. */
  async open(tx: Tx, place: string | undefined, officialId: string | undefined): Promise<OpenedUndertakings> {
    if (place === undefined && officialId === undefined)
      throw new DomainError('validation-failed', '请指定地区或包保干部。 · Name a place or an official.', [
        { pointer: '/division', rule: 'required', value: null, remedy: '请填写 division 或 officialId · give division or officialId' },
      ]);
    if (place !== undefined) await checkDivision(tx, place);
    const text = await policyOf(tx, UndertakingText, tx.caller.division);
    // As an approval does: two that lock many officials take turns.
    await tx.query(`select pg_advisory_xact_lock(7031, $1::int)`, [Number(tx.caller.division.slice(0, 6))]);
    if (officialId !== undefined)
      oneOf(await tx.query(`select id from official where id = $1 and division >= app_lo() and division < app_hi()`, [officialId]));
    const officials = await tx.query<{ id: string }>(
      `select id from official o
       where division >= app_lo() and division < app_hi() and starts_with(division, $1) and ($2::uuid is null or id = $2)
         and exists (select from assignment a where a.official_id = o.id and a.ended_at is null)`,
      [place ?? '', officialId ?? null],
    );
    await this.follow(tx, officials.map(({ id }) => id), 'proposal-approved');
    const opened = await this.open_(tx, officials.map(({ id }) => id), text);
    return { officials: officials.length, opened, kept: officials.length - opened };
  } // prettier-ignore

  /**
   * After an approval: what no longer fits is stale, and everybody concerned has the next one to sign. Where the county
   * has no text yet it stays at the first, and the office opens them when it has. The caller holds the county's lock.
   */
  async renew(tx: Tx, officials: string[]): Promise<void> {
    await this.follow(tx, officials, 'proposal-approved');
    const text = await policyOf(tx, UndertakingText, tx.caller.division).catch((error: unknown) => {
      if (error instanceof DomainError && error.code === 'policy-missing') return undefined;
      throw error;
    });
    if (text) await this.open_(tx, officials, text);
  }

  /** Makes stale what names other establishments than these officials answer for now; belongs into the transaction that changed that. */
  async follow(tx: Tx, officials: string[], reason: Told): Promise<void> {
    // Whoever opens one for the same official waits here, and reads the list only then.
    await tx.query(`select id from official where id = any($1) order by id for update`, [officials]);
    const stale = await tx.query<UndertakingView>(
      `with list as (
         select o.id as official, array_remove(array_agg(a.establishment_id), null) as establishments, ${listHash} as hash
         from official o left join assignment a on a.official_id = o.id and a.ended_at is null
         where o.id = any($1) group by o.id),
       compared as (
         select u.id as undertaking,
           (select count(*) from unnest(l.establishments) one where not named @> array[one])::int as added,
           (select count(*) from unnest(named) one where not l.establishments @> array[one])::int as removed
         from undertaking u join list l on l.official = u.official_id and l.hash <> u.list_sha256,
           lateral (select array_agg((e->>'establishmentId')::uuid) as named from jsonb_array_elements(u.establishments) e)
         where u.state in ('open', 'signed'))
       update undertaking set state = 'stale', version = version + 1, stale_at = $2, stale_reason = $3, stale_added = added, stale_removed = removed
       from compared where id = undertaking and state in ('open', 'signed')
       returning ${undertakingView}`,
      [officials, tx.now, reason],
    );
    for (const one of stale) tx.publish(UndertakingStale, one, stateOf(one));
  } // prettier-ignore

  /** The official has left, which is its own fact: what he was to sign, or signed, is stale, and he is told nothing of it. */
  async void(tx: Tx, official: string): Promise<void> {
    await tx.query(
      `update undertaking set state = 'stale', version = version + 1, stale_at = $2, stale_reason = 'official-left',
         stale_added = 0, stale_removed = jsonb_array_length(establishments)
       where official_id = $1 and state in ('open', 'signed')`,
      [official, tx.now],
    );
  }

  /** His name or post was corrected: what he has not signed is made anew, what he signed stays. The caller holds the county's lock. */
  async reword(tx: Tx, official: string): Promise<void> {
    const outworded = await tx.query(
      `update undertaking set state = 'stale', version = version + 1, stale_at = $2, stale_reason = 'official-corrected',
         stale_added = 0, stale_removed = 0
       where official_id = $1 and state = 'open' returning id`,
      [official, tx.now],
    );
    if (outworded.length > 0) await this.renew(tx, [official]);
  }

  /** @returns how many officials had none for their list and now have one to sign */
  private async open_(tx: Tx, officials: string[], text: Policy<typeof UndertakingText.body>): Promise<number> {
    const due = await tx.query<Undertaker & { establishments: Listed[]; listSha256: string }>(
      `select o.id, o.division, o.level, o.name, o.post, ${listHash} as "listSha256",
         jsonb_agg(jsonb_build_object('establishmentId', a.establishment_id, 'name', coalesce(p.name, a.establishment_name),
                                      'division', a.division, 'tier', a.tier) order by a.division, a.establishment_id) as establishments
       from official o join assignment a on a.official_id = o.id and a.ended_at is null
       left join premises p on p.establishment_id = a.establishment_id
       where o.id = any($1) and o.division >= app_lo() and o.division < app_hi()
         and not exists (select from undertaking u where u.official_id = o.id and u.state in ('open', 'signed'))
       group by o.id order by o.division, o.id`,
      [officials],
    );
    const places = await placeNames(tx);
    const opened = due.map((official) => {
      const id = uuidv7();
      const document = documentOf(id, official, official.establishments, official.listSha256, text, places, tx.now);
      return { ...official, officialId: official.id, id, document, documentSha256: sha256Of(document), statement: text.body.levels[official.level].statement };
    });
    await tx.query(
      `update undertaking set state = 'superseded', version = version + 1, superseded_at = $2 where state = 'stale' and official_id = any($1)`,
      [due.map(({ id }) => id), tx.now],
    );
    const rows = await tx.query<UndertakingView>(
      `insert into undertaking (id, division, version, official_id, official_name, official_post, official_level, state, establishments, list_sha256,
                                text_version, statement, document, document_sha256, opened_at, opened_by)
       select id, division, 1, "officialId", name, post, level, 'open', establishments, "listSha256", $2, statement, document, "documentSha256", $3, $4
       from jsonb_to_recordset($1::jsonb) as t(id uuid, division text, "officialId" uuid, name text, post text, level text, establishments jsonb,
         "listSha256" text, statement text, document text, "documentSha256" text)
       returning ${undertakingView}`,
      [JSON.stringify(opened), text.version, tx.now, tx.caller.id],
    );
    for (const one of rows) tx.publish(UndertakingOpened, one, stateOf(one));
    return rows.length;
  } // prettier-ignore

  async one(tx: Tx, id: string, lock = false): Promise<UndertakingView> {
    return oneOf(
      await tx.query<UndertakingView>(
        `select ${undertakingView} from undertaking where id = $1 ${lock ? 'for update' : ''}`,
        [id],
      ),
    );
  }

  /** The official's own signature under the very document he was shown. A repeat gives the same answer and changes nothing. */
  async sign(tx: Tx, id: string, signedName: string, documentSha256: string): Promise<UndertakingView> {
    const undertaking = await this.one(tx, id, true);
    const { state, officialName } = undertaking;
    refuseOutdated(undertaking);
    if (documentSha256 !== undertaking.documentSha256)
      throw new DomainError('document-differs', '请重新阅读承诺书,并提交 GET /undertakings 中该承诺书的 documentSha256(不是文中的名单校验码)。 · Read the document again and send its `documentSha256` as GET /undertakings shows it (not the code of the list that is printed in it).', [
        { pointer: '/documentSha256', rule: 'document-differs', value: documentSha256, remedy: '请用 GET /undertakings 中的 documentSha256 · take documentSha256 from GET /undertakings' },
      ]);
    if (bare(signedName) !== bare(officialName))
      throw new DomainError('validation-failed', '请签本人姓名。 · He signs with his own name.', [
        { pointer: '/signedName', rule: 'ownName', value: signedName, remedy: `请签本人姓名 · sign as ${officialName}` },
      ]);
    if (state === 'signed') return undertaking;
    const signed = oneOf(await tx.query<UndertakingView>(
      `update undertaking set state = 'signed', version = version + 1, signed_at = $2, signed_by = $3, signed_name = $4
       where id = $1 returning ${undertakingView}`,
      [id, tx.now, tx.caller.id, signedName],
    ));
    tx.publish(UndertakingSigned, signed, stateOf(signed));
    return signed;
  } // prettier-ignore

  /** The scan, which replaces the one before it: that row stays. The same bytes again change nothing. */
  async keepCopy(tx: Tx, id: string, { sha256, mime, size }: Pick<UndertakingCopy, 'sha256' | 'mime' | 'size'>): Promise<UndertakingView> {
    const undertaking = await this.one(tx, id, true);
    refuseOutdated(undertaking);
    if (undertaking.copy?.sha256 === sha256) return undertaking;
    await tx.query(
      `insert into undertaking_copy (id, undertaking_id, division, official_id, sha256, mime, size, uploaded_at, uploaded_by)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [uuidv7(), id, undertaking.division, undertaking.officialId, sha256, mime, size, tx.now, tx.caller.id],
    );
    await tx.query(`update undertaking set version = version + 1 where id = $1`, [id]);
    return this.one(tx, id);
  } // prettier-ignore
}

function refuseOutdated({ state }: UndertakingView): void {
  if (state === 'stale' || state === 'superseded')
    throw new DomainError('wrong-state', '包保名单此后已变更,请签署为新名单生成的承诺书。 · The list has changed since: take the undertaking that was opened for the new one.'); // prettier-ignore
}

const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex');

/** As people type a name: full-width letters and spaces between are no other name. */
const bare = (name: string): string => name.normalize('NFKC').replace(/\s/g, '');

function stateOf(one: UndertakingView): Static<typeof UndertakingState> {
  const { state, staleReason } = one;
  if (
    state === 'superseded' ||
    staleReason === 'official-left' ||
    staleReason === 'official-corrected'
  )
    throw new Error('What was superseded, left by somebody or reworded has nothing to tell.');
  return {
    undertakingId: one.id, division: one.division, officialId: one.officialId, officialName: one.officialName, officialPost: one.officialPost,
    officialLevel: one.officialLevel, state, establishments: one.establishmentCount, listSha256: one.listSha256,
    documentSha256: one.documentSha256, openedAt: one.openedAt.toISOString(), signedAt: one.signedAt?.toISOString() ?? null,
    staleAt: one.staleAt?.toISOString() ?? null, staleReason, added: one.staleAdded, removed: one.staleRemoved,
  }; // prettier-ignore
}
