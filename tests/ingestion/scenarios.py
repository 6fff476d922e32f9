"""What several histories go through in the same polls.

A scenario is a generator. It has an owner of its own in one world, whose repositories it prepares;
it yields `POLL`, or another `Poll`, to have them polled, and looks after that at what is stored of
them; a span of time that it yields passes before it goes on. A poll costs its fifth of a second
whatever is in it: scenarios that wait for the same one at the same time share it. Each is polled
when it asks for it and at no other time, as if it were alone.
"""

import re
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, LiteralString

from psycopg import sql
from werkzeug.wrappers import Request, Response

from github_standin.server.server import Break, Fault, LoggedRequest
from github_standin.world.model import Workflow
from ingestion.github.sync import Loop
from tests.ingestion.factories import Installation, workflow


@dataclass(frozen=True)
class Poll:
    """What a scenario waits for: a poll by these loops, or by all, as `Installation.collect`."""

    loops: tuple[Loop, ...] = ()
    since: datetime | None = None
    is_watched: bool = False
    has_jobs: bool = True


POLL = Poll()
HEAD = Poll(("head", "open"))
SWEEP = Poll(("sweep",))

# A scenario is sent the troubles of its repositories in the poll that it waited for.
Steps = Generator[Poll | timedelta, dict[str, str], None]


@dataclass
class Own(Installation):
    """The installation as a scenario sees it: what it has of the scenario's owner.

    `number`: of the scenario. `names`: the repositories that are polled. `fault`: strikes them
    alone.
    """

    number: int = 0
    names: set[str] = field(default_factory=set)
    fault: Fault | None = None
    seen_requests: int = 0

    @property
    def owner(self) -> str:
        """The owner of all its repositories; further owners' names begin with this and a dash."""
        return f"octo-{self.number}"

    def named(self, name: str) -> str:
        """The full name of a repository of its owner."""
        return f"{self.owner}/{name}"

    @property
    def name(self) -> str:
        """The full name of the repository that `monitored` makes unless it is told another."""
        return self.named("hello")

    def monitored(self, name: str = "hello") -> Workflow:
        """The workflow of a new repository, which is monitored."""
        self.monitor(self.named(name))
        return workflow(self.world, self.named(name))

    def is_own(self, full_name: str) -> bool:
        """Whether a repository of this name is the scenario's."""
        return re.match(f"{self.owner}[-/]", full_name) is not None

    def monitor(self, *names: str) -> None:
        """Select repositories, as the operator does."""
        super().monitor(*names)
        self.names.update(names)

    def repository_ids(self) -> list[int]:
        """The scenario's repositories, as the world has them and as they are monitored."""
        there = {each.id: each.full_name for each in self.world.repositories.values()}
        for row in self.query("select repository_id, full_name from app.repositories"):
            there.setdefault(row["repository_id"], row["full_name"])
        return [number for number, full_name in there.items() if self.is_own(full_name)]

    def of_own(self, table: LiteralString) -> list[dict[str, Any]]:
        """The rows of a table that tell of them."""
        return self.query(
            sql.SQL("select * from {} where repository_id = any(%s)").format(
                sql.Identifier(*table.split("."))
            ),
            self.repository_ids(),
        )

    def requests(self) -> list[LoggedRequest]:
        """The requests for the scenario's repositories since the last call."""
        new = self.server.requests[self.seen_requests :]
        self.seen_requests += len(new)
        return [logged for logged in new if self.is_asked_for(logged.path)]

    def paths(self) -> list[str]:
        """The paths of these."""
        return [logged.path for logged in self.requests()]

    def is_asked_for(self, path: str) -> bool:
        """Whether a request is for a repository of the scenario's, by its name or by its id."""
        _, kind, name_or_id, *_ = [*path.split("/", 2), ""]
        if kind == "repositories":
            repository = self.world.repositories.get(int(name_or_id.partition("/")[0]))
            return repository is not None and self.is_own(repository.full_name)
        return kind == "repos" and self.is_own(name_or_id)


Scenario = Callable[[Own], Steps]


class _Course:
    """A scenario under way: `poll` is what it waits for; None where it waits for a time, `at`."""

    def __init__(self, scenario: Scenario, own: Own) -> None:
        self.scenario = scenario
        self.own = own
        self.at = own.clock.now
        self.poll: Poll | None = None
        self.failure: Exception | None = None
        self.is_over = False
        self._steps = scenario(own)

    def go_on(self, troubles: dict[str, str] | None = None) -> None:
        """Until it waits again, or is over."""
        self.poll = None
        try:
            step = next(self._steps) if troubles is None else self._steps.send(troubles)
        except StopIteration:
            self.is_over = True
        except Exception as failure:  # its test raises it again
            self.is_over, self.failure = True, failure
        else:
            if isinstance(step, Poll):
                self.poll = step
            else:
                self.at += step


def play(installation: Installation, scenarios: Iterable[Scenario]) -> dict[Scenario, Exception]:
    """Let all scenarios go through their polls; give why some of them failed."""
    courses = [
        _Course(scenario, _own(installation, number))
        for number, scenario in enumerate(scenarios, start=1)
    ]
    installation.server.fault = _strike_owners([course.own for course in courses])
    while waiting := [course for course in courses if not course.is_over]:
        installation.clock.now = min(course.at for course in waiting)
        present = [course for course in waiting if course.at == installation.clock.now]
        polls = [course.poll for course in present if course.poll is not None]
        if len(polls) < len(present):
            # These may come to wait for the same poll as the others.
            for course in present:
                if course.poll is None:
                    course.go_on()
            continue
        poll = max(polls, key=polls.count)
        _poll(installation, poll, [course for course in present if course.poll == poll])
    return {course.scenario: course.failure for course in courses if course.failure is not None}


def _own(installation: Installation, number: int) -> Own:
    shared = {each.name: getattr(installation, each.name) for each in fields(Installation)}
    return Own(**shared, number=number)


def _poll(installation: Installation, poll: Poll, courses: list[_Course]) -> None:
    names = set().union(*(course.own.names for course in courses))
    assert names, "without names, all repositories would be polled"
    results = installation.collect(
        *poll.loops,
        since=poll.since,
        is_watched=poll.is_watched,
        only=names,
        has_jobs=poll.has_jobs,
    )
    for course in courses:
        own = course.own
        course.go_on({n: t for n, t in results[-1].troubles.items() if own.is_own(n)})


def _strike_owners(owners: list[Own]) -> Fault:
    """Each scenario's fault strikes its own repositories."""

    def fault(request: Request) -> Response | Break | None:
        for own in owners:
            if own.fault is not None and own.is_asked_for(request.path):
                return own.fault(request)
        return None

    return fault
