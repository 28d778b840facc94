import { randomBytes } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { type Duplex } from 'node:stream';
import { CommitUnknown, isAway, KeyReused, Repeated } from '#database';
import { FilesNotConfigured, FilesUnavailable } from '#files';
import {
  type ArgumentMetadata, type ArgumentsHost, type CanActivate, Catch, type CallHandler, type ExceptionFilter, type ExecutionContext, HttpException,
  type NestInterceptor, type ValidationError, ValidationPipe,
} from '@nestjs/common'; // prettier-ignore
import { type OpenAPIObject } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { type Logger } from 'pino';
import { catchError, of, tap, throwError, type Observable } from 'rxjs';
import { validate as isUuid } from 'uuid';
import { unnamed } from './fields.js';
import { firstBroken, remedyFor, unknownField } from './remedies.js';
import {
  type Bilingual,
  DomainError,
  type FieldError,
  noRoute,
  type ProblemCode,
  problems,
} from './problem.js';

const deepest = 16;

/** What class-transformer and class-validator pass over in silence: names of every object, arrays in arrays, depth. */
function oddities(value: unknown, pointer: string, depth: number): FieldError[] {
  // Validators of libraries throw at it, and PostgreSQL keeps none.
  if (typeof value === 'string' && /\p{Cs}/u.test(value))
    return [{ pointer: pointer || '/', rule: 'surrogate', value: null, remedy: '文字编码不完整 · the text holds half of a character' }];
  if (typeof value !== 'object' || value === null) return [];
  if (depth > deepest)
    return [{ pointer, rule: 'depth', value: null, remedy: `最多 ${deepest} 层 · At most ${deepest} levels are taken.` }];
  return Object.entries(value).flatMap(([name, inner]) => {
    const here = `${pointer}/${name}`;
    if (name in Object.prototype || name === 'prototype')
      return [{ pointer: here, rule: 'whitelistValidation', value: shown(inner), remedy: unknownField(name) }];
    if (Array.isArray(value) && Array.isArray(inner))
      return [{ pointer: here, rule: 'nestedArray', value: shown(inner), remedy: '列表中不能再含列表 · An array holds no arrays.' }];
    return oddities(inner, here, depth + 1);
  });
} // prettier-ignore

/**
 * class-validator takes null for `left out` in every optional field; here null is a value, of those fields alone that the
 * document calls nullable.
 */
function nulls(value: unknown, pointer: string): FieldError[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    const here = `${pointer}/${name}`;
    if (inner !== null) return nulls(inner, here);
    const said = Reflect.getMetadata('swagger/apiModelProperties', value, name) as { nullable?: boolean } | undefined;
    return said && !said.nullable
      ? [{ pointer: here, rule: 'notNull', value: null, remedy: remedyFor('notNull', '') }]
      : [];
  });
} // prettier-ignore

class StrictPipe extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    // An array would be judged item by item, as if its places were fields.
    if (metadata.type === 'body' && value !== undefined && (typeof value !== 'object' || value === null || Array.isArray(value)))
      throw refusal([{ pointer: '/', rule: 'isObject', value: shown(value), remedy: '请发送 JSON 对象,如 {"name":"…"},不是列表或单个值 · send a JSON object, like {"name":"…"}, no list and no single value' }]);
    // Every path has it as a UUID (see `completed`).
    if (metadata.type === 'param' && metadata.data === 'id' && !isUuid(value))
      throw new DomainError('bad-request', '路径中的 id 不是有效的编号(UUID)。 · The id in the path is no UUID.', [
        { pointer: '/id', rule: 'isUuid', value: shown(value), remedy: remedyFor('isUuid', '') },
      ]);
    const odd = oddities(value, '', 0);
    if (odd.length > 0) throw refusal(odd);
    const taken: unknown = await super.transform(value, metadata);
    if (metadata.type !== 'body' || typeof taken !== 'object' || taken === null) return taken;
    const empty = nulls(taken, '');
    if (empty.length > 0) throw refusal(empty);
    const fields = unnamed(taken);
    if (fields.length > 0)
      throw refusal([{ pointer: '/', rule: 'atLeastOne', value: null, remedy: `请至少填写一个要修改的字段:${fields.join('、')} · name at least one field to change: ${fields.join(', ')}` }]);
    return taken;
  }
} // prettier-ignore

