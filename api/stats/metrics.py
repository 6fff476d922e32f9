"""The metrics: each one's name, meaning, unit and formula, in one place.

The answers' records, the SQL, `/definitions` and the documentation come from this table. A formula
is an aggregate of SQL over rows of one source; what is derived is SQL over such aggregates, by
their names.

    runs      marts.workflow_runs
    jobs      marts.jobs
    commits   what became of one commit in one workflow (api.stats.queries)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, LiteralString

from psycopg import sql
from pydantic import Field, create_model

from api.records import Count, PartialRecord, Rate, Record, Seconds, Usd

Source = Literal["runs", "commits", "jobs"]
Unit = Literal["count", "rate", "seconds", "minutes", "usd", "boolean"]

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
PERCENTS = (50, 75, 90, 95, 99)

_TYPES: Mapping[Unit, Any] = {
    "count": Count,
    "rate": Rate | None,
    "seconds": Seconds | None,
    "minutes": Count | None,
    "usd": Usd | None,
    "boolean": bool,
}


@dataclass(frozen=True)
class Metric:
    """A number: how it is called, what it means, and how it is computed.

    Attributes:
        meaning: for people, in a sentence.
        unit: of its values; a count over nothing is 0, anything else null.
        source: of the rows that `formula` aggregates.
        formula: SQL.
        is_by_day: whether tables by day have it as a column that adds up over days.
    """

    name: str
    meaning: str
    unit: Unit
    source: Source
    formula: LiteralString
    is_by_day: bool = True

    @property
    def type(self) -> Any:
        """Of its values in an answer."""
        return _TYPES[self.unit]


@dataclass(frozen=True)
class Derived:
    """A number made of others: `parts` names them, `formula` is SQL over their names."""

    name: str
    meaning: str
    unit: Unit
    parts: tuple[str, ...]
    formula: LiteralString

    @property
    def type(self) -> Any:
        """Of its values in an answer."""
        return _TYPES[self.unit]


@dataclass(frozen=True)
class Percentiles:
    """The five percentiles of one measure, exact, over rows that match `condition`, and the number
    of its values."""

    prefix: str
    meaning: str
    source: Source
    measure: LiteralString
    condition: LiteralString = "true"

    @property
    def count(self) -> Metric:
        """The number of values."""
        return Metric(
            f"{self.prefix}_count",
            f"{self.meaning}: number of values.",
            "count",
            self.source,
            f"count({self.measure}) filter (where {self.condition})",
            is_by_day=False,
        )

    @property
    def formula(self) -> sql.Composed:
        """An array of the five, or null over nothing; each measure is sorted once."""
        return sql.SQL(
            "percentile_cont({fractions}::double precision[]) within group (order by {measure}) "
            "filter (where {condition})"
        ).format(
            fractions=sql.Literal([percent / 100 for percent in PERCENTS]),
            measure=sql.SQL(self.measure),
            condition=sql.SQL(self.condition),
        )

    def formula_of(self, name: str) -> str:
        """SQL of one of them, for people."""
        percent = PERCENTS[self.names.index(name)]
        return (
            f"percentile_cont(0.{percent}) within group (order by {self.measure}) "
            f"filter (where {self.condition})"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics, in the order of the array."""
        return tuple(f"{self.prefix}_p{percent}_seconds" for percent in PERCENTS)


def _count(condition: LiteralString) -> LiteralString:
    return f"count(*) filter (where {condition})"


def _rate(name: str, meaning: str, part: LiteralString, whole: LiteralString) -> Derived:
    formula: LiteralString = f"{part}::double precision / nullif({whole}, 0)"
    return Derived(name, meaning, "rate", (part, whole), formula)


def _minutes(name: LiteralString, meaning: str) -> Metric:
    return Metric(name, meaning, "minutes", "jobs", f"sum(jobs.{name})::bigint")


def _usd(name: LiteralString, meaning: str) -> Metric:
    return Metric(name, meaning, "usd", "jobs", f"sum(jobs.{name})")


