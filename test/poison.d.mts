/** A fact as it travels. */
export interface Fact {
  id: string;
  type: string;
  subject: string;
}
export const registered: string;
export const village: string;
export function fact(name: string, more?: object, data?: object): Fact;
export const poison: Record<
  'throws' | 'hangs' | 'badSchema' | 'futureVersion',
  (n: number) => Fact
>;
export function subjectFor(fact: Fact): string;
export const plant: string;
export const heal: string;
export const backlog: string;
