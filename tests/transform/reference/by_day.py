"""Counts and sums by day."""

from collections.abc import Iterable
from typing import Any

from tests.transform.reference.attempts import DECISIVE
from tests.transform.reference.flakiness import ambiguous_names, flaky_commit_count
from tests.transform.reference.raw import Row
from tests.transform.reference.rows import count, grouped, share, total

WORKFLOW_DAY = ("repository_id", "workflow_id", "day")
CONCLUSIONS = (*DECISIVE, "cancelled", "skipped", "action_required", "neutral", "stale")
CAUSES = ("rerun", "superseded", "timed_out", "cancelled")
MINUTES = ("billable_minutes", "self_hosted_minutes", "unknown_minutes")
RATES = {
    "success_rate": ("success_count", "decisive_count"),
    "first_attempt_success_rate": ("first_attempt_success_count", "first_attempt_decisive_count"),
    "success_rate_completed": ("success_count", "completed_count"),
    "rerun_rate": ("rerun_count", "run_count"),
}


def workflow_statistics_by_day(
    runs: Iterable[Row], attempts: Iterable[Row], jobs: Iterable[Row]
) -> list[Row]:
    """Of filed runs, their attempts and their jobs."""
    jobs_of, attempts_of = grouped(jobs, *WORKFLOW_DAY), grouped(attempts, "run_id")
    found = []
    for key, own in grouped(runs, *WORKFLOW_DAY).items():
        every = [row for run in own for row in attempts_of[run["run_id"],]]
        counts = {
            **_runs(own, every),
            **_jobs(jobs_of.get(key, [])),
        }
        found.append({**dict(zip(WORKFLOW_DAY, key, strict=True)), **counts, **_derived(counts)})
    return found


def repository_statistics_by_day(workflow_days: Iterable[Row]) -> list[Row]:
    """The same, of a repository's workflows together."""
    found = []
    for key, own in grouped(workflow_days, "repository_id", "day").items():
        summed = own[0].keys() - {*WORKFLOW_DAY, *RATES, "cost_per_success_usd", "is_lower_bound"}
        counts = {name: total(own, name) for name in summed}
        counts["is_lower_bound"] = any(row["is_lower_bound"] for row in own)
        found.append({"repository_id": key[0], "day": key[1], **counts, **_derived(counts)})
    return found


def job_statistics_by_day(
    jobs: Iterable[Row], held_up: Iterable[Row], occurrences: Iterable[Row]
) -> list[Row]:
    """By name: of filed jobs, how they held up their attempts, and where they were flaky."""
    holding = {row["job_id"]: row for row in held_up}
    flaky = grouped(occurrences, *WORKFLOW_DAY, "job_name")
    found = []
    for workflow_day, of_all in grouped(jobs, *WORKFLOW_DAY).items():
        ambiguous = {
            run_id: ambiguous_names(own) for (run_id,), own in grouped(of_all, "run_id").items()
        }
        for (name,), own in grouped(of_all, "name").items():
            key = (*workflow_day, name)
            held = [holding[job["job_id"]] for job in own if job["job_id"] in holding]
            runs = {job["run_id"] for job in own}
            found.append(
                {
                    **dict(zip((*WORKFLOW_DAY, "job_name"), key, strict=True)),
                    **_jobs(own),
                    **_executions(own),
                    "ambiguous_run_count": sum(name in ambiguous[run_id] for run_id in runs),
                    **_flakiness(flaky.get(key, [])),
                    "finished_last_count": count(held, "is_last"),
                    "exclusive_seconds": total(held, "exclusive_seconds"),
                    "saved_if_gone_seconds": total(held, "saved_if_gone_seconds"),
                }
            )
    return found


def cost_by_day(jobs: Iterable[Row]) -> list[Row]:
    """By workflow, runner class and the day on which the executed jobs started."""
    keys = ("repository_id", "workflow_id", "runner_class", "cost_day")
    executed = [job for job in jobs if job["is_executed"]]
    return [
        {
            **dict(zip((*keys[:3], "day"), key, strict=True)),
            "job_count": len(own),
            **_money(own),
        }
        for key, own in grouped(executed, *keys).items()
    ]


def _runs(runs: list[Row], attempts: list[Row]) -> Row:
    completed = [run["conclusion"] for run in runs if run["is_completed"]]
    firsts = [run["first_attempt_conclusion"] for run in runs]
    return {
        "run_count": len(runs),
        "completed_count": len(completed),
        **_by_conclusion(completed),
        "decisive_count": _decisive(completed),
        "first_attempt_success_count": firsts.count("success"),
        "first_attempt_decisive_count": _decisive(firsts),
        "rerun_count": sum(run["run_attempt"] > 1 for run in runs),
        "extra_attempt_count": sum(run["run_attempt"] - 1 for run in runs),
        "flaky_run_count": count(runs, "is_flaky"),
        "flaky_commit_count": flaky_commit_count(attempts),
        "flaky_commit_latest_count": flaky_commit_count(runs),
    }


def _derived(counts: Row) -> Row:
    cost, successes = counts["estimated_cost_usd"], counts["success_count"]
    return {
        **{rate: share(counts[part], counts[whole]) for rate, (part, whole) in RATES.items()},
        "cost_per_success_usd": float(cost / successes) if successes and cost is not None else None,
    }


def _jobs(jobs: list[Row]) -> Row:
    by_cause = grouped(jobs, "waste_cause")
    # Null where no job has minutes, 0 where none of them had this cause.
    of_cause = {cause: total(by_cause.get((cause,), []), "wasted_minutes") for cause in CAUSES}
    wasted = total(jobs, "wasted_minutes")
    return {
        "jobs_listed": len(jobs),
        "jobs_executed": count(jobs, "is_executed"),
        "jobs_carried_over": count(jobs, "is_carried_over"),
        "impossible_queue_count": count(jobs, "is_impossible_queue"),
        "impossible_duration_count": count(jobs, "is_impossible_duration"),
        **{
            f"{cause}_wasted_minutes": None if wasted is None else minutes or 0
            for cause, minutes in of_cause.items()
        },
        "wasted_minutes": wasted,
        **_money(jobs),
    }


def _money(jobs: list[Row]) -> Row:
    unpriced = sum(job["is_ended"] and job["estimated_cost_usd"] is None for job in jobs)
    return {
        **{name: total(jobs, name) for name in MINUTES},
        "estimated_cost_usd": total(jobs, "estimated_cost_usd"),
        "list_price_usd": total(jobs, "list_price_usd"),
        "unpriced_job_count": unpriced,
        "is_lower_bound": unpriced > 0,
    }


def _executions(jobs: list[Row]) -> Row:
    executed = [job for job in jobs if job["is_executed"]]
    conclusions = [job["conclusion"] for job in executed if job["is_ended"]]
    return {
        "executed_run_count": len({job["run_id"] for job in executed}),
        "completed_count": len(conclusions),
        **_by_conclusion(conclusions),
    }


def _flakiness(occurrences: list[Row]) -> Row:
    names = ("lost_seconds", "flaky_wasted_minutes", "flaky_cost_usd")
    return {
        "occurrence_count": len(occurrences),
        **{name: total(occurrences, name) for name in names},
    }


def _by_conclusion(conclusions: list[Any]) -> Row:
    return {
        **{f"{each}_count": conclusions.count(each) for each in CONCLUSIONS},
        "other_conclusion_count": sum(each not in CONCLUSIONS for each in conclusions),
    }


def _decisive(conclusions: list[Any]) -> int:
    return sum(conclusion in DECISIVE for conclusion in conclusions)
