import { randomBytes } from 'node:crypto';
import { type Service } from '#contracts';
import { provision } from '#database';
import pg from 'pg';
import { eventually } from './eventually.js';
import { type Contract, contractOf } from './openapi.js';

export const audience = 'urn:foodwarden';
export const password = 'only-for-tests';
/** A test asks more in a second than a township in a day. */
export const unlimited = {
  personPer10s: 1_000_000,
  townshipPer10s: 1_000_000,
  uploadsOfTownship: 100,
  uploads: 100,
  importPauses: 1, // several townships ask in one test, and its imports are small
};

export interface Servers {
  postgres: string;
  natsServer: string;
  /** Of the production profile: signs the certificates of the run. */
  authority?: { cert: string; key: string; caFile: string };
}

/** PostgreSQL and nats-server of the run, as the global setup left them. */
export function serversOfRun(): Servers {
  return JSON.parse(process.env['TEST_SERVERS'] ?? '{}') as Servers;
}

/** An import, as the API shows it. */
export interface Landed {
  id: string;
  state: string;
  counts: Record<string, number>;
  failure: string | null;
}

export interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
}

/** Databases of their own and HTTP surfaces of some services, however these run. */
export abstract class Apis {
  readonly databases = new Map<Service, string>();
  private readonly contracts = new Map<Service, Promise<Contract>>();
  private readonly lies: string[] = [];
  private readonly pools = new Map<Service, pg.Pool>();

  protected constructor(protected readonly servers: Servers) {}

  /** `http://host:port/api/<service>` of one that is running. */
  protected abstract baseOf(service: Service): string;

  /**
   * A database of its own, cloned from a template that is made once on each PostgreSQL: migrated, with the sample county loaded.
   * @param prepare makes the template of it
   */
  protected async clone(
    service: Service,
    prepare: (urls: { owner: string; app: string }) => Promise<unknown>,
  ): Promise<void> {
    const admin = new pg.Client({ connectionString: this.servers.postgres });
    await admin.connect();
    try {
      await admin.query('select pg_advisory_lock(7031, 3)');
      const template = `template_${service}`;
      const { rows } = await admin.query(`select 1 from pg_database where datname = $1 and shobj_description(oid, 'pg_database') = 'ready'`, [template]); // prettier-ignore
      if (rows.length === 0) {
        await provision(this.servers.postgres, service, { owner: password, app: password, relay: password }, template); // prettier-ignore
        await prepare({ owner: this.urlOf(service, 'owner', template), app: this.urlOf(service, 'app', template) }); // prettier-ignore
        await admin.query(`comment on database ${template} is 'ready'`);
      }
      const name = `${service}_${randomBytes(6).toString('hex')}`;
      await admin.query(`create database ${name} template ${template} owner ${service}_owner`);
      this.databases.set(service, name);
    } finally {
      await admin.end();
    }
  }

  private urlOf(service: Service, role: 'owner' | 'app' | 'relay', database: string): string {
    const url = new URL(this.servers.postgres);
    url.username = `${service}_${role}`;
    url.password = password;
    url.pathname = `/${database}`;
    return url.href;
  }

  /** Connects as one of the service's roles. */
  url(service: Service, role: 'owner' | 'app' | 'relay'): string {
    return this.urlOf(service, role, this.databases.get(service) ?? '');
  }

  /** What the final rows say, past every policy: for judging only. */
  async rows<Row extends object>(
    service: Service,
    sql: string,
    parameters: unknown[] = [],
  ): Promise<Row[]> {
    return (await this.judging(service).query<Row>(sql, parameters)).rows;
  }

  /** Connections kept between questions, for a test asks them by the thousand while it waits for something. */
  private judging(service: Service): pg.Pool {
    const known = this.pools.get(service);
    if (known) return known;
    const url = new URL(this.servers.postgres);
    url.pathname = `/${this.databases.get(service) ?? ''}`;
    const pool = new pg.Pool({ connectionString: url.href, max: 8, allowExitOnIdle: true });
    pool.on('error', () => undefined); // a test killed PostgreSQL: the next question opens another
    this.pools.set(service, pool);
    return pool;
  }

