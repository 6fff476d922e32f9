// What a frontend team writes: every route of the API by the types of the document.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];

const options = { baseUrl: "https://actionsight.example.org", credentials: "include" } as const;
// Lists can be had as CSV, too: a client says which form it takes.
const api = createClient<paths, "application/json" | "application/problem+json">(options);
const pages = createClient<paths, "text/html">(options);
const tables = createClient<paths, "text/csv">(options);

// An answer or the problem; its errors, limits and conditions have types, too.
export async function statistics(): Promise<number | null> {
  const { data, error, response } = await api.GET("/stats", {
    params: {
      query: {
        period: "28d",
        repository: ["owner/name", 42],
        branch: ["@default"],
        fields: ["run_count", "success_duration_p95_seconds"],
        compare: "previous",
      },
    },
  });
  if (error) {
    const problem: Schemas["Problem"] = error;
    throw new Error(`${problem.type} ${problem.detail} ${response.headers.get("X-Request-Id")}`);
  }
  if (Array.isArray(data.data)) throw new TypeError("no groups were asked for");
  const whole: Schemas["ComparableStatistics"] = data.data;
  const before: number | undefined = whole.previous?.run_count;
  const isClear: boolean | undefined = whole.is_clear?.run_count;
  return isClear && before !== undefined ? before : (whole.success_duration_p95_seconds ?? null);
}

// What the document does not know does not compile.
export async function mistakes(): Promise<void> {
  // @ts-expect-error no such parameter
  await api.GET("/runs", { params: { query: { repo: "owner/name" } } });
  // @ts-expect-error no such term
  await api.GET("/stats", { params: { query: { fields: ["runs"] } } });
  // @ts-expect-error an id is a number
  await api.GET("/runs/{run_id}", { params: { path: { run_id: "newest" } } });
  const { data } = await api.GET("/runs/{run_id}", { params: { path: { run_id: 1 } } });
  // @ts-expect-error it may be null
  const seconds: number | undefined = data?.data.duration_seconds;
  console.log(seconds);
}

export async function table(): Promise<string | undefined> {
  const headers = { Accept: "text/csv" };
  return (await tables.GET("/stats", { headers, parseAs: "text" })).data;
}

export async function statisticsByGroup(): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  let next: string | null | undefined;
  do {
    const { data } = await api.GET("/stats", {
      params: {
        query: next ? { next } : { group_by: ["workflow", "week"], sort: "-run_count", limit: 10 },
      },
    });
    for (const group of Array.isArray(data?.data) ? data.data : []) {
      found.set(`${group.workflow_id} ${group.workflow_name} ${group.week}`, group.run_count ?? 0);
    }
    next = data?.next;
  } while (next);
  return found;
}

export async function workflows(workflow_id: number): Promise<void> {
  const listed = await api.GET("/workflows", {
    params: { query: { include: ["statistics", "health", "recent_runs"], event: ["push"] } },
  });
  for (const workflow of listed.data?.data ?? []) {
    const state: "green" | "red" | "unknown" | undefined = workflow.health?.state;
    const since: Schemas["Since"] | null | undefined = workflow.health?.since;
    const latest: Schemas["LatestRun"] | null = workflow.latest_run;
    console.log(workflow.workflow_id, workflow.name, state, since?.head_sha, latest?.conclusion);
    workflow.recent_runs?.forEach((run) => console.log(run.run_id, run.duration_seconds));
  }
  const path = { workflow_id };
  const one = await api.GET("/workflows/{workflow_id}", {
    params: { path, query: { include: ["levels"] } },
  });
  one.data?.data.levels?.forEach((level) => console.log(level.median_seconds, level.is_current));
  const runs = await api.GET("/workflows/{workflow_id}/runs", { params: { path } });
  const jobs = await api.GET("/workflows/{workflow_id}/jobs", { params: { path } });
  const steps = await api.GET("/workflows/{workflow_id}/steps", {
    params: { path, query: { job_name: ["build"] } },
  });
  const timeline = await api.GET("/workflows/{workflow_id}/timeline", { params: { path } });
  const durations: (number | null)[] = timeline.data?.data.duration_seconds ?? [];
  const failing: (number | null)[] = steps.data?.data.map((step) => step.failure_share) ?? [];
  console.log(runs.data?.data[0]?.run_id, jobs.data?.data[0]?.job_name, durations, failing);
}

