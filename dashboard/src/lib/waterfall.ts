// Where the jobs of one attempt stand on its axis, and which of them stand together.

export interface Job {
  job_id: number;
  name: string | null;
  status: string | null;
  conclusion: string | null;
  created_at: string | null;
  started_at: string | null;
  completed_at: string | null;
  is_executed: boolean;
  is_carried_over: boolean;
  runner_name: string | null;
  duration_seconds: number | null;
  usual: { p50_seconds: number | null; p95_seconds: number | null };
}

// Positions are fractions of the axis.
export interface Bar<J extends Job> {
  job: J;
  wait: number;
  start: number;
  end: number;
  // From the p50 to the p95 of this job's history, as far as the axis goes.
  typical: [number, number] | null;
}

export type Row<J extends Job> =
  | { kind: "job"; bar: Bar<J> }
  | { kind: "group"; name: string; bars: Bar<J>[] }
  | { kind: "carried" | "results" | "skipped"; jobs: J[] };

export interface Waterfall<J extends Job> {
  rows: Row<J>[];
  ticks: { at: number; seconds: number }[];
  breaks: { at: number; seconds: number }[];
}

const IDLE_SECONDS = 600;
const BREAK_SHARE = 0.04;
const LEAST_GROUP = 7;
const FAILED = new Set(["failure", "timed_out", "startup_failure"]);

export function isResult(job: Job): boolean {
  return (
    !job.is_executed &&
    job.runner_name === null &&
    job.conclusion !== null &&
    job.conclusion !== "cancelled"
  );
}

export function layOut<J extends Job>(
  jobs: J[],
  begunAt: string,
  now: Date,
  byDuration = false,
): Waterfall<J> {
  const of = (time: string | null): number | null =>
    time === null ? null : (Date.parse(time) - Date.parse(begunAt)) / 1000;
  const until = (now.getTime() - Date.parse(begunAt)) / 1000;

  const carried = jobs.filter((job) => job.is_carried_over);
  const rest = jobs.filter((job) => !job.is_carried_over);
  const skipped = rest.filter((job) => job.conclusion === "skipped");
  const results = rest.filter((job) => job.conclusion !== "skipped" && isResult(job));
  const folded = new Set<J>([...skipped, ...results]);

  const spans = rest
    .filter((job) => !folded.has(job))
    .map((job) => {
      const isOver = job.conclusion !== null;
      const wait = Math.max(0, of(job.created_at) ?? of(job.started_at) ?? 0);
      const end = of(job.completed_at) ?? (isOver ? wait : until);
      const start = Math.min(Math.max(wait, of(job.started_at) ?? end), end);
      return { job, wait, start, end: Math.max(end, wait) };
    });
  const axis = cut(spans);
  const bars = spans.map(({ job, wait, start, end }): Bar<J> => {
    const { p50_seconds, p95_seconds } = job.usual;
    const from = p50_seconds === null ? 1 : axis.position(start + p50_seconds);
    const typical: [number, number] | null =
      p95_seconds === null || from >= 1 ? null : [from, axis.position(start + p95_seconds)];
    return {
      job,
      wait: axis.position(wait),
      start: axis.position(start),
      end: axis.position(end),
      typical,
    };
  });
  const order = byDuration
    ? (a: Bar<J>, b: Bar<J>): number => b.end - b.start - (a.end - a.start)
    : (a: Bar<J>, b: Bar<J>): number => a.start - b.start || a.end - b.end;
  const rows = grouped(bars.toSorted(order));
  if (results.length) rows.push({ kind: "results", jobs: results });
  if (skipped.length) rows.push({ kind: "skipped", jobs: skipped });
  if (carried.length) rows.push({ kind: "carried", jobs: carried });
  return { rows, ticks: axis.ticks, breaks: axis.breaks };
}

interface Span {
  wait: number;
  end: number;
}

// An axis without the stretches in which nothing waits or runs.
function cut(spans: Span[]) {
  const gaps: { from: number; to: number }[] = [];
  let last = 0;
  for (const { wait, end } of spans.toSorted((a, b) => a.wait - b.wait)) {
    if (wait - last > IDLE_SECONDS) gaps.push({ from: last, to: wait });
    last = Math.max(last, end);
  }
  const idle = gaps.reduce((sum, gap) => sum + gap.to - gap.from, 0);
  const busy = Math.max(1, last - idle);
  const share = 1 - gaps.length * BREAK_SHARE;
  const position = (seconds: number): number => {
    let at = Math.min(seconds, last);
    let before = 0;
    for (const gap of gaps) {
      if (seconds <= gap.from) break;
      const passed = Math.min(seconds, gap.to) - gap.from;
      at -= passed;
      before += BREAK_SHARE * (passed / (gap.to - gap.from));
    }
    return Math.min(1, Math.max(0, (at / busy) * share + before));
  };
  const step = stepFor(last - idle);
  const ticks = [];
  for (let seconds = 0; seconds < last; seconds += step) {
    const isIdle = gaps.some((gap) => seconds > gap.from && seconds < gap.to);
    if (!isIdle) ticks.push({ at: position(seconds), seconds });
  }
  const breaks = gaps.map((gap) => ({ at: position(gap.from), seconds: gap.to - gap.from }));
  return { position, ticks: ticks.filter((tick) => tick.at <= 0.95), breaks };
}

function stepFor(seconds: number): number {
  const steps = [10, 30, 60, 300, 600, 1800, 3600, 7200, 21_600, 86_400];
  return steps.find((step) => seconds / step <= 5) ?? Math.ceil(seconds / 5);
}

// What a matrix or a reusable workflow names alike; the failed ones and the slowest stand outside.
export function prefixOf(name: string | null): string | null {
  const found = /^(.+?)(?: \/ | \()/.exec(name ?? "");
  return found?.[1] ?? null;
}

function grouped<J extends Job>(bars: Bar<J>[]): Row<J>[] {
  const byPrefix = Map.groupBy(bars, ({ job }) => prefixOf(job.name));
  const inside = new Map<Bar<J>, string>();
  for (const [prefix, members] of byPrefix) {
    if (prefix === null || members.length < LEAST_GROUP) continue;
    const slowest = members.reduce((a, b) => (b.end - b.start > a.end - a.start ? b : a));
    for (const bar of members) {
      if (bar !== slowest && !FAILED.has(bar.job.conclusion ?? "")) inside.set(bar, prefix);
    }
  }
  const rows: Row<J>[] = [];
  const opened = new Map<string, Bar<J>[]>();
  for (const bar of bars) {
    const prefix = inside.get(bar);
    if (prefix === undefined) {
      rows.push({ kind: "job", bar });
      continue;
    }
    const members = opened.get(prefix);
    if (members) {
      members.push(bar);
    } else {
      const first = [bar];
      opened.set(prefix, first);
      rows.push({ kind: "group", name: prefix, bars: first });
    }
  }
  return rows;
}
