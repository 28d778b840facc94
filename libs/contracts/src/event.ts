import { type Static, type TObject } from '@sinclair/typebox';

export type Service =
  | 'registry' | 'assignment' | 'inspection' | 'training' | 'notification' | 'identity'; // prettier-ignore

/** One constant is the name, the version, the schema and the type of a fact; it lives with its owner. */
export interface EventContract<T extends TObject = TObject> {
  /** `<owner>.<noun>.<past tense>.v<major>`, e.g. `registry.establishment.registered.v1`. */
  readonly type: string;
  readonly owner: Service;
  readonly data: T;
}

export type DataOf<C> = C extends EventContract<infer T> ? Static<T> : never;

/** CloudEvents 1.0, structured JSON. `sequence` is the aggregate's version, so late and repeated facts are harmless. */
export interface Envelope<D = unknown> {
  specversion: '1.0';
  id: string;
  type: string;
  source: string;
  subject: string;
  time: string;
  datacontenttype: 'application/json';
  division: string;
  sequence: number;
  actor: string;
  correlationid: string;
  causationid?: string;
  data: D;
}

export const contracts = new Map<string, EventContract>();

export function defineEvent<T extends TObject>(type: string, data: T): EventContract<T> {
  const match = /^([a-z]+)\.[a-z-]+(?:\.[a-z-]+)?\.v[1-9][0-9]*$/.exec(type);
  if (!match?.[1]) throw new Error(`${type} is not <owner>.<noun>.<past tense>.v<major>.`);
  if (contracts.has(type)) throw new Error(`${type} is declared twice.`);
  const contract: EventContract<T> = { type, owner: match[1] as Service, data };
  contracts.set(type, contract);
  return contract;
}

/** The stream of one publisher, e.g. `EVT_REGISTRY`. */
export function streamOf(owner: Service): string {
  return `EVT_${owner.toUpperCase()}`;
}

/** `evt.<type>.<county>.<township>`, `_` where a level is absent; never an id. */
export function subjectOf(type: string, division: string): string {
  const county = division.length >= 6 ? division.slice(0, 6) : '_';
  const township = division.length >= 9 ? division.slice(6, 9) : '_';
  return `evt.${type}.${county}.${township}`;
}