const refusal = (errors: FieldError[]): DomainError =>
  new DomainError(
    'validation-failed',
    '请改正 errors 中列出的字段。 · Mend the fields named in errors.',
    errors.slice(0, 50),
  ); // a hostile body has as many as it has commas

/** Unknown fields are refused, and each wrong one is named with its rule, value and remedy. */
export const validation = (): ValidationPipe =>
  new StrictPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    validationError: { target: true, value: true }, // an unknown field is told those of its class
    exceptionFactory: (found) => refusal(found.flatMap((one) => fieldErrors(one, ''))),
  });

/**
 * A filter that the document does not name is refused, also where a route has none at all: whoever misspells one would
 * take an unfiltered answer for a filtered one. Links for the public are let through: phones add words of their own.
 */
export class QueryGuard implements CanActivate {
  private readonly named = new Map<string, Set<string>>();

  learn(document: OpenAPIObject): void {
    for (const [path, item] of Object.entries(document.paths))
      for (const [method, operation] of Object.entries(item as Record<string, Described>))
        if (operation['x-roles'])
          this.named.set(
            `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`,
            new Set(operation.parameters?.filter((one) => one.in === 'query').map(({ name }) => name)),
          );
  }

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const named = this.named.get(`${request.method} ${request.routeOptions.url ?? ''}`);
    const query = request.query as Record<string, unknown>;
    const unknown = named ? Object.keys(query).filter((name) => !named.has(name)) : [];
    if (unknown.length > 0)
      throw refusal(unknown.map((name) => ({
        pointer: `/${name.slice(0, 100)}`, rule: 'whitelistValidation', value: shown(query[name]),
        remedy: unknownField(name, [...(named ?? [])]),
      })));
    return true;
  }
} // prettier-ignore

interface Described {
  'x-roles'?: string[];
  parameters?: { in: string; name: string }[];
}

/** What was sent, as far as it helps to find it; never the whole of a large body. */
function shown(value: unknown): unknown {
  if (typeof value === 'string') return value.slice(0, 200);
  const text = JSON.stringify(value ?? null);
  return text.length > 200 ? text.slice(0, 200) : (value ?? null);
}

/** One error a field, the first that matters: what is missing has no form to mend. */
function fieldErrors({ property, value, constraints, children, target }: ValidationError, above: string): FieldError[] {
  const pointer = `${above}/${property}`;
  const said = firstBroken(value === undefined && constraints ? { required: '' } : (constraints ?? {}));
  return [
    ...said.map(([rule, words]) => ({
      pointer,
      rule,
      value: shown(value),
      remedy: rule === 'whitelistValidation' ? unknownField(property, fieldsOf(target)) : remedyFor(rule, words),
    })),
    ...(children ?? []).flatMap((child) => fieldErrors(child, pointer)),
  ];
} // prettier-ignore

/** The names that a body of this class may have: `:name` in what Swagger was told. */
function fieldsOf(body: object | undefined): string[] {
  const told = Reflect.getMetadata('swagger/apiModelPropertiesArray', body ?? {}) as string[] | undefined;
  return told?.map((name) => name.slice(1)) ?? [];
} // prettier-ignore

/** A repeat of an `Idempotency-Key` gets the first answer again. */
export class RepeatInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next
      .handle()
      .pipe(
        catchError((error: unknown) =>
          error instanceof Repeated ? of(error.answer) : throwError(() => error),
        ),
      );
  }
}

/** What has a version carries it as its ETag. */
export class EtagInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(
      tap((answer: unknown) => {
        const version = (answer as { version?: unknown } | null)?.version;
        if (typeof version === 'number') void reply.header('etag', `"${version}"`);
      }),
    );
  }
}

