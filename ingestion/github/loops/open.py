"""*Open*: every stored run that can still change is asked for again, however old it is."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from functools import partial

from ingestion.github import stored
from ingestion.github.cycle import Cycle, Expected, Tally, Turn
from ingestion.github.loops.attempts import ReadRuns, RunIntake, ask_run
from ingestion.github.loops.gone import note_gone
from ingestion.github.loops.loading import RunLoad
from ingestion.github.loops.troubles import settle
from ingestion.github.rest.errors import MissingError
from ingestion.github.rest.overlap import overlapped
from ingestion.github.state import Repository
from ingestion.github.stored import OpenRun

# A run that is missing so soon may just not have arrived everywhere at GitHub.
SETTLED_AFTER = timedelta(days=1)
# Webhooks that were received just before the last turn may have been drained after it.
DRAIN_MARGIN = timedelta(hours=1)
# No run lasts longer: what an older webhook told is not open any more.
LONGEST_RUN = timedelta(days=35)


def open_runs(
    cycle: Cycle,
    tally: Tally,
    repositories: Collection[Repository],
    listed_since: dict[int, datetime],
) -> None:
    """Ask again for runs that can still change, but for those that were just listed."""
    load = RunLoad(cycle, tally)
    turns = [cycle.begin(repository, "open") for repository in repositories]
    intakes = {turn.repository.repository_id: RunIntake(cycle, turn, load) for turn in turns}
    failed: set[int] = set()

    def wanted() -> Iterator[tuple[Turn, OpenRun]]:
        for turn in turns:
            for run in _runs(cycle, turn, listed_since.get(turn.repository.repository_id)):
                if turn.repository.repository_id in failed:
                    break
                yield turn, run

    def ask(item: tuple[Turn, OpenRun]) -> ReadRuns:
        turn, run = item
        return ask_run(turn, run.run_id)

    for (turn, run), outcome in overlapped(ask, wanted()):
        repository_id = turn.repository.repository_id
        if repository_id in failed:
            continue
        try:
            try:
                read = outcome.result()
            except MissingError as error:
                _miss(cycle, turn, load, intakes[repository_id], run, error)
            except Expected as error:
                intakes[repository_id].take(ReadRuns(left_out=[error]))
            else:
                intakes[repository_id].take(read)
        except Expected as error:
            failed.add(repository_id)
            settle(cycle, turn, error)
        load.when_full()
    for turn in turns:
        if turn.repository.repository_id not in failed:
            try:
                intakes[turn.repository.repository_id].finish()
            except Expected as error:
                settle(cycle, turn, error)
            load.when_loaded(turn, partial(cycle.finish, turn))
    load.flush()


def _runs(cycle: Cycle, turn: Turn, listed_since: datetime | None) -> Iterator[OpenRun]:
    repository_id = turn.repository.repository_id
    seen: set[int] = set()
    last = stored.last_ended(cycle.connection, repository_id, "open")
    oldest = cycle.clock() - LONGEST_RUN
    told = stored.told_runs(
        cycle.connection, repository_id, max(last - DRAIN_MARGIN, oldest) if last else oldest
    )
    for run in [*stored.open_runs(cycle.connection, repository_id), *told]:
        just_listed = listed_since and run.created_at and run.created_at >= listed_since
        if run.run_id not in seen and not just_listed:
            seen.add(run.run_id)
            yield run


def _miss(
    cycle: Cycle,
    turn: Turn,
    load: RunLoad,
    intake: RunIntake,
    run: OpenRun,
    error: MissingError,
) -> None:
    """GitHub does not have an open run: it was deleted, or is not everywhere there yet."""
    settled = cycle.clock() - SETTLED_AFTER
    if run.created_at is not None and run.created_at >= settled:
        return
    if not note_gone(cycle, turn, load, {run.run_id}):
        intake.note_missing((run.run_id, run.run_attempt), error)
