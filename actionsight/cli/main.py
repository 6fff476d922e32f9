"""The command `actionsight`: what an operator types."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import click
import psycopg

from actionsight import doctor, logs, operations, status
from actionsight.backups.errors import BackupError
from actionsight.cli.audit import audit_command
from actionsight.cli.backups import backup_command, restore_command, upgrade_postgresql_command
from actionsight.cli.context import database, servers
from actionsight.cli.dead_letters import dead_letters
from actionsight.cli.hooks import hooks
from actionsight.cli.people import people
from actionsight.cli.prices import prices
from actionsight.cli.repositories import repositories
from actionsight.cli.serve import check, serve
from actionsight.cli.service import install_service
from actionsight.cli.status import status_command
from actionsight.cli.tokens import tokens
from actionsight.cli.welcome import welcome
from actionsight.cli.worker import worker_command
from actionsight.local import EmbeddedServerError
from actionsight.local.dagster_home import MissingPackagesError
from actionsight.local.installation import (
    AlreadyRunningError,
    CheckoutError,
    CredentialError,
    Running,
    check_checkout,
    check_github,
    claimed_by_up,
    say_running,
    services,
    shows_demonstration,
)
from actionsight.local.processes import ProcessError
from actionsight.local.service_manager import ServiceManager
from actionsight.local.supervisor import (
    PortTakenError,
    Supervisor,
    check_ports,
    with_receiver_port,
)
from actionsight.local.unit import UnitError
from actionsight.migrations import SchemaError
from actionsight.runners import RunnerListError
from actionsight.settings import SettingsError, load

EXPECTED = (
    AlreadyRunningError,
    BackupError,
    CheckoutError,
    CredentialError,
    EmbeddedServerError,
    MissingPackagesError,
    PortTakenError,
    ProcessError,
    RunnerListError,
    SchemaError,
    SettingsError,
    UnitError,
    operations.OperationError,
    psycopg.OperationalError,
    OSError,
)


class Commands(click.Group):
    """Commands whose expected failures are one clear sentence, not a traceback."""

    def invoke(self, context: click.Context) -> Any:
        """Run a command."""
        os.umask(0o077)  # what any of them writes is for this user alone
        ending = context.ensure_object(threading.Event)

        def interrupt(_number: int, _frame: FrameType | None) -> None:
            # Python drops an exception that is raised amid a finaliser; the event stays.
            ending.set()
            raise KeyboardInterrupt

        # What was started is ended on the way out. SIGINT too is set: a shell starts background
        # jobs with it ignored.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, interrupt)
        try:
            return super().invoke(context)
        except PermissionError as error:
            raise click.ClickException(
                f"{error.filename} cannot be written: give this user the right to, or set "
                "ACTIONSIGHT_DATA_DIR to a folder of its own"
            ) from error
        except EXPECTED as error:
            raise click.ClickException(str(error).strip()) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="actionsight")
def main() -> None:
    """Self-hosted analytics for GitHub Actions.

    Settings come from the environment and from .env (see .env.example).
    """
    logs.configure(logging.WARNING)


@main.command()
@click.option("--demo", is_flag=True, help="Show recorded history although a credential is set.")
@click.pass_obj
def up(ending: threading.Event, demo: bool) -> None:
    """Start everything that is not configured elsewhere, and keep it running until Ctrl-C."""
    check_checkout()
    settings = load()
    manager = ServiceManager.of_this_process()
    demonstration = demo or shows_demonstration(settings)
    if not demonstration:
        check_github(settings)
    started = time.monotonic()
    with claimed_by_up(settings, demonstration=demonstration):
        check_ports(settings)
        if demonstration and not demo:
            _say(
                "No GitHub credential is set (ACTIONSIGHT_GITHUB_TOKEN): "
                "this is the demonstration, on recorded history."
            )
        _say("Starting PostgreSQL, the event buffer and the cache …")
        with services(settings, demonstration=demonstration) as held:
            here = with_receiver_port(held.settings)
            say_running(settings, Running(demonstration, here.receiver_port))
            _say("Bringing the database up to date …")
            operations.migrate(here)
            supervisor = Supervisor(here, held.servers, ending, _say)
            supervisor.end_on_signals()
            _say("Starting Dagster and the API …")
            try:
                with supervisor.running():
                    if not supervisor.is_ending:
                        _say(f"Ready after {time.monotonic() - started:.0f} s.")
                        _say(f"Health: {status.summary(settings)}\n")
                        _say(welcome(here, demonstration=demonstration))
                    with manager.watching(lambda: status.is_well(here)):
                        supervisor.watch()
                    _say("Ending …")
            finally:
                manager.tell("STOPPING=1")
                _say("Stopping the servers …")
    _say("Stopped; `make up` goes on with the same data.")


def _say(line: str) -> None:
    """Tell whoever watches; that nobody does any more, or that the disk is full on which it is
    noted, ends nothing."""
    with suppress(OSError):
        click.echo(line)


@main.command("doctor")
def doctor_command() -> None:
    """Say how this installation is set up, what works, and what to do where it does not."""
    for name in ("actionsight.github", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)  # findings say it
    findings = list(doctor.examine(load()))
    for finding in findings:
        click.echo(finding.line())
    if any(finding.is_wrong for finding in findings):
        sys.exit(1)


@main.command()
@click.pass_context
def openapi(context: click.Context) -> None:
    """Print the API's OpenAPI document; it needs no server and no database."""
    made = subprocess.run([sys.executable, "-m", "api.documentation", "openapi"], check=False)
    context.exit(made.returncode)


@main.command()
def migrate() -> None:
    """Bring the database up to date, load prices, and select the configured repositories."""
    with servers() as here:
        operations.migrate(here)
    click.echo("The database is up to date.")


@main.command()
@click.option("--sweep", is_flag=True, help="List the last 31 days again, due or not.")
def sync(sweep: bool) -> None:
    """Poll GitHub, drain the webhooks, build; exit 0 only when all of it is in the marts.

    History that is owed is read too, and what changed in the last 31 days where that was not looked
    at for a day.
    """
    with servers(asks_github=True) as here:
        operations.migrate(here)
        operations.sync(here, sweeps_all=sweep)
    click.echo("Everything that GitHub has is in the marts.")


@main.command()
@click.argument("repositories", nargs=-1)
@click.option("--since", required=True, help="The first day of history, as YYYY-MM-DD (UTC).")
def backfill(repositories: tuple[str, ...], since: str) -> None:
    """Collect the history of REPOSITORIES (of all monitored ones) since a day."""
    try:
        datetime.strptime(since, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise click.BadParameter(f"{since!r} is no day: write YYYY-MM-DD") from error
    with database(asks_github=True) as (here, _):
        operations.backfill(here, repositories, since)


for command in (
    serve,
    check,
    repositories,
    prices,
    dead_letters,
    hooks,
    tokens,
    people,
    audit_command,
    status_command,
    install_service,
    backup_command,
    restore_command,
    upgrade_postgresql_command,
    worker_command,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
