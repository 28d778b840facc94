const headline = '<h1>食品安全“两个责任”平台</h1>';

/** Pages of the sign-in; they need no script. `trouble` is our own text, never the caller's. */
function page(title: string, body: string): string {
  return `<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title} · 食安两个责任平台</title><style>
body{font:16px/1.6 system-ui,sans-serif;background:#f3f5f4;display:grid;place-items:center;min-height:100vh;margin:0}
main{background:#fff;padding:2rem;border-radius:8px;width:20rem;box-shadow:0 1px 6px #0002}
h1{font-size:1.2rem;margin:0 0 1rem}label{display:block;margin:.6rem 0 .2rem}code{word-break:break-all}svg{display:block;margin:auto}ol{font-family:monospace}
input{width:100%;box-sizing:border-box;font:inherit;padding:.4rem}button{margin-top:1rem;width:100%;font:inherit;padding:.5rem;background:#1b6e46;color:#fff;border:0;border-radius:4px}
a{display:block;margin-top:1rem;text-align:center;color:#1b6e46;overflow-wrap:anywhere}b{overflow-wrap:anywhere}
p[role]{color:#a02020;margin:.8rem 0 0}</style></head><body><main>${headline}${body}</main></body></html>`;
}

const form = (
  inner: string,
  button: string,
  trouble: string,
): string => `<form method="post">${inner}
<button>${button}</button>${trouble ? `<p role="alert">${trouble}</p>` : ''}</form>`;

const carried = (proof: string): string => `<input type="hidden" name="proof" value="${proof}">`;
const codeField = `<label for="code">验证码 Code</label><input id="code" name="code" autocomplete="one-time-code" required autofocus>`;

const references: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }; // prettier-ignore
const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => references[sign] ?? '');

/** @param name what was typed as the account last time: whoever only mistyped his password types that alone again */
export function loginPage(trouble = '', name = ''): string {
  const [first, second] = name ? ['', ' autofocus'] : [' autofocus', ''];
  return page(
    '登录',
    form(
      `
<label for="name">账号 Account</label><input id="name" name="name" value="${escaped(name)}" autocomplete="username" required${first}>
<label for="password">密码 Password</label><input id="password" name="password" type="password" autocomplete="current-password" required${second}>`,
      '登录 Sign in',
      trouble,
    ),
  );
}

/** One's own password in place of a one-time password. */
export function passwordPage(proof: string, trouble = ''): string {
  return page(
    '设置密码',
    form(
      `${carried(proof)}
<p>您使用的是一次性密码,请设置自己的密码:至少 12 个字符,不能是账号名或常见密码。<br>You used a one-time password. Choose your own: at least 12 characters, not your account’s name, and no common one.</p>
<label for="password">新密码 New password</label><input id="password" name="password" type="password" autocomplete="new-password" required autofocus>
<label for="repeated">再输入一次 Once more</label><input id="repeated" name="repeated" type="password" autocomplete="new-password" required>`,
      '保存并继续 Save and go on',
      trouble,
    ),
  );
}

export function codePage(proof: string, trouble = ''): string {
  return page(
    '二次验证',
    form(
      `${carried(proof)}
<p>请输入验证器中的 6 位验证码;手机不在身边时可用一个恢复码。<br>Type the 6 digits of your authenticator, or one of your recovery codes.</p>
${codeField}`,
      '继续 Go on',
      trouble,
    ),
  );
}

/** @param enrolment `picture` is an element of our own making, `secret` base32 */
export function enrolmentPage(
  proof: string,
  { picture, secret }: { picture: string; secret: string },
  trouble = '',
): string {
  return page(
    '设置二次验证',
    form(
      `${carried(proof)}
<p>管理员账号需要二次验证。请用验证器应用扫描二维码,或手工输入密钥,然后填写其显示的 6 位验证码。<br>Administrators need a second factor. Scan this with an authenticator app, or type in the secret; then fill in the 6 digits it shows.</p>
${picture}<p>密钥 Secret: <code id="secret">${secret}</code></p>
${codeField}`,
      '确认 Confirm',
      trouble,
    ),
  );
}

export function codesPage(proof: string, codes: readonly string[]): string {
  return page(
    '恢复码',
    form(
      `${carried(proof)}
<p>二次验证已启用。请妥善保存以下恢复码:每个只能用一次,且只显示这一次。<br>The second factor is set. Keep these recovery codes in a safe place: each is good once, and they are shown only now.</p>
<ol>${codes.map((code) => `<li>${code}</li>`).join('')}</ol>`,
      '我已保存,继续 I have kept them: go on',
      '',
    ),
  );
}

/** Too many requests from one address. */
export function busyPage(seconds: number): string {
  return page(
    '请稍候',
    `<p role="alert">请求过于频繁,请 ${seconds} 秒后再试。Too many requests: try again in ${seconds} seconds.</p>`,
  );
}

/** Where a sign-in cannot go on, e.g. from a foreign address. `code` is one of OAuth's own words. */
export function troublePage(code: string): string {
  return page(
    '登录',
    `<p role="alert">登录未能完成,请返回重试。Sign-in could not be completed: go back and try again. (${code})</p>`,
  );
}

const backTo = (addresses: readonly string[]): string =>
  addresses
    .map((address) => `<a href="${escaped(address)}">返回 · Back to ${escaped(address)}</a>`)
    .join('');

/**
 * Asks once more, so that no foreign page signs anybody out.
 * @param libraryForm the library's own, with its secret
 * @param account whose sign-in it is, where that is still known
 * @param addresses of our Swagger UIs as configured, never what a request names
 */
export function signOutPage(
  libraryForm: string,
  account: string | undefined,
  addresses: readonly string[],
): string {
  const name = account && `<b>${escaped(account)}</b>`;
  return page(
    '退出登录',
    `<p>要退出登录${name ? ` ${name} ` : ''}吗?退出后可以换一个账号登录。<br>Sign out${name ? ` ${name}` : ''}? You can then sign in with another account.</p>
${libraryForm}<button autofocus type="submit" form="op.logoutForm" value="yes" name="logout">退出登录 Sign out</button>
${backTo(addresses)}`,
  );
}

/** @param addresses of our Swagger UIs as configured */
export function signedOutPage(addresses: readonly string[]): string {
  return page(
    '已退出',
    `<p>已退出登录。返回后点击 Authorize,可以换一个账号登录。<br>You are signed out. Go back and press Authorize to sign in with another account.</p>
${backTo(addresses)}`,
  );
}
