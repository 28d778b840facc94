import {
  AssignmentEnded,
  AssignmentMade,
  type AssignmentState,
  type Level,
  levelOfTier,
  type Tier,
} from '#contracts';
import { type Tx } from '#database';
import { checkDivision, DomainError, type FieldError, oneOf, policyOf } from '#platform';
import { Injectable } from '@nestjs/common';
import { type Static } from '@sinclair/typebox';
import { v7 as uuidv7 } from 'uuid';
import { AssignmentCap, Induction } from './assignment.policies.js';
import { type Basis, type Candidate, type Choice, type Due, propose } from './propose.js';
import { UndertakingService } from './undertaking.service.js';

const tiersOfLevel: [Level, Tier][] = [['city', 'A'], ['county', 'B'], ['township', 'C'], ['village', 'D']]; // prettier-ignore
/** How much of a village's code names the pool of officials that may answer for it. */
const poolDigits: Record<Level, number> = { city: 4, county: 6, township: 9, village: 9 };

/** Whom each tier takes, in words. */
const takes: Record<Tier, [zh: string, en: string]> = {
  A: ['市级干部', 'an official of the city'],
  B: ['县级干部', 'an official of the county'],
  C: ['本乡镇的乡级干部', 'an official of its township'],
  D: ['本乡镇的村级干部', 'an official of a village of its township'],
};

/** What a person chose: this official for this establishment. */
export interface Chosen {
  establishment: string;
  official: string;
}

export interface ProposalCounts {
  establishments: number;
  assigned: number;
  kept: number;
  moved: number;
  noOfficialAtLevel: number;
  capReached: number;
  untrained: number;
  /** Approval only: what had changed meanwhile and was left alone. */
  skipped: number;
}

/** `overtaken` is kept, not derived: an office does not see the county's proposal that was approved over its own. */
export const proposalStates = ['open', 'approved', 'rejected', 'overtaken'] as const;

export interface ProposalView {
  id: string;
  division: string;
  version: number;
  state: (typeof proposalStates)[number];
  counts: ProposalCounts;
  proposedBy: string;
  proposedAt: Date;
  approvedBy: string | null;
  approvedAt: Date | null;
  rejectedBy: string | null;
  rejectedAt: Date | null;
  reason: string | null;
  catchingUp: boolean | null;
}

interface Premises extends Due {
  tier: Tier;
  name: string;
}

interface Line {
  division: string;
  establishmentId: string;
  tier: Tier;
  officialId: string | null;
  officialName: string | null;
  basis: Basis;
  warning: string | null;
}

interface OfficialRow extends Candidate {
  level: Level;
  name: string;
  post: string;
  qualified: boolean;
}

interface AssignmentRow {
  id: string;
  division: string;
  version: number;
  establishment_id: string;
  establishment_name: string;
  premises_sequence: number;
  tier: Tier;
  official_id: string;
  official_name: string;
  official_post: string;
  official_level: Level;
  warning: string | null;
  made_at: Date;
  ended_at: Date | null;
  end_reason: string | null;
}

export const proposalView = `id, division, version, state, counts, proposed_by as "proposedBy", proposed_at as "proposedAt",
  approved_by as "approvedBy", approved_at as "approvedAt", rejected_by as "rejectedBy", rejected_at as "rejectedAt", reason,
  catching_up as "catchingUp"`;

/** Who answers for what: proposed by rule, approved by a person, ended with the establishment. */
@Injectable()
export class AssignmentService {
  constructor(private readonly undertakings: UndertakingService) {}

