"""The real servers that the tests talk to: started once a session, emptied or cloned per test."""

import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

from psycopg import Connection, sql

from actionsight import migrations
from actionsight.database import connect, with_database
from actionsight.local import PostgresqlServer, hold
from actionsight.local.postgresql import NAME
from actionsight.settings import load
from ingestion.github.raw_tables import prepare

# A crash of the machine may lose these databases; a crash of a process may not.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
TEMPLATE = "migrated"


class Databases:
    """Makes databases on the session's server: an empty one, or a clone of a migrated one."""

    def __init__(
        self, server: PostgresqlServer, server_url: str, admin: Connection[Any], scratch: Path
    ) -> None:
        self.server = server
        self.server_url = server_url
        self._admin = admin
        self._scratch = scratch
        self._templates: set[str] = set()

    @contextmanager
    def fresh(self, name: str | None = None, *, template: str = "template1") -> Generator[str]:
        """A database of one's own for the length of the context; gives its address."""
        name = name or f"test_{uuid.uuid4().hex}"
        # By files, which costs half of what it costs through the log.
        self._execute(
            "create database {} template {} owner {} strategy file_copy", name, template, NAME
        )
        try:
            yield with_database(self.server_url, name)
        finally:
            self._execute("drop database {} with (force)", name)

    @contextmanager
    def migrated(self, name: str | None = None) -> Generator[str]:
        """As `fresh`, with all that `actionsight migrate` makes."""
        if TEMPLATE not in self._templates:
            self._execute("create database {} owner {}", TEMPLATE, NAME)
            migrate(with_database(self.server_url, TEMPLATE), self._scratch)
            self._templates.add(TEMPLATE)
        with self.fresh(name, template=TEMPLATE) as url:
            yield url

    @contextmanager
    def reused(self, prepare: Callable[[str], None] = lambda _: None) -> Generator["Reused"]:
        """A migrated database for one test after another; `prepare` is given its address first."""
        with self.migrated() as url:
            prepare(url)
            with connect(self.as_superuser(url), autocommit=True) as connection:
                yield Reused(url, connection)

    def has_template(self, template: str) -> bool:
        """Whether `keep` was called for it."""
        return template in self._templates

    def keep(self, name: str, template: str) -> None:
        """Make what a database holds now a template for `fresh`."""
        self._execute(
            "create database {} template {} owner {} strategy file_copy", template, name, NAME
        )
        self._templates.add(template)

    def as_superuser(self, url: str) -> str:
        """The address of the same database for the server's superuser."""
        return with_database(self.server.admin_url(), urlsplit(url).path.lstrip("/"))

    def _execute(self, statement: LiteralString, *names: str) -> None:
        self._admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


class Reused:
    """A database that is emptied in place of being cloned, which costs a tenth of it.

    What is in a table before the first test stays, and so does what dlt knows of its tables.
    """

    def __init__(self, url: str, superuser: Connection[Any]) -> None:
        self._url = url
        self._superuser = superuser
        # Neither foreign keys nor triggers: the order does not matter, and nothing is noted of it.
        superuser.execute("set session_replication_role = replica")
        superuser.execute("set lock_timeout = '10s'")  # somebody forgot to end a transaction
        tables = [
            sql.Identifier(*names)
            for names in superuser.execute(
                """
                select schemaname, tablename from pg_tables
                where schemaname in ('app', 'raw', 'marts') and not starts_with(tablename, '_dlt')
                """
            ).fetchall()
        ]
        self._emptying = sql.SQL(" ").join(
            sql.SQL("delete from {};").format(table)
            for table in tables
            if not superuser.execute(sql.SQL("select from {} limit 1").format(table)).fetchone()
        )

    def emptied(self) -> str:
        """Take away what the test before left; gives the address."""
        self._superuser.execute(self._emptying)
        return self._url


def migrate(database_url: str, data_dir: Path) -> None:
    """Alembic's tables and the raw tables that collection makes."""
    migrations.upgrade(database_url)
    prepare(replace(load(environ={}), database_url=database_url, data_dir=data_dir))


@contextmanager
def databases(folder: Path) -> Generator[Databases]:
    """A PostgreSQL server for the length of the context."""
    server = PostgresqlServer(folder / "postgres", FAST)
    with hold(server) as url:
        _ease_passwords(url)
        _ease_passwords(server.admin_url())
        with connect(server.admin_url(), autocommit=True) as admin:
            yield Databases(server, url, admin, folder / "migration")


def _ease_passwords(url: str) -> None:
    """Hash once where 4096 times is usual: that is most of what a client spends on a connection."""
    with connect(url, autocommit=True) as connection:
        connection.execute("set scram_iterations = 1")
        connection.execute(
            sql.SQL("alter role current_user password {}").format(
                sql.Literal(urlsplit(url).password)
            )
        )
