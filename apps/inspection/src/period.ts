import { DomainError, inShanghai } from '#platform';

/** The calendar date of an instant in Asia/Shanghai. */
export const dateOf = (instant: Date): string => inShanghai(instant).slice(0, 10);

/** The calendar quarter of an instant in Asia/Shanghai, e.g. `2026-Q4`. */
export function periodOf(instant: Date): string {
  const date = dateOf(instant);
  return `${date.slice(0, 4)}-Q${Math.ceil(Number(date.slice(5, 7)) / 3)}`;
}

/** First and last day of a quarter. @throws DomainError `period-unknown` */
export function daysOf(period: string): { from: string; to: string } {
  const match = /^(20\d{2})-Q([1-4])$/.exec(period);
  if (!match)
    throw new DomainError('period-unknown', '期间为自然季度,如 2026-Q4。 · A period is a calendar quarter like 2026-Q4.', [
      { pointer: '/period', rule: 'period-unknown', value: period, remedy: '请填写自然季度,如 2026-Q4 · give a calendar quarter like 2026-Q4' },
    ]);
  const [year, quarter] = [Number(match[1]), Number(match[2])];
  const day = (month: number, of: number): string => new Date(Date.UTC(year, month, of)).toISOString().slice(0, 10);
  return { from: day(quarter * 3 - 3, 1), to: day(quarter * 3, 0) };
} // prettier-ignore

/** The quarter after one, e.g. `2027-Q1` after `2026-Q4`. */
export function nextPeriod(period: string): string {
  const [year = 0, quarter = 0] = period.split('-Q').map(Number);
  return quarter === 4 ? `${year + 1}-Q1` : `${year}-Q${quarter + 1}`;
}
