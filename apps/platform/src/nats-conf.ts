import { publishers } from '#contracts';
import { rightsOf } from '#messaging';
import { passwordsFrom } from './deploy.secrets.js';

/** The services with a NATS user. */
export const natsServices = publishers;

/**
 * The authorization block of nats.conf, from the same `rightsOf` that the tests and npm start use, so that the rights of
 * production never drift from them. Passwords from `<SERVICE>_NATS_PASSWORD` and `DEPLOY_NATS_PASSWORD`.
 */
export function authorizationOf(env: NodeJS.ProcessEnv): string {
  const names = new Map(
    natsServices.map((service) => [service, `${service.toUpperCase()}_NATS_PASSWORD`]),
  );
  const password = passwordsFrom(env, ['DEPLOY_NATS_PASSWORD', ...names.values()]);
  const users = [
    { user: 'deploy', password: password('DEPLOY_NATS_PASSWORD') }, // makes streams and durables: no walls
    ...[...names].map(([service, name]) => {
      const { publish, subscribe } = rightsOf(service);
      return {
        user: service,
        password: password(name),
        permissions: { publish: { allow: publish }, subscribe: { allow: subscribe } },
      };
    }),
  ];
  return `authorization: ${JSON.stringify({ users }, null, 2)}\n`;
}

if (import.meta.main)
  try {
    process.stdout.write(authorizationOf(process.env));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 1;
  }
