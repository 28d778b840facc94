import {
  allRead,
  checkKept,
  type CountyLoad,
  loadPolicies,
  readJson,
  readPolicies,
} from '#platform';
import { Type } from '@sinclair/typebox';
import {
  ChecklistBody,
  CorrectionDeadline,
  Induction,
  ReminderDays,
  VisitFrequency,
} from './inspection.policies.js';

const ChecklistFile = Type.Object({
  checklists: Type.Array(
    Type.Composite([
      Type.Object({ code: Type.String({ minLength: 1 }), version: Type.Integer({ minimum: 1 }) }),
      ChecklistBody,
    ]),
  ),
});

/** What a county starts with: `policies.json`, `checklists.json`. Every version stays: a changed checklist is a new version. @throws FolderError */
export async function loadInspection(folder: string): Promise<CountyLoad> {
  const [policies, { checklists }] = await allRead([
    readPolicies(folder, [VisitFrequency, CorrectionDeadline, ReminderDays, Induction]),
    readJson(folder, 'checklists.json', ChecklistFile),
  ]);
  const { division } = policies;
  return {
    county: division,
    write: async (tx) => {
      for (const { code, version, ...body } of checklists) {
        await tx.query(
          `insert into checklist (division, code, version, body) values ($1, $2, $3, $4) on conflict do nothing`,
          [division, code, version, JSON.stringify(body)],
        );
        await checkKept(tx, 'checklist', 'checklists.json', division, { code, version, body });
      }
      return `${checklists.length} checklists, ${await loadPolicies(tx, policies)} policies`;
    },
  };
}
