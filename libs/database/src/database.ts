import { createHash } from 'node:crypto';
import { type DataOf, type EventContract, type Service } from '#contracts';
import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler';
import { FormatRegistry, type TObject } from '@sinclair/typebox';
import { DataSource, type DataSourceOptions, type EntityManager, type QueryRunner } from 'typeorm';
import { validate as isUuid } from 'uuid';
import { newId } from './id.js';
import { type Caller, scopeOf } from './scope.js';

if (!FormatRegistry.Has('uuid')) FormatRegistry.Set('uuid', isUuid);

/** A row with a version: every change of it is one step, and carries at most one fact. */
export interface Aggregate {
  id: string;
  division: string;
  version: number;
}

interface Fact {
  contract: EventContract;
  aggregate: Aggregate;
  data: Record<string, unknown>;
}

/** The key was seen before with the same body: the first answer is given again. */
export class Repeated extends Error {
  constructor(readonly answer: unknown) {
    super('repeated');
  }
}

/** The same `Idempotency-Key` came with another body. */
export class KeyReused extends Error {}

/** The change met a newer version of the row (or a row outside the scope). */
export class StaleVersion extends Error {}

/** COMMIT was not answered COMMIT: nothing is known to be saved. */
export class CommitUnknown extends Error {}

/** The transaction took longer than its `limitMs`, and was ended. */
export class TookTooLong extends Error {
  constructor(limitMs: number) {
    super(`took longer than ${limitMs / 1000} s · 处理超过 ${limitMs / 1000} 秒`);
  }
}

/** It is not this statement that failed: the database is away, stops, starts, or has no room for anybody. */
export function isAway(error: unknown): boolean {
  if (error instanceof CommitUnknown) return true;
  const { code = '', message } = (error ?? {}) as Partial<Error> & { code?: string };
  return (
    /^(08...|53...|57P..|ECONN\w+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOST\w+|ENET\w+)$/.test(code) ||
    // `pg` has no code for a connection that it lost itself.
    /^(Connection terminated|Client has encountered a connection error|Client was closed|timeout exceeded when trying to connect)/.test(message ?? '')
  );
} // prettier-ignore

/** Another transaction was in the way: the same again is likely to succeed at once. */
export function isConflict(error: unknown): boolean {
  return ['40001', '40P01'].includes((error as { code?: string }).code ?? '');
}

/** The statement itself is wrong for what it was given, or the program is: the same again fails again. */
export function isFault(error: unknown): boolean {
  const { code = '' } = (error ?? {}) as { code?: string };
  return /^2[12]/.test(code) || error instanceof TypeError || error instanceof RangeError;
}

const checks = new Map<string, TypeCheck<TObject>>();
export function checkerOf(contract: EventContract): TypeCheck<TObject> {
  let check = checks.get(contract.type);
  if (!check) checks.set(contract.type, (check = TypeCompiler.Compile(contract.data)));
  return check;
}

/** Prepared once a connection, under its name. */
export interface Statement {
  name: string;
  text: string;
  values: unknown[];
}

/** What TypeORM's runner lends us of `pg`: statements sent without waiting for the one before. */
interface Connection {
  query(statement: string | Statement): Promise<{ command: string; rows: unknown[] }>;
}

/** TypeORM's runner, with what it does not show: it can end its connection instead of giving it back. */
interface LentRunner extends QueryRunner {
  isTransactionActive: boolean;
  releasePostgresConnection(error: Error): Promise<void>;
}

/** The caller's transaction: what a service method takes first. */
export class Tx {
  private facts: Fact[] = [];
  /** Facts were written that the relay will want to send. */
  wrote = false;
  /** Statements on their way, whose answers nobody waits for. */
  readonly sent: Promise<unknown>[] = [];

  constructor(
    readonly manager: EntityManager,
    readonly caller: Caller,
    /** The database's transaction time. */
    readonly now: Date,
    private readonly service: Service,
    private readonly connection: Connection,
  ) {}

