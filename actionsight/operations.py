"""What the commands do beside supervising: migrate, collect and build in the foreground.

The parts are started as processes, so that the shared core imports none of them.
"""

import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

from actionsight import migrations, runners
from actionsight.backlog import has_backlog
from actionsight.database import connect
from actionsight.local.installation import environment, storage_url
from actionsight.migrations import grants
from actionsight.repositories import add_selections
from actionsight.settings import COLLECTION, ROOT, Settings


class OperationError(RuntimeError):
    """An operation did not do all that it should; the message says what is left."""


def migrate(settings: Settings) -> None:
    """Make the database what this version expects, load the lists of runners, and select the
    configured repositories.

    Raises:
        psycopg.Error: the server cannot be reached, or refuses.
        OperationError: the raw tables or Dagster's could not be made.
        RunnerListError: lines of the operator's lists are wrong.
    """
    database_url = str(settings.database_url)
    is_new = migrations.upgrade(database_url)
    if settings.dagster_database_url is None:
        migrations.create_dagster_database(database_url)
    with connect(database_url, autocommit=True) as connection:
        add_selections(connection, settings.repositories)
        row = connection.execute("select to_regclass('raw.loads')").fetchone()
    if is_new or row == (None,):
        failure = "the raw tables could not be made"
        _run(settings, "ingestion.github", ["prepare"], failure, quietly=True)
    with connect(database_url) as connection:
        grants.grant(connection)
        runners.load(connection, settings.data_dir)
    # Two processes that open a fresh Dagster storage at once break it: it is made here, once. An
    # upgrade may bring another version of Dagster.
    with connect(storage_url(settings)) as connection:
        row = connection.execute("select to_regclass('public.runs')").fetchone()
    if is_new or row == (None,):
        failure = "Dagster's tables could not be made"
        _run(settings, "dagster", ["instance", "migrate"], failure, quietly=True)


def sync(settings: Settings, *, sweeps_all: bool = False) -> None:
    """All that GitHub owes, one drain, one build, in the foreground, as a run that Dagster shows.

    Waits for a poll or a drain that is under way elsewhere. Where nothing is owed and GitHub has
    nothing new, a look at it is all: Dagster, dlt and dbt would take a hundred times as long to
    find that out.

    Raises:
        OperationError: not all of what GitHub has is in the marts; says what is missing.
    """
    if not sweeps_all and _finds_nothing_to_do(settings):
        return
    started_at = datetime.now(UTC)
    _run(
        settings,
        "dagster",
        [
            *("job", "execute", "--module-name=orchestration.definitions", "--job=sync"),
            *(["--tags", '{"actionsight/sweep": "all"}'] if sweeps_all else []),
        ],
        "the poll, the drain or the build failed (Dagster shows the run)",
    )
    troubles = _troubles(settings, started_at)
    if troubles:
        raise OperationError("not everything could be collected:\n" + "\n".join(troubles))


def _finds_nothing_to_do(settings: Settings) -> bool:
    """Poll as long as nothing is new; whether nothing was, and nothing is owed before and after."""
    return (
        not has_backlog(settings)
        and _start(settings, "ingestion.github", ["look"]).returncode == 0
        # What another poll or a drain brought meanwhile.
        and not has_backlog(settings)
    )


def backfill(settings: Settings, names: Iterable[str], since: str) -> None:
    """Collect the history of the named repositories (of all, when none is named) since a date.

    Raises:
        OperationError: not everything could be collected.
    """
    _run(
        settings,
        "ingestion.github",
        ["backfill", *names, f"--since={since}"],
        "not all of the history could be collected",
    )


def resolve(settings: Settings, names: Iterable[str]) -> None:
    """Ask GitHub for the ids of selected repositories, so that a wrong name is told at once.

    Raises:
        OperationError: GitHub does not know a name, or this credential may not read it.
    """
    _run(settings, "ingestion.github", ["resolve", *names], "a repository cannot be read")


def dead_letters(settings: Settings, arguments: Iterable[str]) -> bool:
    """Look at deliveries that could not be processed, or process them again.

    Gives whether all went well; what did not was said to the person who watches.
    """
    return _start(settings, "ingestion.webhooks", ["dead-letters", *arguments]).returncode == 0


def _run(
    settings: Settings, module: str, arguments: list[str], failure: str, *, quietly: bool = False
) -> None:
    """Run a module to its end; its output is the person's to see, or only when it fails.

    Raises:
        OperationError: it did not end well.
    """
    done = _start(settings, module, arguments, quietly=quietly)
    if done.returncode:
        raise OperationError("\n".join(filter(None, [failure, done.stdout, done.stderr])))


def _start(
    settings: Settings, module: str, arguments: list[str], *, quietly: bool = False
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        # What packages have to say about each other is not for the person who watches.
        [sys.executable, "-W", "ignore", "-m", module, *arguments],
        cwd=ROOT,
        env=environment(settings, COLLECTION),
        stdin=subprocess.DEVNULL,
        capture_output=quietly,
        text=True,
        check=False,
    )


def _troubles(settings: Settings, since: datetime) -> list[str]:
    """What the polls since then could not collect, and what is not built."""
    with connect(str(settings.database_url)) as connection:
        failed = connection.execute(
            """
            select distinct coalesce(repositories.full_name, polls.repository_id::text), polls.error
            from raw.polls
            left join app.repositories using (repository_id)
            where polls.started_at >= %s and polls.error is not null
            """,
            [since],
        ).fetchall()
        unknown = connection.execute(
            """
            select name, coalesce(last_error, 'GitHub was not asked yet')
            from app.repository_selections
            where repository_id is null and removed_at is null
                and (last_error is not null or listed_at is null)
            """
        ).fetchall()
    return [f"{name}: {error}" for name, error in [*failed, *unknown]]
