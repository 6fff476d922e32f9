"""What a build takes: of nothing new, of some changes, of everything, by the size of the history.

    .venv/bin/python -m benchmarks.builds [--jobs 400000 ...] [--parts small] [--steps 11]

A made-up year in the raw tables: 20 repositories and 200 workflows, of which few have most runs,
and from a million jobs on as many more of both as there are more jobs: a larger installation, not a
busier one. Four jobs a run with eleven steps each, every tenth run in two attempts. In an embedded
PostgreSQL with the marts of this version; dbt runs in this process, which has imported and parsed
everything.
Changes are updates of open runs as well as new runs, three to one. The ratios within one run are
what can be compared between machines; with several sizes, how builds of little grow with them.
"""

import argparse
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from actionsight.database import connect
from api.stats.metrics import PERCENTILES
from tests.support.dbt_project import WITHOUT_TESTS, WITHOUT_VIEWS, Project, unbuilt_database
from tests.support.services import databases

JOBS_PER_RUN = 4
REPOSITORIES = 20  # and ten workflows for each: so many to a million jobs, and never fewer
PARTS = ("by-hand", "small", "percentiles", "chunks", "sizes")
ROUNDS = 5

_REPOSITORIES: tuple[LiteralString, ...] = (
    """
    insert into raw.repositories (
        repository_id, full_name, name, private, visibility, default_branch, created_at,
        content_hash, _dlt_load_id
    )
    select
        number, 'acme/repository-' || number, 'repository-' || number, true, 'private', 'main',
        '2020-01-01', '', %(load)s::text
    from generate_series(0, %(repositories)s::bigint - 1) as number
    """,
    """
    insert into raw.repository_history (
        repository_id, observed_at, visibility, default_branch, load_id
    )
    select repository_id, '2024-01-01', visibility, default_branch, _dlt_load_id
    from raw.repositories
    """,
)
_RUNS: LiteralString = """
    insert into raw.workflow_runs (
        run_id, run_attempt, repository_id, workflow_id, name, path, run_number, event, status,
        conclusion, head_branch, head_sha, created_at, updated_at, run_started_at, actor_id,
        actor_login, head_repository_id, html_url, content_hash, _dlt_load_id
    )
    select
        number, attempt, repository_id, workflow_id, 'CI', '.github/workflows/ci.yml', number,
        (array['push', 'pull_request', 'pull_request', 'schedule'])[1 + number %% 4],
        %(status)s::text,
        case when %(status)s::text = 'completed' then
            case when attempt < attempts or number %% 7 = 0 then 'failure' else 'success' end
        end,
        case number %% 4 when 0 then 'main' else 'topic-' || number / 20 end, md5(number::text),
        created_at, created_at + interval '10 minutes', created_at + interval '3 seconds',
        number %% 50, 'person', repository_id, 'https://github.com/a/b/actions/runs/' || number,
        md5(random()::text), %(load)s::text
    from (
        select
            number,
            floor(200 * power(random(), 3))::bigint as workflow,
            20 * floor(%(repositories)s::bigint / 20 * random())::bigint as before,
            '2025-01-01'::timestamptz + number * interval '1 year' / %(span)s::bigint as created_at,
            case when number %% 10 = 0 then 2 else 1 end as attempts
        from generate_series(%(first)s::bigint, %(last)s::bigint) as number
    ) as runs
    cross join lateral (
        select before + workflow %% 20 as repository_id, before * 10 + workflow as workflow_id
    ) as workflows
    cross join generate_series(1, attempts) as attempt
"""
# A text with the time filled in is steps in a tenth of the time that making them takes.
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
        replace(template, '2000-01-01', to_char(created_at, 'YYYY-MM-DD'))::jsonb,
        html_url || '/job/' || number, md5(random()::text), %(load)s::text
    from raw.workflow_runs
    cross join generate_series(1, %(jobs)s::bigint) as number
    cross join (
        select coalesce(jsonb_agg(jsonb_build_object(
            'number', step, 'name', 'step ' || step, 'status', 'completed',
            'conclusion', 'success', 'started_at', '2000-01-01T10:00:00Z',
            'completed_at', '2000-01-01T10:00:07Z'
        )), '[]')::text as template
        from generate_series(1, %(steps)s::bigint) as step
    ) as steps
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
_SIZES: LiteralString = """
    select
        case when relname = 'steps' then 'steps' else nspname end as part,
        sum(pg_total_relation_size(pg_class.oid))::double precision
        / (select count(*) from marts.jobs) as bytes
    from pg_class
    inner join pg_namespace on pg_namespace.oid = relnamespace
    where nspname in ('raw', 'intermediate', 'marts') and relkind = 'r'
    group by part
    order by part
"""


