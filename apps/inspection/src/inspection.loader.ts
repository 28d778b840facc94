import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Database } from '#database';
import { deployOf, loadPolicies, type PolicyFile } from '#platform';
import { Value } from '@sinclair/typebox/value';
import {
  ChecklistBody,
  CorrectionDeadline,
  Induction,
  VisitFrequency,
} from './inspection.policies.js';

/** What a county starts with: `policies.json`, `checklists.json`. Every version stays: a changed checklist is a new version. */
export async function loadInspection(database: Database, folder: string): Promise<string> {
  const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(join(folder, name), 'utf8'));
  const file = (await read('policies.json')) as PolicyFile;
  const { checklists } = (await read('checklists.json')) as { checklists: { code: string; version: number }[] };
  const policies = await database.within(
    deployOf(file.division),
    async (tx) => {
      for (const { code, version, ...body } of checklists) {
        const wrong = Value.Errors(ChecklistBody, body).First();
        if (wrong) throw new Error(`Checklist ${code}: ${wrong.path} ${wrong.message}.`);
        await tx.query(
          `insert into checklist (division, code, version, body) values ($1, $2, $3, $4) on conflict do nothing`,
          [file.division, code, version, JSON.stringify(body)],
        );
        const [kept] = await tx.query<{ same: boolean }>(
          `select body = $4::jsonb as same from checklist where division = $1 and code = $2 and version = $3`,
          [file.division, code, version, JSON.stringify(body)],
        );
        if (!kept?.same)
          throw new Error(`Checklist ${code} version ${version} is loaded with other words: give the change a new version.`);
      }
      return loadPolicies(tx, [VisitFrequency, CorrectionDeadline, Induction], file);
    },
  );
  return `${checklists.length} checklists, ${policies} policies`;
} // prettier-ignore
