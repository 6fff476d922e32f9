"""`actionsight audit`: who changed what."""

import click

from actionsight import audit
from actionsight.cli.context import database


@click.command("audit")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
def audit_command(limit: int) -> None:
    """List the newest entries of the audit log, newest first."""
    with database() as (_, connection):
        entries = audit.newest(connection, limit)
    if not entries:
        click.echo("Nothing was changed yet.")
    for entry in entries:
        click.echo(entry.line())