/** What was accepted for later has its address in `Location`, in the first answer and in its repeats. */
export class LocationInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(
      tap((answer: unknown) => {
        const id = (answer as { id?: unknown } | null)?.id;
        if (reply.statusCode === 202 && typeof id === 'string')
          void reply.header('location', `${request.url.split('?')[0] ?? ''}/${id}`);
      }),
    );
  }
}

/** What the service's document says of a path that the router did not take; documents are open to everybody. */
export class Routes {
  private readonly all: { pattern: RegExp; methods: string[] }[] = [];

  learn(document: OpenAPIObject): void {
    for (const [path, item] of Object.entries(document.paths))
      this.all.push({
        pattern: new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
        methods: Object.keys(item).map((method) => method.toUpperCase()),
      });
  }

  /** @returns the problem of a request that no route takes; a 405 has its `Allow` (RFC 9110 §15.5.6) */
  refusal({ method, url }: FastifyRequest, reply: FastifyReply): DomainError {
    const path = decodeURI(url.split('?')[0] ?? ''); // a slash that is encoded stays so, as in the router
    const methods = [...new Set(this.all.filter(({ pattern }) => pattern.test(path)).flatMap((one) => one.methods))];
    if (methods.length === 0) return noRoute();
    void reply.header('allow', methods.join(', '));
    return new DomainError(
      'method-not-allowed',
      `该接口不支持 ${method},可用:${methods.join('、')}。 · This path does not take ${method}; it takes ${methods.join(', ')}.`,
    );
  }
} // prettier-ignore

/** The one place where errors become answers. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const status = tell(error, request, host.switchToHttp().getResponse<FastifyReply>());
    if (status === 500)
      this.log.error({ err: bare(error), traceId: request.traceId }, 'request failed');
    // The caller is told to come again; why the place of the files refuses us is for who runs it.
    if (error instanceof FilesUnavailable)
      this.log.warn({ err: error.message, traceId: request.traceId }, 'files are not available');
  }
}

/** Without what database errors carry beside their message: parameters and the values of the row. */
function bare(error: unknown): object {
  const { name, message, code, stack } = error as Error & { code?: string };
  return { name, message, code, stack };
}

