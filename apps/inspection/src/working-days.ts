/** One announced year; a year that is not announced is not guessed. */
export interface CalendarYear {
  year: number;
  holidays: { on: string; name: string }[];
  workdays: string[];
}

export interface Deadline {
  /** Calendar date in Asia/Shanghai; null where the calendar of a year that it reaches is not announced. */
  dueOn: string | null;
  missingYear: number | null;
  /** The working days counted, in order. */
  counted: string[];
  /** The days left out, and why. */
  skipped: { on: string; because: string }[];
}

/** The n-th working day after `startOn`, which does not count itself. */
export function deadlineOf(startOn: string, workingDays: number, years: CalendarYear[]): Deadline {
  const counted: string[] = [];
  const skipped: { on: string; because: string }[] = [];
  const date = new Date(`${startOn}T00:00:00Z`);
  while (counted.length < workingDays) {
    date.setUTCDate(date.getUTCDate() + 1);
    const on = date.toISOString().slice(0, 10);
    const year = years.find((one) => one.year === date.getUTCFullYear());
    if (!year) return { dueOn: null, missingYear: date.getUTCFullYear(), counted, skipped };
    const holiday = year.holidays.find((one) => one.on === on);
    if (year.workdays.includes(on)) counted.push(on);
    else if (holiday) skipped.push({ on, because: holiday.name });
    else if ([0, 6].includes(date.getUTCDay())) skipped.push({ on, because: '周末 · weekend' });
    else counted.push(on);
  }
  return { dueOn: counted.at(-1) ?? startOn, missingYear: null, counted, skipped };
}
