import { isDeepStrictEqual } from 'node:util';

export type Schema = Record<string, unknown>;

/** Keywords that say nothing about which data fits. */
const remarks = new Set(['$id', '$schema', '$comment', 'title', 'description', 'examples']);

/**
 * What keeps `now` from running beside `was`: one sentence a change, none when they get along.
 *
 * Services of both versions run side by side and either may publish or read, so whatever fits one schema has to fit
 * the other. Only a new optional property does (readers ignore what they don't know); a wider type or one more choice
 * breaks the old readers, a narrower one the old publishers.
 */
export function incompatibilities(was: Schema, now: Schema, at = 'data'): string[] {
  const found: string[] = [];
  for (const keyword of new Set([...Object.keys(was), ...Object.keys(now)])) {
    if (remarks.has(keyword) || keyword === 'properties' || keyword === 'required') continue;
    const [before, after] = [was[keyword], now[keyword]];
    if (keyword === 'anyOf' && Array.isArray(before) && Array.isArray(after))
      found.push(...choices(before as Schema[], after as Schema[], at));
    else if (keyword === 'items' && isSchema(before) && isSchema(after))
      found.push(...incompatibilities(before, after, `${at}[]`));
    else if (!isDeepStrictEqual(before, after))
      found.push(`${at}: ${keyword} was ${told(before)} and is ${told(after)}`);
  }
  return [...found, ...properties(was, now, at)];
}

function properties(was: Schema, now: Schema, at: string): string[] {
  const found: string[] = [];
  const before = (was['properties'] ?? {}) as Record<string, Schema>;
  const after = (now['properties'] ?? {}) as Record<string, Schema>;
  const musts = [was, now].map(({ required }) => new Set((required ?? []) as string[]));
  const [didHaveTo, hasTo] = musts as [Set<string>, Set<string>];
  for (const name of new Set([...Object.keys(before), ...Object.keys(after), ...didHaveTo, ...hasTo])) {
    const [old, young] = [before[name], after[name]];
    if (old && !young) {
      found.push(`${at}.${name} was removed`);
      continue;
    }
    if (old && young) found.push(...incompatibilities(old, young, `${at}.${name}`));
    if (didHaveTo.has(name) && !hasTo.has(name))
      found.push(`${at}.${name} may be missing now, and old readers need it`);
    else if (hasTo.has(name) && !didHaveTo.has(name))
      found.push(`${at}.${name} is required now, and old publishers may not send it`);
    else if (!old && young && !takesMore(was))
      found.push(`${at}.${name} is new, and old readers refuse what they don't know there`);
  } // prettier-ignore
  return found;
}

/** An object that says something about properties it doesn't name may refuse a new one. */
function takesMore(schema: Schema): boolean {
  return Object.keys(schema).every(
    (keyword) =>
      remarks.has(keyword) ||
      keyword === 'properties' ||
      keyword === 'required' ||
      (keyword === 'type' && schema['type'] === 'object') ||
      (keyword === 'additionalProperties' && schema['additionalProperties'] === true),
  );
}

/** A choice may gain an optional property as any object may; their order says nothing. */
function choices(was: Schema[], now: Schema[], at: string): string[] {
  const fits = (old: Schema, young: Schema): boolean => incompatibilities(old, young).length === 0;
  const gone = was.filter((old) => !now.some((young) => fits(old, young)));
  const added = now.filter((young) => !was.some((old) => fits(old, young)));
  return [
    ...gone.map((choice) => `${at}: the choice ${toldChoice(choice)} was removed`),
    ...added.map((choice) => `${at}: the choice ${toldChoice(choice)} is new`),
  ];
}

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const told = (value: unknown): string => (value === undefined ? 'absent' : JSON.stringify(value));

const toldChoice = (choice: Schema): string => told('const' in choice ? choice['const'] : choice);