def _wasted(cause: LiteralString) -> LiteralString:
    """Null only where no executed job has completed: then nothing is known of waste."""
    return (
        "case when count(jobs.wasted_minutes) > 0 then coalesce(sum(jobs.wasted_minutes) "
        f"filter (where jobs.waste_cause = '{cause}'), 0)::bigint end"
    )


_COMPLETED: LiteralString = "runs.status = 'completed'"

METRICS = (
    Metric("run_count", "Runs.", "count", "runs", "count(*)"),
    Metric(
        "completed_count",
        "Runs whose newest attempt is completed.",
        "count",
        "runs",
        _count(_COMPLETED),
    ),
    *(
        Metric(
            f"{conclusion}_count",
            f"Completed runs that ended `{conclusion}`.",
            "count",
            "runs",
            _count(f"{_COMPLETED} and runs.conclusion = '{conclusion}'"),
        )
        for conclusion in CONCLUSIONS
    ),
    Metric(
        "other_conclusion_count",
        "Completed runs with any other conclusion, or none.",
        "count",
        "runs",
        _count(f"{_COMPLETED} and (runs.conclusion in {_KNOWN}) is not true"),
    ),
    Metric(
        "decisive_count",
        "Completed runs that ended success, failure, timed_out or startup_failure.",
        "count",
        "runs",
        _count(f"{_COMPLETED} and runs.conclusion in {DECISIVE}"),
    ),
    _rate("success_rate", "Success ÷ decisive.", "success_count", "decisive_count"),
    Metric(
        "first_attempt_success_count",
        "Runs whose first attempt ended `success`.",
        "count",
        "runs",
        _count("runs.first_attempt_conclusion = 'success'"),
    ),
    Metric(
        "first_attempt_decisive_count",
        "Runs whose first attempt ended decisively.",
        "count",
        "runs",
        _count(f"runs.first_attempt_conclusion in {DECISIVE}"),
    ),
    _rate(
        "first_attempt_success_rate",
        "The part of success in them.",
        "first_attempt_success_count",
        "first_attempt_decisive_count",
    ),
    _rate(
        "success_rate_completed",
        "Success ÷ all completed runs.",
        "success_count",
        "completed_count",
    ),
    Metric(
        "rerun_count",
        "Runs with more than one attempt.",
        "count",
        "runs",
        _count("runs.run_attempt > 1"),
    ),
    Metric(
        "extra_attempt_count",
        "Attempts beyond the first.",
        "count",
        "runs",
        "coalesce(sum(runs.run_attempt - 1), 0)::bigint",
    ),
    _rate("rerun_rate", "Re-run runs ÷ runs.", "rerun_count", "run_count"),
    Metric(
        "flaky_run_count",
        "Runs in which an attempt failed or timed out and a later one succeeded.",
        "count",
        "runs",
        _count("runs.is_flaky"),
    ),
    Metric(
        "flaky_commit_count",
        "Commits that both failed and succeeded in one workflow, over all attempts.",
        "count",
        "commits",
        "count(*)",
        is_by_day=False,
    ),
    Metric(
        "flaky_commit_latest_count",
        "The same over newest attempts only.",
        "count",
        "commits",
        _count("commits.newest_failed and commits.newest_succeeded"),
        is_by_day=False,
    ),
    Metric("jobs_listed", "Jobs as listed under all attempts.", "count", "jobs", "count(*)"),
    Metric(
        "jobs_executed",
        "Jobs that a runner executed.",
        "count",
        "jobs",
        _count("jobs.is_executed"),
    ),
    Metric(
        "jobs_carried_over",
        "Jobs that a re-run lists again without executing them.",
        "count",
        "jobs",
        _count("jobs.is_carried_over"),
    ),
    Metric(
        "impossible_queue_count",
        "Jobs whose times cannot be (such as a start before the creation): left out of queue "
        "times.",
        "count",
        "jobs",
        _count("jobs.is_impossible_queue"),
    ),
    Metric(
        "impossible_duration_count",
        "Jobs whose times cannot be (such as an end before the start): left out of durations.",
        "count",
        "jobs",
        _count("jobs.is_impossible_duration"),
    ),
    _minutes(
        "billable_minutes",
        "Minutes on GitHub's runners, each job rounded up; null without any such job.",
    ),
    _minutes("self_hosted_minutes", "The same on one's own runners."),
    _minutes(
        "unknown_minutes",
        "The same on runners of an unknown class: nobody knows whether GitHub bills them.",
    ),
    _minutes(
        "wasted_minutes",
        "Minutes of jobs whose outcome nobody used; the sum of the four causes.",
    ),
    *(
        Metric(f"{cause}_wasted_minutes", meaning, "minutes", "jobs", _wasted(cause))
        for cause, meaning in (
            ("rerun", "Of jobs that failed or were cancelled in an attempt that was re-run."),
            ("superseded", "Of jobs of cancelled runs that a newer run had made pointless."),
            ("timed_out", "Of the other jobs that timed out."),
            ("cancelled", "Of the other jobs that were cancelled."),
        )
    ),
    _usd(
        "estimated_cost_usd",
        "Minutes by the price of the runner on that day; standard runners on public repositories "
        "cost nothing. An estimate: included minutes and discounts are not known.",
    ),
    _usd("list_price_usd", "The same without the discount for public repositories."),
    Derived(
        "cost_per_success_usd",
        "Estimated cost ÷ successful runs.",
        "usd",
        ("estimated_cost_usd", "success_count"),
        "estimated_cost_usd / nullif(success_count, 0)",
    ),
    Metric(
        "unpriced_job_count",
        "Jobs whose cost is unknown, because their runner's price or the visibility is.",
        "count",
        "jobs",
        _count("jobs.billable_minutes is not null and jobs.estimated_cost_usd is null"),
    ),
    Derived(
        "is_lower_bound",
        "Whether the costs are of the priced jobs alone.",
        "boolean",
        ("unpriced_job_count",),
        "unpriced_job_count > 0",
    ),
)

