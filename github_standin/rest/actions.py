"""Repositories, workflows, runs and jobs: GitHub's REST paths over a world.

The handlers know nothing of tokens, limits, ETags and faults: those are `github_standin.server`'s.
"""

from collections.abc import Iterable
from datetime import datetime

from flask import Flask, Response, request

from github_standin.payloads.actions import job_body, run_body, workflow_body
from github_standin.payloads.repositories import Body, full_repository_body
from github_standin.responses import NotFoundError, api_url, json_response, with_link
from github_standin.rest.access import current_viewer
from github_standin.rest.queries import SEARCH_LIMIT, Page, is_filtered, last_push, matching_runs
from github_standin.rest.routing import add_below_repository
from github_standin.world.model import Attempt, Job, Repository, Run, Workflow, jobs_at
from github_standin.world.world import World


def add_routes(app: Flask, world: World) -> None:
    """Add what is below a repository, hooks excepted."""
    routes = Routes(world)
    for path, handler in (
        ("", routes.repository),
        ("/actions/workflows", routes.workflows),
        ("/actions/workflows/<workflow>", routes.workflow),
        ("/actions/workflows/<workflow>/runs", routes.workflow_runs),
        ("/actions/runs", routes.runs),
        ("/actions/runs/<int:run_id>", routes.run),
        ("/actions/runs/<int:run_id>/jobs", routes.run_jobs),
        ("/actions/runs/<int:run_id>/attempts/<int:number>", routes.attempt),
        ("/actions/runs/<int:run_id>/attempts/<int:number>/jobs", routes.attempt_jobs),
        ("/actions/jobs/<int:job_id>", routes.job),
    ):
        add_below_repository(app, world, path, handler)


class Routes:
    """The handlers, each for a repository that was found by its name or its id."""

    def __init__(self, world: World) -> None:
        self.world = world

    def repository(self, repository: Repository) -> Response:
        """The repository itself, with what the one who asks may do there."""
        pushed_at = last_push(self.world, repository)
        body = full_repository_body(repository, api_url(), pushed_at)
        return json_response(body | {"permissions": current_viewer().permissions(repository)})

    def workflows(self, repository: Repository) -> Response:
        """The repository's workflows."""
        workflows = self.world.workflows_of(repository.id)
        page = Page.of(request.args)
        rows = [workflow_body(w, repository, api_url()) for w in page.cut(workflows)]
        return _listing(repository, "workflows", rows, page, len(workflows))

    def workflow(self, repository: Repository, workflow: str) -> Response:
        """One workflow, by its id or by the name of its file."""
        found = self._workflow(repository, workflow)
        return json_response(workflow_body(found, repository, api_url()))

    def workflow_runs(self, repository: Repository, workflow: str) -> Response:
        """The runs of one workflow."""
        return self._runs(repository, self._workflow(repository, workflow).id)

    def runs(self, repository: Repository) -> Response:
        """The repository's runs, newest first."""
        return self._runs(repository)

    def run(self, repository: Repository, run_id: int) -> Response:
        """A run as its newest attempt shows it."""
        now = self.world.now()
        run, attempts = self._run(repository, run_id, now)
        return json_response(run_body(run, attempts[-1], repository, api_url(), now))

    def attempt(self, repository: Repository, run_id: int, number: int) -> Response:
        """A run as attempt *number* shows it."""
        now = self.world.now()
        run, attempt = self._attempt(repository, run_id, number, now)
        return json_response(run_body(run, attempt, repository, api_url(), now))

    def run_jobs(self, repository: Repository, run_id: int) -> Response:
        """The jobs of the newest attempt, or with `filter=all` of every attempt that can be had."""
        now = self.world.now()
        run, attempts = self._run(repository, run_id, now)
        if request.args.get("filter") != "all":
            attempts = attempts[-1:]
        return self._jobs(repository, run, [a for a in attempts if not a.is_missing], now)

    def attempt_jobs(self, repository: Repository, run_id: int, number: int) -> Response:
        """The jobs of attempt *number*."""
        now = self.world.now()
        run, attempt = self._attempt(repository, run_id, number, now)
        return self._jobs(repository, run, [attempt], now)

    def job(self, repository: Repository, job_id: int) -> Response:
        """One job."""
        now = self.world.now()
        run = self.world.run_of_job(job_id)
        if run is not None and run.repository_id == repository.id:
            for attempt, job in _jobs_of(run.attempts_at(now), now):
                if job.id == job_id:
                    return json_response(job_body(job, run, attempt, repository, api_url(), now))
        raise NotFoundError

    def _runs(self, repository: Repository, workflow_id: int | None = None) -> Response:
        now = self.world.now()
        found = matching_runs(self.world, repository.id, request.args, now, workflow_id)
        reachable = found[:SEARCH_LIMIT] if is_filtered(request.args) else found
        page = Page.of(request.args)
        url = api_url()
        rows = [
            run_body(run, run.attempts_at(now)[-1], repository, url, now)
            for run in page.cut(reachable)
        ]
        return _listing(repository, "workflow_runs", rows, page, len(found), len(reachable))

    def _jobs(
        self, repository: Repository, run: Run, attempts: list[Attempt], now: datetime
    ) -> Response:
        jobs = list(_jobs_of(attempts, now))
        page = Page.of(request.args)
        url = api_url()
        rows = [
            job_body(job, run, attempt, repository, url, now) for attempt, job in page.cut(jobs)
        ]
        return _listing(repository, "jobs", rows, page, len(jobs))

    def _workflow(self, repository: Repository, workflow: str) -> Workflow:
        for candidate in self.world.workflows_of(repository.id):
            if workflow in (str(candidate.id), candidate.path.rpartition("/")[2]):
                return candidate
        raise NotFoundError

    def _run(self, repository: Repository, run_id: int, now: datetime) -> tuple[Run, list[Attempt]]:
        run = self.world.runs.get(run_id)
        if run is None or run.repository_id != repository.id or not run.attempts_at(now):
            raise NotFoundError
        return run, run.attempts_at(now)

    def _attempt(
        self, repository: Repository, run_id: int, number: int, now: datetime
    ) -> tuple[Run, Attempt]:
        run, attempts = self._run(repository, run_id, now)
        for attempt in attempts:
            if attempt.number == number and not attempt.is_missing:
                return run, attempt
        raise NotFoundError


def _jobs_of(attempts: Iterable[Attempt], now: datetime) -> Iterable[tuple[Attempt, Job]]:
    return ((attempt, job) for attempt in attempts for job in jobs_at(attempt, now))


def _listing(
    repository: Repository,
    key: str,
    rows: list[Body],
    page: Page,
    total: int,
    reachable: int | None = None,
) -> Response:
    response = json_response({"total_count": total, key: rows})
    # GitHub's links name the repository by its id, whichever way the client asked.
    segments = 3 if request.path.startswith("/repositories/") else 4
    rest = "/".join(request.path.split("/")[segments:])
    url = f"{api_url()}/repositories/{repository.id}/{rest}"
    return with_link(response, url, page, total if reachable is None else reachable)
