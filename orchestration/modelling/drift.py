"""Whether the marts are what a full refresh would make them: some of their scopes, computed again.

Nothing else proves it every day. Where a row differs it has just been made right; the check says
where.
"""

import json
from typing import Any

from dagster import (
    DefaultScheduleStatus,
    Failure,
    OpExecutionContext,
    ScheduleDefinition,
    job,
    op,
)
from psycopg import Connection, sql

from actionsight.backlog import is_build_owed
from actionsight.database import connect
from actionsight.settings import load
from orchestration.modelling import dbt_runner
from orchestration.modelling.assets import project

SCOPES = 200


@op(description="Compute some scopes of each mart again and compare; fails where a row differs.")
def recompute_scopes(context: OpExecutionContext) -> None:
    database_url = str(load().database_url)
    if is_build_owed(database_url):
        context.log.info("Loads wait for a build, which changes rows; the next check looks again.")
        return
    with connect(database_url) as connection:
        marts = _marts()
        for mart in marts:
            touch_some(connection, mart)
    rows = dbt_runner.rows_written("--selector", "drift", project=project)
    context.log.info("%d marts were computed again in part", len(marts))
    drifted = {name: count for name, count in rows.items() if count}
    if drifted:
        raise Failure(
            "Rows of marts differed from what their parents say, and are right now: "
            + ", ".join(f"{name} ({count})" for name, count in sorted(drifted.items()))
            + ". A full refresh (`dbt build --full-refresh`) makes all of them right."
        )


def _marts() -> list[dict[str, Any]]:
    nodes = json.loads(project.manifest_path.read_text(encoding="utf-8"))["nodes"].values()
    return [
        node
        for node in nodes
        if node["resource_type"] == "model" and node["config"]["materialized"] == "incremental"
    ]


def touch_some(connection: Connection[Any], mart: dict[str, Any]) -> None:
    """Put scopes of random rows of a mart (a node of dbt's manifest) into its queue."""
    table = sql.Identifier(mart["schema"], mart["name"])
    scope = sql.SQL(", ").join(map(sql.Identifier, mart["config"]["meta"]["scope"]))
    counted = connection.execute(
        "select greatest(reltuples, 1) from pg_class where oid = %s::regclass",
        [f"{mart['schema']}.{mart['name']}"],
    ).fetchone()
    # A sample of pages: nobody sorts ten million rows for two hundred.
    percent = min(100.0, 100.0 * 10 * SCOPES / counted[0]) if counted else 100.0
    connection.execute(
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
    )


@job(description="Compute some scopes of each mart again: no row should differ.")
def check_drift() -> None:
    recompute_scopes()


drift_schedule = ScheduleDefinition(
    name="check_marts_for_drift",
    job=check_drift,
    cron_schedule="37 4 * * *",
    execution_timezone="UTC",
    default_status=DefaultScheduleStatus.RUNNING,
)
