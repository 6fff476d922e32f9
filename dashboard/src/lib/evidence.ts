// "Is it mine?": what is known, in words that count and never judge.

import type { Schemas } from "../api/client";
import { duration, percent, plural } from "./format.ts";

type Failure = Schemas["JobFailure"];

export const HEADINGS: Record<string, string> = {
  default_branch: "Also red on the default branch",
  elsewhere: "Failed elsewhere, too",
  flaked_before: "Flaked before",
  only_here: "Only here",
  no_history: "No history",
};

export interface Fact {
  text: string;
  runs: { run_id: number; label: string }[];
}

export function factsOf(failure: Failure): Fact[] {
  return [onDefaultBranch(failure), elsewhere(failure), flaky(failure), onRunner(failure)].filter(
    (fact) => fact !== null,
  );
}

function onDefaultBranch({ default_branch: found }: Failure): Fact {
  if (found === null) return { text: "It has not been decided on the default branch.", runs: [] };
  const { run, conclusion, red_since } = found;
  const runs = [{ run_id: run.run_id, label: `run ${run.run_number ?? run.run_id}` }];
  if (red_since) {
    const since = `run ${red_since.run_number ?? red_since.run_id}`;
    runs.push({ run_id: red_since.run_id, label: `red since ${since}` });
  }
  const word = { success: "succeeded", failure: "failed", timed_out: "timed out" }[conclusion];
  const words = word ?? `ended as ${conclusion.replace("_", " ")}`;
  return { text: `On the default branch this job last ${words} before this one began.`, runs };
}

function elsewhere({ elsewhere: found }: Failure): Fact {
  const { failed_branch_count: failed, branch_count: branches } = found;
  const runs = found.runs.map((run) => ({ run_id: run.run_id, label: run.head_branch }));
  const others = plural(branches, "other branch", "other branches");
  return { text: `It failed on ${failed} of ${others} within 24 h around.`, runs };
}

function flaky({ flaky: found }: Failure): Fact {
  const { occurrence_count: times, executed_run_count: executed } = found;
  const bounds =
    executed && found.flaky_rate_lower_bound !== null
      ? ` (${percent(found.flaky_rate_lower_bound)} to ${percent(found.flaky_rate_upper_bound)})`
      : "";
  const step = times ? `, ${found.same_step_count} of them in the same step` : "";
  const runs = found.last
    ? [{ run_id: found.last.run_id, label: `last in run ${found.last.run_number}` }]
    : [];
  const text = `It flaked in ${times} of ${plural(executed, "run")} of the 28 days before${bounds}${step}.`;
  return { text, runs };
}

function onRunner({ runner }: Failure): Fact | null {
  if (!runner || runner.job_count === 0) return null;
  const { failure_count: failed, job_count: jobs, runner_name: name } = runner;
  return {
    text: `${failed} of the ${plural(jobs, "job")} of this name on ${name} failed.`,
    runs: [],
  };
}

// How long it took, beside how long it takes.
export function lasted({ conclusion, duration_seconds, failed_step, usual }: Failure): string {
  const verb = conclusion === "timed_out" ? "timed out" : "failed";
  const step = failed_step ? ` in step ${failed_step.name ?? failed_step.number}` : "";
  const took = duration_seconds === null ? "" : ` after ${duration(duration_seconds)}`;
  const done =
    usual.p50_seconds === null
      ? ""
      : `, usually done in ${duration(usual.p50_seconds)} (n ${usual.run_count})`;
  return `${verb}${took}${step}${done}`;
}