PERCENTILES = (
    Percentiles(
        "success_duration",
        "Duration of successful runs",
        "runs",
        "runs.duration_seconds",
        f"{_COMPLETED} and runs.conclusion = 'success'",
    ),
    Percentiles(
        "completed_duration",
        "Duration of completed runs",
        "runs",
        "runs.duration_seconds",
        _COMPLETED,
    ),
    Percentiles(
        "run_queue", "Wait of runs for their first job to start", "runs", "runs.queue_seconds"
    ),
    Percentiles(
        "time_to_signal",
        "From a run's creation to the end of its first attempt",
        "runs",
        "runs.time_to_signal_seconds",
    ),
    Percentiles("job_queue", "Wait of executed jobs for a runner", "jobs", "jobs.queue_seconds"),
    Percentiles("job_duration", "Duration of executed jobs", "jobs", "jobs.duration_seconds"),
)


@cache
def terms() -> Mapping[str, Metric | Derived | Percentiles]:
    """Every term by its name, in the order in which an answer has them."""
    found: dict[str, Metric | Derived | Percentiles] = {each.name: each for each in METRICS}
    for percentiles in PERCENTILES:
        found[percentiles.count.name] = percentiles.count
        found.update(dict.fromkeys(percentiles.names, percentiles))
    return found


@cache
def terms_by_day() -> tuple[str, ...]:
    """The terms that add up over days, or are made of such: any length of history tells them at
    once."""
    by_day = {each.name for each in METRICS if isinstance(each, Metric) and each.is_by_day}
    return tuple(
        name
        for name, term in terms().items()
        if name in by_day or (isinstance(term, Derived) and by_day.issuperset(term.parts))
    )


def fields_of(names: Iterable[str]) -> dict[str, Any]:
    """Fields of a record by the names of terms, each with its type and meaning."""
    fields: dict[str, Any] = {}
    for name in names:
        term = terms()[name]
        if isinstance(term, Percentiles):
            percent = PERCENTS[term.names.index(name)]
            meaning = f"{term.meaning}: percentile {percent}; null over nothing."
            fields[name] = (Seconds | None, Field(None, description=meaning))
        else:
            fields[name] = (term.type, Field(None, description=term.meaning))
    return fields


Statistics: type[Record] = create_model(
    "Statistics",
    __base__=PartialRecord,
    __doc__="The terms that `fields` chose; all of them where it did not.",
    **fields_of(terms()),
)
