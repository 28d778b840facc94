/** What goes wrong, for points that are reached only then. */
export const troubles: { name: string; service: string; points: string[] }[];
export function troubleOf(service: string, name: string): { name: string } | undefined;
