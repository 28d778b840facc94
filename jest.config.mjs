// `unit` (entities and pure rules), `service` (one app, real PostgreSQL and NATS), `system` (every service as its own process); `proofs`,
// the short forms of the commands that prove the bus, run after them (npm run proofs).
const base = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest'] },
  moduleNameMapper: {
    '^#(contracts|database|messaging|files|platform|sheet|servers|testing)$':
      '<rootDir>/libs/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  resolver: '<rootDir>/test/resolver.cjs',
  setupFiles: ['reflect-metadata'],
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/.cache', '<rootDir>/.data'],
};
const served = (displayName, files) => ({
  ...base,
  displayName,
  testMatch: [`<rootDir>/${files}`],
  globalSetup: '<rootDir>/libs/testing/src/global-setup.mjs',
  globalTeardown: '<rootDir>/libs/testing/src/global-teardown.mjs',
});
export default {
  testTimeout: 60_000, // for a busy machine; nothing is asserted about time
  testSequencer: '<rootDir>/test/sequence.mjs',
  projects: [
    { ...base, displayName: 'unit', testMatch: ['<rootDir>/{apps,libs}/*/src/**/*.spec.ts'] },
    served('service', '{apps,libs}/*/test/**/*.spec.ts'),
    served('system', 'test/{,oracle/}*.spec.ts'),
    served('proofs', 'test/proofs/*.spec.ts'),
  ],
};
