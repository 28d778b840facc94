import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { roles } from '#contracts';
import { Database } from '#database';
import { FormatRegistry, type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { validate as isUuid } from 'uuid';
import { AccountService } from './account.service.js';
import { brokenRule, passwordRules } from './password.js';

if (!FormatRegistry.Has('uuid')) FormatRegistry.Set('uuid', isUuid);

const AccountFile = Type.Object(
  {
    id: Type.Optional(Type.String({ format: 'uuid' })),
    name: Type.String({ minLength: 1, maxLength: 100, pattern: '^[^\\x00-\\x20\\x7f]+$' }),
    displayName: Type.String({ minLength: 1, maxLength: 200 }),
    role: Type.Union(roles.map((role) => Type.Literal(role))),
    division: Type.String({ pattern: '^([0-9]{6}|[0-9]{9}|[0-9]{12})$' }),
    official: Type.Optional(Type.String({ format: 'uuid' })),
    password: Type.String({ minLength: 12, maxLength: 200 }),
    clientSecret: Type.Optional(Type.String({ minLength: 32, maxLength: 200 })),
  },
  { additionalProperties: false },
);

/**
 * Deploy step: one account, or a list of them, all or none, from a file or, without one, from standard input; the same id
 * renews it. The secrets come no other way and go nowhere but into their hashes. @returns what was done, to be told
 */
export async function addAccountStep(url: string, file: string | undefined): Promise<string> {
  const accounts = parse(file && file !== '-' ? await readFile(file, 'utf8') : await text(process.stdin));
  const database = new Database({ service: 'identity', url, entities: [], poolSize: 1 });
  await database.open();
  const service = new AccountService();
  const lines: string[] = [];
  let now = '';
  try {
    // Everywhere: an account that moves is seen wherever it was.
    await database.everywhere('deploy step add-account', async (tx) => {
      for (const { id = randomUUID(), ...account } of accounts) {
        now = account.name;
        const done = await service.put(tx, { ...account, id });
        lines.push(`account ${account.name} of ${account.division} ${done}, id ${id}`);
      }
    });
    return lines.join('\n');
  } catch (error) {
    if ((error as { constraint?: string }).constraint === 'account_name_key')
      throw new Error(`Another account has the name ${now}: give its id to renew it.`, { cause: error });
    throw error;
  } finally {
    await database.close();
  }
} // prettier-ignore

/** Deploy step: who lost his password or telephone and has no other admin to ask. @returns what was done, to be told once */
export async function resetAccountStep(url: string, name: string | undefined): Promise<string> {
  if (!name) throw new Error('Give reset-account <name>.');
  const database = new Database({ service: 'identity', url, entities: [], poolSize: 1 });
  await database.open();
  try {
    const { word } = await database.everywhere('deploy step reset-account', (tx) =>
      new AccountService().rescue(tx, name),
    );
    return `account ${name} has the one-time password ${word}, good for 24 hours, and no second factor`;
  } finally {
    await database.close();
  }
}

/** @throws Error that names the fields that are wrong, and no value. */
function parse(words: string): Static<typeof AccountFile>[] {
  let given: unknown;
  try {
    given = JSON.parse(words);
  } catch {
    throw new Error('The account is no JSON.'); // the parser's own words would quote the secrets
  }
  const list: unknown[] = Array.isArray(given) ? given : [given];
  return list.map((one, at) => checked(one, Array.isArray(given) ? `Account ${at + 1}` : 'The account'));
} // prettier-ignore

function checked(value: unknown, which: string): Static<typeof AccountFile> {
  const wrong = [
    ...new Set([...Value.Errors(AccountFile, value)].map((one) => one.path.slice(1) || 'account')),
  ];
  if (wrong.length > 0 || !Value.Check(AccountFile, value))
    throw new Error(
      `${which} is not right in: ${wrong.join(', ')} (password 12 characters or more, clientSecret 32).`,
    );
  const rule = brokenRule(value.password, value.name);
  if (rule) throw new Error(`${which} is not right in: password (${passwordRules[rule]}).`);
  if (value.role === 'official' && !value.official)
    throw new Error(`${which} is not right in: official (an official’s id is needed).`);
  return value;
}
