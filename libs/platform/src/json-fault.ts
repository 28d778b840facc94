export interface JsonFault {
  /** From 1. */
  row: number;
  /** Characters of its row, from 1. */
  column: number;
  /** What stands there is of a Chinese keyboard or font, as “ or １: half width is meant. */
  wide: boolean;
}

/** The first place where a text cannot be JSON any more: the parser itself names it for some faults alone. */
export function jsonFaultOf(text: string): JsonFault {
  let [good, bad] = [0, text.length + 1]; // lengths of what may become JSON, and of what cannot
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (mayGoOn(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  const before = text.slice(0, good).split('\n');
  return {
    row: before.length,
    column: (before.at(-1)?.length ?? 0) + 1,
    wide: text.charCodeAt(good) > 0x7f,
  };
}

function mayGoOn(start: string): boolean {
  try {
    JSON.parse(start);
    return true;
  } catch (error) {
    const { message } = error as Error;
    return /end of JSON/.test(message) || Number(/ at position (\d+)/.exec(message)?.[1]) >= start.length;
  }
} // prettier-ignore
