"""`actionsight worker`: this machine does runs of an installation on others."""

import os

import click

from actionsight.local import worker
from actionsight.local.installation import check_checkout
from actionsight.settings import ROOT, load


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
    settings = load()
    worker.check(settings)
    environment = worker.environment_of_worker(settings)
    arguments = worker.command(settings, concurrency)
    os.chdir(ROOT)
    # In place of this process, so that signals are Celery's.
    os.execve(arguments[0], arguments, environment)  # noqa: S606 no shell is wanted
