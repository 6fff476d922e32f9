"""API tokens of people and of operators; GitHub's own open nothing."""

import hashlib
from typing import Any

import pytest

from github_standin.world.people import User
from tests.api.permissions.installation import OPERATOR_ID, Caller, Installation

pytestmark = pytest.mark.integration


def test_a_person_s_token_has_their_rights_while_they_are_signed_in(
    installation: Installation, caller: Caller, ada: User
) -> None:
    closed_id = installation.monitor("octo/closed")
    program = installation.with_token(ada)
    assert program.visible() == {closed_id}
    added: Any = program.add("octo/spare").json
    assert installation.audit()[-1] == (
        "repository.added",
        ada.account.id,
        True,
        added["data"]["repository_id"],
    )
    installation.connection.execute("update app.sign_in_grants set revoked_at = now()")
    for response in (program.get("/stats"), program.add("octo/open"), program.delete(closed_id)):
        assert response.status_code == 403
        assert "Sign in again" in response.text
    installation.signed_in(ada)
    assert program.get("/stats").status_code == 200


def test_a_person_s_token_ends_with_what_github_refuses(
    installation: Installation, caller: Caller, ada: User
) -> None:
    program = installation.with_token(ada)
    installation.world.people.revoke_authorization(ada)
    assert program.get("/stats").status_code == 403
    assert caller.get("/stats").status_code == 401


def test_an_operator_s_own_token_needs_no_session(installation: Installation) -> None:
    open_id = installation.monitor("octo/open")
    root = installation.person("root", user_id=OPERATOR_ID)
    installation.signed_in(root)
    installation.connection.execute("update app.sign_in_grants set revoked_at = now()")
    program = installation.with_token(root)
    assert program.visible() == {open_id}
    assert program.delete(open_id).status_code == 204


@pytest.mark.parametrize("kind", ["ghu_", "ghp_", "gho_", "ghs_", "ghr_", "github_pat_"])
def test_a_token_of_github_opens_nothing_and_is_not_shown_to_github(
    installation: Installation, ada: User, kind: str
) -> None:
    real = installation.world.people.issue_token(ada).access_token
    for token in (real, kind + "x" * 36, f"{kind}{hashlib.sha256(b'x').hexdigest()}"):
        response = installation.caller({"Authorization": f"Bearer {token}"}).get("/stats")
        assert response.status_code == 401
        assert "GitHub" in response.text and token not in response.text
    assert installation.github.requests == []


def test_a_token_goes_before_a_cookie(installation: Installation, caller: Caller) -> None:
    both = installation.caller({**caller.headers, "Authorization": "Bearer as_unknown"})
    assert both.get("/stats").status_code == 401
    behind_a_proxy = installation.caller({**caller.headers, "Authorization": "Basic dXNlcjpwYXNz"})
    assert behind_a_proxy.get("/stats").status_code == 200
