import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type County } from '#testing';

/** What inspection knows once registry and assignment have told it: an establishment, and the official who answers for it. */
export async function answeredFor(
  county: County,
  division: string,
  officialId: string,
  kind = 'small-catering',
): Promise<string> {
  const establishmentId = randomUUID();
  await county.rows(
    'inspection',
    `insert into premises values ($1, $2, 1, '老王饭店', $3, 'D', 'open', '一号', '2026-10-01T00:00:00Z')`,
    [establishmentId, division, kind],
  );
  await county.rows(
    'inspection',
    `insert into responsibility values ($1, $2, 1, $3, $4, '甲', '书记', 'village', '2026-10-01T00:00:00Z', null)`,
    [randomUUID(), division, establishmentId, officialId],
  );
  return establishmentId;
}

/** Of the sample county. */
export const { checklists } = JSON.parse(
  await readFile('apps/platform/sample/checklists.json', 'utf8'),
) as {
  checklists: {
    code: string;
    version: number;
    kinds: string[];
    items: { code: string; source: string }[];
  }[];
};

/** A whole visit by the first list for the kind, with this many findings. */
export function visitTo(establishmentId: string, findings = 0, kind = 'small-catering'): object {
  const items = checklists.find(({ kinds }) => kinds.includes(kind))?.items ?? [];
  return {
    establishmentId,
    method: 'on-site',
    visitedAt: '2026-11-23T08:30:00+08:00',
    results: items.map(({ code }, at) => ({ item: code, result: at < findings ? 'fail' : 'pass' })),
    findings: items
      .slice(0, findings)
      .map(({ code }) => ({ item: code, text: `${code}不合格`, handling: 'deadline' })),
    operator: { answer: 'signed', signedBy: '王某' },
  };
}
