"""`actionsight dead-letters`: webhooks that could not be processed."""

import sys

import click

from actionsight import operations
from actionsight.cli.context import database


@click.group("dead-letters")
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
    with database() as (here, _):
        went_well = operations.dead_letters(here, arguments)
    if not went_well:
        sys.exit(1)
