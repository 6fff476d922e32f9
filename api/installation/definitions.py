"""What every number of the answers means: of each record, by the routes that answer with it.

Meanings are those of the records, formulas those from which queries are made. A name can mean
another thing on another route: `failure_count` is of runs, of jobs, or of a runner's jobs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from api.branches import queries as branches
from api.branches.records import BranchHealth, Health, RedInterval
from api.changes.levels import Level
from api.changes.records import Change
from api.costs.records import DERIVED as COST_FLAGS
from api.costs.records import FORMULAS as COST_FORMULAS
from api.costs.records import Costs, Projection, UnpricedJobs
from api.flaky_jobs import queries as flaky_jobs
from api.flaky_jobs.records import FlakyJobs, FlakyJobStatistics, FlakyOccurrence
from api.jobs import statistics as jobs
from api.jobs.records import Job, JobOfRun, Step, StepOfJob, Usual
from api.records import Record
from api.repositories.records import CollectionHealth
from api.runners import queries as runners
from api.runners.records import QUEUE, RunnerHour, RunnerName, RunnerNow, RunnerStatistics
from api.runs.records import (
    Attempt,
    ElsewhereEvidence,
    FlakyEvidence,
    Run,
    RunnerEvidence,
    Timeline,
)
from api.stats.metrics import Derived, Metric, Percentiles, Source, Statistics, terms

Unit = Literal["count", "rate", "ratio", "seconds", "minutes", "usd", "boolean"]
_MARTS: Mapping[Source, str] = {
    "runs": "workflow_runs",
    "commits": "workflow_run_attempts",
    "jobs": "jobs",
}
_RUN = ("/runs", "/runs/{run_id}", "/workflows/{workflow_id}/runs")
_JOB = ("/jobs", "/jobs/{job_id}", "/runs/{run_id}")
_OF_WORKFLOW = ("/workflows/{workflow_id}/jobs",)
_FAILURES = ("/runs/{run_id}/failures",)
_FLAKY = ("/flaky-jobs",)
_COSTS = ("/costs",)
_RATIOS = ("parallelism", "average_concurrency", "before", "after")


@dataclass(frozen=True)
class _Numbers:
    """Numbers of a record.

    Attributes:
        routes: that answer with it.
        mart: whose rows they are computed of; None: of other numbers.
        formulas: SQL by name; of a name that has None the meaning tells all.
    """

    routes: tuple[str, ...]
    record: type[Record]
    mart: str | None
    formulas: Mapping[str, str | None]


def definitions() -> Iterator[dict[str, Any]]:
    """Every number once for the routes on which it means the same, those of /stats first."""
    for numbers in _all():
        for name, formula in numbers.formulas.items():
            yield {
                "name": name,
                "meaning": numbers.record.model_fields[name].description,
                "unit": _unit(numbers.record, name),
                "formula": None if formula is None else " ".join(formula.split()),
                "mart": numbers.mart,
                "routes": list(numbers.routes),
            }


def _all() -> Iterator[_Numbers]:
    routes = ("/stats", "/workflows", "/workflows/{workflow_id}")
    for name in terms():
        yield _term(routes, Statistics, name)
    yield from _of_runs()
    yield from _of_jobs()
    yield from _of_branches()
    yield from _of_runners()
    yield _Numbers(("/changes",), Change, None, _unwritten(Change))
    yield _Numbers(
        ("/workflows/{workflow_id}", *_OF_WORKFLOW),
        Level,
        "level_changes",
        _unwritten(Level),
    )
    yield _Numbers(_COSTS, Costs, "jobs", {name: sql for name, (sql, _) in COST_FORMULAS.items()})
    yield _Numbers(_COSTS, Costs, None, {name: of.formula for name, of in COST_FLAGS.items()})
    yield _Numbers(_COSTS, Projection, "jobs", _unwritten(Projection))
    yield _Numbers(("/costs/unpriced",), UnpricedJobs, "jobs", _unwritten(UnpricedJobs))
    yield _Numbers(
        ("/repositories/{repository_id}/health",),
        CollectionHealth,
        "collection_health_by_day",
        _columns(CollectionHealth, "collection_health_by_day"),
    )


def _of_runs() -> Iterator[_Numbers]:
    of_one = ("/runs/{run_id}",)
    yield _Numbers(_RUN, Run, "workflow_runs", _columns(Run, "workflow_runs"))
    yield _Numbers(
        of_one, Attempt, "workflow_run_attempts", _columns(Attempt, "workflow_run_attempts")
    )
    yield _Numbers(
        (*of_one, "/jobs/{job_id}", *_FAILURES),
        Usual,
        None,
        _unwritten(Usual),
    )
    yield _Numbers(
        ("/workflows/{workflow_id}/timeline",), Timeline, "workflow_runs", _unwritten(Timeline)
    )
    yield _Numbers(_JOB, Job, "jobs", _columns(Job, "jobs"))
    yield _Numbers(_JOB[1:], JobOfRun, "steps", {"step_count": "count(*)"})
    yield _Numbers(_JOB[1:], Step, "steps", {"duration_seconds": "steps.duration_seconds"})
    yield _Numbers(_JOB[1:2], StepOfJob, "steps", {"usual_p50_seconds": None})
    for evidence in (ElsewhereEvidence, FlakyEvidence, RunnerEvidence):
        yield _Numbers(_FAILURES, evidence, None, _unwritten(evidence))


def _of_jobs() -> Iterator[_Numbers]:
    for name in jobs.JobStatistics.model_fields:
        if name in terms() and name not in {*jobs.OWN, *jobs.RATES}:
            yield _term(_OF_WORKFLOW, jobs.JobStatistics, name)
    record = jobs.JobStatistics
    yield _Numbers(_OF_WORKFLOW, record, "jobs", jobs.OWN)
    yield _Numbers(_OF_WORKFLOW, record, "flaky_job_occurrences", {"occurrence_count": "count(*)"})
    yield _Numbers(_OF_WORKFLOW, record, "job_statistics_by_day", jobs.HELD_FORMULAS)
    yield _Numbers(_OF_WORKFLOW, record, None, jobs.RATES)
    steps = ("/workflows/{workflow_id}/steps",)
    yield _Numbers(steps, jobs.StepStatistics, "steps", jobs.STEP_NUMBERS)
    yield _Numbers(_FLAKY, FlakyJobStatistics, "flaky_job_occurrences", flaky_jobs.FORMULAS)
    yield _Numbers(
        _FLAKY,
        FlakyJobStatistics,
        "job_statistics_by_day",
        {"executed_run_count": flaky_jobs.EXECUTED},
    )
    yield _Numbers(_FLAKY, FlakyJobStatistics, None, flaky_jobs.RATES)
    yield _Numbers(_FLAKY, FlakyJobs, "workflow_run_attempts", {"flaky_commit_count": "count(*)"})
    yield _Numbers(
        ("/flaky-jobs/occurrences",),
        FlakyOccurrence,
        "flaky_job_occurrences",
        _columns(FlakyOccurrence, "flaky_job_occurrences"),
    )


def _of_branches() -> Iterator[_Numbers]:
    routes = ("/branches/health",)
    mart = "branch_health_intervals"
    yield _Numbers(
        (*routes, "/workflows", "/workflows/{workflow_id}"),
        Health,
        "workflow_run_attempts",
        _unwritten(Health),
    )
    yield _Numbers(routes, BranchHealth, mart, branches.FORMULAS)
    yield _Numbers(routes, BranchHealth, "workflow_runs", {"decisive_count": "count(*)"})
    yield _Numbers(routes, BranchHealth, None, branches.DERIVED)
    yield _Numbers(
        ("/branches/health/intervals",),
        RedInterval,
        mart,
        {**_columns(RedInterval, mart), "red_seconds": branches.RED_SECONDS},
    )


def _of_runners() -> Iterator[_Numbers]:
    routes = ("/runners",)
    yield _Numbers(routes, RunnerStatistics, "jobs", {**runners.FORMULAS, **runners.PEAKS})
    for name in QUEUE.names:
        yield _term(routes, RunnerStatistics, name)
    yield _Numbers(routes, RunnerStatistics, None, runners.DERIVED)
    yield _Numbers(
        ("/runners/hours",), RunnerHour, "runner_statistics_by_hour", runners.HOUR_FORMULAS
    )
    yield _Numbers(("/runners/now",), RunnerNow, "jobs", {**runners.NOW_FORMULAS, **runners.USUAL})
    names = ("/runners/names",)
    yield _Numbers(names, RunnerName, "jobs", {**runners.NAME_FORMULAS, "compared_job_count": None})
    yield _Numbers(names, RunnerName, None, runners.NAME_DERIVED)


def _term(routes: tuple[str, ...], record: type[Record], name: str) -> _Numbers:
    term = terms()[name]
    mart = None if isinstance(term, Derived) else _MARTS[term.source]
    return _Numbers(routes, record, mart, {name: _formula(term, name)})


def _formula(term: Metric | Derived | Percentiles, name: str) -> str:
    return term.formula_of(name) if isinstance(term, Percentiles) else term.formula


def _unwritten(record: type[Record]) -> dict[str, str | None]:
    """The numbers of a record whose meaning tells all."""
    return dict.fromkeys(_named(record))


def _columns(record: type[Record], mart: str) -> dict[str, str | None]:
    """The numbers of a record that are columns of a mart."""
    return {name: f"{mart}.{name}" for name in _named(record)}


def _named(record: type[Record]) -> Iterator[str]:
    """The numbers of a record itself: ids, places and numbers of something have no meaning here."""
    for name, field in record.model_fields.items():
        if (
            {int, float} & set(_types(field.annotation))
            and field.description
            and not name.endswith("_number")
        ):
            yield name


def _types(annotation: Any) -> Iterator[Any]:
    """What a value can be; of what a list holds nothing."""
    if get_origin(annotation) is Annotated:
        yield from _types(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            yield from _types(each)
    else:
        yield annotation


def _unit(record: type[Record], name: str) -> Unit:
    field = record.model_fields[name]
    if bool in _types(field.annotation):
        return "boolean"
    if name in _RATIOS:
        return "ratio"
    last = name.rpartition("_")[2]
    units: Mapping[str, Unit] = {
        "seconds": "seconds",
        "minutes": "minutes",
        "usd": "usd",
        "rate": "rate",
        "share": "rate",
        "bound": "rate",
    }
    return units.get(last, "count")
