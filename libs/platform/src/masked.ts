/**
 * A telephone number for those who need not ring: as much as tells two people apart, `199****0001`.
 * @returns null where there is none
 */
export function masked(telephone: string | null): string | null {
  if (telephone === null) return null;
  const [first, last] = telephone.length >= 11 ? [3, 4] : [0, 2];
  const hidden = telephone.length - first - last;
  if (hidden <= 0) return '*'.repeat(telephone.length);
  return telephone.slice(0, first) + '*'.repeat(hidden) + telephone.slice(-last);
}
