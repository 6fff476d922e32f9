"""Runs that GitHub had and has no more: deleted, or older than the repository's retention."""

from collections.abc import Collection

from actionsight.github.errors import MissingError
from ingestion.github.concurrency import map_concurrently
from ingestion.github.rows import gone_row
from ingestion.github.runs.attempts import RunCollector, ask_run, confirm_readable
from ingestion.github.runs.writer import RunWriter
from ingestion.github.state.runs import rows_of_runs
from ingestion.github.sync import RepositoryPoll, Sync


def mark_deleted(
    sync: Sync, poll: RepositoryPoll, writer: RunWriter, run_ids: Collection[int]
) -> bool:
    """Stamp the stored attempts of runs that GitHub answers 404 for; False where none is stored.

    Raises:
        GitHubError: the repository itself is not there, which says nothing of its runs.
    """
    rows = rows_of_runs(sync.connection, run_ids) if run_ids else []
    if not rows:
        return False
    confirm_readable(poll)
    for row in rows:
        writer.add(poll, gone_row(row, sync.clock()))
    return True


def check_unlisted(
    sync: Sync,
    poll: RepositoryPoll,
    writer: RunWriter,
    collector: RunCollector,
    run_ids: Collection[int],
) -> None:
    """Ask for stored runs that a listing did not show: a listing alone may be wrong.

    Raises:
        GitHubError: too many could not be asked for.
    """
    gone: set[int] = set()
    for run_id, outcome in map_concurrently(lambda run_id: ask_run(poll, run_id), sorted(run_ids)):
        try:
            collector.take(outcome.result())
        except MissingError:
            gone.add(run_id)
    mark_deleted(sync, poll, writer, gone)
