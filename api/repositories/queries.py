"""Monitored repositories, in the order of their names."""

from typing import Any

from psycopg import sql

from api.database import Connection
from api.pagination import Page

# Counts come from the daily table: this list is asked for often and must not count all runs.
_REPOSITORIES = """
    select
        monitored.repository_id,
        monitored.full_name,
        monitored.visibility,
        repositories.default_branch,
        repositories.is_archived,
        repositories.html_url,
        workflows.workflow_count,
        counts.run_count,
        counts.jobs_listed,
        monitored.added_at,
        monitored.backfilled_from,
        monitored.observed_until,
        monitored.newest_observation_at,
        monitored.trouble,
        monitored.trouble_since
    from app.repositories as monitored
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
    where monitored.repository_id = any(%(repositories)s)
        and monitored.removed_at is null
        {}
    order by lower(monitored.full_name), monitored.repository_id
    limit %(limit)s
"""
_AFTER = "and (lower(monitored.full_name), monitored.repository_id) > (%(name)s, %(id)s)"


def list_repositories(
    connection: Connection, repository_ids: tuple[int, ...], page: Page
) -> list[dict[str, Any]]:
    """These repositories as far as they are monitored; one more than the page holds."""
    parameters: dict[str, Any] = {"repositories": list(repository_ids), "limit": page.limit + 1}
    after = sql.SQL("")
    if page.after is not None:
        after = sql.SQL(_AFTER)
        parameters["name"], parameters["id"] = page.after
    return connection.execute(sql.SQL(_REPOSITORIES).format(after), parameters).fetchall()
