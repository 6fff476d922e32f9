"""Rows of the raw tables, with what a test does not say filled in."""

from datetime import date
from decimal import Decimal
from typing import Any

from tests.transform.raw_rows import Row


def repository(repository_id: int, visibility: str) -> Row:
    return {
        "repository_id": repository_id,
        "full_name": f"owner/repository-{repository_id}",
        "name": f"repository-{repository_id}",
        "private": visibility != "public",
        "visibility": visibility,
        "default_branch": "main",
        "created_at": "2020-01-01T00:00:00Z",
    }


def workflow(workflow_id: int, repository_id: int) -> Row:
    return {
        "workflow_id": workflow_id,
        "repository_id": repository_id,
        "name": "" if workflow_id % 2 else f"Workflow {workflow_id}",
        "path": f".github/workflows/{workflow_id}.yml",
        "state": "active",
    }


def run_row(run_id: int, attempt: int, created_at: str, **changes: Any) -> Row:
    """An attempt of a run of workflow 201: a success on main, unless `changes` say otherwise."""
    return {
        "run_id": run_id,
        "run_attempt": attempt,
        "repository_id": 101,
        "workflow_id": 201,
        "event": "push",
        "head_branch": "main",
        "head_repository_id": 101,
        "status": "completed",
        "conclusion": "success",
        "created_at": created_at,
        "run_started_at": created_at,
        "updated_at": created_at,
        **changes,
    }


def job_row(job_id: int, run_id: int, started_at: str, completed_at: str, **changes: Any) -> Row:
    """A job that ran in attempt 1 on GitHub's Linux runner, unless `changes` say otherwise."""
    return {
        "job_id": job_id,
        "run_id": run_id,
        "run_attempt": 1,
        "repository_id": 101,
        "name": "build",
        "status": "completed",
        "conclusion": "success",
        "created_at": started_at,
        "started_at": started_at,
        "completed_at": completed_at,
        "labels": ["ubuntu-latest"],
        "runner_id": 5,
        **changes,
    }


def runner_price(
    runner_class: str, usd_per_minute: str, valid_from: str = "1970-01-01", **changes: Any
) -> Row:
    """A standard runner's price, unless `changes` say otherwise."""
    return {
        "runner_class": runner_class,
        "valid_from": date.fromisoformat(valid_from),
        "usd_per_minute": Decimal(usd_per_minute),
        "is_standard": True,
        "source": "operator",
        "is_removed": False,
        **changes,
    }


def runner_label(position: int, label_pattern: str, runner_class: str, **changes: Any) -> Row:
    """A pattern of the operator's list, unless `changes` say otherwise."""
    return {
        "position": position,
        "label_pattern": label_pattern,
        "runner_class": runner_class,
        "source": "operator",
        "is_removed": False,
        **changes,
    }


def repository_state(
    repository_id: int, observed_at: Any, visibility: str | None, default_branch: str | None
) -> Row:
    """What a repository was like from then on, until something else was observed."""
    return {
        "repository_id": repository_id,
        "observed_at": observed_at,
        "visibility": visibility,
        "default_branch": default_branch,
    }
