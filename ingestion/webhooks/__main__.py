"""Drain the webhooks without Dagster; look after those that did not come, or cannot be read."""

import json
import logging
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from psycopg import Connection

from actionsight.database import connect
from actionsight.event_buffer import DRAIN_TIMEOUT_SECONDS, EventBuffer
from actionsight.settings import Settings, SettingsError, load
from ingestion.cli import TROUBLE, log_to_stderr, run
from ingestion.webhooks.dead_letters import (
    DeadLetter,
    discard,
    find_dead_letter,
    list_dead_letters,
    replay,
)
from ingestion.webhooks.drain import DrainError, drain
from ingestion.webhooks.parse import UnreadableEventError, parse_body, raw_body
from ingestion.webhooks.recovery import recover

logger = logging.getLogger(__name__)

# What a tick of the sensor takes at most.
TICK_SECONDS = 10
LISTED_REASON = 80


@click.group(help=__doc__)
@click.option("--quiet", is_flag=True, help="Say nothing but what goes wrong.")
def cli(quiet: bool) -> None:
    log_to_stderr(quiet=quiet)


@cli.command("drain")
@click.option(
    "--wait",
    is_flag=True,
    help="Wait for another drain, and drain all that waits, however long that takes.",
)
def drain_command(wait: bool) -> None:
    """Move the buffered events into the database."""
    settings = load()
    if settings.redis_url is None:
        raise click.ClickException("ACTIONSIGHT_REDIS_URL is not set: where are the events?")
    buffer = EventBuffer(settings.redis_url, timeout_seconds=DRAIN_TIMEOUT_SECONDS)
    try:
        result = drain(
            _database_url(settings),
            buffer,
            seconds=None if wait else TICK_SECONDS,
            waits=wait,
        )
    finally:
        buffer.close()
    logger.info(
        "%s events: %s new, %s known, %s unreadable; %s runs, %s jobs",
        *(
            f"{count:,}"
            for count in (
                result.event_count,
                result.new_count,
                result.duplicate_count,
                result.dead_letter_count,
                result.run_count,
                result.job_count,
            )
        ),
    )
    if result.is_busy:
        logger.info("another drain is under way")
    if result.is_at_budget:
        logger.info("events are left for the next drain")


@cli.command("recover")
def recover_command() -> None:
    """Let GitHub deliver again what it could not deliver."""
    settings = load()
    _database_url(settings)
    recover(settings)


@cli.group("dead-letters")
def dead_letters() -> None:
    """Deliveries that could not be read."""


@dead_letters.command("list")
@click.option("--all", "with_discarded", is_flag=True, help="Those that were discarded, too.")
def list_command(with_discarded: bool) -> None:
    """List the deliveries that could not be read, oldest first."""
    with _database() as connection:
        letters = list_dead_letters(connection, with_discarded=with_discarded)
    if not letters:
        click.echo("There are no dead letters.")
        return
    header = ("DELIVERY", "EVENT", "RECEIVED (UTC)", "FAILURES", "REASON")
    rows = [header, *map(_listed, letters)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header) - 1)]
    for row in rows:
        columns = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*columns, row[-1]]))


@dead_letters.command("show")
@click.argument("delivery_id")
def show_command(delivery_id: str) -> None:
    """Show a delivery that could not be read: why, its headers, its body."""
    with _database() as connection:
        letter = find_dead_letter(connection, delivery_id)
    if letter is None:
        raise click.ClickException(f"there is no dead letter {_printable(delivery_id)}")
    failures = f"{letter.failure_count} times, last" if letter.failure_count > 1 else "once,"
    lines = [
        f"delivery   {letter.delivery_id}",
        f"event      {letter.event}",
        f"received   {letter.received_at:%Y-%m-%d %H:%M:%S} UTC",
        f"failed     {failures} {letter.failed_at:%Y-%m-%d %H:%M:%S} UTC",
        f"reason     {letter.error}",
    ]
    if letter.discarded_at is not None:
        lines.append(f"discarded  {letter.discarded_at:%Y-%m-%d %H:%M:%S} UTC")
    lines.append("headers")
    lines += [f"  {name}: {text}" for name, text in sorted(letter.headers.items())]
    lines.append("body")
    for line in lines:
        click.echo(_printable(line))
    for line in _body_of(letter).split("\n"):
        click.echo(_printable(line))


@dead_letters.command("replay")
@click.argument("delivery_ids", nargs=-1, metavar="[DELIVERY_ID]...")
def replay_command(delivery_ids: Sequence[str]) -> None:
    """Read deliveries again: these, or all that are not discarded."""
    with _database() as connection:
        result = replay(connection, delivery_ids)
    for delivery_id in result.moved:
        click.echo(f"{_printable(delivery_id)}: read")
    for delivery_id, reason in result.failures.items():
        click.echo(_printable(f"{delivery_id}: {reason}"), err=True)
    _complain(result.unknown)
    if result.failures or result.unknown:
        raise click.exceptions.Exit(TROUBLE)
    if not result.moved:
        click.echo("There are no dead letters.")


@dead_letters.command("discard")
@click.argument("delivery_ids", nargs=-1, required=True, metavar="DELIVERY_ID...")
def discard_command(delivery_ids: Sequence[str]) -> None:
    """Hide deliveries that nobody needs; they can still be shown and read again."""
    with _database() as connection:
        unknown = discard(connection, delivery_ids)
    _complain(unknown)
    if unknown:
        raise click.exceptions.Exit(TROUBLE)


def _complain(unknown: Sequence[str]) -> None:
    for delivery_id in unknown:
        click.echo(f"there is no dead letter {_printable(delivery_id)}", err=True)


def _listed(letter: DeadLetter) -> tuple[str, str, str, str, str]:
    discarded = "discarded: " if letter.discarded_at else ""
    reason = f"{discarded}{letter.error}"
    return (
        _printable(letter.delivery_id),
        _printable(letter.event),
        f"{letter.received_at:%Y-%m-%d %H:%M:%S}",
        f"{letter.failure_count:,}",
        _printable(reason if len(reason) <= LISTED_REASON else f"{reason[:LISTED_REASON]}…"),
    )


def _body_of(letter: DeadLetter) -> str:
    """The body, in lines where it is JSON."""
    try:
        return json.dumps(parse_body(letter.delivery), indent=2, ensure_ascii=False)
    except (UnreadableEventError, RecursionError):
        pass
    try:
        return raw_body(letter.delivery).decode(errors="backslashreplace")
    except UnreadableEventError as error:
        return f"{error}; as it was buffered:\n{letter.body!r}"


def _printable(text: str) -> str:
    """Text that a terminal shows and does not obey."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def _database_url(settings: Settings) -> str:
    if settings.database_url is None:
        raise click.ClickException("ACTIONSIGHT_DATABASE_URL is not set: where are the tables?")
    return settings.database_url


@contextmanager
def _database() -> Generator[Connection[Any]]:
    with connect(_database_url(load()), autocommit=True) as connection:
        yield connection


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives its exit code."""
    return run(
        cli,
        arguments,
        program="python -m ingestion.webhooks",
        stopped="stopped; the next drain goes on from here",
        expected=(DrainError, SettingsError),
    )


if __name__ == "__main__":
    sys.exit(main())
