"""Everybody adds and removes everything: what is theirs changes, and nothing else."""

import pytest

from tests.api.permissions.matrix import MONITORED, NEVER_ID, PUBLIC, Matrix

pytestmark = pytest.mark.integration


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
                matrix.installation.connection.execute(
                    "update app.repositories set removed_at = null"
                )
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
