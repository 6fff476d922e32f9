"""GET /branches/health and GET /branches/health/intervals."""

from typing import Annotated, Any, get_args

from flask import Blueprint, Response
from pydantic import BeforeValidator, Field, WithJsonSchema

from api.auth.access import current_principal
from api.branches.queries import (
    Branch,
    Window,
    health_record,
    list_branches,
    list_intervals,
    read_branch_statistics,
    read_failing_jobs,
    read_health,
    window_of,
)
from api.branches.records import BranchHealth, RedInterval, State
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.filters import RunFilter, RunsFilter, read_filter
from api.freshness import read_freshness
from api.pagination import Page, PageParameters, read_page
from api.parameters import one_of
from api.records import list_of
from api.responses import Body, list_body

blueprint = Blueprint("branches", __name__)


class BranchesQuery(PageParameters, RunsFilter):
    """What GET /branches/health may be asked."""

    state: Annotated[
        tuple[str, ...],
        BeforeValidator(one_of(get_args(State))),
        WithJsonSchema({"type": "array", "items": {"type": "string", "enum": get_args(State)}}),
    ] = Field((), description="Those in one of these states alone.")
    include: Annotated[
        tuple[str, ...],
        BeforeValidator(one_of(("failing_jobs",))),
        WithJsonSchema({"type": "array", "items": {"type": "string", "enum": ["failing_jobs"]}}),
    ] = Field((), description="`failing_jobs`: what failed, where the state is red.")


class IntervalsQuery(PageParameters, RunsFilter):
    """What GET /branches/health/intervals may be asked."""


@blueprint.get("/branches/health")
@endpoint(
    "Whether workflows are red on their default branch and in the merge queue, and since when.",
    tag="health",
    query=BranchesQuery,
    answer=list_of(BranchHealth),
    is_list=True,
)
def get_branches_health(query: BranchesQuery) -> Response:
    """The state is of now. The range, by default of 28 days, is that of the times and counts; the
    rest of the filter chooses the workflows and groups that have such a run, of whatever time."""
    route = "/branches/health"
    with current_database().reading("branch_health_intervals") as connection:
        chosen = read_filter(connection, current_principal(), query)
        applied = dict(chosen.applied)
        for name in ("state", "include"):
            if given := getattr(query, name):
                applied[name] = list(given)
        page = read_page(query, route, applied)
        window = _window(connection, chosen)
        key = CacheKey(route, {**applied, "until": window.until}, chosen.repository_ids, page)
        return cached_response(
            connection,
            key,
            lambda: _branches(connection, chosen, query, window, page, applied),
            is_expensive=True,
        )


@blueprint.get("/branches/health/intervals")
@endpoint(
    "When branches were red, newest first.",
    tag="health",
    query=IntervalsQuery,
    answer=list_of(RedInterval),
    is_list=True,
)
def get_branches_health_intervals(query: IntervalsQuery) -> Response:
    """Those that reach into the range, by default of 28 days."""
    route = "/branches/health/intervals"
    with current_database().reading("branch_health_intervals") as connection:
        chosen = read_filter(connection, current_principal(), query)
        page = read_page(query, route, chosen.applied)
        window = _window(connection, chosen)
        applied = {**chosen.applied, "until": window.until}
        key = CacheKey(route, applied, chosen.repository_ids, page)
        return cached_response(
            connection, key, lambda: _intervals(connection, chosen, window, page), is_expensive=True
        )


def _window(connection: Connection, chosen: RunFilter) -> Window:
    return window_of(chosen, read_freshness(connection, chosen.repository_ids).as_of)


def _branches(
    connection: Connection,
    chosen: RunFilter,
    query: BranchesQuery,
    window: Window,
    page: Page,
    applied: dict[str, Any],
) -> Body:
    rows, token = list_branches(connection, chosen, query.state, page)
    branches = [
        Branch(row["repository_id"], row["workflow_id"], row["health_group"]) for row in rows
    ]
    health = read_health(connection, branches)
    statistics = read_branch_statistics(connection, branches, window)
    failing: dict[Any, Any] = {}
    if "failing_jobs" in query.include:
        failing = read_failing_jobs(
            connection,
            [
                (each["newest_run_id"], each["newest_run_attempt"])
                for each in health.values()
                if each["state"] == "red"
            ],
        )
    answered = []
    for row, branch in zip(rows, branches, strict=True):
        told = health[branch]
        known = {**row, **statistics[branch], "health": health_record(told)}
        if "failing_jobs" in query.include:
            attempt = told["newest_run_id"], told["newest_run_attempt"]
            known["failing_jobs"] = failing.get(attempt, [])
        answered.append({name: known[name] for name in BranchHealth.model_fields if name in known})
    return list_body(answered, token, applied=applied)


def _intervals(connection: Connection, chosen: RunFilter, window: Window, page: Page) -> Body:
    rows, token = list_intervals(connection, chosen, window, page)
    return list_body(rows, token, applied=chosen.applied)
