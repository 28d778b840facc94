import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** A request without an answer for so long is given up: what became of it is not known. */
const patienceMs = 6_000;
/** So often one operation is sent before its client gives up. */
const mostAttempts = 12;
/** So long a client waits for a process that it could ask. */
const absenceMs = 60_000;

/** What clients of the county do over HTTP, and the histories that they keep of it. Each changes only rows of its own. */
export class Load extends EventEmitter {
  going = true;
  counts = { acknowledged: 0, refused: 0, unknown: 0, kinds: {} };
  refusals = {};

  /**
   * @param folder where the histories go
   * @param where `(service) => port` of one of its processes, undefined while none runs
   * @param tokenOf an access token of an account
   * @param rate operations a second that are wanted, of all clients together; 0: as fast as they are answered
   */
  constructor({ folder, where, tokenOf, random, rate }) {
    super();
    Object.assign(this, { folder, where, tokenOf, random, rate });
    this.setMaxListeners(0);
    this.clients = 0;
  }

  /** One request. @throws where there is no answer */
  async ask(account, service, method, path, body, headers = {}) {
    const port = this.where(service);
    if (port === undefined) throw new Error(`no ${service} runs`);
    const token = await this.tokenOf(account);
    const form = body instanceof FormData;
    this.emit('sent', service);
    const answer = await fetch(`http://127.0.0.1:${port}/api/${service}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body && !form ? { 'content-type': 'application/json' } : {}),
        ...headers,
      },
      ...(body ? { body: form ? body : JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(patienceMs),
    });
    const text = await answer.text();
    if (answer.ok && method !== 'GET') this.emit('answered', service);
    const json = /json/.test(answer.headers.get('content-type') ?? '') && text !== '';
    return { status: answer.status, body: json ? JSON.parse(text) : undefined };
  }

  /** What a read answers, however long it takes. @returns undefined after so many seconds without one */
  async read(account, service, path, seconds) {
    for (const until = Date.now() + seconds * 1000; Date.now() < until; await pause(250))
      try {
        const { status, body } = await this.ask(account, service, 'GET', path);
        if (status === 200) return body;
        if (status < 500) return undefined;
      } catch {
        // no answer: asked again
      }
    return undefined;
  }

  /** A client with a history of its own; `operate` runs one operation to its end and writes its line. */
  client(name) {
    this.clients += 1;
    let n = 0;
    const mark = () => `${name}x${n}z`;
    const operate = async (kind, { account, service, method = 'POST', path, body, version, sent = {}, finish }) => {
      const line = { client: name, n, kind, at: Date.now(), mark: mark(), key: randomUUID(), sent };
      const headers = version === undefined ? { 'idempotency-key': line.key } : { 'if-match': `"${version}"` };
      let attempts = 0;
      let answer;
      while (attempts < mostAttempts) {
        for (const until = Date.now() + absenceMs; this.where(service) === undefined && Date.now() < until; ) await pause(100);
        attempts += 1;
        answer = await this.ask(account, service, method, path, body, headers).catch(() => undefined);
        if (answer && answer.status < 500) break;
        await pause(100 + this.random() * 300 * attempts);
      }
      n += 1;
      const { status, body: got } = answer ?? {};
      let outcome = status === undefined || status >= 500 ? 'unknown' : status < 300 ? 'acknowledged' : 'refused';
      let row = got;
      // A change has no key: its repeat meets the version that the first try made. The client looks whether it was his.
      if (status === 412 && attempts > 1) {
        row = await this.read(account, service, path, 60);
        outcome = row === undefined ? 'unknown' : row.version === version + 1 && row.name === body.name ? 'acknowledged' : 'refused';
      }
      let end = {};
      if (outcome === 'acknowledged' && finish) {
        end = await finish(row);
        ({ outcome = outcome, row = row } = end);
      }
      const { id, version: made, state, counts, findings } = row ?? {};
      const whole = {
        ...line, until: Date.now(), outcome, ...(status === undefined ? {} : { status }), ...(got?.code ? { code: got.code } : {}), attempts,
        ...(outcome === 'refused' ? {} : { got: { id, version: made, state, counts, findings: findings?.map((one) => one.correctiveActionId) } }),
      };
      appendFileSync(join(this.folder, `${name}.jsonl`), `${JSON.stringify(whole)}\n`);
      this.counts[outcome] += 1;
      if (outcome === 'acknowledged') this.counts.kinds[kind] = (this.counts.kinds[kind] ?? 0) + 1;
      if (outcome === 'refused') this.refusals[`${kind} ${status} ${got?.code}`] = (this.refusals[`${kind} ${status} ${got?.code}`] ?? 0) + 1;
      this.emit('operated', whole);
      if (this.rate > 0) await pause(this.random() * 2 * ((1000 * this.clients) / this.rate));
      return outcome === 'acknowledged' ? row : undefined;
    }; // prettier-ignore
    return { operate, mark };
  }

  /** An office: registers, corrects a few times, closes one of three. */
  async office(name, { account, villages }) {
    const { operate, mark } = this.client(name);
    for (let turn = 0; this.going; turn++) {
      const division = villages[turn % villages.length];
      const body = () => ({
        division,
        address: `${mark()}号`,
        kind: 'small-catering',
        name: mark(),
      });
      let row = await operate('register', { account, service: 'registry', path: '/v1/establishments', body: body(), sent: body() }); // prettier-ignore
      const steps = 1 + Math.floor(this.random() * 3);
      for (let step = 0; row && step <= steps && this.going; step++) {
        const close = step === steps;
        if (close && turn % 3 !== 0) break;
        const { id, version } = row;
        const change = { name: mark(), ...(close ? { status: 'closed' } : {}) };
        row = await operate(close ? 'close' : 'correct', { account, service: 'registry', method: 'PATCH', path: `/v1/establishments/${id}`, body: change, version, sent: { id, version, ...change } }); // prettier-ignore
      }
    }
  }

  /** The county: ledger sheets of some dozen rows. */
  async importer(name, { account, township, villages, rows }) {
    const { operate, mark } = this.client(name);
    const titles =
      '主体名称,统一社会信用代码,经营场所,所属乡镇(街道),所属村(社区),主体业态,经营面积(㎡)';
    while (this.going) {
      const count = rows[0] + Math.floor(this.random() * (rows[1] - rows[0] + 1));
      const lines = Array.from({ length: count }, (_, index) => {
        const village = villages[index % villages.length];
        return `${mark()}r${index},,${mark()}街${index}号,${township.name},${village.name},小餐饮,`;
      });
      const body = new FormData();
      body.set('file', new Blob([`${[titles, ...lines].join('\n')}\n`]), 'ledger.csv');
      await operate('import', {
        account, service: 'registry', path: '/v1/ledger-imports', body, sent: { rows: count, division: township.code },
        finish: async ({ id }) => {
          for (const until = Date.now() + 120_000; Date.now() < until; await pause(300)) {
            const row = await this.read(account, 'registry', `/v1/ledger-imports/${id}`, 10);
            if (row?.state === 'done') return { row };
            if (row?.state === 'failed') return { row, outcome: 'unknown' };
          }
          return { row: { id }, outcome: 'unknown' };
        },
      }); // prettier-ignore
    }
  }

  /** A county that proposes who answers, and another that approves; the township's ground changes meanwhile. */
  async assigner(name, { office, proposer, approver, township, villages }) {
    const { operate, mark } = this.client(name);
    const open = [];
    for (let turn = 0; this.going; turn++) {
      const body = { division: villages[turn % villages.length], address: `${mark()}号`, kind: 'small-catering', name: mark() }; // prettier-ignore
      const row = await operate('register', { account: office, service: 'registry', path: '/v1/establishments', body, sent: body }); // prettier-ignore
      if (row) open.push(row);
      if (open.length > 15) {
        const { id, version } = open.shift();
        const change = { name: mark(), status: 'closed' };
        await operate('close', { account: office, service: 'registry', method: 'PATCH', path: `/v1/establishments/${id}`, body: change, version, sent: { id, version, ...change } }); // prettier-ignore
      }
      const division = township;
      const proposal = await operate('propose', { account: proposer, service: 'assignment', path: '/v1/proposals', body: { division }, sent: { division } }); // prettier-ignore
      if (proposal)
        await operate('approve', { account: approver, service: 'assignment', path: `/v1/proposals/${proposal.id}/approval`, sent: { id: proposal.id } }); // prettier-ignore
    }
  }

  /** An official who visits what he answers for, and what follows of it at his township. */
  async visitor(name, { officials, office, verifier, items }) {
    const { operate, mark } = this.client(name);
    for (let turn = 0; this.going; turn++) {
      const { account, officialId, shops } = officials[turn % officials.length];
      const establishmentId = shops[Math.floor(turn / officials.length) % shops.length];
      const correction = this.random() < 0.6;
      const body = {
        establishmentId, method: 'on-site', visitedAt: new Date(Date.now() - 60_000).toISOString(), operator: { answer: 'signed', signedBy: mark() },
        results: items.map(({ code }, index) => ({ item: code, result: correction && index === 0 ? 'fail' : 'pass' })),
        findings: correction ? [{ item: items[0].code, text: mark(), handling: 'deadline', workingDays: 3 }] : [],
      }; // prettier-ignore
      const visit = await operate('visit', { account, service: 'inspection', path: '/v1/inspections', body, sent: { establishmentId, officialId, correction } }); // prettier-ignore
      const id = visit?.findings[0]?.correctiveActionId;
      const steps = [
        ['response', office, () => ({ text: mark() })],
        ['verification', verifier, () => ({ outcome: 'corrected', text: mark() })],
        ['closure', verifier, () => ({ text: mark() })],
      ];
      for (const [kind, by, of] of id ? steps : []) {
        if (!this.going) break;
        const body = of();
        const done = await operate(kind, { account: by, service: 'inspection', path: `/v1/corrective-actions/${id}/${kind}`, body, sent: { id, ...body } }); // prettier-ignore
        if (!done) break;
      }
    }
  }
}
