"""The three stages of a sync, in their order; each needs what the one before has stored."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ingestion.github.loops import backfill, jobs, sweep
from ingestion.github.loops.head import HeadResult, head
from ingestion.github.loops.open import refresh_open_runs
from ingestion.github.loops.repositories import (
    follow_owners,
    refresh_repositories,
    repositories_due,
    repositories_unconfirmed,
    resolve_selections,
)
from ingestion.github.results import Counts, StageResult
from ingestion.github.schema import TABLES
from ingestion.github.state.polls import troubles_of_poll
from ingestion.github.state.rate_limits import save_rate_limit
from ingestion.github.state.raw_rows import newest_load_id
from ingestion.github.state.repositories import clear_troubles, monitored_repositories
from ingestion.github.sync import Sync


@dataclass(frozen=True)
class Progress:
    """Who wants to see progress, if anybody does: of the history of runs, and of job listings."""

    windows: backfill.OnProgress | None = None
    listings: jobs.OnProgress | None = None


NO_PROGRESS = Progress()


def collect_repositories(sync: Sync) -> StageResult:
    """Find new selections, then load repositories and workflows of those that are due."""

    def work(counts: Counts) -> None:
        # The poll alone looks after repositories: sweep and backfill may go on beside it.
        if "head" in sync.loops:
            counts.refused = resolve_selections(sync, sync.only or None)
            counts.refused |= follow_owners(sync)
            refresh_repositories(sync, counts, repositories_due(sync))
            refresh_repositories(sync, counts, repositories_unconfirmed(sync), at_workflows=False)

    return _measured(sync, work)


def collect_runs(
    sync: Sync,
    since: datetime | None = None,
    *,
    sweeps_all: bool = False,
    progress: Progress = NO_PROGRESS,
) -> StageResult:
    """New runs, open runs, a sweep where it is due, history that is owed: as the sync's loops say.

    Args:
        since: how far back the history is wanted; as the settings say when None.
        sweeps_all: sweep also where it is not due.
        progress: who wants to see progress.
    """

    def work(counts: Counts) -> None:
        result = HeadResult(set(), set(), {})
        if "head" in sync.loops:
            result = _head(sync, counts)
        if "open" in sync.loops:
            refresh_open_runs(sync, counts, sync.repositories(), result.listed_since)
        if "sweep" in sync.loops:
            now = sync.clock.now()
            sweep.sweep(
                sync,
                counts,
                [r for r in sync.repositories() if sweeps_all or sweep.is_due(r, now)],
            )
        if "backfill" in sync.loops:
            backfill.backfill(sync, counts, sync.repositories(), since, progress.windows)

    return _measured(sync, work)


def collect_jobs(sync: Sync, *, progress: Progress = NO_PROGRESS) -> StageResult:
    """The jobs of attempts that have completed since they were listed last, and of open ones."""

    def work(counts: Counts) -> None:
        loops = sync.loops
        if {"head", "open", "backfill"} & set(loops):
            jobs.collect_jobs(
                sync,
                counts,
                of_new="head" in loops,
                of_open="open" in loops,
                of_history="backfill" in loops,
                on_progress=progress.listings,
            )
        _clear_troubles(sync)

    return _measured(sync, work)


def _measured(sync: Sync, work: Callable[[Counts], None]) -> StageResult:
    """Let a stage work; note what is left of GitHub's limits, and give what it did."""
    before = {each.credential: each for each in sync.router.rate_limits()}
    counts = Counts()
    work(counts)
    names = {r.repository_id: r.full_name for r in monitored_repositories(sync.connection)}
    rate_limits = sync.router.rate_limits()
    for each in rate_limits:
        if each != before.get(each.credential):
            save_rate_limit(sync.connection, each, before.get(each.credential), sync.clock.now())

    def spent(count: str) -> int:
        return sum(
            getattr(each, count) - getattr(before.get(each.credential), count, 0)
            for each in rate_limits
        )

    return StageResult(
        rows_seen=counts.rows_seen,
        rows_changed=counts.rows_changed,
        load_ids=tuple(counts.load_ids),
        versions={table.name: newest_load_id(sync.connection, table) for table in TABLES},
        request_count=spent("request_count"),
        unchanged_count=spent("unchanged_count"),
        rate_limits=tuple(rate_limits),
        refused=counts.refused,
        troubles={
            names.get(repository_id, str(repository_id)): error
            for repository_id, error in troubles_of_poll(sync.connection, sync.poll_id).items()
        },
    )


def _head(sync: Sync, counts: Counts) -> HeadResult:
    """The head, and what it gives cause to look at; those of another name by now once more."""
    result = head(sync, counts, sync.repositories())
    refresh_repositories(
        sync,
        counts,
        [
            r
            for r in sync.repositories()
            if r.repository_id in result.renamed
            or (r.repository_id in result.doubtful and not sync.has_seen(r))
        ],
    )
    again = head(
        sync, counts, [r for r in sync.repositories() if r.repository_id in result.renamed]
    )
    result.listed_since.update(again.listed_since)
    return result


def _clear_troubles(sync: Sync) -> None:
    """What this sync did well is over as a trouble, since none of it failed."""
    troubled = troubles_of_poll(sync.connection, sync.poll_id)
    done = {repository.repository_id for repository in sync.repositories()} - troubled.keys()
    clear_troubles(sync.connection, done, ["repository", "jobs", *sync.loops])
