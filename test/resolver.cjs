// Our own modules get the packages as a service gets them: in few files (apps/platform/packages.mjs). Each spec file loads them anew.
const { join, resolve, sep } = require('node:path');

const root = resolve(__dirname, '..');
const built = join(root, 'dist', 'node_modules');
const ours = ['apps', 'libs', 'test'].map((folder) => join(root, folder) + sep);

module.exports = (request, options) =>
  options.defaultResolver(
    request,
    ours.some((folder) => `${options.basedir}${sep}`.startsWith(folder))
      ? { ...options, moduleDirectory: [built, 'node_modules'] }
      : options,
  );