  /** Parameters only: the role can set its own scope, so text built into SQL would escape it. */
  async query<Row extends object>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    const answer: unknown = await this.manager.query(sql, parameters);
    // TypeORM answers [rows, count] for UPDATE and DELETE.
    if (Array.isArray(answer) && answer.length === 2 && Array.isArray(answer[0]))
      return answer[0] as Row[];
    return answer as Row[];
  }

  /**
   * Sends a statement, prepared under `name`, without waiting for it: this process works on while PostgreSQL does. When
   * it fails, so does the transaction, with its reason at the commit; whatever is asked in between is refused.
   */
  send(name: string, text: string, values: unknown[]): void {
    const answer = this.connection.query({ name, text, values });
    answer.catch(() => undefined); // told at the commit
    this.sent.push(answer);
  }

  /**
   * `query`, prepared once a connection under `name`, without TypeORM: for what is asked anew for each fact, where planning
   * takes longer than running. Several asked at once run in their order, in one turn to PostgreSQL and back.
   */
  async ask<Row extends object>(name: string, text: string, values: unknown[]): Promise<Row[]> {
    const { rows } = await this.connection.query({ name, text, values });
    return rows as Row[];
  }

  /** Writes the fact into the journal at the end of the transaction, with the version the aggregate has by then. */
  publish<T extends TObject>(
    contract: EventContract<T>,
    aggregate: Aggregate,
    data: DataOf<EventContract<T>>,
  ): void {
    if (contract.owner !== this.service)
      throw new Error(
        `${this.service} may not publish ${contract.type}: ${contract.owner} owns it.`,
      );
    this.facts.push({
      contract: contract,
      aggregate,
      data: data,
    });
  }

  /**
   * Writes the facts published so far, for a transaction of more of them than memory should hold. Call it when their
   * aggregates' rows are changed, so that ids are drawn under the row locks; they are sent when the transaction commits.
   */
  async flush(): Promise<void> {
    const facts = this.statement();
    this.facts = [];
    if (facts) await this.query(facts.text, facts.values);
  }

  /** What writes the facts into journal and outbox, in one statement; undefined when there are none. */
  statement(): Statement | undefined {
    if (this.facts.length === 0) return undefined;
    this.wrote = true;
    const seen = new Set<string>();
    // The same in all of them, and so written once.
    const { id: actor, correlationId, causationId } = this.caller;
    const head = `"source":"/services/${this.service}","time":"${this.now.toISOString()}","datacontenttype":"application/json","actor":${JSON.stringify(actor)},"correlationid":${JSON.stringify(correlationId)}${causationId ? `,"causationid":${JSON.stringify(causationId)}` : ''}`;
    const events = this.facts.map(({ contract, aggregate: { id, division, version }, data }) => {
      const step = `${id}/${version}`;
      if (seen.has(step)) throw new Error(`Two facts for one step of ${contract.type} ${step}.`);
      seen.add(step);
      const check = checkerOf(contract);
      if (!check.Check(data)) {
        const first = check.Errors(data).First();
        throw new Error(
          `${contract.type}: ${first?.path ?? ''} ${first?.message ?? 'does not fit'}.`,
        );
      }
      // An `Envelope` as text; what stands between quotes here holds nothing to escape.
      return `{"specversion":"1.0","id":"${newId()}","type":"${contract.type}","subject":"${id}","division":"${division}","sequence":${version},${head},"data":${JSON.stringify(data)}}`;
    });
    return {
      name: 'journal',
      text: `with written as (
         insert into journal (event_id, type, division, aggregate_id, sequence, actor, event)
         select (e->>'id')::uuid, e->>'type', e->>'division', (e->>'subject')::uuid, (e->>'sequence')::int, e->>'actor', e
         from jsonb_array_elements($1::jsonb) with ordinality as t(e, n) order by n
         returning id, recorded_at)
       insert into outbox (journal_id, recorded_at) select id, recorded_at from written`,
      values: [`[${events.join(',')}]`],
    };
  }
}

/** Connections of one process: some for facts that hang, and enough beside them for requests. */
const defaultPoolSize = 16;

export interface DatabaseOptions {
  service: Service;
  /** Connects as `<service>_app`. */
  url: string;
  entities: NonNullable<DataSourceOptions['entities']>;
  poolSize?: number;
}

/** The only door to a service's database. */
export class Database {
  private readonly source: DataSource;
  private readonly committed = new Set<() => void>();
  private clock: NodeJS.Timeout | undefined;
  readonly service: Service;
  /** How far the database's clock is ahead of this process's, in milliseconds; measured every half minute. */
  clockAheadMs = 0;

