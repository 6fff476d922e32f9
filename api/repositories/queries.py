"""Monitored repositories, in the order of their names."""

from collections.abc import Callable
from typing import Any, TypeVar

from psycopg import errors, sql

from api.database import Connection, current_database
from api.pagination import Page

T = TypeVar("T")

_REPOSITORIES = """
    select
        monitored.repository_id,
        monitored.full_name,
        monitored.visibility,
        case
            when monitored.trouble is not null then 'trouble'
            when monitored.observed_until is not null then 'collected'
            when monitored.backfilled_from is not null then 'collecting'
            else 'waiting'
        end as state,
        {built},
        monitored.added_at,
        monitored.backfilled_from,
        monitored.observed_until,
        monitored.newest_observation_at,
        monitored.trouble,
        monitored.trouble_since
    from app.repositories as monitored
    {marts}
    where monitored.repository_id = any(%(repositories)s)
        and monitored.removed_at is null
        {after}
    order by lower(monitored.full_name), monitored.repository_id
    limit %(limit)s
"""
_BUILT = """
    repositories.default_branch,
    repositories.is_archived,
    repositories.html_url,
    workflows.workflow_count,
    counts.run_count,
    counts.jobs_listed
"""
# Counts come from the daily table: this list is asked for often and must not count all runs.
_MARTS = """
    left join marts.repositories using (repository_id)
    cross join lateral (
        select count(*) as workflow_count
        from marts.workflows
        where workflows.repository_id = monitored.repository_id
    ) as workflows
    cross join lateral (
        select
            coalesce(sum(run_count), 0)::bigint as run_count,
            coalesce(sum(jobs_listed), 0)::bigint as jobs_listed
        from marts.workflow_statistics_by_day
        where workflow_statistics_by_day.repository_id = monitored.repository_id
    ) as counts
"""
_NOT_BUILT = """
    null as default_branch,
    null as is_archived,
    null as html_url,
    0 as workflow_count,
    0 as run_count,
    0 as jobs_listed
"""
_AFTER = "and (lower(monitored.full_name), monitored.repository_id) > (%(name)s, %(id)s)"


def list_repositories(
    connection: Connection, repository_ids: tuple[int, ...], page: Page, *, is_built: bool = True
) -> list[dict[str, Any]]:
    """These repositories as far as they are monitored; one more than the page holds.

    Args:
        is_built: whether there are marts.
    """
    parameters: dict[str, Any] = {"repositories": list(repository_ids), "limit": page.limit + 1}
    after = ""
    if page.after is not None:
        after = _AFTER
        parameters["name"], parameters["id"] = page.after
    query = sql.SQL(_REPOSITORIES).format(
        built=sql.SQL(_BUILT if is_built else _NOT_BUILT),
        marts=sql.SQL(_MARTS if is_built else ""),
        after=sql.SQL(after),
    )
    return connection.execute(query, parameters).fetchall()


def read_as_built(read: Callable[[Connection, bool], T]) -> T:
    """Read with the marts, or without while there are none: what was just added wants to be seen.

    Args:
        read: takes the connection, and whether there are marts.
    """
    try:
        with current_database().reading() as connection:
            return read(connection, True)
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        with current_database().snapshot() as connection:
            return read(connection, False)
