import {
  AssignmentMade, CalendarMissing, CorrectiveActionChanged, CorrectiveActionDue, CorrectiveActionNear, CorrectiveActionOverdue,
  CorrectiveActionVerified, type DataOf, DivisionsListed, type Envelope, InspectionWithdrawn, ObligationOpened, ObligationReassigned, UndertakingOpened,
  UndertakingStale, VisitsReminded,
} from '#contracts'; // prettier-ignore
import { type Tx } from '#database';
import { OnEvent } from '#messaging';
import { keepDivisions } from '#platform';
import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { queueDeliveries, type Told } from './delivery.service.js';
import { wordsOf } from './message.templates.js';

export const messageKinds = [
  'assigned', 'visit-due', 'visits-remaining', 'visits-missed', 'visit-withdrawn', 'correction-due', 'correction-near', 'correction-overdue',
  'correction-answered', 'correction-rejected', 'correction-verified', 'calendar-missing', 'undertaking-due', 'undertaking-stale',
  'undertaking-renewal',
] as const; // prettier-ignore
export type MessageKind = (typeof messageKinds)[number];

/**
 * Every fact that somebody is told of. What is told is a function of the set of facts, not of their order: one message
 * for a kind, a subject and a person, however often and however late a fact arrives, in the words of the newest fact. A
 * message that changes (a deadline that could be set at last) is unread again.
 */
@Injectable()
export class NotificationEvents {
  @OnEvent(DivisionsListed)
  list(event: Envelope<DataOf<typeof DivisionsListed>>, tx: Tx): Promise<void> {
    return keepDivisions(event, tx);
  }

  @OnEvent(AssignmentMade)
  async assigned({ sequence, data }: Envelope<DataOf<typeof AssignmentMade>>, tx: Tx): Promise<void> {
    await tell(tx, 'assigned', data.assignmentId, sequence, data.division, data.officialId, {
      zh: `您已成为“${data.establishmentName}”的包保干部`,
      en: `You answer for ${data.establishmentName}`,
      about: { establishmentId: data.establishmentId, establishmentName: data.establishmentName, tier: data.tier },
    });
  } // prettier-ignore

  @OnEvent(ObligationOpened, ObligationReassigned)
  async visitDue({ sequence, data }: Envelope<DataOf<typeof ObligationOpened>>, tx: Tx): Promise<void> {
    await tell(tx, 'visit-due', data.obligationId, sequence, data.division, data.officialId, {
      zh: `请于${data.dueOn}前督导“${data.establishmentName}”`,
      en: `A visit to ${data.establishmentName} is due by ${data.dueOn}`,
      about: { establishmentId: data.establishmentId, establishmentName: data.establishmentName, period: data.period, dueOn: data.dueOn },
    });
  } // prettier-ignore

  @OnEvent(InspectionWithdrawn)
  async visitWithdrawn({ sequence, data }: Envelope<DataOf<typeof InspectionWithdrawn>>, tx: Tx): Promise<void> {
    const { inspectionId, establishmentId, establishmentName, visitedAt, reason } = data;
    await tell(tx, 'visit-withdrawn', inspectionId, sequence, data.division, data.officialId, {
      zh: `您对“${establishmentName}”的督导记录已被撤回:${reason}`,
      en: `Your visit to ${establishmentName} was withdrawn: ${reason}`,
      about: { establishmentId, establishmentName, visitedAt },
      words: { zh: { reason }, en: { reason } },
    });
  } // prettier-ignore

  @OnEvent(CorrectiveActionDue, CorrectiveActionChanged)
  async correctionDue({ sequence, data }: Envelope<DataOf<typeof CorrectiveActionChanged>>, tx: Tx): Promise<void> {
    if (data.answeredAt !== undefined)
      await tell(tx, 'correction-answered', data.correctiveActionId, sequence, data.division.slice(0, 9), 'office', {
        zh: `“${data.establishmentName}”的整改已反馈,请复查:${data.finding}`,
        en: `The correction at ${data.establishmentName} was answered, please verify: ${data.finding}`,
        about: { establishmentId: data.establishmentId, establishmentName: data.establishmentName, number: data.number, answeredAt: data.answeredAt },
        words: { zh: { finding: data.finding }, en: { finding: data.finding } },
        occasion: data.answeredAt,
      });
    if (data.state !== 'open') return;
    const { establishmentId, establishmentName, number, finding, dueOn, rejectedAt } = data;
    const words = {
      zh: { finding, dueOn: dueOn ?? '待节假日安排公布后确定' },
      en: { finding, dueOn: dueOn ?? 'a day to be set once the calendar is announced' },
    };
    await tell(tx, 'correction-due', data.correctiveActionId, sequence, data.division, data.officialId, {
      zh: `“${establishmentName}”需整改:${finding}(期限${words.zh.dueOn})`,
      en: `${establishmentName} has to correct: ${finding} (by ${words.en.dueOn})`,
      about: { establishmentId, establishmentName, number, dueOn },
      words,
    });
    if (rejectedAt === undefined) return;
    await tell(tx, 'correction-rejected', data.correctiveActionId, sequence, data.division, data.officialId, {
      zh: `“${establishmentName}”的整改经复查未合格,须继续整改:${finding}(期限${words.zh.dueOn})`,
      en: `The correction at ${establishmentName} was looked at and is not done: ${finding} (by ${words.en.dueOn})`,
      about: { establishmentId, establishmentName, number, dueOn, rejectedAt },
      words,
      occasion: rejectedAt,
    });
  } // prettier-ignore

