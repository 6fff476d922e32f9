"""The three stages of a cycle, in their order; each needs what the one before has stored."""

from dataclasses import dataclass
from datetime import datetime

from ingestion.github.loops import backfill, jobs, repositories, sweep
from ingestion.github.loops.head import Headed, head
from ingestion.github.loops.open import refresh_open_runs
from ingestion.github.state.polls import troubles_of_poll
from ingestion.github.state.repositories import clear_troubles
from ingestion.github.sync import Cycle, StageResult, Tally


@dataclass(frozen=True)
class Watching:
    """Who wants to see progress, if anybody does: of the history of runs, and of job listings."""

    windows: backfill.Watcher | None = None
    listings: jobs.Watcher | None = None


NOBODY = Watching()


def collect_repositories(cycle: Cycle) -> StageResult:
    """Find new selections, then load repositories and workflows of those that are due."""

    def work(tally: Tally) -> None:
        # The poll alone looks after repositories: sweep and backfill may go on beside it.
        if "head" in cycle.loops:
            tally.refused = repositories.resolve(cycle, cycle.only or None)
            tally.refused |= repositories.follow_owners(cycle)
            repositories.look(cycle, tally, repositories.due(cycle))
            repositories.look(cycle, tally, repositories.unconfirmed(cycle), at_workflows=False)

    return cycle.stage(work)


def collect_runs(
    cycle: Cycle,
    since: datetime | None = None,
    *,
    sweeps_all: bool = False,
    watching: Watching = NOBODY,
) -> StageResult:
    """New runs, open runs, a sweep where it is due, history that is owed: as the cycle's loops say.

    Args:
        since: how far back the history is wanted; as the settings say when None.
        sweeps_all: sweep also where it is not due.
        watching: who wants to see progress.
    """

    def work(tally: Tally) -> None:
        headed = Headed(set(), set(), {})
        if "head" in cycle.loops:
            headed = _head(cycle, tally)
        if "open" in cycle.loops:
            refresh_open_runs(cycle, tally, cycle.repositories(), headed.listed_since)
        if "sweep" in cycle.loops:
            now = cycle.clock()
            sweep.sweep(
                cycle,
                tally,
                [r for r in cycle.repositories() if sweeps_all or sweep.is_due(r, now)],
            )
        if "backfill" in cycle.loops:
            backfill.backfill(cycle, tally, cycle.repositories(), since, watching.windows)

    return cycle.stage(work)


def collect_jobs(cycle: Cycle, *, watching: Watching = NOBODY) -> StageResult:
    """The jobs of attempts that have completed since they were listed last, and of open ones."""

    def work(tally: Tally) -> None:
        loops = cycle.loops
        if {"head", "open", "backfill"} & set(loops):
            jobs.collect_jobs(
                cycle,
                tally,
                of_new="head" in loops,
                of_open="open" in loops,
                of_history="backfill" in loops,
                watch=watching.listings,
            )
        _clear_troubles(cycle)

    return cycle.stage(work)


def _head(cycle: Cycle, tally: Tally) -> Headed:
    """The head, and what it gives cause to look at; those of another name by now once more."""
    headed = head(cycle, tally, cycle.repositories())
    repositories.look(
        cycle,
        tally,
        [
            r
            for r in cycle.repositories()
            if r.repository_id in headed.renamed
            or (r.repository_id in headed.doubtful and not cycle.has_seen(r))
        ],
    )
    again = head(
        cycle, tally, [r for r in cycle.repositories() if r.repository_id in headed.renamed]
    )
    headed.listed_since.update(again.listed_since)
    return headed


def _clear_troubles(cycle: Cycle) -> None:
    """What this cycle did well is over as a trouble, since none of it failed."""
    troubled = troubles_of_poll(cycle.connection, cycle.poll_id)
    done = {repository.repository_id for repository in cycle.repositories()} - troubled.keys()
    clear_troubles(cycle.connection, done, ["repository", "jobs", *cycle.loops])
