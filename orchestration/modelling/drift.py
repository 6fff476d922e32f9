"""Whether the marts are what a full refresh would make them: some of their scopes, computed again.

Nothing else proves it every day. Where a row differs it has just been made right; the check of that
mart says so.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetSelection,
    DefaultScheduleStatus,
    ScheduleDefinition,
    define_asset_job,
    multi_asset_check,
)
from psycopg import Connection, sql

from actionsight.backlog import is_build_owed
from actionsight.database import connect
from actionsight.settings import load
from orchestration.modelling import dbt_runner
from orchestration.modelling.assets import marts, project, translator
from orchestration.run_kinds import of_kind

SCOPES = 200
WAIT_SECONDS = 300
CHECK = "no_row_drifted"


@multi_asset_check(
    name=CHECK,
    specs=[
        AssetCheckSpec(
            CHECK,
            asset=translator.get_asset_key(mart),
            description=(
                f"Of up to {SCOPES} scopes at random, computed again, no row differed. One that"
                " does is right from then on; a full refresh (`dbt build --full-refresh`) makes"
                " all of them right."
            ),
        )
        for mart in marts()
    ],
    can_subset=True,
)
def no_row_drifted(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
    """Compute some scopes of each mart again and compare."""
    database_url = str(load().database_url)
    if not _wait_for_builds(database_url):
        context.log.info("Builds change rows all the time; the next check looks again.")
        return
    selected = {check.asset_key for check in context.selected_asset_check_keys}
    looked_at = [mart for mart in marts() if translator.get_asset_key(mart) in selected]
    with connect(database_url) as connection:
        before = _newest_build(connection)
        scopes = {mart["name"]: touch_some(connection, mart) for mart in looked_at}
    rows = dbt_runner.rows_written("--selector", "drift", project=project)
    with connect(database_url) as connection:
        is_disturbed = is_build_owed(database_url) or _newest_build(connection) != before
    for mart in looked_at:
        drifted = rows.get(mart["name"], 0)
        yield AssetCheckResult(
            asset_key=translator.get_asset_key(mart),
            check_name=CHECK,
            passed=not drifted,
            # What a build changed meanwhile differed, too.
            severity=AssetCheckSeverity.WARN if is_disturbed else AssetCheckSeverity.ERROR,
            metadata={
                "scopes": scopes[mart["name"]],
                "rows_that_differed": drifted,
                "was_disturbed_by_a_build": is_disturbed,
            },
        )


def _wait_for_builds(database_url: str) -> bool:
    """Wait until every load is built; gives whether that was so within some minutes."""
    end = time.monotonic() + WAIT_SECONDS
    while is_build_owed(database_url):
        if time.monotonic() > end:
            return False
        time.sleep(1)
    return True


def _newest_build(connection: Connection[Any]) -> datetime | None:
    newest = connection.execute("select max(built_at) from marts.built_loads").fetchone()
    return newest[0] if newest else None


def touch_some(connection: Connection[Any], mart: Mapping[str, Any]) -> int:
    """Put scopes of random rows of a mart (a node of dbt) into its queue; give how many."""
    table = sql.Identifier(mart["schema"], mart["name"])
    scope = sql.SQL(", ").join(map(sql.Identifier, mart["config"]["meta"]["scope"]))
    counted = connection.execute(
        "select greatest(reltuples, 1) from pg_class where oid = %s::regclass",
        [f"{mart['schema']}.{mart['name']}"],
    ).fetchone()
    # A sample of pages: nobody sorts ten million rows for two hundred.
    percent = min(100.0, 100.0 * 10 * SCOPES / counted[0]) if counted else 100.0
    return connection.execute(
        sql.SQL(
            """
            insert into {queue} ({scope}, reason)
            select {scope}, 'drift'
            from (select distinct {scope} from {table} tablesample system ({percent})) as scopes
            order by random()
            limit {scopes}
            """
        ).format(
            queue=sql.Identifier("intermediate", f"touched__{mart['name']}"),
            scope=scope,
            table=table,
            percent=sql.Literal(percent),
            scopes=sql.Literal(SCOPES),
        )
    ).rowcount


check_drift = define_asset_job(
    "check_drift",
    selection=AssetSelection.checks(no_row_drifted),
    description="Compute some scopes of each mart again: no row should differ.",
    tags=of_kind("drift"),
)
drift_schedule = ScheduleDefinition(
    name="check_marts_for_drift",
    job=check_drift,
    cron_schedule="37 4 * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
)
