"""Which runs are under way, and which only look so because their process was killed."""

import os
from collections.abc import Iterable
from pathlib import Path

from dagster import (
    AssetExecutionContext,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunsFilter,
)

PROCESS_TAG = "actionsight/process"
UNDER_WAY = (
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)


def sign(context: AssetExecutionContext) -> None:
    """Write on the run which process works for it, so that `fail_orphans` can tell its end.

    Dagster's default launcher cannot be asked whether a run's process still lives; a killed one
    would be under way for ever, and hold back all that waits for it.
    """
    process = f"{os.getpid()}:{_started(os.getpid())}"
    context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: process})


def under_way(instance: DagsterInstance, job_names: Iterable[str]) -> list[DagsterRun]:
    """Runs of these jobs that wait or work."""
    return [
        run
        for job_name in job_names
        for run in instance.get_runs(RunsFilter(job_name=job_name, statuses=list(UNDER_WAY)))
    ]


def fail_orphans(instance: DagsterInstance) -> list[str]:
    """Report runs whose process is gone as failed; give their ids."""
    started = RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING])
    orphans = [run for run in instance.get_runs(started) if _has_lost_its_process(run)]
    for run in orphans:
        instance.report_run_failed(run, "The process of this run was killed; the next one resumes.")
    return [run.run_id for run in orphans]


def _has_lost_its_process(run: DagsterRun) -> bool:
    process, _, started = run.tags.get(PROCESS_TAG, "").partition(":")
    return bool(process) and _started(int(process)) != started


def _started(pid: int) -> str | None:
    """The kernel's start time of a process: with it, a number used again is not mistaken."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None
