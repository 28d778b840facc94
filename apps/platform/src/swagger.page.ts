import { readFile } from 'node:fs/promises';
import { type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { notFound, tellPlain } from '#platform';

const files = new Map([
  ['swagger-ui.css', 'text/css'],
  ['swagger-ui-bundle.js', 'text/javascript'],
  ['swagger-ui-standalone-preset.js', 'text/javascript'],
  ['oauth2-redirect.html', 'text/html; charset=utf-8'],
  ['oauth2-redirect.js', 'text/javascript'],
  ['favicon-32x32.png', 'image/png'],
]);

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
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page(services));
    return;
  }
  const type = files.get(name);
  if (!type) {
    tellPlain(response, notFound());
    return;
  }
  const folder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  response
    .writeHead(200, { 'content-type': type, 'cache-control': 'max-age=3600' })
    .end(await readFile(join(folder, name)));
}

function page(services: string[]): string {
  const urls = services.map((service) => ({ name: service, url: `/api/${service}/openapi.json` }));
  return `<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>Foodwarden APIs</title>
<link rel="stylesheet" href="/docs/swagger-ui.css"><link rel="icon" href="/docs/favicon-32x32.png"><style>#switch{position:fixed;right:1rem;bottom:1rem;background:#fff;border:1px solid #1b6e46;border-radius:4px;padding:.4rem .8rem;font:14px sans-serif;color:#1b6e46}</style>
</head><body><a id="switch" href="/identity/session/end" title="先在 Authorize 里 Logout · first Logout under Authorize">切换账号 · switch account</a><div id="ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/swagger-ui-standalone-preset.js"></script>
<script>
const ui = SwaggerUIBundle({ urls: ${JSON.stringify(urls)}, dom_id: '#ui', deepLinking: true, layout: 'StandaloneLayout',
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset], persistAuthorization: true, displayRequestDuration: true, docExpansion: 'list', tryItOutEnabled: true,
  oauth2RedirectUrl: location.origin + '/docs/oauth2-redirect.html' });
ui.initOAuth({ clientId: 'swagger', scopes: 'openid', usePkceWithAuthorizationCodeGrant: true });
</script></body></html>`;
}