export async function runs(run_id: number, job_id: number): Promise<void> {
  const listed = await api.GET("/runs", {
    params: { query: { conclusion: ["failure"], actor: ["@me"], is_flaky: true } },
  });
  const numbers: number[] = listed.data?.data.flatMap((run) => run.pull_request_numbers ?? []) ?? [];
  const one = await api.GET("/runs/{run_id}", {
    params: { path: { run_id }, query: { include: ["steps"] } },
  });
  const attempts: Schemas["Attempt"][] = one.data?.data.attempts ?? [];
  const usual: number | null | undefined = one.data?.data.usual.p95_seconds;
  const failures = await api.GET("/runs/{run_id}/failures", { params: { path: { run_id } } });
  for (const failure of failures.data?.data ?? []) {
    const { context }: Schemas["JobFailure"] = failure;
    console.log(context === "only_here" ? "it is yours" : context);
  }
  const jobs = await api.GET("/jobs", { params: { query: { runner: ["ubuntu-latest"] } } });
  const job = await api.GET("/jobs/{job_id}", { params: { path: { job_id } } });
  job.data?.data.steps.forEach((step) => console.log(step.name, step.usual_p50_seconds));
  console.log(numbers, attempts.length, usual, jobs.data?.data[0]?.job_id);
}

export async function health(): Promise<void> {
  const branches = await api.GET("/branches/health", {
    params: { query: { state: ["red"], include: ["failing_jobs"] } },
  });
  const failing: Schemas["FailingJob"][] | undefined = branches.data?.data[0]?.failing_jobs;
  const intervals = await api.GET("/branches/health/intervals");
  const recovered = intervals.data?.data[0]?.recovered_by?.created_at;
  const flaky = await api.GET("/flaky-jobs", { params: { query: { compare: "previous" } } });
  const weeks: Schemas["FlakyWeek"][] | undefined = flaky.data?.data[0]?.by_week;
  const occurrences = await api.GET("/flaky-jobs/occurrences", {
    params: { query: { job_name: ["build"] } },
  });
  const changes = await api.GET("/changes", { params: { query: { limit: 5 } } });
  changes.data?.data.forEach((change) => console.log(change.measure, change.since?.run_id));
  console.log(failing, recovered, flaky.data?.flaky_commit_count, weeks, occurrences.data?.next);
}

export async function runnersAndCosts(): Promise<void> {
  const runners = await api.GET("/runners");
  const labels: string[] | undefined = runners.data?.data[0]?.labels;
  const hours = await api.GET("/runners/hours", { params: { query: { fields: ["peak_jobs"] } } });
  const now = await api.GET("/runners/now");
  const names = await api.GET("/runners/names");
  const costs = await api.GET("/costs", { params: { query: { group_by: ["runner_class"] } } });
  const group = Array.isArray(costs.data?.data) ? costs.data.data[0] : undefined;
  const usd: number | null | undefined = group?.estimated_cost_usd;
  const unpriced = await api.GET("/costs/unpriced");
  console.log(labels, hours.data?.data[0]?.hour, now.data?.data[0]?.queued_count, usd);
  console.log(names.data?.data[0]?.excess_failure_rate, unpriced.data?.data[0]?.minutes);
}

