/** The one list of problem codes: HTTP status, and the title in both languages. Other programs rely on the codes. */
export const problems = {
  'bad-request': [400, '请求无法识别', 'The request cannot be read'],
  'headers-too-large': [431, '请求头过大', 'The headers are too large'],
  'request-timeout': [408, '请求超时', 'The request took too long'],
  'validation-failed': [422, '内容不符合要求', 'The content does not fit'],
  'not-signed-in': [401, '请先登录', 'Sign in first'],
  'not-allowed': [403, '当前角色无权进行此操作', 'Your role may not do this'],
  'not-found': [404, '没有找到', 'Not found'],
  'method-not-allowed': [405, '该接口不支持此方法', 'This path does not take this method'],
  'if-match-missing': [
    428,
    '请带上正确的 If-Match 请求头',
    'Send the If-Match header, in its form',
  ],
  'stale-version': [412, '数据已被他人修改', 'Somebody changed it meanwhile'],
  'key-reused': [
    422,
    '该 Idempotency-Key 已用于不同的内容',
    'This Idempotency-Key was used for another body',
  ],
  'too-many-requests': [429, '请求过于频繁,请稍后重试', 'Too many requests: wait a little'],
  'body-too-large': [413, '请求内容过大', 'The body is too large'],
  'media-type': [415, '不支持的内容类型', 'This content type is not taken'],
  'file-too-large': [413, '文件过大', 'The file is too large'],
  'file-kind': [422, '文件类型不支持', 'This kind of file is not taken'],
  'files-not-configured': [503, '尚未配置文件存储', 'No place for files is configured'],
  'sheet-format': [422, '文件格式不支持', 'The file is no XLSX and no CSV'],
  'sheet-encoding': [422, '文件编码无法识别', 'The encoding of the file is not known'],
  'sheet-headers': [422, '缺少必要的列', 'Columns that are needed are missing'],
  'sheet-empty': [422, '表格中没有数据行', 'The sheet has no rows'],
  'sheet-damaged': [422, '文件已损坏', 'The file is damaged'],
  'sheet-bomb': [422, '文件解压后过大', 'The file unpacks to more than is taken'],
  'sheet-too-large': [422, '表格内容过多', 'The sheet holds more than is taken'],
  'policy-missing': [409, '尚未加载本县政策参数', 'The county’s policies are not loaded yet'],
  'divisions-missing': [409, '行政区划尚未同步完成', 'The divisions are not all here yet'],
  'licence-form': [422, '许可证编号格式有误', 'The licence number has the wrong form'],
  'own-act': [403, '不能审批或复查自己的操作', 'Nobody approves or verifies his own act'],
  'not-responsible': [403, '只有包保干部本人可以提交', 'Only the responsible official may do this'],
  'no-checklist': [409, '没有适用的检查表', 'No checklist fits'],
  'checklist-differs': [422, '检查表结果不完整或不匹配', 'The results do not fit the checklist'],
  'deadline-beyond-cap': [422, '整改期限超过上限', 'The deadline is beyond the cap'],
  'visited-in-future': [422, '督导时间不能晚于现在', 'The visit lies in the future'],
  'visited-long-ago': [422, '督导时间过早', 'The visit lies too long ago'],
  'held-far-ahead': [422, '培训时间过远', 'The session lies too far ahead'],
  'held-long-ago': [422, '培训时间过早', 'The session lies too long ago'],
  'already-registered': [409, '该主体已登记', 'This establishment is registered already'],
  'already-submitted': [409, '该督导已提交', 'This visit was submitted before'],
  'evidence-full': [409, '该督导的证据已达上限', 'The visit takes no more evidence'],
  'establishment-closed': [409, '该主体已停业或关闭', 'The establishment is not open'],
  'official-untrained': [403, '包保干部尚未完成岗前培训', 'The official has not been trained yet'],
  'name-taken': [409, '账号名已被占用', 'The name is taken'],
  'official-has-account': [409, '该包保干部已有账号', 'This official has an account already'],
  'last-admin': [409, '不能移除本县最后一名管理员', 'The last administrator of a county stays'],
  'wrong-state': [409, '当前状态不允许此操作', 'The state of this does not allow it'],
  'document-differs': [409, '签署的不是这份承诺书', 'This is not the document that was shown'],
  'changed-since': [409, '其后已有变更或督导,不能撤销', 'Something was changed or visited since'],
  'period-unknown': [422, '期间不可用', 'This period cannot be used'],
  'choices-refused': [422, '指定的包保安排不能成立', 'A choice of officials cannot be'],
  'officials-unknown': [422, '名单中有不存在的包保干部', 'Officials of the list are unknown'],
  'uscc-check-digit': [
    422,
    '统一社会信用代码校验位有误',
    'The check digit of the credit code is wrong',
  ],
  'village-unknown': [422, '行政区划代码不存在或不是村级', 'The division is unknown or no village'],
  'channel-not-configured': [409, '该通知渠道尚未配置', 'This channel is not configured'],
  'address-refused': [422, '不能向该地址发送', 'Nothing is sent to this address'],
  'too-many-subscriptions': [
    409,
    '订阅数量已达上限',
    'There are as many subscriptions as are taken',
  ],
  'code-wrong': [422, '验证码有误', 'The code is wrong'],
  'division-unknown': [422, '行政区划代码不存在', 'There is no such division'],
  'out-of-scope': [403, '该地区不在您的管辖范围', 'This place is outside your ground'],
  'outcome-unknown': [
    503,
    '结果未知,请用同一 Idempotency-Key 重试',
    'The outcome is unknown: repeat with the same Idempotency-Key',
  ],
  unavailable: [503, '服务暂不可用,请稍后重试', 'Not available for the moment: try again'],
  internal: [500, '系统内部错误', 'Internal error'],
} as const satisfies Record<string, readonly [number, string, string]>;

