"""Runs of many repositories on their way into few loads, and what is noted when they are in."""

from collections.abc import Callable

from ingestion.github.loader import Batch, Loader
from ingestion.github.poll import RepositoryPoll
from ingestion.github.results import Counts
from ingestion.github.schema import WORKFLOW_RUNS, Row

# A load costs some 0.2 s and a transaction; what it holds is in memory, and lost to a kill.
ROWS_PER_LOAD = 5_000


class RunWriter:
    """Collects runs, loads them when there are enough, then does what had to wait for that."""

    def __init__(self, loader: Loader, counts: Counts) -> None:
        self._loader = loader
        self._counts = counts
        self._batch = Batch()
        self._polls: dict[int, RepositoryPoll] = {}
        self._afterwards: list[tuple[int, Callable[[], None]]] = []

    def add(self, poll: RepositoryPoll, row: Row) -> None:
        """Take a row of a poll."""
        self._polls[poll.repository.repository_id] = poll
        if self._batch.add(WORKFLOW_RUNS, row):
            poll.row.seen += 1
            self._counts.see(WORKFLOW_RUNS.name)

    def when_loaded(self, poll: RepositoryPoll, do: Callable[[], None]) -> None:
        """Do this for a poll when all that was added so far is committed."""
        self._polls[poll.repository.repository_id] = poll
        self._afterwards.append((poll.repository.repository_id, do))

    def flush_when_full(self) -> None:
        """Load if there is enough; who only looks wants to know at once whether anything is new."""
        if len(self._batch) >= (1 if self._loader.only_looks else ROWS_PER_LOAD):
            self.flush()

    def flush(self) -> None:
        """Load all there is, then do what waited; not for what was removed meanwhile, whose rows
        were dropped: cursors and checkpoints must not move past them."""
        kept = self._loader.load_and_credit("github_runs", self._batch, self._polls, self._counts)
        afterwards, self._afterwards = self._afterwards, []
        for repository_id, do in afterwards:
            if repository_id in kept:
                do()
