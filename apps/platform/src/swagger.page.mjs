// Runs in the browser, on the page of swagger.page.ts: Swagger UI, and below it who is signed in and until when.
/* global SwaggerUIBundle, SwaggerUIStandalonePreset */
const { services = '', now = '' } = document.body.dataset;
const aheadMs = Number(now) - Date.now(); // this machine's clock may be off
const [who, signIn, change] = ['who', 'sign-in', 'switch'].map((id) => document.getElementById(id));
/** The token that an API no longer took, whatever its time says: its account may have been changed. */
let refused;

/**
 * What lacks its file or another field is sent all the same: Swagger UI would leave it without a word. A parameter in
 * another form is sent, too: of a form Swagger UI shows the bare pattern. The API says what is wrong and what to do, in
 * both languages. The fields of a form begin empty: what Swagger UI makes up for them would be kept as evidence.
 */
const sendAsItIs = () => ({
  statePlugins: {
    oas3: {
      wrapSelectors: {
        validateBeforeExecute: () => () => true,
        validateShallowRequired: () => () => [],
      },
    },
    spec: { wrapActions: { updateJsonSpec: (load) => (document) => load(asItIs(document)) } },
  },
});

function asItIs(document) {
  for (const operations of Object.values(document.paths ?? {}))
    for (const { parameters = [], requestBody } of Object.values(operations)) {
      for (const { schema } of parameters) delete schema?.pattern;
      const form = requestBody?.content?.['multipart/form-data']?.schema?.$ref?.split('/').at(-1);
      const fields = document.components?.schemas?.[form]?.properties ?? {};
      for (const field of Object.values(fields)) if (field.format !== 'binary') field.example = '';
    }
  return document;
}

const documents = services.split(',').map((name) => ({ name, url: `/api/${name}/openapi.json` }));
const ui = SwaggerUIBundle({
  urls: documents,
  // Whoever comes back from another account goes on where he was.
  'urls.primaryName': sessionStorage.getItem('service') ?? documents[0]?.name,
  dom_id: '#ui',
  deepLinking: true,
  layout: 'StandaloneLayout',
  plugins: [sendAsItIs],
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  persistAuthorization: true,
  displayRequestDuration: true,
  docExpansion: 'list',
  tryItOutEnabled: true,
  validatorUrl: null, // a document is nobody else's affair
  oauth2RedirectUrl: `${location.origin}/docs/oauth2-redirect.html`,
  responseInterceptor: (answer) => {
    if (answer.status === 401 && new URL(answer.url).pathname.startsWith('/api/')) {
      refused = token();
      show();
    }
    return answer;
  },
});
ui.initOAuth({
  clientId: 'swagger',
  scopes: 'openid',
  usePkceWithAuthorizationCodeGrant: true,
});

/** What Swagger UI sends: the program's token where both are there. */
function token() {
  const { person, program } = ui.getSystem().authSelectors.authorized().toJS();
  return (program ?? person)?.token?.access_token;
}

/** To be shown alone: what somebody may is decided where the signature is checked. @returns nothing of what is no token */
function claimsOf(jwt) {
  try {
    const text = atob(jwt.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(text, (sign) => sign.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {};
  }
}

function show() {
  const jwt = token();
  const { preferred_username: account = '?', name, roles, division, exp = 0 } = claimsOf(jwt);
  const endsAt = new Date(exp * 1000 - aheadMs);
  const over = jwt && (jwt === refused || endsAt <= new Date());
  const until = endsAt.toLocaleTimeString('zh-CN', { hour12: false });
  const said = !jwt
    ? '未登录 · Not signed in'
    : over
      ? `${account} 的登录已失效(每次五分钟,账号变更后立即失效) · The sign-in of ${account} is over (five minutes at a time, or until the account is changed)`
      : `当前账号 · Signed in as ${account}: ${name}, ${roles}, ${division}; 有效至 · until ${until}`;
  if (who.textContent === said) return; // a screen reader reads each change
  who.textContent = said;
  who.className = over ? 'over' : '';
  signIn.textContent = jwt ? '重新登录 · Sign in again' : '登录 · Sign in';
  signIn.hidden = Boolean(jwt) && !over;
}

/** Drops every token, here and in what Swagger UI keeps for the next visit. */
function forget() {
  const { authActions } = ui.getSystem();
  authActions.restoreAuthorization({ authorized: {} });
  authActions.persistAuthorizationIfNeeded();
}

signIn.addEventListener('click', () => {
  forget();
  const { authActions, authSelectors } = ui.getSystem();
  const people = authSelectors.definitionsToAuthorize().filter((one) => one.has('person'));
  authActions.showDefinitions(people);
});
// The link itself leads to the issuer, which ends the sign-in behind the token.
change.addEventListener('click', forget);
// One browser has one account: another tab must not go on with the one before.
addEventListener('storage', ({ key, newValue }) => {
  if (key === 'authorized')
    ui.getSystem().authActions.restoreAuthorization({ authorized: JSON.parse(newValue ?? '{}') });
});
ui.getStore().subscribe(() => {
  show();
  const shown = documents.find(({ url }) => url === ui.getSystem().specSelectors.url());
  if (shown) sessionStorage.setItem('service', shown.name);
});
setInterval(show, 1000);
show();
