"""Workflows with their latest run, in the order of their ids (which never change).

A workflow that a ruleset requires is one of each repository in which it runs, under the id of its
source: a workflow is what a repository has under an id, and its runs are that repository's alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from psycopg import sql

from api.database import Connection, array_of
from api.rows import columns_of, nested
from api.workflows.records import LatestRun, RecentRun

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
    {lateral}
    where workflows.repository_id = any(%(repositories)s)
        and repositories.removed_at is null
        {further}
"""

_LATEST = """
    left join lateral (
        select *
        from marts.workflow_runs
        where workflow_runs.repository_id = workflows.repository_id
            and workflow_runs.workflow_id = workflows.workflow_id
        order by created_at desc, run_id desc
        limit 1
    ) as latest on true
"""
_KEYS = """
    select workflows.workflow_id, workflows.repository_id, workflows.name
    from marts.workflows
    inner join app.repositories using (repository_id)
    {latest}
    where workflows.repository_id = any(%(repositories)s)
        and repositories.removed_at is null
        {further}
    order by workflows.workflow_id, workflows.repository_id
"""
# Which conditions look at the latest run.
_OF_LATEST = frozenset({"status", "conclusion"})
_CONDITIONS: Mapping[str, LiteralString] = {
    "workflow": "and workflows.workflow_id = any(%(workflow)s)",
    # One that is listed no more is in no state.
    "state": "and workflows.state = any(%(state)s) and workflows.gone_at is null",
    "name": "and strpos(lower(workflows.name), lower(%(name)s)) > 0",
    "status": "and latest.status = any(%(status)s)",
    "conclusion": "and latest.conclusion = any(%(conclusion)s)",
}


def workflow_keys(
    connection: Connection, repository_ids: tuple[int, ...], conditions: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The ids and names of all that fulfil the conditions, in the order of the ids."""
    further = sql.SQL(" ").join(sql.SQL(_CONDITIONS[name]) for name in conditions)
    needs_latest = bool(_OF_LATEST & conditions.keys())
    query = sql.SQL(_KEYS).format(latest=sql.SQL(_LATEST if needs_latest else ""), further=further)
    parameters = {**conditions, "repositories": array_of(repository_ids)}
    return connection.execute(query, parameters).fetchall()


def workflows_of(
    connection: Connection, keys: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], dict[str, Any]]:
    """Workflows by their keys (workflow, repository), which the viewer may see."""
    further = sql.SQL(
        "and (workflows.workflow_id, workflows.repository_id) in "
        "(select * from unnest(%(workflows)s::bigint[], %(of)s::bigint[]))"
    )
    parameters = {
        "repositories": [repository_id for _, repository_id in keys],
        "workflows": [workflow_id for workflow_id, _ in keys],
        "of": [repository_id for _, repository_id in keys],
    }
    rows = map(nested, connection.execute(_query(further), parameters))
    return {(row["workflow_id"], row["repository_id"]): row for row in rows}


RECENT_RUNS = 30
_RECENT_RUNS = """
    select chosen.workflow_id, chosen.repository_id, {columns}
    from unnest(%(workflows)s::bigint[], %(of)s::bigint[]) as chosen (workflow_id, repository_id)
    inner join marts.repositories using (repository_id)
    cross join lateral (
        select *
        from marts.workflow_runs as runs
        where runs.repository_id = chosen.repository_id
            and runs.workflow_id = chosen.workflow_id
            and runs.head_branch = repositories.default_branch
        order by runs.created_at desc, runs.run_id desc
        limit %(limit)s
    ) as runs
    order by runs.created_at, runs.run_id
"""


def read_recent_runs(
    connection: Connection, keys: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """The newest runs of each workflow's default branch, newest last."""
    found: dict[tuple[int, int], list[dict[str, Any]]] = {key: [] for key in keys}
    query = sql.SQL(_RECENT_RUNS).format(columns=columns_of(RecentRun, "runs"))
    parameters = {
        "workflows": [workflow_id for workflow_id, _ in keys],
        "of": [repository_id for _, repository_id in keys],
        "limit": RECENT_RUNS,
    }
    for row in connection.execute(query, parameters):
        found[row.pop("workflow_id"), row.pop("repository_id")].append(row)
    return found


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
    parameters = {"repositories": array_of(repository_ids), "workflow": workflow_id}
    row = connection.execute(_query(further), parameters).fetchone()
    return None if row is None else nested(row)


def _query(further: sql.Composable) -> sql.Composed:
    latest = columns_of(LatestRun, "latest", within="latest_run")
    return sql.SQL(_WORKFLOWS).format(latest=latest, lateral=sql.SQL(_LATEST), further=further)
