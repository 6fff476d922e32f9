"""Databases of the embedded server: written by pg_dump, read by pg_restore.

Their directory format suits any later version of PostgreSQL, any place, and roles of another
password.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from actionsight.backups.errors import BackupError
from actionsight.database import connect, with_database
from actionsight.local import PostgresqlServer
from actionsight.local.postgresql import DATABASES, PROGRAMS
from actionsight.local.server import Patience

# dlt empties and fills these for each load, and makes them where they are missing: a dump would
# make it wait.
PASSING_SCHEMAS = "raw_staging_*"
_VARIABLES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}


def dump(server: PostgresqlServer, database: str, folder: Path, say: Callable[[str], None]) -> None:
    """Write a database into a new folder.

    By one process and one connection: more would fail where somebody wants a table for themselves
    meanwhile, and would take the cores from what runs.

    Raises:
        BackupError: pg_dump failed.
    """
    say(f"Dumping the database {database} …")

    def progress(words: str) -> str:
        size = sum(file.stat().st_size for file in folder.glob("*"))
        return f"{words} ({size / 1e6:,.0f} MB so far)"

    _run(
        server,
        database,
        [
            *("pg_dump", "--format=directory", f"--file={folder}", "--compress=gzip:1"),
            f"--exclude-schema={PASSING_SCHEMAS}",
        ],
        progress,
        say,
    )


def load(
    server: PostgresqlServer, database: str, owner: str, folder: Path, say: Callable[[str], None]
) -> None:
    """Fill an empty database, whose objects are to be of `owner`, with what `dump` wrote.

    What other roles may do there is for `operations.migrate` to grant.

    Raises:
        BackupError: pg_restore failed.
    """
    say(f"Restoring the database {database} …")
    _run(
        server,
        database,
        [
            *("pg_restore", "--exit-on-error", "--no-owner", "--no-privileges"),
            *(f"--role={owner}", f"--jobs={os.cpu_count() or 1}", f"--dbname={database}"),
            str(folder),
        ],
        lambda words: words,
        say,
    )
    with connect(with_database(server.admin_url(), database), autocommit=True) as connection:
        connection.execute("analyze")


def dump_all(server: PostgresqlServer, folder: Path, say: Callable[[str], None]) -> None:
    """`dump` Actionsight's database and Dagster's, each into a folder of its name."""
    for database in DATABASES:
        dump(server, database, folder / database, say)


def load_all(server: PostgresqlServer, folder: Path, say: Callable[[str], None]) -> None:
    """`load` what `dump_all` wrote into the databases of a new server."""
    for database, (owner, _) in DATABASES.items():
        load(server, database, owner, folder / database, say)


def version_of(server: PostgresqlServer) -> str:
    """The version of a running server, as `18.4`."""
    with connect(server.admin_url()) as connection:
        return str(connection.info.parameter_status("server_version"))


def _run(
    server: PostgresqlServer,
    database: str,
    command: list[str],
    progress: Callable[[str], str],
    say: Callable[[str], None],
) -> None:
    """Run one of PostgreSQL's programs to its end; the password goes by the environment."""
    address = conninfo_to_dict(server.admin_url())
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
        **{variable: str(address[name]) for name, variable in _VARIABLES.items()},
        "PGDATABASE": database,
        "LC_ALL": "C",
    }
    patience = Patience(say)
    program, *arguments = command
    with tempfile.TemporaryFile() as messages:
        with subprocess.Popen(
            [str(PROGRAMS / "bin" / program), "--verbose", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=messages,
        ) as process:
            try:
                while process.poll() is None:
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(0.5)
                    patience.explain(progress(_last_line(messages.fileno())))
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            lines = os.pread(messages.fileno(), 10_000_000, 0).decode(errors="replace").splitlines()
            errors = [line for line in lines if " error: " in line] or lines[-1:]
            raise BackupError("\n".join(errors))


def _last_line(messages: int) -> str:
    """The end of a file to which a program writes; its place there is not ours to move."""
    size = os.fstat(messages).st_size
    lines = os.pread(messages, 500, max(0, size - 500)).decode(errors="replace").splitlines()
    return lines[-1] if lines else "…"