/** Answers with the problem. @returns its status */
export function tell(error: unknown, request: FastifyRequest, reply: FastifyReply): number {
  const body = problemOf(told_(error), request.traceId, request.headers['accept-language']);
  void reply
    .status(body.status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .send(body);
  return body.status;
}

interface Problem {
  code: ProblemCode;
  detail: Bilingual;
  errors: FieldError[];
  current?: unknown;
}

function problemOf(
  { code, detail, errors, current }: Problem,
  traceId: string,
  language = '',
): { status: number; [field: string]: unknown } {
  const [status, zh, en] = problems[code];
  return {
    type: `https://foodwarden.example/problems/${code}`,
    title: /^\s*en\b/i.test(language) ? en : zh,
    status,
    detail,
    code,
    traceId,
    errors,
    ...(current === undefined ? {} : { current }),
  };
}

/** For a server that has no routes of ours. */
export function tellPlain(response: ServerResponse, error: DomainError): void {
  const traceId = randomBytes(16).toString('hex');
  const body = problemOf(told_(error), traceId);
  response
    .writeHead(body.status, {
      'content-type': 'application/problem+json; charset=utf-8',
      'cache-control': 'no-store',
      'x-trace-id': traceId,
    })
    .end(JSON.stringify(body));
}

/**
 * Why a request cannot be taken at all, by whatever server: an address that is not percent-encoded UTF-8, HTTP/1.1 without
 * a Host (RFC 9112 §3.2). The servers have `requireHostHeader: false`, for Node would answer the latter with a bare 400.
 */
export function unreadable({ url = '', headers, httpVersion }: IncomingMessage): DomainError | undefined {
  if (headers.host === undefined && httpVersion === '1.1')
    return new DomainError('bad-request', '请求缺少 Host 请求头。 · The Host header is missing: send it.');
  try {
    decodeURIComponent(url);
    return undefined;
  } catch {
    return undecodable();
  }
} // prettier-ignore

export const undecodable = (): DomainError =>
  new DomainError(
    'bad-request',
    '地址不是百分号编码的 UTF-8,或过长。 · The address is not percent-encoded UTF-8, or too long.',
  );

/** What Node's parser refuses before there is a request; it would answer with nothing but a status. */
const unparsed: Partial<Record<string, [ProblemCode, Bilingual]>> = {
  HPE_INVALID_URL: ['bad-request', '地址中的中文等字符须做百分号编码。 · Percent-encode what is not ASCII in the address.'],
  HPE_HEADER_OVERFLOW: ['headers-too-large', '请求头或地址过长,最多 16 KB。 · Address and headers are too long: at most 16 KB.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request-timeout', '请求未在时限内发送完毕,请重试。 · The request did not arrive whole in time: send it again.'],
}; // prettier-ignore

/** For `clientError` of a server: the same problem+json as anywhere, and the connection ends. */
export function tellUnparsed(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [code, detail] = unparsed[error.code ?? ''] ?? [
    'bad-request',
    '这不是合格的 HTTP 请求,请用 HTTP 客户端发送。 · This is no well-formed HTTP request: send it with an HTTP client.',
  ];
  const traceId = randomBytes(16).toString('hex');
  const body = problemOf({ code, detail, errors: [] }, traceId);
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${body.status} ${STATUS_CODES[body.status] ?? ''}\r\ncontent-type: application/problem+json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\ncache-control: no-store\r\nx-trace-id: ${traceId}\r\nconnection: close\r\n\r\n${text}`,
  );
}

function told_(error: unknown): Problem {
  if (error instanceof DomainError)
    return {
      code: error.code,
      detail: error.detail,
      errors: error.errors,
      current: error.current,
    };
  if (error instanceof KeyReused)
    return {
      code: 'key-reused',
      detail:
        '请为不同的内容使用新的 Idempotency-Key。 · Use another Idempotency-Key for another body.',
      errors: [],
    };
  if (error instanceof CommitUnknown)
    return {
      code: 'outcome-unknown',
      detail:
        '请用同一 Idempotency-Key 重新提交。 · Repeat the request with the same Idempotency-Key.',
      errors: [],
    };
  if (error instanceof FilesNotConfigured)
    return {
      code: 'files-not-configured',
      detail: `本系统尚未配置文件存储,请设置 FILES_DIR 或 FILES_S3_…。 · ${error.message}`,
      errors: [],
    };
  if (error instanceof FilesUnavailable)
    return {
      code: 'unavailable',
      detail:
        '文件存储暂不可用,请稍后重试。 · The files are out of reach for the moment: try again shortly.',
      errors: [],
    };
  const status =
    error instanceof HttpException
      ? error.getStatus()
      : ((error as { statusCode?: number } | null)?.statusCode ?? 500);
  const detail = error instanceof Error ? error.message : '';
  if (status === 404) return told_(noRoute());
  if (status === 413)
    return {
      code: 'body-too-large',
      detail: 'JSON 内容最大 1 MB。 · At most 1 MB of JSON.',
      errors: [],
    };
  if (status === 415)
    return {
      code: 'media-type',
      detail: '请发送 application/json。 · Send application/json.',
      errors: [],
    };
  if (status >= 400 && status < 500)
    return {
      code: 'bad-request',
      detail: `请求无法识别,请检查格式。 · The request cannot be read, check its form: ${detail || 'no more is known'}`,
      errors: [],
    };
  const sqlState = (error as { code?: string } | null)?.code ?? '';
  if (/^22/.test(sqlState))
    return {
      code: 'validation-failed',
      detail: '有数值无法保存,请检查内容。 · A value cannot be kept as it is.',
      errors: [],
    };
  if (isAway(error))
    return {
      code: 'unavailable',
      detail: '数据库没有响应,请稍后重试。 · The database does not answer: try again shortly.',
      errors: [],
    };
  return {
    code: 'internal',
    detail: '已按 traceId 记录,请联系管理员。 · It was written down under the traceId.',
    errors: [],
  };
}
