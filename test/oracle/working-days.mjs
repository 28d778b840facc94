// Working days from a calendar of announced holidays and make-up workdays (domain.md §8, data-access.md 'Deadlines and jobs').
// Dates are calendar dates in Asia/Shanghai, `YYYY-MM-DD`; no instant and no time zone enters the arithmetic.

const dayAfter = (date) => {
  const next = new Date(`${date}T00:00:00Z`);
  next.setUTCDate(next.getUTCDate() + 1);
  return next.toISOString().slice(0, 10);
};

/** `working`, `free`, or `unknown` where no calendar of that year has been announced: a holiday is never assumed away. */
export function dayIs(date, calendar) {
  const year = calendar.years.find((announced) => announced.year === Number(date.slice(0, 4)));
  if (!year) return 'unknown';
  if (year.workdays.some((day) => day.on === date)) return 'working';
  if (year.holidays.some((day) => day.on === date)) return 'free';
  return [0, 6].includes(new Date(`${date}T00:00:00Z`).getUTCDay()) ? 'free' : 'working';
}

/**
 * The n-th working day after `startOn`; the start itself does not count. Reaching a year without a calendar leaves the
 * deadline open: `dueOn` null, `dueState` 'calendar-missing', with what was counted so far.
 */
export function addWorkingDays(startOn, days, calendar) {
  if (!Number.isInteger(days) || days < 1)
    throw new RangeError(`days must be a whole number from 1, got ${days}`);
  const counted = [];
  const skipped = [];
  let date = startOn;
  while (counted.length < days) {
    date = dayAfter(date);
    const kind = dayIs(date, calendar);
    if (kind === 'unknown')
      return {
        dueOn: null,
        dueState: 'calendar-missing',
        missingYear: Number(date.slice(0, 4)),
        counted,
        skipped,
      };
    (kind === 'working' ? counted : skipped).push(date);
  }
  return { dueOn: date, dueState: 'set', missingYear: null, counted, skipped };
}