  /**
   * For each open establishment of the place an official of its level. An office proposes what its own township answers
   * for (C and D); the county proposes all.
   * @param choices taken as they are, or all refused; beside them whoever has a fitting official keeps him, and only the
   *   rest is proposed by rule
   * @throws DomainError `choices-refused` with a pointer to each choice that cannot be, and why
   */
  async propose(tx: Tx, division: string, catchingUp: boolean | null, choices: Chosen[] = []): Promise<ProposalView> {
    await checkDivision(tx, division);
    const induction = await policyOf(tx, Induction, division);
    const { body } = await policyOf(tx, AssignmentCap, division);
    const officials = await tx.query<OfficialRow>(
      `select id, division, level, name, post, qualified_at is not null as qualified from official where active order by division, id`,
    );
    const byId = new Map(officials.map((one) => [one.id, one]));
    const premises = await tx.query<Premises>(
      `select p.establishment_id as id, p.division, p.tier, p.name, a.official_id as current
       from premises p left join assignment a on a.establishment_id = p.establishment_id and a.ended_at is null
       where p.status = 'open' and p.division >= $1 and p.division < $2
       order by p.division, p.establishment_id`,
      [division, `${division}:`],
    );
    const loads = await tx.query<{ official: string; count: number }>(
      `select official_id as official, count(*)::int as count from assignment
       where ended_at is null and not (division >= $1 and division < $2) group by official_id`,
      [division, `${division}:`],
    );
    const { chosen, refused } = await this.chosen(tx, division, choices);
    const lines: Line[] = [];
    for (const [level, tier] of tiersOfLevel) {
      const digits = poolDigits[level];
      if (digits < 9 && tx.caller.division.length > 6) continue; // an office does not propose for the county's officials
      const cap = body.caps.find((one) => one.level === level)?.establishments ?? Infinity;
      const pools = new Map<string, Premises[]>();
      for (const one of premises.filter((due) => due.tier === tier)) {
        const place = one.division.slice(0, digits);
        pools.set(place, [...(pools.get(place) ?? []), one]);
      }
      for (const [place, due] of pools) {
        const candidates = officials.filter((one) => serves(one, level, place));
        const of = new Set(candidates.map(({ id }) => id));
        const elsewhere = new Map(loads.filter(({ official }) => of.has(official)).map(({ official, count }) => [official, count]));
        const fitting = due.map((one) => ({ ...one, current: one.current && of.has(one.current) ? one.current : null }));
        const fixed = new Map<string, Choice>();
        for (const { id, current } of fitting) {
          const official = chosen.get(id)?.official ?? (choices.length > 0 ? current : null);
          if (!official) continue;
          fixed.set(id, { official, basis: chosen.has(id) ? 'chosen' : 'kept' });
          elsewhere.set(official, (elsewhere.get(official) ?? 0) + 1);
        }
        const currents = new Map(fitting.map(({ id, current }) => [id, current]));
        for (const [id, choice] of chosen) { // in the order of the list
          const load = elsewhere.get(choice.official) ?? 0;
          if (currents.has(id) && choice.official !== currents.get(id) && load > cap)
            refused.push({
              pointer: `/choices/${choice.at}/official`, rule: 'cap-reached', value: choice.official,
              remedy: `该干部将包保 ${load} 户,上限 ${cap} 户,请另选 · this official would answer for ${load}, the cap is ${cap}: choose another`,
            });
        }
        const proposed = propose(level, candidates, fitting.filter(({ id }) => !fixed.has(id)), cap, elsewhere);
        for (const one of due) {
          const choice = fixed.get(one.id) ?? proposed.get(one.id);
          const official = choice?.official ? byId.get(choice.official) : undefined;
          lines.push({
            division: one.division, establishmentId: one.id, tier,
            officialId: official?.id ?? null, officialName: official?.name ?? null, basis: choice?.basis ?? 'cap-reached',
            warning: official && !official.qualified && induction.body.warnAtAssignment ? 'official-untrained' : null,
          });
        }
      }
    }
    if (refused.length > 0)
      throw new DomainError('choices-refused', '请改正 errors 中列出的各项指定。 · Mend the choices named in errors.', refused.slice(0, 50));
    const current = new Map(premises.map(({ id, current: official }) => [id, official]));
    const counts: ProposalCounts = {
      establishments: lines.length,
      assigned: lines.filter(({ officialId }) => officialId).length,
      kept: lines.filter(({ officialId, establishmentId }) => officialId && current.get(establishmentId) === officialId).length,
      moved: lines.filter(({ officialId, establishmentId }) => officialId && current.get(establishmentId) && current.get(establishmentId) !== officialId).length,
      noOfficialAtLevel: lines.filter(({ basis }) => basis === 'no-official-at-level').length,
      capReached: lines.filter(({ basis }) => basis === 'cap-reached').length,
      untrained: lines.filter(({ warning }) => warning).length,
      skipped: 0,
    };
    const id = uuidv7();
    await tx.query(
      `insert into proposal (id, division, version, state, counts, proposed_by, proposed_at, catching_up) values ($1, $2, 1, 'open', $3, $4, $5, $6)`,
      [id, division, JSON.stringify(counts), tx.caller.id, tx.now, catchingUp],
    );
    await tx.query(
      `insert into proposal_line (proposal_id, division, establishment_id, tier, official_id, official_name, basis, warning)
       select $1, division, "establishmentId", tier, "officialId", "officialName", basis, warning from jsonb_to_recordset($2::jsonb)
         as t(division text, "establishmentId" uuid, tier text, "officialId" uuid, "officialName" text, basis text, warning text)`,
      [id, JSON.stringify(lines)],
    );
    return this.one(tx, id);
  } // prettier-ignore

