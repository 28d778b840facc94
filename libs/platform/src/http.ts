import { CommitUnknown, KeyReused, Repeated } from '#database';
import { FilesNotConfigured, FilesUnavailable } from '#files';
import {
  type ArgumentMetadata, type ArgumentsHost, type CanActivate, Catch, type CallHandler, type ExceptionFilter, type ExecutionContext, HttpException,
  type NestInterceptor, type ValidationError, ValidationPipe,
} from '@nestjs/common'; // prettier-ignore
import { type OpenAPIObject } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { type Logger } from 'pino';
import { catchError, of, tap, throwError, type Observable } from 'rxjs';
import { remedyFor } from './remedies.js';
import { DomainError, type FieldError, type ProblemCode, problems } from './problem.js';

const deepest = 16;

/** What class-transformer and class-validator pass over in silence: names of every object, arrays in arrays, depth. */
function oddities(value: unknown, pointer: string, depth: number): FieldError[] {
  // Validators of libraries throw at it, and PostgreSQL keeps none.
  if (typeof value === 'string' && /\p{Cs}/u.test(value))
    return [{ pointer: pointer || '/', rule: 'surrogate', value: null, remedy: '文字编码不完整 · the text holds half of a character' }];
  if (typeof value !== 'object' || value === null) return [];
  if (depth > deepest)
    return [{ pointer, rule: 'depth', value: null, remedy: `At most ${deepest} levels are taken.` }];
  return Object.entries(value).flatMap(([name, inner]) => {
    const here = `${pointer}/${name}`;
    if (name in Object.prototype || name === 'prototype')
      return [{ pointer: here, rule: 'whitelistValidation', value: shown(inner), remedy: `property ${name} should not exist` }];
    if (Array.isArray(value) && Array.isArray(inner))
      return [{ pointer: here, rule: 'nestedArray', value: shown(inner), remedy: 'An array holds no arrays.' }];
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
      ? [{ pointer: here, rule: 'notNull', value: null, remedy: remedyFor('notNull', `${name} must not be null: leave it out`) }]
      : [];
  });
} // prettier-ignore

class StrictPipe extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.type === 'body' && value === null)
      throw refusal([{ pointer: '/', rule: 'isObject', value: null, remedy: 'Send a JSON object.' }]);
    const odd = oddities(value, '', 0);
    if (odd.length > 0) throw refusal(odd);
    const taken: unknown = await super.transform(value, metadata);
    const empty = metadata.type === 'body' ? nulls(taken, '') : [];
    if (empty.length > 0) throw refusal(empty);
    return taken;
  }
} // prettier-ignore

const refusal = (errors: FieldError[]): DomainError =>
  new DomainError('validation-failed', 'Mend the fields named in errors.', errors.slice(0, 50)); // a hostile body has as many as it has commas

/** Unknown fields are refused, and each wrong one is named with its rule, value and remedy. */
export const validation = (): ValidationPipe =>
  new StrictPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
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
        remedy: remedyFor('whitelistValidation', `property ${name.slice(0, 100)} should not exist`),
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

function fieldErrors(error: ValidationError, above: string): FieldError[] {
  const pointer = `${above}/${error.property}`;
  return [
    ...Object.entries(error.constraints ?? {}).map(([rule, remedy]) => ({
      pointer,
      rule,
      value: shown(error.value),
      remedy: remedyFor(rule, remedy),
    })),
    ...(error.children ?? []).flatMap((child) => fieldErrors(child, pointer)),
  ];
}

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
  const told = told_(error);
  const [status, zh, en] = problems[told.code];
  const english = /^\s*en\b/i.test(request.headers['accept-language'] ?? '');
  void reply
    .status(status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .send({
      type: `https://foodwarden.example/problems/${told.code}`,
      title: english ? en : zh,
      status,
      detail: told.detail,
      code: told.code,
      traceId: request.traceId,
      errors: told.errors,
      ...(told.current === undefined ? {} : { current: told.current }),
    });
  return status;
}

function told_(error: unknown): {
  code: ProblemCode;
  detail: string;
  errors: FieldError[];
  current?: unknown;
} {
  if (error instanceof DomainError)
    return {
      code: error.code,
      detail: error.message,
      errors: error.errors,
      current: error.current,
    };
  if (error instanceof KeyReused) return { code: 'key-reused', detail: error.message, errors: [] };
  if (error instanceof CommitUnknown)
    return {
      code: 'outcome-unknown',
      detail: 'Repeat the request with the same Idempotency-Key.',
      errors: [],
    };
  if (error instanceof FilesNotConfigured)
    return { code: 'files-not-configured', detail: error.message, errors: [] };
  if (error instanceof FilesUnavailable)
    return {
      code: 'unavailable',
      detail: 'The files are out of reach for the moment: try again shortly.',
      errors: [],
    };
  const status =
    error instanceof HttpException
      ? error.getStatus()
      : ((error as { statusCode?: number } | null)?.statusCode ?? 500);
  const detail = error instanceof Error ? error.message : '';
  if (status === 404)
    return { code: 'not-found', detail: 'Nothing is here, or it is not yours.', errors: [] };
  if (status === 413)
    return { code: 'body-too-large', detail: 'At most 1 MB of JSON.', errors: [] };
  if (status === 415) return { code: 'media-type', detail: 'Send application/json.', errors: [] };
  if (status >= 400 && status < 500) return { code: 'bad-request', detail, errors: [] };
  const sqlState = (error as { code?: string } | null)?.code ?? '';
  if (/^22/.test(sqlState))
    return { code: 'validation-failed', detail: 'A value cannot be kept as it is.', errors: [] };
  if (
    /^(08|57P|53)/.test(sqlState) ||
    /^E(CONN|PIPE)/.test(sqlState) ||
    /Connection terminated/.test(detail)
  )
    return {
      code: 'unavailable',
      detail: 'The database does not answer: try again shortly.',
      errors: [],
    };
  return { code: 'internal', detail: 'It was written down under the traceId.', errors: [] };
}
