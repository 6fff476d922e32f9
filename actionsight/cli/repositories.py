"""`actionsight repositories`: what is monitored."""

from typing import Any

import click
import psycopg

from actionsight import audit, operations
from actionsight.cli.context import database
from actionsight.purging import BusyError, purge_repository
from actionsight.repositories import (
    add_selections,
    find_removed,
    list_monitored,
    remove_selection,
)


@click.group()
def repositories() -> None:
    """Say what is monitored."""


@repositories.command("add")
@click.argument("names", nargs=-1, required=True, metavar="OWNER/NAME…")
def add_repositories(names: tuple[str, ...]) -> None:
    """Monitor repositories; the next poll collects their history."""
    with database() as (here, connection):
        try:
            added = add_selections(connection, names, again=True)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        for name in added:
            audit.record(connection, "repository.added", full_name=name)
        connection.commit()
        operations.resolve(here, names)
    for name in names:
        click.echo(f"{name}: {'added' if name in added else 'is monitored already'}")


@repositories.command("list")
def list_repositories() -> None:
    """List what is monitored, and how far its collection has come."""
    with database() as (_, connection):
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
@click.option("--purge", is_flag=True, help="Delete their data, too.")
def remove_repositories(names: tuple[str, ...], purge: bool) -> None:
    """Stop monitoring repositories: their data stays, no answer shows it."""
    with database() as (_, connection):
        unknown = [name for name in names if not remove_selection(connection, name)]
        for name in names:
            if name not in unknown:
                audit.record(connection, "repository.removed", full_name=name)
        connection.commit()
        if purge:
            for name in names:
                _purge(connection, name)
    if unknown and not purge:
        raise click.ClickException(f"not monitored: {', '.join(unknown)}")
    click.echo(f"{'Purged' if purge else 'No longer monitored'}: {', '.join(names)}")


def _purge(connection: psycopg.Connection[Any], name: str) -> None:
    repository_id = find_removed(connection, name)
    if repository_id is None:
        raise click.ClickException(f"{name}: nothing is known of it")
    try:
        purge_repository(connection, repository_id)
    except BusyError as error:
        raise click.ClickException(f"{name}: {error}") from error
    audit.record(connection, "repository.purged", repository_id=repository_id, full_name=name)
    connection.commit()
