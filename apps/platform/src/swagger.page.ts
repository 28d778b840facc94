import { readFile } from 'node:fs/promises';
import { type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { noRoute, tellPlain } from '#platform';

const files = new Map([
  ['swagger-ui.css', 'text/css'],
  ['swagger-ui-bundle.js', 'text/javascript'],
  ['swagger-ui-standalone-preset.js', 'text/javascript'],
  ['oauth2-redirect.html', 'text/html; charset=utf-8'],
  ['oauth2-redirect.js', 'text/javascript'],
  ['favicon-32x32.png', 'image/png'],
]);
const ownFiles = new Map([['swagger.page.mjs', 'text/javascript']]);
const foreignFolder = dirname(
  createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'),
);

/** Scripts are files of ours. Swagger UI writes styles into its elements, and shows a picture that an API answers. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** One Swagger UI with a menu of services and an Authorize button that signs in at our own issuer. */
export async function serveDocs(
  path: string,
  services: string[],
  response: ServerResponse,
): Promise<void> {
  const name = path.replace(/^\/docs\/?/, '').split('?')[0] ?? '';
  if (path === '/docs') {
    response.writeHead(302, { location: '/docs/' }).end();
    return;
  }
  if (name === '') {
    response
      .writeHead(200, {
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store', // it tells the time
        'content-security-policy': policy,
      })
      .end(page(services));
    return;
  }
  const own = ownFiles.get(name);
  const type = own ?? files.get(name);
  if (!type) {
    tellPlain(response, noRoute());
    return;
  }
  response
    .writeHead(200, { 'content-type': type, 'cache-control': own ? 'no-cache' : 'max-age=3600' })
    .end(await readFile(join(own ? import.meta.dirname : foreignFolder, name)));
}

function page(services: string[]): string {
  return `<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>Foodwarden APIs</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"><link rel="icon" href="/docs/favicon-32x32.png"><style>
body{margin:0}
#account{position:sticky;bottom:0;z-index:100;display:flex;flex-wrap:wrap;gap:.4rem 1rem;align-items:center;justify-content:flex-end;padding:.5rem 1rem;background:#fff;border-top:1px solid #1b6e46;font:14px sans-serif;color:#222}
#who{overflow-wrap:anywhere}#who.over{color:#a02020;font-weight:bold}
#account button,#account a{font:inherit;padding:.3rem .8rem;border:1px solid #1b6e46;border-radius:4px;background:#fff;color:#1b6e46;cursor:pointer}#account button{background:#1b6e46;color:#fff}#account [hidden]{display:none}
</style></head><body data-services="${services.join(',')}" data-now="${Date.now()}"><div id="ui"></div>
<footer id="account"><span id="who" role="status"></span><button id="sign-in" type="button" hidden></button><a id="switch" href="/identity/session/end">切换账号 · switch account</a></footer>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/swagger-ui-standalone-preset.js"></script><script type="module" src="/docs/swagger.page.mjs"></script>
</body></html>`;
}
