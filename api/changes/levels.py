"""Levels of durations, which were found between builds, and their changes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

from psycopg import sql
from pydantic import Field

from api.branches.records import HealthGroup
from api.database import Connection, array_of
from api.records import Count, Record, Seconds, Since, Time
from api.rows import columns_of, nested

_CHANGES: LiteralString = """
    select
        changes.repository_id, changes.workflow_id, changes.job_name, changes.health_group,
        changes.changed_at, changes.median_before_seconds, changes.median_after_seconds,
        changes.run_count_before, changes.run_count_after, changes.still_holds, {since}
    from marts.level_changes as changes
    inner join marts.workflow_runs as runs
        on runs.repository_id = changes.repository_id and runs.run_id = changes.first_run_id
    where changes.repository_id = any(%(repositories)s) and {condition}
    order by changes.changed_at, changes.first_run_id
"""


class Level(Record):
    """A stretch of a workflow's successful runs around one median duration."""

    health_group: HealthGroup | None = Field(
        description="Of which runs; null: those of other events, such as pull requests."
    )
    from_: Time | None = Field(
        alias="from", description="When its first run was created; null: the first known level."
    )
    to: Time | None = Field(description="When the next level began; null: it is the current one.")
    median_seconds: Seconds = Field(description="Median of the durations in it.")
    run_count: Count = Field(description="Durations in it.")
    first_run: Since | None = Field(description="The run with which it began.")
    is_current: bool


def read_levels(
    connection: Connection, repository_id: int, workflow_id: int
) -> list[dict[str, Any]]:
    """The levels of a workflow's runs, by group and oldest first; none where none ever changed."""
    changes = _read(
        connection,
        sql.SQL("changes.workflow_id = %(workflow)s and changes.job_name is null"),
        {"repositories": [repository_id], "workflow": workflow_id},
    )
    return _levels(changes)


def read_levels_of_jobs(
    connection: Connection, repository_id: int, workflow_id: int, names: Sequence[str | None]
) -> dict[str | None, list[dict[str, Any]]]:
    """The same of jobs of a workflow, by their names."""
    changes = _read(
        connection,
        sql.SQL("changes.workflow_id = %(workflow)s and changes.job_name = any(%(names)s)"),
        {
            "repositories": [repository_id],
            "workflow": workflow_id,
            "names": [name for name in names if name is not None],
        },
    )
    return {
        name: _levels([change for change in changes if change["job_name"] == name])
        for name in names
    }


def _levels(changes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The levels between changes, which come oldest first."""
    series: dict[str | None, list[dict[str, Any]]] = {}
    for change in changes:
        levels = series.setdefault(change["health_group"], [])
        if not levels:
            levels.append(_level(change, None, "before"))
        levels[-1].update({"to": change["changed_at"], "is_current": False})
        levels.append(_level(change, change["since"], "after"))
    return [
        level for group in sorted(series, key=lambda name: name or "~") for level in series[group]
    ]


def _level(change: Mapping[str, Any], first_run: Any, side: str) -> dict[str, Any]:
    return {
        "health_group": change["health_group"],
        "from": change["changed_at"] if first_run else None,
        "to": None,
        "median_seconds": change[f"median_{side}_seconds"],
        "run_count": change[f"run_count_{side}"],
        "first_run": first_run,
        "is_current": True,
    }


def read_level_changes(
    connection: Connection, repository_ids: tuple[int, ...], start: datetime, end: datetime | None
) -> list[dict[str, Any]]:
    """The changes of level in a span of time, oldest first, each with the run that began it."""
    return _read(
        connection,
        sql.SQL(
            "changes.changed_at >= %(start)s "
            "and changes.changed_at < coalesce(%(end)s, 'infinity'::timestamptz)"
        ),
        {"repositories": array_of(repository_ids), "start": start, "end": end},
    )


def _read(
    connection: Connection, condition: sql.SQL, parameters: Mapping[str, Any]
) -> list[dict[str, Any]]:
    query = sql.SQL(_CHANGES).format(
        since=columns_of(Since, "runs", within="since"), condition=condition
    )
    return [nested(row) for row in connection.execute(query, parameters)]
