"""A random history as dbt built it once, for tests that ask of marts or change them."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from actionsight.database import connect
from tests.support.dbt_project import NAME, Project, built_database, environment_of_dbt
from tests.support.services import Databases
from tests.transform.histories import WORKFLOWS, History
from tests.transform.raw_rows import load

HISTORY = "history"


@contextmanager
def history_database(server: Databases, folder: Path) -> Generator[str]:
    """A database with the history's marts, whose repositories are monitored, of the test's own.

    The environment names it to dbt for the length of the context.
    """
    if not server.has_template(HISTORY):
        with built_database(server, folder) as url:
            _load(url)
            Project().run()
            server.keep(NAME, HISTORY)
    with server.fresh(NAME, template=HISTORY) as url, environment_of_dbt(url, folder / "dbt"):
        yield url


def _load(url: str) -> None:
    with connect(url) as connection:
        for number, rows in enumerate(History.of(7).batches(1)):
            load(connection, f"load-{number}", rows)
        for repository_id in set(WORKFLOWS.values()):
            connection.execute(
                "insert into app.repositories (repository_id, full_name) values (%s, %s)",
                [repository_id, f"acme/{repository_id}"],
            )
