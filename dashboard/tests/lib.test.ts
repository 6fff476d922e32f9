import assert from "node:assert/strict";
import { test } from "node:test";
import { fromGitHub, fromPasted, isAt } from "../src/lib/addresses.ts";
import { factsOf, lasted } from "../src/lib/evidence.ts";
import { chipsOf, isOfDays, queryOf, rangeUnderstood, withFilter } from "../src/lib/filter.ts";
import * as format from "../src/lib/format.ts";
import { knownFrom } from "../src/lib/health.ts";
import { layOut, prefixOf, type Job } from "../src/lib/waterfall.ts";

test("GitHub's addresses lead to the same here", () => {
  const addresses = {
    "/o/n/actions/runs/12": "/app/runs/12",
    "/o/n/actions/runs/12/attempts/2": "/app/runs/12?attempt=2",
    "/o/n/actions/runs/12/job/34": "/app/runs/12?job=34",
    "/o/n/pull/5": "/app/explore?repository=o%2Fn&pull_request=5&period=90d",
    "/o/n/pull/5/files": "/app/explore?repository=o%2Fn&pull_request=5&period=90d",
    "/o/n/commit/c59f221": "/app/explore?repository=o%2Fn&head_sha=c59f221&period=90d",
    "/o/n.github.io": "/app/?repository=o%2Fn.github.io",
    "/o/n/actions": "/app/?repository=o%2Fn",
    "/o/n/actions/workflows/ci.yml": "/app/?repository=o%2Fn",
    "/o": null,
    "/o/n/issues/1": null,
  };
  for (const [from, to] of Object.entries(addresses)) assert.equal(fromGitHub(from), to, from);
  assert.equal(fromPasted(" https://github.com/o/n/actions/runs/12?pr=3 "), "/app/runs/12");
  assert.equal(fromPasted("release/1.0"), null);
  assert(isAt("/workflows/{workflow_id}/jobs", "/workflows/11/jobs"));
  assert(!isAt("/workflows/{workflow_id}", "/workflows/11/jobs"));
});

test("an address asks the API in the API's own words", () => {
  const search = new URLSearchParams("branch=main&branch=next&repository=o/n&sort=x&show=table");
  assert.deepEqual(queryOf(search), {
    branch: ["main", "next"],
    repository: ["o/n"],
    period: "28d",
  });
  assert.deepEqual(queryOf(new URLSearchParams("workflow=1&from=2026-01-01"), ["workflow"]), {
    from: "2026-01-01",
  });
  assert.deepEqual(chipsOf(search).at(-1), ["branch", "next"]);
  assert.equal(
    withFilter("/app/costs", search, { repository: null }),
    "/app/costs?branch=main&branch=next",
  );
});

test("a range ends with its last day or now, and long ones are told by week", () => {
  const now = Date.parse("2026-02-20T12:00:00Z");
  const range = rangeUnderstood({ from: "2026-02-01", to: "2026-02-20" }, now);
  assert.deepEqual([range?.to, range?.bucket], [new Date(now), "day"]);
  const past = rangeUnderstood({ from: "2026-01-01", to: "2026-01-31" }, now);
  assert.equal(past?.to.toISOString(), "2026-02-01T00:00:00.000Z");
  assert.equal(rangeUnderstood({ from: "2026-01-01", to: "2026-02-20" }, now)?.bucket, "week");
  assert.deepEqual(rangeUnderstood({ from: "2026-02-01" }, now)?.to, new Date(now));
  assert.equal(rangeUnderstood({}, now), undefined);
});

test("a branch is known from its first decided run on, and told neither green nor red before", () => {
  const range = {
    from: new Date("2026-02-01T00:00Z"),
    to: new Date("2026-02-11T00:00Z"),
    bucket: "day" as const,
  };
  const since = (at: string) => ({ health: { since: { created_at: at } } });
  // Half of what is known was red, for a day.
  const red = { red_seconds: 86_400, green_share: 0.5, ...since("2026-02-10T00:00Z") };
  assert.deepEqual(knownFrom(red, range), new Date("2026-02-09T00:00Z"));
  const whole = { ...red, red_seconds: 5 * 86_400 - 30 };
  assert.deepEqual(knownFrom(whole, range), range.from);
  const green = { red_seconds: 0, green_share: 1 };
  assert.deepEqual(knownFrom({ ...green, ...since("2026-02-03T00:00Z") }, range).getUTCDate(), 3);
  assert.deepEqual(knownFrom({ ...green, ...since("2026-01-01T00:00Z") }, range), range.from);
  const nothing = { red_seconds: null, green_share: null, health: { since: null } };
  assert.deepEqual(knownFrom(nothing, range), range.to);
});

test("a range of instants is not one of days, whichever end has a time", () => {
  const told = ["", "period=7d", "from=2026-02-01", "from=2026-02-01&to=2026-02-20"];
  assert.ok(told.every((search) => isOfDays(new URLSearchParams(search))));
  assert.ok(!isOfDays(new URLSearchParams("from=2026-02-01T10:00:00Z&to=2026-02-20")));
  assert.ok(!isOfDays(new URLSearchParams("from=2026-02-01&to=2026-02-20T10:00:00Z")));
});

