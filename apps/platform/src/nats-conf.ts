import { publishers } from '#contracts';
import { rightsOf } from '#messaging';
import { publicKeysFrom } from './deploy.secrets.js';

/** The services with a NATS user. */
export const natsServices = publishers;

/**
 * The authorization block of nats.conf, from the same `rightsOf` that the tests and npm start use, so that the rights of
 * production never drift from them. Of the seeds in `<SERVICE>_NATS_SEED` and `DEPLOY_NATS_SEED` it prints the public keys
 * alone: the broker holds no secret of anybody.
 */
export function authorizationOf(env: NodeJS.ProcessEnv): string {
  const names = new Map(
    natsServices.map((service) => [service, `${service.toUpperCase()}_NATS_SEED`]),
  );
  const nkey = publicKeysFrom(env, ['DEPLOY_NATS_SEED', ...names.values()]);
  const users = [
    { nkey: nkey('DEPLOY_NATS_SEED') }, // makes streams and durables: no walls
    ...[...names].map(([service, name]) => {
      const { publish, subscribe } = rightsOf(service);
      return {
        nkey: nkey(name),
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
