import { createHash, randomUUID } from 'node:crypto';
import { Database } from '#database';
import { type FilesConfig } from '#files';
import { FileSweep } from '#platform';
import { type Answer, County, jpeg, pdf, png, S3Server } from '#testing';
import { inspection } from '../src/inspection.definition.js';
import { answeredFor, visitTo } from './premises.js';

const village = '371425101201';
const taken = { takenAt: '2026-11-23T08:31:00+08:00' };
const place = { latitude: '36.7934', longitude: '116.7581', accuracyMetres: '12.5' };

interface EvidenceBody {
  id: string;
  sha256: string;
  mime: string;
}

let s3: S3Server;
beforeAll(async () => {
  s3 = await S3Server.start();
}, 60_000);
afterAll(() => s3.stop(), 30_000);

/** A county with one official, and what he can do. */
class Desk {
  constructor(
    readonly county: County,
    readonly official: string,
    readonly token: string,
  ) {}

  static async start(settings: { files?: FilesConfig | undefined } = {}): Promise<Desk> {
    const county = await County.start([inspection], settings);
    await county.clock('inspection', '2026-11-23T09:00:00+08:00');
    const official = randomUUID();
    return new Desk(county, official, await county.official(official, '371425101'));
  }

  async visit(): Promise<string> {
    const establishment = await answeredFor(this.county, village, this.official);
    const { body } = await this.county.call('inspection', 'POST', '/v1/inspections', { token: this.token, body: visitTo(establishment) }); // prettier-ignore
    return (body as { id: string }).id;
  }

  add(visit: string, file: Uint8Array, more: { name?: string; fields?: Record<string, string>; key?: string; token?: string } = {}): Promise<Answer> {
    return this.county.upload(
      'inspection', `/v1/inspections/${visit}/evidence`, more.token ?? this.token, file, more.name ?? 'IMG_0001.jpg',
      more.key ? { 'idempotency-key': more.key } : {}, { ...taken, ...more.fields },
    );
  } // prettier-ignore

  get(path: string, token = this.token): Promise<Answer> {
    return this.county.call('inspection', 'GET', path, { token });
  }

  download(id: string, token = this.token): Promise<Response> {
    return fetch(`${this.county.base('inspection').href}/v1/evidence/${id}/file`, {
      headers: { authorization: `Bearer ${token}` },
    });
  }

  async count(visit: string): Promise<number> {
    const [row] = await this.county.rows<{ n: number }>('inspection', 'select count(*)::int as n from evidence where inspection_id = $1', [visit]); // prettier-ignore
    return row!.n;
  }
}

