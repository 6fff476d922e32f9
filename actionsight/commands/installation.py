"""What commands work on: the servers of this installation, and its database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from actionsight import operations
from actionsight.database import connect
from actionsight.installation import services, shows_demonstration
from actionsight.settings import Settings, load


@contextmanager
def servers() -> Iterator[Settings]:
    """The servers that are not configured elsewhere; gives settings with every address."""
    settings = load()
    with services(settings, demonstration=shows_demonstration(settings)) as held:
        yield held.settings


@contextmanager
def database() -> Iterator[tuple[Settings, psycopg.Connection[Any]]]:
    """A connection to a migrated database."""
    with servers() as here:
        operations.migrate(here)
        with connect(str(here.database_url)) as connection:
            yield here, connection
