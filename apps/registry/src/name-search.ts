import { arrayOf, type Tx } from '#database';
import { pinyin } from 'pinyin-pro';

/** How two spellings of one name meet: half width, lower case. */
const fold = (text: string): string => text.normalize('NFKC').toLowerCase();

const read = (text: string, multiple: boolean): string[] =>
  pinyin(text, { pattern: 'first', toneType: 'none', type: 'array', multiple });

/** Character → its initial, where every reading of it has the same; null where the words around it decide (长: z, c). */
const initials = new Map<string, string | null>();
function initialOf(character: string): string | null {
  let initial = initials.get(character);
  if (initial === undefined) {
    const [first = '', ...others] = new Set(read(character, true));
    initial = others.length > 0 ? null : /^[a-z0-9]$/.test(first) ? first : '';
    initials.set(character, initial);
  }
  return initial;
}

/** Character with the two before and after it → its initial there: such neighbourhoods come again, names hardly do. */
const inPlace = new Map<string, string>();
const mostInPlace = 50_000;
function initialInPlace(characters: string[], at: number): string {
  const from = Math.max(0, at - 2);
  const place = `${at - from}${characters.slice(from, at + 3).join('')}`;
  let initial = inPlace.get(place);
  if (initial === undefined) {
    const first = read(place.slice(1), false)[at - from] ?? '';
    initial = /^[a-z0-9]$/.test(first) ? first : '';
    if (inPlace.size >= mostInPlace) inPlace.clear();
    inPlace.set(place, initial);
  }
  return initial;
}

/** The first letters of a folded name as it is read (老王饭店 → lwfd), its Latin letters and digits among them. */
export function initialsOf(folded: string): string {
  const characters = [...folded];
  let spelt = '';
  for (const [at, character] of characters.entries())
    spelt += initialOf(character) ?? initialInPlace(characters, at);
  return spelt;
}

/** Every piece of one and of two characters. */
function piecesOf(text: string, into = new Set<string>()): Set<string> {
  let before = '';
  for (const character of text) {
    into.add(character);
    if (before !== '') into.add(before + character);
    before = character;
  }
  return into;
}

/** The county and the township of a place as pieces, so that a township's search touches its own rows alone. */
const placesOf = (division: string): string[] =>
  [6, 9].filter((digits) => division.length >= digits).map((digits) => `#${division.slice(0, digits)}`); // prettier-ignore

/** What is kept of a name for the search. A line break parts name and initials: no query has one. */
export function searchable(name: string, division: string): { text: string; grams: string[] } {
  const folded = fold(name);
  const initials = initialsOf(folded);
  const pieces = piecesOf(initials, piecesOf(folded));
  return { text: `${folded}\n${initials}`, grams: [...pieces, ...placesOf(division)] };
}

/** What `establishments_named` is asked: a part of a name, or pinyin initials, in one place. */
export function asked(part: string, division: string): { wanted: string; pieces: string[] } {
  const wanted = fold(part).trim();
  return { wanted, pieces: [...piecesOf(wanted), ...placesOf(division).slice(-1)] };
}

/** What the search keeps of it differs: its name, or the place it is found in. */
export const renamed = (before: Named, after: Named): boolean =>
  before.name !== after.name || before.division !== after.division;

type Named = { division: string; name: string };

/** Keeps the names of these establishments for the search, in the transaction that registers, renames or moves them. */
export function keepNames(tx: Tx, named: { id: string; division: string; name: string }[]): void {
  if (named.length === 0) return;
  const kept = named.map(({ name, division }) => searchable(name, division));
  tx.send(
    'keep names',
    `insert into establishment_search (establishment_id, division, name, text, grams)
     select id, division, name, text, string_to_array(grams, E'\\t')
     from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) as n(id, division, name, text, grams)
     on conflict (establishment_id) do update set division = excluded.division, name = excluded.name, text = excluded.text, grams = excluded.grams`,
    [
      arrayOf(named.map(({ id }) => id)),
      arrayOf(named.map(({ division }) => division)),
      arrayOf(named.map(({ name }) => name)),
      arrayOf(kept.map(({ text }) => text)),
      arrayOf(kept.map(({ grams }) => grams.join('\t'))), // no name has a control character
    ],
  );
}
