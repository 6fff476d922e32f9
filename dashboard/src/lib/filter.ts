// What the address and the API have in common: which runs.

export const RUN_FILTERS = [
  "repository",
  "workflow",
  "branch",
  "event",
  "actor",
  "status",
  "conclusion",
  "runner",
  "job_name",
  "head_sha",
  "pull_request",
  "run_number",
  "is_flaky",
  "attempts_at_least",
  "q",
] as const;
const RANGE = ["from", "to", "period"] as const;
export const DEFAULT_PERIOD = "28d";
export const PERIODS = ["7d", "28d", "90d"];

export type FilterName = (typeof RUN_FILTERS)[number];
// As a client of the API sends it: the API reads each value by its own rules.
export type Query = Record<string, string | string[]>;

// The part of an address that asks; `but` is what the route gives by itself.
export function queryOf(search: URLSearchParams, but: readonly string[] = []): Query {
  const query: Query = {};
  for (const name of RUN_FILTERS) {
    const values = search.getAll(name).filter((value) => value !== "");
    if (values.length && !but.includes(name)) query[name] = values;
  }
  return { ...query, ...rangeOf(search) };
}

// Of which repositories, where a route asks nothing else.
export function repositoriesOf(search: URLSearchParams): Query {
  const values = search.getAll("repository");
  return values.length ? { repository: values } : {};
}

export function rangeOf(search: URLSearchParams): Query {
  const range: Query = {};
  for (const name of RANGE) {
    const value = search.get(name);
    if (value) range[name] = value;
  }
  return range["from"] || range["to"]
    ? without(range, "period")
    : { period: search.get("period") ?? DEFAULT_PERIOD };
}

// By day one narrows down; weeks cancel what weekdays do.
const MOST_DAYS = 35;
const DAY = 86_400_000;

export interface Range {
  from: Date;
  to: Date;
  bucket: "day" | "week";
}

// What an answer understood as its range: a day of the filter is whole, an instant is none; without an
// end it is until now.
export function rangeUnderstood(filter: unknown, now = Date.now()): Range | undefined {
  const { from, to } = (filter ?? {}) as { from?: string; to?: string };
  if (!from) return undefined;
  const end = to ? Math.min(Date.parse(to) + (to.length === 10 ? DAY : 0), now) : now;
  const bucket = end - Date.parse(from) > MOST_DAYS * DAY ? "week" : "day";
  return { from: new Date(from), to: new Date(end), bucket };
}

// Whether the range asked for is one of whole days: what a series needs to be compared.
export function isOfDays(search: URLSearchParams): boolean {
  return ["from", "to"].every((name) => /^$|^\d{4}-\d\d-\d\d$/.test(search.get(name) ?? ""));
}

export function isCompared(search: URLSearchParams): boolean {
  return search.get("compare") !== "none";
}

// Each value of the filter, to be shown and to be removed.
export function chipsOf(search: URLSearchParams): [FilterName, string][] {
  return RUN_FILTERS.flatMap((name) =>
    search.getAll(name).map((value): [FilterName, string] => [name, value]),
  );
}

// An address of ours that keeps the filter and the range, and none of a view's own state.
export function withFilter(
  path: string,
  search: URLSearchParams,
  changes: Record<string, string | null> = {},
): string {
  const kept = new URLSearchParams();
  for (const [name, value] of search) {
    if ([...RUN_FILTERS, ...RANGE, "compare"].includes(name as FilterName)) {
      kept.append(name, value);
    }
  }
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) kept.delete(name);
    else kept.set(name, value);
  }
  return kept.size ? `${path}?${kept}` : path;
}

function without(query: Query, name: string): Query {
  return Object.fromEntries(Object.entries(query).filter(([each]) => each !== name));
}
