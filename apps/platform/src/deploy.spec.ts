import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { publishers } from '#contracts';
import { rightsOf } from '#messaging';
import { nkeys } from '@nats-io/transport-node';
import { authorizationOf, natsServices } from './nats-conf.js';
import { withSecrets } from './secrets.js';

const compose = readFileSync('deploy/compose.yaml', 'utf8');
const dockerfile = readFileSync('deploy/Dockerfile', 'utf8');
const edge = readFileSync('deploy/edge.conf.template', 'utf8');
const example = new Map(
  readFileSync('deploy/.env.example', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, value ?? ''] as const];
    }),
);
/** The names under `services:`; comments name no service. */
const services = new Map(
  (compose.split(/^services:$/m)[1]?.split(/^networks:$/m)[0] ?? '')
    .split(/^(?= {2}[a-z-]+:$)/m)
    .flatMap((block) => {
      const name = /^ {2}([a-z-]+):/.exec(block)?.[1];
      return name === undefined ? [] : [[name, block] as const];
    }),
);
const folders = readdirSync('apps').filter((folder) => folder !== 'platform');
const unique = (found: IterableIterator<RegExpMatchArray>): string[] =>
  [...new Set([...found].map((one) => one[1] ?? ''))].sort();

describe('deploy/', () => {
  it('explains every variable of compose.yaml in .env.example, and no other', () => {
    expect([...example.keys()].sort()).toEqual(unique(compose.matchAll(/\$\{([A-Z_]+)/g)));
  });

  it('has no default for any variable, and no secret in the example', () => {
    const loose = [...compose.matchAll(/\$\{[^}]*\}?|\$[A-Za-z_]+/g)]
      .map(([one]) => one)
      .filter((one) => !/^\$\{[A-Z_]+:\?set it\}$/.test(one));
    expect(loose).toEqual([]);
    const secrets = [...example].filter(([name]) => /PASSWORD|KEY|SECRET|SEED/.test(name));
    expect(secrets.length).toBeGreaterThan(20);
    expect(secrets.filter(([, value]) => value !== '')).toEqual([]);
  });

  it('runs every service of apps/, migrates it before, and leads the edge to it', () => {
    expect(folders.length).toBeGreaterThan(2);
    for (const folder of folders) {
      const service = services.get(folder);
      expect([folder, service]).toEqual([folder, expect.stringContaining(`SERVICE: ${folder} `)]);
      expect(service).toContain(`${folder}-migrate: { condition: service_completed_successfully }`);
      expect(services.get(`${folder}-migrate`)).toContain(`dist/apps/${folder}/src/main.js, migrate]`);
      expect(edge).toMatch(new RegExp(folder === 'identity' ? '/identity/ ' : `[(|]${folder}[|)]`));
    }
  }); // prettier-ignore

  it('gives each service that keeps files a place of its own that outlives its container', () => {
    for (const folder of folders) {
      const definition = `apps/${folder}/src/${folder}.definition.ts`;
      if (!existsSync(definition) || !readFileSync(definition, 'utf8').includes('fileTables:')) continue;
      expect(services.get(folder)).toContain('FILES_DIR: /files');
      expect(services.get(folder)).toContain(`'${folder}-files:/files'`);
      expect(compose).toMatch(new RegExp(`^  ${folder}-files:$`, 'm'));
    }
    expect(dockerfile).toMatch(/mkdir .*\/files && chown node:node \/files/);
  }); // prettier-ignore

  it('loads what a service can load', () => {
    for (const folder of folders) {
      const definition = `apps/${folder}/src/${folder}.definition.ts`;
      if (existsSync(definition) && /^ {2}load[:,]/m.test(readFileSync(definition, 'utf8')))
        expect([folder, services.has(`${folder}-load`)]).toEqual([folder, true]);
    }
  });

  it('gives each service its own password, and the owner’s to no running service', () => {
    for (const folder of folders) {
      const names = unique((services.get(folder) ?? '').matchAll(/\$\{([A-Z_]+_PASSWORD)/g));
      expect(names).toContain(`${folder.toUpperCase()}_APP_PASSWORD`);
      expect(names.filter((name) => !name.startsWith(`${folder.toUpperCase()}_`))).toEqual([]);
      expect(names.filter((name) => name.includes('OWNER'))).toEqual([]);
    }
  });

  it('names only scripts and files that are there', () => {
    const scripts = unique(compose.matchAll(/dist\/(apps\/[\w-]+\/src\/[\w-]+)\.js/g))
      .filter((script) => folders.includes(script.split('/')[1] ?? '') || script.includes('platform'));
    expect(scripts).toContain('apps/platform/src/nats-conf');
    for (const script of scripts) expect([script, existsSync(`${script}.ts`)]).toEqual([script, true]);
    for (const file of unique(compose.matchAll(/'?\.\/([\w.-]+):/g)))
      expect([file, existsSync(`deploy/${file}`)]).toEqual([file, true]);
    for (const [, files = ''] of dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm))
      for (const file of files.split(' ')) expect([file, existsSync(file)]).toEqual([file, true]);
  }); // prettier-ignore
});

describe('the secrets of .env', () => {
  it('are made for every line that asks for one, each another, and nothing else is touched', () => {
    const text = readFileSync('deploy/.env.example', 'utf8');
    const made = withSecrets(text);
    const asked = [...example].filter(([, value]) => value === '').map(([name]) => name);
    const given = new Map(asked.map((name) => [name, new RegExp(`^${name}=(.+)$`, 'm').exec(made)?.[1] ?? ''])); // prettier-ignore
    expect(new Set(given.values()).size).toBe(asked.length);
    for (const [name, value] of given)
      expect([name, value]).toEqual([name, expect.stringMatching(name.endsWith('SEED') ? /^SU[A-Z2-7]{56}$/ : /^[0-9a-f]{48}$/)]); // prettier-ignore
    expect(made.replace(/^(\w+_(?:PASSWORD|KEYS|SEED))=.*$/gm, '$1=')).toBe(text);
    expect(withSecrets(made)).toBe(made);
    expect(() => authorizationOf(Object.fromEntries(given))).not.toThrow();
  });
});

describe('what compose.yaml joins inside', () => {
  it('is joined under TLS alone, by who is vouched for', () => {
    const databases = [...compose.matchAll(/postgresql:\/\/.*$/gm)].map(([url]) => url);
    expect(databases.length).toBeGreaterThan(20);
    expect(databases.filter((url) => !url.endsWith('?sslmode=verify-full&sslrootcert=/inside/inside-ca.crt'))).toEqual([]); // prettier-ignore
    expect(unique(compose.matchAll(/NATS_URL: (\S+)/g))).toEqual(['tls://nats:4222']);
    expect(compose).not.toMatch(/NATS_PASSWORD|NATS_USER/);
    for (const [name, block] of services)
      if (/postgresql:|NATS_URL|\*environment/.test(block) && block.includes('volumes:'))
        expect([name, block]).toEqual([name, expect.stringContaining('/inside')]);
    expect(readFileSync('deploy/pg_hba.conf', 'utf8')).not.toMatch(/^host\s|trust/m);
    expect(readFileSync('deploy/nats.conf', 'utf8')).toMatch(/^tls \{$/m);
  });
});

describe('the rights in nats.conf', () => {
  const pairs = new Map([...natsServices, 'deploy'].map((user) => [user, nkeys.createUser()]));
  const env = Object.fromEntries(
    [...pairs].map(([user, pair]) => [`${user.toUpperCase()}_NATS_SEED`, new TextDecoder().decode(pair.getSeed())]),
  ); // prettier-ignore

  it('are those of rightsOf, for every service that speaks NATS, and hold no secret', () => {
    const text = authorizationOf(env);
    const { users } = JSON.parse(text.replace(/^authorization: /, '')) as {
      users: { nkey: string; permissions?: unknown }[];
    };
    const found = new Map(users.map(({ nkey, permissions }) => [nkey, permissions]));
    expect(found.size).toBe(pairs.size);
    for (const [user, pair] of pairs) {
      expect(found.has(pair.getPublicKey())).toBe(true);
      const service = publishers.find((one) => one === user);
      const rights = service && rightsOf(service);
      expect(found.get(pair.getPublicKey())).toEqual(
        rights && { publish: { allow: rights.publish }, subscribe: { allow: rights.subscribe } },
      );
    }
    for (const seed of Object.values(env)) expect(text).not.toContain(seed);
  });

  it('are not printed while a seed is missing, wrong or another’s, and say which', () => {
    const account = new TextDecoder().decode(nkeys.createAccount().getSeed());
    expect(() =>
      authorizationOf({ ...env, TRAINING_NATS_SEED: '', REGISTRY_NATS_SEED: account, IDENTITY_NATS_SEED: env['ASSIGNMENT_NATS_SEED'] }),
    ).toThrow(/^Set REGISTRY_NATS_SEED, TRAINING_NATS_SEED, IDENTITY_NATS_SEED: /);
  }); // prettier-ignore
});
