const alphabet = '0123456789ABCDEFGHJKLMNPQRTUWXY';

/** Full width to half width, lower to upper case, no spaces. */
export function normaliseUscc(text: string): string {
  return text.normalize('NFKC').replace(/\s/g, '').toUpperCase();
}

/** GB 32100: weights 3^(i−1) mod 31, check = (31 − Σ mod 31) mod 31. Takes the normalised form. */
export function isUscc(code: string): boolean {
  if (code.length !== 18) return false;
  let sum = 0;
  let weight = 1;
  for (const character of code.slice(0, 17)) {
    const value = alphabet.indexOf(character);
    if (value < 0) return false;
    sum += value * weight;
    weight = (weight * 3) % 31;
  }
  return alphabet[(31 - (sum % 31)) % 31] === code[17];
}
