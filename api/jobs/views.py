"""GET /jobs and /jobs/{job_id}; a workflow's jobs and steps by name."""

from typing import Annotated, Any, Literal

from flask import Blueprint, Response
from pydantic import BeforeValidator, Field

from api.auth.access import current_principal
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.changes.levels import read_levels_of_jobs
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.errors import not_found
from api.filters import RunFilter, RunsFilter, WorkflowRunsFilter, read_filter, visible_repositories
from api.jobs.queries import find_job, list_jobs, steps_of, usual_of_jobs, usual_of_steps
from api.jobs.records import Job, JobDetail
from api.jobs.statistics import (
    NAMES,
    RULES,
    SORTS,
    ComparableJobOfWorkflow,
    StepStatistics,
    list_job_statistics,
    read_job_statistics,
    read_step_statistics,
)
from api.pagination import Page, PageParameters, read_page
from api.parameters import Names, Texts, sort_schema, split
from api.records import list_of, one
from api.responses import Body, data_body, list_body
from api.stats.comparison import (
    Comparison,
    ComparisonParameters,
    comparable_list,
    compared_row,
    key_of,
    read_comparison,
    told,
)
from api.workflows.views import filter_of_workflow

blueprint = Blueprint("jobs", __name__)

JobSort = Literal[
    "created_at",
    "-created_at",
    "duration_seconds",
    "-duration_seconds",
    "queue_seconds",
    "-queue_seconds",
]


def _sort(value: str) -> str:
    if value.removeprefix("-") not in SORTS:
        raise ValueError("must be a number of the answer or job_name, such as -flaky_rate")
    return value


class WorkflowsJobsQuery(PageParameters, ComparisonParameters, WorkflowRunsFilter):
    """What GET /workflows/{workflow_id}/jobs may be asked."""

    include: Annotated[tuple[Literal["levels"], ...], BeforeValidator(split)] = Field(
        (), description="Parts that are left out otherwise."
    )
    sort: Annotated[str, BeforeValidator(_sort), sort_schema(SORTS)] = Field(
        "job_name",
        description="A number of the answer, or `job_name`, by which the jobs are ordered, with "
        "`-` in front where the greatest comes first; unknown ones come last.",
    )


class WorkflowsStepsQuery(PageParameters, WorkflowRunsFilter):
    """What GET /workflows/{workflow_id}/steps may be asked."""


class JobsQuery(PageParameters, RunsFilter):
    """What GET /jobs may be asked."""

    status: Texts = Field(
        (), description="Jobs that have themselves one of these statuses, such as `queued`."
    )
    conclusion: Texts = Field(
        (), description="Jobs that ended themselves with one of these conclusions."
    )
    runner: Texts = Field((), description="Jobs that asked for one of these labels, in any case.")
    job_name: Names = Field((), description="Jobs of one of these names.")
    sort: JobSort = Field(
        "-created_at",
        description="By what the jobs are ordered, with `-` in front where the greatest comes "
        "first; unknown ones come last.",
    )


@blueprint.get("/jobs")
@endpoint(
    "Jobs, newest first.",
    tag="runs",
    query=JobsQuery,
    answer=list_of(Job),
    is_list=True,
)
def get_jobs(query: JobsQuery) -> Response:
    """As they are listed under every attempt, executed or not, copies that a re-run lists again
    among them (`is_carried_over`). Status, conclusion, labels and name are the job's own; the other
    words of the filter choose runs, and the range goes by the run's creation."""
    with current_database().reading("steps") as connection:
        chosen = read_filter(connection, current_principal(), query)
        applied = {**chosen.applied, "sort": query.sort}
        page = read_page(query, "/jobs", applied)
        key = CacheKey("/jobs", applied, chosen.repository_ids, page)

        def compute() -> Body:
            rows, token = page.cut_by_keys(list_jobs(connection, chosen, query.sort, page))
            return list_body(rows, token, applied=applied)

        is_expensive = query.sort not in ("created_at", "-created_at")
        return cached_response(connection, key, compute, is_expensive=is_expensive)


