"""Workflows with their latest run, in the order of their ids (which never change).

A workflow that a ruleset requires is one of each repository in which it runs, under the id of its
source: a workflow is what a repository has under an id, and its runs are that repository's alone.
"""

from collections.abc import Mapping
from typing import Any, LiteralString

from psycopg import sql

from api.database import Connection
from api.pagination import Order, Page
from api.rows import columns_of, nested
from api.workflows.records import LatestRun

# The placeholder holds further conditions and the bounds of a page.
_WORKFLOWS = """
    select
        workflows.workflow_id,
        workflows.repository_id,
        repositories.full_name as repository_full_name,
        workflows.name,
        workflows.path,
        workflows.state,
        workflows.html_url,
        workflows.created_at,
        workflows.updated_at,
        workflows.deleted_at,
        workflows.gone_at,
        {latest}
    from marts.workflows
    inner join app.repositories using (repository_id)
    left join lateral (
        select *
        from marts.workflow_runs
        where workflow_runs.repository_id = workflows.repository_id
            and workflow_runs.workflow_id = workflows.workflow_id
        order by created_at desc, run_id desc
        limit 1
    ) as latest on true
    where workflows.repository_id = any(%(repositories)s)
        and repositories.removed_at is null
        {further}
"""

_CONDITIONS: Mapping[str, LiteralString] = {
    # One that is listed no more is in no state.
    "state": "and workflows.state = any(%(state)s) and workflows.gone_at is null",
    "name": "and strpos(lower(workflows.name), lower(%(name)s)) > 0",
    "status": "and latest.status = any(%(status)s)",
    "conclusion": "and latest.conclusion = any(%(conclusion)s)",
}
_ORDER = Order([sql.SQL("workflows.workflow_id"), sql.SQL("workflows.repository_id")])


def list_workflows(
    connection: Connection,
    repository_ids: tuple[int, ...],
    conditions: Mapping[str, Any],
    page: Page,
) -> list[dict[str, Any]]:
    """The workflows of these repositories that fulfil all conditions; one more than the page."""
    after, key = _ORDER.after(page.after)
    further = sql.SQL(" ").join(
        [
            *(sql.SQL(_CONDITIONS[name]) for name in conditions),
            sql.SQL("and {} order by {} limit %(limit)s").format(after, _ORDER.clause),
        ]
    )
    parameters = {
        **conditions,
        **key,
        "repositories": list(repository_ids),
        "limit": page.limit + 1,
    }
    return [nested(row) for row in connection.execute(_query(further), parameters)]


def find_workflow(
    connection: Connection, repository_ids: tuple[int, ...], workflow_id: int
) -> dict[str, Any] | None:
    """One workflow, None where none of these repositories has it.

    Of several it is that of the repository which defines it, else the one with the newest run.
    """
    further = sql.SQL(
        """
        and workflows.workflow_id = %(workflow)s
        order by workflows.is_stub, latest.created_at desc nulls last, latest.run_id desc
        limit 1
        """
    )
    parameters = {"repositories": list(repository_ids), "workflow": workflow_id}
    row = connection.execute(_query(further), parameters).fetchone()
    return None if row is None else nested(row)


def _query(further: sql.Composable) -> sql.Composed:
    latest = columns_of(LatestRun, "latest", within="latest_run")
    return sql.SQL(_WORKFLOWS).format(latest=latest, further=further)
