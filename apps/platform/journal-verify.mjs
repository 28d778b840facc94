// npm run journal:verify: install, build, then src/journal-verify.ts.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, nodePath, root } from './install.mjs';

ensureInstalled();
ensureBuilt();
const script = join(root, 'dist/apps/platform/src/journal-verify.js');
const { status } = spawnSync(nodePath(), [script, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
