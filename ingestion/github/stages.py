"""The three stages of a cycle, in their order; each needs what the one before has stored."""

from datetime import datetime

from ingestion.github.cycle import Cycle, StageResult
from ingestion.github.loops import jobs, repositories, runs


def collect_repositories(cycle: Cycle) -> StageResult:
    """Find new selections, then load repositories and workflows of all monitored ones."""
    return cycle.stage(lambda tally: repositories.collect_repositories(cycle, tally))


def collect_runs(cycle: Cycle, since: datetime | None = None) -> StageResult:
    """History that is owed (to `since`, else as the settings say), new runs, open runs."""
    return cycle.stage(lambda tally: runs.collect_runs(cycle, tally, since))


def collect_jobs(cycle: Cycle) -> StageResult:
    """The jobs of every attempt that has completed since they were listed last."""
    return cycle.stage(lambda tally: jobs.collect_jobs(cycle, tally))
