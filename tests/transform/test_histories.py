"""Generated histories have every shape, and what must hold between marts does in the reference."""

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings

from tests.transform.histories import History, Observation, histories
from tests.transform.in_memory import collected
from tests.transform.raw_rows import Row
from tests.transform.reference import compute
from tests.transform.reference.cases import LABELS, PRICES
from tests.transform.reference.rows import total
from tests.transform.timeline_generator import ABOUT_SEEING, Case

pytestmark = pytest.mark.unit

SHIPPED = {"runner_prices": PRICES, "runner_labels": LABELS}
BEFORE = datetime(2018, 1, 1, tzinfo=UTC)


def marts_of(observations: Iterable[Observation]) -> dict[str, list[Row]]:
    tables = defaultdict(list)
    for table, row in observations:
        tables[table].append(row)
    return compute(collected(SHIPPED, tables))


@pytest.fixture(scope="module")
def marts() -> dict[str, list[Row]]:
    return marts_of(History.of(2, 200).observations)


def test_every_shape_is_there(marts: dict[str, list[Row]]) -> None:
    jobs, runs = marts["jobs"], marts["workflow_runs"]
    days = marts["job_statistics_by_day"]
    shapes = {
        "copies": [job for job in jobs if job["is_carried_over"]],
        "no runner": [job for job in jobs if not job["is_executed"]],
        "a name alone": [job for job in jobs if job["is_executed"] and not job["runner_id"]],
        "impossible waits": [job for job in jobs if job["is_impossible_queue"]],
        "impossible lengths": [job for job in jobs if job["is_impossible_duration"]],
        "35 days": [job for job in jobs if job["duration_seconds"] == 35 * 86_400],
        "zero times": [
            job
            for job in jobs
            for name in ("created_at", "started_at", "completed_at")
            if job[name] and job[name] < BEFORE
        ],
        "zero length": [job for job in jobs if job["duration_seconds"] == 0],
        "over midnight": [
            job
            for job in jobs
            if job["duration_seconds"] and job["started_at"].date() != job["completed_at"].date()
        ],
        "open": [job for job in jobs if job["is_executed"] and job["completed_at"] is None],
        "gated": [job for job in jobs if job["was_gated"]],
        "steps left out": [job for job in jobs if job["steps_left_out"]],
        "failed steps": [job for job in jobs if job["failed_step_number"] is not None],
        "no name": [job for job in jobs if job["name"] is None],
        "unpriced": [job for job in jobs if job["unknown_minutes"]],
        "free": [job for job in jobs if job["list_price_usd"] and job["estimated_cost_usd"] == 0],
        **{
            cause: [job for job in jobs if job["waste_cause"] == cause]
            for cause in ("rerun", "superseded", "timed_out", "cancelled")
        },
        "ambiguous names": [run for run in runs if run["ambiguous_name_count"]],
        "approved": [run for run in runs if run["was_approved"]],
        "flaky runs": [run for run in runs if run["is_flaky"]],
        "time to red": [run for run in runs if run["time_to_red_seconds"]],
        "known by later attempts": [run for run in runs if run["first_attempt_conclusion"] is None],
        "occurrences": marts["flaky_job_occurrences"],
        "holding up": [day for day in days if day["saved_if_gone_seconds"]],
        "red": [each for each in marts["branch_health_intervals"] if each["is_start_known"]],
        "unknown start": [
            each for each in marts["branch_health_intervals"] if not each["is_start_known"]
        ],
        "red merge queues": [
            each
            for each in marts["branch_health_intervals"]
            if each["health_group"] == "merge_queue"
        ],
        "several at once": [
            hour for hour in marts["runner_statistics_by_hour"] if (hour["peak_jobs"] or 0) > 1
        ],
        "several waiting": [
            hour for hour in marts["runner_statistics_by_hour"] if (hour["peak_queued"] or 0) > 1
        ],
        "periods": [each for each in marts["repository_history"] if each["visibility"] == "public"],
        "stubs": [each for each in marts["workflows"] if each["is_stub"]],
    }
    assert [shape for shape, found in shapes.items() if not found] == []


@settings(max_examples=20, deadline=None)
@given(histories())
def test_the_order_of_webhooks_and_their_repetition_change_nothing(history: History) -> None:
    alone = [each for each in history.observations if each[0].startswith("webhook_")]
    again = [*alone, *random.Random(1).sample(alone, len(alone) // 2)]  # noqa: S311
    random.Random(2).shuffle(again)  # noqa: S311
    assert _ordered(marts_of(again)) == _ordered(marts_of(alone))


@settings(max_examples=20, deadline=None)
@given(histories())
def test_what_must_hold_between_marts(history: History) -> None:
    marts = marts_of(history.observations)
    jobs, hours = marts["jobs"], marts["runner_statistics_by_hour"]
    by_workflow, by_name = marts["workflow_statistics_by_day"], marts["job_statistics_by_day"]
    by_repository, costs = marts["repository_statistics_by_day"], marts["cost_by_day"]

    assert total(hours, "busy_seconds") == total(jobs, "duration_seconds")
    for name in ("jobs_listed", "jobs_executed", "wasted_minutes", "rerun_wasted_minutes"):
        assert total(by_name, name) == total(by_workflow, name) == total(by_repository, name)
    for name in ("billable_minutes", "self_hosted_minutes", "unknown_minutes"):
        assert total(costs, name) == total(by_name, name) == total(jobs, name)
    for name in ("list_price_usd", "estimated_cost_usd"):
        assert total(costs, name) == total(by_workflow, name) == total(jobs, name)
    unpriced = "unpriced_job_count"
    assert (total(costs, unpriced) or 0) == (total(by_workflow, unpriced) or 0)
    occurrences = len(marts["flaky_job_occurrences"])
    assert (total(by_name, "occurrence_count") or 0) == occurrences
    for attempt in marts["workflow_run_attempts"]:
        assert (attempt["covered_seconds"] or 0) <= (attempt["busy_seconds"] or 0)


@pytest.mark.parametrize("first_seed", range(0, 60, 20))
def test_polls_and_webhooks_in_any_order_say_what_polls_alone_say(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 20):
        case = Case(seed, 7, 4)
        both = [SHIPPED]
        for polled, told in zip(case.polls, case.webhooks, strict=True):
            both += [{f"webhook_{kind}": rows for kind, rows in told.items()}, polled]
        alone = _ordered(compute(collected(SHIPPED, *case.polls)))
        assert _ordered(compute(collected(*both))) == alone, f"seed {seed}"


def _ordered(marts: dict[str, list[Row]]) -> dict[str, list[str]]:
    """Without what is about ways of seeing."""
    return {
        mart: sorted(
            repr(sorted(each for each in row.items() if each[0] not in ABOUT_SEEING))
            for row in rows
        )
        for mart, rows in marts.items()
        if mart not in ABOUT_SEEING
    }
