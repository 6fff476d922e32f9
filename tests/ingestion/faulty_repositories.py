"""Repositories that faults strike, each another one, and one beside them that must not notice."""

import threading
from typing import Any

from werkzeug.wrappers import Request, Response

from github_standin.server import faults
from github_standin.server.server import Break, Fault
from github_standin.world.model import Repository, Workflow
from tests.ingestion.assertions import assert_exact
from tests.ingestion.factories import MINUTE, START, Installation, job, run, workflow

HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Struck:
    """A run with three attempts, one with more jobs than a page holds, and ordinary ones: more than
    a page of them, too, where a page is short."""

    def __init__(self, own: Installation, full_name: str = "octo/struck") -> None:
        self.own = own
        self.ci: Workflow = workflow(own.world, full_name)
        self.repository: Repository = own.world.repositories[self.ci.repository_id]
        for number in range(20):
            own.world.add_run(self.ci, START - 20 * DAY + number * 4 * HOUR, ended_at=START)
        self.rerun = run(self.ci, own.world, START - 9 * DAY)
        for days in (8, 2):
            at = START - days * DAY
            own.world.add_attempt(self.rerun, at, [job("test", at, conclusion="failure")])
        wide = START - 5 * HOUR
        own.world.add_run(self.ci, wide, [job(f"test ({n})", wide) for n in range(25)])
        for minutes in (50, 40, 30, 20):
            run(self.ci, own.world, START - minutes * MINUTE)
        own.monitor(full_name)

    def fault(self, name: str, *, begins: int = 0, **options: Any) -> Fault:
        """A fault of this repository, which begins when that was asked for so many times."""
        fault = faults.named(name, self.own.server, repository=self.repository, **options)
        return fault if begins == 0 else after(begins, fault, self.repository)

    def state(self) -> dict[str, Any]:
        """Its row in app.repositories."""
        return self.own.repository(self.repository.full_name)

    def assert_whole(self) -> None:
        """All rows are there, and no trouble."""
        _assert_well(self.own, self.repository, 20)


def beside(own: Installation, full_name: str = "octo/other") -> Repository:
    """A repository that no fault strikes; monitored."""
    ci = workflow(own.world, full_name)
    for days in (1, 2, 3):
        run(ci, own.world, START - days * DAY)
    own.monitor(full_name)
    return own.world.repositories[ci.repository_id]


def assert_not_held_up(own: Installation, other: Repository) -> None:
    """A repository that is not struck has all its rows, whatever happens beside it."""
    _assert_well(own, other, 3)


def _assert_well(own: Installation, repository: Repository, least: int) -> None:
    assert_exact(own, repository, least=least)
    state = own.repository(repository.full_name)
    assert (state["trouble"], state["trouble_loop"], state["trouble_since"]) == (None, None, None)
    assert (state["failure_count"], state["next_try_at"]) == (0, None)
    assert (state["visibility"], state["unreachable_since"]) == ("public", None)
    assert state["job_listings_owed"] == 0
    assert state["backfill_windows"] == state["backfill_windows_completed"] > 0


def after(requests: int, fault: Fault, repository: Repository) -> Fault:
    """A fault that begins when a repository was asked for so many times."""
    left = [requests]
    lock = threading.Lock()
    roots = (f"/repos/{repository.full_name}/", f"/repositories/{repository.id}/")

    def begun(request: Request) -> Response | Break | None:
        if not f"{request.path}/".startswith(roots):
            return None
        with lock:
            left[0] -= 1
            has_begun = left[0] < 0
        return fault(request) if has_begun else None

    return begun