export type ProblemCode = keyof typeof problems;

export interface FieldError {
  /** JSON pointer into the body, or the name of the query field. */
  pointer: string;
  rule: string;
  value: unknown;
  remedy: Bilingual;
}

/** What a person reads: Chinese, and the same in English. */
export type Bilingual = `${string} · ${string}`;

/** A broken rule, told to the caller as problem+json (RFC 9457). */
export class DomainError extends Error {
  constructor(
    readonly code: ProblemCode,
    readonly detail: Bilingual,
    readonly errors: FieldError[] = [],
    /** For 412: the representation as it is now. */
    readonly current?: unknown,
  ) {
    super(detail);
  }
}

/** Alike for what is absent and what is another's. */
export const notFound = (): DomainError =>
  new DomainError(
    'not-found',
    '没有找到,或不在您的范围内。 · Nothing is here, or it is not yours.',
  );

/** For a path that no route has: never for a row. */
export const noRoute = (): DomainError =>
  new DomainError(
    'not-found',
    '没有这个接口,请核对路径,接口列表见 /docs/。 · There is no such route: check the path, /docs/ lists them.',
  );

/** @param current the representation as it is now */
export const staleVersion = (current: { version: number }): DomainError =>
  new DomainError(
    'stale-version',
    `当前版本为 ${current.version},请重新读取后再提交。 · It is at version ${current.version} now: read it again, then repeat.`,
    [],
    current,
  );

/**
 * @param ground the caller's own
 * @param division what was given, in the field of this name
 */
export const outOfScope = (ground: string, division: string): DomainError =>
  new DomainError('out-of-scope', `您的辖区是 ${ground}。 · Your ground is ${ground}.`, [
    { pointer: '/division', rule: 'out-of-scope', value: division, remedy: `请填写 ${ground} 或其下级的代码 · give ${ground}, or the code of a place in it` },
  ]); // prettier-ignore

/** The one row that was asked for. @throws DomainError `not-found`, alike for what is absent and what is another's. */
export function oneOf<T>(rows: T[]): T {
  const [row] = rows;
  if (row === undefined) throw notFound();
  return row;
}