describe.each([
  ['a folder', (): { files?: FilesConfig } => ({})],
  ['a bucket', (): { files?: FilesConfig } => ({ files: s3.config })],
])('evidence, kept in %s', (_, settings) => {
  let desk: Desk;
  beforeAll(async () => {
    desk = await Desk.start(settings());
  }, 60_000);
  afterEach(() => desk.county.quiet(), 15_000);
  afterAll(() => desk.county.stop(), 30_000);

  it('comes back byte for byte, as an attachment of the type that was found, under our name', async () => {
    const visit = await desk.visit();
    const photo = jpeg();
    const added = await desk.add(visit, photo, { name: '../../etc/passwd"\r\nx: y.html', fields: place });
    const sha256 = createHash('sha256').update(photo).digest('hex');
    expect(added).toMatchObject({
      status: 201,
      body: {
        inspectionId: visit, officialId: desk.official, division: village, version: 1, sha256, mime: 'image/jpeg', sizeBytes: photo.length,
        takenAt: '2026-11-23T00:31:00.000Z', addedAt: '2026-11-23T01:00:00.000Z',
        position: { latitude: 36.7934, longitude: 116.7581, accuracyMetres: 12.5 },
      },
    });
    const { id } = added.body as EvidenceBody;
    expect(JSON.stringify(added.body)).not.toContain('passwd');
    expect((await desk.get(`/v1/evidence/${id}`)).body).toEqual(added.body);
    const file = await desk.download(id);
    expect(Buffer.from(await file.arrayBuffer()).equals(photo)).toBe(true);
    const headers = ['content-type', 'content-length', 'content-disposition', 'x-content-type-options', 'content-security-policy', 'etag'];
    expect([file.status, ...headers.map((name) => file.headers.get(name))]).toEqual(
      [200, 'image/jpeg', String(photo.length), `attachment; filename="evidence-${id}.jpg"`, 'nosniff', "sandbox; default-src 'none'", `"${sha256}"`],
    );
    const [fact] = await desk.county.rows<{ event: { data: object } }>('inspection', `select event from journal where aggregate_id = $1`, [id]);
    expect(fact!.event.data).toMatchObject({ evidenceId: id, inspectionId: visit, sha256, mime: 'image/jpeg' });
  }, 30_000); // prettier-ignore

  it('is the same evidence for the same bytes of one visit, and another one for another visit', async () => {
    const [visit, other] = [await desk.visit(), await desk.visit()];
    const photo = png();
    const first = await desk.add(visit, photo);
    const again = await desk.add(visit, photo, { fields: place });
    expect([again.status, again.body]).toEqual([201, first.body]);
    const elsewhere = await desk.add(other, photo);
    expect((elsewhere.body as EvidenceBody).id).not.toBe((first.body as EvidenceBody).id);
    const all = await Promise.all(Array.from({ length: 6 }, () => desk.add(other, photo)));
    expect(new Set(all.map(({ body }) => (body as EvidenceBody).id)).size).toBe(1);
    expect([await desk.count(visit), await desk.count(other)]).toEqual([1, 1]);
  });

  it('gives the first answer to a repeat of an Idempotency-Key, and refuses the key for anything else', async () => {
    const visit = await desk.visit();
    const photo = png();
    const key = randomUUID();
    const first = await desk.add(visit, photo, { key, fields: place });
    const again = await desk.add(visit, photo, { key, fields: place });
    expect([again.status, again.body]).toEqual([201, first.body]);
    expect(await desk.add(visit, png(), { key, fields: place })).toMatchObject({ status: 422, body: { code: 'key-reused' } });
    expect(await desk.add(visit, photo, { key })).toMatchObject({ status: 422, body: { code: 'key-reused' } });
    expect(await desk.count(visit)).toBe(1);
  }); // prettier-ignore

  it('takes 10 MB exactly, and not one byte more', async () => {
    const visit = await desk.visit();
    const added = await desk.add(visit, png(10 * 1_048_576));
    expect(added).toMatchObject({ status: 201, body: { sizeBytes: 10_485_760 } });
    const file = await desk.download((added.body as EvidenceBody).id);
    expect((await file.arrayBuffer()).byteLength).toBe(10_485_760);
    expect(await desk.add(visit, png(10 * 1_048_576 + 1))).toMatchObject({ status: 413, body: { code: 'file-too-large' } }); // prettier-ignore
    expect(await desk.count(visit)).toBe(1);
  }, 30_000);

  it('is listed for who may see the visit, and is not there for anybody else', async () => {
    const visit = await desk.visit();
    const [one, two] = [await desk.add(visit, png()), await desk.add(visit, pdf(), { name: 'x.png' })];
    expect(two).toMatchObject({ status: 201, body: { mime: 'application/pdf' } });
    const { id } = one.body as EvidenceBody;
    const nobodys = randomUUID();
    const { county } = desk;
    const plain = (answer: Answer): object => ({ ...(answer.body as object), traceId: '', status: answer.status });
    for (const token of [desk.token, await county.token('office', '371425101'), await county.token('auditor', '371425')]) {
      expect(await county.every('inspection', `/v1/inspections/${visit}/evidence`, token)).toEqual([one.body, two.body]);
      expect((await desk.download(id, token)).status).toBe(200);
    }
    const strangers = [
      await county.official(randomUUID(), '371425101'), await county.token('office', '371425102'), await county.token('county-admin', '371482'),
    ];
    for (const token of strangers)
      for (const path of [`/v1/inspections/${visit}/evidence`, `/v1/evidence/${id}`, `/v1/evidence/${id}/file`]) {
        const [foreign, absent] = [await desk.get(path, token), await desk.get(path.replace(/[0-9a-f-]{36}/, nobodys), token)];
        expect(foreign.status).toBe(404);
        expect(plain(foreign)).toEqual(plain(absent));
      }
    expect(await desk.add(visit, png(), { token: strangers[0]! })).toMatchObject({ status: 404 });
    expect(await desk.add(randomUUID(), png())).toMatchObject({ status: 404 });
    expect(await desk.add(visit, png(), { token: await county.token('office', '371425101') })).toMatchObject({ status: 403 });
    expect(await desk.count(visit)).toBe(2);
  }); // prettier-ignore
});