test("numbers are read as people read them", () => {
  const { duration, percent, money, points, term } = format;
  assert.deepEqual([null, 0, 59.6, 61, 3725, 90_000].map(duration), [
    "–",
    "0 s",
    "1 m 00 s",
    "1 m 01 s",
    "1 h 02 m",
    "1 d 01 h",
  ]);
  assert.deepEqual([null, 0, 0.023, 0.71, 0.998, 0.9999, 1].map(percent), [
    "–",
    "0 %",
    "2.3 %",
    "71 %",
    "99.8 %",
    "99.9 %",
    "100 %",
  ]);
  assert.deepEqual([null, 0.4, 412.4].map(money), ["–", "$0.40", "$412"]);
  assert.deepEqual([points(-0.07), points(0.125)], ["7.0 pp", "13 pp"]);
  assert.deepEqual(
    [format.changeOf(13, 10), format.changeOf(5, 10), format.changeOf(185, 0.5)],
    ["+30 %", "−50 %", "370 times"],
  );
  assert.equal(term("success_duration_p50_seconds", 61), "1 m 01 s");
  assert.equal(format.moment("2026-09-12T14:05:00Z", "UTC"), "12 Sept 14:05");
});

const BEGUN = "2026-01-01T00:00:00Z";
let ids = 0;

function at(seconds: number): string {
  return new Date(Date.parse(BEGUN) + seconds * 1000).toISOString();
}

function job(name: string, from: number, start: number, end: number, rest: Partial<Job> = {}): Job {
  return {
    job_id: ++ids,
    name,
    status: "completed",
    conclusion: "success",
    created_at: at(from),
    started_at: at(start),
    completed_at: at(end),
    is_executed: true,
    is_carried_over: false,
    runner_name: "r",
    duration_seconds: end - start,
    usual: { p50_seconds: null, p95_seconds: null },
    ...rest,
  };
}

test("a waterfall has one axis, and its typical mark ends with it", () => {
  const usual = { p50_seconds: 50, p95_seconds: 500 };
  const { rows, ticks } = layOut([job("a", 0, 10, 110, { usual })], BEGUN, new Date());
  const [row] = rows;
  assert(row?.kind === "job");
  assert.deepEqual([row.bar.wait, row.bar.end, row.bar.typical?.[1]], [0, 1, 1]);
  assert.deepEqual(
    ticks.map((tick) => tick.seconds),
    [0, 30, 60, 90],
  );
});

test("idle time is cut out and said", () => {
  const { breaks, rows } = layOut(
    [job("build", 0, 0, 600), job("deploy", 180_600, 180_600, 181_200)],
    BEGUN,
    new Date(),
  );
  assert.deepEqual(
    breaks.map((gap) => gap.seconds),
    [180_000],
  );
  const [build, deploy] = rows;
  assert(build?.kind === "job" && deploy?.kind === "job");
  assert(build.bar.end > 0.4 && deploy.bar.start > build.bar.end && deploy.bar.start < 0.6);
});

test("what did not run here is folded, what failed and the slowest are not", () => {
  const matrix = Array.from({ length: 8 }, (_, n) => job(`test (${n})`, 0, 0, 60 + n));
  const failed = job("test (red)", 0, 0, 5, { conclusion: "failure" });
  const { rows } = layOut(
    [
      ...matrix,
      failed,
      job("old", 0, 0, 0, { is_carried_over: true }),
      job("check", 0, 0, 0, { is_executed: false, runner_name: null }),
      job("skipped", 0, 0, 0, { is_executed: false, runner_name: null, conclusion: "skipped" }),
    ],
    BEGUN,
    new Date(),
  );
  assert.deepEqual(
    rows.map((row) => (row.kind === "job" ? row.bar.job.name : row.kind)),
    ["test (red)", "group", "test (7)", "results", "skipped", "carried"],
  );
  assert.equal(prefixOf("build / test (n150)"), "build");
  assert.equal(prefixOf("lint"), null);
});

test("evidence counts, and never judges", () => {
  const since = { run_id: 7, run_number: 3, run_attempt: 1, created_at: BEGUN };
  const failure = {
    name: "test",
    conclusion: "failure",
    duration_seconds: 780,
    failed_step: { number: 4, name: "Run tests" },
    usual: { run_count: 40, p50_seconds: 540, p95_seconds: 700 },
    context: "elsewhere",
    default_branch: { conclusion: "success", run: since, red_since: null },
    elsewhere: { failed_branch_count: 2, branch_count: 15, runs: [{ ...since, head_branch: "b" }] },
    flaky: {
      occurrence_count: 4,
      executed_run_count: 120,
      flaky_rate: 4 / 120,
      flaky_rate_lower_bound: 0.013,
      flaky_rate_upper_bound: 0.083,
      last: since,
      same_step_count: 3,
    },
    runner: { runner_name: "n150-1", failure_count: 3, job_count: 4 },
  } as unknown as Parameters<typeof factsOf>[0];
  assert.equal(
    lasted(failure),
    "failed after 13 m 00 s in step Run tests, usually done in 9 m 00 s (n 40)",
  );
  assert.deepEqual(
    factsOf(failure).map((fact) => fact.text),
    [
      "On the default branch this job last succeeded before this one began.",
      "It failed on 2 of 15 other branches within 24 h around.",
      "It flaked in 4 of 120 runs of the 28 days before (1.3 % to 8.3 %), 3 of them in the same step.",
      "3 of the 4 jobs of this name on n150-1 failed.",
    ],
  );
});
