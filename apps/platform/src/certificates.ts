import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newAuthority, newCertificate } from '#servers';

/*
 * Deploy step: `node certificates.js <folder>` writes what PostgreSQL and NATS show the services inside one installation:
 * inside-ca.crt, postgres.crt, postgres.key, nats.crt, nats.key, good for ten years. The authority's key is thrown away: a
 * repeat makes all of them anew. Names beside those of compose.yaml follow: `… <folder> nats=10.0.0.5 postgres=db.county`.
 */
const [folder, ...more] = process.argv.slice(2);
try {
  if (!folder) throw new Error('Give a folder for the certificates.');
  const unknown = more.filter((one) => !/^(nats|postgres)=[\w.-]+$/.test(one));
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: write nats=<name> or postgres=<name>.`);
  await mkdir(folder, { recursive: true });
  const authority = newAuthority();
  await writeFile(join(folder, 'inside-ca.crt'), authority.cert);
  for (const [server, user] of [['postgres', 999], ['nats', 0]] as const) {
    const names = more.filter((one) => one.startsWith(`${server}=`)).map((one) => one.slice(server.length + 1));
    const { cert, key } = newCertificate(authority, [server, ...names]);
    await writeFile(join(folder, `${server}.crt`), cert);
    await writeFile(join(folder, `${server}.key`), key, { mode: 0o600 });
    // In the images PostgreSQL is user 999, and reads no key that others may.
    if (process.getuid?.() === 0) await chown(join(folder, `${server}.key`), user, user);
  }
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
} // prettier-ignore
