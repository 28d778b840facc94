/** What a program may take for a formula when a text starts with it; and what we wrote before such a text ourselves. */
const formula = /^'*[=+\-@\t\r]/;

/** A text that no spreadsheet takes for a formula: an apostrophe stands before one that would be. */
export const neutralised = (text: string): string => (formula.test(text) ? `'${text}` : text);

/** What a formula shows that has no result. */
export const isFormulaError = (text: string): boolean =>
  /^#(?:N\/A|REF!|VALUE!|NAME\?|DIV\/0!|NULL!|NUM!|SPILL!|CALC!)$/.test(text.trim());

/** The text before it was `neutralised`, so that what was written out is read back as it was. */
export const plainText = (text: string): string =>
  text.startsWith("'") && formula.test(text) ? text.slice(1) : text;
