import { isUscc, normaliseUscc } from './uscc.js';

describe('the unified social credit code', () => {
  it.each(['91350100M000100Y43', '91371425MA3CM4AM88'])('accepts %s', (code) => {
    expect(isUscc(code)).toBe(true);
  });
  it.each([
    '91350100M000100Y4Z',
    '91350100M000100Y4',
    '91350100M000100Y431',
    '9135O100M000100Y43',
    '',
  ])('refuses %p', (code) => {
    expect(isUscc(code)).toBe(false);
  });
  it.each(['91350100m000100y43', '９１３５０１００Ｍ０００１００Ｙ４３'])(
    'normalises %s',
    (code) => {
      expect(normaliseUscc(code)).toBe('91350100M000100Y43');
    },
  );
});
