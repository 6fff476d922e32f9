"""GET /stats."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response

from api.auth.access import current_principal
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.database import Connection, current_database
from api.endpoints import endpoint
from api.filters import FILTER_PARAMETERS, RunFilter, read_filter
from api.pagination import PAGE_PARAMETERS, Page, read_page
from api.parameters import Arguments, Parameter, choice
from api.responses import data_body
from api.schemas import one, record
from api.stats.queries import GROUPINGS, group_key, keys_of, read_groups, read_statistics
from api.stats.schemas import GROUPED, STATISTICS

blueprint = Blueprint("stats", __name__)

GROUP_BY = Parameter(
    "group_by",
    "One object per group instead of one in all; several keys, separated by commas, make finer "
    "groups. Those of `workflow_id` are of one repository each: an id can occur in several. A week "
    "is named by its Monday, a month by its first day (UTC).",
    choice(tuple(GROUPINGS)),
    {"type": "string", "enum": list(GROUPINGS)},
    many=True,
)


@blueprint.get("/stats")
@endpoint(
    "Counts, rates, sums and exact percentiles of the runs that the filter chooses.",
    parameters=(*FILTER_PARAMETERS, GROUP_BY, *PAGE_PARAMETERS),
    answer={"oneOf": [one(record(STATISTICS)), GROUPED]},
)
def get_stats(arguments: Arguments) -> Response:
    """Without `from` over all history. A rate or a percentile over nothing is null, never 0."""
    group_by = arguments["group_by"]
    with current_database().reading() as connection:
        chosen = read_filter(connection, current_principal(), arguments)
        if not group_by:
            key = CacheKey("/stats", chosen.applied, chosen.repository_ids)
            return cached_response(
                connection, key, lambda: _whole(connection, chosen), is_expensive=True
            )
        applied = {**chosen.applied, "group_by": list(group_by)}
        keys = keys_of(group_by)
        page = read_page(arguments, [GROUPINGS[name].kind for name in keys], "/stats", applied)
        key = CacheKey("/stats", applied, chosen.repository_ids, page)
        return cached_response(
            connection,
            key,
            lambda: _groups(connection, applied, chosen, keys, page),
            is_expensive=True,
        )


def _whole(connection: Connection, chosen: RunFilter) -> bytes:
    return data_body(read_statistics(connection, chosen), applied=chosen.applied)


def _groups(
    connection: Connection,
    applied: Mapping[str, Any],
    chosen: RunFilter,
    keys: Sequence[str],
    page: Page,
) -> bytes:
    rows = read_groups(connection, chosen, keys, page.after, page.limit + 1)
    shown, token = page.cut(rows, lambda row: group_key(row, keys))
    return data_body(shown, applied=applied, next=token)