describe('evidence', () => {
  let desk: Desk;
  beforeAll(async () => {
    desk = await Desk.start();
  }, 60_000);
  afterEach(() => desk.county.quiet(), 15_000);
  afterAll(() => desk.county.stop(), 30_000);

  it.each([
    ['a page that is called a photo', Buffer.from('<html><script>alert(1)</script></html>')],
    ['a photo with a page behind it', jpeg(Buffer.from('<script>alert(1)</script>'))],
    ['a PDF with its head hidden', Buffer.concat([Buffer.from('\r\n'), pdf()])],
    ['nothing', Buffer.alloc(0)],
  ])('is not %s', async (_, file) => {
    const visit = await desk.visit();
    expect(await desk.add(visit, file, { name: 'photo.jpg' })).toMatchObject({ status: 422, body: { code: 'file-kind' } }); // prettier-ignore
    expect(await desk.count(visit)).toBe(0);
  });

  it.each([
    ['no time', { takenAt: '' }, '/takenAt'],
    ['a time without its offset', { takenAt: '2026-11-23T08:31:00' }, '/takenAt'],
    ['half a position', { latitude: '36.7' }, '/longitude'],
    ['an accuracy of nothing', { accuracyMetres: '12' }, '/latitude'],
    ['a latitude beyond the pole', { ...place, latitude: '90.1' }, '/latitude'],
    ['a latitude in hexadecimal', { ...place, latitude: '0x24' }, '/latitude'],
    ['a longitude of words', { ...place, longitude: '东经' }, '/longitude'],
    ['a field nobody knows', { mood: 'bad' }, '/mood'],
  ] as [string, Record<string, string>, string][])('is refused with %s', async (_, fields, pointer) => {
    const visit = await desk.visit();
    const answer = await desk.add(visit, png(), { fields });
    expect(answer).toMatchObject({ status: 422, body: { code: 'validation-failed' } });
    expect((answer.body as { errors: { pointer: string }[] }).errors.map((one) => one.pointer)).toContain(pointer);
    expect(await desk.count(visit)).toBe(0);
  }); // prettier-ignore

  it('taken more than a day from the visit is taken as the device says it, and says so', async () => {
    const visit = await desk.visit(); // of 2026-11-23T08:30
    const far = 'taken-far-from-visit';
    const told: [string, string | null][] = [
      ['2026-11-22T08:30:00+08:00', null], ['2026-11-22T08:29:59+08:00', far], ['2026-11-24T08:30:00+08:00', null], ['2026-11-24T08:30:01+08:00', far],
      ['2025-11-23T08:31:00+08:00', far],
    ];
    for (const [takenAt, warning] of told) {
      const added = await desk.add(visit, png(), { fields: { takenAt } });
      expect([added.status, added.body]).toMatchObject([201, { takenAt: new Date(takenAt).toISOString(), warning }]);
      expect((await desk.get(`/v1/evidence/${(added.body as EvidenceBody).id}`)).body).toEqual(added.body);
    }
    const all = await desk.county.every<{ warning: string | null }>('inspection', `/v1/inspections/${visit}/evidence`, desk.token);
    expect(all.map(({ warning }) => warning)).toEqual(told.map(([, warning]) => warning));
  }, 30_000); // prettier-ignore

  it('is at most twenty for a visit, also when they come at once', async () => {
    const visit = await desk.visit();
    const all = await Promise.all(Array.from({ length: 24 }, () => desk.add(visit, png())));
    expect(all.map(({ status }) => status).sort()).toEqual([...Array.from({ length: 20 }, () => 201), 409, 409, 409, 409]); // prettier-ignore
    expect(all.find(({ status }) => status === 409)?.body).toMatchObject({ code: 'evidence-full' });
    expect(await desk.count(visit)).toBe(20);
  }, 30_000);

  it('of what was mended stands beside its correction, from the official or the office, until that is closed', async () => {
    const { county } = desk;
    const establishment = await answeredFor(county, village, desk.official);
    const { body } = await county.call('inspection', 'POST', '/v1/inspections', { token: desk.token, body: visitTo(establishment, 1) });
    const visit = (body as { id: string; findings: { correctiveActionId: string }[] });
    const action = visit.findings[0]!.correctiveActionId;
    const [office, second, stranger] = await Promise.all(['371425101', '371425101', '371425102'].map((town) => county.token('office', town)));
    const attach = (file: Uint8Array, token: string): Promise<Answer> =>
      county.upload('inspection', `/v1/corrective-actions/${action}/evidence`, token, file, 'a.jpg', {}, taken);
    const photo = png();
    const own = await desk.add(visit.id, photo);
    const mended = await attach(photo, desk.token);
    expect(mended).toMatchObject({ status: 201, body: { inspectionId: visit.id, correctiveActionId: action, officialId: desk.official, takenAt: '2026-11-23T00:31:00.000Z' } });
    expect((own.body as object)).toMatchObject({ correctiveActionId: null });
    expect((await attach(photo, desk.token)).body).toEqual(mended.body);
    const seen = await attach(pdf(), office!);
    expect(seen).toMatchObject({ status: 201, body: { mime: 'application/pdf', officialId: desk.official } });
    expect(await county.every('inspection', `/v1/corrective-actions/${action}/evidence`, second!)).toEqual([mended.body, seen.body]);
    expect(await county.every('inspection', `/v1/inspections/${visit.id}/evidence`, second!)).toEqual([own.body]);
    for (const token of [stranger!, await county.official(randomUUID(), '371425101')]) {
      expect(await attach(png(), token)).toMatchObject({ status: 404 });
      expect((await desk.get(`/v1/corrective-actions/${action}/evidence`, token)).status).toBe(404);
      expect((await desk.download((mended.body as EvidenceBody).id, token)).status).toBe(404);
    }
    const facts = await county.rows<{ type: string; data: { correctiveActionId: string } }>('inspection', `select type, event->'data' as data from journal where aggregate_id = $1`, [(mended.body as EvidenceBody).id]);
    expect(facts).toMatchObject([{ type: 'inspection.evidence.attached.v1', data: { correctiveActionId: action } }]);
    const full = await Promise.all(Array.from({ length: 20 }, () => attach(png(), office!)));
    expect(full.filter(({ status }) => status === 201)).toHaveLength(18);
    const act = (path: string, token: string, what: object): Promise<Answer> => county.call('inspection', 'POST', `/v1/corrective-actions/${action}/${path}`, { token, body: what });
    for (const answer of [await act('response', desk.token, { text: '已修' }), await act('verification', office!, { outcome: 'corrected' }), await act('closure', office!, {})])
      expect(answer.status).toBe(200);
    expect(await attach(png(), office!)).toMatchObject({ status: 409, body: { code: 'wrong-state' } });
  }, 30_000); // prettier-ignore

  it('is taken no more for a visit that was withdrawn', async () => {
    const { county } = desk;
    const visit = await desk.visit();
    const kept = await desk.add(visit, png());
    const office = await county.token('office', '371425101');
    expect((await county.call('inspection', 'POST', `/v1/inspections/${visit}/withdrawal`, { token: office, body: { reason: '误记' } })).status).toBe(200);
    expect(await desk.add(visit, png())).toMatchObject({ status: 409, body: { code: 'wrong-state' } });
    expect(await county.every('inspection', `/v1/inspections/${visit}/evidence`, desk.token)).toEqual([kept.body]);
  }); // prettier-ignore

  it('whose row never came is taken away, old enough; what a row names stays', async () => {
    const { county } = desk;
    const visit = await desk.visit();
    const kept = (await desk.add(visit, png())).body as EvidenceBody;
    const files = county.filesOf('inspection');
    const { sha256 } = await files.put(png());
    const database = new Database({ service: 'inspection', url: county.url('inspection', 'app'), entities: [], poolSize: 2 }); // prettier-ignore
    await database.open();
    try {
      const sweep = new FileSweep(database, files, ['evidence']);
      const parts = new Set([sha256.slice(0, 2), kept.sha256.slice(0, 2)]);
      const swept = async (before: Date): Promise<number> => {
        let gone = 0;
        for (const part of parts) gone += await sweep.sweep(part, before);
        return gone;
      };
      expect(await swept(new Date(Date.now() - 3_600_000))).toBe(0);
      expect(await files.has(sha256)).toBe(true);
      expect(await swept(new Date(Date.now() + 3_600_000))).toBeGreaterThan(0);
      expect([await files.has(sha256), await files.has(kept.sha256)]).toEqual([false, true]);
    } finally {
      await database.close();
    }
    expect((await desk.download(kept.id)).status).toBe(200);
  });
});

