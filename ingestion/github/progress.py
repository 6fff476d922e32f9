"""Progress for a person at a terminal: one bar for the history of runs, one for their jobs."""

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

from ingestion.github.stages import NO_PROGRESS, Progress
from ingestion.github.state.backfill_windows import BackfillProgress
from ingestion.github.state.repositories import Repository

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

_STEPS = 1_000


class _Bar:
    """A bar that goes forward by shares of a whole, which may grow."""

    def __init__(self, bar: "ProgressBar[int]") -> None:
        self._bar = bar
        self._reached = 0

    def show(self, share: float, says: str) -> None:
        """Go to a share of the whole; never back, and not by less than can be seen."""
        steps = int(share * _STEPS) - self._reached
        if steps <= 0:
            return
        self._reached += steps
        self._bar.label = says
        self._bar.update(steps)


@contextmanager
def bars(stream: TextIO | None = None) -> Generator[Progress]:
    """Bars on a terminal (standard error when None); nothing where there is none to look at them,
    since the log tells the same line by line."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield NO_PROGRESS
        return
    # Its lines would tear the bars; warnings still show.
    logging.getLogger().setLevel(logging.WARNING)
    shares: dict[int, float] = {}
    runs_seen: dict[int, int] = {}
    with (
        click.progressbar(length=_STEPS, label="runs", file=stream) as history,
        click.progressbar(length=_STEPS, label="jobs", file=stream) as jobs,
    ):
        runs_bar, jobs_bar = _Bar(history), _Bar(jobs)

        def show_windows(repository: Repository, progress: BackfillProgress, runs: int) -> None:
            shares[repository.repository_id] = progress.share
            runs_seen[repository.repository_id] = runs
            runs_bar.show(
                sum(shares.values()) / len(shares),
                f"{repository.full_name}: {sum(runs_seen.values()):,} runs, "
                f"{progress.completed_count} of {progress.window_count} windows",
            )

        def show_listings(listed: int, owed: int) -> None:
            jobs_bar.show(listed / max(owed, 1), f"jobs of {listed:,} of {owed:,} attempts")

        yield Progress(show_windows, show_listings)