  /** For the end, as `confess`. */
  protected async disconnect(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.end()));
  }

  /** Sends a file, and other fields of its form, as a browser does. */
  async upload(
    service: Service,
    path: string,
    token: string,
    file: Uint8Array,
    fileName: string,
    headers: Record<string, string> = {},
    fields: Record<string, string> = {},
  ): Promise<Answer> {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set('file', new Blob([new Uint8Array(file)]), fileName);
    return this.ask(service, 'POST', path, { authorization: `Bearer ${token}`, ...headers }, form);
  }

  /** The bytes of an answer that is a file. */
  async download(service: Service, path: string, token: string): Promise<{ status: number; headers: Headers; bytes: Buffer }> {
    const answer = await fetch(`${this.baseOf(service)}${path}`, { headers: { authorization: `Bearer ${token}` } });
    return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
  } // prettier-ignore

  /** Uploads a sheet and waits until it has landed or failed. */
  async land(service: Service, path: string, token: string, file: Uint8Array, name = 'sheet.xlsx'): Promise<Landed> {
    const queued = await this.upload(service, path, token, file, name);
    if (queued.status !== 202) throw new Error(`${path}: ${queued.status} ${JSON.stringify(queued.body)}`);
    const location = queued.headers.get('location')?.replace(`/api/${service}`, '') ?? '';
    return eventually(
      async () => (await this.call(service, 'GET', location, { token })).body as Landed,
      ({ state }) => state === 'done' || state === 'failed',
      60_000,
    );
  } // prettier-ignore

  /** Every item of a list, page by page. */
  async every<T>(service: Service, path: string, token: string): Promise<T[]> {
    const items: T[] = [];
    for (let after = ''; ;) {
      const first = path.includes('?') ? '&' : '?';
      const answer = await this.call(service, 'GET', `${path}${first}limit=200${after}`, { token });
      if (answer.status !== 200)
        throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      const page = answer.body as { items: T[]; next: string | null };
      items.push(...page.items);
      if (!page.next) return items;
      after = `&after=${page.next}`;
    }
  }

  /**
   * Sets the clock of a service's database, e.g. `'2026-12-31T23:00:00+08:00'`; every new statement reads it. From a table:
   * a function that is replaced while a statement is planned gives it both times.
   */
  async clock(service: Service, instant: string): Promise<void> {
    const [known] = await this.rows<{ clock: string | null }>(service, `select to_regclass('test.clock')::text as clock`);
    await this.rows(
      service,
      known?.clock
        ? `update test.clock set at = '${instant}'`
        : `create schema test; create table test.clock (at timestamptz not null); insert into test.clock values ('${instant}');
           grant usage on schema test to public; grant select on test.clock to public;
           create or replace function app_now() returns timestamptz language sql stable as $$ select at from test.clock $$`,
    );
  } // prettier-ignore

  async call(
    service: Service,
    method: string,
    path: string,
    options: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const { token, body, headers } = options;
    return this.ask(
      service,
      method,
      path,
      {
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    );
  }

  /** Every answer is judged by the document of its service. @throws Error that says where the two differ */
  private async ask(
    service: Service,
    method: string,
    path: string,
    headers: Record<string, string>,
    body: string | FormData | undefined,
  ): Promise<Answer> {
    const response = await fetch(`${this.baseOf(service)}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '') && text !== '';
    const answer: Answer = {
      status: response.status,
      headers: response.headers,
      body: isJson ? (JSON.parse(text) as unknown) : text || undefined,
    };
    await this.judge(service, method, path, answer);
    return answer;
  }

  /** The document of a running service, with what judges by it. */
  contract(service: Service): Promise<Contract> {
    const known = this.contracts.get(service) ?? contractOf(this.baseOf(service));
    this.contracts.set(service, known);
    known.catch(() => this.contracts.delete(service)); // it was stopped meanwhile: asked again next time
    return known;
  }

  /** @throws Error that names the route, the status and each place where the answer is not as documented */
  async judge(service: Service, method: string, path: string, answer: Answer): Promise<void> {
    const contract = await this.contract(service).catch((error: unknown) => {
      if (error instanceof TypeError) return undefined; // a test that kills services: fetch reaches nobody
      throw error;
    });
    const { status, headers, body } = answer;
    const lies = contract?.judge(method, `/api/${service}${path}`, status, headers, body) ?? [];
    if (lies.length === 0) return;
    const lie = `${method} /api/${service}${path} answered ${status}, not as its OpenAPI document says:\n  ${lies.slice(0, 10).join('\n  ')}`;
    this.lies.push(lie);
    throw new Error(lie);
  }

  /** For the end: a test may have taken the error of a lie for another one. @throws Error with every lie that was told */
  protected confess(): void {
    if (this.lies.length > 0) throw new Error([...new Set(this.lies)].slice(0, 20).join('\n'));
  }
}
