"""What the stand-in's world holds at this moment, as the raw tables must hold it, row by row.

Written from the world's own objects, not by the code that makes rows of payloads.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Any

from github_standin.world.model import (
    Attempt,
    Job,
    Repository,
    Run,
    Step,
    attempt_state,
    job_state,
    jobs_at,
)
from github_standin.world.world import World
from tests.ingestion.factories import Installation

Reference = tuple[Any, ...]

_ATTEMPTS = """
    select run_id, run_attempt, repository_id, workflow_id, name, path, run_number, event, status,
        conclusion, head_branch, head_sha, display_title, created_at, updated_at, run_started_at,
        actor_login, triggering_actor_login, gone_at is not null as is_gone
    from raw.workflow_runs where repository_id = any(%s)
"""
_JOBS = """
    select job_id, run_id, run_attempt, repository_id, name, workflow_name, status, conclusion,
        created_at, started_at, completed_at, head_sha, labels, runner_id, runner_name,
        (select jsonb_agg(jsonb_build_array(step -> 'number', step -> 'name', step -> 'conclusion'))
            from jsonb_array_elements(steps) as step) as steps
    from raw.workflow_jobs where repository_id = any(%s) and gone_at is null
"""


def assert_exact(
    own: Installation,
    *repositories: Repository,
    gone: Collection[Run] = (),
    least: int = 1,
    has_jobs: bool = True,
) -> None:
    """What is stored of these repositories is what the world holds, and of each but one row.

    Args:
        gone: runs that the world has no more, which stay as they were, stamped.
        least: how many attempts there are at least, lest nothing be equal to nothing.
        has_jobs: whether jobs were collected too.
    """
    all_ids = own.repository_ids() or [*own.world.repositories]
    ids = [repository.id for repository in repositories] or all_ids
    with own.world.lock:
        runs = [run for number in ids for run in own.world.runs_newest_first(number)]
        attempts = list(_attempts(own.world, runs, is_gone=False))
        attempts += _attempts(own.world, gone, is_gone=True)
        jobs = list(_jobs(own.world, [*runs, *gone]))
    assert len(attempts) >= least
    _assert_same("attempts", attempts, own.query(_ATTEMPTS, ids))
    if has_jobs:
        _assert_same("jobs", jobs, own.query(_JOBS, ids))


def assert_nothing_wrong(own: Installation, *repositories: Repository) -> None:
    """What is stored of these repositories may lack something, but what is there is true."""
    ids = [repository.id for repository in repositories]
    with own.world.lock:
        runs = [run for number in ids for run in own.world.runs_newest_first(number)]
        attempts, jobs = _attempts(own.world, runs, is_gone=False), _jobs(own.world, runs)
        assert _counted(own.query(_ATTEMPTS, ids)) <= Counter(map(str, attempts))
        assert _counted(own.query(_JOBS, ids)) <= Counter(map(str, jobs))


def _assert_same(what: str, true: list[Reference], stored: list[dict[str, Any]]) -> None:
    expected, found = Counter(map(str, true)), _counted(stored)
    lacking, extra = expected - found, found - expected
    assert not lacking and not extra, (
        f"{what}: {lacking.total()} lacking, {extra.total()} wrong or double, of {len(true)}; "
        f"lacking {list(lacking)[:3]}, stored instead {list(extra)[:3]}"
    )


def _counted(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(str(tuple(map(_in_utc, row.values()))) for row in rows)


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _attempts(world: World, runs: Collection[Run], *, is_gone: bool) -> Iterator[Reference]:
    now = world.now()
    for run in runs:
        for attempt in run.attempts_at(now):
            if not attempt.is_missing:
                yield _attempt(world, run, attempt, is_gone=is_gone)


def _attempt(world: World, run: Run, attempt: Attempt, *, is_gone: bool) -> Reference:
    state = attempt_state(attempt, world.now())
    return (
        run.id,
        attempt.number,
        run.repository_id,
        run.workflow_id,
        run.name,
        run.path,
        run.run_number,
        run.event,
        state.status,
        state.conclusion,
        run.head_branch,
        run.head_sha,
        run.display_title,
        attempt.created_at,
        state.updated_at,
        attempt.run_started_at,
        run.actor.login,
        attempt.triggering_actor.login,
        is_gone,
    )


def _jobs(world: World, runs: Collection[Run]) -> Iterator[Reference]:
    now = world.now()
    for run in runs:
        for attempt in run.attempts_at(now):
            if not attempt.is_missing:
                for job in jobs_at(attempt, now):
                    yield _job(world, run, attempt, job)


def _job(world: World, run: Run, attempt: Attempt, job: Job) -> Reference:
    state = job_state(job, world.now())
    runner = state.runner
    now = world.now()
    steps = [[step.number, step.name, _conclusion(step, now)] for step in job.steps if runner]
    return (
        job.id,
        run.id,
        attempt.number,
        run.repository_id,
        job.name,
        run.name,
        state.status,
        state.conclusion,
        job.created_at,
        state.started_at,
        state.completed_at,
        run.head_sha,
        list(job.labels),
        runner.id if runner else None,
        (runner.name or None) if runner else None,
        steps or None,
    )


def _conclusion(step: Step, now: datetime) -> str | None:
    """A step that is under way has none."""
    is_over = step.started_at is None or (
        step.completed_at is not None and step.completed_at <= now
    )
    return step.conclusion if is_over else None
