"""Workflows, runs and jobs of a repository.

The handlers know nothing of tokens, limits, ETags and faults: those are `github_standin.server`'s.
"""

from collections.abc import Iterable
from datetime import datetime

from flask import Response, request

from github_standin.payloads.actions import job_body, run_body, workflow_body
from github_standin.payloads.repositories import Body
from github_standin.responses import NotFoundError, Page, api_url, json_response, page_response
from github_standin.rest.current import current_world
from github_standin.rest.queries import SEARCH_LIMIT, is_filtered, matching_runs
from github_standin.rest.routing import Routes
from github_standin.world.model import Attempt, Job, Repository, Run, Workflow, jobs_at

routes = Routes("actions", __name__)


@routes.below_repository("/actions/workflows")
def list_workflows(repository: Repository) -> Response:
    """The repository's workflows."""
    workflows = current_world().workflows_of(repository.id)
    page = Page.of(request.args)
    rows = [workflow_body(w, repository, api_url()) for w in page.cut(workflows)]
    return _listing(repository, "workflows", rows, page, len(workflows))


@routes.below_repository("/actions/workflows/<workflow>")
def get_workflow(repository: Repository, workflow: str) -> Response:
    """One workflow, by its id or by the name of its file."""
    return json_response(workflow_body(_workflow(repository, workflow), repository, api_url()))


@routes.below_repository("/actions/workflows/<workflow>/runs")
def list_workflow_runs(repository: Repository, workflow: str) -> Response:
    """The runs of one workflow."""
    return _list_runs(repository, _workflow(repository, workflow).id)


@routes.below_repository("/actions/runs")
def list_runs(repository: Repository) -> Response:
    """The repository's runs, newest first."""
    return _list_runs(repository)


@routes.below_repository("/actions/runs/<int:run_id>")
def get_run(repository: Repository, run_id: int) -> Response:
    """A run as its newest attempt shows it."""
    now = current_world().now()
    run, attempts = _run(repository, run_id, now)
    return json_response(run_body(run, attempts[-1], repository, api_url(), now))


@routes.below_repository("/actions/runs/<int:run_id>/attempts/<int:number>")
def get_attempt(repository: Repository, run_id: int, number: int) -> Response:
    """A run as attempt *number* shows it."""
    now = current_world().now()
    run, attempt = _attempt(repository, run_id, number, now)
    return json_response(run_body(run, attempt, repository, api_url(), now))


@routes.below_repository("/actions/runs/<int:run_id>/jobs")
def list_jobs(repository: Repository, run_id: int) -> Response:
    """The jobs of the newest attempt, or with `filter=all` of every attempt that can be had."""
    now = current_world().now()
    run, attempts = _run(repository, run_id, now)
    if request.args.get("filter") != "all":
        attempts = attempts[-1:]
    return _list_jobs(repository, run, [a for a in attempts if not a.is_missing], now)


@routes.below_repository("/actions/runs/<int:run_id>/attempts/<int:number>/jobs")
def list_attempt_jobs(repository: Repository, run_id: int, number: int) -> Response:
    """The jobs of attempt *number*."""
    now = current_world().now()
    run, attempt = _attempt(repository, run_id, number, now)
    return _list_jobs(repository, run, [attempt], now)


@routes.below_repository("/actions/jobs/<int:job_id>")
def get_job(repository: Repository, job_id: int) -> Response:
    """One job."""
    now = current_world().now()
    run = current_world().run_of_job(job_id)
    if run is not None and run.repository_id == repository.id:
        for attempt, job in _jobs_of(run.attempts_at(now), now):
            if job.id == job_id:
                return json_response(job_body(job, run, attempt, repository, api_url(), now))
    raise NotFoundError


def _list_runs(repository: Repository, workflow_id: int | None = None) -> Response:
    world, now = current_world(), current_world().now()
    found = matching_runs(world, repository.id, request.args, now, workflow_id)
    reachable = found[:SEARCH_LIMIT] if is_filtered(request.args) else found
    page = Page.of(request.args)
    url = api_url()
    rows = [
        run_body(run, run.attempts_at(now)[-1], repository, url, now) for run in page.cut(reachable)
    ]
    return _listing(repository, "workflow_runs", rows, page, len(found), len(reachable))


def _list_jobs(
    repository: Repository, run: Run, attempts: list[Attempt], now: datetime
) -> Response:
    jobs = list(_jobs_of(attempts, now))
    page = Page.of(request.args)
    url = api_url()
    rows = [job_body(job, run, attempt, repository, url, now) for attempt, job in page.cut(jobs)]
    return _listing(repository, "jobs", rows, page, len(jobs))


def _listing(
    repository: Repository,
    key: str,
    rows: list[Body],
    page: Page,
    total: int,
    reachable: int | None = None,
) -> Response:
    # GitHub's links name the repository by its id, whichever way the client asked.
    segments = 3 if request.path.startswith("/repositories/") else 4
    rest = "/".join(request.path.split("/")[segments:])
    url = f"{api_url()}/repositories/{repository.id}/{rest}"
    body = {"total_count": total, key: rows}
    return page_response(body, url, page, total if reachable is None else reachable)


def _workflow(repository: Repository, workflow: str) -> Workflow:
    for candidate in current_world().workflows_of(repository.id):
        if workflow in (str(candidate.id), candidate.path.rpartition("/")[2]):
            return candidate
    raise NotFoundError


def _run(repository: Repository, run_id: int, now: datetime) -> tuple[Run, list[Attempt]]:
    run = current_world().runs.get(run_id)
    if run is None or run.repository_id != repository.id or not run.attempts_at(now):
        raise NotFoundError
    return run, run.attempts_at(now)


def _attempt(
    repository: Repository, run_id: int, number: int, now: datetime
) -> tuple[Run, Attempt]:
    run, attempts = _run(repository, run_id, now)
    for attempt in attempts:
        if attempt.number == number and not attempt.is_missing:
            return run, attempt
    raise NotFoundError


def _jobs_of(attempts: Iterable[Attempt], now: datetime) -> Iterable[tuple[Attempt, Job]]:
    return ((attempt, job) for attempt in attempts for job in jobs_at(attempt, now))
