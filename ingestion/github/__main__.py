"""Collect from GitHub without Dagster: prepare the tables, resolve names, poll, read history."""

import json
import logging
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime

import click

from actionsight.database import connect
from actionsight.github.errors import GitHubError
from actionsight.repositories import add_selections
from actionsight.settings import Settings, SettingsError, load
from actionsight.shards import ALL, Shard
from ingestion.cli import TROUBLE, log_to_stderr, run
from ingestion.database_errors import LoadError
from ingestion.github.raw_tables import prepare

logger = logging.getLogger(__name__)


@click.group(help=__doc__)
@click.option("--quiet", is_flag=True, help="Say nothing but what goes wrong.")
def cli(quiet: bool) -> None:
    log_to_stderr(quiet=quiet)
    logging.getLogger("urllib3").setLevel(logging.ERROR)


@cli.command("prepare")
def prepare_command() -> None:
    """Make the raw tables, their keys and indexes, where they are missing."""
    prepare(load())


@cli.command("resolve")
@click.argument("names", nargs=-1, required=True, metavar="OWNER/NAME...")
def resolve_command(names: Sequence[str]) -> None:
    """Monitor repositories and look each up at GitHub at once."""
    from ingestion.github.loops.repositories import resolve_selections
    from ingestion.github.sync import start_sync

    with start_sync(load(), loops=()) as sync:
        add_selections(sync.connection, names, again=True)
        _end_with(resolve_selections(sync, names))


@cli.command("poll")
@click.option(
    "--loop",
    "loops",
    type=click.Choice(["head", "open", "sweep", "backfill"]),
    multiple=True,
    help="Only this loop (may be given several times); all of them when left out.",
)
@click.option(
    "--shard",
    default=str(ALL),
    show_default="all",
    help="Only this part of what is monitored: 2/4 is the second of four.",
)
def poll_command(loops: Sequence[str], shard: str) -> None:
    """Collect all that is new in every monitored repository, and history that is still owed."""
    _collect(load(), (), None, loops, Shard.parse(shard))


@cli.command("look")
def look_command() -> None:
    """Poll for as long as nothing is new; 0 when all that GitHub has is stored, 1 when it is not.

    What is new is left to a poll, with all that this leads to.
    """
    from ingestion.github import stages
    from ingestion.github.loader import WouldLoadError
    from ingestion.github.sync import start_sync

    try:
        with start_sync(load(), loops=("head", "open"), is_watched=True, only_looks=True) as sync:
            results = [
                # First, since it is runs that are new most often.
                stages.collect_runs(sync),
                stages.collect_repositories(sync),
                stages.collect_jobs(sync),
            ]
    except WouldLoadError:
        logger.info("GitHub has something new")
        raise click.exceptions.Exit(TROUBLE) from None
    _end_with(results[-1].troubles | results[1].refused)


@cli.command("backfill")
@click.argument("names", nargs=-1, metavar="[OWNER/NAME]...")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    help="The first day of history to collect, UTC.",
)
def backfill_command(names: Sequence[str], since: datetime) -> None:
    """Collect the history of some or all monitored repositories, back to a day.

    It can be stopped and started again: what is stored is not asked for again.
    """
    _collect(load(), names, since.replace(tzinfo=UTC), ("head", "open", "backfill"))


@cli.command("check")
@click.argument("names", nargs=-1, metavar="[OWNER/NAME]...")
def check_command(names: Sequence[str]) -> None:
    """Say as whom GitHub is asked and what that may read: a line of JSON for each finding."""
    from actionsight.github.credential_router import CredentialRouter
    from actionsight.github.diagnostics import RETRY_POLICY, check

    settings = load()
    router = CredentialRouter(settings, retry_policy=RETRY_POLICY)
    try:
        for finding in check(router, names or settings.repositories):
            click.echo(json.dumps(asdict(finding)))
    finally:
        router.close()


def _collect(
    settings: Settings,
    names: Sequence[str],
    since: datetime | None,
    loops: Sequence[str],
    shard: Shard = ALL,
) -> None:
    from ingestion.github import stages
    from ingestion.github.progress import bars
    from ingestion.github.sync import LOOPS, start_sync

    if settings.database_url is None:
        raise click.ClickException("ACTIONSIGHT_DATABASE_URL is not set: where should the rows go?")
    with connect(settings.database_url, autocommit=True) as connection:
        add_selections(connection, settings.repositories)
    chosen = [loop for loop in LOOPS if not loops or loop in loops]
    with (
        bars() if since is not None else nullcontext(stages.NO_PROGRESS) as progress,
        start_sync(settings, loops=chosen, shard=shard, only=names, is_watched=True) as sync,
    ):
        results = [
            stages.collect_repositories(sync),
            stages.collect_runs(sync, since, progress=progress),
            stages.collect_jobs(sync, progress=progress),
        ]
        unknown = {name.lower() for name in names} - sync.monitored_names()
    for result in results:
        for table, seen in result.rows_seen.items():
            changed = result.rows_changed.get(table, 0)
            logger.info("%s: %s seen, %s new or changed", table, f"{seen:,}", f"{changed:,}")
    requests = sum(result.request_count for result in results)
    unchanged = sum(result.unchanged_count for result in results)
    logger.info("%s requests, %s of them answered as unchanged", f"{requests:,}", f"{unchanged:,}")
    not_monitored = dict.fromkeys(sorted(unknown), "is not monitored")
    _end_with(results[-1].troubles | results[0].refused | not_monitored)


def _end_with(troubles: dict[str, str]) -> None:
    for name, trouble in troubles.items():
        click.echo(f"{name}: {trouble}", err=True)
    if troubles:
        raise click.exceptions.Exit(TROUBLE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives its exit code."""
    return run(
        cli,
        arguments,
        program="python -m ingestion.github",
        stopped="stopped; the next collection goes on from here",
        expected=(GitHubError, LoadError, SettingsError, ValueError),
    )


if __name__ == "__main__":
    sys.exit(main())
