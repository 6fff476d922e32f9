"""The definitions of docs/metrics.md read a second time, row by row, as literally as Python can.

Slow and simple on purpose: the marts are compared with it on generated histories. It is written
from the definitions, never from the SQL.
"""

from collections.abc import Iterable

from tests.transform.reference.attempts import held_up, measured
from tests.transform.reference.branch_health import branch_health_intervals
from tests.transform.reference.by_day import (
    cost_by_day,
    job_statistics_by_day,
    repository_statistics_by_day,
    workflow_statistics_by_day,
)
from tests.transform.reference.collection_health import collection_health_by_day
from tests.transform.reference.cost import Prices, billed, wasted
from tests.transform.reference.flakiness import flaky_job_occurrences
from tests.transform.reference.jobs import judged
from tests.transform.reference.newest_state import newest_attempts, newest_jobs
from tests.transform.reference.raw import Raw, Row
from tests.transform.reference.repositories import repositories, workflows
from tests.transform.reference.repository_history import History, repository_history
from tests.transform.reference.rows import grouped
from tests.transform.reference.runners import runner_statistics_by_hour
from tests.transform.reference.runs import creation_times, run_of, superseded
from tests.transform.reference.steps import steps_of

OF_ATTEMPT = (
    "repository_id", "workflow_id", "run_id", "run_attempt", "run_number", "name", "display_title",
    "event", "status", "conclusion", "is_completed", "is_decisive", "head_branch", "head_sha",
    "head_repository_id", "actor_id", "actor_login", "triggering_actor_id",
    "triggering_actor_login", "created_at", "updated_at", "run_started_at", "ended_at",
    "duration_seconds", "api_duration_seconds", "queue_seconds", "time_to_red_seconds",
    "red_overrun_seconds", "busy_seconds", "covered_seconds", "parallelism", "idle_seconds",
    "jobs_listed", "jobs_executed", "health_group", "was_approved", "gone_at", "html_url",
    "pull_request_numbers",
)  # fmt: skip
OF_ATTEMPT_ALONE = (
    "run_created_at", "was_seen_by_webhook", "was_seen_by_poll", "was_corrected",
    "webhook_only_job_count", "poll_only_job_count", "both_job_count", "corrected_job_count",
)  # fmt: skip
OF_RUN_ALONE = (
    "day", "first_attempt_conclusion", "time_to_signal_seconds", "is_flaky", "ambiguous_name_count",
)  # fmt: skip
OF_JOB = (
    "repository_id", "workflow_id", "run_id", "run_attempt", "job_id", "day", "run_created_at",
    "name", "head_branch", "labels", "runner_class", "runner_id", "runner_name",
    "runner_group_name", "status", "conclusion", "created_at", "started_at", "completed_at",
    "is_carried_over", "is_executed", "was_gated", "queue_seconds", "is_impossible_queue",
    "duration_seconds", "is_impossible_duration", "billable_minutes", "self_hosted_minutes",
    "unknown_minutes", "waste_cause", "wasted_minutes", "list_price_usd", "estimated_cost_usd",
    "cost_day", "failed_step_number", "failed_step_name", "steps_left_out", "html_url",
)  # fmt: skip


def compute(raw: Raw) -> dict[str, list[Row]]:
    """Give `{mart: rows}`: every row that each mart should have, with its columns."""
    history = repository_history(raw.repository_history, raw.repositories)
    attempts, jobs = _states(raw, History(history))
    attempts_of, jobs_of = grouped(attempts, "run_id"), grouped(jobs, "run_id")
    runs = {
        run_id: run_of(own, jobs_of.get((run_id,), []))
        for (run_id,), own in attempts_of.items()
        if own[0]["run_created_at"]
    }
    # A run that nobody knows the creation of has no day, and neither have its jobs.
    filed = _billed([job for job in jobs if job["run_id"] in runs], runs, raw, History(history))
    occurrences = flaky_job_occurrences(filed, runs)
    workflow_days = workflow_statistics_by_day(runs.values(), attempts, filed)
    all_repositories = repositories(raw)
    known = {row["repository_id"] for row in all_repositories}
    return {
        "repositories": all_repositories,
        "workflows": workflows(raw, attempts),
        "repository_history": [row for row in history if row["repository_id"] in known],
        "workflow_run_attempts": _only(attempts, *OF_ATTEMPT, *OF_ATTEMPT_ALONE),
        "workflow_runs": _only(runs.values(), *OF_ATTEMPT, *OF_RUN_ALONE),
        "jobs": _only(filed, *OF_JOB),
        "steps": steps_of(filed),
        "flaky_job_occurrences": occurrences,
        "workflow_statistics_by_day": workflow_days,
        "repository_statistics_by_day": repository_statistics_by_day(workflow_days),
        "job_statistics_by_day": job_statistics_by_day(
            filed, _holding(attempts, jobs), occurrences
        ),
        "cost_by_day": cost_by_day(filed),
        "runner_statistics_by_hour": runner_statistics_by_hour(filed),
        "branch_health_intervals": branch_health_intervals(attempts),
        "collection_health_by_day": collection_health_by_day(attempts, raw.polls, known),
    }


def _states(raw: Raw, then: History) -> tuple[list[Row], list[Row]]:
    """All attempts and jobs in their newest states, measured."""
    attempts = newest_attempts(raw.attempts)
    by_key = {(row["run_id"], row["run_attempt"]): row for row in attempts}
    jobs = judged(newest_jobs(raw.jobs), by_key)
    created, own = creation_times(attempts), grouped(jobs, "run_id", "run_attempt")
    return [
        measured(attempt, own.get(key, []), created.get(attempt["run_id"]), then)
        for key, attempt in by_key.items()
    ], jobs


def _billed(jobs: list[Row], runs: dict[int, Row], raw: Raw, then: History) -> list[Row]:
    prices, superseded_runs = Prices(raw), superseded(runs.values())
    found = []
    for job in jobs:
        run = runs[job["run_id"]]
        of_run = {name: run[name] for name in ("workflow_id", "day", "run_created_at")}
        priced = billed({**job, **of_run}, run, prices, then)
        found.append(wasted(priced, run, run["run_id"] in superseded_runs))
    return found


def _holding(attempts: list[Row], jobs: list[Row]) -> list[Row]:
    own = grouped(jobs, "run_id", "run_attempt")
    return [
        held
        for attempt in attempts
        for held in held_up(attempt, own.get((attempt["run_id"], attempt["run_attempt"]), []))
    ]


def _only(rows: Iterable[Row], *names: str) -> list[Row]:
    return [{name: row[name] for name in names} for row in rows]
