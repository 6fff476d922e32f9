"""Levels of the series of durations, computed from the marts and kept as raw data.

A series is the successful durations of a workflow's runs in one health group, or of one job of
them, in order of the runs. `raw.duration_levels` has its levels where they are more than one, and
`marts.level_changes` tells what changed between them.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from actionsight.database import connect
from actionsight.locks import BUILD_LOCK, LEVELS_LOCK
from orchestration.levels.definition import LEAST_RUNS, MOST_RUNS

# A workflow's completed runs as its last look saw them, and as they are; what is gone has none.
_WORKFLOWS: LiteralString = """
    select
        repository_id,
        workflow_id,
        coalesce(counted.completed_count, 0) as completed_count,
        coalesce(versions.version, 0) as data_version
    from (
        select repository_id, workflow_id, sum(completed_count)::bigint as completed_count
        from marts.workflow_statistics_by_day
        group by repository_id, workflow_id
    ) as counted
    full join raw.level_marks as marks using (repository_id, workflow_id)
    left join marts.data_versions as versions using (repository_id)
"""
_WITH_NEW_RUNS: LiteralString = """
    where counted.completed_count >= coalesce(marks.completed_count, 0) + %(runs)s
    order by repository_id, workflow_id
"""
_OF_CHANGED_REPOSITORIES: LiteralString = """
    where coalesce(versions.version, 0) is distinct from marks.data_version
    order by repository_id, workflow_id
"""

# A run's own series has the name key of a job without a name, which has no series. A job that
# succeeded twice in a run counts as it did last: a level has runs, and begins with one.
_SERIES: LiteralString = """
    with
    runs as materialized (
        select
            repository_id, run_id, created_at, health_group, conclusion, duration_seconds
        from marts.workflow_runs
        where repository_id = %(repository_id)s and workflow_id = %(workflow_id)s
    ),
    job_points as (
        select distinct on (jobs.job_name_key, jobs.run_id)
            jobs.job_name_key,
            jobs.name as job_name,
            runs.health_group,
            runs.created_at,
            runs.run_id,
            jobs.duration_seconds
        from marts.jobs
        inner join runs using (repository_id, run_id)
        where
            jobs.repository_id = %(repository_id)s
            and jobs.workflow_id = %(workflow_id)s
            and jobs.conclusion = 'success'
            and jobs.duration_seconds is not null
            and jobs.name <> ''
        order by jobs.job_name_key, jobs.run_id, jobs.run_attempt desc, jobs.job_id desc
    ),
    points as (
        select * from job_points
        union all
        select md5('')::uuid, null, health_group, created_at, run_id, duration_seconds
        from runs
        where conclusion = 'success' and duration_seconds is not null
    ),
    numbered as (
        select
            *,
            row_number() over (
                partition by job_name_key, health_group order by created_at desc, run_id desc
            ) as age
        from points
    )
    select
        job_name_key,
        max(job_name) as job_name,
        health_group,
        array_agg(run_id order by age desc) as run_ids,
        array_agg(duration_seconds order by age desc) as durations
    from numbered
    where age <= %(most_runs)s
    group by job_name_key, health_group
    having count(*) >= 2 * %(least_runs)s
