/** The sign-in page. `trouble` is our own text, never the caller's. */
export function loginPage(trouble = ''): string {
  return `<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>登录 · 食安两个责任平台</title><style>
body{font:16px/1.6 system-ui,sans-serif;background:#f3f5f4;display:grid;place-items:center;min-height:100vh;margin:0}
form{background:#fff;padding:2rem;border-radius:8px;width:20rem;box-shadow:0 1px 6px #0002}
h1{font-size:1.2rem;margin:0 0 1rem}label{display:block;margin:.6rem 0 .2rem}
input{width:100%;box-sizing:border-box;font:inherit;padding:.4rem}button{margin-top:1rem;width:100%;font:inherit;padding:.5rem;background:#1b6e46;color:#fff;border:0;border-radius:4px}
p{color:#a02020;margin:.8rem 0 0}</style></head><body><form method="post">
<h1>食品安全“两个责任”平台</h1>
<label for="name">账号 Account</label><input id="name" name="name" autocomplete="username" required autofocus>
<label for="password">密码 Password</label><input id="password" name="password" type="password" autocomplete="current-password" required>
<button>登录 Sign in</button>${trouble ? `<p role="alert">${trouble}</p>` : ''}</form></body></html>`;
}

/** Where a sign-in cannot go on, e.g. from a foreign address. `code` is one of OAuth's own words. */
export function troublePage(code: string): string {
  return `<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>登录 · 食安两个责任平台</title></head><body><p role="alert">登录未能完成,请返回重试。Sign-in could not be completed: go back and try again. (${code})</p></body></html>`;
}

/** Asks once more, so that no foreign page signs anybody out. `form` is the library's own, with its secret. */
export function signOutPage(form: string): string {
  return `<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>退出登录 · 食安两个责任平台</title></head><body>${form}
<button autofocus type="submit" form="op.logoutForm" value="yes" name="logout">退出登录 Sign out</button></body></html>`;
}

export function signedOutPage(): string {
  return `<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>已退出 · 食安两个责任平台</title></head><body><p>已退出登录,可以换一个账号登录。You are signed out: sign in with another account.</p></body></html>`;
}
