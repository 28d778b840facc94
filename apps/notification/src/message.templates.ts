import { type Tx } from '#database';
import { definePolicy, policyIfAny } from '#platform';
import { type TObject, type TString, Type } from '@sinclair/typebox';
import { type MessageKind } from './notification.events.js';

export const languages = ['zh', 'en'] as const;
export type Language = (typeof languages)[number];

/** What a county's own words may name, by kind of message; `title` is the message's title, for the text of a mail. */
export const placeholders: Record<MessageKind, readonly string[]> = {
  assigned: ['establishmentName', 'tier'],
  'visit-due': ['establishmentName', 'period', 'dueOn'],
  'visits-remaining': ['period', 'dueOn', 'visits'],
  'visits-missed': ['period', 'dueOn', 'visits'],
  'visit-withdrawn': ['establishmentName', 'reason'],
  'correction-due': ['establishmentName', 'number', 'finding', 'dueOn'],
  'correction-near': ['establishmentName', 'number', 'finding', 'dueOn'],
  'correction-overdue': ['establishmentName', 'number', 'finding', 'dueOn'],
  'correction-answered': ['establishmentName', 'number', 'finding'],
  'correction-rejected': ['establishmentName', 'number', 'finding', 'dueOn'],
  'correction-verified': ['establishmentName', 'number', 'finding'],
  'calendar-missing': ['year'],
  'undertaking-due': ['establishments'],
  'undertaking-stale': ['added', 'removed'],
  'undertaking-renewal': ['officialName', 'added', 'removed'],
};

/** Words with `{names}` from the list alone, so that a misspelt one is refused when it is loaded and not when it is sent. */
const words = (names: readonly string[], more: string, maxLength: number): TString =>
  Type.String({ description: `${maxLength} 字以内的文字,花括号内只能是 ${names.join('、')} · a text of at most ${maxLength} characters with no names in braces but ${names.join(', ')}`, minLength: 1, maxLength, pattern: `^(?:[^{}\\u0000-\\u001f\\u007f${more}]|\\{(?:${names.join('|')})\\})+$` }); // prettier-ignore
const ofKind = (names: readonly string[]): TObject =>
  Type.Object(
    Object.fromEntries(
      languages.map((language) => [
        language,
        Type.Object(
          {
            title: words(names, '', 200),
            text: Type.Optional(Type.String({ minLength: 1, maxLength: 4000, pattern: `^(?:[^{}\\u0000-\\u0009\\u000b-\\u001f\\u007f]|\\{(?:${[...names, 'title'].join('|')})\\})+$` })),
          },
          { additionalProperties: false },
        ),
      ]),
    ),
    { additionalProperties: false },
  ); // prettier-ignore

/** How a county words its messages. A kind that is not in it keeps the built-in words. */
export const MessageTemplates = definePolicy(
  'message-templates',
  Type.Object({
    kinds: Type.Object(
      Object.fromEntries(
        Object.entries(placeholders).map(([kind, names]) => [kind, Type.Optional(ofKind(names))]),
      ),
      { additionalProperties: false },
    ),
  }),
);

type Template = Record<Language, { title: string; text?: string }>;

/** The words of one message in both languages, as they will stay. */
export interface Words {
  title: Record<Language, string>;
  /** What a mail says; the title alone where no template has more. */
  text: Record<Language, string>;
  /** Of the county's templates; null: built-in words. */
  templateVersion: number | null;
}

/** Fills the county's template of the kind, or takes the built-in words. */
export async function wordsOf(
  tx: Tx,
  kind: MessageKind,
  division: string,
  builtIn: Record<Language, string>,
  values: Record<Language, Record<string, unknown>>,
): Promise<Words> {
  const policy = await policyIfAny(tx, MessageTemplates, division);
  const template = (policy?.body.kinds as Partial<Record<MessageKind, Template>> | undefined)?.[kind]; // prettier-ignore
  const title = {} as Words['title'];
  const text = {} as Words['text'];
  for (const language of languages) {
    const own = template?.[language];
    title[language] = oneLine(own ? filled(own.title, values[language]) : builtIn[language]);
    text[language] = own?.text
      ? filled(own.text, { ...values[language], title: title[language] })
      : title[language];
  }
  return { title, text, templateVersion: template ? (policy?.version ?? null) : null };
}

/** Once, from left to right: what a value holds is never read as a placeholder. */
export function filled(template: string, values: Record<string, unknown>): string {
  return template.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    return typeof value === 'string' || typeof value === 'number' ? oneLine(String(value)) : '—';
  });
}

/** A name with a line break in it would be a header of its own in a mail. */
const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
