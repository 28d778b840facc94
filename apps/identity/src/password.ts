import { argon2, randomBytes, randomInt, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const deriveScrypt = promisify<string, Buffer, number, Buffer>(scrypt);

/** Argon2id as OWASP states it for interactive sign-in: 19 MiB, two passes, one lane. */
const cost = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;
const prefix = `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$`;

/** The same text whether a keyboard writes full width, or composes its letters one way or the other. */
const normal = (password: string): string => password.normalize('NFKC');

function deriveArgon2(password: string, nonce: Buffer): Promise<Buffer> {
  return new Promise((done, failed) =>
    argon2('argon2id', { message: normal(password), nonce, ...cost }, (error, key) =>
      error ? failed(error) : done(key),
    ),
  );
}

/** `$argon2id$v=19$m=…,t=…,p=…$<salt>$<hash>`: the parameters stand with the hash. */
export async function hashOfPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await deriveArgon2(password, salt);
  return `${prefix}${salt.toString('base64url')}$${key.toString('base64url')}`;
}

/** Hashes of before, `<salt>.<scrypt>`: still good, and replaced at the next sign-in. */
export const isOld = (hash: string): boolean => !hash.startsWith(prefix);

/**
 * Compares in the same time whatever is stored, also nothing. While there are old hashes both kinds are derived for
 * every name, so that nobody learns from the time which kind a name has, or whether there is one.
 */
export async function isPassword(
  password: string,
  stored: string | undefined,
  withOld: boolean,
): Promise<boolean> {
  const [salt = '', key = ''] = stored && !isOld(stored) ? stored.slice(prefix.length).split('$') : []; // prettier-ignore
  const [oldSalt = '', oldKey = ''] = stored && isOld(stored) ? stored.split('.') : [];
  const nothing = 'A'.repeat(22);
  const [given, oldGiven] = await Promise.all([
    deriveArgon2(password, Buffer.from(salt || nothing, 'base64url')),
    withOld ? deriveScrypt(password, Buffer.from(oldSalt || nothing, 'base64url'), 32) : undefined,
  ]);
  const same = (one: Buffer, other: string): boolean => {
    const kept = Buffer.from(other, 'base64url');
    return kept.length === one.length && timingSafeEqual(one, kept);
  };
  return same(given, key) || (oldGiven !== undefined && same(oldGiven, oldKey));
}

const rows = [
  'qwertyuiopasdfghjklzxcvbnm',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm',
  'qazwsxedcrfvtgbyhnujm',
];
const words =
  'password|passwort|passw0rd|p@ssw0rd|p@ssword|mima|woaini|wodemima|admin|administrator|root|user|test|guest|welcome|letmein|iloveyou|default|secret|changeme|hello|system|foodwarden|shipin|shian|anquan|xianshian|baobao|ganbu|qwerty|asdf|zxcv|abc|aaa|china|zhongguo|dezhou|qihe|jan|feb|spring|summer|autumn|winter';

/** Patterns in place of a list: whatever of the commonest passwords has twelve characters has one of these forms. */
function isCommon(password: string): boolean {
  const text = password.toLowerCase();
  const bare = text.replace(/[^\p{L}\p{N}]/gu, '');
  const steps = [...bare].slice(1).map((one, at) => (one.codePointAt(0) ?? 0) - (bare.codePointAt(at) ?? 0)); // prettier-ignore
  const runs = steps.filter((step) => Math.abs(step) <= 1).length;
  return (
    new Set(text).size < 5 ||
    /^(.{1,6})\1+.{0,3}$/su.test(text) || // abcabcabcabc
    (steps.length > 0 && runs / steps.length > 0.8) || // 1234567890123, abcdefghijkl
    rows.some(
      (row) => bare.length >= 4 && `${row}${row}`.includes(bare.replace(/\d+$/, '') || bare),
    ) || // prettier-ignore
    new RegExp(`^[\\d\\W_]*(?:(?:${words})[\\d\\W_]*)+$`, 'u').test(text) // admin-password-1234
  );
}

export const passwordRules = {
  short: '密码至少 12 个字符 · at least 12 characters',
  long: '密码过长(最多 200 字节)· at most 200 bytes',
  name: '密码除账号名外须另有至少 6 个字符 · besides the account’s own name, at least 6 other characters',
  common: '密码过于常见,请换一个 · too common: take another',
} as const;
export type PasswordRule = keyof typeof passwordRules;

/** The first rule that a password of one's own breaks; undefined when it is good. */
export function brokenRule(password: string, name: string): PasswordRule | undefined {
  const text = normal(password);
  if (Buffer.byteLength(text) > 200) return 'long';
  if ([...text].length < 12) return 'short';
  const [lower, own] = [text.toLowerCase(), normal(name).toLowerCase()];
  // The name with a year or a mark behind it is still the name.
  if (own !== '' && lower.replaceAll(own, '').length < 6 && lower.includes(own)) return 'name';
  return isCommon(text) ? 'common' : undefined;
}

const letters = 'abcdefghjkmnpqrstuvwxyz23456789'; // without those that are mistaken for one another

/** Sixteen random letters in groups of four, about 79 bits: a one-time password, a recovery code. */
export function onceWord(): string {
  const groups = Array.from({ length: 4 }, () =>
    Array.from({ length: 4 }, () => letters[randomInt(letters.length)]).join(''),
  );
  return groups.join('-');
}
