import { publishers } from '#contracts';
import { provision } from '#database';
import { passwordsFrom } from './deploy.secrets.js';

/** Deploy step: the databases and roles of every service; a repeat changes passwords to what the environment says. */
try {
  const admin = process.env['DATABASE_ADMIN_URL'];
  if (!admin) throw new Error('Set DATABASE_ADMIN_URL, a superuser’s, to provision.');
  const name = (service: string, role: string): string =>
    `${service.toUpperCase()}_${role}_PASSWORD`;
  const password = passwordsFrom(
    process.env,
    publishers.flatMap((service) => ['OWNER', 'APP', 'RELAY'].map((role) => name(service, role))),
  );
  for (const service of publishers) {
    await provision(admin, service, {
      owner: password(name(service, 'OWNER')),
      app: password(name(service, 'APP')),
      relay: password(name(service, 'RELAY')),
    });
    process.stdout.write(`${service}: database and roles are there\n`);
  }
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
