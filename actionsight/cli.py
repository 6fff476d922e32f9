"""The command `actionsight`: what an operator types."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import psycopg

from actionsight import api_tokens, doctor, operations
from actionsight.database import connect
from actionsight.embedded import EmbeddedServerError
from actionsight.installation import (
    AlreadyRunningError,
    claimed_by_up,
    services,
    shows_demonstration,
)
from actionsight.processes import ProcessError
from actionsight.repositories import add_selections, list_monitored, remove_selection
from actionsight.settings import Settings, SettingsError, load
from actionsight.supervisor import PortTakenError, Supervisor, check_ports
from actionsight.welcome import welcome

EXPECTED = (
    AlreadyRunningError,
    EmbeddedServerError,
    PortTakenError,
    ProcessError,
    SettingsError,
    operations.OperationError,
    psycopg.OperationalError,
    OSError,
)


class Commands(click.Group):
    """Commands whose expected failures are one clear sentence, not a traceback."""

    def invoke(self, context: click.Context) -> Any:
        """Run a command."""
        # As Ctrl-C: what was started is ended on the way out.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
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


@main.command()
@click.option("--demo", is_flag=True, help="Show recorded history although a credential is set.")
def up(demo: bool) -> None:
    """Start everything that is not configured elsewhere, and keep it running until Ctrl-C."""
    settings = load()
    demonstration = demo or shows_demonstration(settings)
    started = time.monotonic()
    with claimed_by_up(settings, demonstration=demonstration):
        check_ports(settings)
        if demonstration and not demo:
            click.echo(
                "No GitHub credential is set (ACTIONSIGHT_GITHUB_TOKEN): "
                "this is the demonstration, on recorded history."
            )
        click.echo("Starting PostgreSQL, the event buffer and the cache …")
        with services(settings, demonstration=demonstration) as here:
            click.echo("Bringing the database up to date …")
            operations.migrate(here)
            supervisor = Supervisor(here, say=click.echo)
            supervisor.end_on_signals()
            click.echo("Starting Dagster and the API …")
            try:
                with supervisor.running():
                    if not supervisor.is_ending:
                        supervisor.pages.launch("collect")
                        click.echo(f"Ready after {time.monotonic() - started:.0f} s.\n")
                        click.echo(welcome(here, demonstration=demonstration))
                    supervisor.watch()
                    click.echo("Ending …")
            finally:
                click.echo("Stopping the servers …")
    click.echo("Stopped; `make up` goes on with the same data.")


@main.command("doctor")
def doctor_command() -> None:
    """Say how this installation is set up, what works, and what to do where it does not."""
    findings = list(doctor.examine(load()))
    for finding in findings:
        click.echo(finding.line())
    if any(finding.is_wrong for finding in findings):
        sys.exit(1)


@main.command()
def migrate() -> None:
    """Bring the database up to date and select the configured repositories."""
    with _servers() as here:
        operations.migrate(here)
    click.echo("The database is up to date.")


@main.command()
def sync() -> None:
    """Poll GitHub once, drain the webhooks, build; exit 0 only when all of it is in the marts."""
    with _servers() as here:
        operations.migrate(here)
        operations.sync(here)
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
    with _servers() as here:
        operations.migrate(here)
        operations.backfill(here, repositories, since)


@main.group()
def repositories() -> None:
    """Say what is monitored."""


@repositories.command("add")
@click.argument("names", nargs=-1, required=True, metavar="OWNER/NAME…")
def add_repositories(names: tuple[str, ...]) -> None:
    """Monitor repositories; the next poll collects their history."""
    with _database() as (here, connection):
        try:
            added = add_selections(connection, names, again=True)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        connection.commit()
        operations.resolve(here, names)
    for name in names:
        click.echo(f"{name}: {'added' if name in added else 'is monitored already'}")


@repositories.command("list")
def list_repositories() -> None:
    """List what is monitored, and how far its collection has come."""
    with _database() as (_, connection):
        for row in list_monitored(connection):
            observed = (
                f"{row.observed_until:%Y-%m-%d %H:%M} UTC" if row.observed_until else "not yet"
            )
            history = f"{row.backfilled_from:%Y-%m-%d}" if row.backfilled_from else "not yet"
            click.echo(f"{row.name}\tobserved until {observed}\thistory since {history}")
            if row.trouble:
                click.echo(f"\t{row.trouble}")


@repositories.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="OWNER/NAME…")
def remove_repositories(names: tuple[str, ...]) -> None:
    """Stop monitoring repositories: their data stays, no answer shows it."""
    with _database() as (_, connection):
        unknown = [name for name in names if not remove_selection(connection, name)]
        connection.commit()
    if unknown:
        raise click.ClickException(f"not monitored: {', '.join(unknown)}")
    click.echo(f"No longer monitored: {', '.join(names)}")


@main.group("dead-letters")
def dead_letters() -> None:
    """Look at webhooks that could not be processed; process them again."""


@dead_letters.command("list")
@click.option("--all", "also_discarded", is_flag=True, help="Those that were discarded, too.")
def list_dead_letters(also_discarded: bool) -> None:
    """List them: delivery, event, when it came, how often it failed, and why."""
    _dead_letters("list", *(["--all"] if also_discarded else []))


@dead_letters.command("show")
@click.argument("delivery_id")
def show_dead_letter(delivery_id: str) -> None:
    """Print one with its headers and its body."""
    _dead_letters("show", delivery_id)


@dead_letters.command("replay")
@click.argument("delivery_ids", nargs=-1)
def replay_dead_letters(delivery_ids: tuple[str, ...]) -> None:
    """Process DELIVERY_IDS (all of them) again; what succeeds leaves the dead letters."""
    _dead_letters("replay", *delivery_ids)


@dead_letters.command("discard")
@click.argument("delivery_ids", nargs=-1, required=True)
def discard_dead_letters(delivery_ids: tuple[str, ...]) -> None:
    """Take DELIVERY_IDS off the list; their bytes are kept."""
    _dead_letters("discard", *delivery_ids)


def _dead_letters(*arguments: str) -> None:
    with _servers() as here:
        operations.migrate(here)
        went_well = operations.dead_letters(here, arguments)
    if not went_well:
        sys.exit(1)


@main.group()
def tokens() -> None:
    """Make and revoke bearer tokens for the API."""


@tokens.command("create")
@click.option("--name", default="unnamed", show_default=True, help="What the token is for.")
@click.option("--days", type=click.IntRange(1), help="Days until it expires (never, without).")
def create_token(name: str, days: int | None) -> None:
    """Print a new token, once; it has an operator's rights."""
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    with _database() as (_, connection):
        _, token = api_tokens.create_token(connection, name, expires_at=expires_at)
        connection.commit()
    click.echo(token)


