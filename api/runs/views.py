"""GET /runs and /runs/{run_id}; the runs of a workflow, as rows and as columns."""

from typing import Annotated, Any, Literal

from flask import Blueprint, Response
from pydantic import BeforeValidator, Field

from api.auth.access import current_principal
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.database import Connection, Reading, current_database
from api.endpoints import endpoint
from api.errors import bad_query, not_found
from api.filters import (
    RunFilter,
    RunsFilter,
    WorkflowRunsFilter,
    read_filter,
    visible_repositories,
)
from api.pagination import PageParameters, read_page
from api.parameters import Parameters, RepeatedTexts, split
from api.records import list_of, one
from api.responses import Body, data_body, list_body
from api.runs.failures import read_failures
from api.runs.queries import find_run, list_runs, read_run, read_timeline
from api.runs.records import JobFailure, Run, RunDetail, Timeline
from api.workflows.views import filter_of_workflow

blueprint = Blueprint("runs", __name__)

RunSort = Literal[
    "created_at",
    "-created_at",
    "duration_seconds",
    "-duration_seconds",
    "queue_seconds",
    "-queue_seconds",
    "run_attempt",
    "-run_attempt",
]
# An index gives these orders.
BY_CREATION = ("created_at", "-created_at")
RunPart = Literal["jobs", "steps"]


class SortedRuns(Parameters):
    """In which order runs come."""

    sort: RunSort = Field(
        "-created_at",
        description="By what the runs are ordered, with `-` in front where the greatest comes "
        "first; unknown ones come last.",
    )


class RunsQuery(PageParameters, SortedRuns, RunsFilter):
    """What GET /runs may be asked."""


class WorkflowsRunsQuery(PageParameters, SortedRuns, WorkflowRunsFilter):
    """What GET /workflows/{workflow_id}/runs may be asked."""


class RunQuery(Parameters):
    """What GET /runs/{run_id} may be asked."""

    include: Annotated[tuple[RunPart, ...], BeforeValidator(split)] = Field(
        ("jobs",), description="`jobs`, or `steps` for the jobs with their steps."
    )


class TimelineQuery(WorkflowRunsFilter):
    """What GET /workflows/{workflow_id}/timeline may be asked."""

    job_name: RepeatedTexts = Field(
        (),
        description="Executions of the job with this name in place of the runs: attempt, duration, "
        "queue and conclusion are those of its newest execution in each run.",
        json_schema_extra={"maxItems": 1},
    )


@blueprint.get("/runs")
@endpoint(
    "Runs, newest first.",
    tag="runs",
    query=RunsQuery,
    answer=list_of(Run),
    is_list=True,
)
def get_runs(query: RunsQuery) -> Response:
    """Each as its newest attempt."""
    with current_database().reading() as connection:
        chosen = read_filter(connection, current_principal(), query)
        return _list(connection, query, query.sort, chosen, "/runs")


@blueprint.get("/runs/<id:run_id>/failures")
@endpoint(
    "Is it mine? The failed jobs of a run, each with what tells for and against it.",
    tag="runs",
    answer=list_of(JobFailure),
    is_list=True,
)
def get_run_failures(run_id: int) -> Response:
    """The executed jobs of the newest attempt that ended failure or timed_out, in the order in
    which they started: all at once. All evidence is of jobs with the same name in the same
    workflow and repository."""
    further = ("job_statistics_by_day", "flaky_job_occurrences")
    with current_database().reading(*further) as connection:
        run = run_that_is_visible(connection, run_id)
        key = CacheKey("/runs/{run_id}/failures", {"run_id": run_id}, (run["repository_id"],))

        def compute() -> Body:
            return list_body(read_failures(connection, run), None, applied={})

        return cached_response(connection, key, compute, is_expensive=True)


@blueprint.get("/workflows/<id:workflow_id>/runs")
@endpoint(
    "The runs of a workflow, newest first.",
    tag="runs",
    query=WorkflowsRunsQuery,
    answer=list_of(Run),
    is_list=True,
)
def get_workflow_runs(query: WorkflowsRunsQuery, workflow_id: int) -> Response:
    """As `GET /runs`, of the workflow as one repository has it (see `GET /workflows/{id}`)."""
    with current_database().reading() as connection:
        chosen = filter_of_workflow(connection, query, workflow_id)
        return _list(connection, query, query.sort, chosen, "/workflows/{workflow_id}/runs")


@blueprint.get("/runs/<id:run_id>")
@endpoint(
    "One run: its attempts with their jobs, and what is usual for them.",
    tag="runs",
    query=RunQuery,
    answer=one(RunDetail),
)
def get_run(query: RunQuery, run_id: int) -> Response:
    """What is usual is told by the 28 days before the run was created. An attempt that could not
    be had is there with its number (`is_known`)."""
    with current_database().reading("steps") as connection:
        run = run_that_is_visible(connection, run_id)
        applied = {"include": list(query.include)}
        key = CacheKey("/runs/{run_id}", {"run_id": run_id, **applied}, (run["repository_id"],))

        def compute() -> Body:
            found = read_run(connection, run, with_steps="steps" in query.include)
            return data_body(found, applied=applied)

        return cached_response(connection, key, compute)


@blueprint.get("/workflows/<id:workflow_id>/timeline")
@endpoint(
    "The runs of a workflow as columns, for a chart of every run.",
    tag="workflows",
    query=TimelineQuery,
    answer=one(Timeline),
)
def get_timeline(query: TimelineQuery, workflow_id: int) -> Response:
    """Oldest first. Above 10,000 runs they are thinned: of each of 5,000 buckets of runs in a row
    those with the shortest and the longest duration stay."""
    if len(query.job_name) > 1:
        raise bad_query("job_name", "must be one name here")
    with current_database().reading() as connection:
        chosen = filter_of_workflow(connection, query, workflow_id)
        key = CacheKey("/workflows/{workflow_id}/timeline", chosen.applied, chosen.repository_ids)

        def compute() -> Body:
            timeline = read_timeline(connection, chosen, of_job=bool(query.job_name))
            return data_body(timeline, applied=chosen.applied)

        return cached_response(connection, key, compute, is_expensive=True)


def run_that_is_visible(connection: Connection, run_id: int) -> dict[str, Any]:
    """A run of what who asks may see.

    Raises:
        Problem: 404.
    """
    repository_ids = visible_repositories(connection, current_principal(), ())
    run = find_run(connection, repository_ids, run_id)
    if run is None:
        raise not_found(f"Run {run_id}")
    return run


def _list(
    connection: Reading, query: PageParameters, sort: str, chosen: RunFilter, route: str
) -> Response:
    applied = {**chosen.applied, "sort": sort}
    page = read_page(query, route, applied)
    key = CacheKey(route, applied, chosen.repository_ids, page)

    def compute() -> Body:
        rows, token = page.cut_by_keys(list_runs(connection, chosen, sort, page))
        return list_body(rows, token, applied=applied)

    is_expensive = chosen.names_jobs or sort not in BY_CREATION
    return cached_response(connection, key, compute, is_expensive=is_expensive)
