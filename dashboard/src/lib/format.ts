// Numbers and times as people read them. A thin space stands before units.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const NOTHING = "–";

export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return NOTHING;
  const whole = Math.round(seconds);
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} m ${pad(whole % MINUTE)} s`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)} h ${pad((whole % HOUR) / MINUTE)} m`;
  return `${Math.floor(whole / DAY)} d ${pad((whole % DAY) / HOUR)} h`;
}

// In a sentence the last unit says nothing.
export function roughly(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.round(whole / MINUTE)} m`;
  if (whole < 2 * DAY) return duration(whole);
  return `${Math.round(whole / DAY)} days`;
}

function pad(value: number): string {
  return String(Math.floor(value)).padStart(2, "0");
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? NOTHING : value.toLocaleString("en");
}

export function percent(fraction: number | null | undefined): string {
  if (fraction === null || fraction === undefined) return NOTHING;
  const value = fraction * 100;
  // Nearly all is not all.
  if (value > 99.5 && value < 100) return `${Math.min(99.9, value).toFixed(1)} %`;
  const isExact = value === 0 || Math.abs(value) >= 10;
  return `${value.toFixed(isExact ? 0 : 1)} %`;
}

// A difference that may go either way.
export function signed(fraction: number | null | undefined): string {
  if (fraction === null || fraction === undefined) return NOTHING;
  return `${fraction > 0 ? "+" : fraction < 0 ? "−" : ""}${points(fraction)}`;
}

export function points(difference: number): string {
  return `${Math.abs(difference * 100).toFixed(Math.abs(difference) < 0.1 ? 1 : 0)} pp`;
}

// How much more or less; of next to nothing a percentage says nothing.
export function changeOf(now: number, before: number): string {
  const times = now / before;
  if (times >= 10) return `${Math.round(times)} times`;
  return `${times >= 1 ? "+" : "−"}${percent(Math.abs(times - 1))}`;
}

export function money(usd: number | null | undefined): string {
  if (usd === null || usd === undefined) return NOTHING;
  return `$${usd.toLocaleString("en", {
    minimumFractionDigits: usd < 100 ? 2 : 0,
    maximumFractionDigits: usd < 100 ? 2 : 0,
  })}`;
}

export function minutes(value: number | null | undefined): string {
  return value === null || value === undefined ? NOTHING : `${count(value)} min`;
}

export function shortSha(sha: string): string {
  return sha.slice(0, 7);
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

// "12 Sep 14:05" in a zone; undefined is the browser's own.
export function moment(at: string | Date, timeZone?: string): string {
  const date = new Date(at);
  const parts = new Intl.DateTimeFormat("en-GB", {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    ...(timeZone ? { timeZone } : {}),
  });
  return parts.format(date).replace(",", "");
}

export function ago(at: string | Date, now: Date): string {
  const seconds = (now.getTime() - new Date(at).getTime()) / 1000;
  if (seconds < MINUTE) return "just now";
  return `${roughly(seconds)} ago`;
}

// How a term of the statistics is written, by its name.
export function term(name: string, value: number | null | undefined): string {
  if (name.endsWith("_seconds")) return duration(value);
  if (name.endsWith("_rate")) return percent(value);
  if (name.endsWith("_usd")) return money(value);
  if (name.endsWith("_minutes")) return minutes(value);
  return count(value);
}
