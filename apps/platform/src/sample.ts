import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface SampleOfficial {
  id: string;
  name: string;
  post: string;
  division: string;
}

interface Landed {
  id: string;
  state: string;
  progress: number;
  counts: { rows: number; created: number; refused: number; duplicate: number };
  failure: string | null;
}

/** The first start of a demo installation, done as its county admin would do it: through the APIs. */
export class SampleCounty {
  constructor(
    private readonly baseUrl: string,
    private readonly folder: string,
    private readonly token: () => Promise<string>,
    private readonly say: (line: string) => void,
  ) {}

  /** Sends ledger and roster, once for an installation; what an interrupted start had queued is waited for. */
  async load(): Promise<void> {
    await this.import('registry', 'ledger-imports', 'ledger.xlsx', '  sample ledger');
    await this.import('assignment', 'roster-imports', 'roster.xlsx', '  sample roster');
  }

  /** The first officials of a township's villages where something is to be visited. */
  async villageOfficials(township: string, count: number): Promise<SampleOfficial[]> {
    const page = async <T>(path: string): Promise<T[]> => {
      const answer = await this.call('GET', path);
      return (answer.body as { items: T[] }).items;
    };
    const shops = await page<{ division: string }>(
      `/api/registry/v1/establishments?division=${township}&tier=D&limit=200`,
    );
    const busy = new Set(shops.map(({ division }) => division));
    const officials = await page<SampleOfficial>(
      `/api/assignment/v1/officials?division=${township}&level=village&limit=200`,
    );
    return officials.filter(({ division }) => busy.has(division)).slice(0, count);
  }

  private async import(service: string, path: string, file: string, what: string): Promise<void> {
    const base = `/api/${service}/v1/${path}`;
    const known = (await this.call('GET', base)).body as { items: Landed[] };
    let landed = known.items.find(({ state }) => state !== 'failed');
    const deadline = Date.now() + 60_000;
    while (!landed) {
      const form = new FormData();
      form.set('file', new Blob([new Uint8Array(await readFile(join(this.folder, file)))]), file);
      const { status, body } = await this.call('POST', base, form);
      if (status === 202) landed = body as Landed;
      else if (status !== 409 || Date.now() > deadline)
        throw new Error(`The ${file} was not taken: ${status} ${JSON.stringify(body)}.`);
      else await new Promise((done) => setTimeout(done, 200)); // the divisions are on their way
    }
    while (landed.state === 'queued' || landed.state === 'running') {
      if (Date.now() > deadline) throw new Error(`${what} has not landed within a minute.`);
      await new Promise((done) => setTimeout(done, 200));
      landed = (await this.call('GET', `${base}/${landed.id}`)).body as Landed;
    }
    if (landed.state === 'failed') throw new Error(`${what} failed: ${landed.failure ?? ''}.`);
    const { rows, created, refused, duplicate } = landed.counts;
    this.say(
      `${what}: ${rows} rows, ${created} created, ${refused} refused, ${duplicate} duplicate`,
    );
  }

  private async call(
    method: string,
    path: string,
    body?: FormData,
  ): Promise<{ status: number; body: unknown }> {
    const answer = await fetch(`${this.baseUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${await this.token()}` },
      ...(body ? { body } : {}),
    });
    return { status: answer.status, body: await answer.json() };
  }
}

/** An access token for a program's account. */
export async function tokenOf(
  issuer: string,
  { clientId, clientSecret }: { clientId: string; clientSecret: string },
): Promise<string> {
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
    },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
  if (!answer.ok) throw new Error(`The issuer refused ${clientId}: ${answer.status}.`);
  return ((await answer.json()) as { access_token: string }).access_token;
}