class History:
    """The raw tables of one database, to which each call adds a load."""

    def __init__(
        self, connection: psycopg.Connection[Any], run_count: int, step_count: int
    ) -> None:
        self._connection = connection
        self._steps = step_count
        self._span = run_count
        self._loads = 0
        self._last = 0
        million = max(1, run_count * JOBS_PER_RUN // 1_000_000)
        self._repositories = REPOSITORIES * million
        self._execute(*_REPOSITORIES, repositories=self._repositories)

    def add(self, runs: int, *, status: str = "completed") -> tuple[int, int]:
        """Add runs with their jobs; give the ids of the first and the last."""
        first, self._last = self._last + 1, self._last + runs
        ids = {"first": first, "last": self._last, "span": self._span}
        sizes = {"jobs": JOBS_PER_RUN, "steps": self._steps, "repositories": self._repositories}
        self._execute(_RUNS, _JOBS, status=status, **sizes, **ids)
        return first, self._last

    def close(self, first: int, last: int) -> None:
        """End runs that were open, and their jobs."""
        self._execute(*_CLOSE, first=first, last=last)

    def _execute(self, *statements: LiteralString, **values: object) -> None:
        self._loads += 1
        for statement in (*statements, _LOAD):
            self._connection.execute(statement, {"load": f"load {self._loads}", **values})


@dataclass(frozen=True)
class Built:
    """One build: its seconds, and those of each mart with the SQL that dbt compiled for it."""

    seconds: float
    marts: Mapping[str, float]
    compiled: Mapping[str, LiteralString]
    nodes: Mapping[str, Any]


class Builds:
    """Builds without tests, in one database."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self._project = Project()

    def full(self) -> Built:
        """Make views and marts, which are not there; one after the other, as by hand."""
        return self._build("--threads", "1")

    def hot(self) -> Built:
        """Build the marts alone, as behind each load."""
        return self._build(*WITHOUT_VIEWS, "--selector", "hot")

    def _build(self, *arguments: str) -> Built:
        began = time.perf_counter()
        outcome = self._project.invoke("build", *WITHOUT_TESTS, *arguments)
        seconds = time.perf_counter() - began
        if not outcome.success:
            raise RuntimeError([(each.node.name, each.message) for each in outcome.result])
        marts = [
            each
            for each in outcome.result
            if each.node.resource_type == "model" and each.node.config.materialized == "incremental"
        ]
        return Built(
            seconds,
            {each.node.name: each.execution_time for each in marts},
            {each.node.name: each.node.compiled_code for each in marts},
            {each.node.name: each.node for each in marts},
        )


def by_hand(connection: psycopg.Connection[Any], full: Built) -> Iterator[tuple[str, float]]:
    """Of each mart the seconds of one plain statement that makes its rows from its parents'."""
    for mart, node in full.nodes.items():
        table = sql.Identifier(node.schema, mart)
        scope = sql.SQL(", ").join(map(sql.Identifier, node.config.meta["scope"]))
        if "since" in node.config.meta:
            scope += sql.SQL(", timestamptz '-infinity' as since")
        with connection.transaction(force_rollback=True):
            connection.execute("set local work_mem = '128MB'")
            connection.execute(
                sql.SQL("create temporary table touched as select distinct {} from {}").format(
                    scope, table
                )
            )
            connection.execute("analyze touched")
            began = time.perf_counter()
            connection.execute(
                sql.SQL("create table marts.by_hand as ") + sql.SQL(full.compiled[mart])
            )
            yield mart, time.perf_counter() - began


def changes(history: History, builds: Builds, ended: int, begun: int) -> float:
    """Seconds of the build of so many runs that end, and so many of which nothing was known."""
    open_runs = history.add(ended, status="in_progress")
    builds.hot()
    history.close(*open_runs)
    history.add(begun)
    return builds.hot().seconds


def chunk_of_a_rebuild(builds: Builds, mart: str) -> tuple[float, int]:
    """Seconds of a chunk of a rebuild, and how many rows of large tables it read by no index."""
    connection = builds.connection
    known = connection.execute("select * from marts.models where model = %s", [mart]).fetchone()
    connection.execute("update marts.models set version = 0 where model = %s", [mart])
    builds.hot()
    before = _rows_read_whole(connection)
    seconds = builds.hot().marts[mart]
    read = _rows_read_whole(connection) - before
    # What is there is right: the rest of the rebuild is spared.
    connection.execute(
        sql.SQL("delete from {} where reason = 'rebuild'").format(
            sql.Identifier("intermediate", f"touched__{mart}")
        )
    )
    connection.execute(
        """
        insert into marts.models values (%s, %s, %s, %s)
        on conflict (model) do update set
            version = excluded.version, definition = excluded.definition,
            built_at = excluded.built_at
        """,
        known,
    )
    return seconds, read


def _larger_than_a_chunk(connection: psycopg.Connection[Any], full: Built) -> list[str]:
    rows = connection.execute(
        "select relname from pg_class "
        "where relname = any(%s) and relkind = 'r' and reltuples > 50000",
        [list(full.marts)],
    )
    return [name for (name,) in rows]


def _rows_read_whole(connection: psycopg.Connection[Any]) -> int:
    time.sleep(1.5)  # a session tells its counts when it has nothing to do, once a second
    connection.execute("select pg_stat_clear_snapshot()")
    row = connection.execute(
        """
        select coalesce(sum(seq_tup_read), 0) from pg_stat_user_tables
        where schemaname in ('raw', 'intermediate', 'marts') and not starts_with(relname, 'touched')
        """
    ).fetchone()
    return int(row[0]) if row else 0


@dataclass(frozen=True)
class Percentiles:
    """Five exact percentiles of 90 days: of the mart, and of a narrow table by hand."""

    rows: int
    seconds: float
    seconds_by_hand: float
    plan: str
    heap_fetches: int


def percentiles(connection: psycopg.Connection[Any]) -> dict[str, Percentiles]:
    """Percentiles of durations over the year's last 90 days, as the API asks for them."""
    connection.execute(
        """
        create table marts.narrow as
        select repository_id, workflow_id, created_at, duration_seconds, status, conclusion
        from marts.workflow_runs
        """
    )
    connection.execute(
        """
        create index on marts.narrow (repository_id, workflow_id, created_at)
        include (duration_seconds, status, conclusion)
        """
    )
    connection.execute("vacuum analyze marts.narrow")
    conditions: dict[str, LiteralString] = {
        "of one workflow": "runs.repository_id = 1 and runs.workflow_id = 1",
        "of all": "runs.repository_id = any(array(select repository_id from marts.repositories))",
    }
    measured = {name: _percentiles(connection, where) for name, where in conditions.items()}
    connection.execute("drop table marts.narrow")
    return measured


def _percentiles(connection: psycopg.Connection[Any], condition: LiteralString) -> Percentiles:
    measure = next(each for each in PERCENTILES if each.measure.endswith(".duration_seconds"))
    plans: dict[LiteralString, list[Any]] = {"workflow_runs": [], "narrow": []}
    for table in list(plans) * 5:
        row = connection.execute(
            sql.SQL(
                "explain (analyze, buffers, format json) select {} from marts.{} as runs "
                "where {} and runs.created_at >= '2025-10-03' and runs.created_at < '2026-01-01'"
            ).format(measure.formula, sql.Identifier(table), sql.SQL(condition))
        ).fetchone()
        plans[table].append(row[0][0] if row else None)
    plan = _scan(plans["workflow_runs"][-1]["Plan"])
    return Percentiles(
        rows=round(plan["Actual Rows"] * plan["Actual Loops"]),
        seconds=min(each["Execution Time"] for each in plans["workflow_runs"]) / 1000,
        seconds_by_hand=min(each["Execution Time"] for each in plans["narrow"]) / 1000,
        plan=plan["Node Type"],
        heap_fetches=plan.get("Heap Fetches", 0),
    )


def _scan(plan: dict[str, Any]) -> dict[str, Any]:
    """The node of a plan that reads the table of runs."""
    if plan.get("Alias") == "runs" or (plan["Node Type"].startswith("Bitmap Heap")):
        return plan
    for child in plan.get("Plans", []):
        found = _scan(child)
        if found:
            return found
    return {}


def main() -> None:
    """Build everything, then more and more of little, and tell the seconds of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--jobs", type=int, nargs="+", default=[400_000], help="in the history; one size or several"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--steps", type=int, default=11, help="of each job")
    arguments = parser.parse_args()
    small = {}
    with tempfile.TemporaryDirectory(prefix="actionsight-benchmark-") as name:
        Path(name).chmod(0o755)
        with databases(Path(name)) as server:
            for jobs in arguments.jobs:
                with unbuilt_database(server, Path(name)) as url:
                    small[jobs] = measure(
                        url, jobs // JOBS_PER_RUN, arguments.steps, arguments.parts
                    )
    if len(small) > 1 and "small" in arguments.parts:
        _tell_growth(small)


def measure(url: str, runs: int, steps: int, parts: Collection[str]) -> dict[str, float]:
    """Fill, build, and print each part as soon as it is known; give seconds of small builds."""
    small: dict[str, float] = {}
    with connect(url, autocommit=True) as connection:
        began = time.perf_counter()
        history = History(connection, runs, steps)
        history.add(runs)
        connection.execute("vacuum analyze raw.workflow_runs, raw.workflow_jobs")
        _tell(f"\n{runs * JOBS_PER_RUN:,} jobs, filled in {time.perf_counter() - began:.0f} s")
        builds = Builds(connection)
        full = builds.full()
        _tell(f"everything: {full.seconds:.1f} s")
        connection.execute("vacuum analyze")
        if "by-hand" in parts:
            _tell_full(connection, full)
        if "small" in parts:
            small = _tell_small(history, builds, runs, full.seconds)
        if "percentiles" in parts:
            _tell_percentiles(connection)
        if "chunks" in parts:
            _tell_chunks(connection, builds, full)
        if "sizes" in parts:
            _tell(f"\n{'':24}bytes a job")
            for part, size in connection.execute(_SIZES):
                _tell(f"{part:24}{size:11.0f}")
    return small


def _tell(line: str) -> None:
    print(line, flush=True)


def _tell_small(history: History, builds: Builds, runs: int, everything: float) -> dict[str, float]:
    """Builds of little, each the fastest of several, beside nothing new and everything."""
    builds.hot()
    day = max(4, runs // 365 // 100)
    seconds = {"nothing new": min(builds.hot().seconds for _ in range(ROUNDS))}
    for what, ended, begun in (
        ("50 events: 10 runs, 40 jobs", 8, 2),
        (f"1 % of a day: {day} runs", 3 * day // 4, day - 3 * day // 4),
        ("200 runs, 800 jobs", 150, 50),
    ):
        seconds[what] = min(changes(history, builds, ended, begun) for _ in range(ROUNDS))
    idle = seconds["nothing new"]
    _tell(f"\n{'build of':34}{'s':>8}{'more than nothing new, of everything':>40}")
    for what, took in seconds.items():
        more = f"1/{everything / (took - idle):,.0f}" if took > idle else ""
        _tell(f"{what:34}{took:8.2f}{more:>40}")
    return seconds


def _tell_growth(small: Mapping[int, Mapping[str, float]]) -> None:
    """What builds of the same little take in the largest history, beside the smallest."""
    least, most = min(small), max(small)
    _tell(f"\n{'':34}{f'{most:,} ÷ {least:,} jobs':>28}{'above nothing new':>20}")
    idle_least, idle_most = (small[size]["nothing new"] for size in (least, most))
    for what in small[least].keys() & small[most].keys():
        above = (
            f"{(small[most][what] - idle_most) / (small[least][what] - idle_least):20.2f}"
            if what != "nothing new"
            else ""
        )
        _tell(f"{what:34}{small[most][what] / small[least][what]:28.2f}{above}")


def _tell_percentiles(connection: psycopg.Connection[Any]) -> None:
    _tell(f"\n{'percentiles of 90 days':24}{'rows':>10}{'ms':>8}{'÷ by hand':>11}  read by")
    for what, found in percentiles(connection).items():
        _tell(
            f"{what:24}{found.rows:10,}{found.seconds * 1000:8.1f}"
            f"{found.seconds / found.seconds_by_hand:11.2f}  {found.plan}, "
            f"{found.heap_fetches / max(found.rows, 1):.2%} of the rows from the heap"
        )


def _tell_chunks(connection: psycopg.Connection[Any], builds: Builds, full: Built) -> None:
    _tell(f"\n{'a chunk of a rebuild':30}{'s':>8}{'rows read by no index':>26}")
    for mart in _larger_than_a_chunk(connection, full):
        seconds, read = chunk_of_a_rebuild(builds, mart)
        _tell(f"{mart:30}{seconds:8.2f}{read:26,}")


def _tell_full(connection: psycopg.Connection[Any], full: Built) -> None:
    """Each mart of a full build beside its statement by hand, and both sums without steps."""
    _tell(f"\n{'mart, in full':34}{'s':>8}{'by hand':>10}{'÷':>7}")
    hand = dict(by_hand(connection, full))
    for mart in sorted(hand, key=lambda name: -full.marts[name]):
        seconds, plain = full.marts[mart], hand[mart]
        _tell(f"{mart:34}{seconds:8.1f}{plain:10.1f}{seconds / plain:7.1f}")
    whole = sum(seconds for mart, seconds in full.marts.items() if mart != "steps")
    plain = sum(seconds for mart, seconds in hand.items() if mart != "steps")
    _tell(f"{'all but steps':34}{whole:8.1f}{plain:10.1f}{whole / plain:7.1f}")


if __name__ == "__main__":
    main()
