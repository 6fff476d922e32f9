"""GET /flaky-jobs and GET /flaky-jobs/occurrences."""

from collections.abc import Mapping
from typing import Annotated, Any

from flask import Blueprint, Response
from pydantic import AfterValidator, Field

from api.auth.access import current_principal
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.filters import RunFilter, RunsFilter, read_filter
from api.flaky_jobs.queries import (
    key_of,
    list_flaky_jobs,
    list_occurrences,
    read_frequent,
    read_jobs,
    read_since,
    read_weeks,
)
from api.flaky_jobs.records import (
    RULES,
    FlakyJob,
    FlakyJobs,
    FlakyOccurrence,
)
from api.pagination import Page, PageParameters, read_page
from api.parameters import sort_by, sort_schema
from api.records import list_of
from api.responses import Body, list_body
from api.stats import comparison as comparisons
from api.stats.comparison import Comparison, ComparisonParameters, read_comparison
from api.stats.queries import read_statistics

blueprint = Blueprint("flaky_jobs", __name__)


class FlakyJobsQuery(PageParameters, ComparisonParameters, RunsFilter):
    """What GET /flaky-jobs may be asked."""

    sort: Annotated[str, AfterValidator(sort_by(tuple(RULES))), sort_schema(RULES)] = Field(
        "-flaky_rate_lower_bound",
        description="One of the numbers, with `-` in front where the greatest comes first. By "
        "default the lower bound of the rate, so that 1 of 2 does not outrank 30 of 100.",
    )


class OccurrencesQuery(PageParameters, RunsFilter):
    """What GET /flaky-jobs/occurrences may be asked."""


@blueprint.get("/flaky-jobs")
@endpoint(
    "Jobs that failed and then passed in one run, ranked by how sure it is that they are flaky.",
    tag="flakiness",
    query=FlakyJobsQuery,
    answer=FlakyJobs,
    is_list=True,
)
def get_flaky_jobs(query: FlakyJobsQuery) -> Response:
    """By name in a workflow, over 28 days unless a range is asked for. A name that executed twice
    in an attempt cannot be matched, and is left out of its run."""
    route = "/flaky-jobs"
    with current_database().reading("flaky_job_occurrences", "job_statistics_by_day") as connection:
        chosen = read_filter(connection, current_principal(), query)
        chosen.check_buckets()  # each week is told
        comparison = read_comparison(connection, query, chosen)
        applied = {**chosen.applied, "sort": query.sort}
        if query.compare:
            applied["compare"] = query.compare
        page = read_page(query, route, applied)
        key = CacheKey(route, comparisons.key_of(applied, comparison), chosen.repository_ids, page)
        return cached_response(
            connection,
            key,
            lambda: _jobs(connection, chosen, comparison, query.sort, page, applied),
            is_expensive=True,
        )


@blueprint.get("/flaky-jobs/occurrences")
@endpoint(
    "Each time a job failed and then passed in one run, with its evidence, newest run first.",
    tag="flakiness",
    query=OccurrencesQuery,
    answer=list_of(FlakyOccurrence),
    is_list=True,
)
def get_flaky_jobs_occurrences(query: OccurrencesQuery) -> Response:
    """Of the runs of 28 days unless a range is asked for."""
    route = "/flaky-jobs/occurrences"
    with current_database().reading("flaky_job_occurrences", "job_statistics_by_day") as connection:
        chosen = read_filter(connection, current_principal(), query)
        page = read_page(query, route, chosen.applied)
        key = CacheKey(route, chosen.applied, chosen.repository_ids, page)
        return cached_response(
            connection, key, lambda: _occurrences(connection, chosen, page), is_expensive=True
        )


def _jobs(
    connection: Connection,
    chosen: RunFilter,
    comparison: Comparison | None,
    sort: str,
    page: Page,
    applied: Mapping[str, Any],
) -> Body:
    rows, token = list_flaky_jobs(connection, chosen, sort, page)
    keys = [key_of(row) for row in rows]
    weeks = read_weeks(connection, chosen, keys)
    steps = read_frequent(connection, chosen, keys, "failed_step_name")
    runners = read_frequent(connection, chosen, keys, "failed_runner_name")
    moments = ("first_occurrence", "last_occurrence")
    since = read_since(connection, [tuple(row[name][0]) for row in rows for name in moments])
    before = {} if comparison is None else read_jobs(connection, comparison.previous, keys)
    answered = []
    for row, key in zip(rows, keys, strict=True):
        known = {
            **row,
            **{name: since[tuple(row[name][0])] for name in moments},
            "by_week": weeks[key],
            "steps": [
                {name: each[name] for name in ("step_number", "name", "occurrence_count")}
                for each in steps[key]
            ],
            "runners": [
                {"runner_name": each["name"], "occurrence_count": each["occurrence_count"]}
                for each in runners[key]
            ],
        }
        told = {name: known[name] for name in FlakyJob.model_fields}
        if comparison is not None:
            previous = before[key] if comparison.is_collected(row) else None
            told |= comparisons.compared_row(RULES, RULES, row, previous)
        answered.append(told)
    commits = read_statistics(connection, chosen, ["flaky_commit_count"])
    return list_body(answered, token, applied=applied, **commits, **comparisons.told(comparison))


def _occurrences(connection: Connection, chosen: RunFilter, page: Page) -> Body:
    rows, token = list_occurrences(connection, chosen, page)
    return list_body(rows, token, applied=chosen.applied)
