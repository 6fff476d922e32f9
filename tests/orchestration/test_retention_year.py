"""A year of Dagster ends with as many rows, bytes and files as a third of it has.

Each five days some runs, ticks, reports and checks; what an installation has of them is hundreds of
times as much, and as old at most. Actionsight is upgraded every month.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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

from actionsight.database import connect
from actionsight.retention import due, remove
from actionsight.settings import load
from orchestration.retention import DAGSTER_RULES

pytestmark = [pytest.mark.integration, pytest.mark.thorough, pytest.mark.timeout(1200)]

BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)
STEP = timedelta(days=5)
# What was written just now is what is from after this; it is moved into the past.
NOW = BEGINNING + timedelta(days=500)
MOMENTS = (
    ("runs", "create_timestamp"),
    ("event_logs", "timestamp"),
    ("asset_check_executions", "create_timestamp"),
    ("job_ticks", "timestamp"),
)


def version(number: int) -> AssetsDefinition:
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


def work(instance: DagsterInstance, number: int) -> None:
    """What five days leave."""
    definitions = Definitions([version(number // 6)], jobs=[define_asset_job("build", "*")])
    for _ in range(2):
        job = definitions.resolve_job_def("build")
        assert job.execute_in_process(instance=instance).success
    for _ in range(5):
        instance.report_runless_asset_event(AssetMaterialization(["raw", "webhook_events"]))
        instance.create_tick(
            TickData(
                instigator_origin_id="drain",
                instigator_name="drain",
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.SKIPPED,
                timestamp=datetime.now(UTC).timestamp(),
                selector_id="drain",
            )
        )
    left = Path(instance.storage_directory()) / str(number)
    left.mkdir(parents=True)
    (left / "an output").touch()


def move(instance: DagsterInstance, database: psycopg.Connection[Any], at: datetime) -> None:
    """Let what was just written be from then."""
    for table, column in MOMENTS:
        database.execute(
            sql.SQL("update {0} set {1} = %s where {1} > %s").format(
                sql.Identifier(table), sql.Identifier(column)
            ),
            [at.replace(tzinfo=None), NOW.replace(tzinfo=None)],
        )
    for path in Path(instance.storage_directory()).rglob("*"):
        if path.stat().st_mtime > NOW.timestamp():
            os.utime(path, (at.timestamp(), at.timestamp()))


def rows(database: psycopg.Connection[Any]) -> dict[str, int]:
    """Of every table of Dagster's."""
    names = database.execute(
        "select tablename from pg_tables where schemaname = 'public' order by 1"
    ).fetchall()
    counted = {}
    for (name,) in names:
        query = sql.SQL("select count(*) from {}").format(sql.Identifier(name))
        [(counted[name],)] = database.execute(query).fetchall()
    return counted


def test_a_year_of_dagster_ends_with_what_four_months_have(
    postgresql_instance: DagsterInstance, empty_database_url: str
) -> None:
    instance, settings = postgresql_instance, load(environ={})
    found, sizes, files = [], [], []
    with connect(empty_database_url, autocommit=True) as database:
        for number in range(73):
            at = BEGINNING + number * STEP
            work(instance, number)
            move(instance, database, at)
            for rule, before in due(DAGSTER_RULES, settings, at + STEP):
                remove(rule, instance, before)
            database.execute("vacuum (analyze)")
            found.append(rows(database))
            [size] = database.execute("select pg_database_size(current_database())").fetchall()
            sizes.append(size[0])
            files.append(sum(1 for _ in Path(instance.root_directory).rglob("*")))
    print(sizes[24], files[24], found[24], sizes[-1], files[-1], found[-1], sep="\n")  # noqa: T201
    assert found[-1] == found[24]  # both in the first days of a version
    assert files[-1] == files[24]
    assert max(sizes[25:]) < 1.1 * max(sizes[:25])
