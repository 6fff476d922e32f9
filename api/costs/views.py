"""GET /costs and GET /costs/unpriced."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, get_args

from flask import Blueprint, Response
from pydantic import BeforeValidator, Field

from api.auth.access import current_principal
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.costs.queries import (
    list_costs,
    list_unpriced,
    of_open_month,
    read_costs,
    read_previous_costs,
    read_projections,
)
from api.costs.records import NAMES, RULES, CostsAnswer, UnpricedJobs
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.errors import bad_query
from api.filters import RunFilter, RunsFilter, read_filter
from api.pagination import Page, PageParameters, read_page
from api.parameters import sort_schema
from api.records import list_of
from api.responses import CSV, Body, current_media_type, data_body, list_body
from api.stats.comparison import (
    Comparison,
    ComparisonParameters,
    compared_row,
    key_of,
    read_comparison,
    told,
)
from api.stats.groups import GROUPS, GroupBy, groups_of
from api.stats.views import group_by_of, group_by_schema

blueprint = Blueprint("costs", __name__)

_GROUPS = (*get_args(GroupBy), "runner_class")
_SORTS = (*(GROUPS[name].key for name in _GROUPS), *NAMES)


class CostsQuery(PageParameters, ComparisonParameters, RunsFilter):
    """What GET /costs may be asked; the range is that of the days on which jobs began."""

    group_by: Annotated[
        tuple[str, ...],
        BeforeValidator(group_by_of(_GROUPS)),
        group_by_schema(_GROUPS),
    ] = Field(
        (),
        description="One object per group instead of one in all, by one or two of these. By "
        "`runner` (a label) a job is in the group of each of its labels.",
    )
    sort: Annotated[str | None, sort_schema(_SORTS)] = Field(
        None,
        description="A key or a number by which the groups are ordered, with `-` in front where "
        "the greatest comes first. By default the keys.",
    )


class UnpricedQuery(PageParameters, RunsFilter):
    """What GET /costs/unpriced may be asked; the range is that of the days on which jobs began."""


@blueprint.get("/costs")
@endpoint(
    "Minutes and money of executed jobs, and what of them was for nothing.",
    tag="costs",
    query=CostsQuery,
    answer=CostsAnswer,
    is_list=True,
)
def get_costs(query: CostsQuery) -> Response:
    """By the day on which a job began, which also prices it; over 28 days unless a range is asked
    for. Costs are estimates: included minutes and discounts are not known."""
    route = "/costs"
    today = datetime.now(UTC).date()
    with current_database().reading() as connection:
        chosen = read_filter(connection, current_principal(), query)
        comparison = read_comparison(connection, query, chosen)
        applied = dict(chosen.applied)
        for name in ("group_by", "sort", "compare"):
            if given := getattr(query, name):
                applied[name] = list(given) if isinstance(given, tuple) else given
        asked = {**key_of(applied, comparison)}
        if of_open_month(chosen, query.group_by, today):
            asked["today"] = today
        if not query.group_by:
            for name in ("sort", "next"):
                if getattr(query, name) is not None:
                    raise bad_query(name, "needs `group_by`")
            key = CacheKey(route, asked, chosen.repository_ids)
            return cached_response(
                connection,
                key,
                lambda: _whole(connection, chosen, comparison, today, applied),
                is_expensive=True,
            )
        keys = tuple(GROUPS[name].key for name in groups_of(query.group_by))
        if query.sort and query.sort.removeprefix("-") not in (*keys, *NAMES):
            raise bad_query("sort", "must be a key or a number, with or without `-` in front")
        if comparison and any(GROUPS[name].is_date for name in query.group_by):
            comparison = comparison.by_day()
        page = read_page(query, route, applied)
        key = CacheKey(route, asked, chosen.repository_ids, page)
        return cached_response(
            connection,
            key,
            lambda: _groups(connection, chosen, comparison, query, page, today, applied),
            is_expensive=True,
        )


@blueprint.get("/costs/unpriced")
@endpoint(
    "Jobs without a price, by the labels that they asked for: what to put into the price list.",
    tag="costs",
    query=UnpricedQuery,
    answer=list_of(UnpricedJobs),
    is_list=True,
)
def get_costs_unpriced(query: UnpricedQuery) -> Response:
    """Most minutes first."""
    route = "/costs/unpriced"
    with current_database().reading() as connection:
        chosen = read_filter(connection, current_principal(), query)
        page = read_page(query, route, chosen.applied)
        key = CacheKey(route, chosen.applied, chosen.repository_ids, page)

        def compute() -> Body:
            rows, token = list_unpriced(connection, chosen, page)
            return list_body(rows, token, applied=chosen.applied)

        return cached_response(connection, key, compute, is_expensive=True)


def _whole(
    connection: Connection,
    chosen: RunFilter,
    comparison: Comparison | None,
    today: date,
    applied: Mapping[str, Any],
) -> Body:
    costs = read_costs(connection, chosen)
    [projection] = read_projections(connection, chosen, (), [costs], today)
    row = {**costs, "projection": projection}
    if comparison is not None:
        before = (
            read_costs(connection, comparison.previous) if comparison.is_collected({}) else None
        )
        row |= compared_row(NAMES, RULES, costs, before)
    if current_media_type() == CSV:
        return list_body([row], None, applied=applied)
    return data_body(row, applied=applied, **told(comparison))


def _groups(
    connection: Connection,
    chosen: RunFilter,
    comparison: Comparison | None,
    query: CostsQuery,
    page: Page,
    today: date,
    applied: Mapping[str, Any],
) -> Body:
    found, token = list_costs(connection, chosen, query.group_by, query.sort, page)
    projections = read_projections(connection, chosen, query.group_by, found, today)
    rows = [
        {**row, "projection": projection}
        for row, projection in zip(found, projections, strict=True)
    ]
    if comparison is not None:
        previous = read_previous_costs(connection, comparison.previous, query.group_by, rows)
        for row, costs in zip(rows, previous, strict=True):
            before = costs if comparison.is_collected(row) else None
            row |= compared_row(NAMES, RULES, row, before)
    return list_body(rows, token, applied=applied, **told(comparison))
