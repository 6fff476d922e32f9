"""`actionsight prices`: what a minute on a runner costs, and which labels mean which runner."""

import click

from actionsight.cli.context import database
from actionsight.runners import LABELS, PRICES, load, loaded_rows


@click.group()
def prices() -> None:
    """Say what runners cost, and which labels mean which class of runner.

    The shipped lists count, and over them your own: runner_prices.csv and runner_labels.csv in the
    data folder (docs/operators.md, Prices).
    """


@prices.command("load")
def load_prices() -> None:
    """Load what changed in the lists; the next build computes anew what it concerns."""
    with database() as (here, connection):
        changes = load(connection, here.data_dir)
    for name, of_list in changes.items():
        click.echo(
            f"{name}: {of_list.added} added, {of_list.changed} changed, {of_list.removed} removed"
        )


@prices.command("list")
def list_prices() -> None:
    """List what is loaded: prices by their first day, patterns in the order of their trial."""
    with database() as (_, connection):
        for row in loaded_rows(connection, PRICES):
            free = "free on public repositories" if row["is_standard"] else "never free"
            click.echo(
                f"{row['runner_class']}\tfrom {row['valid_from']}\t"
                f"{row['usd_per_minute'].normalize():f} USD a minute\t{free}\t{row['source']}"
            )
        for row in loaded_rows(connection, LABELS):
            click.echo(f"{row['label_pattern']}\t{row['runner_class']}\t{row['source']}")
