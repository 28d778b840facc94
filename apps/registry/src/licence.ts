/** Full width to half width, upper case, no spaces. */
export function normaliseLicence(text: string): string {
  return text.normalize('NFKC').replace(/\s/g, '').toUpperCase();
}

/**
 * The check digit of a food (`JY`) or production (`SC`) licence: ISO 7064 MOD 11,10 over the first 13 digits. A number
 * of another form (a workshop's card, say) has no check digit known to us and passes.
 */
export function licenceFits(number: string): boolean {
  const digits = /^(?:JY|SC)(\d{13})(\d)$/.exec(number);
  if (!digits?.[1]) return true;
  let product = 10;
  for (const digit of digits[1]) {
    const sum = (Number(digit) + product) % 10;
    product = ((sum === 0 ? 10 : sum) * 2) % 11;
  }
  return (11 - product) % 10 === Number(digits[2]);
}
