"""GET /changes."""

from flask import Blueprint, Response

from api.auth.access import current_principal
from api.cache.keys import CacheKey
from api.cache.responses import cached_response
from api.changes.queries import list_changes
from api.changes.records import Change
from api.database import current_database
from api.endpoints import endpoint
from api.errors import bad_query
from api.filters import RunsFilter, read_filter
from api.pagination import PageParameters, read_page
from api.responses import Body, list_body
from api.stats.comparison import (
    ComparisonParameters,
    comparable_list,
    key_of,
    read_comparison,
    told,
)

blueprint = Blueprint("changes", __name__)


class ChangesQuery(PageParameters, RunsFilter):
    """What GET /changes may be asked."""


@blueprint.get("/changes")
@endpoint(
    "What clearly differs from the period before, ranked by what it costs or saves.",
    tag="statistics",
    query=ChangesQuery,
    answer=comparable_list(Change),
    is_list=True,
)
def get_changes(query: ChangesQuery) -> Response:
    """Of workflows: median duration of successes, success rate, 95th percentile of waits, cost; of
    jobs: median duration of successes, flaky rate. Over 28 days unless a range is asked for. A
    dollar ranks like 10,000 seconds, for which it buys a Linux runner."""
    route = "/changes"
    further = ("flaky_job_occurrences", "job_statistics_by_day", "level_changes")
    with current_database().reading(*further) as connection:
        chosen = read_filter(connection, current_principal(), query)
        if "from" not in chosen.values:
            raise bad_query("to", "needs a beginning: `from`, or `period`")
        comparison = read_comparison(connection, ComparisonParameters(compare="previous"), chosen)
        if comparison is None:
            raise TypeError("a comparison was asked for")
        page = read_page(query, route, chosen.applied)
        key = CacheKey(route, key_of(chosen.applied, comparison), chosen.repository_ids, page)

        def compute() -> Body:
            rows, token = list_changes(connection, chosen, comparison, page)
            return list_body(rows, token, applied=chosen.applied, **told(comparison))

        return cached_response(connection, key, compute, is_expensive=True)
