"""Collect from GitHub without Dagster: prepare the tables, resolve names, poll, read history."""

import logging
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click
import psycopg

from actionsight.database import connect
from actionsight.repositories import add_selections
from actionsight.settings import Settings, SettingsError, load
from ingestion.github.errors import GitHubError, LoadError
from ingestion.github.prepare import prepare

logger = logging.getLogger(__name__)

TROUBLE = 1
INTERRUPTED = 130


@click.group(help=__doc__)
@click.option("--quiet", is_flag=True, help="Say nothing but what goes wrong.")
def cli(quiet: bool) -> None:
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(message)s",
        datefmt="%H:%M:%S",
    )
    logging.getLogger("urllib3").setLevel(logging.ERROR)


@cli.command("prepare")
def prepare_command() -> None:
    """Make the raw tables, their keys and indexes, where they are missing."""
    prepare(load())


@cli.command("resolve")
@click.argument("names", nargs=-1, required=True, metavar="OWNER/NAME...")
def resolve_command(names: Sequence[str]) -> None:
    """Monitor repositories and look each up at GitHub at once."""
    from ingestion.github.cycle import cycle
    from ingestion.github.repositories import resolve

    settings = load()
    with cycle(settings) as under_way:
        add_selections(under_way.connection, names, again=True)
        _end_with(resolve(under_way, names))


@cli.command("poll")
def poll_command() -> None:
    """Collect all that is new in every monitored repository, and history that is still owed."""
    _collect(load(), (), None)


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
    _collect(load(), names, since.replace(tzinfo=UTC))


def _collect(settings: Settings, names: Sequence[str], since: datetime | None) -> None:
    from ingestion.github import stages
    from ingestion.github.cycle import cycle

    if settings.database_url is None:
        raise click.ClickException("ACTIONSIGHT_DATABASE_URL is not set: where should the rows go?")
    with connect(settings.database_url, autocommit=True) as connection:
        add_selections(connection, settings.repositories)
    with cycle(settings, only=names) as under_way:
        results = [
            stages.collect_repositories(under_way),
            stages.collect_runs(under_way, since),
            stages.collect_jobs(under_way),
        ]
        unknown = {name.lower() for name in names} - under_way.monitored_names()
    for result in results:
        for table, seen in result.rows_seen.items():
            changed = result.rows_changed.get(table, 0)
            logger.info("%s: %s seen, %s new or changed", table, f"{seen:,}", f"{changed:,}")
    logger.info("%s requests", f"{sum(result.request_count for result in results):,}")
    not_monitored = dict.fromkeys(sorted(unknown), "is not monitored")
    _end_with(results[-1].troubles | results[0].refused | not_monitored)


def _end_with(troubles: dict[str, str]) -> None:
    for name, trouble in troubles.items():
        click.echo(f"{name}: {trouble}", err=True)
    if troubles:
        raise click.exceptions.Exit(TROUBLE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when all went well, 1 after saying what did not, 130 on Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = cli.main(
            args=arguments, prog_name="python -m ingestion.github", standalone_mode=False
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; the next collection goes on from here", err=True)
        return INTERRUPTED
    except (GitHubError, LoadError, SettingsError, ValueError) as error:
        click.echo(str(error), err=True)
        return TROUBLE
    except psycopg.errors.UndefinedTable as error:
        click.echo(f"{_first_line(error)}. Run `actionsight migrate` first", err=True)
        return TROUBLE
    except psycopg.Error as error:
        click.echo(f"PostgreSQL: {_first_line(error)}", err=True)
        return TROUBLE
    return code if isinstance(code, int) else 0


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