  constructor(options: DatabaseOptions) {
    this.service = options.service;
    this.source = new DataSource({
      type: 'postgres',
      url: options.url,
      entities: options.entities,
      poolSize: options.poolSize ?? defaultPoolSize,
      extra: { pipeline: true },
      synchronize: false,
      invalidWhereValuesBehavior: { null: 'throw', undefined: 'throw' },
      logging: false,
      applicationName: options.service,
    });
  }

  async open(): Promise<void> {
    if (!this.source.isInitialized) await this.source.initialize();
    await this.readClock();
    this.clock ??= setInterval(() => {
      this.readClock().catch(() => undefined); // the database is away: what was measured last holds
    }, 30_000).unref();
  }

  /** The database's time, in milliseconds: what is judged without a transaction is judged by it, too, not by this machine's. */
  now(): number {
    return Date.now() + this.clockAheadMs;
  }

  private async readClock(): Promise<void> {
    const before = Date.now();
    const [read] = await this.source.query<{ now: Date }[]>('select clock_timestamp() as now');
    const after = Date.now();
    if (read && after - before < 1000)
      this.clockAheadMs = read.now.getTime() - (before + after) / 2;
  }

  async close(): Promise<void> {
    clearInterval(this.clock);
    if (this.source.isInitialized) await this.source.destroy();
  }

  /** Called after each commit that wrote facts: the relay's wake-up. */
  onCommit(wake: () => void): void {
    this.committed.add(wake);
  }

  async ping(): Promise<void> {
    await this.source.query('select 1');
  }

  /** Reads machine tables, which belong to no place: without a scope the others show nothing. */
  async machine<Row extends object>(sql: string, parameters: unknown[]): Promise<Row[]> {
    return this.source.query<Row[]>(sql, parameters);
  }

  /**
   * Runs `work` in one transaction that sees and changes the rows of the caller's division only.
   * Resolves only when COMMIT was answered COMMIT.
   * @param first a statement that is sent along with the beginning; how many rows it answered comes to `work`
   * @throws TookTooLong at the caller's `limitMs`; whatever `work` does then reaches no connection
   */
  async within<T>(caller: Caller, work: (tx: Tx, rows: number) => Promise<T>, first?: Statement): Promise<T> {
    const { limitMs } = caller;
    const runner = this.source.createQueryRunner() as LentRunner;
    const connection = (await runner.connect()) as Connection;
    let timer: NodeJS.Timeout | undefined;
    const begun = performance.now();
    try {
      const done = this.transaction(caller, runner, connection, work, first);
      if (limitMs === undefined) return await done;
      const late = new Promise<never>((_, fail) => {
        timer = setTimeout(() => fail(new TookTooLong(limitMs)), limitMs);
      });
      return await Promise.race([done, late]);
    } catch (error) {
      const late = limitMs !== undefined && (performance.now() - begun >= limitMs || (error as { code?: string }).code === '25P04');
      if (late) {
        // PostgreSQL ends the session by itself; without its connection the work that hangs can neither go on nor commit.
        await runner.releasePostgresConnection(new Error('took too long'));
        throw new TookTooLong(limitMs);
      }
      await connection.query('rollback').catch(() => undefined); // the connection itself is gone: nothing was committed on it
      runner.isTransactionActive = false;
      throw error;
    } finally {
      clearTimeout(timer);
      await runner.release();
    }
  } // prettier-ignore

  private async transaction<T>(caller: Caller, runner: LentRunner, connection: Connection, work: (tx: Tx, rows: number) => Promise<T>, first?: Statement): Promise<T> {
    const scope = scopeOf(caller.division);
    runner.isTransactionActive = true;
    const [, { rows }, , sent] = await Promise.all([
      connection.query('begin'),
      connection.query({
        name: 'within',
        text: `select set_config('app.lo', $1, true), set_config('app.hi', $2, true), set_config('app.actor', $3, true),
                      set_config('app.official', $4, true), set_config('transaction_read_only', $5, true), app_now() as now`,
        values: [scope.lo, scope.hi, caller.id, caller.official ?? '', caller.readOnly ? 'on' : 'off'],
      }),
      caller.limitMs === undefined ? undefined : connection.query({ name: 'limit', text: `select set_config('transaction_timeout', $1, true)`, values: [String(caller.limitMs)] }),
      first ? connection.query(first) : undefined,
    ]);
    const [begun] = rows as [{ now: Date }];
    const tx = new Tx(runner.manager, caller, begun.now, this.service, connection);
    if (caller.idempotency) await this.claim(tx, caller.idempotency);
    const result = await work(tx, sent?.rows.length ?? 0);
    const facts = tx.statement();
    const last = [
      ...(facts ? [facts] : []),
      ...(caller.idempotency ? [answered(caller, caller.idempotency, result)] : []),
    ];
    await this.commit(connection, tx.sent, last);
    runner.isTransactionActive = false;
    if (tx.wrote) for (const wake of this.committed) wake();
    return result;
  } // prettier-ignore

