import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publishers, type Service } from '#contracts';
import { type BusAccess, rightsOf } from '#messaging';
import {
  type Certificate,
  type Nats,
  type NatsOptions,
  type NatsUser,
  newCertificate,
} from '#servers';
import { nkeys } from '@nats-io/transport-node';
import { password, serversOfRun } from './apis.js';

/*
 * How the servers of a test are joined. `FOODWARDEN_PROFILE=production`: as in a county, PostgreSQL and NATS over TLS
 * alone, by certificates made for the run, and each NATS user by an nkey. Without it: passwords, on loopback.
 */

type User = Service | 'deploy';
const seeds = new Map<User, string>();

/** One nkey a user for the life of this process. */
function seedOf(user: User): string {
  const known = seeds.get(user) ?? new TextDecoder().decode(nkeys.createUser().getSeed());
  seeds.set(user, known);
  return known;
}

/** The authority of the run; undefined in the ordinary profile. */
const authority = (): (Certificate & { caFile: string }) | undefined => serversOfRun().authority;

/** The users of the bus with the rights of production, and the server's certificate where the profile wants one. */
export function natsAccess(storeDir: string, services: readonly Service[] = publishers): Pick<NatsOptions, 'users' | 'tls'> {
  const vouching = authority();
  const secret = (user: User): Pick<NatsUser, 'user' | 'password' | 'nkeySeed'> => ({ user, password, ...(vouching ? { nkeySeed: seedOf(user) } : {}) });
  const users = [secret('deploy'), ...services.map((service) => ({ ...secret(service), ...rightsOf(service) }))];
  if (!vouching) return { users };
  const { cert, key } = newCertificate(vouching, ['localhost', '127.0.0.1']);
  mkdirSync(storeDir, { recursive: true });
  const file = (name: string, text: string): string => {
    writeFileSync(join(storeDir, name), text, { mode: 0o600 });
    return join(storeDir, name);
  };
  return { users, tls: { caFile: vouching.caFile, certFile: file('nats.crt', cert), keyFile: file('nats.key', key) } };
} // prettier-ignore

/** How one user joins a bus that was started with `natsAccess`. */
export function busAccess(user: User, url: Nats['url']): BusAccess {
  const vouching = authority();
  return vouching
    ? { url, nkeySeed: seedOf(user), tls: { caFile: vouching.caFile } }
    : { url, user, password };
}

/** The same as the environment of a process. */
export function busEnvironment(user: User, url: Nats['url']): Record<string, string> {
  const vouching = authority();
  return vouching
    ? { NATS_URL: url, NATS_NKEY_SEED: seedOf(user), NATS_CA_FILE: vouching.caFile }
    : { NATS_URL: url, NATS_USER: user, NATS_PASSWORD: password };
}
