"""The routes: GitHub's REST paths over a world, below `/repos/{owner}/{repo}` and
`/repositories/{id}`.

The handlers know nothing of tokens, limits, ETags and faults: those are `github_standin.server`'s.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import orjson
from flask import Flask, Response, request

from github_standin import render, render_repository
from github_standin.accounts import account
from github_standin.model import Attempt, Job, Repository, Run, Workflow, jobs_at
from github_standin.queries import (
    SEARCH_LIMIT,
    InvalidQueryError,
    Page,
    is_filtered,
    link_header,
    matching_runs,
)
from github_standin.world import World

DOCUMENTATION = "https://docs.github.com/rest"

Handler = Callable[..., Response]


class NotFoundError(LookupError):
    """What was asked for does not exist, or not yet."""


class MovedError(LookupError):
    """The repository bears another name now."""

    def __init__(self, repository: Repository) -> None:
        super().__init__(repository.full_name)
        self.repository = repository


def answer(body: Any, status: int = 200) -> Response:
    """A JSON answer as GitHub sends it."""
    return Response(orjson.dumps(body), status, content_type="application/json; charset=utf-8")


def error(status: int, message: str, **fields: Any) -> Response:
    """An error body as GitHub sends it (schema `basic-error`)."""
    body = {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)}
    return answer(body | fields, status)


def create_app(world: World) -> Flask:
    """The application that answers for *world*."""
    app = Flask("github_standin", static_folder=None)
    routes = Routes(world)
    below = (
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
    )
    for path, handler in below:
        name = handler.__name__
        by_name, by_id = routes.by_name(handler), routes.by_id(handler)
        app.add_url_rule(f"/repos/<owner>/<name>{path}", f"{name}_by_name", by_name)
        app.add_url_rule(f"/repositories/<int:repository_id>{path}", f"{name}_by_id", by_id)
    app.add_url_rule("/user", "user", routes.user)
    app.add_url_rule("/meta", "meta", routes.meta)
    app.register_error_handler(NotFoundError, lambda _: error(404, "Not Found"))
    app.register_error_handler(404, lambda _: error(404, "Not Found"))
    app.register_error_handler(405, lambda _: error(404, "Not Found"))
    app.register_error_handler(MovedError, _moved)
    app.register_error_handler(InvalidQueryError, lambda e: error(422, f"Validation Failed: {e}"))
    return app


class Routes:
    """The handlers, each for a repository that was found by its name or its id."""

    def __init__(self, world: World) -> None:
        self.world = world

    def by_name(self, handler: Handler) -> Handler:
        """*handler* below `/repos/{owner}/{name}`."""

        def handle(owner: str, name: str, **rest: Any) -> Response:
            full_name = f"{owner}/{name}"
            repository = self.world.repository_named(full_name)
            if repository is None:
                moved = self.world.moved_repository(full_name)
                raise NotFoundError if moved is None else MovedError(moved)
            return handler(repository, **rest)

        return handle

    def by_id(self, handler: Handler) -> Handler:
        """*handler* below `/repositories/{id}`."""

        def handle(repository_id: int, **rest: Any) -> Response:
            repository = self.world.repositories.get(repository_id)
            if repository is None:
                raise NotFoundError
            return handler(repository, **rest)

        return handle

    def repository(self, repository: Repository) -> Response:
        """The repository itself; its `pushed_at` follows its newest run."""
        newest = next(self.world.runs_newest_first(repository.id), None)
        pushed_at = repository.created_at if newest is None else newest.created_at
        return answer(render_repository.full_repository_body(repository, _api(), pushed_at))

    def workflows(self, repository: Repository) -> Response:
        """The repository's workflows."""
        workflows = self.world.workflows_of(repository.id)
        page = Page.of(request.args)
        rows = [render.workflow_body(w, repository, _api()) for w in page.cut(workflows)]
        return _listing(repository, "workflows", rows, page, len(workflows))

    def workflow(self, repository: Repository, workflow: str) -> Response:
        """One workflow, by its id or by the name of its file."""
        found = self._workflow(repository, workflow)
        return answer(render.workflow_body(found, repository, _api()))

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
        return answer(render.run_body(run, attempts[-1], repository, _api(), now))

    def attempt(self, repository: Repository, run_id: int, number: int) -> Response:
        """A run as attempt *number* shows it."""
        now = self.world.now()
        run, attempt = self._attempt(repository, run_id, number, now)
        return answer(render.run_body(run, attempt, repository, _api(), now))

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
                    return answer(render.job_body(job, run, attempt, repository, _api(), now))
        raise NotFoundError

    def user(self) -> Response:
        """The owner of the token; without one there is nobody."""
        if not request.headers.get("Authorization"):
            return error(401, "Requires authentication")
        owner = account("github-standin")
        return answer(
            render_repository.user_body(
                owner, _api(), datetime.fromisoformat("2020-01-01T00:00:00Z")
            )
        )

    def meta(self) -> Response:
        """Where hooks come from: from this machine."""
        return answer({"verifiable_password_authentication": False, "hooks": ["127.0.0.1/32"]})

    def _runs(self, repository: Repository, workflow_id: int | None = None) -> Response:
        now = self.world.now()
        found = list(matching_runs(self.world, repository.id, request.args, now, workflow_id))
        reachable = found[:SEARCH_LIMIT] if is_filtered(request.args) else found
        page = Page.of(request.args)
        api = _api()
        rows = [
            render.run_body(run, attempt, repository, api, now)
            for run, attempt in page.cut(reachable)
        ]
        return _listing(repository, "workflow_runs", rows, page, len(found), len(reachable))

    def _jobs(
        self, repository: Repository, run: Run, attempts: list[Attempt], now: datetime
    ) -> Response:
        jobs = list(_jobs_of(attempts, now))
        page = Page.of(request.args)
        api = _api()
        rows = [
            render.job_body(job, run, attempt, repository, api, now)
            for attempt, job in page.cut(jobs)
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


def _api() -> str:
    return request.host_url.rstrip("/")


def _listing(
    repository: Repository,
    key: str,
    rows: list[render_repository.Body],
    page: Page,
    total: int,
    reachable: int | None = None,
) -> Response:
    response = answer({"total_count": total, key: rows})
    # GitHub's links name the repository by its id, whichever way the client asked.
    segments = 3 if request.path.startswith("/repositories/") else 4
    rest = "/".join(request.path.split("/")[segments:])
    url = f"{_api()}/repositories/{repository.id}/{rest}"
    link = link_header(url, request.args, page, total if reachable is None else reachable)
    if link is not None:
        response.headers["Link"] = link
    return response


def _moved(moved: MovedError) -> Response:
    rest = "/".join(request.path.split("/")[4:])
    url = f"{_api()}/repositories/{moved.repository.id}" + (f"/{rest}" if rest else "")
    if request.query_string:
        url += f"?{request.query_string.decode()}"
    response = error(301, "Moved Permanently", url=url)
    response.headers["Location"] = url
    return response
