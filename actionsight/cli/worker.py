"""`actionsight worker`: this machine does runs of an installation on others."""

import os

import click

from actionsight.local import worker
from actionsight.local.installation import check_checkout, environment, make_data_folder
from actionsight.settings import COLLECTION, ROOT, load


@click.command("worker")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    help="How many runs it does at once; without it, all that Dagster lets work at once.",
)
def worker_command(concurrency: int | None) -> None:
    """Do Dagster's runs here, for an installation whose runs go to workers, until Ctrl-C.

    Needs the addresses of its PostgreSQL, Redis servers and broker (ACTIONSIGHT_RUNS_BROKER_URL),
    and no folder of it. SIGTERM lets the runs that are under way end first.
    """
    check_checkout()
    settings = worker.of_installation(load())
    make_data_folder(settings.data_dir)
    arguments = worker.command(settings, concurrency)
    os.chdir(ROOT)
    # In place of this process, so that signals are Celery's.
    os.execve(arguments[0], arguments, environment(settings, COLLECTION))  # noqa: S606 no shell
