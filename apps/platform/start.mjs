// npm start: install, build, run the whole platform in one process.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt, ensureInstalled, nodePath, root } from './install.mjs';

if (process.argv.includes('--help')) {
  process.stdout.write(readFileSync(join(root, 'apps/platform/help.txt'), 'utf8'));
  process.exit(0);
}
ensureInstalled();
ensureBuilt();
const child = spawn(
  nodePath(),
  [join(root, 'dist/apps/platform/src/main.js'), ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
    // The second start finds its modules compiled.
    env: { NODE_COMPILE_CACHE: join(root, '.cache', 'compiled'), ...process.env },
  },
);
// A terminal's Ctrl-C reaches the child by itself; a signal sent to this process alone is passed on.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => child.kill('SIGTERM'));
// npm does not pass on a signal that it gets alone: when it has ended, nobody is left to stop us.
if (process.env.npm_lifecycle_event) {
  const npm = process.ppid;
  setInterval(() => process.ppid === npm || child.kill('SIGTERM'), 1000).unref();
}
child.on('exit', (code) => process.exit(code ?? 1));
