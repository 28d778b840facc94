import { publicKeyOf } from '#messaging';

/**
 * The passwords a deploy step needs. Only characters that stand in a URL as they are: a password is part of DATABASE_URL.
 * @throws Error that names every one that is missing or wrong, in one sentence, and never its value.
 */
export function passwordsFrom(env: NodeJS.ProcessEnv, names: string[]): (name: string) => string {
  const wrong = names.filter((name) => !/^[\w-]{16,}$/.test(env[name] ?? ''));
  if (wrong.length > 0)
    throw new Error(
      `Set ${wrong.join(', ')}: 16 or more letters, digits, - and _ (openssl rand -hex 24).`,
    );
  return (name) => env[name] ?? '';
}

/**
 * The public keys of the NATS users whose seeds stand in the environment.
 * @throws Error that names every seed that is missing, wrong or another's, in one sentence, and never its value.
 */
export function publicKeysFrom(env: NodeJS.ProcessEnv, names: string[]): (name: string) => string {
  const keys = new Map<string, string>();
  const wrong = names.filter((name) => {
    const key = publicKeyOf(env[name] ?? '');
    if (!key?.startsWith('U') || [...keys.values()].includes(key)) return true;
    keys.set(name, key);
    return false;
  });
  if (wrong.length > 0)
    throw new Error(
      `Set ${wrong.join(', ')}: a seed SU… of its own each, as secrets.js makes them.`,
    );
  return (name) => keys.get(name) ?? '';
}
