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
