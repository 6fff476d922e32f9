"""Runs that GitHub had and has no more: deleted, or older than the repository's retention."""

from collections.abc import Collection
from functools import partial

from actionsight.github.errors import MissingError
from ingestion.github.concurrency import map_concurrently
from ingestion.github.rows import gone_row
from ingestion.github.runs.attempts import RunCollector, ask_run, confirm_readable
from ingestion.github.state.runs import rows_of_runs


def mark_deleted(collector: RunCollector, run_ids: Collection[int]) -> bool:
    """Stamp the stored attempts of runs that GitHub answers 404 for; False where none is stored.

    Raises:
        GitHubError: the repository itself is not there, which says nothing of its runs.
    """
    rows = rows_of_runs(collector.poll.connection, run_ids) if run_ids else []
    if not rows:
        return False
    confirm_readable(collector.poll)
    for row in rows:
        collector.writer.add(collector.poll, gone_row(row, collector.poll.clock.now()))
    return True


def check_unlisted(collector: RunCollector, run_ids: Collection[int]) -> None:
    """Ask for stored runs that a listing did not show: a listing alone may be wrong.

    Raises:
        GitHubError: too many could not be asked for.
    """
    gone: set[int] = set()
    for run_id, outcome in map_concurrently(partial(ask_run, collector.poll), sorted(run_ids)):
        try:
            collector.take(outcome.result())
        except MissingError:
            gone.add(run_id)
    mark_deleted(collector, gone)