export async function repositories(csrf: string, repository_id: number): Promise<void> {
  const listed = await api.GET("/repositories");
  const available = await api.GET("/repositories/available");
  const selections = await api.GET("/repositories/selections");
  console.log(listed.data?.next, available.data?.install_url, selections.data?.data[0]?.state);
  const path = { repository_id };
  const header = { "X-CSRF-Token": csrf };
  const added = await api.POST("/repositories", {
    params: { header },
    body: { full_name: "owner/name" },
  });
  const hook: Schemas["Webhook"] | undefined = added.data?.webhook;
  const one = await api.GET("/repositories/{repository_id}", { params: { path } });
  const collected = await api.GET("/repositories/{repository_id}/health", { params: { path } });
  const days = collected.data?.data.map((day) => day.failed_poll_count);
  const ended = await api.DELETE("/repositories/{repository_id}", { params: { path, header } });
  const purge = await api.DELETE("/repositories/{repository_id}/data", { params: { path, header } });
  const progress = await api.GET("/repositories/{repository_id}/data", { params: { path } });
  console.log(hook?.status, one.data?.data.full_name, days, ended.data, purge.data, progress.data);
}

export async function account(): Promise<void> {
  await api.POST("/login", {
    params: { query: { next: "https://pages.example.org/" } },
    redirect: "manual",
  });
  await api.GET("/login/github/authorized", { params: { query: { code: "c", state: "s" } } });
  const me = await api.GET("/me");
  const header = { "X-CSRF-Token": me.data?.csrf_token ?? "" };
  const expires_at = new Date(Date.now() + 7 * 86_400_000).toISOString();
  const made = await api.POST("/tokens", {
    params: { header },
    body: { name: "BI", scopes: ["read"], expires_at },
  });
  const secret: string | undefined = made.data?.data.token;
  const bearer = { Authorization: `Bearer ${secret}` };
  const tokens = await api.GET("/tokens", { headers: bearer });
  const token_id = tokens.data?.data[0]?.token_id ?? 1;
  await api.DELETE("/tokens/{token_id}", { params: { path: { token_id }, header } });
  const sessions = await api.GET("/sessions");
  const session_id = sessions.data?.data[0]?.session_id ?? "";
  await api.DELETE("/sessions/{session_id}", { params: { path: { session_id }, header } });
  await api.POST("/logout", { params: { header } });
}

export async function installation(): Promise<void> {
  const installed = await api.GET("/installation");
  const terms = await api.GET("/definitions");
  const hits = await api.GET("/search", { params: { query: { q: "build" } } });
  const entries = await api.GET("/audit");
  const ready = await api.GET("/readyz");
  const alive = await api.GET("/healthz");
  const plain = createClient<paths, "text/plain">(options);
  const metrics = await plain.GET("/metrics", { parseAs: "text" });
  const text: string | undefined = metrics.data;
  const document = await api.GET("/openapi.json");
  const home = await pages.GET("/", { parseAs: "text" });
  const app = await pages.GET("/app", { parseAs: "text" });
  const view = "flaky";
  const flaky = await pages.GET("/app/{view}", { params: { path: { view } }, parseAs: "text" });
  const name = "index.js";
  const scripts = createClient<paths, "text/javascript">(options);
  const asset = await scripts.GET("/app/assets/{name}", { params: { path: { name } } });
  const page = await pages.GET("/docs", { parseAs: "text" });
  const style = await api.GET("/docs/swagger-ui.css", { parseAs: "text" });
  const script = await api.GET("/docs/swagger-ui.js", { parseAs: "text" });
  console.log(installed.data, terms.data, hits.data?.data, entries.data?.data[0]?.action, text);
  console.log(app.data, flaky.data, asset.response.status);
  console.log(ready.data, alive.data?.status, document.data, home.data, page.data, style, script);
}

export async function webhook(): Promise<void> {
  const accepted = await api.POST("/webhooks/github", {
    params: { header: { "X-GitHub-Event": "ping", "X-GitHub-Delivery": "delivery" } },
    body: { zen: "Keep it logically awesome." },
  });
  console.log(accepted.data?.status);
}
