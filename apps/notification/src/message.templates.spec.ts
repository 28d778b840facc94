import { readFileSync } from 'node:fs';
import { Value } from '@sinclair/typebox/value';
import { filled, MessageTemplates } from './message.templates.js';

const bodyWith = (title: string, text?: string): unknown => {
  const words = { title, ...(text === undefined ? {} : { text }) };
  return { kinds: { 'visit-due': { zh: words, en: words } } };
};
const fits = (body: unknown): boolean => Value.Check(MessageTemplates.body, body);

describe('a template', () => {
  it('may name what its kind knows', () => {
    expect(fits(bodyWith('{establishmentName} {dueOn} {period}', '{title}\n{dueOn}'))).toBe(true);
    expect(fits({ kinds: {} })).toBe(true);
  });

  it('is refused at load when it names anything else, in the title or the text', () => {
    for (const wrong of [
      '{officialPhone}',
      '{establishmentname}',
      '{finding}',
      '{',
      '}',
      '{}',
      '{{dueOn}}',
      'two\nlines',
      '',
    ])
      // prettier-ignore
      expect([wrong, fits(bodyWith(wrong))]).toEqual([wrong, false]);
    expect(fits(bodyWith('{title}'))).toBe(false);
    expect(fits(bodyWith('x', '{number}'))).toBe(false);
    expect(fits({ kinds: { 'no-such-kind': { zh: { title: 'x' }, en: { title: 'x' } } } })).toBe(false); // prettier-ignore
    expect(fits({ kinds: { 'visit-due': { zh: { title: 'x' } } } })).toBe(false);
  });

  it('of the sample county fits', () => {
    const { messageTemplates } = JSON.parse(
      readFileSync('apps/platform/sample/policies.json', 'utf8'),
    ) as { messageTemplates: unknown };
    expect([...Value.Errors(MessageTemplates.body, messageTemplates)]).toEqual([]);
  });

  it('is filled once: what a name holds is no placeholder, and no line of its own', () => {
    expect(filled('{a}-{b}', { a: '{b}', b: 'x\r\nBcc: all@example.com' })).toBe(
      '{b}-x Bcc: all@example.com',
    );
    expect(filled('{toString}{a}', { a: null })).toBe('——');
  });
});
