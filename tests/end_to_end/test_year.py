"""A year on one machine: rows, bytes and files of a whole installation end where a third of it had
them, but for the history that is collected.

Fifty repositories, told by webhooks and polled, and Dagster's runs, reports, checks and ticks, each
five days, as rows; once a month a real `sync` of one more repository (dlt polls, the event buffer
is drained, dbt builds, all as a run of Dagster's), and Actionsight is upgraded. What was written
just now is moved to where the clock is, and what is old goes, by the settings' defaults. Of
everything it is less than a real one brings: what bounds a row is its age, not how many there are.
"""

import os
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetMaterialization,
    AssetsDefinition,
    DagsterInstance,
    Definitions,
    Output,
    asset,
    define_asset_job,
)
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus
from psycopg import sql

from actionsight import operations
from actionsight.database import connect
from actionsight.event_buffer import EventBuffer
from actionsight.local import PostgresqlServer
from actionsight.local.installation import dagster_database_url, environment, services, storage_url
from actionsight.log_files import LARGEST_BYTES, rotate
from actionsight.retention import LOGS, RULES, due, remove
from actionsight.settings import COLLECTION, Settings, load
from github_standin.server.server import serving
from github_standin.world.model import Workflow, make_job
from github_standin.world.world import World
from orchestration.retention import DAGSTER_RULES
from tests.actionsight.collected_days import PerDay, collect, monitor

pytestmark = [pytest.mark.end_to_end, pytest.mark.thorough, pytest.mark.timeout(3600)]

STEPS, STEP = 73, timedelta(days=5)
STEPS_OF_A_MONTH = 6
# Longer than anything that goes is kept; like the last step one with a sync.
FOUR_MONTHS = 24
# What was written just now is what is from after this.
NOW = datetime.now(UTC)
BEGINNING = NOW.replace(hour=0, minute=0, second=0, microsecond=0) - STEPS * STEP
PER_DAY = PerDay(repositories=50, runs=1, jobs=2, polls=24)
SYNCED = "octo/app"
DELIVERIES = 20
# The history that is collected, of which nothing goes, and what is made of it.
HISTORY = {
    *("raw.workflow_runs", "raw.workflow_jobs", "raw.job_listings"),
    *("raw.condensed_runs", "raw.condensed_jobs", "raw.polls_by_day"),
}
MADE_OF_IT = ("marts.", "intermediate.")
# What a load or a build notes of the collected days, beside the history: as bounded as they are.
BOOKKEEPING = {"marts.built_loads"}

MOMENTS = (
    *(("raw", "polls", "started_at"), ("raw", "polls", "ended_at")),
    *(("raw", "webhook_deliveries", "received_at"), ("raw", "webhook_payloads", "received_at")),
    ("raw", "webhook_batches", "drained_at"),
    *(("raw", "_dlt_loads", "inserted_at"), ("raw", "direct_loads", "loaded_at")),
    ("marts", "built_loads", "built_at"),
)
DAGSTERS_MOMENTS = (
    *(("public", "runs", "create_timestamp"), ("public", "event_logs", "timestamp")),
    *(
        ("public", "asset_check_executions", "create_timestamp"),
        ("public", "job_ticks", "timestamp"),
    ),
)


@dataclass(frozen=True)
class Found:
    """What there is of an installation: rows by the table, bytes and files by the part of the data
    folder, and bytes of the tables whose rows stay."""

    rows: dict[str, int]
    bytes: Counter[str]
    files: Counter[str]
    kept_bytes: int

    def __str__(self) -> str:
        parts = (
            f"  {part:14}{self.bytes[part] / 1e6:10.1f} MB {self.files[part]:7,} files"
            for part in sorted(self.files)
        )
        return "\n".join(
            [
                f"{self.bytes.total() / 1e6:.0f} MB, of which history {self.kept_bytes / 1e6:.0f};"
                f" {self.files.total():,} files; {sum(self.rows.values()):,} rows",
                *parts,
            ]
        )


