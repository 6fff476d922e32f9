"""How PostgreSQL reads what a mart needs."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.support.crossings import crossings
from tests.support.dbt_project import Project

pytestmark = pytest.mark.integration

# What grows with history; a plan may read all of the others.
LARGE = {
    "workflow_runs",
    "workflow_jobs",
    "webhook_runs",
    "webhook_jobs",
    "workflow_run_attempts",
    "jobs",
    "steps",
    "int_github__workflow_run_attempts",
    "int_github__jobs",
}
A_VALUE = {
    "bigint": sql.SQL("'1'::bigint"),
    "date": sql.SQL("'2026-03-01'::date"),
    "text": sql.SQL("'default_branch'::text"),
    "timestamp with time zone": sql.SQL("'2026-03-01 10:00+00'::timestamptz"),
    "uuid": sql.SQL("'00000000-0000-0000-0000-000000000000'::uuid"),
}


def test_of_a_few_scopes_no_large_table_is_read_whole(
    project: Project, database: psycopg.Connection[Any]
) -> None:
    marts = _compiled(project)
    # What has an index to be read by is read by it, however small it is here.
    database.execute("set enable_seqscan = off")

    read_whole = {
        (mart.name, table)
        for mart in marts
        for table in _read_whole(_plan(database, mart))
        if table in LARGE
    }

    assert len(marts) > 10
    assert read_whole == set()


# Of a repository are all rows of a mart; of a large staging view, too.
SPREAD = frozenset(
    {
        *LARGE,
        "stg_github__workflow_runs",
        "stg_github__workflow_jobs",
        "flaky_job_occurrences",
        "branch_health_intervals",
        "level_changes",
        "job_statistics_by_day",
        "workflow_statistics_by_day",
        "runner_statistics_by_hour",
    }
)


def test_joins_of_large_tables_hold_on_to_the_repository(project: Project) -> None:
    marts = _compiled(project)
    queries = [
        (mart.name, entry["query"])
        for mart in marts
        for entry in mart.config.meta["touched_by"]
        if "query" in entry
    ]

    statements = [*((mart.name, mart.compiled_code) for mart in marts), *queries]

    assert [(name, found) for name, text in statements if (found := crossings(text, SPREAD))] == []


@cache
def _compiled(project: Project) -> list[Any]:
    outcome = project.invoke("compile", "--select", "config.materialized:incremental")
    assert outcome.success, outcome.exception
    return [each.node for each in outcome.result if each.node.resource_type == "model"]


def _plan(database: psycopg.Connection[Any], mart: Any) -> dict[str, Any]:
    scope = [*mart.config.meta["scope"], *(["since"] if "since" in mart.config.meta else [])]
    row = database.execute(
        sql.SQL(
            "explain (format json) with touched ({}) as (values ({})), "
            "computed as materialized ({}) select * from computed"
        ).format(
            sql.SQL(", ").join(map(sql.Identifier, scope)),
            sql.SQL(", ").join(
                A_VALUE[
                    "timestamp with time zone" if name == "since" else mart.columns[name].data_type
                ]
                for name in scope
            ),
            sql.SQL(mart.compiled_code),
        )
    ).fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    return plan


def _read_whole(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for child in plan.get("Plans", []):
        yield from _read_whole(child)
