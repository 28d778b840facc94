/** The one list of problem codes: HTTP status, and the title in both languages. Other programs rely on the codes. */
export const problems = {
  'bad-request': [400, '请求无法识别', 'The request cannot be read'],
  'validation-failed': [422, '内容不符合要求', 'The content does not fit'],
  'not-signed-in': [401, '请先登录', 'Sign in first'],
  'not-allowed': [403, '当前角色无权进行此操作', 'Your role may not do this'],
  'not-found': [404, '没有找到', 'Not found'],
  'if-match-missing': [428, '请带上 If-Match 请求头', 'Send the If-Match header'],
  'stale-version': [412, '数据已被他人修改', 'Somebody changed it meanwhile'],
  'key-reused': [
    422,
    '该 Idempotency-Key 已用于不同的内容',
    'This Idempotency-Key was used for another body',
  ],
  'body-too-large': [413, '请求内容过大', 'The body is too large'],
  'media-type': [415, '不支持的内容类型', 'This content type is not taken'],
  'uscc-check-digit': [
    422,
    '统一社会信用代码校验位有误',
    'The check digit of the credit code is wrong',
  ],
  'village-unknown': [422, '行政区划代码不存在或不是村级', 'The division is unknown or no village'],
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
  remedy: string;
}

/** A broken rule, told to the caller as problem+json (RFC 9457). */
export class DomainError extends Error {
  constructor(
    readonly code: ProblemCode,
    detail: string,
    readonly errors: FieldError[] = [],
    /** For 412: the representation as it is now. */
    readonly current?: unknown,
  ) {
    super(detail);
  }
}
