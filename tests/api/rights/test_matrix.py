"""Every route for everybody, over every kind of repository: nothing leaks, whatever is warm.

Each repository has its own power of two of runs, its own duration of runs and of jobs, so that a
count, sum or percentile tells whose rows are in it. What a viewer's answers must be is what an
operator is told of exactly those repositories that the viewer may see.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api import openapi
from api.auth.access import Access, access_of
from tests.api.rights.house import FIRST_ID, OPERATOR_ID, Caller, House

pytestmark = pytest.mark.integration

MONITORED = ("octo/open", "octo/turned", "octo/gone", "octo/closed", "octo/removed")
NEVER_ID = FIRST_ID + 99
PUBLIC = {"octo/open", "octo/turned", "octo/gone"}

# Who sees what at first, and after what happens: see `Matrix.change`.
BEFORE: dict[str, set[str] | int] = {
    "anonymous": 401,
    "outsider": PUBLIC,
    "outsider's token": PUBLIC,
    "reader": {*PUBLIC, "octo/closed", "octo/removed"},
    "reader's token": {*PUBLIC, "octo/closed", "octo/removed"},
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
    "reader": {"octo/open", "octo/closed"},
    "reader's token": {"octo/open", "octo/closed"},
    "maintainer": {"octo/open", "octo/closed", "octo/turned"},
    "maintainer's token": {"octo/open", "octo/closed", "octo/turned"},
    "operator": set(MONITORED) - {"octo/removed"},
    "operator's token": set(MONITORED) - {"octo/removed"},
    "token of the command line": set(MONITORED) - {"octo/removed"},
    "revoked": 401,
    "revoked one's token": 403,
    "revoked token": 401,
}
ROLES = {
    "reader": {"octo/closed": "read", "octo/removed": "triage"},
    "maintainer": dict.fromkeys([*MONITORED, "octo/spare"], "maintain"),
    "revoked": {"octo/closed": "write", "octo/removed": "admin"},
}
LISTS = (
    "/stats",
    "/stats?group_by=repository_id",
    "/stats?group_by=workflow_id",
    "/stats?group_by=day,event",
    "/stats?group_by=head_branch&branch=@default",
    "/workflows",
    "/workflows?name=build",
    "/repositories",
)
OF_ONE = (
    "/stats?repository={id}",
    "/stats?repository={name}",
    "/stats?group_by=workflow_id&repository={id}",
    "/stats?workflow={workflow}",
    "/workflows?repository={id}",
    "/workflows?repository={name}",
    "/workflows/{workflow}",
    "/repositories?repository={id}",
    "/repositories?repository={name}",
)


@dataclass
class Matrix:
    """Repositories by name, and everybody who asks."""

    house: House
    ids: dict[str, int]
    callers: dict[str, Caller]

    def paths(self, templates: tuple[str, ...], name: str) -> Iterator[str]:
        number = self.ids[name]
        for template in templates:
            yield template.format(id=number, name=name, workflow=number * 10)

    def expected(self, path: str, visible: set[str]) -> Any:
        """What an operator is told of these repositories alone."""
        operator = self.callers["token of the command line"]
        chosen = ",".join(str(self.ids[name]) for name in sorted(visible))
        answer = operator.read(f"{path}{'&' if '?' in path else '?'}repository={chosen}")
        del answer["filter"]["repository"]
        return answer

    def change(self) -> None:
        """One is made private, one is deleted at GitHub, one is not monitored any more, and one
        person takes back the consent."""
        house = self.house
        house.privatize(self.ids["octo/turned"])
        gone = self.ids["octo/gone"]
        house.world.delete_repository(house.world.repositories[gone])
        house.hear("repository", action="deleted", repository={"id": gone})
        assert self.callers["operator"].delete(self.ids["octo/removed"]).status_code == 204
        user_id = house.world.people.user_named("revoked")
        assert user_id is not None
        house.world.people.revoke_authorization(user_id)
        house.hear("github_app_authorization", action="revoked", sender={"id": user_id.account.id})


@pytest.fixture
def matrix(house: House) -> Matrix:
    # Thousands of answers: that each is what the document says is seen elsewhere.
    house.app.test_client_class = FlaskClient
    ids = {name: house.monitor(name) for name in MONITORED}
    ids["octo/spare"] = FIRST_ID + 6
    callers = {"anonymous": house.anonymous()}
    for name in ("outsider", "reader", "maintainer", "revoked"):
        user = house.person(name, ROLES.get(name))
        callers[name] = house.signed_in(user)
        possessive = "revoked one's" if name == "revoked" else f"{name}'s"
        callers[f"{possessive} token"] = house.with_token(user)
    operator = house.person("operator", user_id=OPERATOR_ID)
    callers["operator"] = house.signed_in(operator)
    callers["operator's token"] = house.with_token(operator)
    callers["revoked token"] = house.with_token(None)
    house.connection.execute("update app.api_tokens set revoked_at = now() where user_id is null")
    callers["token of the command line"] = house.with_token(None)
    return Matrix(house, ids, callers)


def without_names(body: str, matrix: Matrix) -> str:
    numbers = "|".join(f"{number}0?" for number in [*matrix.ids.values(), NEVER_ID])
    return re.sub(rf"octo/\w+|\b(?:{numbers})\b", "NAME", body)


def check(matrix: Matrix, who: str, rights: set[str] | int) -> None:
    """All that one caller can ask for."""
    caller = matrix.callers[who]
    every = [path for name in matrix.ids for path in matrix.paths(OF_ONE, name)]
    if isinstance(rights, int):
        bodies = set()
        for path in (*LISTS, *every, "/repositories/available", "/stats?nonsense=1"):
            matrix.house.forget_counts()
            response = caller.get(path)
            assert response.status_code == rights, (who, path)
            bodies.add(response.text)
        assert len(bodies) == 1, "nothing of what was asked is in it"
        return
    matrix.house.forget_counts()
    for path in LISTS:
        assert caller.read(path) == matrix.expected(path, rights), (who, path)
    assert caller.read("/stats")["data"]["run_count"] == sum(
        2 ** (matrix.ids[name] % 100) for name in rights
    )
    assert caller.visible() == {matrix.ids[name] for name in rights}
    for name in matrix.ids:
        for path, never in zip(matrix.paths(OF_ONE, name), _of_nothing(), strict=True):
            response = caller.get(path)
            if name in rights:
                assert response.status_code == 200, (who, path)
                continue
            nothing = caller.get(never)
            assert (response.status_code, nothing.status_code) == (404, 404), (who, path)
            bodies = {without_names(each.text, matrix) for each in (response, nothing)}
            assert len(bodies) == 1, (who, path)
            assert _headers(response) == _headers(nothing)
    hidden = [str(number) for name, number in matrix.ids.items() if name not in rights] + [
        name for name in matrix.ids if name not in rights
    ]
    for path in LISTS:
        told = caller.get(path)
        assert not any(word in told.text for word in hidden), (who, path)


def _of_nothing() -> Iterator[str]:
    for template in OF_ONE:
        yield template.format(id=NEVER_ID, name="octo/never", workflow=NEVER_ID * 10)


def _headers(response: Any) -> dict[str, str]:
    return {
        name: value
        for name, value in response.headers
        if name not in ("Content-Length", "RateLimit")
    }


def test_the_matrix_is_over_every_route_that_asks_who_sends(app: Flask) -> None:
    asking = {
        f"{method} {openapi.path_of(rule)}"
        for rule, _ in openapi.routes(app)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if access_of(app, rule.endpoint.rpartition(".")[0]) is Access.VIEWER
    }
    assert asking == {
        "GET /stats",
        "GET /workflows",
        "GET /workflows/{workflow_id}",
        "GET /repositories",
        "GET /repositories/available",
        "POST /repositories",
        "DELETE /repositories/{repository_id}",
    }


def test_everybody_reads_exactly_what_they_may_before_and_after_it_changes(
    matrix: Matrix,
) -> None:
    for _ in range(2):  # the second time every answer and all rights are warm
        for who, rights in BEFORE.items():
            check(matrix, who, rights)
    matrix.change()
    for _ in range(2):
        for who, rights in AFTER.items():
            check(matrix, who, rights)


def test_tags_of_before_open_nothing_after(matrix: Matrix) -> None:
    tags = {
        (who, path): matrix.callers[who].get(path).headers["ETag"]
        for who, rights in BEFORE.items()
        if not isinstance(rights, int)
        for path in ("/stats", f"/workflows/{matrix.ids['octo/closed'] * 10}")
        if matrix.callers[who].get(path).status_code == 200
    }
    matrix.change()
    for (who, path), tag in tags.items():
        caller = matrix.callers[who]
        response = caller.client.get(path, headers={**caller.headers, "If-None-Match": tag})
        known = isinstance(AFTER[who], set)
        if path == "/stats":
            assert response.status_code == (200 if known else AFTER[who]), who
        else:
            assert response.status_code == (304 if known else AFTER[who]), who


@pytest.mark.parametrize("path", ["/repositories", "/workflows", "/stats?group_by=workflow_id"])
def test_a_paging_token_of_somebody_else_shows_nothing_but_one_s_own(
    matrix: Matrix, path: str
) -> None:
    operator, outsider = matrix.callers["operator"], matrix.callers["outsider"]
    mark = "&" if "?" in path else "?"
    whole = operator.read(path)["data"]
    own = outsider.read(path)["data"]
    for limit in range(1, len(whole)):
        token = operator.read(f"{path}{mark}limit={limit}")["next"]
        rest = outsider.read(f"{path}{mark}next={token}")
        assert [row for row in rest["data"] if row not in own] == []
        assert rest["next"] is None
    anonymous = matrix.callers["anonymous"]
    assert anonymous.get(f"{path}{mark}next={token}").status_code == 401


@pytest.mark.parametrize("path", ["/repositories", "/workflows", "/stats?group_by=workflow_id"])
def test_the_tokens_of_one_s_own_pages_name_nothing_that_is_hidden(
    matrix: Matrix, path: str
) -> None:
    """Hidden rows lie between those that are shown, and after them."""
    outsider = matrix.callers["outsider"]
    mark = "&" if "?" in path else "?"
    shown, after = [], ""
    while True:
        page = outsider.read(f"{path}{mark}limit=1{after}")
        shown += page["data"]
        if page["next"] is None:
            break
        after = f"&next={page['next']}"
    assert shown == outsider.read(path)["data"]
    assert len(shown) == len(PUBLIC)


# What POST and DELETE answer, by who asks and about which repository.
WRITES: dict[str, dict[str, tuple[int, int]]] = {
    "anonymous": dict.fromkeys([*MONITORED, "octo/spare", "octo/never"], (401, 401)),
    "outsider": {
        **dict.fromkeys(PUBLIC, (200, 403)),
        **dict.fromkeys(["octo/closed", "octo/removed", "octo/spare", "octo/never"], (404, 404)),
    },
    "reader": {
        **dict.fromkeys([*PUBLIC, "octo/closed", "octo/removed"], (200, 403)),
        **dict.fromkeys(["octo/spare", "octo/never"], (404, 404)),
    },
    "maintainer": {
        **dict.fromkeys(MONITORED, (200, 204)),
        "octo/spare": (201, 404),
        "octo/never": (404, 404),
    },
    "operator": {
        **dict.fromkeys(MONITORED, (200, 204)),
        "octo/spare": (201, 404),
        "octo/never": (404, 404),
    },
    "revoked token": dict.fromkeys([*MONITORED, "octo/spare", "octo/never"], (401, 401)),
}
for _name in ("outsider", "reader", "maintainer", "operator"):
    WRITES[f"{_name}'s token"] = WRITES[_name]
WRITES["token of the command line"] = WRITES["operator"]


@pytest.mark.parametrize("who", WRITES)
def test_everybody_adds_and_removes_what_they_may_and_nothing_else(
    matrix: Matrix, who: str
) -> None:
    caller = matrix.callers[who]
    for name, (_, removing) in WRITES[who].items():
        number = matrix.ids.get(name, NEVER_ID)
        if name != "octo/spare":
            response = caller.delete(number)
            assert response.status_code == removing, (name, response.text)
            if removing == 204:
                assert number not in caller.visible()
                assert caller.delete(number).status_code == 404
                matrix.house.connection.execute("update app.repositories set removed_at = null")
    bodies = set()
    for name, (adding, _) in WRITES[who].items():
        response = caller.add(name)
        assert response.status_code == adding, (name, response.text)
        if adding == 404:
            bodies.add(response.text.replace(name, "NAME"))
    assert len(bodies) <= 1
    is_added = WRITES[who]["octo/spare"][0] == 201
    assert (matrix.ids["octo/spare"] in matrix.callers["operator"].visible()) is is_added


def test_whoever_took_back_the_consent_changes_nothing_by_session_or_token(
    matrix: Matrix,
) -> None:
    matrix.change()
    for who, status in (("revoked", 401), ("revoked one's token", 403)):
        caller = matrix.callers[who]
        assert caller.add("octo/closed").status_code == status
        assert caller.delete(matrix.ids["octo/closed"]).status_code == status
    assert matrix.callers["reader"].delete(matrix.ids["octo/turned"]).status_code == 404
    assert matrix.callers["outsider"].delete(matrix.ids["octo/gone"]).status_code == 404