  /**
   * Each choice looked at by itself: an open establishment of the place, an active official who may answer for its tier.
   * What is another's is told as what is not there.
   * @returns the choices that can be, by establishment, with their place in the list; and why the others cannot
   */
  private async chosen(tx: Tx, division: string, choices: Chosen[]): Promise<{ chosen: Map<string, { official: string; at: number }>; refused: FieldError[] }> {
    const premises = new Map(
      (await tx.query<{ id: string; division: string; tier: Tier; status: string }>(
        `select establishment_id as id, division, tier, status from premises
         where establishment_id = any($1) and division >= $2 and division < $3`,
        [choices.map(({ establishment }) => establishment), division, `${division}:`],
      )).map((one) => [one.id, one]),
    );
    // A township knows of the county's officials, and has not to learn who they are.
    const officials = new Map(
      (await tx.query<Candidate & { level: Level; active: boolean }>(
        `select id, division, level, active from official where id = any($1) and division >= app_lo() and division < app_hi()`,
        [choices.map(({ official }) => official)],
      )).map((one) => [one.id, one]),
    );
    const chosen = new Map<string, { official: string; at: number }>();
    const refused = choices.flatMap((choice, at): FieldError[] => {
      const refusal = (field: keyof Chosen, rule: string, remedy: FieldError['remedy']): FieldError[] =>
        [{ pointer: `/choices/${at}/${field}`, rule, value: choice[field], remedy }];
      const of = premises.get(choice.establishment.toLowerCase());
      const by = officials.get(choice.official.toLowerCase());
      if (!of) return refusal('establishment', 'establishment-unknown', `${division} 没有这个主体,请核对;刚登记的请稍后再试 · ${division} has no such establishment: check it; one that was just registered is known here in a moment`);
      if (of.status !== 'open') return refusal('establishment', 'establishment-closed', '该主体已停业或关闭,请去掉 · it is suspended or closed: take it out');
      if (chosen.has(of.id)) return refusal('establishment', 'repeated', '同一主体只能指定一次 · choose once for one establishment');
      const level = levelOfTier[of.tier];
      if (poolDigits[level] < 9 && tx.caller.division.length > 6)
        return refusal('establishment', 'tier-of-county', `${of.tier} 级由县级管理员生成方案 · tier ${of.tier} is proposed by the county`);
      if (!by) return refusal('official', 'official-unknown', '没有这位包保干部,请核对 · there is no such official: check it');
      if (!by.active) return refusal('official', 'official-left', '该干部已离任,请另选 · this official has left: choose another');
      const [zh, en] = takes[of.tier];
      if (!serves(by, level, of.division.slice(0, poolDigits[level])))
        return refusal('official', 'official-unfit', `${of.tier} 级须由${zh}包保,请另选 · tier ${of.tier} takes ${en}: choose another`);
      chosen.set(of.id, { official: by.id, at });
      return [];
    });
    return { chosen, refused };
  } // prettier-ignore

  async one(tx: Tx, id: string, lock = false): Promise<ProposalView> {
    return oneOf(
      await tx.query<ProposalView>(
        `select ${proposalView} from proposal where id = $1 ${lock ? 'for update' : ''}`,
        [id],
      ),
    );
  }

