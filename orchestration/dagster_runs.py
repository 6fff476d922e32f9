"""Which runs are under way."""

from collections.abc import Iterable

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

UNDER_WAY = (
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)


def under_way(instance: DagsterInstance, job_names: Iterable[str]) -> list[DagsterRun]:
    """Runs of these jobs that wait or work; killed ones are not, once monitoring has told them."""
    return [
        run
        for job_name in job_names
        for run in instance.get_runs(RunsFilter(job_name=job_name, statuses=list(UNDER_WAY)))
    ]
