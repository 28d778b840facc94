import { nkeys } from '@nats-io/transport-node';
import { configFrom } from './config.js';

const env = {
  DATABASE_URL: 'postgresql://inspection_app:x@localhost/inspection',
  DATABASE_RELAY_URL: 'postgresql://inspection_relay:x@localhost/inspection',
  NATS_URL: 'nats://localhost:4222',
  OIDC_ISSUER: 'http://localhost:8080/identity',
};
const bucket = {
  FILES_S3_ENDPOINT: 'https://s3.example',
  FILES_S3_BUCKET: 'foodwarden',
  FILES_S3_REGION: 'us-east-1',
  FILES_S3_ACCESS_KEY: 'an-id',
  FILES_S3_SECRET_KEY: 'not-to-be-told',
};

describe('the place of the files', () => {
  it('may be missing: new code starts on the old environment', () => {
    expect(configFrom('inspection', env).files).toBeUndefined();
  });

  it('is a folder or a bucket', () => {
    expect(configFrom('inspection', { ...env, FILES_DIR: '/files' }).files).toEqual({ folder: '/files' }); // prettier-ignore
    expect(configFrom('inspection', { ...env, ...bucket }).files).toEqual({
      endpoint: 'https://s3.example', bucket: 'foodwarden', region: 'us-east-1', accessKey: 'an-id', secretKey: 'not-to-be-told',
    }); // prettier-ignore
  });

  it('is refused when it is both, half or wrong: every variable is named, no secret is told', () => {
    const refused = (more: object): string => {
      try {
        configFrom('inspection', { ...env, ...more });
      } catch (error) {
        return (error as Error).message;
      }
      return 'started';
    };
    expect(refused({ ...bucket, FILES_DIR: '/files' })).toMatch(/either FILES_DIR or FILES_S3_ENDPOINT/); // prettier-ignore
    const half = refused({ ...bucket, FILES_S3_BUCKET: '', FILES_S3_REGION: '' });
    expect(half).toMatch(/FILES_S3_BUCKET .*FILES_S3_REGION /);
    const wrong = refused({ ...bucket, FILES_S3_ENDPOINT: 'https://user:word@s3.example' });
    expect(wrong).toContain('FILES_S3_ENDPOINT');
    expect(half + wrong).not.toMatch(/not-to-be-told|word@/);
  });
});

describe('the way to the bus and the database', () => {
  const seed = new TextDecoder().decode(nkeys.createUser().getSeed());
  const account = new TextDecoder().decode(nkeys.createAccount().getSeed());
  const readable = 'package.json'; // any file that can be read; PEM is judged by who uses it
  const refused = (more: object): string => {
    try {
      configFrom('inspection', { ...env, ...more });
    } catch (error) {
      return (error as Error).message;
    }
    return 'started';
  };

  it('is as before where nothing new is said', () => {
    expect(configFrom('inspection', { ...env, NATS_USER: 'inspection', NATS_PASSWORD: 'x' }).nats).toEqual({ url: 'nats://localhost:4222', user: 'inspection', password: 'x' }); // prettier-ignore
  });

  it('is an nkey, an authority and a certificate of its own', () => {
    const more = { NATS_NKEY_SEED: seed, NATS_CA_FILE: readable, NATS_CERT_FILE: readable, NATS_KEY_FILE: readable }; // prettier-ignore
    expect(configFrom('inspection', { ...env, ...more }).nats).toEqual({
      url: 'nats://localhost:4222', nkeySeed: seed, tls: { caFile: readable, certFile: readable, keyFile: readable },
    }); // prettier-ignore
  });

  it.each([
    [{ NATS_URL: 'http://localhost' }, /NATS_URL/],
    [{ NATS_NKEY_SEED: 'SU-wrong' }, /NATS_NKEY_SEED \(/],
    [{ NATS_NKEY_SEED: account }, /NATS_NKEY_SEED \(/],
    [{ NATS_NKEY_SEED: seed, NATS_USER: 'inspection' }, /either NATS_USER or an nkey/],
    [{ NATS_NKEY_SEED: seed, NATS_NKEY_SEED_FILE: readable }, /either NATS_NKEY_SEED or NATS_NKEY_SEED_FILE/],
    [{ NATS_NKEY_SEED_FILE: '/nowhere' }, /NATS_NKEY_SEED_FILE \(/],
    [{ NATS_CA_FILE: '/nowhere' }, /NATS_CA_FILE/],
    [{ NATS_CERT_FILE: readable }, /NATS_CERT_FILE and NATS_KEY_FILE together/],
    [{ DATABASE_URL: `${env.DATABASE_URL}?sslmode=require` }, /DATABASE_URL with sslmode=verify-full/],
    [{ DATABASE_RELAY_URL: `${env.DATABASE_RELAY_URL}?sslmode=no-verify` }, /DATABASE_RELAY_URL with sslmode/],
    [{ DATABASE_URL: `${env.DATABASE_URL}?sslmode=verify-full&sslrootcert=/nowhere` }, /sslrootcert/],
  ])('is refused where it is wrong, and no seed is told: %#', (more, said) => {
    expect(refused(more)).toMatch(said);
    expect(refused(more)).not.toContain(seed);
  }); // prettier-ignore
});
