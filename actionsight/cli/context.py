"""What commands work on: the servers of this installation, and its database."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg

from actionsight import migrations
from actionsight.database import connect
from actionsight.local.installation import check_github, services, shows_demonstration
from actionsight.settings import Settings, load


@contextmanager
def servers(*, asks_github: bool = False) -> Generator[Settings]:
    """The servers that are not configured elsewhere; gives settings with every address.

    Raises:
        CredentialError: GitHub is to be asked, and nothing says as whom.
    """
    settings = load()
    demonstration = shows_demonstration(settings)
    if asks_github and not demonstration:
        check_github(settings)
    with services(settings, demonstration=demonstration) as held:
        yield held.settings


@contextmanager
def database(*, asks_github: bool = False) -> Generator[tuple[Settings, psycopg.Connection[Any]]]:
    """A connection to a database that is up to date; what looks or notes never migrates.

    Raises:
        SchemaError: it is not up to date; says what to do.
    """
    with servers(asks_github=asks_github) as here, connect(str(here.database_url)) as connection:
        migrations.check(connection)
        yield here, connection
