"""Who asks a command to end is heard, also where an exception is dropped on its way."""

import os
import signal
import threading
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from actionsight.cli.main import Commands

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    umask = os.umask(0o077)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    os.umask(umask)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_a_library_swallows_is_remembered(number: signal.Signals) -> None:
    commands = Commands()

    @commands.command()
    @click.pass_obj
    def wait(ending: threading.Event) -> None:
        click.echo(f"before: {ending.is_set()}")
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            click.echo(f"after: {ending.is_set()}")

    result = CliRunner().invoke(commands, ["wait"])

    assert result.output == "before: False\nafter: True\n"


def test_an_interrupt_ends_a_command_that_does_not_handle_it() -> None:
    commands = Commands()

    @commands.command()
    def wait() -> None:
        signal.raise_signal(signal.SIGTERM)

    assert CliRunner().invoke(commands, ["wait"]).exit_code == 1
