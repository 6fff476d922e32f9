"""A worker: a machine that does Dagster's runs, and nothing else of an installation.

Everything that it needs is somewhere else and has an address. What it writes itself need not last,
and nobody else reads it.
"""

import os
import sys

from actionsight import migrations
from actionsight.database import connect
from actionsight.local import dagster_home
from actionsight.local.installation import alone
from actionsight.settings import COLLECTION, Settings

BROKER_SECONDS = 5
ANSWER_SECONDS = 1
# Workers need not know of each other: PostgreSQL and the broker know who does what.
_ALONE = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


class WorkerError(RuntimeError):
    """Workers cannot be asked; the message says why."""


def of_installation(settings: Settings) -> Settings:
    """The settings of a worker: with every address, of servers elsewhere.

    Raises:
        SettingsError: names all that are missing.
        SchemaError: the database is not up to date; says what to do.
        psycopg.OperationalError: the database cannot be reached.
    """
    settings = alone(settings, COLLECTION, "runs_broker_url")
    with connect(str(settings.database_url)) as connection:
        migrations.check(connection)
    return settings


def count_answering(broker_url: str) -> int:
    """How many workers answer by a broker, within a second.

    Raises:
        WorkerError: the broker cannot be reached.
        MissingPackagesError: what asks it is not installed.
    """
    dagster_home.check_packages()
    # The other commands do not pay for importing it, and have it only where runs go to workers.
    from celery import Celery
    from kombu.exceptions import KombuError

    with Celery(broker=broker_url) as app, app.connection_for_read() as connection:
        try:
            connection.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
            return len(app.control.ping(timeout=ANSWER_SECONDS, connection=connection))
        except (KombuError, OSError) as error:
            raise WorkerError(f"the broker cannot be reached: {error}") from error


def command(settings: Settings, concurrency: int | None) -> list[str]:
    """Program and arguments of a worker.

    Args:
        concurrency: how many runs it does at once; None: as many as Dagster lets work at once, so
            that it can carry all of them when it is the last one.
    """
    return [
        *(sys.executable, "-m", "celery", "--quiet"),
        "--app=orchestration.launchers.celery_app",
        *("worker", f"--concurrency={concurrency or dagster_home.most_runs(settings)}"),
        # One machine may have several.
        f"--hostname={os.getpid()}@%h",
        *_ALONE,
    ]