  /** Puts a proposal into force. Nobody approves his own; a repeat gives the same answer and changes nothing. */
  async approve(tx: Tx, id: string): Promise<ProposalView> {
    await tx.query(`select pg_advisory_xact_lock(7031, $1::int)`, [Number(tx.caller.division.slice(0, 6))]); // prettier-ignore
    const proposal = await this.one(tx, id, true);
    if (proposal.proposedBy === tx.caller.id)
      throw new DomainError(
        'own-act',
        '您提出的方案须由另一位县管理员批准。 · Another county admin approves what you proposed.',
      );
    if (proposal.state === 'approved') return proposal;
    if (proposal.state === 'rejected')
      throw new DomainError(
        'wrong-state',
        '方案已被退回,请重新生成方案。 · It was rejected: propose again.',
      );
    const [newer] = await tx.query<{ id: string }>(
      `select id from proposal where state = 'approved' and approved_at > $2 and (starts_with(division, $1) or starts_with($1, division)) limit 1`,
      [proposal.division, proposal.proposedAt],
    );
    if (newer)
      throw new DomainError('wrong-state', `此后该辖区已批准方案 ${newer.id},原有的分配数量已不适用,请重新生成方案。 · Proposal ${newer.id} was approved for this ground since, and shares and caps are no longer what this one counted with: propose again.`); // prettier-ignore
    // Whoever closes or retiers one of these waits for us, and then finds the assignment.
    const wanted = await tx.query<Line & { name: string; sequence: number; fits: boolean; current: string | null; official: OfficialRow | null }>(
      `select l.division, l.establishment_id as "establishmentId", l.tier, l.official_id as "officialId", l.warning, p.name, p.sequence,
              p.status = 'open' and p.tier = l.tier and p.division = l.division as fits
       from proposal_line l join premises p on p.establishment_id = l.establishment_id
       where l.proposal_id = $1 and l.official_id is not null order by l.division, l.establishment_id for share of p`,
      [id],
    ); // prettier-ignore
    const officials = new Map(
      (await tx.query<OfficialRow>(`select id, division, level, name, post, qualified_at is not null as qualified from official where active`))
        .map((one) => [one.id, one]),
    ); // prettier-ignore
    const current = new Map(
      (await tx.query<AssignmentRow>(`select * from assignment where ended_at is null and establishment_id = any($1) for update`, [wanted.map(({ establishmentId }) => establishmentId)]))
        .map((one) => [one.establishment_id, one]),
    ); // prettier-ignore
    let skipped = 0;
    const ended: AssignmentRow[] = [];
    const made: AssignmentRow[] = [];
    for (const line of wanted) {
      const official = officials.get(line.officialId ?? '');
      const before = current.get(line.establishmentId);
      if (!line.fits || !official) {
        skipped += 1;
        continue;
      }
      if (before?.official_id === official.id && before.tier === line.tier) continue;
      if (before)
        ended.push({ ...before, version: before.version + 1, ended_at: tx.now, end_reason: 'reassigned' }); // prettier-ignore
      made.push({
        id: uuidv7(), division: line.division, version: 1, establishment_id: line.establishmentId, establishment_name: line.name, premises_sequence: line.sequence,
        tier: line.tier, official_id: official.id, official_name: official.name, official_post: official.post,
        official_level: levelOfTier[line.tier], warning: line.warning, made_at: tx.now, ended_at: null, end_reason: null,
      }); // prettier-ignore
    }
    if (skipped > 0 && skipped === wanted.length)
      throw new DomainError('wrong-state', `方案中的 ${skipped} 户在生成后均已变更,没有可批准的内容,请重新生成方案。 · All ${skipped} establishments of it have changed since it was made: nothing is left to approve, propose again.`); // prettier-ignore
    await tx.query(
      `update assignment a set version = t.version, ended_at = t.ended_at, end_reason = t.end_reason
       from jsonb_to_recordset($1::jsonb) as t(id uuid, version int, ended_at timestamptz, end_reason text) where a.id = t.id`,
      [JSON.stringify(ended)],
    );
    await tx.query(
      `insert into assignment (id, division, version, establishment_id, establishment_name, premises_sequence, tier, official_id, official_name,
                               official_post, official_level, warning, proposal_id, made_by, made_at)
       select id, division, version, establishment_id, establishment_name, premises_sequence, tier, official_id, official_name,
              official_post, official_level, warning, $2, $3, $4
       from jsonb_to_recordset($1::jsonb) as t(id uuid, division text, version int, establishment_id uuid, establishment_name text, premises_sequence int, tier text,
         official_id uuid, official_name text, official_post text, official_level text, warning text)`,
      [JSON.stringify(made), id, tx.caller.id, tx.now],
    );
    for (const one of ended) tx.publish(AssignmentEnded, one, stateOf(one));
    for (const one of made) tx.publish(AssignmentMade, one, stateOf(one));
    await this.undertakings.renew(tx, [
      ...new Set([...ended, ...made].map((one) => one.official_id)),
    ]);
    await tx.query(
      `update proposal set state = 'approved', version = version + 1, approved_by = $2, approved_at = $3, counts = counts || $4 where id = $1`,
      [id, tx.caller.id, tx.now, JSON.stringify({ skipped })],
    );
    await tx.query(
      `update proposal set state = 'overtaken', version = version + 1
       where state = 'open' and (starts_with(division, $1) or starts_with($1, division))`,
      [proposal.division],
    );
    return this.one(tx, id);
  }

