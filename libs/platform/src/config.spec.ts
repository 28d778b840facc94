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
