"""What is remembered of a snapshot is asked again as soon as anything could be another."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql

from actionsight.database import SNAPSHOT
from api.auth.permissions import RepositoryRoles
from api.auth.visibility import visible_to
from api.database import Database
from api.snapshots import Memo
from tests.api.marts import Marts
from tests.support.questions import recorded

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, database_url)
    yield database
    database.close()


def snapshot_of(database: Database) -> str:
    with database.looking() as connection:
        (row,) = connection.execute(sql.SQL("select {} as snapshot").format(SNAPSHOT)).fetchall()
    return str(row["snapshot"])


def seen(database: Database) -> tuple[int, ...]:
    return visible_to(database, None, None, snapshot_of(database), HOUR).repository_ids


def test_what_nothing_changed_is_read_once(marts: Marts, database: Database) -> None:
    marts.repository(1, "acme/a")
    assert seen(database) == (1,)
    counts = []
    for _ in range(5):  # the server's own vacuum may end a snapshot
        with recorded() as statements:
            assert seen(database) == (1,)
        counts.append(len(statements))
    assert min(counts) == 1, "the name of the snapshot"


def test_a_transaction_counts_once_it_ends_whenever_it_began(
    marts: Marts, database: Database, database_url: str
) -> None:
    marts.repository(1, "acme/a")
    with psycopg.connect(database_url) as writer:
        writer.execute("update app.repositories set removed_at = now()")
        marts.repository(2, "acme/b")  # one that began later ends sooner
        assert seen(database) == (1, 2)
        writer.commit()
        assert seen(database) == (2,)


def test_public_ends_by_time_though_nothing_changes(marts: Marts, database: Database) -> None:
    marts.repository(1, "acme/a", visibility="public")
    (age,) = marts.connection.execute(
        "select now() - visibility_seen_at from app.repositories"
    ).fetchone() or (timedelta(),)
    nothing = _of_nobody(database)

    def sees(public_for: timedelta) -> tuple[int, ...]:
        return visible_to(database, 7, nothing, None, public_for).repository_ids

    ends = time.monotonic() + 30
    public_for = age + timedelta(seconds=0.5)
    assert sees(public_for) == (1,)
    while sees(public_for):
        assert time.monotonic() < ends, "it is still public"


def _of_nobody(database: Database) -> RepositoryRoles:
    with database.looking() as connection:
        (row,) = connection.execute("select now() as now").fetchall()
    return RepositoryRoles(row["now"], {})


def test_what_has_no_snapshot_is_not_kept(connection: Connection[Any]) -> None:
    memo: Memo[str, int] = Memo(2)
    memo.keep("replica", None, 1)
    assert memo.find("replica", None) is None
    for number, key in enumerate("abc"):
        memo.keep(key, "1:1:", number)
    assert [memo.find(key, "1:1:") for key in "abc"] == [None, 1, 2]
    assert memo.find("c", "1:2:") is None
