"""Every route for everybody, over every kind of repository: nothing leaks, whatever is warm.

Each repository has its own power of two of runs, its own duration of runs and of jobs, so that a
count, sum or percentile tells whose rows are in it. What a viewer's answers must be is what an
operator is told of exactly those repositories that the viewer may see.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.api.permissions.installation import FIRST_ID, Caller, Installation

MONITORED = ("octo/open", "octo/turned", "octo/gone", "octo/closed", "octo/removed", "octo/ruled")
# A ruleset requires the workflow of the first, which is public, in the second, which is private.
SOURCE, RULED = "octo/open", "octo/ruled"
NEVER_ID = FIRST_ID + 99
PUBLIC = {"octo/open", "octo/turned", "octo/gone"}

# Who sees what at first, and after what happens: see `Matrix.change`. Whoever maintains what was
# made private sees it again when GitHub was asked anew: what it listed before may be for all.
BEFORE: dict[str, set[str] | int] = {
    "anonymous": 401,
    "outsider": PUBLIC,
    "outsider's token": PUBLIC,
    "reader": {*PUBLIC, "octo/closed", "octo/removed", "octo/ruled"},
    "reader's token": {*PUBLIC, "octo/closed", "octo/removed", "octo/ruled"},
    "maintainer": set(MONITORED),
    "maintainer's token": set(MONITORED),
    "operator": set(MONITORED),
    "operator's token": set(MONITORED),
    "token of the command line": set(MONITORED),
    "revoked": {*PUBLIC, "octo/closed", "octo/removed"},
    "revoked one's token": {*PUBLIC, "octo/closed", "octo/removed"},
    "revoked token": 401,
}
AFTER: dict[str, set[str] | int] = {
    "anonymous": 401,
    "outsider": {"octo/open"},
    "outsider's token": {"octo/open"},
    "reader": {"octo/open", "octo/closed", "octo/ruled"},
    "reader's token": {"octo/open", "octo/closed", "octo/ruled"},
    "maintainer": {"octo/open", "octo/closed", "octo/ruled"},
    "maintainer's token": {"octo/open", "octo/closed", "octo/ruled"},
    "operator": set(MONITORED) - {"octo/removed"},
    "operator's token": set(MONITORED) - {"octo/removed"},
    "token of the command line": set(MONITORED) - {"octo/removed"},
    "revoked": 401,
    "revoked one's token": 403,
    "revoked token": 401,
}
# Who still sees what when GitHub has told the collector nothing for an hour, but of octo/open: what
# it said before may hold no more.
UNCONFIRMED: dict[str, set[str] | int] = {
    **BEFORE,
    "outsider": {"octo/open"},
    "outsider's token": {"octo/open"},
    "reader": {"octo/open", "octo/closed", "octo/removed", "octo/ruled"},
    "reader's token": {"octo/open", "octo/closed", "octo/removed", "octo/ruled"},
    "revoked": {"octo/open", "octo/closed", "octo/removed"},
    "revoked one's token": {"octo/open", "octo/closed", "octo/removed"},
}
ROLES = {
    "reader": {"octo/closed": "read", "octo/removed": "triage", "octo/ruled": "read"},
    "maintainer": dict.fromkeys([*MONITORED, "octo/spare"], "maintain"),
    "revoked": {"octo/closed": "write", "octo/removed": "admin"},
}
LISTS = (
    "/stats",
    "/stats?from=2026-01-01&group_by=repository_id",
    "/stats?group_by=workflow_id",
    "/stats?from=2026-01-01&to=2026-01-05&group_by=day,event",
    "/stats?from=2026-01-01&group_by=head_branch&branch=@default",
    "/stats?from=2026-01-01&to=2026-01-02&compare=previous",
    "/stats?from=2026-01-01&to=2026-01-02&compare=previous&group_by=repository",
    "/stats?from=2026-01-01&to=2026-01-02&compare=previous&group_by=actor,job_name",
    "/branches/health?from=2026-01-01&include=failing_jobs",
    "/branches/health/intervals?from=2026-01-01",
    "/flaky-jobs?from=2026-01-01&to=2026-01-02&compare=previous",
    "/flaky-jobs/occurrences?from=2026-01-01",
    "/costs?from=2026-01-01&to=2026-01-02&compare=previous",
    "/costs?from=2026-01-01&group_by=repository,job_name",
    "/costs?from=2026-01-01&to=2026-01-02&compare=previous&group_by=month,runner",
    "/costs/unpriced?from=2026-01-01",
    "/runners?from=2026-01-01&to=2026-01-02&compare=previous",
    "/runners/hours?from=2026-01-01",
    "/runners/now",
    "/changes?from=2026-01-01&to=2026-01-02",
    "/changes?from=2026-01-01&to=2026-01-02&limit=1",
    "/runners/names?from=2026-01-01",
    "/workflows",
    "/workflows?name=build",
    "/runs?from=2026-01-01&limit=500",
    "/runs?from=2026-01-01&sort=-duration_seconds&limit=500",
    "/runs?from=2026-01-01&branch=@default&job_name=build",
    "/jobs?from=2026-01-01&limit=500",
    "/jobs?from=2026-01-01&sort=duration_seconds&limit=500",
    "/repositories",
)
OF_ONE = (
    "/stats?repository={id}",
    "/stats?repository={name}&from=2026-01-01",
    "/stats?group_by=workflow_id&repository={id}",
    "/stats?workflow={workflow}&from=2026-01-01",
    "/workflows?repository={id}",
    "/workflows?repository={name}",
    "/workflows/{workflow}?from=2026-01-01",
    "/branches/health?from=2026-01-01&repository={name}",
    "/branches/health/intervals?from=2026-01-01&workflow={workflow}",
    "/flaky-jobs?from=2026-01-01&repository={id}",
    "/flaky-jobs/occurrences?from=2026-01-01&workflow={workflow}",
    "/costs?from=2026-01-01&repository={name}",
    "/costs/unpriced?from=2026-01-01&workflow={workflow}",
    "/runners?from=2026-01-01&to=2026-01-02&workflow={workflow}",
    "/runners/hours?from=2026-01-01&repository={id}",
    "/runners/now?repository={name}",
    "/changes?from=2026-01-01&to=2026-01-02&repository={name}",
    "/workflows/{workflow}?from=2026-01-01&include=health,levels",
    "/runners/names?from=2026-01-01&repository={id}",
    "/workflows/{workflow}/jobs?from=2026-01-01",
    "/workflows/{workflow}/jobs?from=2026-01-01&branch=@default&sort=-executed_run_count",
    "/workflows/{workflow}/jobs?from=2026-01-01&to=2026-01-02&compare=previous&include=levels",
    "/workflows/{workflow}/jobs.csv?from=2026-01-01",
    "/workflows/{workflow}/steps?from=2026-01-01",
    "/workflows/{workflow}/steps.csv?from=2026-01-01",
    "/workflows/{workflow}/runs?from=2026-01-01",
    "/workflows/{workflow}/runs.csv?from=2026-01-01",
    "/workflows/{workflow}/timeline?from=2026-01-01",
    "/runs?repository={id}&from=2026-01-01",
    "/runs?workflow={workflow}&from=2026-01-01",
    "/runs.csv?workflow={workflow}&from=2026-01-01",
    "/runs/{run}",
    "/runs/{run}/failures",
    "/runs/{run}?include=steps",
    "/jobs?repository={name}&from=2026-01-01",
    "/jobs.csv?workflow={workflow}&from=2026-01-01",
    "/jobs/{run}",
    "/repositories?repository={id}",
    "/repositories?repository={name}",
)
# Of a workflow that several repositories have: of what is visible of them, and of one of them.
OF_SHARED = (
    "/workflows/{source}?from=2026-01-01",
    "/workflows/{source}?branch=@default&from=2026-01-01",
    "/workflows/{source}/runs?from=2026-01-01",
    "/workflows/{source}/jobs?from=2026-01-01",
    "/workflows/{source}/steps?from=2026-01-01",
    "/workflows/{source}/timeline?from=2026-01-01",
    "/runs?workflow={source}&from=2026-01-01",
    "/jobs?workflow={source}&from=2026-01-01",
    "/stats?workflow={source}&from=2026-01-01",
    "/stats?workflow={source}&group_by=workflow_id&from=2026-01-01",
    "/stats?workflow={source}&group_by=day,head_branch",
)
OF_SHARED_IN_ONE = (
    "/workflows/{source}?from=2026-01-01&repository={id}",
    "/workflows/{source}?from=2026-01-01&repository={name}",
    "/stats?workflow={source}&repository={id}&from=2026-01-01",
    "/stats?workflow={source}&group_by=workflow_id&repository={id}",
)


@dataclass
class Matrix:
    """Repositories by name, and everybody who asks."""

    installation: Installation
    ids: dict[str, int]
    callers: dict[str, Caller]
    _expected: dict[tuple[str, frozenset[str]], Any] = field(default_factory=dict)

    def lists(self) -> Iterator[str]:
        """Of all that is visible."""
        source = self.ids[SOURCE] * 10
        yield from LISTS
        yield from (template.format(source=source) for template in OF_SHARED)

    def asked(self, who: str, name: str, *, of_all: bool) -> Iterator[tuple[str, str]]:
        """What somebody asks of one repository: all of it, or a third, so that each question is put
        by everybody, each of every repository, and everybody asks of every repository."""
        place = [*self.callers].index(who) + [*self.ids].index(name)
        for number, paths in enumerate(self.of_one(name), start=place):
            if of_all or number % 3 == 0:
                yield paths

    def of_one(self, name: str) -> Iterator[tuple[str, str]]:
        """Of one repository, and the same of one that does not exist."""
        number, source = self.ids[name], self.ids[SOURCE] * 10
        for template in (*OF_ONE, *(OF_SHARED_IN_ONE if name in (SOURCE, RULED) else ())):
            yield (
                template.format(
                    id=number, name=name, workflow=number * 10, source=source, run=number * 1_000
                ),
                template.format(
                    id=NEVER_ID,
                    name="octo/never",
                    workflow=NEVER_ID * 10,
                    source=source,
                    run=NEVER_ID * 1_000,
                ),
            )

    def expected(self, path: str, visible: set[str]) -> Any:
        """What an operator is told of these repositories alone."""
        key = (path, frozenset(visible))
        if key not in self._expected:
            operator = self.callers["token of the command line"]
            chosen = ",".join(str(self.ids[name]) for name in sorted(visible))
            answer = operator.read(f"{path}{'&' if '?' in path else '?'}repository={chosen}")
            del answer["filter"]["repository"]
            self._expected[key] = answer
        return self._expected[key]

    def change(self) -> None:
        """One is made private, one is deleted at GitHub, one is not monitored any more, and one
        person takes back the consent."""
        self._expected.clear()
        installation = self.installation
        installation.privatize(self.ids["octo/turned"])
        gone = self.ids["octo/gone"]
        installation.world.delete_repository(installation.world.repositories[gone])
        installation.hear("repository", action="deleted", repository={"id": gone})
        assert self.callers["operator"].delete(self.ids["octo/removed"]).status_code == 204
        user_id = installation.world.people.user_named("revoked")
        assert user_id is not None
        installation.world.people.revoke_authorization(user_id)
        installation.hear(
            "github_app_authorization", action="revoked", sender={"id": user_id.account.id}
        )


def without_names(body: str, matrix: Matrix) -> str:
    numbers = "|".join(f"{number}0{{0,3}}" for number in [*matrix.ids.values(), NEVER_ID])
    return re.sub(rf"octo/\w+|\b(?:{numbers})\b", "NAME", body)


def check(matrix: Matrix, who: str, rights: set[str] | int, *, of_all: bool = False) -> None:
    """What one caller can ask for: every list, and of each repository all or a third (`asked`)."""
    caller = matrix.callers[who]
    asked = {name: [*matrix.asked(who, name, of_all=of_all)] for name in matrix.ids}
    if isinstance(rights, int):
        bodies = set()
        others = ("/repositories/available", "/repositories/selections", "/stats?nonsense=1")
        every = [path for paths in asked.values() for path, _ in paths]
        for number, path in enumerate((*matrix.lists(), *every, *others)):
            if number % 10 == 0:
                matrix.installation.forget_counts()
            response = caller.get(path)
            assert response.status_code == rights, (who, path)
            bodies.add(response.text)
        assert len(bodies) == 1, "nothing of what was asked is in it"
        return
    matrix.installation.forget_counts()
    hidden = [word for name in matrix.ids.keys() - rights for word in (name, str(matrix.ids[name]))]
    for path in matrix.lists():
        told = caller.get(path)
        assert told.json == matrix.expected(path, rights), (who, path)
        assert not any(word in told.text for word in hidden), (who, path)
    assert caller.read("/stats")["data"]["run_count"] == sum(
        2 ** (matrix.ids[name] % 100) for name in rights
    )
    assert caller.visible() == {matrix.ids[name] for name in rights}
    of_nothing: dict[str, Any] = {}
    for name, paths in asked.items():
        for path, never in paths:
            response = caller.get(path)
            if name in rights:
                assert response.status_code == 200, (who, path)
                continue
            if never not in of_nothing:
                of_nothing[never] = caller.get(never)
            nothing = of_nothing[never]
            assert (response.status_code, nothing.status_code) == (404, 404), (who, path)
            bodies = {without_names(each.text, matrix) for each in (response, nothing)}
            assert len(bodies) == 1, (who, path)
            assert _headers(response) == _headers(nothing)


def _headers(response: Any) -> dict[str, str]:
    """But for those of this one request: whose minute has just ended is told of no limit."""
    own = ("Content-Length", "RateLimit", "RateLimit-Policy", "X-Request-Id")
    return {name: value for name, value in response.headers if name not in own}
