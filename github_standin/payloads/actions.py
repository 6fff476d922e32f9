"""Bodies of workflows, runs and jobs, as GitHub's published schemas want them at a moment."""

from datetime import datetime

from github_standin.payloads.repositories import (
    WEB,
    Body,
    account_json,
    node_id,
    repository_json,
    timestamp,
)
from github_standin.world.model import (
    Attempt,
    Job,
    JobState,
    Repository,
    Run,
    Step,
    Workflow,
    attempt_state,
    job_state,
)


def workflow_body(workflow: Workflow, repository: Repository, api: str) -> Body:
    """Schema `workflow`."""
    web = f"{WEB}/{repository.full_name}"
    body: Body = {
        "id": workflow.id,
        "node_id": node_id("W", repository.id, workflow.id),
        "name": workflow.name,
        "path": workflow.path,
        "state": workflow.state,
        "created_at": timestamp(workflow.created_at),
        "updated_at": timestamp(workflow.updated_at),
        "url": f"{api}/repos/{repository.full_name}/actions/workflows/{workflow.id}",
        "html_url": f"{web}/blob/{repository.default_branch}/{workflow.path}",
        "badge_url": f"{web}/workflows/{workflow.name}/badge.svg",
    }
    if workflow.deleted_at is not None:
        body["deleted_at"] = timestamp(workflow.deleted_at)
    return body


def run_body(run: Run, attempt: Attempt, repository: Repository, api: str, now: datetime) -> Body:
    """Schema `workflow-run`: the run as *attempt* shows it at *now*."""
    state = attempt_state(attempt, now)
    url = f"{api}/repos/{repository.full_name}/actions/runs/{run.id}"
    suite_url = f"{api}/repos/{repository.full_name}/check-suites/{run.check_suite_id}"
    before = f"{url}/attempts/{attempt.number - 1}" if attempt.number > 1 else None
    return {
        "id": run.id,
        "name": run.name,
        "node_id": node_id("WFR", repository.id, run.id),
        "head_branch": run.head_branch,
        "head_sha": run.head_sha,
        "path": run.path,
        "display_title": run.display_title,
        "run_number": run.run_number,
        "event": run.event,
        "status": state.status,
        "conclusion": state.conclusion,
        "workflow_id": run.workflow_id,
        "check_suite_id": run.check_suite_id,
        "check_suite_node_id": node_id("CS", repository.id, run.check_suite_id),
        "url": url,
        "html_url": f"{WEB}/{repository.full_name}/actions/runs/{run.id}",
        "pull_requests": run.pull_requests,
        "created_at": timestamp(attempt.created_at),
        "updated_at": timestamp(state.updated_at),
        "actor": account_json(run.actor, api),
        "run_attempt": attempt.number,
        "referenced_workflows": run.referenced_workflows,
        "run_started_at": timestamp(attempt.run_started_at),
        "triggering_actor": account_json(attempt.triggering_actor, api),
        "jobs_url": f"{url}/jobs",
        "logs_url": f"{url}/logs",
        "check_suite_url": suite_url,
        "artifacts_url": f"{url}/artifacts",
        "cancel_url": f"{url}/cancel",
        "rerun_url": f"{url}/rerun",
        "previous_attempt_url": before,
        "workflow_url": f"{api}/repos/{repository.full_name}/actions/workflows/{run.workflow_id}",
        "head_commit": run.head_commit or _commit(run),
        "repository": repository_json(repository, api),
        "head_repository": run.head_repository and repository_json(run.head_repository, api),
    }


def job_body(
    job: Job,
    run: Run,
    attempt: Attempt,
    repository: Repository,
    api: str,
    now: datetime,
    state: JobState | None = None,
) -> Body:
    """Schema `job`, as it stands at *now*, or in another *state* that it passed through."""
    state = state or job_state(job, now)
    base = f"{api}/repos/{repository.full_name}"
    web = f"{WEB}/{repository.full_name}/actions/runs/{run.id}/job/{job.id}"
    runner = state.runner
    return {
        "id": job.id,
        "run_id": run.id,
        "workflow_name": run.name,
        "head_branch": run.head_branch,
        "run_url": f"{base}/actions/runs/{run.id}",
        "run_attempt": attempt.number,
        "node_id": node_id("CR", repository.id, job.id),
        "head_sha": run.head_sha,
        "url": f"{base}/actions/jobs/{job.id}",
        "html_url": web,
        "status": state.status,
        "conclusion": state.conclusion,
        "created_at": timestamp(job.created_at),
        "started_at": timestamp(state.started_at),
        "completed_at": timestamp(state.completed_at),
        "name": job.name,
        "steps": [] if runner is None else [_step_body(step, now) for step in job.steps],
        "check_run_url": f"{base}/check-runs/{job.id}",
        "labels": list(job.labels),
        "runner_id": None if runner is None else runner.id,
        "runner_name": None if runner is None else runner.name,
        "runner_group_id": None if runner is None else runner.group_id,
        "runner_group_name": None if runner is None else runner.group_name,
    }


def _step_body(step: Step, now: datetime) -> Body:
    begun = step.started_at is not None and step.started_at <= now
    ended = step.completed_at is not None and step.completed_at <= now
    # A skipped step can lack its times: it is over as soon as it is listed.
    over = ended or (step.started_at is None and step.conclusion is not None)
    return {
        "name": step.name,
        "status": "completed" if over else "in_progress" if begun else "queued",
        "conclusion": step.conclusion if over else None,
        "number": step.number,
        "started_at": timestamp(step.started_at) if begun or ended else None,
        "completed_at": timestamp(step.completed_at) if ended else None,
    }


def _commit(run: Run) -> Body:
    person = {"name": run.actor.login, "email": f"{run.actor.login}@users.noreply.github.com"}
    return {
        "id": run.head_sha,
        "tree_id": run.head_sha,
        "message": run.display_title,
        "timestamp": timestamp(run.created_at),
        "author": person,
        "committer": person,
    }
