type Scalar = string | number | boolean | Date | null;

/** One column of many rows, as the text of a PostgreSQL array: a parameter for `unnest`. */
export function arrayOf(values: Scalar[]): string {
  let text = '';
  for (const value of values) {
    if (text !== '') text += ',';
    if (value === null) text += 'NULL';
    else if (typeof value === 'string') text += `"${/["\\]/.test(value) ? value.replace(/["\\]/g, '\\$&') : value}"`;
    else text += value instanceof Date ? `"${value.toISOString()}"` : String(value);
  }
  return `{${text}}`;
} // prettier-ignore
