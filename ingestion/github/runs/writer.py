"""Runs of many repositories on their way into few loads, and what is settled when they are in."""

from collections.abc import Callable

from ingestion.github.loader import Batch
from ingestion.github.schema import WORKFLOW_RUNS, Row
from ingestion.github.sync import Cycle, Tally, Turn

# A load costs some 0.2 s and a transaction; what it holds is in memory, and lost to a kill.
ROWS_PER_LOAD = 5_000


class RunLoad:
    """Collects runs, loads them when there are enough, then does what had to wait for that."""

    def __init__(self, cycle: Cycle, tally: Tally) -> None:
        self._cycle = cycle
        self._tally = tally
        self._batch = Batch()
        self._turns: dict[int, Turn] = {}
        self._afterwards: list[tuple[int, Callable[[], None]]] = []

    def add(self, turn: Turn, row: Row) -> None:
        """Take a row of a turn."""
        self._turns[turn.repository.repository_id] = turn
        if self._batch.add(WORKFLOW_RUNS, row):
            turn.poll.seen += 1
            self._tally.see(WORKFLOW_RUNS.name)

    def when_loaded(self, turn: Turn, do: Callable[[], None]) -> None:
        """Do this for a turn when all that was added so far is committed."""
        self._turns[turn.repository.repository_id] = turn
        self._afterwards.append((turn.repository.repository_id, do))

    def when_full(self) -> None:
        """Load if there is enough; who only looks wants to know at once whether anything is new."""
        if len(self._batch) >= (1 if self._cycle.only_looks else ROWS_PER_LOAD):
            self.flush()

    def flush(self) -> None:
        """Load all there is, then do what waited; not for what was removed meanwhile, whose rows
        were dropped: cursors and checkpoints must not move past them."""
        kept = self._cycle.load("github_runs", self._batch, self._turns, self._tally)
        afterwards, self._afterwards = self._afterwards, []
        for repository_id, do in afterwards:
            if repository_id in kept:
                do()
