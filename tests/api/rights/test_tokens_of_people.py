"""API tokens of people and of operators; GitHub's own open nothing."""

import hashlib
from typing import Any

import pytest

from github_standin.world.people import User
from tests.api.rights.installation import OPERATOR_ID, Caller, House

pytestmark = pytest.mark.integration


def test_a_person_s_token_has_their_rights_while_they_are_signed_in(
    house: House, caller: Caller, ada: User
) -> None:
    closed_id = house.monitor("octo/closed")
    program = house.with_token(ada)
    assert program.visible() == {closed_id}
    added: Any = program.add("octo/spare").json
    assert house.audit()[-1] == (
        "repository.added",
        ada.account.id,
        True,
        added["data"]["repository_id"],
    )
    house.connection.execute("update app.sign_in_grants set revoked_at = now()")
    for response in (program.get("/stats"), program.add("octo/open"), program.delete(closed_id)):
        assert response.status_code == 403
        assert "Sign in again" in response.text
    house.signed_in(ada)
    assert program.get("/stats").status_code == 200


def test_a_person_s_token_ends_with_what_github_refuses(
    house: House, caller: Caller, ada: User
) -> None:
    program = house.with_token(ada)
    house.world.people.revoke_authorization(ada)
    assert program.get("/stats").status_code == 403
    assert caller.get("/stats").status_code == 401


def test_an_operator_s_own_token_needs_no_session(house: House) -> None:
    open_id = house.monitor("octo/open")
    root = house.person("root", user_id=OPERATOR_ID)
    house.signed_in(root)
    house.connection.execute("update app.sign_in_grants set revoked_at = now()")
    program = house.with_token(root)
    assert program.visible() == {open_id}
    assert program.delete(open_id).status_code == 204


@pytest.mark.parametrize("kind", ["ghu_", "ghp_", "gho_", "ghs_", "ghr_", "github_pat_"])
def test_a_token_of_github_opens_nothing_and_is_not_shown_to_github(
    house: House, ada: User, kind: str
) -> None:
    real = house.world.people.issue_token(ada).access_token
    for token in (real, kind + "x" * 36, f"{kind}{hashlib.sha256(b'x').hexdigest()}"):
        response = house.caller({"Authorization": f"Bearer {token}"}).get("/stats")
        assert response.status_code == 401
        assert "GitHub" in response.text and token not in response.text
    assert house.github.requests == []


def test_a_token_goes_before_a_cookie(house: House, caller: Caller) -> None:
    both = house.caller({**caller.headers, "Authorization": "Bearer as_unknown"})
    assert both.get("/stats").status_code == 401
    behind_a_proxy = house.caller({**caller.headers, "Authorization": "Basic dXNlcjpwYXNz"})
    assert behind_a_proxy.get("/stats").status_code == 200
