"""*Open*: every stored run that can still change is asked for again, however old it is.

One in which nothing has changed for long is asked for ever more rarely: a hundredth of that time
may pass in between, and a quarter when it can only be stuck.
"""

import math
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from actionsight.github.errors import MissingError
from ingestion.github.concurrency import map_concurrently
from ingestion.github.loops.failures import failure_recorded
from ingestion.github.poll import Expected, RepositoryPoll
from ingestion.github.results import Counts
from ingestion.github.runs.attempts import ParsedRuns, RunCollector, ask_run
from ingestion.github.runs.deleted import mark_deleted
from ingestion.github.runs.writer import RunWriter
from ingestion.github.state.polls import last_ended
from ingestion.github.state.repositories import Repository
from ingestion.github.state.runs import OpenRun, open_runs, runs_from_webhooks
from ingestion.github.sync import Sync

# A run that is missing so soon may just not have arrived everywhere at GitHub.
MISSING_AFTER = timedelta(days=1)
# A drain notes its time before it commits.
DRAIN_MARGIN = timedelta(minutes=10)
# No run lasts longer: what an older webhook told is not open any more.
LONGEST_RUN = timedelta(days=35)
# Of the time for which nothing has changed, the part after which it is asked again.
PAUSE = 0.01
STUCK_PAUSE = 0.25


def refresh_open_runs(
    sync: Sync,
    counts: Counts,
    repositories: Collection[Repository],
    listed_since: dict[int, datetime],
) -> None:
    """Ask again for runs that can still change, but for those that were just listed."""
    writer = RunWriter(sync.loader, counts)
    polls = [sync.begin(repository, "open") for repository in repositories]
    collectors = {poll.repository.repository_id: RunCollector(poll, writer) for poll in polls}

    def wanted() -> Iterator[tuple[RepositoryPoll, OpenRun]]:
        of = {poll.repository.repository_id: poll for poll in polls}
        for run in _runs(sync, of.keys(), listed_since):
            if not of[run.repository_id].has_failed:
                yield of[run.repository_id], run

    def ask(item: tuple[RepositoryPoll, OpenRun]) -> ParsedRuns:
        poll, run = item
        return ask_run(poll, run.run_id)

    for (poll, run), outcome in map_concurrently(ask, wanted()):
        if poll.has_failed:
            continue
        collector = collectors[poll.repository.repository_id]
        with failure_recorded(poll):
            try:
                read = outcome.result()
            except MissingError as error:
                _miss(collector, run, error)
            except Expected as error:
                collector.leave_out(error)
            else:
                collector.take(read)
        writer.flush_when_full()
    for poll in polls:
        if not poll.has_failed:
            with failure_recorded(poll):
                collectors[poll.repository.repository_id].finish()
            writer.when_loaded(poll, poll.finish)
    writer.flush()


def _runs(
    sync: Sync, repository_ids: Collection[int], listed_since: dict[int, datetime]
) -> Iterator[OpenRun]:
    """What is open by the stored rows, then what is by webhooks alone; each run once."""
    oldest = sync.clock.now() - LONGEST_RUN
    last = last_ended(sync.connection, repository_ids, "open", oldest)
    since = {id_: last[id_] - DRAIN_MARGIN if id_ in last else oldest for id_ in repository_ids}
    now = sync.clock.now()
    seen: set[int] = set()
    for run in (
        *open_runs(sync.connection, repository_ids),
        *runs_from_webhooks(sync.connection, since),
    ):
        listed = listed_since.get(run.repository_id)
        just_listed = listed and run.created_at and run.created_at >= listed
        if run.run_id in seen or just_listed:
            continue
        seen.add(run.run_id)
        must_be_known = sync.is_watched and not _is_stuck(run.changed_at, now)
        if must_be_known or _is_due(run.changed_at, last.get(run.repository_id), now):
            yield run


def _is_stuck(changed_at: datetime | None, now: datetime) -> bool:
    return changed_at is not None and changed_at < now - LONGEST_RUN


def _is_due(changed_at: datetime | None, last_asked_at: datetime | None, now: datetime) -> bool:
    """Whether so much time has gone by since the last poll, for what has not changed since then."""
    if changed_at is None or last_asked_at is None or last_asked_at <= changed_at:
        return True
    growth = math.log1p(STUCK_PAUSE if _is_stuck(changed_at, now) else PAUSE)

    def step(at: datetime) -> int:
        return math.floor(math.log(max((at - changed_at).total_seconds(), 1.0)) / growth)

    return step(now) > step(last_asked_at)


def _miss(collector: RunCollector, run: OpenRun, error: MissingError) -> None:
    """GitHub does not have an open run: it was deleted, or is not everywhere there yet."""
    missing_before = collector.poll.clock.now() - MISSING_AFTER
    if run.created_at is not None and run.created_at >= missing_before:
        return
    if not mark_deleted(collector, {run.run_id}):
        collector.note_missing((run.run_id, run.run_attempt), error)
