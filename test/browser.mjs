// npm run browser: Swagger UI in a real Chromium, as a newcomer uses it: Authorize, an import, a page, another account, a visit
// with one finding, a sign-in that ran out, one problem. Pictures go to .cache/browser, to be looked at. Without a Chromium it
// is skipped, and says so.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ready } from './kept.mjs';

ready();
const browserPath = [
  process.env.CHROMIUM_BIN ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== '' && existsSync(path));
if (!browserPath) {
  process.stdout.write(
    'SKIPPED: no Chromium here. Install one (Debian: apt-get install chromium fonts-noto-cjk), or set CHROMIUM_BIN.\n',
  );
  process.exit(0);
}
const { chromium } = await import('playwright-core');
const pictures = resolve('.cache/browser');
await rm(pictures, { recursive: true, force: true });
await mkdir(pictures, { recursive: true });

const folder = await mkdtemp(join(tmpdir(), 'foodwarden-browser-'));
const platform = spawn(process.execPath, ['dist/apps/platform/src/main.js'], {
  env: { ...process.env, FOODWARDEN_DATA: folder },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const ended = new Promise((done) => platform.once('exit', done));
let browser;
let run;

async function until(read, what, withinMs = 60_000) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const value = await read();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs / 1000} s`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** What another person does meanwhile, through the API. */
async function call(name, method, path, body) {
  const { clientId, clientSecret } = account(name);
  const token = await fetch(`${run.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  }); // prettier-ignore
  const answer = await fetch(`${run.baseUrl}/api${path}`, {
    method,
    headers: {
      authorization: `Bearer ${(await token.json()).access_token}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!answer.ok)
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(await answer.json())}`);
  return answer.json();
}
const account = (name) => run.accounts.find((one) => one.name === name);

let picture = 0;
async function look(page, name) {
  picture += 1;
  await page.screenshot({
    path: join(pictures, `${String(picture).padStart(2, '0')}-${name}.png`),
  });
  process.stdout.write(`browser: ${name}\n`);
}

const choose = async (page, service) => {
  await page.locator('.topbar select').selectOption({ label: service });
  await page.locator('.opblock').first().waitFor();
};

const chosen = (page) =>
  page.locator('.topbar select').evaluate((one) => one.selectedOptions[0].textContent);

/** What the foot of the page says of who is signed in; it lies above all that Swagger UI shows. */
async function says(page, ...words) {
  const who = page.locator('#who');
  for (const word of words) await who.filter({ hasText: word }).waitFor();
  const link = page.locator('#switch');
  const covered = await link.evaluate((one) => {
    const { left, top, width, height } = one.getBoundingClientRect();
    return document.elementFromPoint(left + width / 2, top + height / 2) !== one;
  });
  if (covered) throw new Error('something covers "switch account"');
}
const signedInAs = (page, name) => says(page, `Signed in as ${name}: `, account(name).role);

/** Signs in by the Authorize button, as a person who mistypes his password first. */
async function authorize(page, name) {
  await page.locator('button.authorize').first().click();
  const person = page.locator('.auth-container').filter({ hasText: 'authorizationCode' });
  const [popup] = await Promise.all([
    page.waitForEvent('popup'),
    person.locator('button.authorize').click(),
  ]);
  await popup.locator('#name').fill(name);
  await popup.locator('#password').fill('wrong');
  await popup.locator('form button').click();
  await popup.getByText('The account or the password is wrong').waitFor();
  expect('the account that was typed', await popup.locator('#name').inputValue(), name);
  await popup.locator('#password').fill(account(name).password);
  await look(popup, `sign-in-${name}`);
  await Promise.all([popup.waitForEvent('close'), popup.locator('form button').click()]);
  await person.locator('button', { hasText: 'Logout' }).waitFor();
  await look(page, `authorized-${name}`);
  await page.locator('button.btn-done').first().click();
}

/** Signs in again by the button at the foot: who is still signed in at the issuer types nothing. */
async function again(page, name) {
  await page.locator('#sign-in').click();
  const person = page.locator('.auth-container');
  await person.waitFor();
  await look(page, 'sign-in-again');
  const [popup] = await Promise.all([
    page.waitForEvent('popup'),
    person.locator('button.authorize').click(),
  ]);
  if (!popup.isClosed()) await popup.waitForEvent('close');
  await page.locator('button.btn-done').first().click();
  await signedInAs(page, name);
}

/** One click on the link is the whole change: the token is dropped, and the sign-in behind it ended. */
async function signOut(page, name) {
  await signedInAs(page, name);
  const service = await chosen(page);
  await page.locator('#switch').click();
  await page.getByText(`Sign out ${name}?`).waitFor();
  await look(page, 'sign-out');
  await page.locator('button[name=logout]').click();
  await page.getByText('You are signed out').waitFor();
  await look(page, 'signed-out');
  await page.getByRole('link', { name: 'Back to' }).click();
  await says(page, 'Not signed in');
  expect('the address', page.url(), `${run.baseUrl}/docs/`);
  await page.locator('.opblock').first().waitFor();
  expect('the service that was chosen', await chosen(page), service);
}

/** Lets the token that Swagger UI keeps end in `seconds`; no API takes it then, for it is not what was signed. */
async function endsIn(page, seconds) {
  await page.evaluate((after) => {
    const kept = JSON.parse(localStorage.getItem('authorized'));
    const [head, claims, seal] = kept.person.token.access_token.split('.');
    const text = new TextDecoder().decode(
      Uint8Array.from(atob(claims.replaceAll('-', '+').replaceAll('_', '/')), (sign) =>
        sign.charCodeAt(0),
      ),
    );
    const exp = Math.floor(Date.now() / 1000) + after;
    const bytes = new TextEncoder().encode(JSON.stringify({ ...JSON.parse(text), exp }));
    const bent = btoa(String.fromCharCode(...bytes))
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replaceAll('=', '');
    kept.person.token.access_token = [head, bent, seal].join('.');
    localStorage.setItem('authorized', JSON.stringify(kept));
  }, seconds);
  await page.reload();
}

/** Opens one operation, lets `fill` fill it, executes. @returns status and body that the page shows */
async function execute(page, method, path, fill = async () => undefined) {
  const block = page.locator(`.opblock-${method}`).filter({
    has: page.locator(`.opblock-summary-path[data-path="${path}"]`),
  });
  // The address names the operation used last: after a reload it stands open.
  if (!(await block.getAttribute('class')).includes('is-open'))
    await block.locator('.opblock-summary-control').click();
  await block.locator('button.execute').waitFor();
  await fill(block);
  const answered = page.waitForResponse(
    (answer) =>
      answer.request().method() === method.toUpperCase() &&
      new URL(answer.url()).pathname.startsWith('/api/'),
  );
  await block.locator('button.execute').click();
  const answer = await answered;
  const body = await answer.json();
  // What the operation answered before may still stand there.
  await block
    .locator('.live-responses-table .response .response-col_status')
    .filter({ hasText: new RegExp(`^\\s*${answer.status()}`) })
    .waitFor();
  await block.locator('.live-responses-table').scrollIntoViewIfNeeded();
  return { status: answer.status(), body };
}

function expect(what, is, wanted) {
  if (is !== wanted) throw new Error(`${what}: ${is}, and not ${wanted}`);
}

const paper = Buffer.from(
  '%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n',
);

async function walk(page) {
  await page.goto(`${run.baseUrl}/docs/`);
  await choose(page, 'registry');
  await says(page, 'Not signed in');
  await authorize(page, 'county');
  await signedInAs(page, 'county');

  const forgotten = await execute(page, 'post', '/api/registry/v1/ledger-imports');
  expect('an import without a file', forgotten.status, 422);
  expect('the field it lacks', forgotten.body.errors[0]?.pointer, '/file');
  await look(page, 'no-file');

  const imported = await execute(page, 'post', '/api/registry/v1/ledger-imports', (block) =>
    block.locator('input[type=file]').setInputFiles('apps/platform/sample/ledger.xlsx'),
  );
  expect('the import', imported.status, 202);
  await look(page, 'import');
  const landed = await until(async () => {
    const one = await call('county', 'GET', `/registry/v1/ledger-imports/${imported.body.id}`);
    return one.state === 'done' && one;
  }, 'the import');
  expect('what was landed already', landed.counts.unchanged, 600);

  const listed = await execute(page, 'get', '/api/registry/v1/establishments');
  expect('a page of establishments', listed.status, 200);
  expect('its items', listed.body.items.length, 50);
  await signedInAs(page, 'county');
  await look(page, 'page');

  const unquoted = await execute(page, 'patch', '/api/registry/v1/establishments/{id}', async (block) => {
    await block.locator('tr[data-param-name="id"] input').fill(listed.body.items[0].id);
    await block.locator('tr[data-param-name="If-Match"] input').fill('1');
  }); // prettier-ignore
  expect('a change without quotation marks round its version', unquoted.status, 428);
  await look(page, 'if-match');

  // What two county admins do meanwhile.
  const proposal = await call('county', 'POST', '/assignment/v1/proposals', { division: '371425' });
  await call('county-2', 'POST', `/assignment/v1/proposals/${proposal.id}/approval`);
  const today = new Date(Date.now() + 8 * 3_600_000);
  const period = `${today.getUTCFullYear()}-Q${Math.floor(today.getUTCMonth() / 3) + 1}`;
  await call('county', 'POST', '/inspection/v1/obligation-runs', { period });

  await choose(page, 'assignment');
  await signOut(page, 'county');
  await choose(page, 'inspection');
  const nobody = await execute(page, 'get', '/api/inspection/v1/obligations');
  expect('without a sign-in', nobody.status, 401);
  await authorize(page, 'official-101-1');
  await signedInAs(page, 'official-101-1');
  const due = await until(async () => {
    const { items } = await call('official-101-1', 'GET', '/inspection/v1/obligations?mine=true');
    return items.length > 0 && items;
  }, 'what is due');
  const { kind, id } = await until(async () => {
    for (const { establishmentId } of due) {
      const one = await call('county', 'GET', `/registry/v1/establishments/${establishmentId}`);
      if (['catering', 'small-catering', 'canteen', 'group-meal'].includes(one.kind)) return one;
    }
    throw new Error('nothing with the catering checklist is due to official-101-1');
  }, 'an establishment');
  const mine = await execute(page, 'get', '/api/inspection/v1/obligations');
  expect('the obligations', mine.status, 200);
  await look(page, `due-${kind}`);
  const visit = await execute(page, 'post', '/api/inspection/v1/inspections', async (block) => {
    const editor = block.locator('textarea.body-param__text');
    const example = JSON.parse(await editor.inputValue());
    const visitedAt = new Date(Date.now() - 3_600_000).toISOString();
    await editor.fill(JSON.stringify({ ...example, establishmentId: id, visitedAt }, null, 2));
  });
  expect('the visit', visit.status, 201);
  expect('its findings', visit.body.findings.length, 1);
  expect('its position', visit.body.position, null);
  await look(page, 'visit');

  // A form begins empty: what Swagger UI made up would be kept as evidence.
  const evidence = '/api/inspection/v1/inspections/{id}/evidence';
  const form = async (block, takenAt) => {
    await block.locator('tr[data-param-name="id"] input').fill(visit.body.id);
    const fields = block.locator('.opblock-section-request-body input:not([type=file])');
    const begun = await fields.evaluateAll((all) => all.filter(({ type }) => type === 'text').map(({ value }) => value));
    if (takenAt === '') expect('the fields of the form', JSON.stringify(begun), '["","","",""]');
    if (takenAt !== '') await fields.first().fill(takenAt);
    await block.locator('input[type=file]').setInputFiles({ name: 'a.pdf', mimeType: 'application/pdf', buffer: paper });
  }; // prettier-ignore
  const timeless = await execute(page, 'post', evidence, (block) => form(block, ''));
  expect('a photo without its time', timeless.status, 422);
  expect('the field it lacks', timeless.body.errors[0]?.pointer, '/takenAt');
  const photo = await execute(page, 'post', evidence, (block) => form(block, visit.body.visitedAt));
  expect('a photo', photo.status, 201);
  expect('its position', photo.body.position, null);
  await look(page, 'photo');

  await endsIn(page, 10);
  await signedInAs(page, 'official-101-1');
  await says(page, 'is over');
  await choose(page, 'inspection');
  const late = await execute(page, 'get', '/api/inspection/v1/obligations');
  expect('a token that has ended', late.status, 401);
  await look(page, 'ended');
  await again(page, 'official-101-1');
  expect('again', (await execute(page, 'get', '/api/inspection/v1/obligations')).status, 200);
  // An API refuses what still has time: an admin changed the account, or so.
  await endsIn(page, 200);
  await choose(page, 'inspection');
  await signedInAs(page, 'official-101-1');
  const changed = await execute(page, 'get', '/api/inspection/v1/obligations');
  expect('a token that is no more', changed.status, 401);
  await says(page, 'is over');
  await again(page, 'official-101-1');

  await page.reload();
  await choose(page, 'inspection');
  await signedInAs(page, 'official-101-1');
  const problem = await execute(page, 'post', '/api/inspection/v1/inspections', async (block) => {
    const editor = block.locator('textarea.body-param__text');
    const example = JSON.parse(await editor.inputValue());
    await editor.fill(JSON.stringify({ ...example, method: 'by-telephone' }, null, 2));
  });
  expect('a wrong method', problem.status, 422);
  expect('the field it names', problem.body.errors[0]?.pointer, '/method');
  await look(page, 'problem');

  // Another tab of the same browser goes along.
  const tab = await page.context().newPage();
  await tab.goto(`${run.baseUrl}/docs/`);
  await signedInAs(tab, 'official-101-1');
  await signOut(page, 'official-101-1');
  await says(tab, 'Not signed in');
}

let failure;
try {
  const file = join(folder, 'run.json');
  run = await until(async () => {
    if (platform.exitCode !== null) throw new Error('The platform did not start.');
    return existsSync(file) && JSON.parse(await readFile(file, 'utf8'));
  }, 'the start');
  browser = await chromium.launch({
    executablePath: browserPath,
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  const context = await browser.newContext({
    viewport: { width: 1280, height: 1400 },
    locale: 'zh-CN',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const broken = [];
  page.on('pageerror', (error) => broken.push(error.message));
  page.on('console', (line) => {
    if (line.text().includes('Content Security Policy')) broken.push(line.text());
  });
  await walk(page).catch(async (error) => {
    await look(page, 'failed').catch(() => undefined);
    throw error;
  });
  if (broken.length > 0) throw new Error(`The page itself failed: ${broken.join('; ')}`);
} catch (error) {
  failure = error;
} finally {
  await browser?.close();
  platform.kill('SIGTERM');
  await ended;
  await rm(folder, { recursive: true, force: true });
  if (run && !run.dataDir.startsWith(folder))
    await rm(dirname(run.dataDir), { recursive: true, force: true });
}
process.stdout.write(
  failure
    ? `browser: FAILED: ${failure.message}\n`
    : `browser: ok, ${picture} pictures in .cache/browser\n`,
);
process.exit(failure ? 1 : 0);