@blueprint.get("/jobs/<id:job_id>")
@endpoint("One job with its steps, and what is usual for it.", tag="runs", answer=one(JobDetail))
def get_job(job_id: int) -> Response:
    """What is usual is told by the 28 days before its run was created."""
    with current_database().reading("steps") as connection:
        repository_ids = visible_repositories(connection, current_principal(), ())
        found = find_job(connection, repository_ids, job_id)
        if found is None:
            raise not_found(f"Job {job_id}")
        key = CacheKey("/jobs/{job_id}", {"job_id": job_id}, (found["repository_id"],))
        return cached_response(connection, key, lambda: _one(connection, found))


@blueprint.get("/workflows/<id:workflow_id>/jobs")
@endpoint(
    "The jobs of a workflow by name: how often they fail and flake, what they take and cost.",
    tag="workflows",
    query=WorkflowsJobsQuery,
    answer=comparable_list(ComparableJobOfWorkflow),
    is_list=True,
)
def get_workflow_jobs(query: WorkflowsJobsQuery, workflow_id: int) -> Response:
    """Over all attempts of the runs that the filter chooses."""
    route = "/workflows/{workflow_id}/jobs"
    further = ["level_changes"] if query.include else []
    with current_database().reading(
        "job_statistics_by_day", "flaky_job_occurrences", *further
    ) as connection:
        chosen = filter_of_workflow(connection, query, workflow_id)
        comparison = read_comparison(connection, query, chosen)
        applied = {**chosen.applied, "sort": query.sort}
        if query.include:
            applied["include"] = list(query.include)
        if query.compare:
            applied["compare"] = query.compare
        page = read_page(query, route, applied)
        key = CacheKey(route, key_of(applied, comparison), chosen.repository_ids, page)

        def compute() -> Body:
            rows, token = _jobs_by_name(connection, chosen, comparison, workflow_id, query, page)
            return list_body(rows, token, applied=applied, **told(comparison))

        return cached_response(connection, key, compute, is_expensive=True)


@blueprint.get("/workflows/<id:workflow_id>/steps")
@endpoint(
    "The steps of a workflow's jobs: which of them fail, and what they take.",
    tag="workflows",
    query=WorkflowsStepsQuery,
    answer=list_of(StepStatistics),
    is_list=True,
)
def get_workflow_steps(query: WorkflowsStepsQuery, workflow_id: int) -> Response:
    """Of the executed jobs of the runs that the filter chooses, by the job's name, then in the
    order of the steps."""
    with current_database().reading("steps") as connection:
        chosen = filter_of_workflow(connection, query, workflow_id)
        route = "/workflows/{workflow_id}/steps"
        page = read_page(query, route, chosen.applied)
        key = CacheKey(route, chosen.applied, chosen.repository_ids, page)

        def compute() -> Body:
            rows, token = read_step_statistics(connection, chosen, page)
            return list_body(rows, token, applied=chosen.applied)

        return cached_response(connection, key, compute, is_expensive=True)


def _one(connection: Connection, job: dict[str, Any]) -> Body:
    usual = usual_of_jobs(
        connection,
        job["repository_id"],
        job["workflow_id"],
        [job["name"]],
        job["run_created_at"],
    )
    medians = usual_of_steps(connection, job)
    steps = [
        {**step, "usual_p50_seconds": medians.get(step["name"])}
        for step in steps_of(connection, [job["job_id"]])[job["job_id"]]
    ]
    return data_body({**job, "usual": usual[job["name"]], "steps": steps}, applied={})


def _jobs_by_name(
    connection: Connection,
    chosen: RunFilter,
    comparison: Comparison | None,
    workflow_id: int,
    query: WorkflowsJobsQuery,
    page: Page,
) -> tuple[list[dict[str, Any]], str | None]:
    found, token = list_job_statistics(connection, chosen, query.sort, page)
    names = [row["job_name"] for row in found]
    rows = [
        {name: row[name] for name in ("job_name", "labels", "latest_conclusion", *NAMES)}
        for row in found
    ]
    if comparison is not None:
        before = {}
        if comparison.is_collected({}):
            before = read_job_statistics(connection, comparison.previous, names)
        for row in rows:
            row |= compared_row(NAMES, RULES, row, before.get(row["job_name"]))
    if "levels" in query.include:
        [repository_id] = chosen.repository_ids
        levels = read_levels_of_jobs(connection, repository_id, workflow_id, names)
        for row in rows:
            row["levels"] = levels[row["job_name"]]
    return rows, token
