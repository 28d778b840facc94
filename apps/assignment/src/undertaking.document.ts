import { type Level, type Tier } from '#contracts';
import { type Static } from '@sinclair/typebox';
import { type UndertakingText } from './assignment.policies.js';

/** An establishment as it stands on the list of an undertaking. */
export interface Listed {
  establishmentId: string;
  name: string;
  division: string;
  tier: Tier;
}

export interface Undertaker {
  id: string;
  division: string;
  level: Level;
  name: string;
  post: string;
}

const levelName: Record<Level, string> = { city: '市级', county: '县级', township: '乡级', village: '村级' }; // prettier-ignore

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.codePointAt(0) ?? 0};`);

/** The day in the county, as people write it. */
const dayOf = (instant: Date): string =>
  new Intl.DateTimeFormat('zh-CN', { timeZone: 'Asia/Shanghai', year: 'numeric', month: 'long', day: 'numeric' }).format(instant); // prettier-ignore

/**
 * The undertaking as a page to print and sign by hand. It loads nothing and runs nothing, and the same arguments give
 * the same bytes.
 * @param listSha256 ties the page to the very establishments, two of which may bear one name
 * @param places names of divisions by code; an unknown one is shown as its code
 */
export function documentOf(
  id: string,
  official: Undertaker,
  establishments: readonly Listed[],
  listSha256: string,
  text: { version: number; body: Static<typeof UndertakingText.body> },
  places: ReadonlyMap<string, string>,
  openedAt: Date,
): string {
  const { title, opening, duties, statement } = text.body.levels[official.level];
  const place = (division: string): string => places.get(division) ?? division;
  const rows = establishments.map(
    (one, at) =>
      `<tr><td>${at + 1}</td><td>${escaped(one.name)}</td><td>${escaped(place(one.division))}</td><td>${one.tier}</td></tr>`,
  );
  return `<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>
@page { size: A4; margin: 25mm }
body { font: 12pt/1.8 "FangSong", "Songti SC", serif; color: #000 }
h1 { font-size: 18pt; text-align: center }
table { width: 100%; border-collapse: collapse; font-size: 10.5pt; line-height: 1.5 }
thead { display: table-header-group }
tr { break-inside: avoid }
th, td { border: 1px solid #000; padding: 1mm 2mm; text-align: left }
footer { margin-top: 10mm; break-inside: avoid }
small { font-size: 8pt }
</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<p>承诺人:${escaped(official.name)}&emsp;职务:${escaped(official.post)}&emsp;层级:${levelName[official.level]}&emsp;任职地:${escaped(place(official.division))}</p>
<p>${escaped(opening)}</p>
<ol>
${duties.map((duty) => `<li>${escaped(duty)}</li>`).join('\n')}
</ol>
<p>包保主体名单(共${establishments.length}户):</p>
<table>
<thead><tr><th>序号</th><th>主体名称</th><th>所在地</th><th>包保等级</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
<footer>
<p>${escaped(statement)}</p>
<p>承诺人(签名):________________&emsp;&emsp;&emsp;&emsp;日期:______年____月____日</p>
<p><small>编号 ${id}&emsp;文本版本 ${text.version}&emsp;生成日期 ${dayOf(openedAt)}<br>名单校验码 ${listSha256}</small></p>
</footer>
</body>
</html>
`;
}
