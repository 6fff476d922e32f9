"""The metrics of the statistics: each one's name, meaning and formula, in one place.

A formula is SQL over `runs` (marts.workflow_runs), `jobs` (marts.jobs) or `commits` (what became
of one commit in one workflow). The answer's schema is made from the same table.
"""

from dataclasses import dataclass, field
from typing import LiteralString

from psycopg import sql

from api.parameters import Schema
from api.schemas import COUNT, described, nullable

CONCLUSIONS: tuple[LiteralString, ...] = (
    "success",
    "failure",
    "cancelled",
    "skipped",
    "neutral",
    "timed_out",
    "action_required",
    "stale",
    "startup_failure",
)
_KNOWN = "(" + ", ".join(f"'{conclusion}'" for conclusion in CONCLUSIONS) + ")"
DECISIVE = "('success', 'failure', 'timed_out', 'startup_failure')"

MINUTES: Schema = nullable(COUNT)
MONEY: Schema = {"type": ["number", "null"], "minimum": 0}
YES_OR_NO: Schema = {"type": "boolean"}
RATE: Schema = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
SECONDS: Schema = {"type": ["number", "null"]}


@dataclass(frozen=True)
class Metric:
    """A number: how it is called, what it means, and how it is computed."""

    name: str
    meaning: str
    formula: LiteralString
    schema: Schema = field(default_factory=lambda: COUNT)

    @property
    def over_nothing(self) -> int | bool | None:
        """Its value where there is nothing to count, sum or divide."""
        if self.schema is COUNT:
            return 0
        return False if self.schema is YES_OR_NO else None


