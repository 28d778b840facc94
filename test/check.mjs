// npm run check: format, types, lint, boundaries, and the kept files that are written from the code.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, nodePath, root } from '../apps/platform/install.mjs';

ensureInstalled();
ensureBuilt();
const node = nodePath();
const steps = [
  ['format', 'node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'],
  ['types', 'node_modules/typescript/bin/tsc', '-p', '.'],
  ['lint', 'node_modules/eslint/bin/eslint.js', 'apps', 'libs', 'test'],
  [
    'boundaries',
    'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs',
    '--config',
    '.dependency-cruiser.cjs',
    '--output-type',
    'err',
    'apps',
    'libs',
    'test',
  ],
  ['contracts', 'test/contracts.mjs', '--check'],
  ['schema', 'test/schema.mjs', '--check'],
];
let failed = 0;
for (const [name, script, ...args] of steps) {
  const { status } = spawnSync(node, [join(root, script), ...args], {
    cwd: root,
    stdio: 'inherit',
  });
  process.stdout.write(`check ${name}: ${status === 0 ? 'ok' : 'FAILED'}\n`);
  if (status !== 0) failed += 1;
}
process.exit(failed === 0 ? 0 : 1);