  @OnEvent(CorrectiveActionVerified)
  async correctionVerified({ sequence, data }: Envelope<DataOf<typeof CorrectiveActionVerified>>, tx: Tx): Promise<void> {
    await tell(tx, 'correction-verified', data.correctiveActionId, sequence, data.division, data.officialId, {
      zh: `“${data.establishmentName}”的整改已复查合格:${data.finding}`,
      en: `The correction at ${data.establishmentName} was verified: ${data.finding}`,
      about: { establishmentId: data.establishmentId, establishmentName: data.establishmentName, number: data.number },
      words: { zh: { finding: data.finding }, en: { finding: data.finding } },
    });
  } // prettier-ignore

  @OnEvent(CorrectiveActionNear)
  async correctionNear({ sequence, data }: Envelope<DataOf<typeof CorrectiveActionNear>>, tx: Tx): Promise<void> {
    const { establishmentId, establishmentName, number, finding, dueOn } = data;
    await tell(tx, 'correction-near', data.correctiveActionId, sequence, data.division, data.officialId, {
      zh: `“${establishmentName}”的整改期限将至(${dueOn}),尚无反馈:${finding}`,
      en: `The correction at ${establishmentName} is due by ${dueOn} and is not answered yet: ${finding}`,
      about: { establishmentId, establishmentName, number, dueOn },
      words: { zh: { finding }, en: { finding } },
    });
  } // prettier-ignore

  /** The official, and the office: who of the two is late, the state of the correction says. */
  @OnEvent(CorrectiveActionOverdue)
  async correctionOverdue({ sequence, data }: Envelope<DataOf<typeof CorrectiveActionOverdue>>, tx: Tx): Promise<void> {
    const { establishmentId, establishmentName, number, finding, dueOn, state } = data;
    const what = {
      zh: `“${establishmentName}”的整改已逾期(期限${dueOn}),${state === 'responded' ? '待复查' : '尚无反馈'}:${finding}`,
      en: `The correction at ${establishmentName} is past its day (${dueOn}) and not ${state === 'responded' ? 'verified' : 'answered'}: ${finding}`,
      about: { establishmentId, establishmentName, number, dueOn, state },
      words: { zh: { finding }, en: { finding } },
    };
    await tell(tx, 'correction-overdue', data.correctiveActionId, sequence, data.division, data.officialId, what);
    await tell(tx, 'correction-overdue', data.correctiveActionId, sequence, data.division.slice(0, 9), 'office', what);
  } // prettier-ignore

  @OnEvent(VisitsReminded)
  async visitsReminded({ sequence, data }: Envelope<DataOf<typeof VisitsReminded>>, tx: Tx): Promise<void> {
    const { reminderId, division, officialId, period, dueOn, daysBefore, visits } = data;
    const overdue = daysBefore === 0;
    await tell(tx, overdue ? 'visits-missed' : 'visits-remaining', reminderId, sequence, division, officialId ?? roleAt(division), {
      ...(overdue
        ? { zh: `${period}有${visits}家主体逾期未督导`, en: `Visits of ${period} that were not made: ${visits}` }
        : { zh: `${period}还有${visits}家主体未督导,请于${dueOn}前完成`, en: `Visits of ${period} still to be made by ${dueOn}: ${visits}` }),
      about: { period, dueOn, visits },
    });
  } // prettier-ignore

