"""`actionsight repositories`: what is monitored."""

import click

from actionsight import operations
from actionsight.commands.installation import database
from actionsight.repositories import add_selections, list_monitored, remove_selection


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
def remove_repositories(names: tuple[str, ...]) -> None:
    """Stop monitoring repositories: their data stays, no answer shows it."""
    with database() as (_, connection):
        unknown = [name for name in names if not remove_selection(connection, name)]
        connection.commit()
    if unknown:
        raise click.ClickException(f"not monitored: {', '.join(unknown)}")
    click.echo(f"No longer monitored: {', '.join(names)}")
