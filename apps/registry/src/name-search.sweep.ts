import { Database } from '#database';
import { type Job } from '#platform';
import { Injectable } from '@nestjs/common';
import { keepNames } from './name-search.js';

const batch = 1000;

/**
 * Keeps for the search what its own code did not: names of before the search (their initials need a dictionary that the
 * migration has not), and what an older version of this service registers, renames or moves while both run side by side.
 */
@Injectable()
export class NameSearchSweep implements Job {
  readonly intervalMs = 600_000;

  constructor(private readonly database: Database) {}

  run(): Promise<boolean> {
    return this.database.everywhere('spells names for the search in every county', async (tx) => {
      const behind = await tx.query<{ id: string; division: string; name: string }>(
        `select e.id, e.division, e.name from establishment e left join establishment_search s on s.establishment_id = e.id
         where s.establishment_id is null or (s.name, s.division) <> (e.name, e.division) or strpos(s.text, E'\\n') = 0
         limit ${batch} for update of e skip locked`,
      );
      keepNames(tx, behind);
      return behind.length === batch;
    });
  }
}