  /**
   * For a step that is several transactions, each harmless when it is repeated: the first answer to the caller's key once
   * it is known, else what `work` answers, which is then kept. A crash between the two lets a repeat do the work again; of
   * two at once both work, and both get the answer that was kept first.
   * @throws Repeated, KeyReused as `within` does
   */
  async once<T>(caller: Caller, work: () => Promise<T>): Promise<T> {
    const { idempotency } = caller;
    if (!idempotency) return work();
    await this.within({ ...caller, readOnly: true, idempotency: undefined }, (tx) =>
      this.recall(tx, idempotency),
    );
    const result = await work();
    return this.within(caller, () => Promise.resolve(result));
  }

  /**
   * The one exception to a scope: work over every county, or before one is known. Lint keeps the list of its call sites.
   * @param reason why no scope will do; it is the actor of whatever is written.
   */
  async everywhere<T>(reason: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.within(
      { id: `service:${this.service} ${reason}`, division: '', correlationId: reason },
      work,
    );
  }

  /**
   * Sends the last statements and COMMIT in one go. TypeORM's own commit drops PostgreSQL's answer, and after an error,
   * swallowed or just sent along, that answer is ROLLBACK without an error.
   */
  private async commit(
    connection: Connection,
    before: Promise<unknown>[],
    last: Statement[],
  ): Promise<void> {
    const sent = Promise.allSettled([
      ...before,
      ...last.map((statement) => connection.query(statement)),
    ]);
    const answer = await connection.query('commit').catch((error: unknown) => {
      throw new CommitUnknown('The connection was lost at commit.', { cause: error });
    });
    for (const one of await sent) if (one.status === 'rejected') throw one.reason;
    if (answer.command !== 'COMMIT')
      throw new Error(`COMMIT was answered ${answer.command}: an error was swallowed in the transaction.`); // prettier-ignore
  }

  private async claim(
    tx: Tx,
    { key, route, bodyHash }: NonNullable<Caller['idempotency']>,
  ): Promise<void> {
    const claimed = await tx.query(
      `insert into idempotency_key (division, actor, route, key, body_hash) values ($1, $2, $3, $4, $5)
       on conflict do nothing returning 1 as one`,
      [tx.caller.division, tx.caller.id, route, key, bodyHash],
    );
    if (claimed.length > 0) return;
    await this.recall(tx, { key, route, bodyHash });
    throw new KeyReused('The key was used where its first answer is out of reach.'); // by the same account elsewhere
  }

  /** Returns when the key is new. @throws Repeated, KeyReused */
  private async recall(
    tx: Tx,
    { key, route, bodyHash }: NonNullable<Caller['idempotency']>,
  ): Promise<void> {
    const [first] = await tx.query<{ body_hash: string; answer: unknown }>(
      `select body_hash, answer from idempotency_key where actor = $1 and route = $2 and key = $3`,
      [tx.caller.id, route, key],
    );
    if (!first) return;
    if (first.body_hash !== bodyHash) throw new KeyReused('The key was used for another body.');
    throw new Repeated(first.answer);
  }
}

function answered(
  { id }: Caller,
  { route, key }: NonNullable<Caller['idempotency']>,
  result: unknown,
): Statement {
  return {
    name: 'answered',
    text: `update idempotency_key set answer = $4::jsonb where actor = $1 and route = $2 and key = $3`,
    values: [id, route, key, JSON.stringify(result ?? null)],
  };
}

export function hashOf(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(value ?? null))
    .digest('hex');
}
