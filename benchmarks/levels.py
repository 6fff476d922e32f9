"""What it takes to look for changes of level: all series at first, then what a night brings.

    .venv/bin/python -m benchmarks.levels [--workflows 182] [--runs 2000]

Each workflow has 22 series: its runs and ten jobs, on the default branch and for other events, with
so many runs each. The marts have the columns that are read, and the indexes by which they are, in
an embedded PostgreSQL. The ratios within one run are what can be compared between machines.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

from actionsight.database import connect
from orchestration.levels import series
from orchestration.levels.detection import levels
from tests.support.services import databases

JOBS = 10
# A twentieth of them has a night's news.
REPOSITORIES = 20
SAMPLE = 200

_MARTS: tuple[LiteralString, ...] = (
    "create schema marts",
    """
    create table marts.workflow_runs (
        run_id bigint primary key, repository_id bigint, workflow_id bigint, head_sha text,
        created_at timestamptz, health_group text, conclusion text, duration_seconds bigint
    )
    """,
    """
    create table marts.jobs (
        job_id bigint primary key, run_id bigint, run_attempt bigint, repository_id bigint,
        workflow_id bigint, run_created_at timestamptz, name text, job_name_key uuid,
        conclusion text, duration_seconds bigint
    )
    """,
    """
    create table marts.workflow_statistics_by_day (
        repository_id bigint, workflow_id bigint, day date, completed_count bigint,
        primary key (repository_id, workflow_id, day)
    )
    """,
    "create table marts.data_versions (repository_id bigint primary key, version bigint)",
    """
    insert into marts.data_versions
    select repository_id, 1 from generate_series(0, %(repositories)s - 1) as repository_id
    """,
)
# Durations are spread by a tenth; a third of the workflows become slower after 70 % of their runs.
_RUNS: LiteralString = """
    insert into marts.workflow_runs
    select
        (workflow_id * 2 * %(runs)s + number) * 10,
        workflow_id %% %(repositories)s,
        workflow_id,
        md5(number::text),
        timestamptz '2026-01-01' + number * interval '4 minutes',
        case when number %% 2 = 0 then 'default_branch' end,
        'success',
        round(
            300 * exp(0.1 * (random() + random() + random() - 1.5) * 2)
            * case when workflow_id %% 3 = 0 and number > 1.4 * %(runs)s then 1.5 else 1 end
        )
    from
        generate_series(1, %(workflows)s) as workflow_id,
        generate_series(1, 2 * %(runs)s) as number
"""
_JOBS: LiteralString = """
    insert into marts.jobs
    select
        run_id + job, run_id, 1, repository_id, workflow_id, created_at, 'job ' || job,
        md5('job ' || job)::uuid, 'success', greatest(duration_seconds * job / 10 - job, 0)
    from marts.workflow_runs, generate_series(0, %(jobs)s - 1) as job
"""
_INDEXES: tuple[LiteralString, ...] = (
    """
    create index on marts.workflow_runs
        (repository_id, workflow_id, created_at desc, run_id desc)
    """,
    "create index on marts.jobs (repository_id, workflow_id, run_created_at)",
    "create index on marts.jobs (run_id, run_attempt)",
    """
    insert into marts.workflow_statistics_by_day
    select repository_id, workflow_id, created_at::date as day, count(*)
    from marts.workflow_runs
    group by repository_id, workflow_id, day
    """,
)


def main() -> None:
    """Measure, and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workflows", type=int, default=182)
    parser.add_argument("--runs", type=int, default=2000, help="of each series")
    arguments = parser.parse_args()
    with marts(arguments.workflows, arguments.runs) as url:
        first, full = look(
            "the first look, at everything", url, series.look_at_changed_repositories
        )
        look("nothing has changed", url, series.look_at_changed_repositories, full)
        look("nothing has changed, after a build", url, series.look_at_new_runs, full)
        add_runs(url, 9)
        look("after a build, 8 new runs of one workflow", url, series.look_at_new_runs, full)
        change_repository(url, 9)
        look("a night: one repository has changed", url, series.look_at_changed_repositories, full)
        print(f"{levels_alone(url) * first.series_count:8.2f} s  levels() alone of all series")


@contextmanager
def marts(workflow_count: int, run_count: int) -> Generator[str]:
    """The address of a migrated database with so many workflows and runs of each series."""
    parameters = {
        "repositories": REPOSITORIES,
        "workflows": workflow_count,
        "runs": run_count,
        "jobs": JOBS,
    }
    with tempfile.TemporaryDirectory(prefix="actionsight-levels-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        with databases(folder) as server, server.migrated() as url:
            with connect(url, autocommit=True) as connection:
                connection.execute("select setseed(0.5)")
                for statement in (*_MARTS, _RUNS, _JOBS, *_INDEXES, "vacuum analyze"):
                    connection.execute(statement, parameters if "%(" in statement else None)
            yield url


def change_repository(url: str, repository_id: int) -> None:
    """What a build does, where a row of a repository has changed."""
    with connect(url) as connection:
        connection.execute(
            "update marts.data_versions set version = version + 1 where repository_id = %s",
            [repository_id],
        )


def add_runs(url: str, repository_id: int) -> None:
    """Eight runs of one workflow of a repository, at the end, half of them of each group."""
    with connect(url) as connection:
        connection.execute(
            """
            with newest as (
                select * from marts.workflow_runs
                where repository_id = %(repository)s
                order by workflow_id, created_at desc limit 8
            )
            insert into marts.workflow_runs
            select
                1000000000 + run_id, repository_id, workflow_id, head_sha,
                created_at + interval '1 day', health_group, conclusion, duration_seconds
            from newest
            """,
            {"repository": repository_id},
        )
        connection.execute(
            """
            update marts.workflow_statistics_by_day set completed_count = completed_count + 8
            where (repository_id, workflow_id, day) = (
                select repository_id, workflow_id, max(day)
                from marts.workflow_statistics_by_day
                where repository_id = %(repository)s
                group by repository_id, workflow_id order by workflow_id limit 1
            )
            """,
            {"repository": repository_id},
        )
    change_repository(url, repository_id)


def look(
    label: str, url: str, looks: Callable[[str], series.Look], full: float | None = None
) -> tuple[series.Look, float]:
    """Look once; print how long it took, and the part of the first look that this is."""
    began = time.perf_counter()
    seen = looks(url)
    seconds = time.perf_counter() - began
    part = f"{seconds / full:8.4f} of the first look" if full else ""
    print(
        f"{seconds:8.2f} s  {label}: {seen.workflow_count} workflows, {seen.series_count:,} series,"
        f" {seen.changed_series_count:,} of them with other levels {part}",
        flush=True,
    )
    return seen, seconds


def levels_alone(url: str) -> float:
    """Seconds that the computation of a series takes, without the database."""
    with connect(url) as connection:
        durations = [
            [int(value) for value in row[0]]
            for row in connection.execute(
                """
                select array_agg(duration_seconds order by created_at, run_id)
                from marts.workflow_runs
                group by repository_id, workflow_id, health_group
                limit %s
                """,
                [SAMPLE],
            )
        ]
    began = time.perf_counter()
    for values in durations:
        levels(values)
    return (time.perf_counter() - began) / len(durations)


if __name__ == "__main__":
    main()
