"""PostgreSQL's advisory locks: the keys that all who take them have to agree on.

Any that nobody else takes: "AS" and a number each, but for the oldest one and for dbt's.
"""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

from psycopg import Connection

from actionsight.database import connect

# Held for each load by whoever collects: two loads at once would mix their rows.
LOADING_LOCK = 0x4153_0001
# Held for each batch by whoever writes webhooks into the raw tables: a drain, or a replay.
WEBHOOK_LOCK = 0x4153_0002
# Held by a collection as long as it lasts, for each slot of its shard (`actionsight.shards`), by
# the loops that it goes through: their name for people, and the first number of the lock. New runs
# and open ones are one matter, since one poll does both.
LOOP_LOCKS = {
    "head": ("poll", 0x4153_0003),
    "open": ("poll", 0x4153_0003),
    "sweep": ("sweep", 0x4153_0004),
    "backfill": ("backfill", 0x4153_0005),
}
# Held on Dagster's database by the process of a run as long as it works, with the run's own number.
RUN_LOCK = 0x4153_0006
# Held by who makes the embedded server's roles.
ROLES_LOCK = 0x4153_0007
# Held by who loads the lists of runners.
RUNNERS_LOCK = 0x4153_0008
# Held by who looks for changes of level, for each workflow.
LEVELS_LOCK = 0x4153_0009
# Held by who asks GitHub to deliver webhooks again.
RECOVERY_LOCK = 0x4153_000A
# Held by who migrates the database, or makes Dagster's.
MIGRATION_LOCK = 0x6163_7469_6F6E_7301
# Held by dbt while models change, shared by models that only write rows: the two names whose hashes
# are the key, as the macro `lock_key` gives them (transform/macros/locks.sql).
BUILD_LOCK = ("actionsight dbt", "build")


@contextmanager
def keeping(database_url: str) -> Generator[Connection[Any]]:
    """A connection for locks that are to be held while others work: in its one transaction.

    Not in a session, which a pooler hands to others. While the transaction is idle it has no
    snapshot, so it holds back no vacuum.

    Raises:
        psycopg.OperationalError: the server cannot be reached, or at the end: the connection was
            lost meanwhile, and the locks with it.
    """
    with connect(database_url) as connection:
        connection.execute("set local idle_in_transaction_session_timeout = 0")
        yield connection


def holder_of(connection: Connection[Any], number: int) -> str:
    """Who holds a lock in this database: session, role, where from, since when."""
    return _holder(connection, [(0, number, 1)]) or "nobody any more"


def holder_of_some(connection: Connection[Any], number: int, slots: Iterable[int]) -> str | None:
    """Who holds a lock of two numbers, the second of which is one of these; None: nobody."""
    return _holder(connection, [(number, slot, 2) for slot in slots])


def _holder(connection: Connection[Any], keys: list[tuple[int, int, int]]) -> str | None:
    row = connection.execute(
        """
        select
            format(
                'session %%s of %%s from %%s, which began %%s',
                activity.pid,
                activity.usename,
                coalesce(host(activity.client_addr), 'this machine'),
                to_char(activity.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
            )
        from pg_locks as locks
        inner join pg_stat_activity as activity using (pid)
        inner join unnest(%s::oid[], %s::oid[], %s::int2[]) as key (classid, objid, objsubid)
            using (classid, objid, objsubid)
        where locks.locktype = 'advisory' and locks.granted
            and locks.database = (select oid from pg_database where datname = current_database())
        limit 1
        """,
        [list(column) for column in zip(*keys, strict=True)],
    ).fetchone()
    return str(row[0]) if row else None
