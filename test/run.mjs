// npm test: install, build, run the Jest projects unit, service and system; npm run proofs: the project of that name. Ends with
// `tests: N passed, N failed`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, nodePath, root } from '../apps/platform/install.mjs';

ensureInstalled();
ensureBuilt();
const folder = mkdtempSync(join(tmpdir(), 'foodwarden-test-'));
const file = join(folder, 'result.json');
const jest = spawnSync(
  nodePath(),
  [
    '--experimental-vm-modules',
    '--no-warnings',
    // A worker loads thousands of modules anew for each spec file: with room it clears them away less often.
    '--max-semi-space-size=64',
    '--initial-old-space-size=1024',
    join(root, 'node_modules/jest/bin/jest.js'),
    '--maxWorkers=3', // some wait for what they stopped to come back while others work
    '--json',
    `--outputFile=${file}`,
    ...(process.argv.some((word) => word.startsWith('--selectProjects'))
      ? []
      : ['--selectProjects', 'unit', 'service', 'system', '--']),
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] },
);
let result;
try {
  result = JSON.parse(readFileSync(file, 'utf8'));
} catch {
  result = {
    numPassedTests: 0,
    numFailedTests: 1,
    numPendingTests: 0,
    numFailedTestSuites: 0,
    testResults: [],
  };
}
rmSync(folder, { recursive: true, force: true });
// A suite that cannot even be loaded has no failed test: count it as one.
const broken = result.testResults.filter(
  (suite) =>
    suite.status === 'failed' && !suite.assertionResults.some((one) => one.status === 'failed'),
).length;
const failed = result.numFailedTests + broken;
const skipped = result.numPendingTests > 0 ? `, ${result.numPendingTests} skipped` : '';
process.stdout.write(`tests: ${result.numPassedTests} passed, ${failed} failed${skipped}\n`);
process.exit(jest.status === 0 && failed === 0 && result.numPassedTests > 0 ? 0 : 1);
