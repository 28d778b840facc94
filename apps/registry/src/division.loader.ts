import { readFile } from 'node:fs/promises';
import { Database } from '#database';

/** Loads a county's divisions from `code,name,level,parent` lines. Repeating it changes nothing but names. */
export async function loadDivisions(url: string, file: string): Promise<number> {
  const [, ...lines] = (await readFile(file, 'utf8')).trim().split(/\r?\n/);
  const rows = lines.map((line) => line.split(','));
  const county = rows.find(([, , level]) => level === 'county')?.[0];
  if (!county) throw new Error(`${file} has no county.`);
  const database = new Database({ service: 'registry', url, entities: [], poolSize: 1 });
  await database.open();
  try {
    await database.within(
      { id: 'platform', division: county, correlationId: 'load-divisions' },
      (tx) =>
        tx.query(
          `insert into division (division, name, level, parent) select * from unnest($1::text[], $2::text[], $3::text[], $4::text[])
         on conflict (division) do update set name = excluded.name where division.name <> excluded.name`,
          [0, 1, 2, 3].map((column) => rows.map((row) => row[column] ?? '')),
        ),
    );
    return rows.length;
  } finally {
    await database.close();
  }
}
