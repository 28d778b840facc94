/** Full width to half width, upper case, no spaces. */
export function normaliseLicence(text: string): string {
  return text.normalize('NFKC').replace(/\s/g, '').toUpperCase();
}

/** What people write where there is no licence or credit code: a word or a stroke, in the form of `normaliseLicence`. */
export const saysNone = (number: string): boolean =>
  /^(?:无|暂无|没有|办理中|正在办理|未办理|N\/A|[-–—]+|[/\\]+)$/.test(number);

/**
 * A food (`JY`) or production (`SC`) licence has 14 digits (食品经营许可和备案管理办法, 食品生产许可管理办法), the last of
 * which checks the others: ISO 7064 MOD 11,10. A number of another form (a workshop's card, say) has no check digit known
 * to us and passes.
 */
export function licenceFits(number: string): boolean {
  if (!/^(?:JY|SC)\d*$/.test(number)) return true;
  const digits = /^..(\d{13})(\d)$/.exec(number);
  if (!digits?.[1]) return false;
  let product = 10;
  for (const digit of digits[1]) {
    const sum = (Number(digit) + product) % 10;
    product = ((sum === 0 ? 10 : sum) * 2) % 11;
  }
  return (11 - product) % 10 === Number(digits[2]);
}
