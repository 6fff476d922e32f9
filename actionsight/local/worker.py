"""A worker: a machine that does Dagster's runs, and nothing else of an installation.

Everything that it needs is somewhere else and has an address. What it writes itself need not last,
and nobody else reads it.
"""

import dataclasses
import os
import sys

from actionsight import migrations
from actionsight.database import connect
from actionsight.local import dagster_home
from actionsight.local.installation import environment, make_data_folder
from actionsight.settings import COLLECTION, SETTINGS, Settings

# What `actionsight up` would start, or make, in its data folder.
_ELSEWHERE = {"database_url", "redis_url", "cache_url", "runs_broker_url", "secret_key"}
BROKER_SECONDS = 5
ANSWER_SECONDS = 1
# Workers need not know of each other: PostgreSQL and the broker know who does what.
_ALONE = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


class WorkerError(RuntimeError):
    """There is no installation to work for; the message says what is missing."""


def check(settings: Settings) -> None:
    """Raise unless this machine can work for an installation.

    Raises:
        WorkerError: names all settings that are missing.
        SchemaError: the database is not up to date; says what to do.
        psycopg.OperationalError: the database cannot be reached.
    """
    missing = [
        setting.name
        for setting in SETTINGS
        if setting.attribute in _ELSEWHERE and getattr(settings, setting.attribute) is None
    ]
    if missing:
        raise WorkerError(
            f"a worker starts no servers and shares no folder: set {', '.join(missing)}, as they "
            "are where `actionsight up` runs"
        )
    with connect(str(settings.database_url)) as connection:
        migrations.check(connection)


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


def environment_of_worker(settings: Settings) -> dict[str, str]:
    """What a worker's process is told; its data folder is made."""
    make_data_folder(settings.data_dir)
    return environment(dataclasses.replace(settings, api_database_url=None), COLLECTION)


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
