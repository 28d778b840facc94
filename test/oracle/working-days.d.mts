export interface NamedDay {
  on: string;
  name: { zh: string; en: string };
}

export interface Calendar {
  years: { year: number; holidays: NamedDay[]; workdays: NamedDay[] }[];
}

export interface Deadline {
  dueOn: string | null;
  dueState: 'set' | 'calendar-missing';
  missingYear: number | null;
  counted: string[];
  skipped: string[];
}

export function dayIs(date: string, calendar: Calendar): 'working' | 'free' | 'unknown';
export function addWorkingDays(startOn: string, days: number, calendar: Calendar): Deadline;