  /** Ends a proposal that will not do, with the reason; a repeat gives the same answer and changes nothing. */
  async reject(tx: Tx, id: string, reason: string): Promise<ProposalView> {
    const { state } = await this.one(tx, id, true);
    if (state === 'approved' || state === 'overtaken')
      throw new DomainError('wrong-state', `状态为 ${state} 的方案不能退回,只有待批准(open)的可以。 · A proposal that is ${state} is not rejected: only one that is open.`); // prettier-ignore
    if (state === 'open')
      await tx.query(
        `update proposal set state = 'rejected', version = version + 1, rejected_by = $2, rejected_at = $3, reason = $4 where id = $1`,
        [id, tx.caller.id, tx.now, reason],
      );
    return this.one(tx, id);
  }

  /** Nobody answers for it any more since that state of it. @param left not whoever answered for it in this township */
  async end(
    tx: Tx,
    establishmentId: string,
    sequence: number,
    reason: 'establishment-closed' | 'establishment-moved',
    left: string | null,
  ): Promise<void> {
    const [ended] = await tx.ask<AssignmentRow>(
      'end assignment',
      `update assignment set version = version + 1, ended_at = $2, end_reason = $3
       where establishment_id = $1 and ended_at is null and premises_sequence < $4 and left(division, 9) is distinct from $5 returning *`,
      [establishmentId, tx.now, reason, sequence, left],
    );
    if (!ended) return;
    tx.publish(AssignmentEnded, ended, stateOf(ended));
    await this.undertakings.follow(tx, [ended.official_id], reason);
  }

  /** The official has left: nobody answers for what was his. */
  async release(tx: Tx, officialId: string): Promise<void> {
    const ended = await tx.query<AssignmentRow>(
      `update assignment set version = version + 1, ended_at = $2, end_reason = 'official-left'
       where official_id = $1 and ended_at is null returning *`,
      [officialId, tx.now],
    );
    for (const one of ended) tx.publish(AssignmentEnded, one, stateOf(one));
  }
}

/** Whether an official may answer for what asks for this level there: a village's official for the whole of his township. */
const serves = (official: Candidate & { level: Level }, level: Level, place: string): boolean =>
  official.level === level &&
  (level === 'village' ? official.division.startsWith(place) : official.division === place);

function stateOf(one: AssignmentRow): Static<typeof AssignmentState> {
  return {
    assignmentId: one.id, division: one.division, establishmentId: one.establishment_id, tier: one.tier,
    officialId: one.official_id, officialName: one.official_name, officialPost: one.official_post,
    officialLevel: one.official_level, establishmentName: one.establishment_name,
    madeAt: new Date(one.made_at).toISOString(), endedAt: one.ended_at && new Date(one.ended_at).toISOString(), endReason: one.end_reason,
  }; // prettier-ignore
}
