"""Builds by the SQL that dbt renders for them, without dbt: a tenth of what a build costs.

What a full refresh asks PostgreSQL is noted once; a build is the same statements in the same order.
"""

import re
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from actionsight.database import connect
from tests.support.dbt_project import BUILT, Project, built_database
from tests.support.services import Databases
from tests.transform.factories import run_row
from tests.transform.histories import History
from tests.transform.raw_rows import load

A_LOAD = "'the load that is noted'"


@dataclass
class Mart:
    """What is asked for one mart."""

    name: str
    is_waited_for: sql.Composed
    touch_everything: bytes
    passing: list[bytes]


@dataclass
class Rendered:
    """What a build asks: to take loads in, and for each mart, parents first."""

    take_in: str
    marts: list[Mart]


class RenderedBuilds:
    """Builds of a database, in one transaction."""

    def __init__(self, database: psycopg.Connection[Any], rendered: Rendered) -> None:
        self.database = database
        self._rendered = rendered

    def run(self, *, dies_after: int | None = None) -> None:
        """Take in what was loaded, and pass over the marts in whose queues something waits.

        A build that dies has passed over so many marts before: each is one transaction.
        """
        loads = self.database.execute("delete from raw.unbuilt_loads returning load_id").fetchall()
        names = ", ".join("'{}'".format(name.replace("'", "''")) for (name,) in loads)
        self.database.execute(self._rendered.take_in.replace(A_LOAD, names or "null").encode())
        for mart in self._rendered.marts[:dies_after]:
            self._pass_over(mart)

    def refresh(self) -> None:
        """Compute all there is anew."""
        for mart in self._rendered.marts:
            self.database.execute(mart.touch_everything)
            self._pass_over(mart)

    def _pass_over(self, mart: Mart) -> None:
        if self.database.execute(mart.is_waited_for).fetchone() == (True,):
            for query in mart.passing:
                self.database.execute(query)


class EmptyDatabases:
    """Gives the same database again and again, as empty as the first time."""

    def __init__(self, database: psycopg.Connection[Any], rendered: Rendered) -> None:
        self._database = database
        self._rendered = rendered

    @contextmanager
    def builds(self) -> Generator[RenderedBuilds]:
        """Of what happens in the context nothing stays."""
        with self._database.transaction(force_rollback=True):
            yield RenderedBuilds(self._database, self._rendered)


@contextmanager
def empty_databases(server: Databases, folder: Path) -> Generator[EmptyDatabases]:
    """A database whose marts are empty, and what is asked to build them."""
    with built_database(server, folder) as url, connect(url, autocommit=True) as database:
        rendered = _render(database)
    with server.fresh(template=BUILT) as url, connect(url, autocommit=True) as database:
        yield EmptyDatabases(database, rendered)


def _render(database: psycopg.Connection[Any]) -> Rendered:
    # Where rows stand, others are compared with them.
    load(database, "load 1", History.of(3, run_count=30).batches(1)[0])
    Project().run()
    name = A_LOAD.strip("'")
    load(database, name, {"workflow_runs": [run_row(1, 1, "2026-03-01T10:00:00Z")]})
    asked: dict[str, list[str]] = defaultdict(list)

    def note(event: Any) -> None:
        if event.info.name == "SQLQuery":
            asked[event.data.node_info.node_name].append(_rendered(event.data.sql))

    arguments = ("run", "--full-refresh", "--select", "config.materialized:incremental")
    outcome = Project().invoke(*arguments, callbacks=(note,))
    assert outcome.success, outcome.exception
    [take_in] = [query for queries in asked.values() for query in queries if A_LOAD in query]
    # In the order in which they began, which is after the end of their parents.
    marts = [
        _mart(model, queries)
        for model, queries in asked.items()
        if any("create temporary table computed" in query for query in queries)
    ]
    return Rendered(take_in, marts)


def _rendered(query: str) -> str:
    """Without the comment that says who asks, the name of the database, and transactions."""
    return re.sub(r'/\*.*?\*/|"dbt"\.|\b(commit|begin)\s*(;|\Z)', "", query, flags=re.DOTALL)


def _mart(name: str, queries: list[str]) -> Mart:
    def place(words: str) -> int:
        return next(place for place, query in enumerate(queries) if words in query)

    computed = place("create temporary table computed")
    passing = [
        queries[place("create temporary table touched")],
        queries[computed],
        next(query for query in queries[computed:] if "stored as materialized" in query),
        "drop table touched, computed",
    ]
    return Mart(
        name,
        sql.SQL("select exists (select from {})").format(
            sql.Identifier("intermediate", f"touched__{name}")
        ),
        queries[place(f"analyze intermediate.touched__{name}")].encode(),
        [query.encode() for query in passing],
    )
