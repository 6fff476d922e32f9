"""What a build takes: of nothing new, of some changes, of everything, by the size of the history.

    .venv/bin/python -m benchmarks.builds [--jobs 400000]

A made-up year in the raw tables: 20 repositories and 200 workflows, of which few have most runs;
four jobs a run with eleven steps each, every tenth run in two attempts. In an embedded PostgreSQL
with the marts of this version; dbt runs in this process, which has imported and parsed everything.
Changes are updates of open runs as well as new runs, three to one. The ratios within one run are
what can be compared between machines.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import LiteralString

import psycopg

from actionsight.database import connect
from tests.support.dbt_project import Project, built_database
from tests.support.services import databases

JOBS_PER_RUN = 4

_RUNS: LiteralString = """
    insert into raw.workflow_runs (
        run_id, run_attempt, repository_id, workflow_id, name, path, run_number, event, status,
        conclusion, head_branch, head_sha, created_at, updated_at, run_started_at, actor_id,
        actor_login, head_repository_id, html_url, content_hash, _dlt_load_id
    )
    select
        number, attempt, workflow_id %% 20, workflow_id, 'CI', '.github/workflows/ci.yml', number,
        (array['push', 'pull_request', 'pull_request', 'schedule'])[1 + number %% 4],
        %(status)s::text,
        case when %(status)s::text = 'completed' then
            case when attempt < attempts or number %% 7 = 0 then 'failure' else 'success' end
        end,
        case number %% 4 when 0 then 'main' else 'topic-' || number / 20 end, md5(number::text),
        created_at, created_at + interval '10 minutes', created_at + interval '3 seconds',
        number %% 50, 'person', workflow_id %% 20, 'https://github.com/a/b/actions/runs/' || number,
        md5(random()::text), %(load)s::text
    from (
        select
            number,
            (200 * power(random(), 3))::bigint as workflow_id,
            '2025-01-01'::timestamptz + number * interval '1 year' / %(span)s::bigint as created_at,
            case when number %% 10 = 0 then 2 else 1 end as attempts
        from generate_series(%(first)s::bigint, %(last)s::bigint) as number
    ) as runs
    cross join generate_series(1, attempts) as attempt
"""
_JOBS: LiteralString = """
    insert into raw.workflow_jobs (
        job_id, run_id, run_attempt, repository_id, name, status, conclusion, created_at,
        started_at, completed_at, labels, runner_id, runner_name, steps, html_url, content_hash,
        _dlt_load_id
    )
    select
        (run_id * 2 + run_attempt) * %(jobs)s::bigint + number, run_id, run_attempt,
        repository_id,
        'job ' || number, status, conclusion, created_at,
        created_at + number * interval '7 seconds',
        case when status = 'completed'
            then created_at + number * interval '7 seconds' + random() * interval '20 minutes'
        end,
        (
            array['["ubuntu-latest"]', '["windows-latest"]', '["self-hosted"]']
        )[1 + number %% 3]::jsonb,
        number, 'GitHub Actions ' || number,
        (
            select jsonb_agg(jsonb_build_object(
                'number', step, 'name', 'step ' || step, 'status', 'completed',
                'conclusion', 'success', 'started_at', created_at, 'completed_at', created_at
            ))
            from generate_series(1, 11) as step
        ),
        html_url || '/job/' || number, md5(random()::text), %(load)s::text
    from raw.workflow_runs
    cross join generate_series(1, %(jobs)s::bigint) as number
    where run_id between %(first)s and %(last)s
"""
_LOAD: LiteralString = """
    insert into raw._dlt_loads (load_id, schema_name, status, inserted_at)
    values (%(load)s, 'github', 0, now())
"""
_CLOSE: tuple[LiteralString, ...] = (
    """
    update raw.workflow_runs
    set status = 'completed', conclusion = 'success', _dlt_load_id = %(load)s
    where run_id between %(first)s and %(last)s
    """,
    """
    update raw.workflow_jobs
    set status = 'completed', conclusion = 'success', _dlt_load_id = %(load)s,
        completed_at = started_at + interval '5 minutes'
    where run_id between %(first)s and %(last)s
    """,
)


class History:
    """The raw tables of one database, to which each call adds a load."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]], run_count: int) -> None:
        self._connection = connection
        self._span = run_count
        self._loads = 0
        self._last = 0

    def add(self, runs: int, *, status: str = "completed") -> tuple[int, int]:
        """Add runs with their jobs; give the ids of the first and the last."""
        first, self._last = self._last + 1, self._last + runs
        ids = {"first": first, "last": self._last, "span": self._span}
        self._execute(_RUNS, _JOBS, status=status, jobs=JOBS_PER_RUN, **ids)
        return first, self._last

    def close(self, first: int, last: int) -> None:
        """End runs that were open, and their jobs."""
        self._execute(*_CLOSE, first=first, last=last)

    def _execute(self, *statements: LiteralString, **values: object) -> None:
        self._loads += 1
        for statement in (*statements, _LOAD):
            self._connection.execute(statement, {"load": f"load {self._loads}", **values})


def timed(project: Project, *arguments: str) -> float:
    """Seconds of one build of the marts alone."""
    began = time.perf_counter()
    project.run("--selector", "hot", *arguments)
    return time.perf_counter() - began


def main() -> None:
    """Build everything, then more and more of little, and tell the seconds of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=400_000, help="in the history")
    runs = parser.parse_args().jobs // JOBS_PER_RUN
    with tempfile.TemporaryDirectory(prefix="actionsight-benchmark-") as name:
        Path(name).chmod(0o755)
        with databases(Path(name)) as server, built_database(server, Path(name)) as url:
            measure(url, runs)


def measure(url: str, runs: int) -> None:
    project = Project(is_looked_through=True)
    with connect(url, autocommit=True) as connection:
        history = History(connection, runs)
        history.add(runs)
        connection.execute("vacuum analyze raw.workflow_runs, raw.workflow_jobs")
        seconds = {"everything": timed(project)}
        connection.execute("vacuum analyze")
        timed(project)
        seconds["nothing new"] = min(timed(project) for _ in range(3))
        open_runs = history.add(3, status="in_progress")
        timed(project)
        history.close(*open_runs)
        history.add(1)
        seconds["4 runs, 16 jobs"] = timed(project)
        day = max(4, runs // 365 // 100)
        open_runs = history.add(3 * day // 4, status="in_progress")
        timed(project)
        history.close(*open_runs)
        history.add(day // 4)
        seconds["a hundredth of a day"] = timed(project)
        sizes = connection.execute(
            """
            select nspname, sum(pg_total_relation_size(pg_class.oid)) / count_of_jobs
            from pg_class
            inner join pg_namespace on pg_namespace.oid = relnamespace
            cross join (select count(*) as count_of_jobs from marts.jobs) as jobs
            where nspname in ('raw', 'intermediate', 'marts') and relkind = 'r'
            group by nspname, count_of_jobs
            order by nspname
            """
        ).fetchall()
    idle = seconds["nothing new"]
    print(f"{runs * JOBS_PER_RUN:,} jobs; a hundredth of a day is {day} runs")
    for what, spent in seconds.items():
        print(f"{what:22}{spent:8.2f} s  {spent / idle:7.1f} x nothing new")
    for schema, size in sizes:
        print(f"{schema:22}{float(size):8.0f} bytes a job")


if __name__ == "__main__":
    main()