@tokens.command("list")
def list_tokens() -> None:
    """List the tokens: number, name, and when it was made, last used, expires or was revoked."""
    with _database() as (_, connection):
        for token in api_tokens.list_tokens(connection):
            dates = (
                f"{label} {date:%Y-%m-%d}"
                for label, date in (
                    ("made", token.created_at),
                    ("last used", token.last_used_at),
                    ("expires", token.expires_at),
                    ("revoked", token.revoked_at),
                )
                if date
            )
            click.echo(f"{token.token_id}\t{token.name}\t{', '.join(dates)}")


@tokens.command("revoke")
@click.argument("token_id", type=int)
def revoke_token(token_id: int) -> None:
    """Revoke the token with this number (see `tokens list`)."""
    with _database() as (_, connection):
        revoked = api_tokens.revoke_token(connection, token_id)
        connection.commit()
    if not revoked:
        raise click.ClickException(f"there is no valid token with the number {token_id}")
    click.echo(f"Token {token_id} is revoked.")


@contextmanager
def _servers() -> Iterator[Settings]:
    settings = load()
    with services(settings, demonstration=shows_demonstration(settings)) as here:
        yield here


@contextmanager
def _database() -> Iterator[tuple[Settings, psycopg.Connection[Any]]]:
    """A connection to a migrated database."""
    with _servers() as here:
        operations.migrate(here)
        with connect(str(here.database_url)) as connection:
            yield here, connection


if __name__ == "__main__":
    main()