it('leaves no row while the file service is away, and takes the repeat when it is back', async () => {
  const desk = await Desk.start({ files: s3.config });
  try {
    const [visit, photo, key] = [await desk.visit(), png(), randomUUID()];
    const before = await desk.add(visit, png());
    await s3.goAway();
    expect(await desk.add(visit, photo, { key })).toMatchObject({ status: 503, body: { code: 'unavailable' } }); // prettier-ignore
    expect(await desk.count(visit)).toBe(1);
    expect((await desk.download((before.body as EvidenceBody).id)).status).toBe(503);
    expect((await desk.get(`/v1/inspections/${visit}/evidence`)).status).toBe(200);
    await s3.comeBack();
    const added = await desk.add(visit, photo, { key });
    expect(added.status).toBe(201);
    expect((await desk.download((added.body as EvidenceBody).id)).status).toBe(200);
  } finally {
    await desk.county.stop();
  }
}, 60_000);

it('leaves no row where the file service refuses our key', async () => {
  const desk = await Desk.start({ files: { ...s3.config, secretKey: 'wrong-secret' } });
  try {
    const visit = await desk.visit();
    const refused = await desk.add(visit, png());
    expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(JSON.stringify(refused.body)).not.toMatch(/S3RVER|wrong-secret/);
    expect(await desk.count(visit)).toBe(0);
  } finally {
    await desk.county.stop();
  }
}, 60_000);

it('says what to set where no place for files is configured, and everything else is served', async () => {
  const desk = await Desk.start({ files: undefined });
  try {
    const visit = await desk.visit();
    const refused = await desk.add(visit, png());
    expect(refused).toMatchObject({ status: 503, body: { code: 'files-not-configured' } });
    expect((refused.body as { detail: string }).detail).toContain('FILES_DIR');
    expect(await desk.county.every('inspection', `/v1/inspections/${visit}/evidence`, desk.token)).toEqual([]); // prettier-ignore
  } finally {
    await desk.county.stop();
  }
}, 60_000);