@dataclass(frozen=True)
class Percentiles:
    """The five percentiles of one measure, exact, over rows that match `condition`."""

    prefix: str
    meaning: str
    measure: LiteralString
    condition: LiteralString = "true"

    @property
    def formula(self) -> sql.Composed:
        """An array of the five, or null over nothing; each measure is sorted once."""
        return sql.SQL(
            "percentile_cont({fractions}) within group (order by {measure}) "
            "filter (where {condition})"
        ).format(
            fractions=sql.Literal([percent / 100 for percent in PERCENTS]),
            measure=sql.SQL(self.measure),
            condition=sql.SQL(self.condition),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics, in the order of the array."""
        return tuple(f"{self.prefix}_p{percent}_seconds" for percent in PERCENTS)


PERCENTS = (50, 75, 90, 95, 99)


def _count(condition: LiteralString) -> LiteralString:
    return f"count(*) filter (where {condition})"


def _rate(part: LiteralString, whole: LiteralString) -> LiteralString:
    return f"({part})::double precision / nullif({whole}, 0)"


def _sum(column: LiteralString) -> LiteralString:
    return f"sum({column})::bigint"


def _money(column: LiteralString) -> LiteralString:
    return f"sum({column})::double precision"


def _wasted(cause: LiteralString) -> LiteralString:
    """Null only where no executed job has completed: then nothing is known of waste."""
    return (
        "case when count(jobs.wasted_minutes) > 0 then coalesce(sum(jobs.wasted_minutes) "
        f"filter (where jobs.waste_cause = '{cause}'), 0)::bigint end"
    )


_COMPLETED = "runs.status = 'completed'"
_DECISIVE_COUNT = _count(f"{_COMPLETED} and runs.conclusion in {DECISIVE}")
_SUCCESS_COUNT = _count(f"{_COMPLETED} and runs.conclusion = 'success'")
_UNPRICED_COUNT = _count("jobs.billable_minutes is not null and jobs.estimated_cost_usd is null")
_FIRST_SUCCESS_COUNT = _count("runs.first_attempt_conclusion = 'success'")
_FIRST_DECISIVE_COUNT = _count(f"runs.first_attempt_conclusion in {DECISIVE}")
_RERUN_COUNT = _count("runs.run_attempt > 1")

RUN_METRICS = (
    Metric("run_count", "Runs.", "count(*)"),
    Metric("completed_count", "Runs whose newest attempt is completed.", _count(_COMPLETED)),
    *(
        Metric(
            f"{conclusion}_count",
            f"Completed runs that ended `{conclusion}`.",
            _count(f"{_COMPLETED} and runs.conclusion = '{conclusion}'"),
        )
        for conclusion in CONCLUSIONS
    ),
    Metric(
        "other_conclusion_count",
        "Completed runs with any other conclusion, or none.",
        _count(f"{_COMPLETED} and (runs.conclusion in {_KNOWN}) is not true"),
    ),
    Metric(
        "decisive_count",
        "Completed runs that ended success, failure, timed_out or startup_failure.",
        _DECISIVE_COUNT,
    ),
    Metric("success_rate", "Success ÷ decisive.", _rate(_SUCCESS_COUNT, _DECISIVE_COUNT), RATE),
    Metric(
        "first_attempt_success_count",
        "Runs whose first attempt ended `success`.",
        _FIRST_SUCCESS_COUNT,
    ),
    Metric(
        "first_attempt_decisive_count",
        "Runs whose first attempt ended decisively.",
        _FIRST_DECISIVE_COUNT,
    ),
    Metric(
        "first_attempt_success_rate",
        "The part of success in them.",
        _rate(_FIRST_SUCCESS_COUNT, _FIRST_DECISIVE_COUNT),
        RATE,
    ),
    Metric(
        "success_rate_completed",
        "Success ÷ all completed runs.",
        _rate(_SUCCESS_COUNT, _count(_COMPLETED)),
        RATE,
    ),
    Metric("rerun_count", "Runs with more than one attempt.", _RERUN_COUNT),
    Metric(
        "extra_attempt_count",
        "Attempts beyond the first.",
        "coalesce(sum(runs.run_attempt - 1), 0)::bigint",
    ),
    Metric("rerun_rate", "Re-run runs ÷ runs.", _rate(_RERUN_COUNT, "count(*)"), RATE),
    Metric(
        "flaky_run_count",
        "Runs in which an attempt failed or timed out and a later one succeeded.",
        _count("runs.is_flaky"),
    ),
)

COMMIT_METRICS = (
    Metric(
        "flaky_commit_count",
        "Commits that both failed and succeeded in one workflow, over all attempts.",
        "count(*)",
    ),
    Metric(
        "flaky_commit_latest_count",
        "The same over newest attempts only.",
        _count("commits.newest_failed and commits.newest_succeeded"),
    ),
)

JOB_METRICS = (
    Metric("jobs_listed", "Jobs as listed under all attempts.", "count(*)"),
    Metric("jobs_executed", "Jobs that a runner executed.", _count("jobs.is_executed")),
    Metric(
        "jobs_carried_over",
        "Jobs that a re-run lists again without executing them.",
        _count("jobs.is_carried_over"),
    ),
    Metric(
        "impossible_queue_count",
        "Jobs that started before they were created: left out of queue times.",
        _count("jobs.is_impossible_queue"),
    ),
    Metric(
        "impossible_duration_count",
        "Jobs that ended before they started: left out of durations.",
        _count("jobs.is_impossible_duration"),
    ),
    Metric(
        "billable_minutes",
        "Minutes on GitHub's runners, each job rounded up; null without any such job.",
        _sum("jobs.billable_minutes"),
        MINUTES,
    ),
    Metric(
        "self_hosted_minutes",
        "The same on one's own runners.",
        _sum("jobs.self_hosted_minutes"),
        MINUTES,
    ),
    Metric(
        "unknown_minutes",
        "The same on runners of an unknown class: nobody knows whether GitHub bills them.",
        _sum("jobs.unknown_minutes"),
        MINUTES,
    ),
    Metric(
        "wasted_minutes",
        "Minutes of jobs whose outcome nobody used; the sum of the four causes.",
        _sum("jobs.wasted_minutes"),
        MINUTES,
    ),
    *(
        Metric(f"{cause}_wasted_minutes", meaning, _wasted(cause), MINUTES)
        for cause, meaning in (
            ("rerun", "Of jobs that failed or were cancelled in an attempt that was re-run."),
            ("superseded", "Of jobs of cancelled runs that a newer run had made pointless."),
            ("timed_out", "Of the other jobs that timed out."),
            ("cancelled", "Of the other jobs that were cancelled."),
        )
    ),
    Metric(
        "estimated_cost_usd",
        "Minutes by the price of the runner on that day; standard runners on public repositories "
        "cost nothing. An estimate: included minutes and discounts are not known.",
        _money("jobs.estimated_cost_usd"),
        MONEY,
    ),
    Metric(
        "list_price_usd",
        "The same without the discount for public repositories.",
        _money("jobs.list_price_usd"),
        MONEY,
    ),
    Metric(
        "unpriced_job_count",
        "Jobs whose cost is unknown, because their runner's price or the visibility is.",
        _UNPRICED_COUNT,
    ),
    Metric(
        "is_lower_bound",
        "Whether the costs are of the priced jobs alone.",
        f"{_UNPRICED_COUNT} > 0",
        YES_OR_NO,
    ),
)

RUN_PERCENTILES = (
    Percentiles(
        "success_duration",
        "Duration of successful runs",
        "runs.duration_seconds",
        f"{_COMPLETED} and runs.conclusion = 'success'",
    ),
    Percentiles(
        "completed_duration", "Duration of completed runs", "runs.duration_seconds", _COMPLETED
    ),
    Percentiles("run_queue", "Wait of runs for their first job to start", "runs.queue_seconds"),
    Percentiles(
        "time_to_signal",
        "From a run's creation to the end of its first attempt",
        "runs.time_to_signal_seconds",
    ),
)

JOB_PERCENTILES = (
    Percentiles("job_queue", "Wait of executed jobs for a runner", "jobs.queue_seconds"),
    Percentiles("job_duration", "Duration of executed jobs", "jobs.duration_seconds"),
)


def metric_schemas() -> dict[str, Schema]:
    """The schema of each metric, in the order in which an answer has them."""
    schemas = {
        metric.name: described(metric.schema, metric.meaning)
        for metric in (*RUN_METRICS, *COMMIT_METRICS, *JOB_METRICS)
    }
    for percentiles in (*RUN_PERCENTILES, *JOB_PERCENTILES):
        for percent, name in zip(PERCENTS, percentiles.names, strict=True):
            schemas[name] = described(
                SECONDS, f"{percentiles.meaning}: percentile {percent}; null over nothing."
            )
    return schemas
