"""GET /runners, /runners/hours, /runners/now and /runners/names."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from flask import Blueprint, Response
from pydantic import BeforeValidator, Field, WithJsonSchema

from api.auth.access import current_principal
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.filters import (
    OfRepositories,
    Range,
    RunFilter,
    RunsFilter,
    read_filter,
    visible_repositories,
)
from api.pagination import Page, PageParameters, read_page
from api.parameters import PART_SCHEMA, Parameters, one_of, split, text, whole_number
from api.records import list_of
from api.responses import Body, list_body
from api.runners.queries import (
    list_hours,
    list_label_sets,
    list_now,
    list_runners,
    over_nothing,
)
from api.runners.records import (
    HOUR_NAMES,
    NAMES,
    RULES,
    ComparableLabelSet,
    RunnerHour,
    RunnerName,
    RunnerNow,
)
from api.stats.comparison import (
    Comparison,
    ComparisonParameters,
    comparable_list,
    compared_row,
    key_of,
    read_comparison,
    told,
)

blueprint = Blueprint("runners", __name__)

WEEKS = 4
_PEAKS = {"peak_jobs", "peak_queued"}


class RunnersQuery(PageParameters, ComparisonParameters, RunsFilter):
    """What GET /runners may be asked."""

    within_seconds: Annotated[
        int,
        BeforeValidator(whole_number(0, 86_400)),
        WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 86_400}),
    ] = Field(60, description="The longest wait that `queue_within_rate` counts.")


class OfLabels(Parameters):
    """Of which set of labels."""

    labels: Annotated[
        tuple[str, ...],
        BeforeValidator(lambda values: sorted({text(each).lower() for each in split(values)})),
        WithJsonSchema({"type": "array", "items": dict(PART_SCHEMA)}),
    ] = Field(
        (),
        description="Of jobs that asked for exactly these labels, in any case and order; separated "
        "by commas.",
    )


class RunnerHoursQuery(PageParameters, OfLabels, OfRepositories, Range):
    """What GET /runners/hours may be asked."""

    fields: Annotated[
        tuple[str, ...],
        BeforeValidator(one_of(HOUR_NAMES)),
        WithJsonSchema({"type": "array", "items": {"type": "string", "enum": HOUR_NAMES}}),
    ] = Field((), description="These numbers alone, separated by commas; all where it is left out.")


class RunnersNowQuery(PageParameters, OfRepositories):
    """What GET /runners/now may be asked."""


class RunnerNamesQuery(PageParameters, OfLabels, RunsFilter):
    """What GET /runners/names may be asked."""


@blueprint.get("/runners")
@endpoint(
    "Per set of labels: how long jobs wait for a runner, and how many run at once.",
    tag="runners",
    query=RunnersQuery,
    answer=comparable_list(ComparableLabelSet),
    is_list=True,
)
def get_runners(query: RunnersQuery) -> Response:
    """Over the jobs of the runs that the filter chooses, by default of 28 days; most jobs first.
    Peaks are over all of them together."""
    route = "/runners"
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    with current_database().reading() as connection:
        chosen = read_filter(connection, current_principal(), query)
        comparison = read_comparison(connection, query, chosen, now)
        applied = {**chosen.applied, "within_seconds": query.within_seconds}
        if query.compare:
            applied["compare"] = query.compare
        page = read_page(query, route, applied)
        elapsed = _elapsed_seconds(chosen, now)
        asked = {**key_of(applied, comparison), "elapsed_seconds": elapsed}
        key = CacheKey(route, asked, chosen.repository_ids, page)
        return cached_response(
            connection,
            key,
            lambda: _label_sets(connection, chosen, comparison, query, now, page, applied),
            is_expensive=True,
        )


@blueprint.get("/runners/hours")
@endpoint(
    "Per set of labels and hour: what was asked for, what ran, and how much at once.",
    tag="runners",
    query=RunnerHoursQuery,
    answer=list_of(RunnerHour),
    is_list=True,
)
def get_runners_hours(query: RunnerHoursQuery) -> Response:
    """Hours of the range, by default of 28 days, in which such jobs were created, waited or ran;
    over all repositories that are asked for together."""
    route = "/runners/hours"
    with current_database().reading("runner_statistics_by_hour") as connection:
        chosen = read_filter(connection, current_principal(), query)
        applied = dict(chosen.applied)
        for name in ("labels", "fields"):
            if given := getattr(query, name):
                applied[name] = list(given)
        page = read_page(query, route, applied)
        key = CacheKey(route, applied, chosen.repository_ids, page)
        return cached_response(
            connection,
            key,
            lambda: _hours(connection, chosen, query, page, applied),
            is_expensive=True,
        )


@blueprint.get("/runners/now")
@endpoint(
    "Per set of labels: what waits and runs at this moment, and how long one usually waits.",
    tag="runners",
    query=RunnersNowQuery,
    answer=list_of(RunnerNow),
    is_list=True,
)
def get_runners_now(query: RunnersNowQuery) -> Response:
    """Jobs of runs that are not over, as they were last seen; usual is what was known of the same
    hour of the week in the four weeks before."""
    route = "/runners/now"
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with current_database().reading() as connection:
        repository_ids = visible_repositories(connection, current_principal(), query.repository)
        applied = {"repository": list(repository_ids)} if query.repository else {}
        page = read_page(query, route, applied)
        key = CacheKey(route, {**applied, "hour": hour}, repository_ids, page)
        hours = [hour - timedelta(weeks=week + 1) for week in range(WEEKS)]

        def compute() -> Body:
            rows, token = list_now(connection, repository_ids, hours, page)
            shown = [{name: row[name] for name in RunnerNow.model_fields} for row in rows]
            return list_body(shown, token, applied=applied)

        return cached_response(connection, key, compute, is_expensive=True)


@blueprint.get("/runners/names")
@endpoint(
    "Per runner: its jobs, their failures, and how many more fail there than elsewhere.",
    tag="runners",
    query=RunnerNamesQuery,
    answer=list_of(RunnerName),
    is_list=True,
)
def get_runners_names(query: RunnerNamesQuery) -> Response:
    """Over the jobs of the runs that the filter chooses, by default of 28 days; most jobs first."""
    route = "/runners/names"
    with current_database().reading() as connection:
        chosen = read_filter(connection, current_principal(), query)
        applied = dict(chosen.applied)
        if query.labels:
            applied["labels"] = list(query.labels)
        page = read_page(query, route, applied)
        key = CacheKey(route, applied, chosen.repository_ids, page)

        def compute() -> Body:
            rows, token = list_runners(connection, chosen, query.labels, page)
            shown = [{name: row[name] for name in RunnerName.model_fields} for row in rows]
            return list_body(shown, token, applied=applied)

        return cached_response(connection, key, compute, is_expensive=True)


def _elapsed_seconds(chosen: RunFilter, now: datetime) -> float | None:
    """How much of the range has passed; None: it has no beginning, or is still to come."""
    start: datetime | None = chosen.values.get("from")
    if start is None:
        return None
    end: datetime = min(chosen.values.get("to") or now, now)
    return (end - start).total_seconds() if end > start else None


def _label_sets(
    connection: Connection,
    chosen: RunFilter,
    comparison: Comparison | None,
    query: RunnersQuery,
    now: datetime,
    page: Page,
    applied: Mapping[str, Any],
) -> Body:
    elapsed = _elapsed_seconds(chosen, now)
    rows, token = list_label_sets(connection, chosen, query.within_seconds, elapsed, page)
    found: dict[Any, dict[str, Any]] = {}
    if comparison is not None and comparison.is_collected({}):
        before = comparison.previous
        elapsed = _elapsed_seconds(before, now)
        every, _ = list_label_sets(connection, before, query.within_seconds, elapsed, None)
        found = {row["labels_key"]: row for row in every}
    answered = []
    for row in rows:
        shown = {name: row[name] for name in ("labels", "runner_class", *NAMES)}
        if comparison is not None:
            previous = None
            if comparison.is_collected({}):
                previous = found.get(row["labels_key"], over_nothing())
            shown |= compared_row(NAMES, RULES, row, previous)
        answered.append(shown)
    return list_body(answered, token, applied=applied, **told(comparison))


def _hours(
    connection: Connection,
    chosen: RunFilter,
    query: RunnerHoursQuery,
    page: Page,
    applied: Mapping[str, Any],
) -> Body:
    names = query.fields or HOUR_NAMES
    rows, token = list_hours(
        connection,
        chosen.repository_ids,
        chosen.values,
        query.labels,
        page,
        has_peaks=not _PEAKS.isdisjoint(names),
    )
    shown = [{name: row[name] for name in ("labels", "hour", *names)} for row in rows]
    return list_body(shown, token, applied=applied)
