// Who writes while processes end: sends until there is an answer, as any client does, and remembers what was answered.
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

export const village = '371425101201';
/** Rows of a sheet: more than the relay sends at once. */
export const sheetRows = 130;
const patienceMs = 60_000;

export class Client {
  /** Every step of an establishment that was answered, as it was then. */
  acknowledged = [];
  /** Facts that were published past the service that owns them. */
  strangers = [];
  /** Keys that the registry has answered. */
  keys = 0;
  #turn = 0;

  /** @param portOf where a service listens just now */
  constructor(fleet, portOf) {
    this.fleet = fleet;
    this.portOf = portOf;
  }

  /** Sends until there is an answer: the same key, the same version. */
  async surely(service, method, route, body, headers = {}) {
    const account = service === 'registry' ? 'office' : 'county';
    const json = body !== undefined && !(body instanceof FormData);
    for (const until = Date.now() + patienceMs; ; await pause(100)) {
      if (Date.now() > until) throw new Error(`${method} ${route} had no answer in a minute.`);
      try {
        const answer = await fetch(`http://127.0.0.1:${this.portOf(service)}/api/${service}${route}`, {
          method,
          headers: { authorization: `Bearer ${await this.fleet.token(account)}`, ...(json ? { 'content-type': 'application/json' } : {}), ...headers },
          ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : body }),
          signal: AbortSignal.timeout(10_000),
        }); // prettier-ignore
        if (answer.status < 500) return { status: answer.status, row: await answer.json() };
      } catch {
        // no answer: sent again
      }
    }
  }

  async #register(name) {
    const body = { division: village, address: `${name}号`, kind: 'catering', area: 120, name };
    const key = { 'idempotency-key': randomUUID() };
    const { status, row } = await this.surely('registry', 'POST', '/v1/establishments', body, key);
    if (status !== 201) throw new Error(`${name} was answered ${status}: ${JSON.stringify(row)}`);
    this.acknowledged.push(row);
    this.keys += 1;
    // As from a client that did not hear the answer.
    const again = await this.surely('registry', 'POST', '/v1/establishments', body, key);
    if (again.status !== 201 || again.row.id !== row.id)
      throw new Error(`${name} was answered ${again.status} ${again.row.id}, and before ${row.id}`);
    return row;
  }

  async #correct({ id, version }, change) {
    const route = `/v1/establishments/${id}`;
    let { status, row } = await this.surely('registry', 'PATCH', route, change, { 'if-match': `"${version}"` }); // prettier-ignore
    // A change has no key: its repeat meets the version that the first try made.
    if (status === 412) ({ status, row } = await this.surely('registry', 'GET', route));
    if (status !== 200 || row.version !== version + 1 || row.name !== change.name)
      throw new Error(`${JSON.stringify(change)} of version ${version} was answered ${status}: ${JSON.stringify(row)}`); // prettier-ignore
    this.acknowledged.push(row);
    return row;
  }

  /** Several steps of one establishment, and of several at once. @returns which */
  async writes() {
    const name = `轮${++this.#turn}`;
    const story = async (which, steps) => {
      let row = await this.#register(`${name}${which}`);
      for (let step = 1; step <= steps; step++)
        row = await this.#correct(row, { name: `${name}${which}${step}`, ...(step === 2 ? { division: '371425101202' } : {}), ...(step === 3 ? { status: 'closed' } : {}) }); // prettier-ignore
      return row.id;
    };
    return Promise.all([story('甲', 3), story('乙', 1), story('丙', 0)]);
  }

  /** A sheet of many establishments. @returns the import, and which */
  async sheet() {
    const name = `册${++this.#turn}`;
    const [place] = await this.fleet.rows('registry', `select v.name as village, t.name as township from division v join division t on t.division = v.parent where v.division = $1`, [village]); // prettier-ignore
    const lines = Array.from({ length: sheetRows }, (_, n) => `${name}店${n},,${name}街${n}号,${place.township},${place.village},餐饮服务,120`); // prettier-ignore
    const head =
      '主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态,经营面积(㎡)';
    const form = new FormData();
    form.set('file', new Blob([`${[head, ...lines].join('\n')}\n`]), 'sheet.csv');
    const { status, row } = await this.surely('registry', 'POST', '/v1/ledger-imports', form, { 'idempotency-key': randomUUID() }); // prettier-ignore
    if (status !== 202) throw new Error(`A sheet was answered ${status}: ${JSON.stringify(row)}`);
    this.keys += 1;
    for (let now = row; now.state !== 'done'; await pause(200)) {
      ({ row: now } = await this.surely('registry', 'GET', `/v1/ledger-imports/${row.id}`));
      if (now.state === 'failed') throw new Error(`A sheet failed: ${now.failure}`);
    }
    const made = await this.#rowsOf(`${name}店%`);
    this.acknowledged.push(...made);
    return { importId: row.id, name, ids: made.map(({ id }) => id) };
  }

  /** Takes a sheet back: everything that it made is closed, in one transaction. */
  async undo({ importId, name }) {
    const { status, row } = await this.surely('registry', 'POST', `/v1/ledger-imports/${importId}/undo`); // prettier-ignore
    if (status !== 200 || row.closed !== sheetRows)
      throw new Error(`An undo was answered ${status}: ${JSON.stringify(row)}`);
    this.acknowledged.push(...(await this.#rowsOf(`${name}店%`)));
  }

  async #rowsOf(like) {
    const made = await this.fleet.rows('registry', 'select id, version, name, status from establishment where name like $1', [like]); // prettier-ignore
    if (made.length !== sheetRows) throw new Error(`A sheet made ${made.length} establishments.`);
    return made;
  }

  /** Tries what was set aside again, as a person does after the fix. */
  async replay() {
    const { status, row } = await this.surely('assignment', 'POST', '/v1/dead-letters/replays', {}, { 'idempotency-key': randomUUID() }); // prettier-ignore
    if (status !== 200) throw new Error(`A replay was answered ${status}: ${JSON.stringify(row)}`);
  }
}
