"""`actionsight serve` and `actionsight check`: one process of an installation by itself."""

import click

from actionsight.local.installation import alone, check_checkout
from actionsight.local.parts import PARTS, become, is_well_alone
from actionsight.settings import load

_PART = click.argument("part", type=click.Choice(list(PARTS)))


@click.command()
@_PART
def serve(part: str) -> None:
    """Become one process of an installation, beside servers that run elsewhere.

    What `up` runs together, in containers or on machines of their own: every address and key that
    they share comes from settings.
    """
    chosen = PARTS[part]
    if chosen.needs_code_server:
        check_checkout()
    become(chosen, alone(load(), chosen.kind))


@click.command()
@_PART
def check(part: str) -> None:
    """Say whether the process that `serve` became in this container does its work."""
    chosen = PARTS[part]
    if not is_well_alone(chosen, alone(load(), chosen.kind)):
        raise click.ClickException(f"{chosen.label} does not do its work")
