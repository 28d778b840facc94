import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Caller, type Database, type Tx } from '#database';
import { type Static, type TSchema } from '@sinclair/typebox';
import { Value, ValueErrorType } from '@sinclair/typebox/value';
import { jsonFaultOf } from './json-fault.js';
import { type Bilingual } from './problem.js';

/** What a service has read of a county's folder and found right; nothing of it is loaded yet. */
export interface CountyLoad {
  /** Whose folder it is, 6 digits. */
  county: string;
  /** In a transaction of the county's. Repeating it changes nothing. @returns what was loaded @throws FolderError */
  write: (tx: Tx) => Promise<string>;
}

/** Who loads what a county starts with. */
export const deployOf = (county: string): Caller => ({
  id: 'deploy',
  division: county,
  correlationId: `load-${county}`,
});

/** @returns what was loaded @throws FolderError where it contradicts what was loaded before: nothing is loaded then */
export const loadInto = (database: Database, { county, write }: CountyLoad): Promise<string> =>
  database.within(deployOf(county), write);

class Rehearsed extends Error {}

/** Loads it and takes it back, to say before anything is loaded anywhere what cannot be. @throws FolderError */
export async function rehearse(database: Database, { county, write }: CountyLoad): Promise<void> {
  await database
    .within(deployOf(county), async (tx) => {
      await write(tx);
      throw new Rehearsed();
    })
    .catch((error: unknown) => {
      if (!(error instanceof Rehearsed)) throw error;
    });
}

const toldAtMost = 20;

/** What is wrong with the files of a county's folder: each fault one sentence with file, place and remedy. */
export class FolderError extends Error {
  constructor(readonly faults: readonly Bilingual[]) {
    const more = faults.length - toldAtMost;
    super(
      [
        ...faults.slice(0, toldAtMost),
        ...(more > 0 ? [`另有 ${more} 处错误。 · And ${more} faults more.`] : []),
      ].join('\n'),
    );
  }
}

/** Waits for all, so that the faults of every file are told at once. @throws FolderError with the faults of all of them */
export async function allRead<const Reads extends readonly Promise<unknown>[]>(
  reads: Reads,
): Promise<{ -readonly [K in keyof Reads]: Awaited<Reads[K]> }> {
  const faults = new Set<Bilingual>();
  for (const read of await Promise.allSettled(reads)) {
    if (read.status === 'fulfilled') continue;
    if (!(read.reason instanceof FolderError)) throw read.reason;
    for (const fault of read.reason.faults) faults.add(fault); // two services may read one file
  }
  if (faults.size > 0) throw new FolderError([...faults]);
  return Promise.all(reads);
} // prettier-ignore

/** @throws FolderError where there is none */
export async function readBytes(folder: string, name: string): Promise<Uint8Array> {
  return readFile(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
    throw new FolderError([
      `${folder} 中的 ${name} 无法读取(${error.code ?? ''}),请放入该文件。 · ${name} cannot be read in ${folder} (${error.code ?? ''}): put it there.`,
    ]);
  });
}

/** A JSON file in UTF-8. @throws FolderError */
export async function readJson<T extends TSchema>(folder: string, name: string, shape: T): Promise<Static<T>> {
  const bytes = await readBytes(folder, name);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new FolderError([`${name} 的编码不是 UTF-8,请另存为 UTF-8。 · ${name} is not UTF-8: save it as UTF-8.`]);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const { row, column, wide } = jsonFaultOf(text);
    const [zh, en] = wide
      ? ['该处是全角字符,引号、逗号、冒号和数字须用半角(英文输入法)', 'what stands there is full width; quotation marks, commas, colons and digits are the ASCII ones']
      : ['请检查该处或前一行的逗号、引号和括号', 'look for a comma, a quotation mark or a bracket there or in the row before'];
    throw new FolderError([
      `${name} 第 ${row} 行第 ${column} 个字符处不是有效的 JSON,${zh}。 · ${name}, row ${row}, character ${column}: this is no JSON; ${en}.`,
    ]);
  }
  const faults = faultsOf(name, '', shape, value);
  if (faults.length > 0) throw new FolderError(faults);
  return value;
} // prettier-ignore

/** @param at the JSON pointer of the value within its file */
export function faultsOf(file: string, at: string, shape: TSchema, value: unknown): Bilingual[] {
  const faults = new Map<string, Bilingual>(); // the first of each place
  for (const { path, type, schema, value: found } of Value.Errors(shape, value)) {
    const place = `${at}${path}`;
    const [zh, en] = wanted(schema);
    const shown = (JSON.stringify(found) ?? '').slice(0, 60);
    const fault: Bilingual =
      type === ValueErrorType.ObjectAdditionalProperties
        ? `${file} 的 ${place} 不是已知的字段,请改正其名称或删去。 · ${file}: ${place} is no field that is known; correct its name or take it out.`
        : found === undefined
          ? `${file} 缺少 ${place},请写入${zh}。 · ${file} lacks ${place}: write ${en}.`
          : `${file} 的 ${place || '/'} 是 ${shown},请改为${zh}。 · ${file}: ${place || '/'} is ${shown}; write ${en}.`;
    if (!faults.has(place)) faults.set(place, fault);
  }
  return [...faults.values()];
}

const typeNames: Record<string, readonly [string, string]> = {
  integer: ['整数', 'a whole number'],
  number: ['数字', 'a number'],
  string: ['文字', 'a text'],
  boolean: [' true 或 false', 'true or false'],
  array: ['列表 […]', 'a list […]'],
  object: ['对象 {…}', 'an object {…}'],
};

/** What a schema takes, in words: its own description where it has one. */
function wanted(schema: TSchema): readonly [string, string] {
  const { description, anyOf, minimum, minItems, minLength, maxLength } = schema as {
    description?: Bilingual; anyOf?: TSchema[]; minimum?: number; minItems?: number; minLength?: number; maxLength?: number;
  }; // prettier-ignore
  if (description) {
    const [zh = '', en = ''] = description.split(' · ');
    return [zh, en];
  }
  if (anyOf) {
    const each = anyOf.map(wanted);
    return [each.map(([zh]) => zh).join('、'), each.map(([, en]) => en).join(' or ')];
  }
  if ('const' in schema) return [` ${JSON.stringify(schema['const'])}`, JSON.stringify(schema['const'])];
  const [zh, en] = typeNames[String(schema['type'])] ?? ['其他值', 'another value'];
  if (minimum !== undefined) return [`${zh}(不小于 ${minimum})`, `${en} of at least ${minimum}`];
  if (minItems !== undefined) return [`${zh}(至少 ${minItems} 项)`, `${en} of at least ${minItems}`];
  if (minLength !== undefined)
    return maxLength === undefined
      ? [`${zh}(至少 ${minLength} 字)`, `${en} of at least ${minLength} characters`]
      : [`${zh}(${minLength} 至 ${maxLength} 字)`, `${en} of ${minLength} to ${maxLength} characters`];
  return [zh, en];
} // prettier-ignore