@dataclass(frozen=True)
class Year:
    """An installation, and what a step of its year does to it."""

    here: Settings
    database: psycopg.Connection[Any]
    dagsters: psycopg.Connection[Any]
    superuser: psycopg.Connection[Any]
    instance: DagsterInstance
    workflow: Workflow
    world: World

    def step(self, number: int) -> None:
        """Five days, and then what is old goes."""
        at = BEGINNING + number * STEP
        if number % STEPS_OF_A_MONTH == 0:
            self._sync()
        collect(self.database, PER_DAY, at, at + STEP)  # as if all of it were built
        self._work_of_dagster(number)
        self._move(at)
        self._write_logs(at)
        for rule, before in due(RULES, self.here, at + STEP):
            remove(rule, self.database, before)
        for dagsters, before in due(DAGSTER_RULES, self.here, at + STEP):
            remove(dagsters, self.instance, before)
        for logs, before in due([LOGS], self.here, at + STEP):
            remove(logs, self.here.data_dir, before)
        # As PostgreSQL does by itself, as time goes by.
        for connection in (self.database, self.dagsters):
            connection.execute("vacuum (analyze)")
        self.superuser.execute("checkpoint")

    def found(self) -> Found:
        rows = _rows(self.database) | {
            f"dagster.{name.partition('.')[2]}": count
            for name, count in _rows(self.dagsters).items()
        }
        sizes, files = _usage(self.here.data_dir)
        kept = [name for name in rows if name in HISTORY or name.startswith(MADE_OF_IT)]
        [(kept_bytes,)] = self.database.execute(
            "select sum(pg_total_relation_size(name::regclass)) from unnest(%s::text[]) as name",
            [kept],
        ).fetchall()
        return Found(rows, sizes, files, int(kept_bytes))

    def _sync(self) -> None:
        """`actionsight migrate` and `actionsight sync`, of the one repository that GitHub has."""
        began = self.world.now() - timedelta(hours=1)
        self.world.add_run(self.workflow, began, [make_job("build", began)])
        with closing(EventBuffer(str(self.here.redis_url))) as buffer:
            for _ in range(DELIVERIES):
                of = {"x-github-event": "ping", "x-github-delivery": str(uuid.uuid4())}
                buffer.append(of, b'{"zen": "Keep it logically awesome."}')
        others: LiteralString = "update app.repositories set removed_at = {} where full_name != %s"
        self.database.execute(sql.SQL(others).format(sql.SQL("now()")), [SYNCED])
        operations.migrate(self.here)
        operations.sync(self.here)
        self.database.execute(sql.SQL(others).format(sql.SQL("null")), [SYNCED])

    def _work_of_dagster(self, number: int) -> None:
        made = _version(number // STEPS_OF_A_MONTH)
        definitions = Definitions([made], jobs=[define_asset_job("build", "*")])
        for _ in range(2):
            job = definitions.resolve_job_def("build")
            assert job.execute_in_process(instance=self.instance).success
        for _ in range(5):
            self.instance.report_runless_asset_event(
                AssetMaterialization(["raw", "webhook_events"])
            )
            self.instance.create_tick(
                TickData(
                    instigator_origin_id="drain",
                    instigator_name="drain",
                    instigator_type=InstigatorType.SENSOR,
                    status=TickStatus.SKIPPED,
                    timestamp=datetime.now(UTC).timestamp(),
                    selector_id="drain",
                )
            )
        # As earlier versions left of each run.
        left = Path(self.instance.storage_directory()) / str(number)
        left.mkdir(parents=True)
        (left / "an output").touch()

    def _move(self, at: datetime) -> None:
        """Let what was just written be from then."""
        # A batch has its time in its name, too; the newest one stays.
        self.database.execute(
            "update raw.webhook_batches set batch_id = 'webhook-' || %s || batch_id"
            " where drained_at > %s",
            [at, NOW],
        )
        for connection, moments, then, now in (
            (self.database, MOMENTS, at, NOW),
            (self.dagsters, DAGSTERS_MOMENTS, at.replace(tzinfo=None), NOW.replace(tzinfo=None)),
        ):
            for schema, table, column in moments:
                connection.execute(
                    sql.SQL("update {0} set {1} = %s where {1} > %s").format(
                        sql.Identifier(schema, table), sql.Identifier(column)
                    ),
                    [then, now],
                )
        for path in Path(self.instance.storage_directory()).rglob("*"):
            if path.stat().st_mtime > NOW.timestamp():
                os.utime(path, (at.timestamp(), at.timestamp()))

    def _write_logs(self, at: datetime) -> None:
        """Each process says more in five days than a log may hold; `up` sets it aside."""
        for name in ("api", "dagster-daemon"):
            log = self.here.data_dir / "logs" / f"{name}.log"
            log.parent.mkdir(exist_ok=True)
            with log.open("ab") as writing:
                writing.write(b"x" * (LARGEST_BYTES // 3))
            rotate(log)
            for path in log.parent.glob(f"{name}.log.*"):
                if path.stat().st_mtime > NOW.timestamp():
                    os.utime(path, (at.timestamp(), at.timestamp()))


def _version(number: int) -> AssetsDefinition:
    """What there is to run in a version of Actionsight."""

    @asset(
        key=["marts", "jobs"],
        check_specs=[AssetCheckSpec("not_null", asset=["marts", "jobs"])],
        op_tags={"version": str(number)},
    )
    def jobs() -> Iterator[Any]:
        yield Output(None)
        yield AssetCheckResult(passed=True)

    return jobs


def _rows(database: psycopg.Connection[Any]) -> dict[str, int]:
    """Of every table; of all its partitions together."""
    names = database.execute(
        """
        select nspname, relname from pg_class
        inner join pg_namespace on pg_namespace.oid = relnamespace
        where nspname not in ('pg_catalog', 'information_schema')
            and relkind in ('r', 'p') and not relispartition
        """
    ).fetchall()
    counted = {}
    for schema, table in names:
        query = sql.SQL("select count(*) from {}").format(sql.Identifier(schema, table))
        [(counted[f"{schema}.{table}"],)] = database.execute(query).fetchall()
    return counted


def _usage(folder: Path) -> tuple[Counter[str], Counter[str]]:
    """Bytes on disk and files, folders among them, by what lies in the data folder."""
    sizes: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for path in folder.rglob("*"):
        try:
            size = path.lstat().st_blocks * 512
        except FileNotFoundError:
            continue  # a server's, which lives
        part = path.relative_to(folder).parts[0]
        sizes[part] += size
        files[part] += 1
    return sizes, files


@pytest.fixture
def year(services_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Year]:
    folder = services_folder / "year"
    folder.mkdir(mode=0o755)
    world = World()
    world.add_repository(SYNCED, repository_id=PER_DAY.repositories + 1)
    repository = world.repository_named(SYNCED)
    assert repository is not None
    with ExitStack() as stack:
        github = stack.enter_context(serving(world, token="a-token"))
        settings = replace(
            load(environ={}),
            data_dir=folder,
            github_api_url=github.url,
            github_token="a-token",
            repositories=(SYNCED,),
        )
        held = stack.enter_context(services(settings, demonstration=False))
        here = held.settings
        operations.migrate(here)
        database = stack.enter_context(connect(str(here.database_url), autocommit=True))
        dagsters = stack.enter_context(connect(storage_url(here), autocommit=True))
        [server] = [each for each in held.servers if isinstance(each, PostgresqlServer)]
        superuser = stack.enter_context(connect(server.admin_url(), autocommit=True))
        monitor(database, PER_DAY)
        home = environment(here, COLLECTION)["DAGSTER_HOME"]
        monkeypatch.setenv("ACTIONSIGHT_DAGSTER_DATABASE_URL", dagster_database_url(here))
        instance = stack.enter_context(DagsterInstance.from_config(home))
        workflow = world.add_workflow(repository)
        yield Year(here, database, dagsters, superuser, instance, workflow, world)


def test_a_year_ends_with_the_rows_bytes_and_files_of_four_months(year: Year) -> None:
    found: list[Found] = []
    for number in range(STEPS):
        year.step(number)
        found.append(year.found())
    months, end = found[FOUR_MONTHS], found[-1]
    print("after four months:", months, "after a year:", end, sep="\n")  # noqa: T201
    until, after = found[: FOUR_MONTHS + 1], found[FOUR_MONTHS + 1 :]
    # A week's payloads go together, so it is not the same number at each step.
    most_rows = {name: max(each.rows.get(name, 0) for each in until) for name in end.rows}
    grown = {
        name: (most_rows[name], count)
        for name, count in end.rows.items()
        if count > most_rows[name]
    }
    print("rows, at most in four months and after a year:", grown)  # noqa: T201
    bounded = {
        name
        for name in end.rows
        if name in BOOKKEEPING or not (name in HISTORY or name.startswith(MADE_OF_IT))
    }
    assert {name: rows for name, rows in grown.items() if name in bounded} == {}
    for part in end.files.keys() - {"postgres"}:
        most = max(each.files[part] for each in until)
        assert max(each.files[part] for each in after) <= most, part
    assert _most_files(after) < 1.1 * _most_files(until)
    # PostgreSQL keeps as many segments of its log as it needed lately.
    assert _most_bytes_but_history(after) < 1.2 * _most_bytes_but_history(until)
    days = (PER_DAY.repositories + 1) * STEPS * STEP.days
    assert end.rows["raw.polls_by_day"] <= days
    assert end.rows["raw.condensed_runs"] <= days * PER_DAY.runs
    assert end.rows["raw.condensed_jobs"] <= days * PER_DAY.runs * PER_DAY.jobs


def _most_files(found: list[Found]) -> int:
    return max(each.files.total() for each in found)


def _most_bytes_but_history(found: list[Found]) -> int:
    return max(each.bytes.total() - each.kept_bytes for each in found)
