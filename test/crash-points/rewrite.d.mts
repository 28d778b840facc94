/** Compiled files that a fact passes, and which services end there. */
export function path(dist?: string): { file: string; ends: string[] }[];
/** Files of libs/messaging that no fact passes, and why. */
export const beside: Record<string, string>;
/** Why → first words of the names of points where nobody ends. */
export const unreached: Record<string, string[]>;
export function excused(name: string): string | undefined;
export function lotOf(text: string): number;
export function rewrite(
  text: string,
  file: string,
  first?: number,
): { text: string; found: string[] };