  @OnEvent(CalendarMissing)
  async calendarMissing({ sequence, subject, data }: Envelope<DataOf<typeof CalendarMissing>>, tx: Tx): Promise<void> {
    await tell(tx, 'calendar-missing', subject, sequence, data.division, 'county-admin', {
      zh: `${data.year}年节假日安排尚未录入,部分期限无法确定`,
      en: `The calendar of ${data.year} is not loaded: some deadlines cannot be set`,
      about: { year: data.year },
    });
  } // prettier-ignore

  @OnEvent(UndertakingOpened)
  async undertakingDue({ sequence, data }: Envelope<DataOf<typeof UndertakingOpened>>, tx: Tx): Promise<void> {
    await tell(tx, 'undertaking-due', data.undertakingId, sequence, data.division, data.officialId, {
      zh: `请签署承诺书(包保主体${data.establishments}户)`,
      en: `Please sign your undertaking (establishments: ${data.establishments})`,
      about: { establishments: data.establishments, documentSha256: data.documentSha256 },
    });
  } // prettier-ignore

  @OnEvent(UndertakingStale)
  async undertakingStale({ sequence, data }: Envelope<DataOf<typeof UndertakingStale>>, tx: Tx): Promise<void> {
    const [added, removed] = [data.added ?? 0, data.removed ?? 0];
    await tell(tx, 'undertaking-stale', data.undertakingId, sequence, data.division, data.officialId, {
      zh: `您的包保名单有变化(增加${added}户,减少${removed}户),原承诺书已失效,请签署新承诺书;尚未生成的,由食安办生成`,
      en: `Your list has changed (${added} more, ${removed} fewer): your undertaking is stale; please sign the new one, which the office makes where there is none yet`,
      about: { added, removed, reason: data.staleReason },
    });
    // An approval opens the next one by itself (ADR 13); officials of the city have no office here.
    const place = data.division.slice(0, 9);
    if (data.staleReason === 'proposal-approved' || place.length < 6) return;
    await tell(tx, 'undertaking-renewal', data.undertakingId, sequence, place, roleAt(place), {
      zh: `${data.officialName}的包保名单有变化,原承诺书已失效,请为其生成新承诺书`,
      en: `The list of ${data.officialName} has changed and the undertaking is stale: please open the new one`,
      about: { officialId: data.officialId, officialName: data.officialName, added, removed },
    });
  } // prettier-ignore
}

/** Who is told of a place as a whole: the office of a township, or the county. */
const roleAt = (division: string): 'office' | 'county-admin' =>
  division.length === 6 ? 'county-admin' : 'office';

/**
 * Writes the message, and what is to be sent of it to those who subscribed, in the transaction of the fact.
 * @param division where it belongs; of a role, the very place of its account
 * @param to an official's id, a role, or null: nobody answers for it yet, so nobody is told
 * @param what the built-in words, used where the county has no template; a template's placeholders are filled from
 *   `about` and `words`; `occasion`: when it happened, of what may happen to one subject again: a message of its own each time
 */
async function tell(
  tx: Tx,
  kind: MessageKind,
  subject: string,
  sequence: number,
  division: string,
  to: string | null,
  what: { zh: string; en: string; about: object; words?: Record<'zh' | 'en', Record<string, string>>; occasion?: string },
): Promise<void> {
  if (to === null) return;
  const official = to === 'county-admin' || to === 'office' ? null : to;
  const words = await wordsOf(tx, kind, division, what, {
    zh: { ...what.about, ...what.words?.zh },
    en: { ...what.about, ...what.words?.en },
  });
  const [told] = await tx.ask<Told & { before: number | null }>(
    'tell',
    `insert into message as m (id, division, version, kind, subject_id, sequence, audience, official_id, title_zh, title_en, about, created_at, template_version, occasion)
     values ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     on conflict on constraint message_once do update
       set sequence = excluded.sequence, division = excluded.division, title_zh = excluded.title_zh, title_en = excluded.title_en, about = excluded.about,
           template_version = excluded.template_version,
           version = m.version + (m.about <> excluded.about)::int,
           read_at = case when m.about = excluded.about then m.read_at end, read_by = case when m.about = excluded.about then m.read_by end
       where m.sequence < excluded.sequence
     returning old.version as before, new.id, new.division, new.version, new.kind, new.subject_id as "subjectId", new.audience,
       new.official_id as "officialId", new.about, new.created_at as "createdAt"`,
    [
      uuidv7(), division, kind, subject, sequence, official ? 'official' : to, official, words.title.zh, words.title.en,
      JSON.stringify(what.about), tx.now, words.templateVersion, what.occasion ?? null,
    ],
  );
  if (told && told.before !== told.version) await queueDeliveries(tx, told, words);
} // prettier-ignore