"""


class _Workflow(NamedTuple):
    repository_id: int
    workflow_id: int
    completed_count: int
    data_version: int


class _Series(NamedTuple):
    job_name_key: UUID
    job_name: str | None
    health_group: str | None
    run_ids: list[int]
    durations: list[int]


class _Levels(NamedTuple):
    """A row of raw.duration_levels, but for its workflow and load."""

    job_name_key: UUID
    job_name: str | None
    health_group: str | None
    first_run_ids: list[int]
    medians: list[float]
    run_counts: list[int]


@dataclass
class Look:
    """What a look at workflows saw."""

    workflow_count: int = 0
    series_count: int = 0
    changed_series_count: int = 0


def look_at_new_runs(database_url: str) -> Look:
    """Look at the workflows that have at least 8 completed runs more than at their last look."""
    with connect(database_url, autocommit=True) as connection:
        with connection.cursor(row_factory=class_row(_Workflow)) as cursor:
            due = cursor.execute(_WORKFLOWS + _WITH_NEW_RUNS, {"runs": LEAST_RUNS}).fetchall()
        return _look_at(connection, due)


def look_at_changed_repositories(database_url: str) -> Look:
    """Look at each workflow of which something may have changed since its last look."""
    with connect(database_url, autocommit=True) as connection:
        with connection.cursor(row_factory=class_row(_Workflow)) as cursor:
            due = cursor.execute(_WORKFLOWS + _OF_CHANGED_REPOSITORIES).fetchall()
        return _look_at(connection, due)


def _look_at(connection: Connection[Any], workflows: Iterable[_Workflow]) -> Look:
    """Each workflow by itself: a kill loses the one that it is at, which has no mark then."""
    look = Look()
    for workflow in workflows:
        with connection.transaction():
            # Whoever purges the repository waits, and another look.
            connection.execute(
                "select pg_advisory_xact_lock_shared(hashtext(%s), hashtext(%s))", BUILD_LOCK
            )
            connection.execute("select pg_advisory_xact_lock(%s)", [LEVELS_LOCK])
            # A workflow's points are sorted.
            connection.execute("set local work_mem = '64MB'")
            found, series_count = _compute(connection, workflow)
            changed = _differences(found, _stored(connection, workflow))
            if changed:
                _write(connection, workflow, changed)
            _mark(connection, workflow)
        look.workflow_count += 1
        look.series_count += series_count
        look.changed_series_count += len(changed)
    return look


def _compute(connection: Connection[Any], workflow: _Workflow) -> tuple[list[_Levels], int]:
    """The levels of a workflow's series that have several, and how many series it has."""
    # numpy starts threads, and runs are forked from a process that may have none (decision 29).
    from orchestration.levels.detection import levels

    parameters = {
        "repository_id": workflow.repository_id,
        "workflow_id": workflow.workflow_id,
        "most_runs": MOST_RUNS,
        "least_runs": LEAST_RUNS,
    }
    found: list[_Levels] = []
    count = 0
    # A workflow can have some hundred series: they are not held together.
    with connection.cursor(name="series", row_factory=class_row(_Series)) as cursor:
        for series in cursor.execute(_SERIES, parameters, binary=True):
            count += 1
            if starts := levels(series.durations):
                found.append(_levels(series, starts))
    return found, count


def _levels(series: _Series, starts: list[int]) -> _Levels:
    spans = [
        series.durations[start:end] for start, end in pairwise([0, *starts, len(series.durations)])
    ]
    return _Levels(
        series.job_name_key,
        series.job_name,
        series.health_group,
        first_run_ids=[series.run_ids[start] for start in starts],
        medians=[float(median(span)) for span in spans],
        run_counts=[len(span) for span in spans],
    )


def _stored(connection: Connection[Any], workflow: _Workflow) -> list[_Levels]:
    with connection.cursor(row_factory=class_row(_Levels)) as cursor:
        return cursor.execute(
            """
            select job_name_key, job_name, health_group, first_run_ids, medians, run_counts
            from raw.duration_levels
            where repository_id = %s and workflow_id = %s
            """,
            [workflow.repository_id, workflow.workflow_id],
        ).fetchall()


def _differences(found: list[_Levels], stored: list[_Levels]) -> list[_Levels]:
    """What is to be written; a series that has no change any more keeps its row, so that a build
    learns of it."""
    known = {(each.job_name_key, each.health_group): each for each in stored}
    differing = [
        each for each in found if known.pop((each.job_name_key, each.health_group), None) != each
    ]
    gone = [
        each._replace(first_run_ids=[], medians=[], run_counts=[])
        for each in known.values()
        if each.first_run_ids
    ]
    return differing + gone


def _write(connection: Connection[Any], workflow: _Workflow, changed: list[_Levels]) -> None:
    """A workflow's load is its own: a build can take it in while the look goes on."""
    load_id = f"levels-{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into raw.duration_levels (
                repository_id, workflow_id, job_name_key, job_name, health_group, first_run_ids,
                medians, run_counts, load_id
            )
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
            on conflict (repository_id, workflow_id, job_name_key, health_group) do update set
                first_run_ids = excluded.first_run_ids,
                medians = excluded.medians,
                run_counts = excluded.run_counts,
                load_id = excluded.load_id
            """,
            [(workflow.repository_id, workflow.workflow_id, *each, load_id) for each in changed],
        )
    connection.execute("insert into raw.direct_loads (load_id) values (%s)", [load_id])


def _mark(connection: Connection[Any], workflow: _Workflow) -> None:
    """What is gone, or was purged meanwhile, has no mark and is not looked at again."""
    connection.execute(
        "delete from raw.level_marks where repository_id = %s and workflow_id = %s", workflow[:2]
    )
    connection.execute(
        """
        insert into raw.level_marks (repository_id, workflow_id, completed_count, data_version)
        select %(repository_id)s, %(workflow_id)s, %(completed_count)s, %(data_version)s
        where exists (
            select from marts.workflow_statistics_by_day
            where repository_id = %(repository_id)s and workflow_id = %(workflow_id)s
        )
        """,
        workflow._asdict(),
    )
